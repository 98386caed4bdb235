"""The commands that faults are put to: how each begins, goes on, and what it must end with.

Every command runs as a process of its own (``python -m ovbench …``) in a folder of its own, whose
only visible content is what the command writes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

REPOSITORY = Path(__file__).resolve().parents[2]
STRIKING = Path(__file__).with_name("striking")

TIMES = ("train_seconds", "eval_seconds", "tokens_per_second", "items_per_second")
"""Fields of ``training.json`` that hold measured times."""
OF_THE_BREAK = ("peak_memory_bytes", "resumed")
"""Of the last process, and how often the run was resumed."""
Content = Mapping[str, bytes]


@dataclass(frozen=True)
class Command:
    """A command, and what is known of its files.

    Attributes
    ----------
    begin, resume:
        Arguments of ``ovbench``, in the folder that it works in.
    prepare:
        Puts what the command needs into an empty folder.
    cache:
        Below that folder, for a command that must not find another run's work; else one for all.
    content:
        What must be the same in every way of getting there, by file; measured times left out.
    phase:
        How far it is, from what lies in the folder.
    check:
        Raises AssertionError where a file under a final name is not whole.
    """

    name: str
    begin: tuple[str, ...]
    resume: tuple[str, ...]
    prepare: Callable[[Path], None]
    content: Callable[[Path], Content]
    phase: Callable[[Path], str]
    check: Callable[[Path], None]
    cache: str | None = None

    def start(
        self,
        place: Place,
        folder: Path,
        *,
        resume: bool = False,
        prefix: tuple[str, ...] = (),
        before: Callable[[], None] | None = None,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Begin, or go on; ``prefix`` starts the program, ``before`` runs in the new process."""
        if self.cache is not None:
            environment["OVBENCH_CACHE"] = str(folder / self.cache)
        arguments = self.resume if resume else self.begin
        return place.start(arguments, folder, prefix, before, **environment)

    def run(self, place: Place, folder: Path, **how: Any) -> Ended:
        """:meth:`start`, and wait."""
        began = time.monotonic()
        return ended(self.start(place, folder, **how), began)


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: a signal's), what it said, how long it took."""

    code: int
    said: str
    seconds: float

    @property
    def errors(self) -> list[str]:
        return [line for line in self.said.splitlines() if line.startswith("error: ")]


class Place:
    """A folder to work in, and what processes see around them."""

    def __init__(self, folder: Path) -> None:
        self.made = folder
        self.cache = folder / "cache"
        self.home = folder / "home"
        for path in (folder, self.cache, self.home):
            path.mkdir(parents=True, exist_ok=True)

    def environment(self, **more: str) -> dict[str, str]:
        paths = [str(STRIKING), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OVBENCH_CACHE": str(self.cache),
            "OVBENCH_HOME": str(self.home),
            **more,
        }

    def start(
        self,
        arguments: tuple[str, ...],
        folder: Path,
        prefix: tuple[str, ...] = (),
        before: Callable[[], None] | None = None,
        **more: str,
    ) -> subprocess.Popen[str]:
        """Start ``ovbench`` in a folder."""
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "ovbench", *arguments],
            cwd=folder,
            env=self.environment(**more),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )


def ended(process: subprocess.Popen[str], began: float | None = None) -> Ended:
    """Wait for a process, whose error output must hold no traceback."""
    start = time.monotonic() if began is None else began
    _, said = process.communicate()
    assert "Traceback" not in said, said
    return Ended(process.returncode, said, time.monotonic() - start)


def told(found: Ended, *parts: str) -> None:
    """Assert that a process failed with one message, which holds these parts."""
    assert found.code != 0, found.said
    assert len(found.errors) == 1, (found.code, found.said)
    for part in parts:
        assert part in found.errors[0], found.errors[0]


def nothing(_: Path) -> None:
    """What commands need that start in an empty folder."""


# --- what every command's files must be -----------------------------------------------------------


