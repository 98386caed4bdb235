"""Audio language models as describers: a clip and a question in, what the model says of it out.

Models of :data:`ovbench.speech.audio_llm_inputs.FAMILIES` run here, through transformers, greedily.
Any other program describes clips by a file: JSON lines, one object a clip, with the keys

``id``
    The item's id in its task.
``description``
    What was said of the clip; empty where there is nothing, which is counted, never guessed.
``describer`` (optional)
    What wrote the line: name, weights and prompt, in whatever form lets another repeat it.
``prompt`` (optional)
    The question, word for word.
``raw`` (optional)
    The program's whole output, where ``description`` is a part of it.

Laid down as ``descriptions.jsonl`` in a data set's folder, the file gives the task's items their
descriptions (:mod:`ovbench.tasks.load`); keys that are not read there are provenance for people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from ovbench.errors import InputError, OvbenchError
from ovbench.speech.audio import AudioError, audio_info, read_audio
from ovbench.speech.audio_llm import AudioLlm, Generated, generate
from ovbench.speech.audio_llm_inputs import PROMPT, RATE, chat_ids
from ovbench.speech.describe import Description

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ovbench.speech.audio_llm_prompts import Question
    from ovbench.speech.describer import Clip

SHORTEST = 0.1
"""Seconds below which there is nothing to describe."""


class AudioLlmDescriber:
    """An audio language model that is asked one question about every clip.

    Parameters
    ----------
    llm:
        The model.
    question:
        What it is asked.
    max_new_tokens:
        Tokens after which an answer is cut off (status ``truncated``).
    max_seconds:
        Longest stretch that it is given; None: as much as it can take.
    longer:
        Of a longer clip: its first ``max_seconds`` (told in the notes), or status ``too_long``.
    batch_size:
        Clips that are heard at once.
    language:
        What the question asks for the answer in; recorded, not checked.

    Raises
    ------
    InputError
        If ``max_seconds`` is more than the model can be given.
    """

    def __init__(
        self,
        llm: AudioLlm,
        question: Question,
        *,
        max_new_tokens: int = 256,
        max_seconds: float | None = None,
        longer: Literal["crop", "reject"] = "crop",
        batch_size: int = 4,
        language: Literal["en", "es"] = "en",
    ) -> None:
        if max_seconds is not None and not SHORTEST <= max_seconds <= llm.longest:
            raise InputError(
                f"a longest stretch of {max_seconds:g} s",
                expected=f"between {SHORTEST:g} and {llm.longest:g} s for {llm.name}",
            )
        self.llm, self.question, self.language = llm, question, language
        self.max_new_tokens, self.longer, self.batch_size = max_new_tokens, longer, batch_size
        self.max_seconds = llm.longest if max_seconds is None else max_seconds

    @property
    def id(self) -> str:
        """Model, and hashes of weights and prompt, then decoding, dtype and length policy."""
        asked = self.llm.family.chat.replace(PROMPT, self.question.text)
        prompt = hashlib.sha256(asked.encode()).hexdigest()
        return (
            f"{self.llm.name}@{self.llm.sha256[:12]}+{self.question.name}@{prompt[:12]}"
            f"+greedy{self.max_new_tokens}-{self.llm.dtype}+{self.longer}{self.max_seconds:g}s"
        )

    def describe(self, items: Sequence[Clip]) -> Iterator[Description]:
        """What the model says of each clip, in their order.

        Statuses: ``ok``; ``truncated`` (the text so far is kept); ``empty`` (it said nothing);
        ``unreadable``, ``too_short``, ``silent`` (no sample but 0) and ``too_long``, for which it
        was not asked.

        Raises
        ------
        OvbenchError
            If memory runs out.
        """
        for start in range(0, len(items), self.batch_size):
            batch = [self._listen(clip) for clip in items[start : start + self.batch_size]]
            heard = [one for one in batch if isinstance(one, _Heard)]
            said = iter(self._ask(heard) if heard else [])
            for one in batch:
                yield self._told(one, next(said)) if isinstance(one, _Heard) else one

    def inputs(self, heard: Sequence[_Heard]) -> tuple[list[list[int]], dict[str, Tensor]]:
        """Prompts of token ids, and the audio inputs that go with them."""
        audio, counts = self.llm.hear([one.samples for one in heard])
        prompts = [
            chat_ids(
                self.llm.family, self.llm.tokenizer, self.question.render(one.clip.transcript), n
            )
            for one, n in zip(heard, counts, strict=True)
        ]
        return prompts, audio

    def _ask(self, heard: Sequence[_Heard]) -> list[Generated]:
        prompts, audio = self.inputs(heard)
        try:
            return generate(self.llm, prompts, audio, self.max_new_tokens)
        except torch.OutOfMemoryError:
            raise OvbenchError(
                f"Out of memory on {self.llm.model.device} with a batch of {len(prompts)}. Use a "
                "smaller one, or a smaller model."
            ) from None

    def _listen(self, clip: Clip) -> _Heard | Description:
        try:
            whole = audio_info(clip.path).seconds
            if whole > self.max_seconds and self.longer == "reject":
                return self._unasked(
                    clip, "too_long", whole, f"{whole:.1f} s, more than {self.max_seconds:g}"
                )
            audio = read_audio(clip.path, rate=RATE, max_seconds=self.max_seconds)
        except AudioError as error:
            return self._unasked(clip, "unreadable", None, str(error))
        if audio.seconds < SHORTEST:
            return self._unasked(clip, "too_short", whole, f"{whole:.3f} s")
        if not audio.samples.any():
            return self._unasked(clip, "silent", whole, "every sample is 0")
        # Resampling may leave a sample more than the stretch has.
        return _Heard(clip, audio.samples[: int(self.max_seconds * RATE)], whole)

    def _unasked(self, clip: Clip, status: str, seconds: float | None, why: str) -> Description:
        return self._description(clip.id, "", status, seconds, (why,))

    def _told(self, one: _Heard, said: Generated) -> Description:
        cut = one.seconds > self.max_seconds
        note = f"the first {self.max_seconds:g} s of {one.seconds:.1f} s were heard"
        return self._description(
            one.clip.id, said.text, said.status, one.seconds, (note,) if cut else ()
        )

    def _description(
        self, name: str, text: str, status: str, seconds: float | None, notes: tuple[str, ...]
    ) -> Description:
        return Description.model_validate(
            {
                "id": name,
                "description": text,
                "status": status,
                "language": self.language,
                "seconds": None if seconds is None else round(seconds, 4),
                "notes": notes,
                "describer": self.id,
            }
        )


class _Heard(NamedTuple):
    clip: Clip
    samples: NDArray[np.float32]
    seconds: float
    """Of the whole file."""
