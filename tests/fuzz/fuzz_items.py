"""Single hostile items that mutations would not come upon: bombs, giants, lying sizes."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import fuzz_seeds as seeds

MIB = 1024**2
TABLE = b"id,label\na,happy\n"


@dataclass(frozen=True)
class Item:
    """An input for a door; ``big`` ones take seconds to make and to read."""

    door: str
    make: Callable[[], bytes]
    big: bool = False


def zeros(size: int) -> bytes:
    """A raw deflate stream of that many zero bytes (a whole number of MiB), a thousandth as long.

    Blocks that end with a full flush can be repeated, so that the bomb is made in no time.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size // MIB) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def deflated(name: str, packed: bytes, size: int, crc: int, method: int = 8) -> bytes:
    """A zip archive with one member, as it is given."""
    told = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 33, crc, len(packed), size, len(name), 0)
    local = b"PK\x03\x04" + told + name.encode() + packed
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + told + struct.pack("<HHHII", 0, 0, 0, 0, 0)
    entry += name.encode()
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)
    return local + entry + b"PK\x05\x06" + end


def zero_bomb(size: int) -> bytes:
    """A member of zeros: an ``.npy`` that it is not."""
    crc = 0
    for _ in range(size // MIB):
        crc = zlib.crc32(bytes(MIB), crc)
    return deflated("filenames.npy", zeros(size), size, crc)


def array_bomb(size: int) -> bytes:
    """A member that is a valid array of one text of ``size`` bytes."""
    header = f"{{'descr': '<U{size // 4}', 'fortran_order': False, 'shape': (1,), }}".encode()
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = zlib.crc32(head)
    for _ in range(size // MIB):
        crc = zlib.crc32(bytes(MIB), crc)
    return deflated("name2reason.npy", start + zeros(size), len(head) + size, crc)


def nested_zip(depth: int) -> bytes:
    data = zero_bomb(64 * MIB)
    for _ in range(depth):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(10):
                archive.writestr(f"a{number}.npy", data)
        data = stream.getvalue()
    return data


def many_members(count: int) -> bytes:
    return seeds.zip_of({f"x/{number}.npy": b"" for number in range(count)})


def gzip_of(block: bytes, times: int) -> bytes:
    return gzip.compress(TABLE, mtime=0) + gzip.compress(block, mtime=0) * times


def zstd_of(size: int) -> bytes:
    from ovbench.io.text import packed

    return packed("x.zst", TABLE.decode() + "\n" * size)


def wav(*, channels: int = 1, rate: int = 16_000, size: int = 64, riff: int | None = None) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate & 0xFFFFFFFF, 32_000, 2, 16)
    body = (
        b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + bytes(64)
    )
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


def npy_header(header: str, body: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + body


def shaped(shape: str, descr: str = "<f8") -> bytes:
    return npy_header(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}")


def one_cell(text: str) -> bytes:
    return json.dumps({"id": "a", "prediction": text}).encode() + b"\n"


def stretched() -> bytes:
    """A checkpoint of a kilobyte with a tensor of a terabyte: one number, repeated by strides."""
    import torch

    stream = io.BytesIO()
    huge = torch.zeros(1).expand(2**19, 2**19)
    torch.save({"weights": huge, "model_seq.0.bias": torch.zeros(1).to_sparse()}, stream)
    return stream.getvalue()


def ranked(rank: int) -> bytes:
    import fuzz_torch_seeds

    config = json.loads(fuzz_torch_seeds.seed_of("adapter_config.json")[0])
    return json.dumps(config | {"r": rank}).encode()


def submission_of(problems: int) -> bytes:
    record = seeds.measured()
    record["predictions"] = [{"id": 5, "x": "y"}] * problems
    return json.dumps(record).encode()


ITEMS = {
    "label of 100 MB": Item("jsonl", lambda: one_cell("x" * 100_000_000), big=True),
    "label of 100 MB, Chinese": Item("jsonl", lambda: one_cell("喜" * 20_000_000), big=True),
    "10 million labels in a list": Item(
        "jsonl",
        lambda: b'{"id": "a", "prediction": [' + b'"sad",' * 9_999_999 + b'"sad"]}\n',
        big=True,
    ),
    "10 million labels in a text": Item("jsonl", lambda: one_cell("sad, " * 10_000_000), big=True),
    "100 MB of labels in CSV": Item(
        "csv", lambda: b'id,label\na,"' + b"sad, " * 20_000_000 + b'"\n', big=True
    ),
    "as long a text as may be": Item("jsonl", lambda: one_cell("sad and " * 250_000), big=True),
    "as many labels as may be": Item(
        "jsonl", lambda: one_cell(", ".join(f"w{n}" for n in range(200_000))), big=True
    ),
    "a million words without an end": Item(
        "jsonl", lambda: one_cell("he is a, " * 200_000), big=True
    ),
    "a megabyte of blanks after a bullet": Item("jsonl", lambda: one_cell("- " + " " * MIB + "x")),
    "a megabyte of quotes": Item("jsonl", lambda: one_cell("'" * MIB)),
    "a megabyte of brackets": Item("jsonl", lambda: one_cell("[" * MIB)),
    "a megabyte of objects": Item("jsonl", lambda: one_cell('{"a":' * 200_000)),
    "a cell of bullets": Item("jsonl", lambda: one_cell("- happy: a b c\n" * 20_000)),
    "a cell of newlines": Item("jsonl", lambda: one_cell("\n" * MIB)),
    "a thousand quotations": Item("jsonl", lambda: one_cell("\\" * MIB)),
    "a list as long as a book": Item(
        "cell", lambda: b"she seems tired, " + b"sad, " * 100_000 + b"x"
    ),
    "JSON, 100,000 deep": Item("json", lambda: b"[" * 100_000 + b"]" * 100_000),
    "JSON objects, 100,000 deep": Item("json", lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "a number of a million digits": Item("jsonl", lambda: b'{"id": ' + b"9" * MIB + b"}\n"),
    "an object of 100,000 keys, the last twice": Item(
        "json",
        lambda: (
            b'[{"id": 1, "label": 2,'
            + ",".join(f'"k{n}": 0' for n in range(100_000)).encode()
            + b',"k99999": 1}]'
        ),
    ),
    "a header of 100,000 columns": Item(
        "csv", lambda: ("id,label," + ",".join(f"c{n}" for n in range(100_000)) + "\n").encode()
    ),
    "a column of numbers, then text": Item("csv", lambda: b"id,label\n" + b"1,nan\n2,inf\n3,\0\n"),
    "mixed line ends and marks": Item(
        "csv", lambda: b'\xef\xbb\xbfid,label\r\na,x\n\r\nb,"y\r\nz"\r\n\xef\xbb\xbfc,d\n'
    ),
    "half a surrogate pair everywhere": Item(
        "json", lambda: b'{"\\ud800": "\\udfff", "a": ["\\ud800"], "\\u0000": "\\u0000"}'
    ),
    "UTF-16": Item("csv", lambda: "id,label\na,x\n".encode("utf-16")),
    "numbers that are none": Item(
        "jsonl", lambda: b'{"id": "a", "label": NaN}\n{"id":"b","label":-Infinity}\n'
    ),
    "gzip: a gigabyte of empty lines": Item(
        "unnamed", lambda: gzip_of(b"\n" * 16 * MIB, 64), big=True
    ),
    "zstd: a gigabyte of empty lines": Item("unnamed", lambda: zstd_of(1024 * MIB), big=True),
    "npz: 2 GiB of zeros": Item("npz", lambda: zero_bomb(2000 * MIB), big=True),
    "npz: a text of 1 GiB": Item("npz", lambda: array_bomb(1000 * MIB), big=True),
    "npz: zips in zips": Item("npz", lambda: nested_zip(3)),
    "npz: 60,000 members": Item("npz", lambda: many_members(60_000)),
    "npz: a member that says it has 16 EiB": Item(
        "npz", lambda: deflated("a.npy", b"\x03\x00", 2**32 - 1, 0)
    ),
    "npz: names that lead elsewhere": Item(
        "npz",
        lambda: seeds.zip_of(
            {
                name: seeds.npy_of("happy")
                for name in ("../../escape.npy", "/tmp/escape.npy", "a/../../b.npy", "c:\\d.npy")
            }
        ),
    ),
    "npy: a shape of 10^12": Item("npy", lambda: shaped("(1000000000000,)")),
    "npy: no bytes, many rows": Item("npy", lambda: shaped("(999999999, 0)")),
    "npy: texts of no length": Item("npy", lambda: shaped("(40000000,)", "<U0")),
    "npy: a header of brackets": Item("npy", lambda: npy_header("(" * 60_000)),
    "npy: a header that calls": Item("npy", lambda: npy_header("__import__('os').system('true')")),
    "wav: 4 GB": Item("sound", lambda: wav(size=2**32 - 1, riff=2**32 - 1)),
    "wav: 4 GB, told once": Item("sound", lambda: wav(size=2**32 - 1)),
    "wav: no channel": Item("sound", lambda: wav(channels=0)),
    "wav: 65,535 channels": Item("sound", lambda: wav(channels=65_535)),
    "wav: rate 0": Item("sound", lambda: wav(rate=0)),
    "wav: rate 2^31": Item("sound", lambda: wav(rate=2**31)),
    "wav: no sound": Item("sound", lambda: wav(size=0)),
    "Parquet: metadata of 4 GB": Item(
        "parquet", lambda: seeds.parquet()[0][:-8] + b"\xff\xff\xff\xffPAR1"
    ),
    "Parquet: nothing but its mark": Item("parquet", lambda: b"PAR1PAR1"),
    "TOML: a key of 100,000 parts": Item("recipe", lambda: b"a." * 100_000 + b"a = 1"),
    "TOML: a table of 100,000 parts": Item("protocol", lambda: b"[" + b"a." * 100_000 + b"a]"),
    "TOML: 100,000 deep": Item("recipe", lambda: b"a = " + b"[" * 100_000),
    "TOML: larger than any": Item("recipe", lambda: b"# \n" * MIB),
    "TOML: a prompt elsewhere": Item(
        "recipe",
        lambda: seeds.recipes()[0].replace(b'"prompts/tinyov.txt"', b'"../../../../etc/passwd"'),
    ),
    "TOML: a prompt without an end": Item(
        "recipe", lambda: seeds.recipes()[0].replace(b'"prompts/tinyov.txt"', b'"/dev/zero"')
    ),
    "xlsx: a sheet of 17 thousand million cells": Item(
        "workbook", lambda: seeds.workbook({"A1": "level1", "XFD1048576": "x"})
    ),
    "submission: 100,000 problems": Item("submission", lambda: submission_of(100_000), big=True),
    "submission: 100,000 deep": Item("submission", lambda: b'{"a":' * 100_000),
    "safetensors: a header of 2^63 bytes": Item(
        "released-tensors", lambda: struct.pack("<Q", 2**63 - 1) + b"{}"
    ),
    "safetensors: a name that leads elsewhere": Item(
        "released-tensors",
        lambda: (
            struct.pack("<Q", 72)
            + b'{"../../../escape":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(72)
            + bytes(4)
        ),
    ),
    "checkpoint: a tensor of a terabyte in a kilobyte": Item("released", stretched),
    "adapter: rank 10^9": Item("adapter-config", lambda: ranked(10**9)),
}
