"""A language model's recipe, opened: base, adapter and contexts, found first, loaded when used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench.context import ContextBuilder, context_of, open_encoder
from ovbench.errors import InputError, UnknownNameError
from ovbench.io.hashes import file_sha256
from ovbench.runs.answering import Here
from ovbench.runs.place import Place, device_name, find_adapter, require_models, training_seed
from ovbench.runs.records import SystemRecord
from ovbench.systems import CausalLmRecipe
from ovbench.systems.backbones import check_folder, locate, weights_sha256
from ovbench.systems.describing import ItemDescriber, check_describer, saved_describer
from ovbench.systems.missing import Missing
from ovbench.systems.origin import check_vocabulary
from ovbench.tasks import Task, load_task

if TYPE_CHECKING:
    from ovbench.systems.answer_words import AnswerWords
    from ovbench.systems.answers import System
    from ovbench.systems.generation import CausalLmSystem
    from ovbench.systems.loading import Base
    from ovbench.systems.saved import OpenedAdapter
    from ovbench.systems.vllm_backend import VllmSystem

Backend = Literal["hf", "vllm"]
"""Transformers and PEFT, or vLLM."""
VLLM_BATCH = 512
"""Items handed to vLLM at a time, which makes batches of its own; and kept at a time."""


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

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over what of the base is not its weights: configuration and tokenizer."""
        digest = hashlib.sha256()
        for path in sorted(locate(self.backbone).iterdir()):
            if path.suffix in (".json", ".txt", ".model", ".jinja") and path.is_file():
                digest.update(f"{path.name} {file_sha256(path)}\n".encode())
        return digest.hexdigest()

    @property
    def batch_size(self) -> int:
        """A batch size to start from; nothing is loaded for it."""
        from ovbench.systems.devices import resolve_device
        from ovbench.systems.generation import automatic_batch_size
        from ovbench.systems.weight_files import stored_parameters

        if self.backend == "vllm":
            return VLLM_BATCH
        parameters = stored_parameters(check_folder(locate(self.backbone)))
        return automatic_batch_size(parameters, resolve_device(self.place.device))

    def contexts(self, task: Task, train: Task | None = None) -> ContextBuilder:
        """The contexts of a task's items; a vocabulary is that of ``train``, or of the task's own.

        Raises
        ------
        InputError
            If the adapter was trained with prototypes of another vocabulary.
        """
        settings = self.recipe.context_at(self.place.scale)
        if train is None and settings.source in ("prototypes", "candidates"):
            train = train_split(task, self.recipe.train_task(self.place.scale), clips=False)
        builder = context_of(settings, task, train)
        if settings.source == "prototypes":
            check_vocabulary(self.folder, builder.provenance, task.id)
        return builder

    def answerer(self, task: Task, builder: ContextBuilder, seed: int, shrink: bool) -> Here:
        """What answers a task's items in this process, opened when it is first asked.

        Parameters
        ----------
        task:
            With all of its items, clips described.
        builder:
            Their contexts.
        shrink:
            Halve batches that do not fit into memory; else that is an error.
        """
        opener = partial(self._answering, task, builder, seed, shrink)
        return Here(self.recipe.name, opener, self.fingerprint)

    def _answering(self, task: Task, builder: ContextBuilder, seed: int, shrink: bool) -> System:
        if self.backend == "vllm":
            return replace(self.vllm, words=self.words(task), seed=seed)
        return self.system(task, builder, seed=seed, shrink=shrink)

    def system(
        self, task: Task, builder: ContextBuilder, *, seed: int = 0, shrink: bool = False
    ) -> CausalLmSystem:
        """The language model in memory; arguments as :meth:`answerer`'s."""
        from ovbench.systems.generation import CausalLmSystem

        return CausalLmSystem(
            self.recipe.name,
            self.adapter.model,
            self.base,
            self.recipe.scale(self.place.scale).prompt,
            self.recipe.decoding_at(self.place.scale),
            builder,
            words=self.words(task),
            seed=seed,
            shrink=shrink,
        )

    def words(self, task: Task) -> AnswerWords | None:
        """How answers are read on a task with classes; None: as they are."""
        return self.recipe.answer_words(self.place.scale) if task.answers == "class" else None

    def record(self, builder: ContextBuilder) -> SystemRecord:
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
    :func:`ovbench.runs.recipe.evaluate_recipe`.
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


def train_split(task: Task, otherwise: str, *, clips: bool = True) -> Task:
    """The train split of a task; where it has none (data sets for evaluation), another task's.

    ``clips``: as :func:`ovbench.tasks.load_task` takes it.
    """
    try:
        return load_task(task.id, "train", clips=clips)
    except UnknownNameError:
        return load_task(otherwise, "train", clips=clips)
