"""Text as language models write it, made plain before the ``open`` parser splits it."""

from __future__ import annotations

import re
import unicodedata

_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys("‘’‛ʼ′", "'"),
        **dict.fromkeys("“”„‟″«»「」『』", '"'),
        **dict.fromkeys("【〔", "["),
        **dict.fromkeys("】〕", "]"),
        **dict.fromkeys("。｡", "."),
        **dict.fromkeys("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\n"),
        **dict.fromkeys([chr(c) for c in (*range(9), *range(0x0E, 0x1C), 0x1F, 0x7F)], " "),
        "\ufe0e": "",
        "\ufe0f": "",
    }
)
_INVISIBLE = {"Cf", "Cs", "Co", "So"}
"""Zero-width and other format characters, surrogates, private use, emoji."""

_TAG = re.compile(r"</?[a-z][a-z_]{0,20}/?>|<\|[^|<>]{0,40}\|>")
_FENCE = re.compile(r"```(?:(?:json|python|text|txt|markdown|md|plaintext)\b)?")
_EMPHASIS = re.compile(r"\*\*|__|`")
_HEADING = re.compile(r"^[ \t]*(?:#+|>)[ \t]*", re.MULTILINE)
_ESCAPED_QUOTE = re.compile(r"\\{1,4}(?=['\"])")


def fold(text: str) -> str:
    """Lower-case NFKC text with plain quotes and line ends, without invisible characters."""
    text = text.translate(_CHARACTERS)
    if text.isascii():
        return text.lower()
    text = "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE)
    # NFKC brings up new capitals and new line ends, and lower-casing new compositions.
    text = unicodedata.normalize("NFKC", text).translate(_CHARACTERS).lower()
    return unicodedata.normalize("NFKC", text)


def without_markup(text: str) -> str:
    r"""Folded text without Markdown, tags and what a model thought before it answered.

    Written-out ``\n`` and ``\"`` become what they stand for.
    """
    if "<" in text:
        thought = max(text.rfind("</think>"), text.rfind("</thinking>"))
        text = _TAG.sub("\n", text[max(thought, 0) :])
    if "\\" in text:
        text = _ESCAPED_QUOTE.sub("", text.replace("\\n", "\n")).replace("\\", " ")
    text = _EMPHASIS.sub("", _FENCE.sub("\n", text))
    return _HEADING.sub("", text)
