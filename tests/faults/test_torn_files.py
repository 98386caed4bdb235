"""Ends of files that a crash left torn are mended; damage elsewhere is told, not guessed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fault_kit import Command, Place, Unbroken, begun, goes_on, same, told

Damage = Callable[[bytes], bytes]
NOISE = random.Random(0).randbytes(3_000).replace(b"\n", b" ").replace(b"\r", b" ")
ENDS: dict[str, Damage] = {
    "the last line cut by a byte": lambda data: data[:-1],
    "the last line cut in the middle": lambda data: data[
        : (len(data) + data.rfind(b"\n", 0, -1)) // 2
    ],
    "the last line overwritten": lambda data: data[: data.rfind(b"\n", 0, -1) + 1] + NOISE,
    "noise behind it": lambda data: data + NOISE,
    "noise and an end of line behind it": lambda data: data + NOISE + b"\n",
    "noise in lines behind it": lambda data: data + NOISE + b"\n" + NOISE + b"\n",
    "zeros behind it": lambda data: data + bytes(4_096),
    "zeros from within the last line": lambda data: data[:-20] + bytes(4_096),
    "half a character behind it": lambda data: data + '{"id": "é'.encode()[:-1],
    "nothing left": lambda data: b"",
}
APPENDING = pytest.mark.parametrize("command", ["describe", "eval-constant"], indirect=True)
STATE = ("tensors.safetensors", "state.json")
CUTS: dict[str, Damage] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "noise": lambda data: NOISE,
}


def appended(folder: Path) -> Path:
    """The file that the command appends to."""
    (path,) = [*folder.rglob("predictions.jsonl"), *folder.rglob("descriptions.jsonl")]
    assert path.read_bytes().count(b"\n") > 1
    return path


def mended(command: Command, place: Place, wanted: Unbroken, damages: list[str]) -> None:
    whole = begun(command, place, wanted, "whole", 0.7)
    for number, name in enumerate(damages):
        folder = whole.with_name(f"torn-{number}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        path = appended(folder)
        damaged = ENDS[name](path.read_bytes())
        path.write_bytes(damaged)
        # A file that the user named may have lines of theirs; a run's folder is ovbench's own.
        theirs = command.name == "describe" and damaged.endswith(NOISE + b"\n")
        before = {f"{path.name}.before": damaged} if theirs else {}
        goes_on(command, place, folder, replace(wanted, content={**wanted.content, **before}))


@APPENDING
def test_a_torn_end(command: Command, wanted: Unbroken, place: Place) -> None:
    mended(command, place, wanted, ["zeros from within the last line"])


@pytest.mark.slow
@APPENDING
def test_every_torn_end(command: Command, wanted: Unbroken, place: Place) -> None:
    mended(command, place, wanted, list(ENDS))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["eval"], indirect=True)
def test_a_torn_end_of_a_model_s_predictions(
    command: Command, wanted: Unbroken, place: Place
) -> None:
    mended(command, place, wanted, ["noise in lines behind it", "zeros from within the last line"])


@APPENDING
def test_damage_before_the_end_is_told(command: Command, wanted: Unbroken, place: Place) -> None:
    folder = begun(command, place, wanted, "damaged", 0.7)
    path = appended(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([lines[0][:10] + b"\n", *lines[1:]])
    path.write_bytes(damaged)
    found = command.run(place, folder, resume=True)
    told(found, str(path.name), "line 1")
    assert found.code == 3
    assert path.read_bytes() == damaged


def states(folder: Path) -> list[Path]:
    """Folders of states, the newest first."""
    return sorted((folder / "out" / "last").glob("step-*"), reverse=True)


@pytest.fixture
def trained(command: Command, wanted: Unbroken, place: Place) -> Path:
    """A training that was killed when it had two states."""
    for share in (0.75, 0.7, 0.8, 0.65, 0.85):
        folder = begun(command, place, wanted, "trained", share)
        if len(states(folder)) == 2:
            return folder
    raise AssertionError("it never had two states")


TRAINING = pytest.mark.parametrize("command", ["train", "train-speech"], indirect=True)


@pytest.mark.slow
@TRAINING
def test_a_damaged_state_costs_the_steps_since_the_one_before(
    command: Command, wanted: Unbroken, place: Place, trained: Path
) -> None:
    for file, cut in (*((name, "cut") for name in STATE), (STATE[0], "zeros"), (STATE[1], "noise")):
        folder = trained.with_name("damaged-state")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(trained, folder)
        path = states(folder)[0] / file
        path.write_bytes(CUTS[cut](path.read_bytes()))
        found = command.run(place, folder, resume=True)
        assert found.code == 0, found.said
        content = dict(command.content(folder))
        # The report alone tells of it.
        assert b"is damaged" in content.pop("training.json")
        rest = {name: data for name, data in wanted.content.items() if name != "training.json"}
        assert same(content, rest) == []


@pytest.mark.slow
@TRAINING
def test_where_every_state_is_damaged_nothing_is_touched(
    command: Command, place: Place, trained: Path
) -> None:
    for number, state in enumerate(states(trained)):
        path = state / STATE[0]
        path.write_bytes(list(CUTS.values())[number](path.read_bytes()))
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    found = command.run(place, trained, resume=True)
    told(found, "no state can be resumed", "train again")
    assert found.code == 3
    assert all(path.read_bytes() == data for path, data in before.items() if path.name != ".lock")


@pytest.mark.slow
@TRAINING
def test_damaged_weights_of_the_best_step_are_told(
    command: Command, place: Place, trained: Path
) -> None:
    (weights,) = (trained / "out" / "adapter").glob("*.safetensors")
    for cut in ("cut", "empty"):
        whole = weights.read_bytes()
        weights.write_bytes(CUTS[cut](whole))
        found = command.run(place, trained, resume=True)
        told(found, "the best so far", "adapter")
        assert found.code == 2
        weights.write_bytes(whole)
