"""From a recipe's name to runs: recipe, base, adapter and contexts are opened and put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench.context import ContextBuilder, ContextSettings, open_context, open_encoder
from ovbench.errors import InputError, MissingExtraError
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.preflight import Preflight, preflight
from ovbench.runs.records import RunResult, SystemRecord
from ovbench.systems import CausalLmRecipe, ConstantRecipe, load_recipe
from ovbench.systems.backbones import TINY, locate
from ovbench.systems.constant import ConstantSystem
from ovbench.tasks import Task, load_task
from ovbench.testbed.bundled import adapter_folder
from ovbench.training.report import REPORT_FILE, read_report

if TYPE_CHECKING:
    import torch

    from ovbench.systems.generation import CausalLmSystem
    from ovbench.systems.loading import Base
    from ovbench.systems.saved import OpenedAdapter

TRAIN = "train"
"""``<out>/<recipe>/train``: where a run's own training is looked for, and put by a comparison."""
ADAPTER = "adapter"
CONSTANT_BATCH = 64


@dataclass(frozen=True)
class Place:
    """Where and how a model runs.

    Attributes
    ----------
    scale:
        ``tiny`` or ``paper``.
    adapter:
        Folder of an adapter, or of the training that made it; default: :func:`find_adapter`.
    base:
        In place of the scale's backbone: a folder, or a name on the hub.
    device, dtype:
        As :func:`ovbench.systems.loading.load_base` takes them.
    """

    scale: str = "tiny"
    adapter: Path | None = None
    base: str | None = None
    device: str = "auto"
    dtype: str = "auto"


def evaluate_recipe(
    name: str,
    tasks: Sequence[str] = ("tinyov",),
    *,
    out: str | Path,
    place: Place | None = None,
    batch_size: int | Literal["auto"] = "auto",
    options: EvalOptions | None = None,
    split: str = "test",
    on_preflight: Callable[[Preflight], None] | None = None,
) -> list[RunResult]:
    """Evaluate a recipe's system on tasks, one run each under ``<out>/<recipe>/<task>``.

    Parameters
    ----------
    name:
        A recipe's name, or the path of its TOML file.
    batch_size:
        In place of the options' own; ``auto``: what the device is good for, halved where memory
        runs out.
    on_preflight:
        Called with each preflight, before anything is generated.

    Raises
    ------
    UnknownNameError
        For a recipe, task, scale or device that does not exist.
    InputError
        If weights, adapter, memory or optional packages are missing, or something does not fit
        together; the message says what to do. Otherwise as :func:`ovbench.runs.evaluate.evaluate`.
    """
    recipe = load_recipe(name)
    loaded = [load_task(task, split) for task in tasks]
    chosen, where = options or EvalOptions(), place or Place()
    if isinstance(recipe, ConstantRecipe):
        size = CONSTANT_BATCH if batch_size == "auto" else batch_size
        sized = _with_batch(chosen, size)
        return [_evaluate_constant(recipe, task, out, sized) for task in loaded]
    opened = open_recipe(recipe, where, out)
    found = []
    for task in loaded:
        system, builder = opened.system(task, seed=chosen.seed, shrink=batch_size == "auto")
        size = system.automatic_batch_size() if batch_size == "auto" else batch_size
        run = evaluate(
            system,
            task,
            opened.record(builder, task),
            out,
            _with_batch(chosen, size),
            preflight=_preflight(system, task, size, on_preflight),
        )
        found.append(run)
    return found


@dataclass(frozen=True)
class OpenedRecipe:
    """A recipe's model in memory, for any number of tasks."""

    recipe: CausalLmRecipe
    place: Place
    base: Base
    adapter: OpenedAdapter
    folder: Path
    """Of the adapter."""

    def system(
        self, task: Task, *, seed: int = 0, shrink: bool = False
    ) -> tuple[CausalLmSystem, ContextBuilder]:
        """The system that answers a task's items, and its contexts."""
        from ovbench.systems.generation import CausalLmSystem

        builder = context_builder(self.recipe.context_at(self.place.scale), task)
        system = CausalLmSystem(
            self.recipe.name,
            self.adapter.model,
            self.base,
            self.recipe.scale(self.place.scale).prompt,
            self.recipe.decoding_at(self.place.scale),
            builder,
            seed=seed,
            shrink=shrink,
        )
        return system, builder

    def record(self, builder: ContextBuilder, task: Task) -> SystemRecord:
        """What the system is made of."""
        provenance = builder.provenance
        return SystemRecord(
            name=self.recipe.name,
            kind=self.recipe.kind,
            recipe=self.recipe.digest(),
            scale=self.place.scale,
            base=self.base.sha256,
            adapter=self.adapter.sha256,
            prompt=self.recipe.scale(self.place.scale).prompt.sha256,
            context=None if builder.source == "none" else builder.digest,
            context_source=None if builder.source == "none" else builder.source,
            oracle=provenance.oracle,
            decoding=self.recipe.decoding_at(self.place.scale).model_dump(),
            training_seed=training_seed(self.folder),
            dtype=str(self.base.dtype).removeprefix("torch."),
            device=_device_name(self.base.device),
        )


