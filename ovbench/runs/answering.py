"""Who answers a run's batches: a system here, now or once it is asked, or workers elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ovbench.runs.preflight import Preflight, batch_preflight, preflight

if TYPE_CHECKING:
    from ovbench.systems.answers import Answer, System
    from ovbench.tasks import Item


class Answerer(ABC):
    """Answers batches of items, each batch as a whole and by itself.

    Attributes
    ----------
    name:
        The recipe's.
    fingerprint:
        Hash of what changes answers and is not in the run's record; None: nothing known.
    processes:
        How many answer at the same time.
    """

    def __init__(self, name: str, fingerprint: str | None = None, processes: int = 1) -> None:
        self.name, self.fingerprint, self.processes = name, fingerprint, processes

    @property
    @abstractmethod
    def largest_batch(self) -> int | None:
        """What batches were halved to for want of memory; None if they never were."""

    @abstractmethod
    def ready(self) -> None:
        """Load what answering needs, unless that is done; what is wrong with it raises here."""

    @abstractmethod
    def check(self, items: Sequence[Item], batch_size: int, dtype: str) -> Preflight:
        """The checks before a run; ``dtype`` is that of the base's weights."""

    @abstractmethod
    def answers(self, batches: Sequence[list[Item]]) -> Iterator[tuple[int, list[Answer]]]:
        """The answers to each batch with its index, in any order of the batches."""


class Here(Answerer):
    """A system in this process, which is opened when it is first needed."""

    def __init__(
        self, name: str, opener: Callable[[], System], fingerprint: str | None = None
    ) -> None:
        super().__init__(name, fingerprint)
        self._opener = opener

    @cached_property
    def system(self) -> System:
        """The system itself."""
        return self._opener()

    @property
    def largest_batch(self) -> int | None:
        """What its batches were halved to; a system that was never opened halved none."""
        opened = vars(self).get("system")
        return getattr(opened, "largest_batch", None)

    def ready(self) -> None:
        """Open the system."""
        _ = self.system

    def check(self, items: Sequence[Item], batch_size: int, dtype: str) -> Preflight:
        """All checks of a language model here; of any other system, whether the batch matters."""
        from ovbench.systems.generation import CausalLmSystem
        from ovbench.systems.probing import ModelProbe

        if isinstance(self.system, CausalLmSystem):
            return preflight(self.system, ModelProbe(self.system), items, batch_size)
        return batch_preflight(self.system, items, batch_size, dtype)

    def answers(self, batches: Sequence[list[Item]]) -> Iterator[tuple[int, list[Answer]]]:
        """One batch after the other."""
        for index, batch in enumerate(batches):
            yield index, list(self.system.predict(batch, len(batch)))


def answerer(system: System | Answerer) -> Answerer:
    """A system that is open as an answerer; an answerer as it is."""
    return system if isinstance(system, Answerer) else Here(system.name, lambda: system)
