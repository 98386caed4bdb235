"""What generates a language model's answers: transformers or vLLM, here or on workers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ovbench.runs.answering import Answerer, Here
from ovbench.systems.backbones import check_folder, locate

if TYPE_CHECKING:
    from ovbench.context import ContextBuilder
    from ovbench.runs.parallel_ray import RayWorkers
    from ovbench.runs.place import Place
    from ovbench.runs.recipe import OpenedRecipe
    from ovbench.systems.answers import System
    from ovbench.tasks import Task

Backend = Literal["hf", "vllm"]
VLLM_BATCH = 512
"""Items handed to vLLM at a time, which makes batches of its own; and kept at a time."""


@dataclass(frozen=True)
class Engine:
    """What generates.

    Attributes
    ----------
    backend:
        ``hf``: transformers and PEFT. ``vllm``: where the method allows it; bits may differ.
    workers:
        Answer on so many Ray actors; None: in this process.
    """

    backend: Backend = "hf"
    workers: int | None = None


HERE = Engine()
"""Transformers, in this process."""


@contextmanager
def open_workers(opened: OpenedRecipe, workers: int | None) -> Iterator[RayWorkers | None]:
    """Workers for any number of tasks within the block, started when first asked; None: none.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    """
    if workers is None:
        yield None
        return
    import torch

    from ovbench.runs.parallel_ray import RayWorkers, Share

    share = Share(opened.recipe, _anywhere(opened), opened.backend, torch.get_num_threads())
    pool = RayWorkers(share, workers)
    try:
        yield pool
    finally:
        pool.close()


def answerer_of(
    opened: OpenedRecipe,
    task: Task,
    builder: ContextBuilder,
    seed: int,
    shrink: bool,
    workers: RayWorkers | None = None,
) -> Answerer:
    """What answers a task's items, opened when it is first asked.

    Parameters
    ----------
    task:
        With all of its items, clips described.
    builder:
        Their contexts.
    shrink:
        Halve batches that do not fit into memory; else that is an error.
    workers:
        What answers in place of this process.
    """
    fingerprint = text_files_sha256(locate(opened.backbone))
    if workers is not None:
        from ovbench.runs.parallel_ray import OnWorkers

        return OnWorkers(workers, task, seed, shrink, fingerprint)
    opener = partial(open_system, opened, task, builder, seed, shrink)
    return Here(opened.recipe.name, opener, fingerprint)


def _anywhere(opened: OpenedRecipe) -> Place:
    """The place with folders and a device that mean the same wherever a worker runs."""
    from ovbench.systems.devices import resolve_device

    folder = Path(opened.backbone)
    base = str(folder.resolve()) if folder.is_dir() else opened.place.base
    return replace(
        opened.place,
        adapter=opened.folder.resolve(),
        base=base,
        device=str(resolve_device(opened.place.device)),
        dtype=opened.dtype,
    )


def open_system(
    opened: OpenedRecipe, task: Task, builder: ContextBuilder, seed: int, shrink: bool
) -> System:
    """The system in memory; arguments as :func:`answerer_of`'s."""
    if opened.backend == "vllm":
        return replace(opened.vllm, words=opened.words(task), seed=seed)
    return opened.system(task, seed=seed, shrink=shrink, builder=builder)[0]


def batch_size_of(opened: OpenedRecipe) -> int:
    """A batch size to start from; nothing is loaded for it."""
    from ovbench.systems.devices import resolve_device
    from ovbench.systems.generation import automatic_batch_size
    from ovbench.systems.loading import stored_parameters

    if opened.backend == "vllm":
        return VLLM_BATCH
    parameters = stored_parameters(check_folder(locate(opened.backbone)))
    return automatic_batch_size(parameters, resolve_device(opened.place.device))


def text_files_sha256(folder: Path) -> str:
    """SHA-256 over what of a base is not its weights: configuration and tokenizer."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".txt", ".model", ".jinja") and path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()
