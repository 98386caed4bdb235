"""What a Parquet file unpacks to is known, and bounded, before it is unpacked."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError
from ovbench.io import parquet_parts
from ovbench.io.parquet_pages import Column, unpacked_bytes
from ovbench.io.read import read_records

pl = pytest.importorskip("polars")

RUN = """
import resource
resource.setrlimit(resource.RLIMIT_DATA, (1_500_000_000,) * 2)
from ovbench.__main__ import main
main()
"""
BOTH = {"id": Column(0, 32), "label": Column(1, 32)}
LISTS = st.none() | st.lists(st.none() | st.text(max_size=8), max_size=5)


def save(path: Path, compression: str = "zstd", **columns: object) -> Path:
    pl.DataFrame(columns).write_parquet(path, compression=compression)
    return path


def lists_bomb(path: Path) -> Path:
    """400 lists of 50,000 labels: 20 million values, in some 60 kB."""
    one = pl.Series([["sad", "happy"] * 25_000], dtype=pl.List(pl.String))
    return save(path, id=[str(i) for i in range(400)], label=one.new_from_index(0, 400))


def texts_bomb(path: Path) -> Path:
    """1,000 different texts of 500 kB, in some 200 kB."""
    labels = [f"{number}{' sad,' * 100_000}" for number in range(1000)]
    return save(path, id=[str(i) for i in range(1000)], label=labels)


BOMBS = {"lists": lists_bomb, "texts": texts_bomb}


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
@pytest.mark.parametrize("engine", ["memory", "stream"])
@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_file_of_much_is_refused(kind: str, engine: str, tmp_path: Path) -> None:
    path = BOMBS[kind](tmp_path / "pred.parquet")
    assert path.stat().st_size < 300_000
    gold = save(tmp_path / "gold.parquet", id=["1"], label=["sad"])
    command = ["score", str(path), "--gold", str(gold), "--engine", engine, "--json", "-"]
    run = subprocess.run(
        [sys.executable, "-c", RUN, *command], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 2, run.stderr
    assert f"pred.parquet: {path.stat().st_size:,} bytes unpack to more than" in run.stderr
    assert "JSON Lines" in run.stderr


def varint(number: int, size: int = 0) -> bytes:
    """A zigzag number of Thrift's compact protocol, padded to ``size`` bytes."""
    left, found = number * 2, bytearray()
    while left >= 128 or len(found) + 1 < size:
        found.append(128 | left & 127)
        left >>= 7
    return bytes([*found, left])


def test_a_footer_that_lies_changes_nothing(tmp_path: Path) -> None:
    path = lists_bomb(tmp_path / "p.parquet")
    raw = path.read_bytes()
    footer = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    honest = sum(unpacked_bytes(path, BOTH, "p"))
    assert honest > 400 * 50_000 * 16
    # The number of values, and the column's name beside it: polars goes by neither.
    values = varint(400 * 50_000)
    assert raw.count(values, footer) == 1
    at, name = raw.index(values, footer), raw.rindex(b"label")
    assert name > footer
    for start, lie in ((at, varint(1, len(values))), (name, b"lebal")):
        path.write_bytes(raw[:start] + lie + raw[start + len(lie) :])
        assert sum(unpacked_bytes(path, BOTH, "p")) >= honest * 0.99
        with pytest.raises(InputError, match="unpack to more than"):
            read_records(path)


@given(rows=st.lists(st.tuples(st.integers(0, 99), LISTS), min_size=1, max_size=30))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("compression", ["zstd", "uncompressed"])
def test_no_less_than_is_there(
    compression: str, rows: list[tuple[int, list[str | None] | None]], tmp_path: Path
) -> None:
    labels = pl.Series([row[1] for row in rows], dtype=pl.List(pl.String))
    path = save(tmp_path / "p.parquet", compression, id=[row[0] for row in rows], label=labels)
    values = sum(len(row[1] or ()) for row in rows)
    distinct = {text for row in rows for text in row[1] or () if text}
    most = sum(unpacked_bytes(path, BOTH, "p"))
    assert most >= 16 * values + 16 * len(rows) + sum(len(text.encode()) for text in distinct)
    assert sum(unpacked_bytes(path, {"id": BOTH["id"]}, "p")) < most
    assert sum(unpacked_bytes(path, {"other": Column(2, 32)}, "p")) == 0


