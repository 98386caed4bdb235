"""A run's batches on Ray actors, each with the model: the same batches as in one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ovbench.errors import InputError, MissingExtraError, OvbenchError
from ovbench.ray_cluster import start_ray
from ovbench.runs.answering import Answerer
from ovbench.runs.opened import Backend, open_recipe
from ovbench.runs.place import Place
from ovbench.runs.preflight import MOST_ITEMS, Preflight, spread
from ovbench.systems import CausalLmRecipe
from ovbench.tasks import Item, Task

if TYPE_CHECKING:
    from ovbench.systems.answers import Answer

_AHEAD = 2
"""Batches that each worker has at hand, so that none waits for the next."""
_DEATHS = 3
"""Workers that may die in a run; another takes the place of each, and answers what it had."""


@dataclass(frozen=True)
class Share:
    """What a worker opens a system from; weights must lie at the same path on all machines.

    Attributes
    ----------
    threads:
        Of PyTorch on the CPU: as many as in the process that asks, because bits depend on them.
    """

    recipe: CausalLmRecipe
    place: Place
    backend: Backend
    threads: int


@dataclass(frozen=True)
class _Failure:
    """An error that the user is told, on its way from a worker."""

    message: str
    exit_code: int


class Worker:
    """An actor's side: the model, read when it is first asked, for one task after the other."""

    def __init__(self, share: Share) -> None:
        import torch

        torch.set_num_threads(share.threads)
        self._opened = open_recipe(share.recipe, share.place, ".", backend=share.backend)

    def begin(self, task: Task, seed: int, shrink: bool) -> None:
        """Turn to a task; as :meth:`ovbench.runs.opened.OpenedRecipe.answerer`."""
        self._source = self._opened.answerer(task, self._opened.contexts(task), seed, shrink)

    def answers(self, batch: list[Item]) -> tuple[list[Answer], int | None] | _Failure:
        """The answers to one batch, and what batches were halved to."""
        try:
            ((_, found),) = self._source.answers([batch])
        except OvbenchError as error:
            return _Failure(str(error), error.exit_code)
        return found, self._source.largest_batch

    def check(self, items: list[Item], batch_size: int, dtype: str) -> Preflight | _Failure:
        """The checks before a run."""
        try:
            return self._source.check(items, batch_size, dtype)
        except OvbenchError as error:
            return _Failure(str(error), error.exit_code)


class RayWorkers:
    """Actors on the cluster that ``RAY_ADDRESS`` names, or else on this machine.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    InputError
        If it is fewer than one worker.
    """

    def __init__(self, share: Share, count: int) -> None:
        if count < 1:
            raise InputError(f"{count} workers", expected="1 or more")
        if find_spec("ray") is None:
            raise MissingExtraError("answering on several workers", "ray")
        self.share, self.count = share, count
        self.actors: list[Any] = []
        self._deaths, self._started = 0, False
        self._begin: tuple[Any, ...] = ()

    def turn_to(self, task: Task, seed: int, shrink: bool) -> None:
        """Have all of them answer a task from now on; they are started where they are not."""
        import ray

        self._started = start_ray(self.count) or self._started
        if not self.actors:
            self.actors = [self._actor() for _ in range(self.count)]
        self._begin = (ray.put(task), seed, shrink)
        for actor in self.actors:
            actor.begin.remote(*self._begin)

    def replace(self, slot: int, dead: Any) -> None:
        """Put another worker in a dead one's place, unless that is done.

        Raises
        ------
        OvbenchError
            If too many have died.
        """
        if self.actors[slot] is not dead:
            return
        self._deaths += 1
        if self._deaths > _DEATHS:
            raise _WorkerDiedError
        self.actors[slot] = self._actor()
        self.actors[slot].begin.remote(*self._begin)

    def close(self) -> None:
        """Stop them, and Ray where it was started for them."""
        if not self.actors:
            return
        import ray

        for actor in self.actors:
            ray.kill(actor)
        self.actors = []
        if self._started:
            ray.shutdown()

    def _actor(self) -> Any:
        import ray

        gpus = 1 if self.share.place.device.startswith("cuda") else 0
        return ray.remote(Worker).options(num_cpus=1, num_gpus=gpus).remote(self.share)


class OnWorkers(Answerer):
    """A task's batches, handed out to workers.

    Arguments as :meth:`ovbench.runs.opened.OpenedRecipe.answerer`'s, and its ``fingerprint``.
    """

    def __init__(
        self, workers: RayWorkers, task: Task, seed: int, shrink: bool, fingerprint: str
    ) -> None:
        super().__init__(workers.share.recipe.name, fingerprint, workers.count)
        self._workers, self._task = workers, (task, seed, shrink)
        self._ready, self._largest = False, None

    @property
    def largest_batch(self) -> int | None:
        """The smallest that any worker's batches were halved to."""
        return self._largest

    def ready(self) -> None:
        """Start the workers."""
        if not self._ready:
            self._workers.turn_to(*self._task)
            self._ready = True

    def check(self, items: Sequence[Item], batch_size: int, dtype: str) -> Preflight:
        """By the first worker, with the few items that are looked at."""
        self.ready()
        probe = spread(items, min(MOST_ITEMS, max(2, batch_size)))
        reference = self._workers.actors[0].check.remote(probe, batch_size, dtype)
        found: Preflight = _result(reference)
        return found

    def answers(self, batches: Sequence[list[Item]]) -> Iterator[tuple[int, list[Answer]]]:
        """As they come; what a worker that died had is answered by another."""
        import ray

        self.ready()
        left = deque(range(len(batches)))
        running: dict[Any, tuple[int, int, Any]] = {}

        def hand_out(slot: int) -> None:
            if left:
                index, actor = left.popleft(), self._workers.actors[slot]
                running[actor.answers.remote(batches[index])] = (index, slot, actor)

        for slot in [*range(self._workers.count)] * _AHEAD:
            hand_out(slot)
        while running:
            (reference,), _ = ray.wait([*running], num_returns=1)
            index, slot, actor = running.pop(reference)
            try:
                found, largest = _result(reference)
            except _WorkerDiedError:
                self._workers.replace(slot, actor)
                left.appendleft(index)
                hand_out(slot)
                continue
            hand_out(slot)
            sizes = [size for size in (largest, self._largest) if size is not None]
            self._largest = min(sizes, default=None)
            yield index, found


class _WorkerDiedError(OvbenchError):
    def __init__(self) -> None:
        super().__init__(
            "Workers of Ray died, perhaps for want of memory. What was answered is kept; the same "
            "command goes on from there."
        )


def _result(reference: Any) -> Any:
    """What a worker returned, or its error raised here."""
    import ray
    from ray.exceptions import RayActorError

    try:
        found = ray.get(reference)
    except RayActorError:
        raise _WorkerDiedError from None
    if isinstance(found, _Failure):
        failure = OvbenchError(found.message)
        failure.exit_code = found.exit_code
        raise failure
    return found
