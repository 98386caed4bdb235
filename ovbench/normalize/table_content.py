"""What the authors' mapping tables say, whichever files they were read from.

The tables ship in two forms: a folder ``emotion_wheel/`` of one CSV file and six workbooks, and a
pickled ``wheel_mapping.npz``. Both compile to the same :class:`OfficialTables`, whose hash is
taken over a canonical serialisation, so that the same tables have the same hash in either form.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ovbench.errors import InputError

WHEELS = ("wheel1", "wheel2", "wheel3", "wheel4", "wheel5")
LEVELS = ("level1", "level2")

KNOWN_NAMES = {
    "da530439c92b86e120bb97dc6c2227a596c385bfb00a5f3eda27627d998f85a3": "affectgpt-2025",
    "5e6812a05cc39da3a121a08895198fbf2146f47021d23205df0eb68730016059": "mer2026",
}
"""Names of the published tables, by hash; all others are called ``tables-<first 8 digits>``."""

WordLists = Mapping[str, tuple[str, ...]]
WheelMaps = Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True, eq=False)
class OfficialTables:
    """One version of the authors' tables, checked and in canonical order.

    Attributes
    ----------
    forms:
        Inflected form → its base words, sorted ("format mapping"). Forms are as written in the
        table: the parsers lower-case labels, so a form with capitals is never reached.
    synonyms:
        Base word → the wheel words it was given as a synonym of, sorted ("raw mapping").
    wheels:
        Wheel → level → word on the wheel → its cluster on that level.
    hash:
        SHA-256 (hexadecimal) of the canonical serialisation of the three above.
    """

    forms: WordLists
    synonyms: WordLists
    wheels: WheelMaps
    hash: str

    @property
    def name(self) -> str:
        """``affectgpt-2025``, ``mer2026``, or ``tables-<hash8>`` for tables nobody published."""
        return KNOWN_NAMES.get(self.hash, f"tables-{self.hash[:8]}")

    @property
    def id(self) -> str:
        """Name and the hash's first eight digits, as signatures show them."""
        return f"{self.name}@{self.hash[:8]}"

    @property
    def wheel_words(self) -> frozenset[str]:
        """Every word that stands on some wheel."""
        return frozenset(word for levels in self.wheels.values() for word in levels["level1"])


def compile_tables(
    forms: Mapping[str, list[str]],
    synonyms: Mapping[str, list[str]],
    wheels: WheelMaps,
    *,
    where: str,
) -> OfficialTables:
    """Sort, check and hash tables; ``where`` names their source in errors.

    Raises
    ------
    InputError
        If a table is empty, a wheel or level is missing, a form leads to a base word without
        synonyms, or a synonym leads to a word on no wheel. The official scorers crash on these.
    """
    if tuple(sorted(wheels)) != WHEELS or any(tuple(sorted(w)) != LEVELS for w in wheels.values()):
        found = ", ".join(sorted(f"{w}/{level}" for w, maps in wheels.items() for level in maps))
        raise InputError(
            f"wheels and levels are: {found or 'none'}",
            where=where,
            expected="wheel1 to wheel5, each with level1 and level2",
        )
    for title, table in [("forms", forms), ("synonyms", synonyms)]:
        if not table:
            raise InputError(f"the table of {title} is empty", where=where)
    tables = OfficialTables(_in_order(forms), _in_order(synonyms), wheels, "")
    _check_chain("form", "base word", "synonym table", tables.forms, tables.synonyms, where)
    on_wheels = dict.fromkeys(tables.wheel_words)
    _check_chain("base word", "synonym", "wheels", tables.synonyms, on_wheels, where)
    canonical = json.dumps(to_json(tables), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode("ascii")).hexdigest()
    return replace(tables, hash=digest)


def to_json(tables: OfficialTables) -> dict[str, object]:
    """The three tables as JSON-able objects, lists sorted."""
    return {"forms": tables.forms, "synonyms": tables.synonyms, "wheels": tables.wheels}


def from_json(value: object, *, where: str) -> OfficialTables:
    """The inverse of :func:`to_json` for any nested dicts and lists of strings.

    Raises
    ------
    InputError
        If the value has another shape, naming the place inside it, or is refused by
        :func:`compile_tables`.
    """
    tables = _mapping(value, where, "the tables")
    missing = [key for key in ("forms", "synonyms", "wheels") if key not in tables]
    if missing:
        raise InputError(f"no table '{missing[0]}'", where=where)
    wheels = {
        wheel: {
            level: _words(words, where, f"wheels/{wheel}/{level}")
            for level, words in _mapping(levels, where, f"wheels/{wheel}").items()
        }
        for wheel, levels in _mapping(tables["wheels"], where, "wheels").items()
    }
    forms = _lists(tables["forms"], where, "forms")
    synonyms = _lists(tables["synonyms"], where, "synonyms")
    return compile_tables(forms, synonyms, wheels, where=where)


def _in_order(table: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(sorted(set(words))) for key, words in table.items()}


def _check_chain(
    start: str, step: str, goal: str, table: WordLists, known: Mapping[str, object], where: str
) -> None:
    """Every word that ``table`` leads to must be in ``known``, and there must be one."""
    for key, words in table.items():
        lost = [word for word in words if word not in known]
        if lost or not words:
            what = f"the {step} {lost[0]!r}, which is not in the {goal}" if lost else f"no {step}"
            raise InputError(f"the {start} {key!r} leads to {what}", where=where)


def _mapping(value: object, where: str, place: str) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        found = type(value).__name__ if not isinstance(value, dict) else "a key that is no string"
        raise InputError(f"{place}: {found}", where=where, expected="a dict with words as keys")
    return value


def _words(value: object, where: str, place: str) -> dict[str, str]:
    table = _mapping(value, where, place)
    for key, word in table.items():
        if not isinstance(word, str):
            raise InputError(
                f"{place}/{key}: {type(word).__name__}", where=where, expected="a word"
            )
    return table  # type: ignore[return-value]


def _lists(value: object, where: str, place: str) -> dict[str, list[str]]:
    table = _mapping(value, where, place)
    for key, words in table.items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InputError(f"{place}/{key}: {words!r:.60}", where=where, expected="a word list")
    return table  # type: ignore[return-value]
