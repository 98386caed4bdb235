"""Describers by name: ``prosody``, and the audio language models. Nothing here needs PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench.errors import InputError, MissingExtraError, UnknownNameError
from ovbench.speech.audio_llm_prompts import read_question
from ovbench.systems.backbones import locate

if TYPE_CHECKING:
    from ovbench.speech.describer import Describer
    from ovbench.speech.statistics import Statistics

QUESTION = "voice"
"""What audio language models are asked, where nothing else is named."""


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
DESCRIBERS = ("prosody", *KNOWN, TINY_LLM)


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
            "audio language model", name, DESCRIBERS[1:], mend="or give the folder of one"
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


def open_describer(
    name: str,
    *,
    statistics: Statistics | None = None,
    language: Literal["en", "es"] = "en",
    prompt: str | Path | None = None,
    max_new_tokens: int = 256,
    max_seconds: float | None = None,
    longer: Literal["crop", "reject"] = "crop",
    batch_size: int = 4,
    device: str = "auto",
    dtype: str = "auto",
) -> Describer:
    """A describer by name.

    Parameters
    ----------
    name:
        ``prosody``; the short name of an audio language model (:data:`KNOWN`), its name on the
        hub, or a folder that holds one.
    statistics:
        For ``prosody`` alone: what levels refer to; None: the built-in constants.
    language:
        Of the descriptions. An audio language model answers in the language that it is asked in,
        so another one than English needs a ``prompt``.
    prompt:
        For audio language models: a packaged question's name
        (:func:`ovbench.speech.audio_llm_prompts.question_names`), or a text file.
    max_new_tokens, max_seconds, longer, batch_size:
        As :class:`ovbench.speech.audio_llm_describer.AudioLlmDescriber` takes them.
    device, dtype:
        Where the model goes, and the dtype of its weights.

    Raises
    ------
    UnknownNameError
        If describer, prompt, device or dtype do not exist.
    InputError
        If the weights are not here; the message says how large they are and how to get them. Or if
        an option is given that the describer does not have.
    MissingExtraError
        If what it needs is not installed.
    """
    if name == "prosody":
        if prompt is not None:
            raise InputError("a prompt was given to prosody", expected="none: it measures")
        from ovbench.speech import describer

        return describer.open_describer(name, statistics=statistics, language=language)
    if statistics is not None:
        raise InputError(f"statistics were given to {name}", expected="none: it measures nothing")
    if language != "en" and prompt is None:
        raise InputError(
            f"there is no packaged prompt in {language!r}",
            mend="give one in that language with --prompt FILE.txt",
        )
    question = read_question(prompt or QUESTION)
    if known_llm(name) is None and name != TINY_LLM and not _may_be_a_place(name):
        raise UnknownNameError(
            "describer", name, DESCRIBERS, mend="or name the folder of an audio language model"
        )
    try:
        from ovbench.speech.audio_llm_describer import AudioLlmDescriber
        from ovbench.systems.hearing.audio_llms import open_audio_llm
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers", "safetensors", "peft"):
            raise
        raise MissingExtraError("an audio language model", "models") from None
    return AudioLlmDescriber(
        open_audio_llm(name, device=device, dtype=dtype),
        question,
        max_new_tokens=max_new_tokens,
        max_seconds=max_seconds,
        longer=longer,
        batch_size=batch_size,
        language=language,
    )


def _may_be_a_place(name: str) -> bool:
    """A folder, or a name as the hub has them."""
    return Path(name).is_dir() or name.count("/") == 1
