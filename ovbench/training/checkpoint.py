"""States that training resumes from exactly: parameters, optimiser, position, and what they are of.

``last/step-00000150/`` holds ``tensors.safetensors`` (every trainable parameter and its moments)
and ``state.json`` (:class:`Progress`, the identity of the run, the hash of the tensors). A folder
appears under its name only when it is whole. The two newest are kept, so that a damaged one costs
the steps since the one before it, not the run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ovbench.errors import InputError, ValidationError
from ovbench.io.folders import make_folder, whole_folder
from ovbench.training.report import DevPoint

SCHEMA = "ovbench.training-state/1"
KEPT = 2
_TENSORS, _STATE = "tensors.safetensors", "state.json"

Identity = Mapping[str, str | int]
"""What a run is of, by the name a user knows it by; a state is resumed only under the same."""


@dataclass
class Progress:
    """Where a run stands, and what it has cost so far."""

    device_batch: int
    step: int = 0
    halvings: int = 0
    skipped: int = 0
    tokens: int = 0
    targets: int = 0
    positions: int = 0
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    curve: list[DevPoint] = field(default_factory=list)
    resumed: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def best(self) -> DevPoint | None:
        """The lowest dev loss so far, the earliest of equals."""
        return min(self.curve, key=lambda point: point.loss, default=None)

    @property
    def stale(self) -> int:
        """Evaluations since the best one."""
        return len(self.curve) - 1 - self.curve.index(self.best) if self.best else 0


@dataclass(frozen=True)
class State:
    """A state as it was read."""

    progress: Progress
    identity: dict[str, str | int]
    scaler: dict[str, Any]
    tensors: dict[str, torch.Tensor]


def save_state(
    last: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    identity: Identity,
    scaler: Mapping[str, Any],
) -> None:
    """Write the state after ``progress.step`` under ``last``, and let go of all but the newest.

    Raises
    ------
    OvbenchError
        If writing fails (a full disk); the earlier states are left as they were.
    """
    make_folder(last)
    tensors: dict[str, torch.Tensor] = {}
    for name, parameter in _trainable(model):
        tensors[f"parameter/{name}"] = parameter.detach()
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}/{name}"] = value
    record = asdict(progress) | {"curve": [point.model_dump() for point in progress.curve]}
    with whole_folder(last / f"step-{progress.step:08d}", (SafetensorError,)) as folder:
        save_file({k: v.contiguous().cpu() for k, v in tensors.items()}, folder / _TENSORS)
        state = {
            "schema_version": SCHEMA,
            "progress": record,
            "identity": dict(identity),
            "scaler": dict(scaler),
            "tensors_sha256": _sha256(folder / _TENSORS),
        }
        (folder / _STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    for old in _steps(last)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def load_state(last: Path) -> tuple[State, list[str]] | None:
    """The newest whole state under ``last``, and a sentence for every damaged one passed over.

    None if there is none at all.

    Raises
    ------
    ValidationError
        If there are states and every one is damaged.
    """
    damaged: list[str] = []
    for folder in _steps(last):
        try:
            return _read(folder), damaged
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            damaged.append(f"{folder.name} is damaged ({error})")
    if damaged:
        raise ValidationError(
            f"{last}: no state can be resumed: {'; '.join(damaged)}. "
            "Remove the folder and train again."
        )
    return None


def _read(folder: Path) -> State:
    state = json.loads((folder / _STATE).read_text("utf-8"))
    if state["schema_version"] != SCHEMA:
        raise ValueError(f"schema {state['schema_version']!r}, expected {SCHEMA!r}")
    if _sha256(folder / _TENSORS) != state["tensors_sha256"]:
        raise ValueError(f"{_TENSORS} is not what was written")
    fields = state["progress"]
    fields["curve"] = [DevPoint.model_validate(point) for point in fields["curve"]]
    return State(
        Progress(**fields), state["identity"], state["scaler"], load_file(folder / _TENSORS)
    )


def check_identity(state: State, identity: Identity, where: Path) -> None:
    """Raise :class:`InputError` naming what differs, if ``state`` is of another run."""
    keys = {**state.identity, **identity}
    differs = [
        f"{key} was {state.identity.get(key)}, is {identity.get(key)}"
        for key in keys
        if state.identity.get(key) != identity.get(key)
    ]
    if differs:
        raise InputError(
            f"the saved state is of another run: {'; '.join(differs)}",
            where=str(where),
            mend="resume with the same settings, or train into another folder",
        )


def restore(state: State, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put the state's values into the model's trainable parameters and the optimiser.

    Raises
    ------
    ValidationError
        If names or shapes are not those of the model.
    """
    slots: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in state.tensors.items():
        slot, _, name = key.partition("/")
        slots.setdefault(name, {})[slot] = tensor
    shapes = {name: tuple(p.shape) for name, p in _trainable(model)}
    saved = {name: tuple(slot["parameter"].shape) for name, slot in slots.items()}
    if shapes != saved:
        odd = sorted(set(shapes.items()) ^ set(saved.items()))[0][0]
        raise ValidationError(
            f"the saved state does not fit the model, first at {odd}. "
            "It was written by another version; train again into another folder."
        )
    for name, parameter in _trainable(model):
        values = slots[name]
        with torch.no_grad():
            parameter.copy_(values.pop("parameter"))
        if values:
            optimizer.state[parameter] = {k: v.to(parameter.device) for k, v in values.items()}


def _trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def _steps(last: Path) -> list[Path]:
    """Folders of states, the newest first."""
    return sorted(last.glob("step-*"), reverse=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
