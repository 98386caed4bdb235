"""Mutations that keep a format's frame whole, so that what is hostile gets past its checksums.

Each takes bytes of its format and a source of random numbers and gives bytes. What cannot be taken
apart (because an earlier mutation broke it) is mutated as plain bytes.
"""

from __future__ import annotations

import io
import json
import pickletools
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

MOST = 1 << 20
"""Bytes of the longest input."""

BOM = b"\xef\xbb\xbf"
NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
TEXTS = (
    "",
    " ",
    "nan",
    "inf",
    "-1",
    "9" * 5000,
    "../../../../../../tmp/ovbench-fuzz-escape",
    "/tmp/ovbench-fuzz-escape",
    "..\\..\\x",
    "C:\\x",
    "a/../../b",
    "\0",
    "a\0b",
    "\x1b[31m\x1b]0;x\x07",
    "\u202e\u2066",
    "\ufeff",
    "\ud800",
    "𝒽appy",
    "e\u0301" * 50,
    "İ",
    "ß" * 20,
    "[" * 3000,
    "{" * 3000,
    '{"a":' * 2000,
    "(" * 2000,
    "'" * 999,
    '"' * 999,
    "- " + " " * 3000 + "x",
    "emotion " * 900 + ":",
    "happy, " * 2000,
    "not happy, sad, or angry, " * 300,
    "x" * 70_000,
    "true",
    "None",
    "{python}",
    "__import__('os').system('touch /tmp/ovbench-fuzz-escape')",
    "{0.__class__}",
    "%s%s%n",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
)
TOKENS = (
    "null",
    "true",
    "-0",
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "9" * 5000,
    "9" * 400,
    "1" + "0" * 400 + ".0",
    "1e-400",
    "0.1",
    "18446744073709551616",
    '"\\ud800"',
    '"\\u0000"',
    '"\\ud83d\\ude00"',
    "[" * 50_000,
    "[" * 400 + "]" * 400,
    "[" * 60_000 + "]" * 60_000,
    '{"a":' * 60_000 + "1" + "}" * 60_000,
    '{"a":1,"a":2}',
    "{}",
    "[]",
    "[[]]",
    '[""]',
    "[null]",
    '"\ufeff"',
)
Mutation = Callable[[bytes, Random], bytes]


def plain(data: bytes, rng: Random) -> bytes:
    """Flip, cut, repeat, insert; little- and big-endian numbers of note."""
    result = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(result) + 1)
        match rng.randrange(8):
            case 0 if at < len(result):
                result[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(result):
                result[at] = rng.randrange(256)
            case 2:
                del result[at : at + rng.choice((1, 2, 4, 16, 256))]
            case 3:
                result[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 8))))
            case 4:
                form = rng.choice(("<B", "<H", "<I", "<Q", ">H", ">I", ">Q"))
                size = struct.calcsize(form)
                number = rng.choice(NUMBERS) & (256**size - 1)
                result[at : at + size] = struct.pack(form, number)
            case 5:
                start = rng.randrange(len(result) + 1)
                result[at:at] = result[start : start + rng.choice((4, 32, 512))]
            case 6 if rng.random() < 0.3:
                del result[at:]
            case _:
                result[at:at] = rng.choice(
                    (b"\0", b"\r", b"\n", b"\xff\xfe", b'"', b"\xef\xbb\xbf")
                )
        if not result:
            break
    return bytes(result[:MOST])


def text(data: bytes, rng: Random) -> bytes:
    """The encoding, the line ends, the first and the last line."""
    match rng.randrange(7):
        case 0:
            return b"\xef\xbb\xbf" + data
        case 1:
            return data.decode("utf-8", "replace").encode("utf-16")
        case 2:
            return data.replace(b"\n", b"\r\n", rng.randrange(3) or -1)
        case 3:
            return data.replace(b"\n", b"\r")
        case 4:
            parts = data.split(b"\n")
            rng.shuffle(parts)
            return b"\n".join(parts)
        case 5:
            return data.rstrip(b"\n")[: -rng.randrange(1, 9)]
        case _:
            return (data * rng.randrange(2, 50))[:MOST]


