"""Readers of the authors' mapping tables: a folder of workbooks, a pickled npz, a checkout.

The rules are those of the official readers: ``format.csv`` and ``synonym.xlsx`` hold lists of
words separated by commas or quotes; each wheel's blank cells repeat the cell above; where a word
stands on several branches of a wheel, the last one wins.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

from ovbench.errors import InputError
from ovbench.normalize.table_content import WHEELS, OfficialTables, compile_tables, from_json
from ovbench.normalize.workbooks import first_sheet

NPZ_NAME = "wheel_mapping.npz"
FOLDER_FILES = ("format.csv", "synonym.xlsx", *(f"{wheel}.xlsx" for wheel in WHEELS))
RUNS = range(1, 9)
SOURCES = (
    "the folder emotion_wheel of the AffectGPT repository (github.com/zeroQiaoba/AffectGPT) "
    "or wheel_mapping.npz of MER2026 (github.com/zeroQiaoba/MERTools)"
)


def read_tables(path: Path) -> tuple[OfficialTables, Path]:
    """Tables from an ``emotion_wheel`` folder, a checkout that holds one, or an npz file.

    Returns the tables and the folder or file they were read from.

    Raises
    ------
    InputError
        If nothing is there, a file is malformed, or a checkout holds several different tables.
    """
    if path.is_file():
        if path.suffix != ".npz":
            raise InputError(
                "not an npz file", where=str(path), expected=SOURCES, mend="give the folder or npz"
            )
        return read_npz(path), path
    if not path.is_dir():
        raise InputError("no such file or folder", where=str(path), expected=SOURCES)
    places = list(_places(path))
    if not places:
        raise InputError("no emotion_wheel folder in here", where=str(path), expected=SOURCES)
    found = [(read_npz(p) if p.is_file() else read_folder(p), p) for p in places]
    if len({tables.hash for tables, _ in found}) > 1:
        listed = "; ".join(f"{place} ({tables.name})" for tables, place in found)
        raise InputError(
            f"several different tables in here: {listed}",
            where=str(path),
            mend="give the path of one of them",
        )
    return found[0]


def _places(root: Path) -> Iterator[Path]:
    """Folders with table files, and npz files without such a folder around them."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        # One file is enough at the top: a folder given by name is meant, and lacks the others.
        enough = 1 if Path(folder) == root else 2
        if len(set(FOLDER_FILES).intersection(files)) >= enough:
            yield Path(folder)
        elif NPZ_NAME in files:
            yield Path(folder, NPZ_NAME)


def read_npz(path: Path) -> OfficialTables:
    """MER2026's ``wheel_mapping.npz``: three pickled dicts, read without running their code.

    Raises
    ------
    InputError
        If a member is missing, refused by the restricted unpickler, or has another shape.
    """
    from ovbench.io.safe_pickle import load_npz

    members = load_npz(path)
    names = {"forms": "format_mapping", "synonyms": "raw_mapping", "wheels": "wheel_map_whole"}
    for name in names.values():
        if name not in members:
            raise InputError(
                f"no member '{name}' (there are: {', '.join(sorted(members)) or 'none'})",
                where=str(path),
                expected=SOURCES,
            )
    return from_json({key: members[name] for key, name in names.items()}, where=str(path))


def read_folder(folder: Path) -> OfficialTables:
    """``format.csv``, ``synonym.xlsx`` and ``wheel1.xlsx`` to ``wheel5.xlsx``.

    Raises
    ------
    InputError
        If a file or column is missing, or a cell holds something else than words; with file,
        row and column.
    """
    missing = [name for name in FOLDER_FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"no {' and no '.join(missing)}", where=str(folder), expected=", ".join(FOLDER_FILES)
        )
    branches = {wheel: _read_wheel(folder / f"{wheel}.xlsx") for wheel in WHEELS}
    wheels = {wheel: _wheel_maps(tree) for wheel, tree in branches.items()}
    words = {word for maps in wheels.values() for word in maps["level1"]}
    synonyms = _read_synonyms(folder / "synonym.xlsx", words)
    forms = _read_forms(folder / "format.csv")
    return compile_tables(forms, synonyms, wheels, where=str(folder))


def _read_forms(path: Path) -> dict[str, list[str]]:
    """Form → base words; each base word is a form of itself."""
    forms: dict[str, list[str]] = {}
    for where, row in _csv_rows(path, ("name", "format")):
        base = row["name"]
        if not base.strip():
            raise InputError("no word in column 'name'", where=where, expected="a base word")
        for form in [*_split(row["format"]), base]:
            forms.setdefault(form, []).append(base)
    return forms


