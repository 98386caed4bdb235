"""The run store: predictions on disk, appended batch by batch, never lost and never doubled.

A run folder is opened under a lock. ``run.json`` is written first and says what the run is made
of; whoever opens the folder again must bring the same settings. Predictions are appended a batch at
a time, in one write, and forced to the disk before the next batch begins. When all items are there,
the file is rewritten in the task's order, whole or not at all, so the finished file depends neither
on the order of the batches nor on how often the run was killed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from ovbench.errors import InputError, OvbenchError, ValidationError
from ovbench.io.atomic import remove_unfinished, write_bytes, write_text
from ovbench.io.folders import make_folder
from ovbench.io.lock import locked
from ovbench.runs.records import Cost, Prediction, RunRecord

RUN, PREDICTIONS, COST = "run.json", "predictions.jsonl", "cost.json"
Model = TypeVar("Model", bound=BaseModel)


class RunStore:
    """An open run folder; only :func:`open_run` makes one.

    Attributes
    ----------
    folder:
        Where the run lies.
    record:
        ``run.json``: of the process that began the run.
    done:
        What is predicted so far, by item id.
    """

    def __init__(self, folder: Path, record: RunRecord, done: dict[str, Prediction]) -> None:
        self.folder, self.record, self.done = folder, record, done

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Add a batch; on return it is on the disk.

        Raises
        ------
        OvbenchError
            If writing fails (a full disk); the batch is then not in the file at all.
        """
        path = self.folder / PREDICTIONS
        data = b"".join(prediction.line() for prediction in predictions)
        before = path.stat().st_size if path.exists() else 0
        try:
            with path.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                os.truncate(path, before)
            raise OvbenchError(
                f"{path}: writing failed ({error.strerror}); {len(self.done)} of "
                f"{self.record.settings.items} predictions are kept. Make room, then give the same "
                "command again: it goes on from there."
            ) from None
        self.done.update((prediction.id, prediction) for prediction in predictions)

    def finish(self, order: Iterable[str]) -> None:
        """Put the finished file into the order of the task's items.

        Raises
        ------
        OvbenchError
            If an item has no prediction, or writing fails.
        """
        ids = list(order)
        missing = [name for name in ids if name not in self.done]
        if missing:
            raise OvbenchError(f"{self.folder}: {len(missing)} items have no prediction.")
        data = b"".join(self.done[name].line() for name in ids)
        path = self.folder / PREDICTIONS
        if not path.exists() or path.read_bytes() != data:
            write_bytes(path, data)

    def cost(self) -> Cost:
        """What the run has cost so far; nothing where that cannot be read."""
        with suppress(OSError, PydanticError):
            return Cost.model_validate_json((self.folder / COST).read_bytes())
        return Cost()

    def add_cost(self, cost: Cost) -> Cost:
        """Add what this process spent; returns the sum."""
        total = self.cost().plus(cost)
        write_text(self.folder / COST, total.to_json())
        return total


@contextmanager
def open_run(
    folder: Path, record: RunRecord, ids: Iterable[str], *, fresh: bool = False
) -> Iterator[RunStore]:
    """Begin the run ``record`` in ``folder``, or go on with the one that is there.

    Parameters
    ----------
    ids:
        The ids of the task's items.
    fresh:
        Throw away what is in the folder.

    Raises
    ------
    InputError
        If the folder holds a run of other settings, a link, or something that is no run, if another
        process writes it, or if it cannot be written.
    ValidationError
        If its predictions are damaged elsewhere than at their end.
    """
    make_folder(folder)
    with locked(folder):
        _refuse_links(folder)
        remove_unfinished(folder, RUN, *_FILES)
        begun = _begin(folder, record, fresh)
        yield RunStore(folder, begun, _read_back(folder / PREDICTIONS, set(ids)))


def read_run(folder: Path) -> tuple[RunRecord, dict[str, Prediction]]:
    """A run's record and its predictions by item id, in the file's order; nothing is changed.

    Raises
    ------
    InputError
        If the folder is no run.
    ValidationError
        If a file in it is damaged.
    """
    if not (folder / RUN).is_file():
        raise InputError(
            "this is no run",
            where=str(folder),
            expected=f"a folder with {RUN}, as ovbench eval writes it",
        )
    record = read_record(folder / RUN, RunRecord)
    whole, _ = _parse(folder / PREDICTIONS)
    return record, {prediction.id: prediction for prediction in whole}


