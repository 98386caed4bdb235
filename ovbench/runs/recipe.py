"""From a recipe's name to runs: recipe, base, adapter and contexts are opened and put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench.context import ContextBuilder, open_context, open_encoder
from ovbench.errors import InputError, UnknownNameError
from ovbench.runs.answering import Answerer
from ovbench.runs.engines import (
    HERE,
    Backend,
    Engine,
    answerer_of,
    batch_size_of,
    open_workers,
)
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.external import evaluate_external
from ovbench.runs.hearing import evaluate_hearing
from ovbench.runs.parallel import evaluate_together, is_first, process_count
from ovbench.runs.pipeline import evaluate_pipeline
from ovbench.runs.place import Place, device_name, find_adapter, require_models, training_seed
from ovbench.runs.preflight import Preflight
from ovbench.runs.records import RunResult, SystemRecord
from ovbench.systems import (
    CausalLmRecipe,
    ConstantRecipe,
    ExternalRecipe,
    PipelineRecipe,
    Recipe,
    load_recipe,
)
from ovbench.systems.backbones import locate, weights_sha256
from ovbench.systems.constant import ConstantSystem
from ovbench.systems.describing import ItemDescriber, check_describer, saved_describer
from ovbench.systems.missing import Missing
from ovbench.tasks import Task, load_task

if TYPE_CHECKING:
    from ovbench.systems.answer_words import AnswerWords
    from ovbench.systems.generation import CausalLmSystem
    from ovbench.systems.loading import Base
    from ovbench.systems.saved import OpenedAdapter
    from ovbench.systems.vllm_backend import VllmSystem

CONSTANT_BATCH = 64


def evaluate_recipe(
    name: str,
    tasks: Sequence[str] | None = None,
    *,
    out: str | Path,
    place: Place | None = None,
    batch_size: int | Literal["auto"] = "auto",
    options: EvalOptions | None = None,
    split: str | None = None,
    on_preflight: Callable[[Preflight], None] | None = None,
    engine: Engine = HERE,
) -> list[RunResult]:
    """Evaluate a recipe's system on tasks, one run each under ``<out>/<recipe>/<task>``.

    In the processes of ``accelerate launch``, the first returns the results, and the others none.

    Parameters
    ----------
    name:
        A recipe's name, or the path of its TOML file.
    tasks:
        In place of the recipe's own at that scale.
    split:
        In place of the one that each task's card means; a train split is refused.
    batch_size:
        In place of the options' own; ``auto``: what the device is good for, halved where memory
        runs out.
    on_preflight:
        Called with each preflight, before anything is generated.
    engine:
        What generates; another than the default is for language models alone.

    Raises
    ------
    UnknownNameError
        For a recipe, task, scale or device that does not exist.
    InputError
        If weights, adapter, memory or optional packages are missing, or something does not fit
        together; the message says what to do, and names all that is missing. Otherwise as
        :func:`ovbench.runs.evaluate.evaluate`.
    """
    recipe = load_recipe(name)
    chosen, where = options or EvalOptions(), place or Place()
    _check_engine(recipe, engine)
    if not isinstance(recipe, CausalLmRecipe) and not is_first():
        return []
    missing = Missing(f"{recipe.name} at scale {where.scale}")
    loaded = []
    for task_name in tasks or recipe.eval_tasks(where.scale):
        with missing.noted():
            loaded.append(_evaluated(task_name, split))
    if isinstance(recipe, ExternalRecipe):
        return evaluate_external(recipe, loaded, out, where, chosen, batch_size, missing)
    if isinstance(recipe, PipelineRecipe):
        return evaluate_pipeline(recipe, loaded, out, where, chosen, batch_size, missing)
    if not isinstance(recipe, CausalLmRecipe | ConstantRecipe):
        return evaluate_hearing(
            recipe,
            loaded,
            out,
            where,
            chosen,
            batch_size=batch_size,
            missing=missing,
            asked=name,
            on_preflight=on_preflight,
        )
    if isinstance(recipe, ConstantRecipe):
        missing.tell()
        size = CONSTANT_BATCH if batch_size == "auto" else batch_size
        sized, train = replace(chosen, batch_size=size), recipe.train_task(where.scale)
        return [_evaluate_constant(recipe, task, train, out, sized) for task in loaded]
    for task in loaded:
        with missing.noted():
            _require_texts(task, recipe, where.scale)
    opened = open_recipe(recipe, where, out, missing, name, engine.backend)
    found = []
    with open_workers(opened, engine.workers) as workers:
        for task in (opened.described(task, chosen.limit) for task in loaded):
            size = batch_size_of(opened) if batch_size == "auto" else batch_size
            builder = context_builder(recipe, where.scale, task)
            about = opened.record(builder, task)
            shrink = batch_size == "auto"
            source = answerer_of(opened, task, builder, chosen.seed, shrink, workers)
            check = partial(_checked, source, task, size, about, on_preflight)
            sized = replace(chosen, batch_size=size)
            found += evaluate_together(source, task, about, out, sized, preflight=check)
    return found


@dataclass(frozen=True)
class OpenedRecipe:
    """A recipe's model, for any number of tasks; it is read into memory when it is first used."""

    recipe: CausalLmRecipe
    place: Place
    backbone: str
    """Name or folder of the base."""
    dtype: str
    """Of its weights."""
    folder: Path
    """Of the adapter."""
    describer: ItemDescriber | None = None
    backend: Backend = "hf"

    @cached_property
    def base(self) -> Base:
        """The base model in memory."""
        from ovbench.systems.loading import load_base

        return load_base(self.backbone, dtype=self.dtype, device=self.place.device)

    @cached_property
    def adapter(self) -> OpenedAdapter:
        """Base and adapter in memory."""
        from ovbench.systems.saved import open_adapter

        return open_adapter(self.recipe, self.folder, self.base, self.place.scale)

    @cached_property
    def vllm(self) -> VllmSystem:
        """Base and adapter in a vLLM engine."""
        from ovbench.systems.vllm_backend import open_vllm

        return open_vllm(
            self.recipe, self.place.scale, self.backbone, self.folder, dtype=self.dtype
        )

    @cached_property
    def _base_sha256(self) -> str:
        return weights_sha256(locate(self.backbone))

    @cached_property
    def _adapter_sha256(self) -> str:
        from ovbench.systems.saved import adapter_sha256

        try:
            return adapter_sha256(self.folder)
        except InputError:
            return self.adapter.sha256  # opening it says what is wrong

    def described(self, task: Task, limit: float | None = None) -> Task:
        """The task as the system is shown it: clips described, where the recipe says by whom.

        Only the first ``limit`` items are listened to, unless contexts are exchanged among all.
        """
        if self.describer is None:
            return task
        exchanged = self.recipe.context_at(self.place.scale).shuffled
        return self.describer.task(task, task.limited(None if exchanged else limit).items)

    def system(
        self,
        task: Task,
        *,
        seed: int = 0,
        shrink: bool = False,
        builder: ContextBuilder | None = None,
    ) -> tuple[CausalLmSystem, ContextBuilder]:
        """The system that answers a task's items, and its contexts (``builder``, if given)."""
        from ovbench.systems.generation import CausalLmSystem

        contexts = builder or context_builder(self.recipe, self.place.scale, task)
        system = CausalLmSystem(
            self.recipe.name,
            self.adapter.model,
            self.base,
            self.recipe.scale(self.place.scale).prompt,
            self.recipe.decoding_at(self.place.scale),
            contexts,
            words=self.words(task),
            seed=seed,
            shrink=shrink,
        )
        return system, contexts

    def words(self, task: Task) -> AnswerWords | None:
        """How answers are read on a task with classes; None: as they are."""
        return self.recipe.answer_words(self.place.scale) if task.answers == "class" else None

    def record(self, builder: ContextBuilder, task: Task) -> SystemRecord:
        """What the system is made of; nothing is loaded for it."""
        from ovbench.systems.devices import resolve_device

        provenance = builder.provenance
        return SystemRecord(
            name=self.recipe.name,
            kind=self.recipe.kind,
            recipe=self.recipe.digest(),
            scale=self.place.scale,
            base=self._base_sha256,
            adapter=self._adapter_sha256,
            prompt=self.recipe.scale(self.place.scale).prompt.sha256,
            context=None if builder.source == "none" else builder.digest,
            context_source=None if builder.source == "none" else builder.source,
            oracle=provenance.oracle,
            describer=None if self.describer is None else self.describer.id,
            decoding=self.recipe.decoding_at(self.place.scale).model_dump(),
            training_seed=training_seed(self.folder),
            dtype=self.dtype,
            device=device_name(resolve_device(self.place.device)),
            backend=None if self.backend == "hf" else self.backend,
        )


