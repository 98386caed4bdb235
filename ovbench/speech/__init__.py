"""Audio in, words out: how a voice sounds, measured and described."""
