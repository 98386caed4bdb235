"""States that training of a system that hears resumes from exactly.

``last/step-00000150/`` holds ``tensors.safetensors`` (every trained parameter, the optimiser's
moments, PyTorch's random states), ``trainer_state.json`` (where Trainer stands) and ``state.json``
(where ovbench stands, what the run is of, and the hashes of the other two). A folder appears under
its name only when it is whole; the two newest are kept.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ovbench.io.folders import make_folder, whole_folder
from ovbench.io.hashes import file_sha256
from ovbench.training.speech_report import Choice, EpochPoint
from ovbench.training.states import Identity, let_go, newest_whole, state_folder

SCHEMA = "ovbench.speech-training-state/1"
TENSORS, STATE, TRAINER = "tensors.safetensors", "state.json", "trainer_state.json"


@dataclass
class SpeechProgress:
    """Where a run stands, and what it has cost so far."""

    chosen_by: Choice
    curve: list[EpochPoint] = field(default_factory=list)
    step: int = 0
    loss_sum: float = 0.0
    """Over the items of the epoch that is going on."""
    items: int = 0
    """Of that epoch, so far."""
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    resumed: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def best(self) -> EpochPoint | None:
        """The epoch that is best on dev, the earliest of equals."""
        sign = 1 if self.chosen_by == "loss" else -1
        return min(self.curve, key=lambda p: sign * value_of(p, self.chosen_by), default=None)

    @property
    def stale(self) -> int:
        """Epochs since the best one."""
        return len(self.curve) - 1 - self.curve.index(self.best) if self.best else 0


def value_of(point: EpochPoint, choice: Choice) -> float:
    """The dev figure of an epoch that epochs are chosen by."""
    return cast(float, getattr(point, choice))


@dataclass(frozen=True)
class SpeechState:
    """A state as it was read."""

    folder: Path
    progress: SpeechProgress
    identity: dict[str, str | int]
    groups: list[dict[str, Any]]
    """The optimiser's settings per group of parameters."""
    scheduler: dict[str, Any]
    scaler: dict[str, Any]
    random: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    def part(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors whose names begin with ``name/``, by the rest of their names."""
        prefix = f"{name}/"
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}

    def optimizer(self) -> dict[str, Any]:
        """The optimiser's state, as PyTorch loads it."""
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in self.part("optimizer").items():
            index, _, slot = key.partition("/")
            slots.setdefault(int(index), {})[slot] = tensor
        return {"state": slots, "param_groups": self.groups}


def save_state(
    last: Path,
    progress: SpeechProgress,
    identity: Identity,
    *,
    parameters: Mapping[str, torch.Tensor],
    optimizer: Mapping[str, Any],
    scheduler: Mapping[str, Any],
    scaler: Mapping[str, Any],
    write_trainer: Callable[[Path], None],
) -> None:
    """Write the state after ``progress.step`` under ``last``, and let go of all but the newest.

    Raises
    ------
    OvbenchError
        If writing fails (a full disk); the earlier states are left as they were.
    """
    make_folder(last)
    tensors = {f"parameter/{name}": tensor for name, tensor in parameters.items()}
    for index, slots in optimizer["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in slots.items()}
    tensors["random/cpu"] = torch.get_rng_state()
    for index in range(torch.cuda.device_count()):
        tensors[f"random/cuda/{index}"] = torch.cuda.get_rng_state(index)
    with whole_folder(state_folder(last, progress.step), (SafetensorError,)) as folder:
        whole = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        save_file(whole, folder / TENSORS)
        write_trainer(folder / TRAINER)
        record = {
            "schema_version": SCHEMA,
            "progress": asdict(progress) | {"curve": [p.model_dump() for p in progress.curve]},
            "identity": dict(identity),
            "optimizer": optimizer["param_groups"],
            "scheduler": dict(scheduler),
            "scaler": dict(scaler),
            "random": _random_state(),
            "sha256": {name: file_sha256(folder / name) for name in (TENSORS, TRAINER)},
        }
        (folder / STATE).write_text(json.dumps(record, indent=1), encoding="utf-8")
    let_go(last)


def load_state(last: Path) -> tuple[SpeechState, list[str]] | None:
    """The newest whole state under ``last``, as :func:`ovbench.training.states.newest_whole`."""
    return newest_whole(last, _read)


def restore_random(state: SpeechState) -> None:
    """Put PyTorch's, Python's and numpy's global generators where they were."""
    tensors = state.part("random")
    torch.set_rng_state(tensors.pop("cpu"))
    for key, tensor in tensors.items():
        index = int(key.removeprefix("cuda/"))
        if index < torch.cuda.device_count():
            torch.cuda.set_rng_state(tensor, index)
    version, numbers, normal = state.random["python"]
    random.setstate((version, tuple(numbers), normal))
    kind, keys, position, has, cached = state.random["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), position, has, cached))


def _random_state() -> dict[str, Any]:
    found = cast(tuple[Any, ...], np.random.get_state())
    return {"python": random.getstate(), "numpy": [found[0], found[1].tolist(), *found[2:]]}


def _read(folder: Path) -> SpeechState:
    record = json.loads((folder / STATE).read_text("utf-8"))
    if record["schema_version"] != SCHEMA:
        raise ValueError(f"schema {record['schema_version']!r}, expected {SCHEMA!r}")
    for name, digest in record["sha256"].items():
        if file_sha256(folder / name) != digest:
            raise ValueError(f"{name} is not what was written")
    fields = record["progress"]
    fields["curve"] = [EpochPoint.model_validate(point) for point in fields["curve"]]
    return SpeechState(
        folder=folder,
        progress=SpeechProgress(**fields),
        identity=record["identity"],
        groups=record["optimizer"],
        scheduler=record["scheduler"],
        scaler=record["scaler"],
        random=record["random"],
        tensors=load_file(folder / TENSORS),
    )
