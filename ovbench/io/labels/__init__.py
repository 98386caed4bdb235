"""Label parsers, named and versioned, and the label lists that they make of a file's cells."""

from __future__ import annotations

from collections.abc import Callable

from ovbench.errors import InputError, UnknownNameError
from ovbench.io.labels.affectgpt import AffectGPTParser
from ovbench.io.labels.base import LabelParser, Parsed, PlainForm, Status
from ovbench.io.labels.extract import ExtractParser
from ovbench.io.labels.lists import LabelLists, parse_cells
from ovbench.io.labels.mer2024 import Mer2024Parser
from ovbench.io.labels.open import OpenParser

__all__ = [
    "LabelLists",
    "LabelParser",
    "Parsed",
    "PlainForm",
    "Status",
    "get_parser",
    "parse_cells",
    "parser_names",
]

_PARSERS: dict[str, Callable[[], LabelParser]] = {
    parser.name: parser for parser in (AffectGPTParser, Mer2024Parser, OpenParser)
}


def parser_names() -> list[str]:
    """Names that :func:`get_parser` knows."""
    return sorted([*_PARSERS, ExtractParser.name])


def get_parser(name: str, *, known_words: frozenset[str] | None = None) -> LabelParser:
    """The parser of that name.

    ``known_words`` (lower-case words and phrases) is what ``open+extract`` looks for in sentences.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    InputError
        If ``open+extract`` is asked for without known words.
    """
    if name == ExtractParser.name:
        if known_words is None:
            raise InputError(f"parser {name!r} needs the known emotion words")
        return ExtractParser(known_words)
    if name not in _PARSERS:
        raise UnknownNameError("label parser", name, parser_names())
    return _PARSERS[name]()
