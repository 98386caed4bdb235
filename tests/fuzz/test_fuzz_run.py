"""The fuzzer itself: it tries inputs, and keeps what ends, hangs or offends."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

RUN = Path(__file__).with_name("run.py")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """``run.py``, which starts the workers that a test puts into ``tmp_path``."""
    spec = spec_from_file_location("fuzz_run", RUN)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", tmp_path)
    return module


@pytest.mark.parametrize("blind", [True, False], ids=["blind", "guided"])
def test_inputs_are_tried_and_told(blind: bool, tmp_path: Path) -> None:
    if not blind and find_spec("atheris") is None:
        pytest.skip("atheris is not installed")
    command = [sys.executable, RUN, "--minutes", "0.05", "--doors", "answer", "--out", tmp_path]
    done = subprocess.run(
        [*command, *(["--blind"] if blind else [])], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert re.match(r"[1-9]\d* inputs, \d+\.\d minutes of the processor, 0 kinds", last), last
    assert (tmp_path / "kept" / "answer").exists() != blind


def test_a_process_that_an_input_ends_is_a_finding(run: ModuleType, tmp_path: Path) -> None:
    worker = """
        import sys
        open(sys.argv[sys.argv.index("--now") + 1], "w").write("the input")
        print('{"counts": {"tried": 2}}')
        sys.exit("cut down")
    """
    (tmp_path / "fuzz_worker.py").write_text(re.sub("^ +", "", worker, flags=re.MULTILINE))
    counts = run.fuzz("npz", 0.5, 0, tmp_path / "out", False)
    assert counts["kinds"] == counts["starts"] >= 1
    assert counts["tried"] == 2 * counts["starts"]
    assert (tmp_path / "out" / "npz-end0").read_text() == "the input"
    assert (tmp_path / "out" / "npz-end0.txt").read_text().startswith("end 1: cut down")


def test_a_process_without_an_end_is_a_finding(
    run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fuzz_worker.py").write_text(
        "import sys, time\n"
        "print('waiting', file=sys.stderr, flush=True)\n"
        """print('{"counts": {"tried": 5}}', flush=True)\n"""
        "time.sleep(600)"
    )
    monkeypatch.setattr(run, "SPARE", 2)
    found, ending = run._once("npz", 1.0, 0, tmp_path / "out", False)
    assert found == [{"counts": {"tried": 5}}]
    assert ending == "hang: the process did not end: waiting\n"


def test_a_finding_is_kept_once(run: ModuleType, tmp_path: Path) -> None:
    line = '{"door": "npz", "finding": "KeyError at x: y", "key": "k", "data": "00ff"}'
    (tmp_path / "fuzz_worker.py").write_text(
        f"import time\nprint({line!r})\nprint({line!r})\n"
        """time.sleep(0.3)\nprint('{"counts": {"tried": 1}}')"""
    )
    counts = run.fuzz("npz", 0.1, 0, tmp_path / "out", False)
    assert (counts["kinds"], counts["starts"]) == (1, 1)
    assert (tmp_path / "out" / "npz-k").read_bytes() == b"\x00\xff"
    assert (tmp_path / "out" / "npz-k.txt").read_text() == "KeyError at x: y\n"
