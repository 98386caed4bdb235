"""Audio language models with short names, and where they are here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ovbench.errors import InputError, UnknownNameError
from ovbench.systems.backbones import locate


@dataclass(frozen=True)
class KnownLlm:
    """An audio language model with a short name.

    Attributes
    ----------
    hub:
        Name on the model hub.
    gigabytes:
        Of its weights in 16 bits.
    licence:
        Of the weights.
    without:
        Pattern of files that the download may leave out.
    """

    hub: str
    gigabytes: float
    licence: str
    without: str | None = None

    @property
    def download(self) -> str:
        """The command that gets it."""
        left_out = f' --exclude "{self.without}"' if self.without else ""
        return f"hf download {self.hub}{left_out}"


KNOWN = {
    "qwen2-audio": KnownLlm("Qwen/Qwen2-Audio-7B-Instruct", 16.8, "Apache-2.0"),
    "qwen2.5-omni": KnownLlm("Qwen/Qwen2.5-Omni-7B", 22.4, "Apache-2.0"),
    "audio-flamingo-3": KnownLlm(
        "nvidia/audio-flamingo-3-hf", 16.5, "NVIDIA OneWay, not for commerce"
    ),
    "voxtral": KnownLlm(
        "mistralai/Voxtral-Mini-3B-2507", 9.4, "Apache-2.0", without="consolidated*"
    ),
}
TINY_LLM = "tinyqwen2audio"
"""Qwen2-Audio's architecture around the bundled language model, with an untrained ear."""


def known_llm(name: str) -> KnownLlm | None:
    """The model of that short name, or of that name on the hub, whatever the case."""
    for short, known in KNOWN.items():
        if name.lower() in (short, known.hub.lower()):
            return known
    return None


def locate_llm(name: str) -> Path:
    """The folder of an audio language model's weights on this machine.

    Raises
    ------
    InputError
        If they are not here (the message says how large they are and how to get them), or the
        folder does not hold a model that ovbench loads.
    UnknownNameError
        If it is no folder, and no name that the hub could have.
    """
    known = known_llm(name)
    if known is None and "/" not in name and not Path(name).is_dir():
        raise UnknownNameError(
            "audio language model", name, (*KNOWN, TINY_LLM), mend="or give the folder of one"
        )
    try:
        return locate(known.hub if known and not Path(name).is_dir() else name)
    except InputError as error:
        if known is None or error.where is not None:
            raise
        raise missing_weights(error.found, known) from None


def missing_weights(found: str, known: KnownLlm) -> InputError:
    """What is told where a known model is not on this machine."""
    return InputError(
        found,
        expected=f"{known.gigabytes:g} GB of weights in the hub's cache or a folder, and a GPU "
        f"with about {1.25 * known.gigabytes:.0f} GB; licence of the weights: {known.licence}",
        mend=f"get them with: {known.download} (or name the folder in which they are; prosody and "
        f"{TINY_LLM} need no download)",
    )