def open_recipe(recipe: CausalLmRecipe, place: Place, out: str | Path) -> OpenedRecipe:
    """Load base and adapter; what is missing is told before anything large is read.

    Raises as :func:`evaluate_recipe`.
    """
    require_models("evaluating a language model")
    from ovbench.systems.loading import load_base
    from ovbench.systems.saved import open_adapter

    backbone = place.base or recipe.scale(place.scale).backbone
    locate(backbone)
    folder = find_adapter(recipe, place, out)
    context = recipe.context_at(place.scale)
    if context.source != "none":
        open_encoder(context.encoder)  # kept: whether it is here is known before the base is read
    # As it was trained: LoRA-LAS's term is lost in fewer bits.
    trained_in = recipe.scale(place.scale).training.dtype
    dtype = trained_in if place.dtype == "auto" else place.dtype
    base = load_base(backbone, dtype=dtype, device=place.device)
    return OpenedRecipe(recipe, place, base, open_adapter(recipe, folder, base), folder)


def find_adapter(recipe: CausalLmRecipe, place: Place, out: str | Path) -> Path:
    """The adapter's folder: the given one, that of a training under ``out``, or the bundled one.

    Raises
    ------
    InputError
        If there is none.
    """
    if place.adapter is not None:
        inner = place.adapter / ADAPTER
        return inner if inner.is_dir() else place.adapter
    home = train_folder(out, recipe.name, place.scale)
    # The report is written last: without it the training is not finished.
    if (home / REPORT_FILE).is_file() and (home / ADAPTER).is_dir():
        return home / ADAPTER
    bundled = adapter_folder(recipe.name)
    if place.scale == "tiny" and place.base in (None, TINY) and bundled.is_dir():
        return bundled
    scale = "" if place.scale == "tiny" else f" --scale {place.scale}"
    base = "" if place.base is None else f" --base {place.base}"
    raise InputError(
        f"there is no trained adapter of {recipe.name!r} at scale {place.scale!r}",
        where=str(home),
        expected="a folder with an adapter",
        mend=f"train one with: ovbench train --model {recipe.name}{scale}{base} --output-path "
        f"{home}, or name one with --adapter FOLDER",
    )


def train_folder(out: str | Path, recipe: str, scale: str) -> Path:
    """``<out>/<recipe>/train``; at another scale than tiny, that is named too: ``train-paper``."""
    return Path(out) / recipe / (TRAIN if scale == "tiny" else f"{TRAIN}-{scale}")


def context_builder(settings: ContextSettings, task: Task) -> ContextBuilder:
    """The contexts of a task's items; gold goes in for source ``oracle`` alone."""
    needs_train = settings.source in ("prototypes", "candidates")
    return open_context(
        settings,
        load_task(task.id, "train") if needs_train else None,
        over=task.items if settings.shuffled else None,
        oracle_gold=task.gold if settings.source == "oracle" else None,
    )


def training_seed(adapter: Path) -> int | None:
    """The seed that an adapter was trained under, where its training report is at hand."""
    for folder in (adapter, adapter.parent):
        if (folder / REPORT_FILE).is_file():
            return read_report(folder / REPORT_FILE).seed
    return None


def require_models(what: str) -> None:
    """Raise :class:`MissingExtraError` unless language models can be run here."""
    if any(find_spec(name) is None for name in ("torch", "transformers", "peft", "accelerate")):
        raise MissingExtraError(what, "models")


def _evaluate_constant(
    recipe: ConstantRecipe, task: Task, out: str | Path, options: EvalOptions
) -> RunResult:
    train = load_task(task.id, "train")
    about = SystemRecord(
        name=recipe.name, kind=recipe.kind, recipe=recipe.digest(), train=train.digest()
    )
    return evaluate(ConstantSystem(recipe, train, options.seed), task, about, out, options)


def _device_name(device: torch.device) -> str:
    """``cpu``, ``mps``, or ``cuda:0 NVIDIA H200``."""
    if device.type != "cuda":
        return str(device)
    import torch

    return f"{device} {torch.cuda.get_device_name(device)}"


def _preflight(
    system: CausalLmSystem,
    task: Task,
    batch_size: int,
    told: Callable[[Preflight], None] | None,
) -> Callable[[], Preflight]:
    def check() -> Preflight:
        from ovbench.systems.probing import ModelProbe

        found = preflight(system, ModelProbe(system), task.items, batch_size)
        if told is not None:
            told(found)
        return found

    return check


def _with_batch(options: EvalOptions, batch_size: int) -> EvalOptions:
    return replace(options, batch_size=batch_size)