def open_recipe(
    recipe: CausalLmRecipe,
    place: Place,
    out: str | Path,
    missing: Missing | None = None,
    asked: str | None = None,
    backend: Backend = "hf",
) -> OpenedRecipe:
    """Find base and adapter; what is missing is told before anything large is read.

    ``missing`` holds what the caller missed, ``asked`` what the user called the recipe. Raises as
    :func:`evaluate_recipe`.
    """
    require_models("evaluating a language model")
    from ovbench.systems.devices import resolve_device, resolve_dtype
    from ovbench.systems.memory import check_evaluation_memory

    missed = missing or Missing(f"{recipe.name} at scale {place.scale}")
    if backend == "vllm":
        from ovbench.systems.vllm_backend import check_vllm

        with missed.noted():
            check_vllm(recipe)
    backbone = place.base or recipe.scale(place.scale).backbone
    # As it was trained: LoRA-LAS's term is lost in fewer bits.
    trained_in = recipe.scale(place.scale).training.dtype
    dtype = trained_in if place.dtype == "auto" else place.dtype
    resolve_dtype(dtype, resolve_device(place.device))
    with missed.noted():
        locate(backbone)
    with missed.noted():
        check_evaluation_memory(backbone, dtype, place.device)
    with missed.noted():
        folder = find_adapter(recipe, place, out, asked)
    if recipe.describer is not None:
        with missed.noted():
            check_describer(recipe.describer)
    context = recipe.context_at(place.scale)
    if context.source != "none":
        with missed.noted():  # kept: whether it is here is known before the base is read
            open_encoder(context.encoder)
    missed.tell()
    describer = None if recipe.describer is None else saved_describer(recipe.describer, folder)
    return OpenedRecipe(recipe, place, backbone, dtype, folder, describer, backend)