def files_of(folder: Path) -> dict[str, Path]:
    """All files below a folder by relative name, but for locks, which are never stale."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): p for p in found if not p.name.endswith(".lock")}


def whole(folder: Path, appended: str = "") -> None:
    """Every file under a final name can be read; the end of ``appended`` may be torn."""
    for name, path in files_of(folder).items():
        if any(part.startswith(".") for part in Path(name).parts) or path.name == appended:
            continue
        data = path.read_bytes()
        if path.suffix == ".json":
            json.loads(data)
        elif path.suffix == ".jsonl":
            assert data.endswith(b"\n"), name
            for line in data.splitlines():
                json.loads(line)
        elif path.suffix == ".safetensors":
            load_file(path)


# --- ovbench eval ---------------------------------------------------------------------------------


def evaluating(model: str, limit: int, batch: int, draws: int = 100) -> Command:
    """A run of a few items; its folder is found below ``runs``."""
    arguments = (
        *("eval", "--model", model, "--tasks", "tinyov", "--limit", str(limit)),
        *("--batch-size", str(batch), "--draws", str(draws), "--no-floors", "--log-samples"),
        *("--output-path", "runs"),
    )
    home = f"runs/{model}/tinyov-limit-{limit}"

    def content(folder: Path) -> Content:
        """Everything; names of results hold the time, ``run.json`` the time that it began.

        ``cost.json`` is left out: seconds of the processes that ended by themselves.
        """
        found: dict[str, bytes] = {}
        for name, path in files_of(folder / "runs").items():
            data = path.read_bytes()
            if path.name == "cost.json":
                continue
            if path.name == "run.json":
                data = _without(data, "created")
            kind = path.name.partition("_")[0]
            if kind in ("results", "samples"):
                name = f"{kind}{path.suffix}"
                # Killed after its results were written, a run writes them once more.
                assert found.get(name, data) == data, name
            found[name] = data
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
        name="eval",
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
    return _training("train (speech)", *SPEECH)


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
        found = {name: path.read_bytes() for name, path in files_of(folder / "out").items()}
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
        return {name: path.read_bytes() for name, path in files_of(folder / "said").items()}

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
    old, new = (_bytes(sites[which]) for which in ("old", "new"))
    assert old != new

    def prepare(folder: Path) -> None:
        _board(folder, NEW)
        shutil.copytree(sites["old"], folder / "site")

    def standing(folder: Path) -> str:
        found = _bytes(folder / "site")
        return {str(old): "old", str(new): "new"}.get(str(found), "neither")

    def phase(folder: Path) -> str:
        begun = " and pages begun" if (folder / ".site.new").exists() else ""
        return f"the {standing(folder)} site stands{begun}"

    def check(folder: Path) -> None:
        assert standing(folder) in ("old", "new"), sorted(path.name for path in folder.iterdir())

    def content(folder: Path) -> Content:
        return {
            name: path.read_bytes()
            for name, path in files_of(folder).items()
            if not name.startswith("board")
        }

    arguments = ("leaderboard", "build", "--board", "board", "--out", "site")
    return Command("leaderboard build", arguments, arguments, prepare, content, phase, check)


def _board(folder: Path, records: tuple[str, ...]) -> None:
    (folder / "board" / "measured").mkdir(parents=True)
    (folder / "board" / "published").mkdir()
    for name in records:
        shutil.copy(REPOSITORY / "leaderboards" / "measured" / name, folder / "board" / "measured")


def _bytes(folder: Path) -> Content:
    return {name: path.read_bytes() for name, path in files_of(folder).items()}


COMMANDS: dict[str, Callable[[Place], Command]] = {
    "eval": lambda _: evaluating("lora-las-r4", limit=24, batch=2),
    "eval-constant": lambda _: evaluating("frequent-k", limit=40, batch=4),
    "train": lambda _: training(),
    "train-speech": lambda _: hearing(),
    "describe": lambda _: describing(),
    "leaderboard-build": building,
}


# --- unbroken runs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unbroken:
    """A run that nothing happened to: what it left, its time, its file operations."""

    content: Content
    seconds: float
    operations: int


def unbroken(command: Command, place: Place) -> Unbroken:
    """Run a command from its beginning to its end."""
    folder = fresh(command, place, "unbroken")
    count = place.made / f"{folder.name}-operations"
    found = command.run(place, folder, FAULTS_UNDER=str(folder.resolve()), FAULTS_COUNT=str(count))
    assert found.code == 0, found.said
    command.check(folder)
    content = command.content(folder)
    assert content, "nothing was written"
    return Unbroken(content, found.seconds, int(count.read_text()))


def begun(command: Command, place: Place, reference: Unbroken, name: str, share: float) -> Path:
    """A folder in which the command was killed after that share of its file operations."""
    folder = fresh(command, place, name)
    at = max(1, round(share * reference.operations))
    found = command.run(place, folder, FAULTS_UNDER=str(folder.resolve()), FAULTS_AT=str(at))
    assert found.code == -signal.SIGKILL, found.said
    return folder


def fresh(command: Command, place: Place, name: str) -> Path:
    """A new folder with what the command needs."""
    folder = place.made / f"{command.name.replace(' ', '-')}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    command.prepare(folder)
    return folder


def same(found: Content, wanted: Content) -> list[str]:
    """The files in which two contents differ."""
    return sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))


def kill(process: subprocess.Popen[str], after: float) -> bool:
    """End a process by SIGKILL after so many seconds; whether it was still running."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL
