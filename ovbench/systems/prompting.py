"""A prompt file: what a language model is shown of an item, and how its answer is written.

A prompt file is UTF-8 text with the fields ``{description}`` and ``{transcript}``, or, for a model
that hears, ``{audio}``, and it ends with ``{answer}``, where the model's answer begins. Other
braces mean themselves.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.errors import InputError, UnknownNameError
from ovbench.frozen import Frozen

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ovbench.tasks.item import Item

_FIELDS = ("description", "transcript", "audio")
_ANSWER = "{answer}"
_MAX_BYTES = 256 * 1024
"""Largest prompt file: many times what a model could read."""
_FIELD = re.compile(r"\{([a-z_]+)\}")
_CONTROL_TOKEN = re.compile(r"<\|[^<>|\s]{1,64}\|>")


class Prompt(Frozen):
    """A prompt file's text and hash."""

    file: str
    """The file's name, as the recipe gives it."""
    text: str
    """The file's text up to ``{answer}``, with the white space before it."""
    sha256: str
    """Of the file's bytes."""

    @property
    def hears(self) -> bool:
        """Whether it has a place for the clip itself."""
        return "{audio}" in self.text

    def render(self, item: Item, audio: str = "") -> str:
        """The text before the answer, with the item's fields filled in.

        ``audio``: what stands for the clip (a model's placeholder token), kept as it is.

        Field values are data: braces in them mean themselves, white space is folded (so that no
        value can open a line of the prompt's own), and control tokens such as ``<|im_end|>`` are
        taken out.
        """
        values = {"description": item.description, "transcript": item.transcript}

        def value(found: re.Match[str]) -> str:
            name = found[1]
            return audio if name == "audio" else _one_line(values[name])

        return _FIELD.sub(value, self.text.removesuffix(" "))

    def completion(self, labels: Sequence[str]) -> str:
        """The answer that names ``labels``, as it follows :meth:`render`: `` angry, sad``."""
        words = ", ".join(_one_line(label.replace(",", " ")) for label in labels)
        return (" " if self.text.endswith(" ") else "") + words


def read_prompt(path: Path, name: str | None = None) -> Prompt:
    """The prompt in a file.

    Raises
    ------
    UnknownNameError
        If it has a field that items do not have.
    InputError
        If it cannot be read, shows nothing of the item, or does not end with ``{answer}``.
    """
    data = _bytes_of(path)
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InputError("the prompt file is not text", where=str(path), expected="UTF-8") from None
    body, marker, rest = text.partition(_ANSWER)
    if not marker or rest.strip():
        raise InputError(
            f"the prompt does not end with {_ANSWER}" if not marker else f"text after {_ANSWER}",
            where=str(path),
            expected=f"a text that ends with {_ANSWER}, where the model's answer begins",
        )
    fields = _FIELD.findall(body)
    for field in fields:
        if field not in _FIELDS:
            raise UnknownNameError("prompt field", field, _FIELDS, mend=f"correct it in {path}")
    if not fields:
        raise InputError(
            "the prompt shows nothing of the item",
            where=str(path),
            expected="{description}, {transcript} or {audio} in it",
        )
    return Prompt(file=name or path.name, text=body, sha256=hashlib.sha256(data).hexdigest())


def _bytes_of(path: Path) -> bytes:
    """What a prompt file holds; a device or a pipe might never end."""
    try:
        if path.exists() and not path.is_file():
            raise InputError("the prompt file is no ordinary file", where=str(path))
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"the prompt file cannot be read ({error.strerror})", where=str(path)
        ) from None
    if len(data) > _MAX_BYTES:
        raise InputError(
            f"the prompt file is larger than {_MAX_BYTES // 1024} KiB", where=str(path)
        )
    return data


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """Token ids of a rendered prompt, with the tokenizer's own first token where it has one."""
    return [int(token) for token in tokenizer(prompt)["input_ids"]]


def completion_ids(tokenizer: PreTrainedTokenizerBase, completion: str) -> list[int]:
    """Token ids of an answer, ended by the end-of-sequence token: what the loss is taken on.

    Prompt and answer are tokenized apart, so that training sees the very ids that generation does.
    """
    ids = tokenizer(completion, add_special_tokens=False)["input_ids"]
    return [*(int(token) for token in ids), int(tokenizer.eos_token_id)]


def _one_line(value: str) -> str:
    return " ".join(_CONTROL_TOKEN.sub(" ", value).split())