class _Token:
    """A place that a token takes which no JSON writer would write."""


def _spots(value: Any, found: list[tuple[Any, Any]]) -> None:
    if isinstance(value, dict):
        for key in value:
            found.append((value, key))
            _spots(value[key], found)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            found.append((value, at))
            _spots(item, found)


def json_value(data: bytes, rng: Random) -> bytes:
    """One value, key or part of a JSON text, by something hostile."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return plain(data, rng)
    box = [value]
    spots: list[tuple[Any, Any]] = []
    _spots(box, spots)
    holder, key = rng.choice(spots)
    mark = "\x01mark\x01"
    token = ""
    match rng.randrange(7):
        case 0:
            holder[key] = rng.choice(TEXTS)
        case 1 | 2:
            holder[key], token = mark, rng.choice(TOKENS)
        case 3 if isinstance(holder, dict):
            holder[rng.choice(TEXTS)] = holder.pop(key)
        case 4 if holder is not box:
            del holder[key]
        case 5:
            holder[key] = [holder[key]] * rng.choice((2, 50))
        case 6 if isinstance(holder, dict):
            other = rng.choice(spots)
            holder[key] = json.loads(json.dumps(other[0][other[1]]))
        case _:
            holder[key] = rng.choice((-1, 0, 1.5, 2**31, 2**63, 10**400, None, True, [], {}, "x"))
    shown = json.dumps(box[0], ensure_ascii=rng.random() < 0.5) if box else ""
    shown = shown.replace(json.dumps(mark), token).replace(f'"{mark}"', token)
    return shown.encode("utf-8", "surrogatepass")[:MOST]


def json_lines(data: bytes, rng: Random) -> bytes:
    parts = data.split(b"\n")
    filled = [at for at, part in enumerate(parts) if part.strip()]
    if not filled:
        return plain(data, rng)
    at = rng.choice(filled)
    parts[at] = json_value(parts[at], rng)
    return b"\n".join(parts)[:MOST]


def cells(data: bytes, rng: Random) -> bytes:
    """One cell of a CSV text; or the number of columns or rows."""
    rows = data.decode("utf-8", "surrogateescape").split("\n")
    at = rng.randrange(len(rows))
    fields = rows[at].split(",")
    spot = rng.randrange(len(fields))
    match rng.randrange(6):
        case 0:
            fields = fields * rng.choice((2, 500))
        case 1:
            fields[spot] = '"' + fields[spot]
        case 2:
            fields.insert(spot, rng.choice(TEXTS))
        case 3:
            fields[spot] = '"' + rng.choice(TEXTS).replace('"', '""') + '"'
        case 4:
            rows[at:at] = [rows[at]] * rng.choice((1, 200))
        case _:
            fields[spot] = rng.choice(TEXTS)
    rows[at] = ",".join(fields)
    return (
        "\n".join(rows).encode("utf-8", "surrogateescape" if rng.random() < 0.8 else "replace")[
            :MOST
        ]
        if "\ud800" not in "".join(fields)
        else plain(data, rng)
    )


TOML_VALUES = (
    *(json.dumps(value) for value in TEXTS if "\ud800" not in value),
    *("true", "-1", "0", "nan", "inf", "1e400", "9" * 5000, "0x" + "f" * 5000, "[]", "{}", '""'),
    *("[" * 50_000, "[" * 300 + "]" * 300, "{a=" * 2000 + "1" + "}" * 2000, "1979-05-27T07:32:00Z"),
    *('"""\n"""', "'x'", '["a", 1]', '"\\u0000"', "10:99:99", "1_000_000", "00:00:00.0000000001"),
)


def toml(data: bytes, rng: Random) -> bytes:
    """A value, a key or a table of a TOML text."""
    rows = data.decode("utf-8", "replace").split("\n")
    at = rng.randrange(len(rows))
    key, equals, _ = rows[at].partition("=")
    match rng.randrange(7):
        case 0 | 1 | 2 if equals:
            rows[at] = f"{key}= {rng.choice(TOML_VALUES)}"
        case 3:
            del rows[at]
        case 4:
            rows.insert(at, rng.choice(rows))
        case 5:
            rows[at] = rng.choice(("[a]", "[[a]]", "a." * 2000 + "a = 1", "[" + "a." * 2000 + "a]"))
        case 6 if equals:
            rows[at] = f"{rng.choice(('x', 'constructor', '__class__'))} = 1\n{rows[at]}"
        case _:
            return plain(data, rng)
    return "\n".join(rows).encode("utf-8", "replace")[:MOST]


_SYSTEM = b"cos\nsystem\n(S'touch /tmp/ovbench-fuzz-escape'\ntR"
PICKLE_PARTS = (
    _SYSTEM,
    b"\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R",
    b"cnumpy\nload\n(S'/tmp/x'\ntR",
    b"cbuiltins\neval\n(S'1'\ntR",
    b"(lp0\nh\x00a",
    b"]\x94" + b"(h\x00h\x00h\x00h\x00e" * 30,
    b"}(" + b"K\x01" * 50 + b"u",
    b"\x8a\xff" + b"\x7f" * 255,
    b"\x8b\x00\x20\x00\x00" + b"\x7f" * 0x2000,
    b"\x8d" + b"\xff" * 7 + b"\x7f",
    b"\x8e" + b"\xff" * 8,
    b"\x95" + b"\xff" * 8,
    b"r\xff\xff\xff\x7f",
    b"j\xff\xff\xff\x7f",
    b"(" * 2000 + b"t" * 2000,
    b"]" * 500 + b"a" * 499,
    b"\x85" * 3000,
    b"0",
    b"2",
    b"1",
    b"(d",
    b"I" + b"9" * 5000 + b"\n",
    b"F1e999\n",
    b"S'\\xff'\n",
    b"V\\ud800\n",
    b"\x8f(K\x01\x90",
    b"c__main__\nX\n)\x81}b",
    b"Pid\n",
)


def pickled(data: bytes, rng: Random) -> bytes:
    """A pickle's instructions: out of order, repeated, left out, or joined by hostile ones."""
    try:
        starts = [at for _, _, at in pickletools.genops(data) if at is not None]
    except (ValueError, UnicodeDecodeError, AttributeError, IndexError, OverflowError):
        starts = [0]
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    at = rng.randrange(len(parts))
    match rng.randrange(5):
        case 0:
            parts.insert(at, rng.choice(PICKLE_PARTS))
        case 1:
            parts.insert(at, rng.choice(parts) * rng.choice((1, 50)))
        case 2:
            del parts[at]
        case 3:
            parts[at] = plain(parts[at], rng)
        case _:
            return plain(data, rng)
    return b"".join(parts)[:MOST]


