"""Hostile pickles: nothing runs, and the message names what was refused."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError
from ovbench.io import unpickler
from ovbench.io.read import read_records

MARKER = "marker-of-code-that-ran"


class Call:
    """Pickles as a call of ``function(*arguments)``."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def raw(module: str, name: str, rest: bytes) -> bytes:
    """A hand-written pickle that starts with the global ``module.name``."""
    return f"c{module}\n{name}\n".encode() + rest


_MULTIARRAY = "numpy._core.multiarray"
_OF_ARRAYS = b"(cnumpy\nndarray\n(I0\ntC\x01btR"


def array_of(
    code: bytes, items: bytes, shape: bytes = b"(I1\nt", fortran: bytes = b"I00\n"
) -> bytes:
    """A hand-written pickle of an array: dtype code, items, shape and order as instructions."""
    dtype = b"cnumpy\ndtype\n(V" + code + b"\nI0\nI1\ntR"
    state = b"(I1\n" + shape + dtype + fortran + items + b"tb."
    return raw(_MULTIARRAY, "_reconstruct", _OF_ARRAYS + state)


def payloads(marker: Path) -> dict[str, tuple[bytes, str]]:
    import builtins
    import os
    import subprocess

    write = f"open({str(marker)!r}, 'w').close()"
    touch = f"touch {marker}"
    text = repr(write).encode()
    return {
        "exec": (pickle.dumps(Call(exec, write)), "builtins.exec"),
        "eval": (pickle.dumps(Call(eval, write)), "builtins.eval"),
        "os.system": (pickle.dumps(Call(os.system, touch)), f"{os.system.__module__}.system"),
        "subprocess": (pickle.dumps(Call(subprocess.call, ["touch", str(marker)])), "subprocess"),
        "getattr": (pickle.dumps(Call(getattr, "x", "upper")), "builtins.getattr"),
        "open": (pickle.dumps(Call(builtins.open, str(marker), "w")), "open"),
        "nested in a list": (pickle.dumps([1, {"a": (Call(exec, write),)}]), "builtins.exec"),
        "in an object array": (
            pickle.dumps(np.array([1, Call(exec, write)], dtype=object)),
            "builtins.exec",
        ),
        "protocol 0": (pickle.dumps(Call(exec, write), protocol=0), "exec"),
        "numpy.load": (raw("numpy", "load", b"(Vx\nI1\ntR."), "numpy.load"),
        "numpy.fromfile": (raw("numpy", "fromfile", b"(Vx\ntR."), "numpy.fromfile"),
        "numpy gadget": (
            raw("numpy.testing._private.utils", "runstring", b"(V" + write.encode() + b"\n}tR."),
            "numpy.testing._private.utils.runstring",
        ),
        "f2py gadget": (
            raw("numpy.f2py.crackfortran", "myeval", b"(V" + write.encode() + b"\ntR."),
            "numpy.f2py.crackfortran.myeval",
        ),
        "attribute path": (
            b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93(\x8c\x01xtR.",
            "numpy.ndarray.tofile",
        ),
        "INST": (b"(V" + write.encode() + b"\nibuiltins\nexec\n.", "builtins.exec"),
        "OBJ": (b"(cbuiltins\nexec\nV" + write.encode() + b"\no.", "builtins.exec"),
        "NEWOBJ of an allowed name": (
            raw("numpy", "ndarray", b"(I3\nt\x81."),
            "instruction NEWOBJ",
        ),
        "call of an allowed name": (raw("numpy", "ndarray", b"(I3\ntR."), "not callable"),
        "BUILD on a function": (
            raw("numpy.core.multiarray", "_reconstruct", b"}Vx\nI1\nsb."),
            "a state for a function",
        ),
        "BUILD with slots": (
            raw("numpy", "dtype", b"(N}V__call__\nI1\nstb."),
            "a state for a function",
        ),
        "BUILD of a dtype": (
            raw("numpy", "dtype", b"(VO8\nI0\nI1\ntR(I3\nV|\nN(Va\nt}I-1\nI-1\nI0\ntb."),
            "structured dtype",
        ),
        "bytes as pointers": (
            # An object array whose items are said to be bytes: NumPy would read addresses there.
            raw(
                "numpy.core.multiarray",
                "_reconstruct",
                b"(cnumpy\nndarray\n(I0\ntC\x01btR(I1\n(I1\ntcnumpy\ndtype\n(VO8\nI0\nI1\ntR"
                b"I00\nC\x08AAAAAAAAtb.",
            ),
            "unusual state",
        ),
        "subclass": (
            raw("numpy.core.multiarray", "_reconstruct", b"(cbuiltins\nlist\n(I0\nttR."),
            "builtins.list",
        ),
        "codec": (raw("_codecs", "encode", b"(Vx\nVrot13\ntR."), "codec other than latin1"),
        "persistent id": (b"Pthing\n.", "instruction PERSID"),
        "binary persistent id": (b"Vthing\nQ.", "instruction BINPERSID"),
        "extension code": (b"\x82\x01.", "instruction EXT1"),
        "set": (pickle.dumps({1, 2}, protocol=4), "instruction EMPTY_SET"),
        "object": (raw("builtins", "object", b")R."), "builtins.object"),
        "OBJ of an allowed name": (b"(cnumpy\ndtype\nVf8\no.", "instruction OBJ"),
        "a terabyte, it says": (b"\x96" + (1 << 40).to_bytes(8, "little") + b"x.", "BYTEARRAY8"),
        "a far place": (b"Vx\nr\xff\xff\xff\xff", "damaged"),
        "itself": (b"(lp0\ng0\na.", "nested more than"),
        "a dtype of numbers": (raw("numpy", "dtype", b"(I5\ntR."), "not a type code"),
        "a dtype of no size": (array_of(b"f3", b"C\x01x"), "an array of dtype 'f3'"),
        "a dtype of dates": (array_of(b"M8", b"C\x08" + bytes(8)), "an array of dtype 'M8'"),
        "a dtype's odd state": (
            raw("numpy", "dtype", b"(Vf8\nI0\nI1\ntR(I3\nVx\ntb."),
            "a dtype with an unusual state",
        ),
        "an array's odd state": (
            raw(_MULTIARRAY, "_reconstruct", _OF_ARRAYS + b"(I1\ntb."),
            "an array with an unusual state",
        ),
        "an array in Fortran order": (
            array_of(b"f8", b"C\x10" + bytes(16), b"(I2\nI1\nt", b"I01\n"),
            "an array in Fortran order",
        ),
        "an array of less than nothing": (
            array_of(b"f8", b"C\x08" + bytes(8), b"(I-1\nt"),
            "an array of shape (-1,)",
        ),
        "too few objects": (array_of(b"O8", b"(Vx\nl", b"(I3\nt"), "1 items in an array of shape"),
        "an array of another class": (
            raw(_MULTIARRAY, "_reconstruct", b"(Vx\n(I0\ntC\x01btR."),
            "an array of a class of its own",
        ),
        "a scalar of nothing": (raw(_MULTIARRAY, "scalar", b"(Vx\ntR."), "scalar with unusual"),
        "a function as a value": (raw("numpy", "ndarray", b"."), "a value of type ndarraytype"),
        "not a pickle": (b"hello " + text, "damaged"),
        "nothing": (b"", "damaged"),
    }


NAMES = list(payloads(Path(MARKER)))


@pytest.mark.parametrize("case", NAMES)
def test_hostile_pickle(tmp_path: Path, case: str) -> None:
    marker = tmp_path / MARKER
    data, word = payloads(marker)[case]
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    path = tmp_path / "x-openset.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fileitems.npy", header.getvalue() + data)
        names = io.BytesIO()
        np.save(names, np.array(["a"]))
        archive.writestr("filenames.npy", names.getvalue())
    with pytest.raises(InputError) as caught:
        read_records(path)
    assert "member 'fileitems'" in str(caught.value)
    assert word in str(caught.value)
    assert caught.value.exit_code == 2
    assert not marker.exists()
    assert not Path(MARKER).exists()


