"""What generates a language model's answers: transformers or vLLM, here or on workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ovbench.runs.answering import Answerer
from ovbench.runs.opened import Backend, OpenedRecipe
from ovbench.runs.parallel_ray import OnWorkers, RayWorkers, Share

if TYPE_CHECKING:
    from ovbench.context import ContextBuilder
    from ovbench.runs.place import Place
    from ovbench.tasks import Task


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
    """What answers a task's items: ``workers``, or this process.

    Other arguments as :meth:`ovbench.runs.opened.OpenedRecipe.answerer` takes them.
    """
    if workers is not None:
        return OnWorkers(workers, task, seed, shrink, opened.fingerprint)
    return opened.answerer(task, builder, seed, shrink)


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