NPY_HEADERS = (
    "{'descr': '|O', 'fortran_order': False, 'shape': (), }",
    "{'descr': '|O', 'fortran_order': True, 'shape': (2, 3), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '<U0', 'fortran_order': False, 'shape': (999999999,), }",
    "{'descr': '<U2000000000', 'fortran_order': False, 'shape': (), }",
    "{'descr': '|S1', 'fortran_order': False, 'shape': (0, 99999999999), }",
    "{'descr': '|V8', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }",
    "{'descr': ('<f8', (1000000,)), 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1," * 2000 + "), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (2**99,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': ([],), }",
    "{'descr': 'int8,object', 'fortran_order': False, 'shape': (True,), }",
    "(" * 3000,
    "{'descr': '<f2', 'fortran_order': 1L, 'shape': (4L,), }",
    "__import__('os').system('touch /tmp/ovbench-fuzz-escape')",
    "",
)


def npy(data: bytes, rng: Random) -> bytes:
    """The header or the pickle of an ``.npy`` file."""
    if data[:6] != b"\x93NUMPY" or len(data) < 10:
        return plain(data, rng)
    size = int.from_bytes(data[8:10], "little")
    body = data[10 + size :]
    match rng.randrange(4):
        case 0:
            header = rng.choice(NPY_HEADERS).encode()
            return data[:8] + struct.pack("<H", len(header)) + header + body
        case 1:
            return plain(data, rng)
        case _:
            return data[: 10 + size] + pickled(body, rng)