def test_columns_within_columns_count_for_theirs(tmp_path: Path) -> None:
    pair = [{"a": "x" * 9, "b": [1, 2]}, {"a": "y", "b": []}]
    path = save(tmp_path / "p.parquet", id=["1", "2"], odd=pair, label=["sad", "happy"])
    columns = {name: Column(at, 32) for at, name in enumerate(("id", "odd", "label"))}
    parts = [sum(unpacked_bytes(path, {name: one}, "p")) for name, one in columns.items()]
    assert sum(unpacked_bytes(path, columns, "p")) == sum(parts)
    for name, one in columns.items():  # by either
        assert sum(unpacked_bytes(path, {"other": one}, "p")) == parts[one.place]
        assert sum(unpacked_bytes(path, {name: Column(9, 32)}, "p")) == parts[one.place]
    assert parts[1] > parts[0]


def test_the_bound_is_of_all_parts_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for part in "ab":
        save(
            tmp_path / f"{part}.parquet", id=[f"{part}{i}" for i in range(999)], label=["sad"] * 999
        )
    sizes = [sum(unpacked_bytes(path, BOTH, "p")) for path in tmp_path.iterdir()]
    stored = sum(path.stat().st_size for path in tmp_path.iterdir())
    monkeypatch.setattr(parquet_parts, "MOST_TIMES", 1)
    monkeypatch.setattr(parquet_parts, "FREE_BYTES", sum(sizes) - stored)
    assert len(read_records(tmp_path).ids) == 1998
    monkeypatch.setattr(parquet_parts, "FREE_BYTES", sum(sizes) - stored - 1)
    with pytest.raises(InputError, match=r"part 'b\.parquet': .* unpack to more than"):
        read_records(tmp_path)


def test_differences_of_texts_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "p.parquet", id=["a", "b"], label=["sad", "happy"])
    raw = path.read_bytes()
    # A page's header: so many values, their encoding (8, by a dictionary), that of the levels.
    header = b"\x15\x04\x15\x10\x15\x06\x15\x06"
    assert header in raw
    path.write_bytes(raw.replace(header, header.replace(b"\x15\x10", b"\x15\x0e")))
    with pytest.raises(InputError, match="DELTA_BYTE_ARRAY"):
        read_records(path)


def test_a_dictionary_counts_as_it_is_said_to_be(tmp_path: Path) -> None:
    path = save(tmp_path / "p.parquet", id=["a", "b"], label=["sad", "happy"])
    raw = path.read_bytes()
    # A dictionary page's header: struct 7, so many values (2), in PLAIN.
    header = b"\x4c\x15\x04\x15\x00"
    assert header in raw
    path.write_bytes(raw.replace(header, b"\x4c\x15" + varint(2 * 10**9) + b"\x15\x00"))
    with pytest.raises(InputError, match=r"unpack to more than|damaged"):
        read_records(path)


@pytest.mark.parametrize("number", ["a field's", "a value"])
def test_numbers_beyond_their_type_are_damage(number: str, tmp_path: Path) -> None:
    """Readers keep their lowest bits, so they would stand for something else there."""
    path = save(tmp_path / "p.parquet", id=["a", "b"], label=["sad", "happy"])
    raw = path.read_bytes()
    version = raw.index(b"\x15", len(raw) - 8 - int.from_bytes(raw[-8:-4], "little"))
    lie = b"\x05" + varint(65537) if number == "a field's" else b"\x15" + varint(2**32 + 1)
    told = lie + (raw[version + 1 : version + 2] if number == "a field's" else b"")
    more = len(told) - 2
    size = int.from_bytes(raw[-8:-4], "little") + more
    whole = raw[:version] + told + raw[version + 2 : -8] + size.to_bytes(4, "little") + b"PAR1"
    assert pl.read_parquet_schema(whole) == pl.read_parquet_schema(raw)
    path.write_bytes(whole)
    with pytest.raises(InputError, match="damaged"):
        read_records(path)


def test_what_is_missing_in_fixed_lists_has_their_size(tmp_path: Path) -> None:
    none = pl.Series([None] * 400, dtype=pl.Array(pl.Int64, 1_000_000))
    path = save(tmp_path / "p.parquet", id=[str(i) for i in range(400)], label=none)
    assert path.stat().st_size < 30_000
    with pytest.raises(InputError, match="unpack to more than"):
        read_records(path)


def test_numbers_as_labels_are_objects(tmp_path: Path) -> None:
    """Python holds them one by one, at ten times what polars needs."""
    many = 3_000_000
    path = save(tmp_path / "p.parquet", id=["a"] * many, label=[1] * many)
    with pytest.raises(InputError, match="unpack to more than"):
        read_records(path)


