"""The files that a trained model is saved as; nothing of PyTorch is imported."""

from __future__ import annotations

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
"""An adapter's configuration and weights, as PEFT reads them."""
SPEECH_MODEL = ("model.json", "model.safetensors")
"""Record and weights of a system that hears."""