NAMES = (
    "../../../escape.npy",
    "/tmp/escape.npy",
    "a/b/../../../c.npy",
    "\0.npy",
    "x" * 9000,
    ".npy",
)


def zipped(inner: Mutation) -> Mutation:
    """A zip archive's members by ``inner``, their names, and its directory."""

    def mutate(data: bytes, rng: Random) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                found = [(info.filename, archive.read(info)) for info in archive.infolist()]
        except Exception:  # whatever a broken archive raises: it is mutated as bytes
            found = []
        if not found or rng.random() < 0.2:
            return plain(data, rng)
        at = rng.randrange(len(found))
        name, body = found[at]
        match rng.randrange(8):
            case 0:
                found[at] = (rng.choice((*NAMES, name + "/", "x/" + name)), body)
            case 1:
                found.append((name, rng.choice(found)[1]))
            case 2:
                found[at] = (name, data)
            case 3 if len(found) > 1:
                del found[at]
            case _:
                found[at] = (name, inner(body, rng))
        stream = io.BytesIO()
        packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        with zipfile.ZipFile(stream, "w", packing) as archive:
            for name, body in found:
                info = zipfile.ZipInfo(name.replace("\0", "\x01"))
                info.compress_type = packing
                archive.writestr(info, body)
        made = stream.getvalue()
        return (plain(made, rng) if rng.random() < 0.1 else made)[:MOST]

    return mutate


def footed(data: bytes, rng: Random) -> bytes:
    """The metadata at the end of a Parquet file, or a page."""
    if len(data) < 12 or rng.random() < 0.3:
        return plain(data, rng)
    size = int.from_bytes(data[-8:-4], "little")
    start = max(4, len(data) - 8 - size)
    foot = plain(data[start:-8], rng)
    told = len(foot) if rng.random() < 0.9 else rng.choice(NUMBERS) & 0xFFFFFFFF
    return data[:start] + foot + struct.pack("<I", told) + b"PAR1"


def headed(data: bytes, rng: Random) -> bytes:
    """The JSON header of a safetensors file, its length, or its body."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 16 or size > len(data) or rng.random() < 0.2:
        return plain(data, rng)
    header = json_value(data[8 : 8 + size], rng)
    for kind in ("F32", "BF16", "F64", "I64", "F8_E4M3", "F4", "BOOL", "U16", "C64", "X"):
        if rng.random() < 0.03:
            header = header.replace(b'"F32"', f'"{kind}"'.encode(), 1)
    told = len(header) if rng.random() < 0.9 else rng.choice(NUMBERS)
    return struct.pack("<Q", told) + header + data[8 + size :]


def riff(data: bytes, rng: Random) -> bytes:
    """A field of a sound file's header by a number of note."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 2))):
        at = rng.randrange(min(len(result), 64) or 1)
        form = rng.choice(("<H", "<I", "<I", ">I", ">H"))
        size = struct.calcsize(form)
        number = rng.choice((*NUMBERS, 3, 16, 1024, 16_000, 10**9)) & (256**size - 1)
        result[at : at + size] = struct.pack(form, number)
    return bytes(result) if rng.random() < 0.7 else plain(bytes(result), rng)


def either(*mutations: Mutation) -> Mutation:
    """One of them, the first more often."""

    def mutate(data: bytes, rng: Random) -> bytes:
        first, *others = mutations
        chosen = first if not others or rng.random() < 0.6 else rng.choice(others)
        return chosen(data, rng)

    return mutate