def context_builder(recipe: CausalLmRecipe, scale: str, task: Task) -> ContextBuilder:
    """The contexts of a task's items; gold goes in for source ``oracle`` alone."""
    settings = recipe.context_at(scale)
    needs_train = settings.source in ("prototypes", "candidates")
    return open_context(
        settings,
        train_split(task, recipe.train_task(scale), clips=False) if needs_train else None,
        over=task.items if settings.shuffled else None,
        oracle_gold=task.gold if settings.source == "oracle" else None,
    )


def train_split(task: Task, otherwise: str, *, clips: bool = True) -> Task:
    """The train split of a task; where it has none (data sets for evaluation), another task's.

    ``clips``: as :func:`ovbench.tasks.load_task` takes it.
    """
    try:
        return load_task(task.id, "train", clips=clips)
    except UnknownNameError:
        return load_task(otherwise, "train", clips=clips)


def _evaluated(name: str, split: str | None) -> Task:
    """A split that models may be evaluated on: any but those they are trained on."""
    task = load_task(name, split)
    if task.role == "train":
        raise InputError(
            f"split {split!r} of {name} is one to train on", expected="a test or dev split"
        )
    return task


def _require_texts(task: Task, recipe: CausalLmRecipe, scale: str) -> None:
    """Refuse a task that shows a language model nothing: it would answer every item alike.

    So would contexts made of descriptions, where there are none, nor clips to describe.
    """
    listens = recipe.describer is not None
    described = any(item.description or (listens and item.audio) for item in task.items)
    if not described and not any(item.transcript for item in task.items):
        raise InputError(
            f"no item of {task.id}/{task.split} has a transcript or a description",
            expected="texts that a language model can answer from",
            mend="put the data set's transcripts, or a descriptions.jsonl, beside its files",
        )
    if recipe.context_at(scale).source == "description" and not described:
        raise InputError(
            f"the label context is made of descriptions, and no item of {task.id}/{task.split} "
            "has one",
            mend="put a descriptions.jsonl beside the data set's files, or take a recipe with "
            "another context",
        )


def _evaluate_constant(
    recipe: ConstantRecipe, task: Task, otherwise: str, out: str | Path, options: EvalOptions
) -> RunResult:
    train = train_split(task, otherwise, clips=False)
    about = SystemRecord(
        name=recipe.name, kind=recipe.kind, recipe=recipe.digest(), train=train.digest()
    )
    return evaluate(ConstantSystem(recipe, train, options.seed), task, about, out, options)


def _check_engine(recipe: Recipe, engine: Engine) -> None:
    """Refuse another engine than the default for what it does not serve."""
    if engine == HERE:
        return
    if not isinstance(recipe, CausalLmRecipe):
        raise InputError(
            f"{recipe.name} is of kind {recipe.kind}",
            expected="a language model that reads (kind causal_lm) for --backend and --workers",
        )
    if process_count() > 1:
        raise InputError(
            f"{process_count()} processes were started, with --backend vllm or --workers",
            expected="one process, which has the others work",
            mend="leave accelerate launch out",
        )


def _checked(
    source: Answerer,
    task: Task,
    batch_size: int,
    about: SystemRecord,
    told: Callable[[Preflight], None] | None,
) -> Preflight:
    found = source.check(task.items, batch_size, about.dtype or "")
    if told is not None:
        told(found)
    return found
