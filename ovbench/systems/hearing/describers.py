"""Describers by name: ``prosody``, and the audio language models. Nothing here needs PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench.errors import InputError, MissingExtraError, UnknownNameError
from ovbench.speech.audio_llm_prompts import read_question
from ovbench.systems.hearing.known_llms import KNOWN, TINY_LLM, known_llm

if TYPE_CHECKING:
    from ovbench.speech.describer import Describer
    from ovbench.speech.statistics import Statistics

DESCRIBERS = ("prosody", *KNOWN, TINY_LLM)
QUESTION = "voice"
"""What audio language models are asked, where nothing else is named."""


def open_describer(
    name: str,
    *,
    statistics: Statistics | None = None,
    language: Literal["en", "es"] = "en",
    prompt: str | Path | None = None,
    max_new_tokens: int = 256,
    device: str = "auto",
) -> Describer:
    """A describer by name.

    Parameters
    ----------
    name:
        ``prosody``; the short name of an audio language model
        (:data:`ovbench.systems.hearing.known_llms.KNOWN`), its name on the hub, or a folder that
        holds one.
    statistics:
        For ``prosody`` alone: what levels refer to; None: the built-in constants.
    language:
        Of the descriptions. An audio language model answers in the language that it is asked in,
        so another one than English needs a ``prompt``.
    prompt:
        For audio language models: a packaged question's name
        (:func:`ovbench.speech.audio_llm_prompts.question_names`), or a text file.
    max_new_tokens:
        As :class:`ovbench.speech.audio_llm_describer.AudioLlmDescriber` takes it.
    device:
        Where the model goes.

    Raises
    ------
    UnknownNameError
        If describer, prompt or device do not exist.
    InputError
        If the weights are not here; the message says how large they are and how to get them. Or if
        an option is given that the describer does not have.
    MissingExtraError
        If what it needs is not installed.
    """
    if name == "prosody":
        if prompt is not None:
            raise InputError("a prompt was given to prosody", expected="none: it measures")
        from ovbench.speech.describer import Prosody
        from ovbench.speech.statistics import builtin

        return Prosody(statistics or builtin(), language)
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
        open_audio_llm(name, device=device),
        question,
        max_new_tokens=max_new_tokens,
        language=language,
    )


def _may_be_a_place(name: str) -> bool:
    """A folder, or a name as the hub has them."""
    return Path(name).is_dir() or name.count("/") == 1
