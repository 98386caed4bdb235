"""Frozen weights that recipes name: how large they are and under which licence. No PyTorch here."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ovbench.errors import InputError
from ovbench.systems.backbones import locate
from ovbench.systems.hearing.known_llms import known_llm


class Weights(NamedTuple):
    """Size of the files in GB, and the licence that the model hub or the model's makers give."""

    gigabytes: float
    licence: str


_OPEN, _NAMED, _GEMMA = "Apache-2.0", "CC BY-SA 3.0", "Gemma Terms of Use"
KNOWN = {
    "openai/whisper-tiny": Weights(0.15, _OPEN),
    "openai/whisper-base": Weights(0.29, _OPEN),
    "openai/whisper-small": Weights(0.97, _OPEN),
    "openai/whisper-large-v3": Weights(3.1, _OPEN),
    "microsoft/wavlm-base-plus": Weights(0.38, _NAMED),
    "microsoft/wavlm-large": Weights(1.3, _NAMED),
    "facebook/mms-300m": Weights(1.3, "CC BY-NC 4.0, not for commerce"),
    "facebook/hubert-large-ls960-ft": Weights(1.3, _OPEN),
    "facebook/wav2vec2-large-960h": Weights(1.3, _OPEN),
    "google-bert/bert-base-uncased": Weights(0.44, _OPEN),
    "google/gemma-2b": Weights(5.0, _GEMMA),
}
"""By name on the model hub."""


def locate_part(name: str, *, base: bool = False) -> Path:
    """The folder of a frozen part's weights on this machine.

    ``base``: ``--base`` may name another in its place, which the message then says.

    Raises
    ------
    InputError
        If they are not here (the message says how large they are, under which licence, and how to
        get them), or the folder does not hold a model that ovbench loads.
    UnknownNameError
        If it is no folder, and no name that the hub could have.
    """
    try:
        return locate(name)
    except InputError as error:
        if error.where is not None or not error.found.endswith("are not on this machine"):
            raise
        llm = known_llm(name)
        known = Weights(llm.gigabytes, llm.licence) if llm else KNOWN.get(name)
        ways = ["give a folder with --base FOLDER"] if base else []
        ways.append("use --scale tiny, which needs nothing")
        raise InputError(
            error.found,
            expected=f"{known.gigabytes:g} GB of weights; licence of the weights: {known.licence}"
            if known
            else error.expected,
            mend=f"get them with: hf download {name} (or {', or '.join(ways)})",
        ) from None
