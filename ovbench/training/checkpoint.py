"""States that training resumes from exactly: parameters, optimiser, position, and what they are of.

``last/step-00000150/`` holds ``tensors.safetensors`` (every trainable parameter and its moments)
and ``state.json`` (:class:`Progress`, the identity of the run, the hash of the tensors). A folder
appears under its name only when it is whole. The two newest are kept, so that a damaged one costs
the steps since the one before it, not the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from ovbench.errors import InputError, ValidationError
from ovbench.io.folders import make_folder, whole_folder
from ovbench.io.hashes import file_sha256
from ovbench.training.report import DevPoint
from ovbench.training.states import Identity, let_go, newest_whole, state_folder

SCHEMA = "ovbench.training-state/1"
_TENSORS, _STATE = "tensors.safetensors", "state.json"


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
    with whole_folder(state_folder(last, progress.step), (SafetensorError,)) as folder:
        save_file({k: v.contiguous().cpu() for k, v in tensors.items()}, folder / _TENSORS)
        state = {
            "schema_version": SCHEMA,
            "progress": record,
            "identity": dict(identity),
            "scaler": dict(scaler),
            "tensors_sha256": file_sha256(folder / _TENSORS),
        }
        (folder / _STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    let_go(last)


def load_state(last: Path) -> tuple[State, list[str]] | None:
    """The newest whole state under ``last``, as :func:`ovbench.training.states.newest_whole`."""
    return newest_whole(last, _read)


def _read(folder: Path) -> State:
    state = json.loads((folder / _STATE).read_text("utf-8"))
    if state["schema_version"] != SCHEMA:
        raise ValueError(f"schema {state['schema_version']!r}, expected {SCHEMA!r}")
    if file_sha256(folder / _TENSORS) != state["tensors_sha256"]:
        raise ValueError(f"{_TENSORS} is not what was written")
    fields = state["progress"]
    fields["curve"] = [DevPoint.model_validate(point) for point in fields["curve"]]
    return State(
        Progress(**fields), state["identity"], state["scaler"], load_file(folder / _TENSORS)
    )


def check_kept(folder: Path, what: str) -> None:
    """Raise :class:`InputError` unless the weights of ``what``, the best so far, are in ``folder``.

    They would be kept to the end, should nothing better come.
    """
    files = sorted(folder.glob("*.safetensors"))
    try:
        for path in files:
            with safe_open(path, framework="pt"):  # it compares the header with the file's size
                pass
    except (OSError, SafetensorError) as error:
        found = f"the weights of {what}, the best so far, are damaged ({error})"
    else:
        if files:
            return
        found = f"the weights of {what}, the best so far, are gone"
    mend = "put them back, or train again into another folder"
    raise InputError(found, where=str(folder), mend=mend)


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
