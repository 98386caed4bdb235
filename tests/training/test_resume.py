"""Runs that are broken and go on: killed, interrupted, on a full disk, from a damaged state."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import training_kit as kit
from broken_run import run
from safetensors.torch import load_file

from ovbench.errors import InputError, InterruptedRunError, OvbenchError, ValidationError
from ovbench.io.folders import settle, whole_folder
from ovbench.io.lock import locked
from ovbench.training import states
from ovbench.training.report import StepReport
from ovbench.training.train import train

SCRIPT = Path(__file__).with_name("broken_run.py")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    run(out)
    return out


def same(out: Path, other: Path) -> bool:
    """Whether the kept adapters and the last states are equal, byte for byte."""
    states = [sorted((folder / "last").glob("step-*"))[-1] for folder in (out, other)]
    tensors = [(state / "tensors.safetensors").read_bytes() for state in states]
    return kit.weights(out) == kit.weights(other) and tensors[0] == tensors[1]


def test_a_killed_run_ends_with_the_bytes_of_an_unbroken_one(
    unbroken: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, str(SCRIPT), str(out), "7"]
    killed = subprocess.run(command, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert [p.name for p in (out / "last").glob("step-*")] == ["step-00000004"]
    progress = run(out, resume=True)
    assert (progress.resumed, progress.step, progress.notes) == (1, 12, [])
    assert same(out, unbroken)
    assert [point.step for point in progress.curve] == [4, 8, 12]


def stop_after(step: int):
    def ask(report: StepReport) -> None:
        if report.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    return ask


def test_ctrl_c_ends_the_step_and_says_how_to_go_on(unbroken: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedRunError, match=r"after step 6 of 12.*--resume") as caught:
        run(tmp_path, on_step=stop_after(5))
    assert caught.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert (tmp_path / "last" / "step-00000006").is_dir()
    run(tmp_path, resume=True)
    assert same(tmp_path, unbroken)


def test_a_stop_that_comes_with_the_last_step_is_no_interruption(tmp_path: Path) -> None:
    assert run(tmp_path, on_step=stop_after(12)).step == 12


def test_resuming_a_finished_run_does_nothing(unbroken: Path, tmp_path: Path) -> None:
    run(tmp_path)
    before = (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    assert run(tmp_path, resume=True).step == 12
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == before


def test_resuming_where_nothing_was_begun_begins(unbroken: Path, tmp_path: Path) -> None:
    assert run(tmp_path, resume=True).resumed == 0
    assert same(tmp_path, unbroken)


def break_file(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", ["bit", "cut", "record", "gone"])
def test_a_damaged_state_costs_the_steps_since_the_one_before(
    unbroken: Path, tmp_path: Path, damage: str
) -> None:
    with pytest.raises(InterruptedRunError):
        run(tmp_path, on_step=stop_after(8))
    newest = tmp_path / "last" / "step-00000009"
    tensors = newest / "tensors.safetensors"
    if damage == "bit":
        break_file(tensors)
    elif damage == "cut":
        tensors.write_bytes(tensors.read_bytes()[:1000])
    elif damage == "record":
        (newest / "state.json").write_text('{"schema_version": "ovbench.training-')
    else:
        tensors.unlink()
    progress = run(tmp_path, resume=True)
    assert "step-00000009 is damaged" in progress.notes[0]
    assert same(tmp_path, unbroken)


def test_when_every_state_is_damaged_it_says_so(tmp_path: Path) -> None:
    run(tmp_path)
    for path in (tmp_path / "last").glob("*/tensors.safetensors"):
        break_file(path)
    with pytest.raises(ValidationError, match="no state can be resumed: step-00000012 is damaged"):
        run(tmp_path, resume=True)


def test_a_state_of_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    run(tmp_path, identity={"seed": 3, "recipe": "aa"})
    with pytest.raises(InputError, match="of another run: recipe was aa, is bb"):
        run(tmp_path, resume=True, identity={"seed": 3, "recipe": "bb"})


def test_a_best_adapter_that_is_gone_is_missed(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        run(tmp_path, on_step=stop_after(5))
    shutil.rmtree(tmp_path / "adapter")
    with pytest.raises(InputError, match="the weights of step 4, the best so far, are gone"):
        run(tmp_path, resume=True)


def test_a_full_disk_leaves_whole_states_alone(unbroken: Path, tmp_path: Path) -> None:
    """Files above 4 kB cannot be written for a while, as on a disk that is almost full."""

    def fill(report: StepReport) -> None:
        if report.step == 6:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, hard))

    try:
        with pytest.raises(OvbenchError, match=r"writing failed .*too large.*nothing was changed"):
            run(tmp_path, on_step=fill)
    finally:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert [p.name for p in (tmp_path / "last").iterdir()] == ["step-00000004"]
    assert {p.name for p in tmp_path.iterdir()} == {"adapter", "last"}
    assert load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    run(tmp_path, resume=True)
    assert same(tmp_path, unbroken)


def test_states_hold_no_pickles_and_only_the_newest_two(unbroken: Path) -> None:
    names = {p.name for p in (unbroken / "last").rglob("*") if p.is_file()}
    assert names == {"tensors.safetensors", "state.json"}
    assert sorted(p.name for p in (unbroken / "last").iterdir()) == [
        "step-00000008",
        "step-00000012",
    ]
    assert states.KEPT == 2


def test_a_folder_is_whole_or_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    with whole_folder(folder) as fresh:
        (fresh / "a").write_text("1")

    def fail(error: Exception) -> None:
        with whole_folder(folder) as fresh:
            (fresh / "a").write_text("2")
            raise error

    with pytest.raises(OvbenchError, match="No space left"):
        fail(OSError(28, "No space left on device"))
    with pytest.raises(KeyError):
        fail(KeyError())
    assert (folder / "a").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]
    assert [p.name for p in folder.iterdir()] == ["a"]


def test_a_death_between_the_two_renames_is_mended(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    with whole_folder(folder) as fresh:
        (fresh / "a").write_text("1")
    folder.rename(tmp_path / ".adapter.former")
    (tmp_path / ".adapter.new").mkdir()
    settle(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]
    assert (folder / "a").read_text() == "1"


def test_a_folder_takes_one_training_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match="being written by process"):
        train("affectgpt-lora-r8", "tiny", 0, tmp_path, steps=1)
