"""One way in for every format: :func:`read_records`."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from ovbench.errors import InputError
from ovbench.io.classes import name_classes
from ovbench.io.columns import Role, Want, Wanted
from ovbench.io.files import parquet_parts
from ovbench.io.records import Records, RecordsBuilder, id_text, to_cell
from ovbench.io.text import PACKED_SUFFIXES, head_of, open_stream

Format = Literal["jsonl", "json", "csv", "tsv", "npz", "npy", "parquet"]

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".npz": "npz",
    ".zip": "npz",
    ".npy": "npy",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_MAGIC: dict[bytes, Format] = {
    b"PAR1": "parquet",
    b"PK\x03\x04": "npz",
    b"PK\x05\x06": "npz",
    b"\x93NUMPY": "npy",
}
_BINARY: dict[Format, str] = {
    "npz": "a zip archive, as .npz and .xlsx files are",
    "npy": "a NumPy array (.npy)",
    "parquet": "a Parquet file",
}
"""Formats that are not text and are read at several places, and how they are called."""


def read_records(
    source: str | Path | Mapping[str, object] | Iterable[tuple[str, object]],
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    role: Role = "prediction",
    want: Want = "labels",
    extra: Sequence[str] = (),
    split: str | None = None,
    classes: str | None = None,
) -> Records:
    """Ids and raw label cells from a file, a folder, standard input or memory.

    Parameters
    ----------
    source:
        A JSONL, JSON, CSV, TSV, Parquet, npz or npy file, a zip or folder of ``.npy`` files, a
        folder of Parquet files, ``"-"`` for text on standard input; or a mapping id → cell, or
        pairs of id and cell. Text may be packed with gzip or zstd. The format is known by the
        file's suffix, else by its first bytes. ``docs/formats.md`` shows each.
    id_column, label_column:
        Columns (keys, array names) to read; else found by the field's usual names.
    role, want:
        Which usual names come first: a file may hold both ``gt`` and ``pred``, or both labels and
        sentiments.
    extra:
        Further columns to read as text.
    split:
        Split of a MERBench ``label.npz``; else ``test``, ``test1``, ``whole``, or the only one.
    classes:
        Names of class numbers: a known map (``meld``, ``iemocap4``, ``iemocap6``) or a comma list.

    Raises
    ------
    InputError
        If anything in it cannot be used, with the file, the line or id, and the way to mend it.
    """
    wanted = Wanted(role, want, id_column, label_column, tuple(extra), split, classes)
    if isinstance(source, (str, Path)):
        records = _from_path(str(source), wanted)
    else:
        records = _from_memory(source, wanted)
    return records if classes is None else name_classes(records, classes)


def _from_memory(
    source: Mapping[str, object] | Iterable[tuple[str, object]], wanted: Wanted
) -> Records:
    where = f"{wanted.role} in memory"
    if wanted.extra:
        raise InputError(f"there are no further columns, such as {wanted.extra[0]!r}", where=where)
    pairs = source.items() if isinstance(source, Mapping) else source
    builder = RecordsBuilder()
    for pair in pairs:
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            raise InputError(
                f"a {type(pair).__name__} in place of a pair",
                where=f"{where}, element {len(builder.ids) + 1}",
                expected="pairs of id and labels, or a mapping id → labels",
            )
        name = id_text(pair[0], where)
        builder.add(name, to_cell(pair[1], f"{where}, id {name!r}"))
    return builder.build(where, "", "", in_memory=True)


def _from_path(source: str, wanted: Wanted) -> Records:
    if not source:
        raise InputError("the file name is empty", expected="a file, a folder or -")
    if source == "-":
        return _from_stream(None, "standard input", None, wanted)
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("there is no such file", where=source) from None
    except (OSError, ValueError) as error:  # ValueError: a null character, half a surrogate pair
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"cannot be read ({reason})", where=f"{source:.200}") from None
    if stat.S_ISDIR(mode):
        return _from_folder(path, source, wanted)
    named = path.with_suffix("") if path.suffix.lower() in PACKED_SUFFIXES else path
    return _from_stream(path, source, _SUFFIXES.get(named.suffix.lower()), wanted)


def _from_folder(folder: Path, source: str, wanted: Wanted) -> Records:
    parts = parquet_parts(folder)
    arrays = any(folder.glob("*.npy"))
    if parts and not arrays:
        return _binary("parquet", parts, source, wanted)
    if arrays and not parts:
        from ovbench.io.arrays import read_npy_folder

        return read_npy_folder(folder, source, wanted)
    raise InputError(
        "a folder with "
        + ("both .npy and .parquet files" if parts else "no .npy or .parquet files"),
        where=source,
        expected="one .npy file per item, or the parts of a Parquet data set",
    )


def _from_stream(path: Path | None, source: str, named: Format | None, wanted: Wanted) -> Records:
    """A file, pipe or standard input; ``named`` is the format that its suffix tells."""
    file = path if path is not None and path.is_file() else None
    if named in _BINARY and file is None:
        raise _not_from_a_pipe(named, source)
    with open_stream(path, source) as stream:
        head = head_of(stream)
        found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
        if named is not None and found is not None and found != named:
            raise InputError(
                f"the name says {named}, but this is {_BINARY[found]}",
                where=source,
                mend="give the file the suffix of what it is; save a spreadsheet as CSV",
            )
        kind = named or found or _sniff(head, source)
        if kind not in _BINARY:
            return _text(kind, stream, source, wanted)
    if file is None:
        raise _not_from_a_pipe(kind, source)
    return _binary(kind, [file], source, wanted)


def _not_from_a_pipe(kind: Format, source: str) -> InputError:
    return InputError(
        f"{_BINARY[kind]}, which cannot be read from a pipe or standard input",
        where=source,
        expected="text (JSONL, JSON, CSV or TSV) there",
        mend="name a file",
    )


def _text(kind: Format, stream: io.BufferedReader, source: str, wanted: Wanted) -> Records:
    if wanted.split is not None:
        raise InputError(
            f"the file has no splits, so none is called {wanted.split!r}",
            where=source,
            mend="leave out --split",
        )
    if kind in ("csv", "tsv"):
        from ovbench.io.csvtext import read_csv

        return read_csv(stream, source, wanted, "\t" if kind == "tsv" else None)
    from ovbench.io.jsontext import read_json, read_jsonl

    return (read_jsonl if kind == "jsonl" else read_json)(stream, source, wanted)


def _binary(kind: Format, paths: list[Path], source: str, wanted: Wanted) -> Records:
    if kind == "parquet":
        from ovbench.io.parquet import read_parquet

        return read_parquet(paths, source, wanted)
    from ovbench.io.arrays import read_npy, read_npz

    return (read_npz if kind == "npz" else read_npy)(paths[0], source, wanted)


def _sniff(head: bytes, source: str) -> Format:
    """The format of text without a telling name, from its first 64 KiB."""
    text = head.lstrip()
    if not text:
        raise InputError("the file is empty", where=source, expected="a row per item")
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        from ovbench.io.jsontext import looks_like_jsonl

        return "jsonl" if looks_like_jsonl(text) else "json"
    return "csv"