def test_hand_written_arrays_are_read_where_nothing_is_odd() -> None:
    """The refused ones above differ from these in the one thing that the message names."""
    data = array_of(b"f8", b"C\x10" + np.array([1.5, 2.5]).tobytes(), b"(I2\nt")
    assert unpickler.loads(data, "x") == [1.5, 2.5]
    assert unpickler.loads(array_of(b"O8", b"(Vx\nVy\nl", b"(I2\nI1\nt"), "x") == [["x"], ["y"]]
    assert unpickler.loads(array_of(b"f8", b"C\x08" + bytes(8), fortran=b"I01\n"), "x") == [0.0]


def test_the_payload_is_real(tmp_path: Path) -> None:
    """The stock unpickler does run it: otherwise the test above would show nothing."""
    marker = tmp_path / MARKER
    pickle.loads(payloads(marker)["nested in a list"][0])
    assert marker.exists()


def test_repetition_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickler, "MAX_VALUES", 10_000)
    value: list[object] = ["ha"]
    for _ in range(30):
        value = [value] * 10  # 10^30 values in a few hundred bytes
    with pytest.raises(InputError, match="more than 10000 values"):
        unpickler.loads(pickle.dumps(value), "x")


def nested(leaf: object, times: int, kind: type = list) -> object:
    value = leaf
    for _ in range(times):
        value = kind([value] * 10)
    return value


