"""NumPy files: AffectGPT's outputs, MERBench's label files, folders and zips of ``.npy``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from ovbench.errors import InputError
from ovbench.io.classes import name_by_layout
from ovbench.io.columns import Wanted, choose_columns, listing
from ovbench.io.files import refuse_special
from ovbench.io.records import Records, RecordsBuilder, id_text, to_cell
from ovbench.io.safe_pickle import MAX_MEMBER_BYTES, Archive, load_npy, open_archive

_SPLIT = "_corpus"
_SPLITS_TRIED = ("test", "test1", "whole")
NO_VALUE = -10
"""MERBench's placeholder where nobody has given a sentiment value."""


def read_npz(path: Path, source: str, wanted: Wanted) -> Records:
    """One of the layouts that the field's programs write with ``numpy.savez``.

    - arrays of equal length, as AffectGPT's ``filenames`` and ``fileitems``: columns of a table;
    - one pickled dict id → text, as OV-MER's ``name2reason``;
    - pickled dicts id → ``{'emo': …, 'val': …}`` per split, as MERBench's ``label.npz``.

    Raises
    ------
    InputError
        If it is none of these, or pickles anything but plain data.
    """
    with open_archive(path, source) as archive:
        names = archive.names
        if not names:
            raise InputError(
                "the zip archive holds no .npy arrays",
                where=source,
                expected="a file of numpy.savez, or a zip of .npy files",
            )
        if any("/" in name for name in names):
            return _npy_members(archive, source, wanted)
        if any(name.endswith(_SPLIT) for name in names):
            name = _split_member(names, wanted.split, source)
            return _mapping(archive.load(name), f"{source}, member {name!r}", source, wanted)
        _no_split(wanted, source)
        if len(names) == 1:
            value = archive.load(names[0])
            if isinstance(value, dict):
                return _mapping(value, f"{source}, member {names[0]!r}", source, wanted)
        return _table(archive, source, wanted)


def read_npy(path: Path, source: str, wanted: Wanted) -> Records:
    """A single ``.npy`` file that holds a pickled dict id → cell."""
    value = load_npy(_bytes(path, source), source)
    if not isinstance(value, dict):
        raise InputError(
            "a single array without ids",
            where=source,
            expected="a pickled dict id → labels, or a folder with one .npy file per item",
        )
    return _mapping(value, source, source, wanted)


def read_npy_folder(folder: Path, source: str, wanted: Wanted) -> Records:
    """A folder with one ``.npy`` per item: its name is the id, its 0-d text (or list) the cell."""
    _one_cell_each(wanted, source)
    builder = RecordsBuilder()
    for row, path in enumerate(sorted(folder.glob("*.npy")), 1):
        where = f"{source}, file {path.name!r}"
        builder.add(
            path.stem, to_cell(load_npy(_bytes(refuse_special(path), where), where), where), row
        )
    return builder.build(source, "", "")


def _npy_members(archive: Archive, source: str, wanted: Wanted) -> Records:
    """The same in a zip, such as MER2024's ``openset-synonym.zip``; nothing is unpacked to disk."""
    _one_cell_each(wanted, source)
    if archive.declared_bytes > MAX_MEMBER_BYTES:
        raise InputError(
            f"it says it unpacks to {archive.declared_bytes / 1024**3:.1f} GiB",
            where=source,
            expected=f"at most {MAX_MEMBER_BYTES / 1024**3:.0f} GiB",
        )
    builder = RecordsBuilder()
    for row, name in enumerate(archive.names, 1):
        where = f"{source}, member {name!r}"
        builder.add(PurePosixPath(name).name, to_cell(archive.load(name), where), row)
    return builder.build(source, "", "")