def read_record(path: Path, model: type[Model]) -> Model:
    """A file that holds one record.

    Raises
    ------
    InputError
        If it cannot be opened.
    ValidationError
        If it is not such a record.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    except PydanticError as error:
        first = error.errors()[0]
        what = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
        raise ValidationError(f"{path}: {what}. Begin the run again with --fresh.") from None


def _refuse_links(folder: Path) -> None:
    """What is written here must not land where a link points."""
    for entry in folder.iterdir():
        if entry.is_symlink():
            raise InputError(
                f"{entry.name} is a link",
                where=str(folder),
                expected="a run's own files",
                mend="name another folder with --output-path",
            )


def _begin(folder: Path, record: RunRecord, fresh: bool) -> RunRecord:
    """Write ``run.json``, or hold ours against the one that is there."""
    path = folder / RUN
    if path.exists() and fresh:
        _clear(folder)
        write_text(path, record.to_json())
        return record
    if not path.exists():
        others = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
        if others:
            raise InputError(
                f"the folder holds {', '.join(sorted(others)[:3])}, but no {RUN}",
                where=str(folder),
                expected="an empty folder, or a run",
                mend="name another one with --output-path",
            )
        write_text(path, record.to_json())
        return record
    there = read_record(path, RunRecord)
    differing = _differences(there.settings.model_dump(), record.settings.model_dump())
    if differing:
        raise InputError(
            "this run was begun with other settings: " + "; ".join(differing),
            where=str(folder),
            mend="begin it again with --fresh, or name another folder with --output-path",
        )
    return there


def _differences(there: dict[str, object], here: dict[str, object], prefix: str = "") -> list[str]:
    """Where two settings differ, one clause each."""
    found = []
    for key in dict.fromkeys([*there, *here]):
        old, new = there.get(key), here.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key} is {_short(old)} there and {_short(new)} here")
    return found


def _short(value: object) -> str:
    """A value for a message; hashes are cut."""
    if value is None:
        return "not set"
    text = str(value)
    return text[:12] + "…" if len(text) == 64 else text


_FILES = (PREDICTIONS, COST, "preflight.json", "results_*.json", "samples_*.jsonl")
"""What a run consists of, but for ``run.json``."""


def _clear(folder: Path) -> None:
    """Remove a run's files but for ``run.json``, and nothing else."""
    try:
        for pattern in _FILES:
            for file in folder.glob(pattern):
                file.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot be removed ({error.strerror})", where=str(folder)) from None


def _read_back(path: Path, ids: set[str]) -> dict[str, Prediction]:
    """What is done; a torn end of the file is cut off."""
    whole, size = _parse(path)
    done: dict[str, Prediction] = {}
    for prediction in whole:
        if prediction.id not in ids or prediction.id in done:
            why = "comes twice" if prediction.id in done else "is not in the task"
            raise ValidationError(
                f"{path}: item {prediction.id!r} {why}. Begin the run again with --fresh."
            )
        done[prediction.id] = prediction
    if path.exists() and path.stat().st_size > size:
        try:
            os.truncate(path, size)
        except OSError as error:
            raise InputError(f"cannot be mended ({error.strerror})", where=str(path)) from None
    return done


def _parse(path: Path) -> tuple[list[Prediction], int]:
    """The predictions in a file, and how many bytes hold them.

    Only the end may be broken: a process or a machine that dies can leave a torn last batch, and
    nothing whole ever stands after it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
    whole: list[Prediction] = []
    size, broken = 0, 0
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        prediction = _prediction(line)
        if prediction is None:
            broken = broken or number
        elif broken:
            raise ValidationError(
                f"{path}, line {broken}: not a prediction, though whole ones follow; the file was "
                "changed by something else. Begin the run again with --fresh."
            )
        else:
            whole.append(prediction)
            size += len(line)
    return whole, size


def _prediction(line: bytes) -> Prediction | None:
    """The prediction on a line, or None where it is torn."""
    if not line.endswith(b"\n"):
        return None
    with suppress(PydanticError):
        return Prediction.model_validate_json(line)
    return None
