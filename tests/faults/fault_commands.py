"""The commands that faults are put to: how each begins, goes on, and what it must end with."""

from __future__ import annotations

import json
import shutil
import wave
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from fault_kit import REPOSITORY, Command, Content, Place, bytes_of, ended, files_of, whole

TIMES = ("train_seconds", "eval_seconds", "tokens_per_second", "items_per_second")
"""Fields of ``training.json`` that hold measured times."""
OF_THE_BREAK = ("peak_memory_bytes", "resumed")
"""Of the last process, and how often the run was resumed."""


def nothing(_: Path) -> None:
    """What commands need that start in an empty folder."""


# --- ovbench eval ---------------------------------------------------------------------------------


def evaluating(name: str, model: str, limit: int, batch: int) -> Command:
    """A run of a few items; its folder is found below ``runs``."""
    arguments = (
        *("eval", "--model", model, "--tasks", "tinyov", "--limit", str(limit)),
        *("--batch-size", str(batch), "--draws", "100", "--no-floors", "--log-samples"),
        *("--output-path", "runs"),
    )
    home = f"runs/{model}/tinyov-limit-{limit}"

    def content(folder: Path) -> Content:
        """Everything; names of results hold the time, ``run.json`` the time that it began.

        ``cost.json`` is left out: seconds of the processes that ended by themselves.
        """
        found: dict[str, bytes] = {}
        for file, path in files_of(folder / "runs").items():
            data = path.read_bytes()
            if path.name == "cost.json":
                continue
            if path.name == "run.json":
                data = _without(data, "created")
            kind = path.name.partition("_")[0]
            if kind in ("results", "samples"):
                file = f"{kind}{path.suffix}"
                # Killed after its results were written, a run writes them once more.
                assert found.get(file, data) == data, file
            found[file] = data
        return found

    def phase(folder: Path) -> str:
        run = folder / home
        if not (run / "run.json").exists():
            return "before the run began"
        if list(run.glob("results_*.json")):
            return "results written"
        path = run / "predictions.jsonl"
        done = path.read_bytes().count(b"\n") if path.exists() else 0
        if done == 0:
            return "no prediction yet"
        return "all predictions, no results" if done == limit else "some predictions"

    return Command(
        name=name,
        begin=arguments,
        resume=arguments,
        prepare=nothing,
        content=content,
        phase=phase,
        check=lambda folder: whole(folder / "runs", "predictions.jsonl"),
        cache="cache",
    )


# --- ovbench train --------------------------------------------------------------------------------

TEXT = "affectgpt-lora-r4", {"eval_every = 100": "eval_every = 2", "length = 192": "length = 44"}
SPEECH = (
    "peft-ser-whisper-tiny-lora",
    {"epochs = 10": "epochs = 3", "batch_size = 16": "batch_size = 64", "= 10.0": "= 0.5"},
)
"""Recipes, and what makes them short: few evaluations, short texts alone, the start of clips."""


def training() -> Command:
    """A language model of the tiny scale: six steps, dev after every second."""
    return _training("train", *TEXT, ("--steps", "6"))


def hearing() -> Command:
    """A speech classifier of the tiny scale: three epochs, with noise and dropout."""
    return _training("train-speech", *SPEECH)


def _copy_recipe(name: str, folder: Path, changes: Mapping[str, str]) -> None:
    shutil.copytree(REPOSITORY / "adapters" / "prompts", folder / "recipe" / "prompts")
    text = (REPOSITORY / "adapters" / f"{name}.toml").read_text("utf-8")
    for old, new in {f'name = "{name}"\nkind': f'name = "short-{name}"\nkind', **changes}.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    (folder / "recipe" / f"{name}.toml").write_text(text, "utf-8")


def _training(
    what: str, recipe: str, changes: Mapping[str, str], more: tuple[str, ...] = ()
) -> Command:
    arguments = ("train", "--model", f"recipe/{recipe}.toml", *more, "--device", "cpu")
    arguments += ("--output-path", "out")

    def content(folder: Path) -> Content:
        found = dict(bytes_of(folder / "out"))
        report = found.pop("training.json")
        return found | {"training.json": _without(report, *TIMES, *OF_THE_BREAK)}

    def phase(folder: Path) -> str:
        out = folder / "out"
        if (out / "training.json").exists():
            return "report written"
        if list(out.rglob(".step-*.new")):
            return "while a state was written"
        if (out / ".adapter.new").exists() or (out / ".adapter.former").exists():
            return "while the adapter was written"
        states = list((out / "last").glob("step-*"))
        if not states:
            return "no state yet" if out.exists() else "before the folder was made"
        return f"from state {max(path.name for path in states)}"

    return Command(
        name=what,
        begin=arguments,
        resume=(*arguments, "--resume"),
        prepare=lambda folder: _copy_recipe(recipe, folder, changes),
        content=content,
        phase=phase,
        check=lambda folder: whole(folder / "out"),
    )


def _without(data: bytes, *fields: str) -> bytes:
    found = json.loads(data)
    for field in fields:
        found.pop(field, None)
    return json.dumps(found, indent=1).encode()


# --- ovbench describe -----------------------------------------------------------------------------


def describing(clips: int = 24) -> Command:
    """A folder of tones, two files among them no sound."""
    arguments = ("describe", "clips", "--out", "said/descriptions.jsonl")

    def prepare(folder: Path) -> None:
        (folder / "clips").mkdir()
        (folder / "said").mkdir()
        for number in range(clips):
            _tone(folder / "clips" / f"clip{number:03d}.wav", number)
        for number in (3, clips - 5):
            (folder / "clips" / f"clip{number:03d}.wav").write_bytes(b"RIFF, but no more")

    def content(folder: Path) -> Content:
        return bytes_of(folder / "said")

    def phase(folder: Path) -> str:
        path = folder / "said" / "descriptions.jsonl"
        done = path.read_bytes().count(b"\n") if path.exists() else 0
        if done == 0:
            return "no description yet"
        return "all descriptions" if done >= clips else "some descriptions"

    return Command(
        name="describe",
        begin=arguments,
        resume=arguments,
        prepare=prepare,
        content=content,
        phase=phase,
        check=lambda folder: whole(folder / "said", "descriptions.jsonl"),
    )


def _tone(path: Path, number: int) -> None:
    rate, seconds = 16_000, 2.0 + 0.05 * (number % 7)
    draw = np.random.default_rng(number)
    at = np.arange(round(rate * seconds)) / rate
    pitch = 110 * 2 ** (number % 12 / 12) * (1 + 0.1 * np.sin(2 * np.pi * 3 * at))
    samples = np.sin(2 * np.pi * np.cumsum(pitch) / rate) + 0.01 * draw.normal(size=len(at))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.round(samples * 9_000).astype("<i2").tobytes())


# --- ovbench leaderboard build --------------------------------------------------------------------

OLD, NEW = ("majority.json",), ("majority.json", "frequent-k.json", "random.json")


def building(place: Place) -> Command:
    """A small board; a site of a smaller one stands there already."""
    sites = {}
    for which, records in (("old", OLD), ("new", NEW)):
        folder = place.made / f"site-{which}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        _board(folder, records)
        made = ended(place.start(("leaderboard", "build", "--board", "board"), folder))
        assert made.code == 0, made.said
        sites[which] = folder / "site"
    old, new = (bytes_of(sites[which]) for which in ("old", "new"))
    assert old != new

    def prepare(folder: Path) -> None:
        _board(folder, NEW)
        shutil.copytree(sites["old"], folder / "site")

    def standing(folder: Path) -> str:
        found = bytes_of(folder / "site")
        return {str(old): "old", str(new): "new"}.get(str(found), "neither")

    def phase(folder: Path) -> str:
        begun = " and pages begun" if (folder / ".site.new").exists() else ""
        return f"the {standing(folder)} site stands{begun}"

    def check(folder: Path) -> None:
        assert standing(folder) in ("old", "new"), sorted(path.name for path in folder.iterdir())

    def content(folder: Path) -> Content:
        found = bytes_of(folder)
        return {name: data for name, data in found.items() if not name.startswith("board")}

    arguments = ("leaderboard", "build", "--board", "board", "--out", "site")
    return Command("leaderboard-build", arguments, arguments, prepare, content, phase, check)


def _board(folder: Path, records: tuple[str, ...]) -> None:
    (folder / "board" / "measured").mkdir(parents=True)
    (folder / "board" / "published").mkdir()
    for name in records:
        shutil.copy(REPOSITORY / "leaderboards" / "measured" / name, folder / "board" / "measured")


COMMANDS: dict[str, Callable[[Place], Command]] = {
    "eval": lambda _: evaluating("eval", "lora-las-r4", limit=24, batch=2),
    "eval-constant": lambda _: evaluating("eval-constant", "frequent-k", limit=40, batch=4),
    "train": lambda _: training(),
    "train-speech": lambda _: hearing(),
    "describe": lambda _: describing(),
    "leaderboard-build": building,
}

# --- which of them the tests take -----------------------------------------------------------------

QUICK = ("describe",)
SLOW = tuple(name for name in COMMANDS if name not in QUICK)

commands = pytest.mark.parametrize(
    "command",
    [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)],
    indirect=True,
)
"""Every command; those that take more than a few seconds are slow tests."""