FOOTERS = {
    "nothing": b"",
    "a list longer than the file": b"\x29\xfc\xff\xff\xff\xff\x0f",
    "structs without end": b"\x1c" * 400,
    "lists without end": b"\x19\x19" * 400,
    "a number without end": b"\x16" + b"\xff" * 40,
    "a number where a list belongs": b"\x25\x02\x00",
    "a field that comes twice": b"\x15\x02\x05\x02\x02\x00",
    "a list of numbers where it is one of structs": b"\x29\x15\x02\x00",
    "a truth value where a number belongs": b"\x11\x00",
    "a type that is none": b"\x1e\x00",
}


@pytest.mark.parametrize("what", FOOTERS)
def test_damaged_footers(what: str, tmp_path: Path) -> None:
    path, footer = tmp_path / "p.parquet", FOOTERS[what]
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(InputError, match="header is damaged"):
        sum(unpacked_bytes(path, BOTH, "p"))


def of_one_column(path: Path, chunk: bytes, pages: bytes = b"") -> Path:
    """A file of one column, "id", of one row, with a chunk's fields from the third on."""
    schema = b"\x19\x2c" + b"\x48\x01r\x15\x02\x00" + b"\x15\x0c\x38\x02id\x00"
    groups = b"\x19\x1c" + b"\x19\x1c" + b"\x26\x00" + chunk + b"\x00" + b"\x26\x02\x00"
    footer = b"\x15\x02" + schema + b"\x16\x02" + groups + b"\x00"
    path.write_bytes(b"PAR1" + pages + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    return path


def test_an_encrypted_column_is_called_so(tmp_path: Path) -> None:
    """Its footer can be plain; what it holds would look like damage."""
    with_the_key_of_the_footer = b"\x6c" + b"\x1c\x00\x00"  # field 8
    path = of_one_column(tmp_path / "p.parquet", with_the_key_of_the_footer)
    with pytest.raises(InputError, match="column 'id' is encrypted"):
        sum(unpacked_bytes(path, BOTH, "p"))
    assert sum(unpacked_bytes(path, {"label": Column(1, 32)}, "p")) == 0


@pytest.mark.parametrize("more", [0, 100, 20_000])
def test_a_long_header_counts_for_the_time_it_takes(more: int, tmp_path: Path) -> None:
    """It may hold fields that nobody knows, in any number."""
    unknown = b"\x65\x00" + b"\x15\x00" * more  # whole numbers, from field 9 on
    page = b"\x15\x00\x15\x00\x15\x00" + unknown + b"\x00"
    # The chunk's metadata: one value, the pages' size, the place of the first.
    chunk = b"\x1c" + b"\x56\x02" + b"\x26" + varint(len(page)) + b"\x26\x08" + b"\x00"
    path = of_one_column(tmp_path / "p.parquet", chunk, page)
    assert sum(unpacked_bytes(path, BOTH, "p")) == 256 * len(page) + 32


@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_byte_may_be_wrong(changes: list[tuple[int, int]], tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    if not path.exists():
        save(path, id=["a", "b", "c"], label=[["sad"], [], ["happy", "calm"]])
        (tmp_path / "kept").write_bytes(path.read_bytes())
    raw = bytearray((tmp_path / "kept").read_bytes())
    for at, byte in changes:
        raw[at % len(raw)] = byte
    path.write_bytes(raw)
    with suppress(InputError):
        assert sum(unpacked_bytes(path, BOTH, "p")) >= 0


def test_categories_in_lists_are_their_text(tmp_path: Path) -> None:
    cells = [["sad", "happy"], None, [], ["sad", None]]
    for dtype in (pl.Categorical, pl.Enum(["happy", "sad"])):
        path = save(
            tmp_path / "p.parquet", id=list("abcd"), label=pl.Series(cells, dtype=pl.List(dtype))
        )
        found = read_records(path)
        expected = [None if cell is None else tuple(cell) for cell in cells]
        assert [found.cells[code] for code in found.codes] == expected


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
@pytest.mark.parametrize("within", ["a list", "structs in a list"])
def test_a_long_text_in_every_entry_of_a_list(within: str, tmp_path: Path) -> None:
    """A file of a few kB, of one list whose thousand entries share a text of 1.9 MB."""
    entries = pl.Series(["s" * 1_900_000], dtype=pl.Categorical).new_from_index(0, 1000)
    if within == "structs in a list":
        entries = pl.DataFrame({"x": entries}).to_struct()
    path = save(tmp_path / "p.parquet", id=["a"], label=entries.implode())
    assert path.stat().st_size < 10_000
    gold = tmp_path / "gold.jsonl"
    gold.write_text(json.dumps({"id": "a", "labels": ["sad"]}) + "\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", RUN, "score", str(path), "--gold", str(gold)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 2, run.stderr[-500:]
    assert "column 'label' is 1.9 GB of text in 1 rows" in run.stderr
