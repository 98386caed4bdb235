"""Workbooks (``.xlsx``) from anybody: looked through before the library that reads them.

The library sets memory aside for the rectangle around all cells, so that two cells at opposite
ends of a sheet, in a file of a kilobyte, would end the process.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from ovbench.errors import InputError

MAX_CELLS = 5_000_000
"""Cells of the largest sheet that is read, empty ones counted."""
MAX_BYTES = 128 * 1024**2
"""Unpacked size (128 MiB) of the largest workbook that is read."""
_PLACE = re.compile(rb"\br\s{0,9}=\s{0,9}[\"']\s{0,9}([A-Za-z]{0,9})([0-9]{1,18})\b")
"""Where a cell (``r="C7"``) or a row (``r="7"``) says that it is."""


def first_sheet(path: Path) -> list[list[object]]:
    """The rows of a workbook's first sheet, from its first cell on.

    Raises
    ------
    InputError
        If it is no workbook, or one of more than ``MAX_CELLS`` or ``MAX_BYTES``.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    _check(path)
    try:
        book = CalamineWorkbook.from_path(str(path))
        rows: list[list[object]] = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except BaseException as error:
        # A failed assertion in the library's Rust code comes as an exception of no module.
        if not isinstance(error, (CalamineError, OSError)) and _name(error) != "PanicException":
            raise
        found = str(error).strip() or _name(error)
        raise InputError(found, where=str(path), expected="a readable xlsx workbook") from None
    return rows


def _name(error: BaseException) -> str:
    return type(error).__name__


def _check(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            left = MAX_BYTES
            for info in archive.infolist():
                with archive.open(info) as member:
                    data = member.read(left + 1)
                left -= len(data)
                if left < 0:
                    raise InputError(
                        f"it unpacks to more than {MAX_BYTES // 1024**2} MiB", where=str(path)
                    )
                _check_places(data, path)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        reason = str(error) or _name(error)
        raise InputError(reason, where=str(path), expected="a readable xlsx workbook") from None


def _check_places(data: bytes, path: Path) -> None:
    if b"\0" in data and data.lstrip(b"\xff\xfe\xef\xbb\xbf\0 \r\n\t").startswith(b"<"):
        raise InputError("its XML is not UTF-8", where=str(path), expected="an xlsx workbook")
    rows = columns = 1
    for found in _PLACE.finditer(data):
        rows = max(rows, int(found[2]))
        column = 0
        for letter in found[1].upper():
            column = 26 * column + letter - 64
        columns = max(columns, column)
    if rows * columns > MAX_CELLS:
        raise InputError(
            f"a sheet of {rows} rows and {columns} columns",
            where=str(path),
            expected=f"at most {MAX_CELLS:,} cells",
            mend="delete what stands far from the table",
        )
