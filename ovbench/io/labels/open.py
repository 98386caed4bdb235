"""The ``open`` parser: label lists in whatever form a language model or an annotator gives them.

- JSON and Python lists, quoted or not; brackets; a JSON object with the list under a usual key.
- Separators: ``,`` ``;`` ``|`` ``/`` ``&`` ``+``, their full-width forms, ``、``, new lines,
  bullets and numbers, a period before a space, the words *and*, *or*, *but*, *as well as*.
- A lead such as ``Emotions:`` or ``The answer is:`` goes; so do Markdown, tags, asides in
  parentheses, scores (``happy: 0.9``), and an explanation after a bullet's label.
- Labels are lower-case NFKC, without invisible characters, with single spaces (also for ``_``) and
  without quotes or punctuation at their ends. Apostrophes inside words stay. Each counts once.
- Nothing, ``[]``, ``none``, ``n/a``, ``nan``, ``null``, ``no emotion`` are ``EMPTY``. As items of
  a list they are left out. (``neutral`` is a label.)
- If any piece is a sentence or a refusal (:mod:`ovbench.io.labels.sentence`), the cell is
  ``UNPARSABLE``, unless exactly one list in brackets, or one line with a lead, stands in the prose:
  then that is the answer. Numbers alone are ``UNPARSABLE`` too.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

from ovbench.io.labels.base import EMPTY, UNPARSABLE, Named, Parsed, PlainForm, Status, is_missing
from ovbench.io.labels.open_text import fold, without_markup
from ovbench.io.labels.sentence import is_sentence
from ovbench.io.records import JsonObject

_LIST_KEYS = (
    *("openset", "open_set", "ovlabel", "ov_label", "labels", "label", "emotions", "emotion"),
    *("prediction", "predictions", "answer", "answers", "output", "response", "result"),
)
_LEAD_WORD = (
    r"(?:emotions?|emotional|states?|labels?|answers?|outputs?|open_?set|ov_?labels?|predictions?"
    r"|results?|responses?|feelings?|moods?|lists?|words|情绪|情感|标签|答案)"
)
_LEAD_LINE = re.compile(rf"^[^:\n]{{0,120}}?(?<!\w){_LEAD_WORD}(?!\w)[^:\n]{{0,60}}:", re.MULTILINE)
_LEAD = re.compile(rf"^[^:=]{{0,60}}?(?<!\w){_LEAD_WORD}(?!\w)[^:=]{{0,40}}[:=]")
_BULLET_LINE = re.compile(
    # The blanks after a bullet are never given back: trying them as a label's beginning would take
    # a time that grows with their square. Without a label, two of them stand for an empty one.
    r"^[ \t]*(?:[-*+•·–—]|\(?\d{1,2}[.):])"
    r"(?:[ \t]++(?P<label>[^:\n]{1,40}?)[ \t\"']*|[ \t]{2}[ \t\"']*)"
    r"(?P<mark>:|[ \t][-–—])[ \t]+(?P<rest>[^\n]+)$",
    re.MULTILINE,
)
_SPLIT = re.compile(
    r"[\[\]{},;|/&+\n\t、•·—]"
    r"|(?<![\w'-])(?:and|or|but|as\s+well\s+as)(?![\w'-])"
    r"|['\"]\s+['\"]"
    r"|\s[-–*]\s"
    r"|[.!?](?=\s|$)"
    r"|(?<!\S)\(?\d{1,2}[.)](?=\s)"
)
_ASIDE = re.compile(r"\([^()]*\)")
_ONE_LIST = re.compile(r"\[[^\[\]]*\]")
_NUMBER_BEFORE = re.compile(r"^\(?\d{1,3}(?:[.):]|\s)\s*")
_SCORE_AFTER = re.compile(r"[\s:=\"'(-]{0,10}\d{1,9}(?:\.\d{1,9})?\s?%?$")
_EDGES = " \t\n\"'`*_~.!?,;:#>()<=-–—…"
_NOT_APPLICABLE = re.compile(r"\bn/a\b")
# What stands for no label, and headings, which are none.
_NONE = frozenset(
    [
        *("none", "null", "nil", "nan", "na", "empty", "not applicable", "none of the above"),
        *("no emotion", "no emotions", "no label", "no labels"),
        *("emotion", "emotions", "label", "labels", "answer", "answers", "openset", "list"),
    ]
)


@dataclass(frozen=True)
class OpenParser(Named):
    """Our own default parser."""

    name: ClassVar[str] = "open"
    version: ClassVar[int] = 1

    @property
    def plain(self) -> PlainForm:
        """Lists of words between commas, in brackets and quotes or not."""
        return _PLAIN

    def parse(self, cell: object) -> Parsed:
        """Labels and status of a cell."""
        if isinstance(cell, str):
            return _parse_text(cell)
        if is_missing(cell):
            return EMPTY
        if isinstance(cell, (bool, int, float, bytes)):
            return UNPARSABLE
        return _parse_value(cell)


@dataclass
class _Found:
    """Labels found so far, and whether something that is no label was found."""

    labels: dict[str, None] = field(default_factory=dict)
    odd: bool = False

    def add_value(self, value: object) -> None:
        """A list cell, an object, or an item in them. Numbers in lists (scores) are left out."""
        if isinstance(value, str):
            parsed = _parse_text(value)
            self.labels.update(dict.fromkeys(parsed.labels))
            self.odd |= parsed.status is Status.UNPARSABLE
        elif isinstance(value, (dict, JsonObject)):
            chosen = _labels_of(dict(value))
            self.odd |= bool(value) and not chosen
            self.add_value(chosen)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self.add_value(item)
            self.odd |= not self.labels and any(isinstance(item, (int, float)) for item in value)
        elif not is_missing(value) and not isinstance(value, (bool, int, float)):
            self.odd = True

    def add_piece(self, piece: str) -> None:
        """What stands between two separators, folded."""
        piece = _LEAD.sub("", piece.strip(), count=1)
        label = _SCORE_AFTER.sub("", _NUMBER_BEFORE.sub("", piece)).strip(_EDGES)
        label = " ".join(label.replace("_", " ").split())
        if not label.isascii():
            label = unicodedata.normalize("NFKC", label).strip(_EDGES)
        if not any(c.isalpha() for c in label):
            self.odd |= any(c.isalnum() for c in piece) and not self.labels
        elif ":" in label or "=" in label or is_sentence(label):
            self.odd = True
        elif label not in _NONE:
            self.labels[label] = None

    def parsed(self) -> Parsed:
        """The labels, unless something else was found too."""
        if self.odd:
            return UNPARSABLE
        return Parsed(tuple(self.labels), Status.OK) if self.labels else EMPTY


def _labels_of(value: Mapping[str, object]) -> list[object]:
    """The part of a JSON object that holds the labels, in a list; empty if it cannot be told."""
    keys = {str(key).strip().lower(): key for key in value}
    for key in _LIST_KEYS:
        if key in keys:
            return [value[keys[key]]]
    lists: list[object] = [item for item in value.values() if isinstance(item, (list, tuple))]
    if len(lists) == 1 or len(value) != 1:
        return lists if len(lists) == 1 else []
    return list(value.values())


def _parse_text(text: str) -> Parsed:
    text = without_markup(fold(text)).strip()
    text = _NOT_APPLICABLE.sub("none", text)
    if "{" in text and (parsed := _parse_json(text)) is not None:
        return parsed
    parsed = _parse_list(text)
    if parsed.status is not Status.UNPARSABLE:
        return parsed
    answers = _ONE_LIST.findall(text)
    if not answers:
        answers = [text[m.end() :].partition("\n")[0] for m in _LEAD_LINE.finditer(text)]
    inside = _parse_list(answers[0]) if len(answers) == 1 and answers[0] != text else UNPARSABLE
    return inside if inside.labels else UNPARSABLE


def _parse_json(text: str) -> Parsed | None:
    """The labels in a JSON object or list of objects; None if there is no valid JSON."""
    start = min(at for at in (text.find("{"), text.find("[")) if at >= 0)
    end = max(text.rfind("}"), text.rfind("]")) + 1
    try:
        value = json.loads(text[start:end], strict=False)
    except (ValueError, RecursionError):
        return None
    return _parse_value(value)


def _parse_value(value: object) -> Parsed:
    found = _Found()
    try:
        found.add_value(value)
    except RecursionError:
        return UNPARSABLE
    return found.parsed()


def _parse_list(text: str) -> Parsed:
    text = _LEAD_LINE.sub("", text)
    text = _BULLET_LINE.sub(_bullet, text)
    if "(" in text and not (text.startswith("(") and text.endswith(")")):
        text = _ASIDE.sub(" ", text)
    found = _Found()
    for piece in _SPLIT.split(text):
        found.add_piece(piece)
    return found.parsed()


def _bullet(line: re.Match[str]) -> str:
    """``- happy: a bright voice`` is the label happy; ``- happy - sad`` is two."""
    explained = line["mark"] == ":" or len(line["rest"].split()) > 2
    return f"{line['label'] or ''}\n" if explained else line[0]


def _plain_piece(first: bool, last: bool) -> re.Pattern[str]:
    words = r"[ \t]*[\"']?[A-Za-z]+(?:[ _'/-][A-Za-z]+)*[\"']?[ \t]*"
    opening, closing = r"[ \t]*\[?" if first else "", r"\]?[ \t]*" if last else ""
    return re.compile(f"{opening}(?:{words}|[ \t]*){closing}")


_PLAIN_PIECES = {(a, b): _plain_piece(a, b) for a in (False, True) for b in (False, True)}


class _Plain:
    """Pieces of letters, in quotes or not, that are nothing but labels when parsed alone."""

    separator = ","
    unique = True

    def piece(self, raw: str, first: bool, last: bool) -> tuple[str, ...] | None:
        if _PLAIN_PIECES[first, last].fullmatch(raw):
            return _labels_in(raw.strip(" \t[]\"'"))
        return None

    def item(self, raw: str) -> tuple[str, ...] | None:
        return self.piece(raw, first=False, last=False)


@lru_cache(maxsize=100_000)
def _labels_in(words: str) -> tuple[str, ...] | None:
    """The labels that words are; None if they are none."""
    labels, _ = _parse_text(words)
    return labels or (None if words else ())


_PLAIN = _Plain()
