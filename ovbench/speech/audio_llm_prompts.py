"""What an audio language model is asked of a clip: text files, known by their hash."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ovbench.errors import InputError, UnknownNameError

_FIELD = re.compile(r"\{([a-z_]+)\}")
_TRANSCRIPT = "{transcript}"


@dataclass(frozen=True)
class Question:
    """A question about a clip.

    Attributes
    ----------
    name:
        The packaged file's name without its ending, or the name of the file that was given.
    text:
        It; ``{transcript}`` is where the words go.
    sha256:
        Of the file's bytes.
    """

    name: str
    text: str
    sha256: str

    @property
    def reads(self) -> bool:
        """Whether it shows the model what is said."""
        return _TRANSCRIPT in self.text

    def render(self, transcript: str = "") -> str:
        """The text that the model is asked; a transcript is data, on one line."""
        return self.text.replace(_TRANSCRIPT, " ".join(transcript.split()))


def question_names() -> tuple[str, ...]:
    """Names of the packaged questions, sorted."""
    folder = resources.files("ovbench.speech") / "prompts"
    return tuple(sorted(file.name.removesuffix(".txt") for file in folder.iterdir()))


def read_question(name: str | Path) -> Question:
    """A packaged question by its name, or one from a file, by a path that ends with ``.txt``.

    Raises
    ------
    UnknownNameError
        If there is none of that name, or the text has a field that clips do not have.
    InputError
        If the file cannot be read or is empty.
    """
    where = str(name)
    try:
        if where.endswith(".txt"):
            data = Path(name).read_bytes()
        elif where in question_names():
            data = (resources.files("ovbench.speech") / "prompts" / f"{where}.txt").read_bytes()
        else:
            raise UnknownNameError(
                "prompt", where, question_names(), mend="or give a file that ends with .txt"
            )
        text = data.decode("utf-8").replace("\r\n", "\n").strip()
    except OSError as error:
        raise InputError(
            f"the prompt file cannot be read ({error.strerror})", where=where
        ) from None
    except UnicodeDecodeError:
        raise InputError("the prompt file is not text", where=where, expected="UTF-8") from None
    if not text:
        raise InputError("the prompt file is empty", where=where)
    for field in _FIELD.findall(text):
        if field != "transcript":
            raise UnknownNameError("prompt field", field, ["transcript"], mend=f"mend {where}")
    return Question(Path(where).name.removesuffix(".txt"), text, hashlib.sha256(data).hexdigest())
