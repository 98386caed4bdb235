"""A chain: describer, language model that captions, and what reads labels in the caption."""
