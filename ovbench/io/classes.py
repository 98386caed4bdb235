"""Class numbers to class names: MERBench's label files hold 0, 1, 2 … in place of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from ovbench.errors import InputError, UnknownNameError
from ovbench.io.records import Cell, Records

CLASS_MAPS: dict[str, tuple[str, ...]] = {
    "meld": ("anger", "joy", "sadness", "neutral", "disgust", "fear", "surprise"),
    "iemocap4": ("happy", "sad", "neutral", "anger"),
    "iemocap6": ("happy", "sad", "neutral", "angry", "excited", "frustrated"),
}
"""Names in the order of their numbers, as MERBench assigns them."""

_LONGEST_NUMBER = 20
"""Characters of a cell that may be a class's number; Python reads none of thousands of digits."""

_LAYOUT = {
    ("meld", "label"): "meld",
    ("iemocap", "label_4way"): "iemocap4",
    ("iemocap", "label-4way"): "iemocap4",
    ("iemocap", "label_6way"): "iemocap6",
    ("iemocap", "label-6way"): "iemocap6",
}
"""MERBench's layout: ``<data set>-process/<file>.npz``."""


def class_names(classes: str) -> tuple[str, ...]:
    """The names that ``--classes`` gives: a known map's name, or a comma list in number order.

    Raises
    ------
    UnknownNameError
        If it is one word that is no known map.
    InputError
        If a name in the list is empty or comes twice.
    """
    if classes in CLASS_MAPS:
        return CLASS_MAPS[classes]
    names = tuple(name.strip() for name in classes.split(","))
    if len(names) == 1:
        mend = "give the classes in the order of their numbers: --classes 'anger,joy,sadness'"
        raise UnknownNameError("class map", classes, CLASS_MAPS, mend=mend)
    if not all(names) or len(set(names)) < len(names):
        raise InputError(f"--classes {classes!r} has an empty or a repeated name")
    return names


def name_classes(records: Records, classes: str) -> Records:
    """The same records with class numbers replaced by names; other cells stay as they are.

    Raises
    ------
    InputError
        If a number has no name.
    """
    return _with_names(records, class_names(classes))


def name_by_layout(records: Records) -> Records:
    """The same for a file that lies where MERBench puts it: ``meld-process/label.npz``.

    Raises
    ------
    InputError
        If there are numbers, and the path does not tell what they mean.
    """
    if not any(isinstance(cell, int) for cell in records.cells):
        return records
    return _with_names(records, _inferred(records))


def _with_names(records: Records, names: Sequence[str]) -> Records:
    cells = [_named(cell, names, records.source) for cell in records.cells]
    return replace(records, cells=cells)


def _inferred(records: Records) -> tuple[str, ...]:
    path = PurePath(records.source)
    known = _LAYOUT.get((path.parent.name.removesuffix("-process").lower(), path.stem.lower()))
    if known is None:
        raise InputError(
            "the labels are class numbers, and nothing says what they mean",
            where=records.source,
            expected=f"names for them ({', '.join(CLASS_MAPS)} are known)",
            mend="give --classes with a known map or the names in the order of their numbers",
        )
    return CLASS_MAPS[known]


def _named(cell: Cell, names: Sequence[str], source: str) -> Cell:
    if isinstance(cell, str) and cell.strip().isdecimal() and len(cell) < _LONGEST_NUMBER:
        number = int(cell)
    elif isinstance(cell, int) and not isinstance(cell, bool):
        number = cell
    else:
        return cell
    if 0 <= number < len(names):
        return names[number]
    raise InputError(
        f"class number {number} has no name",
        where=source,
        expected=f"0 to {len(names) - 1} ({', '.join(names)})",
        mend="give all names in the order of their numbers with --classes",
    )
