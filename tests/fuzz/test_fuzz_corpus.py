"""The corpus and single hostile items, opened within limits; and the oracle itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fuzz_doors import DOORS
from fuzz_items import ITEMS

HERE = Path(__file__).parent
NEEDS = {"parquet": "polars", "sound": "soundfile", "described": "soundfile"}


def ready(torch: bool) -> list[str]:
    """The doors that can be opened here, with or without those that need PyTorch."""
    return [
        name
        for name, door in DOORS.items()
        if door.torch == torch and (name not in NEEDS or find_spec(NEEDS[name]) is not None)
    ]


def findings(*arguments: str) -> tuple[list[dict[str, str]], dict[str, int]]:
    """What a worker tells of inputs that were not met as they must be, and inputs per door."""
    done = subprocess.run(
        [sys.executable, str(HERE / "fuzz_worker.py"), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, done.stderr[-3000:]
    tried = {line["door"]: line["counts"]["tried"] for line in lines if "counts" in line}
    found = [line for line in lines if "finding" in line]
    return found, tried


def told(found: list[dict[str, str]]) -> str:
    return "\n".join(f"{one['door']}, {one['label']}: {one['finding']}" for one in found)


def test_the_corpus_is_met_as_it_must_be() -> None:
    doors = ready(torch=False)
    found, tried = findings("--replay", *doors)
    assert not found, told(found)
    assert all(tried[name] >= 1 for name in doors)


def test_the_corpus_of_weights_is_met_as_it_must_be() -> None:
    for name in ("torch", "transformers", "peft"):
        pytest.importorskip(name)
    doors = ready(torch=True)
    found, tried = findings("--replay", *doors)
    assert not found, told(found)
    assert all(tried[name] >= 1 for name in doors)


def test_every_file_of_the_corpus_has_its_door() -> None:
    files = [path for path in (HERE / "corpus").rglob("*") if path.is_file()]
    assert {path.relative_to(HERE / "corpus").parts[0] for path in files} <= DOORS.keys()
    assert all(path.parent.parent == HERE / "corpus" for path in files)
    assert sum(path.stat().st_size for path in files) < 300_000


def items(torch: bool, big: bool) -> list[str]:
    doors = ready(torch)
    return [name for name, item in ITEMS.items() if item.big == big and item.door in doors]


def test_single_hostile_items_are_met_as_they_must_be() -> None:
    found, _ = findings("--items", *items(torch=False, big=False))
    assert not found, told(found)


def test_single_hostile_weights_are_met_as_they_must_be() -> None:
    for name in ("torch", "transformers", "peft"):
        pytest.importorskip(name)
    found, _ = findings("--items", *items(torch=True, big=False))
    assert not found, told(found)


@pytest.mark.slow
def test_bombs_and_giants_are_met_as_they_must_be() -> None:
    for name in items(torch=False, big=True):
        found, _ = findings("--items", name)
        assert not found, told(found)


@pytest.mark.slow
def test_some_minutes_of_fuzzing_find_nothing(tmp_path: Path) -> None:
    doors = [*ready(torch=False), *(ready(torch=True) if find_spec("peft") else [])]
    done = subprocess.run(
        [sys.executable, HERE / "run.py", "--minutes", "5", "--out", tmp_path, "--doors", *doors],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


# --- the oracle: what it is there to see, it sees -------------------------------------------------

CANARIES = {
    "os.system": "import os; os.system('true')",
    "subprocess.Popen": "import subprocess; subprocess.run(['true'])",
    "stock unpickler": "import pickle; pickle.loads(b'cos\\nsystem\\n.')",
    "open for writing": "open(out.parent.parent / 'elsewhere', 'w')",
    "through a link": "(out / 'link').symlink_to(out.parent.parent); open(out / 'link' / 'x', 'w')",
    "os.remove": "import os; os.remove(out.parent.parent / 'kept')",
    "socket.connect": "import socket; socket.socket().connect(('127.0.0.1', 9))",
    "socket.getaddrinfo": "import socket; socket.getaddrinfo('localhost', 9)",
    "os.truncate": "import os; os.truncate(out.parent.parent / 'kept', 0)",
    "swallowed": "try:\n  import os; os.system('true')\nexcept Exception: pass",
    "hang": "while True: pass",
    "ValueError": "int('x')",
    "MemoryError": "bytearray(10**12)",
    "exit code 1": "from ovbench.errors import OvbenchError; raise OvbenchError('x')",
}
FINE = {
    "nothing": "pass",
    "refused": "from ovbench.errors import InputError; raise InputError('x')",
    "written where it may": "open(out / 'x', 'w').close()",
}
PROGRAM = """
import json, sys
sys.path.insert(0, {here!r})
from fuzz_guard import Guard, judge, limit_memory, sandbox
with sandbox() as (inside, out):
    guard = Guard(inside, out)
    limit_memory()
    for name, code in json.loads(sys.argv[1]).items():
        text = judge(guard, lambda: exec(code, {{"out": out}}), 0.5)
        print(json.dumps([name, text]), flush=True)
"""


def test_the_oracle_sees_what_it_is_there_to_see() -> None:
    given = json.dumps(CANARIES | FINE)
    program = PROGRAM.format(here=str(HERE))
    done = subprocess.run(
        [sys.executable, "-c", program, given], capture_output=True, text=True, check=True
    )
    told = dict(json.loads(line) for line in done.stdout.splitlines())
    assert {name for name, text in told.items() if text is None} == set(FINE), told
    for name in CANARIES:
        assert "." not in name or name in told[name], told[name]
    assert "stock unpickler" in told["stock unpickler"]
    assert told["hang"].startswith("hang")
    assert "elsewhere" in told["open for writing"]
    assert "offence" in told["swallowed"]