def _table(archive: Archive, source: str, wanted: Wanted) -> Records:
    columns = choose_columns(archive.names, wanted, source)
    chosen = {columns.id, columns.label, *columns.extra.values()}
    arrays: dict[str, Sequence[object]] = {}
    for name in sorted(chosen):
        value = archive.load(name)
        if not isinstance(value, list):
            raise InputError(
                f"member {name!r} is a {type(value).__name__}, not an array of one item per row",
                where=source,
                expected="arrays such as 'filenames' and 'fileitems'",
            )
        arrays[name] = value
    ids, labels = arrays[columns.id], arrays[columns.label]
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise InputError(f"arrays of different lengths ({found})", where=source)
    builder = RecordsBuilder(wanted.extra)
    for row, (key, cell) in enumerate(zip(ids, labels, strict=True), 1):
        where = f"{source}, row {row}"
        builder.add(id_text(key, where), to_cell(cell, where), row)
    for asked, column in columns.extra.items():
        builder.columns[asked] = [str(value) for value in arrays[column]]
    return builder.build(source, columns.id, columns.label)


def _split_member(names: Sequence[str], split: str | None, source: str) -> str:
    splits = [name.removesuffix(_SPLIT) for name in names if name.endswith(_SPLIT)]
    if split is None:
        tried = [name for name in _SPLITS_TRIED if name in splits]
        if tried or len(splits) == 1:
            return (tried or splits)[0] + _SPLIT
        raise InputError(
            f"no split is the obvious one of {listing(splits)}",
            where=source,
            mend="choose one with --split",
        )
    if split.removesuffix(_SPLIT) not in splits:
        raise InputError(
            f"there is no split {split!r}", where=source, expected=f"one of {listing(splits)}"
        )
    return split.removesuffix(_SPLIT) + _SPLIT


def _mapping(value: object, where: str, source: str, wanted: Wanted) -> Records:
    """A dict id → cell, or id → {'emo': …, 'val': …}."""
    if not isinstance(value, dict) or not value:
        raise InputError(
            "not a dict of items" if value else "there are no items",
            where=where,
            expected="a dict id → text, or id → {'emo': …, 'val': …}",
        )
    first = next(iter(value.values()))
    field = _field(first, wanted, where) if isinstance(first, dict) else ""
    builder = RecordsBuilder(wanted.extra)
    for row, (key, item) in enumerate(value.items(), 1):
        name = id_text(key, where)
        at = f"{where}, id {name!r}"
        builder.add(name, to_cell(_get(item, field, at) if field else item, at), row)
        for column in wanted.extra:
            builder.columns[column].append(str(_get(item, column, at)))
    records = builder.build(source, "", field)
    if wanted.want in ("sentiment", "value") and NO_VALUE in records.cells:
        _refuse_placeholders(records, where)
    return name_by_layout(records) if field == "emo" and wanted.classes is None else records


def _refuse_placeholders(records: Records, where: str) -> None:
    """A placeholder is a number below 0: it would count as a negative sentiment."""
    empty = {code for code, cell in enumerate(records.cells) if cell == NO_VALUE}
    without = [name for name, code in zip(records.ids, records.codes, strict=True) if code in empty]
    raise InputError(
        f"{len(without)} of {len(records.ids)} values are {NO_VALUE}, the placeholder for none "
        f"(first: {without[0]!r})",
        where=where,
        expected="a data set with a sentiment value for every item",
    )


def _field(item: Mapping[str, object], wanted: Wanted, where: str) -> str:
    """The field of MERBench's dicts that is wanted."""
    usual = "val" if wanted.want in ("sentiment", "value") else "emo"
    field = wanted.label_column or usual
    _get(item, field, where)
    return field


def _get(item: object, field: str, where: str) -> object:
    if isinstance(item, dict) and field in item:
        return item[field]
    has = listing(sorted(map(str, item))) if isinstance(item, dict) else "no fields"
    raise InputError(f"the item has no field {field!r}", where=where, expected=f"one of {has}")


def _no_split(wanted: Wanted, source: str) -> None:
    if wanted.split is not None:
        raise InputError(
            f"the file has no splits, so none is called {wanted.split!r}",
            where=source,
            expected="a label.npz with members such as 'test_corpus'",
            mend="leave out --split",
        )


def _one_cell_each(wanted: Wanted, source: str) -> None:
    if wanted.extra:
        raise InputError(
            f"files of one array per item have no further columns, such as {wanted.extra[0]!r}",
            where=source,
        )


def _bytes(path: Path, where: str) -> bytes:
    try:
        if path.stat().st_size > MAX_MEMBER_BYTES:
            raise InputError("larger than 2 GiB", where=where, expected="an array of labels")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=where) from None