@pytest.mark.parametrize("kind", [list, tuple])
def test_repetition_costs_nothing(kind: type) -> None:
    # Walked out, even the least of these would take minutes and gigabytes.
    for times in (8, 30):
        data = pickle.dumps(np.array({"a": nested("ha", times, kind)}, dtype=object))
        assert len(data) < 3000
        with pytest.raises(InputError, match="more than 5000000 values"):
            unpickler.loads(data, "x")


def test_keys_that_take_ages_to_hash() -> None:
    # Three instructions that make dicts: {}[key] = 1, {key: 1}, and many keys at once.
    key = pickle.dumps(nested("ha", 30, tuple), protocol=2)[2:-1]
    for data in (b"}" + key + b"I1\ns.", b"(" + key + b"I1\nd.", b"}(" + key + b"I1\nu."):
        with pytest.raises(InputError, match="a dict key of type tuple"):
            unpickler.loads(data, "x")


def test_messages_of_nested_shapes_are_short() -> None:
    shape = pickle.dumps(nested("ha", 30, tuple), protocol=2)[2:-1]
    array = raw("numpy.core.multiarray", "_reconstruct", b"(cnumpy\nndarray\n(I0\ntC\x01btR(I1\n")
    data = array + shape + b"cnumpy\ndtype\n(VO8\nI0\nI1\ntRI00\n(ltb."
    with pytest.raises(InputError, match="an array with an unusual shape"):
        unpickler.loads(data, "x")


@pytest.mark.parametrize("call", [b"(h\x01h\x02tR", b"(h\x01h\x02i_codecs\nencode\n"])
def test_bytes_made_again_and_again(call: bytes) -> None:
    text = b"V" + b"x" * 1000 + b"\nq\x01Vlatin1\nq\x02"
    function = b"c_codecs\nencode\nq\x03"
    again = (b"h\x03" if call.endswith(b"R") else b"") + call + b"0"
    assert unpickler.loads(text + function + again + b"h\x01.", "x") == "x" * 1000
    with pytest.raises(InputError, match="the same bytes again and again"):
        unpickler.loads(text + function + again * 9 + b"h\x01.", "x")


def test_sharing_is_no_bomb() -> None:
    shared = ["happy", "sad", {"score": [1, 2]}] * 20
    value = dict.fromkeys(map(str, range(5000)), shared)
    assert unpickler.loads(pickle.dumps(value), "x") == value
    array = np.array(["é" * 50, "b"])
    rows = np.empty(1000, dtype=object)
    rows[:] = [array] * 1000
    assert unpickler.loads(pickle.dumps(rows), "x") == [array.tolist()] * 1000
    # Nested deeper through a list that was met before, higher up.
    low: object = []
    for _ in range(30):
        low = [low]
    high = low
    for _ in range(30):
        high = [high]
    with pytest.raises(InputError, match="nested more than 50"):
        unpickler.loads(pickle.dumps([low, high]), "x")


JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(JSON_LIKE, st.integers(0, 5))
def test_plain_values_come_through(value: object, protocol: int) -> None:
    if protocol < 3 and b"__builtin__" in pickle.dumps(value, protocol=protocol):
        return  # empty bytes are a call of bytes() there
    assert unpickler.loads(pickle.dumps(value, protocol=protocol), "x") == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_mangled_pickles_raise_nothing_else(tail: bytes, at: int, patch: bytes) -> None:
    good = pickle.dumps(np.array([{"a": np.float64(1), "b": ["x", "y"]}], dtype=object), protocol=3)
    at %= len(good)
    for data in (tail, good[:at] + tail, good[:at] + patch + good[at + len(patch) :]):
        with contextlib.suppress(InputError):
            unpickler.loads(data, "x")