def _read_synonyms(path: Path, wheel_words: set[str]) -> dict[str, list[str]]:
    """Base word → wheel words, over the eight runs; each wheel word is a synonym of itself."""
    synonyms: dict[str, list[str]] = {}
    columns = [f"{kind}_run{run}" for run, kind in product(RUNS, ("word", "synonym"))]
    for where, row in _sheet_rows(path, columns):
        for run in RUNS:
            word = row[f"word_run{run}"].strip().lower()
            if word not in wheel_words:
                raise InputError(
                    f"column 'word_run{run}' holds {word!r}",
                    where=where,
                    expected="a word that stands on one of the wheels",
                )
            for base in [word, *_split(row[f"synonym_run{run}"].lower())]:
                synonyms.setdefault(base, []).append(word)
    return synonyms


def _read_wheel(path: Path) -> dict[str, dict[str, list[str]]]:
    """Level-1 word → level-2 word → level-3 words, in the file's order."""
    tree: dict[str, dict[str, list[str]]] = {}
    last: dict[str, str] = {}
    for where, row in _sheet_rows(path, ("level1", "level2", "level3")):
        last |= {level: cell.strip().lower() for level, cell in row.items() if cell.strip()}
        if len(last) < len(row):
            raise InputError(
                f"no word in column '{min(set(row) - set(last))}' yet",
                where=where,
                expected="a word on each level in the first row",
            )
        tree.setdefault(last["level1"], {}).setdefault(last["level2"], []).append(last["level3"])
    return tree


def _wheel_maps(tree: Mapping[str, Mapping[str, list[str]]]) -> dict[str, dict[str, str]]:
    """Every word of a wheel → its cluster on level 1 and on level 2; the last branch wins.

    A level-1 word has no place of its own on level 2: it takes the first of its level-2 words.
    """
    level1: dict[str, str] = {}
    level2: dict[str, str] = {}
    for inner, middles in tree.items():
        level1[inner], level2[inner] = inner, min(middles)
        for middle, outers in middles.items():
            for word in [middle, *outers]:
                level1[word], level2[word] = inner, middle
    return {"level1": level1, "level2": level2}


def _split(text: str) -> list[str]:
    """Words between commas and quotes, as the official ``string_to_list`` finds them."""
    parts = re.split("['\",]", text.removeprefix("[").removesuffix("]"))
    return [part.strip() for part in parts if part.strip()]


Rows = Iterator[tuple[str, dict[str, str]]]


def _csv_rows(path: Path, columns: Sequence[str]) -> Rows:
    """The named cells of each row, with the row's place."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            cells = _picker(path, next(reader, []), columns)
            for row in reader:
                if row:
                    where = f"{path}, line {reader.line_num}"
                    yield where, cells(row, where)
    except UnicodeDecodeError as error:
        raise InputError(str(error), where=str(path), expected="UTF-8 text") from error
    except (csv.Error, OSError) as error:
        raise InputError(str(error), where=str(path), expected="a readable CSV file") from error


def _sheet_rows(path: Path, columns: Sequence[str]) -> Rows:
    """The named cells of each row of a workbook's first sheet; wholly blank rows are left out."""
    rows = first_sheet(path)
    cells = _picker(path, rows[0] if rows else [], columns)
    for number, row in enumerate(rows[1:], start=2):
        where = f"{path}, row {number}"
        picked = cells(row, where)
        if any(picked.values()):
            yield where, picked


def _picker(
    path: Path, header: Sequence[object], columns: Sequence[str]
) -> Callable[[Sequence[object], str], dict[str, str]]:
    """A function that takes the named cells out of a row; the header must have them all."""
    missing = [name for name in columns if name not in header]
    if missing:
        raise InputError(
            f"no column '{missing[0]}'; the first row holds: {header!r:.120}",
            where=str(path),
            expected=f"columns {', '.join(columns)}",
        )
    index = {name: header.index(name) for name in columns}

    def cells(row: Sequence[object], where: str) -> dict[str, str]:
        picked: dict[str, str] = {}
        for name, at in index.items():
            cell = row[at] if at < len(row) else None
            if not isinstance(cell, str):
                found = "no cell" if cell is None else f"{cell!r}"
                raise InputError(
                    f"{found} in column '{name}'", where=where, expected="text (or a blank cell)"
                )
            picked[name] = cell
        return picked

    return cells
