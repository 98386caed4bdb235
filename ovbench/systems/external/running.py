"""An external program as a system: what is sent when, how long it may take, what a death costs."""

from __future__ import annotations

import os
import shlex
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ovbench.errors import InputError, OvbenchError
from ovbench.systems.answers import Answer
from ovbench.systems.external.contract import MAX_LINE, read_answer, request_line
from ovbench.systems.external.program import Program
from ovbench.systems.external.recipe import ExternalRecipe
from ovbench.tasks.item import Item

_USUAL = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT", "COMSPEC"),
)
"""Environment variables that every program has, where they are set."""
_AT_ONCE = 8
"""Items that are asked for together: several, so that one failure is told from a broken program."""


@dataclass
class _Work:
    """The items of one call.

    Attributes
    ----------
    todo, flight, answers:
        Items not sent; sent and not answered, by id, in the order of sending; answered, by id.
    suspects, deaths:
        Items in flight at a death; how often the program died while it had the item alone, by id.
    """

    todo: deque[Item]
    flight: dict[str, Item] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    suspects: set[str] = field(default_factory=set)
    deaths: Counter[str] = field(default_factory=Counter)

    def next(self, most: int) -> Item | None:
        """The next item to send, if there may be another in flight.

        One that was in flight at a death goes alone, so that the guilty one shows.
        """
        if not self.todo or len(self.flight) >= most:
            return None
        alone = not self.suspects.isdisjoint((self.todo[0].id, *self.flight))
        return None if alone and self.flight else self.todo.popleft()

    def died(self) -> None:
        """The program died with what is in flight; on the second time alone, the item has failed.

        Once alone is not enough: it may be the program's time, and not the item.
        """
        self.suspects.update(self.flight)
        if len(self.flight) == 1:
            self.deaths.update(list(self.flight))
            if max(self.deaths[name] for name in self.flight) > 1:
                self.fail_oldest()

    def fail_oldest(self) -> None:
        """The item that has waited longest has failed."""
        name = next(iter(self.flight))
        del self.flight[name]
        self.answers[name] = Answer(name, "", "error", 0)

    def take_back(self) -> None:
        """What is in flight is to be sent again, before anything else."""
        self.todo.extendleft(reversed(self.flight.values()))
        self.flight.clear()


class ExternalSystem:
    """A program that answers items. It is started for the first item and ended by :meth:`close`.

    - An item without an answer in time, or with one longer than 1 MB, has failed: status ``error``.
      The program is killed with its children and started again.
    - An item that the program dies on, twice and alone, has failed too; the others are asked again.
    - A program that dies ``restarts`` + 1 times without an answer between them, or that has not
      answered a single item, stops the run, with the end of its standard error in the message.
    - So does a line that breaks the contract (:mod:`ovbench.systems.external.contract`).

    Raises
    ------
    UnknownNameError
        If the recipe has no such scale.
    """

    def __init__(self, recipe: ExternalRecipe, scale: str) -> None:
        self.name, self.recipe = recipe.name, recipe
        self.command = recipe.command_at(scale)
        self._needs = recipe.scale(scale).needs
        self._program: Program | None = None
        self._fresh = True
        """Whether the program has not answered since its start."""
        self.works = False
        """Whether it has ever answered, in this run or before it was interrupted."""
        self._failures = 0
        """In a row, without an answer between."""
        self._since = 0.0

    def automatic_batch_size(self) -> int:
        """How many items to ask for at a time; the recipe's ``batch`` says how many are sent."""
        return max(self.recipe.batch, _AT_ONCE)

    def predict(self, items: Sequence[Item], batch_size: int = _AT_ONCE) -> Iterator[Answer]:
        """One answer per item, in their order; at most ``batch_size`` items are in flight.

        Raises
        ------
        InputError
            If the program cannot be started.
        OvbenchError
            If it stops the run (see the class).
        """
        if batch_size < 1:
            raise InputError(f"a batch size of {batch_size}", expected="1 or more")
        work, told = _Work(deque(items)), 0
        try:
            while told < len(items):
                self._fill(work, min(self.recipe.batch, batch_size))
                self._listen(work)
                if not (work.todo or work.flight or self.works):
                    raise self._stopped("has not answered a single item")
                while told < len(items) and items[told].id in work.answers:
                    yield work.answers.pop(items[told].id)
                    told += 1
        finally:
            if work.flight:  # stopped from outside, or by an error
                self.kill()

    def _fill(self, work: _Work, most: int) -> None:
        while (item := work.next(most)) is not None:
            if self._program is None:
                self._program, self._fresh = self._started(), True
            if not work.flight:
                self._since = time.monotonic()
            work.flight[item.id] = item
            self._program.send(request_line(item, self.recipe.fields))

    def _listen(self, work: _Work) -> None:
        """Wait for one thing to happen, and act on it."""
        assert self._program is not None
        limit = self.recipe.timeout_seconds + (self.recipe.startup_seconds if self._fresh else 0)
        happening = self._program.next(self._since + limit - time.monotonic())
        if isinstance(happening, bytes):
            if happening.strip():
                self._answered(read_answer(happening, self._called, work.flight), work)
            return
        if happening == "ended":
            what = f"{self._program.status()} without an answer to {next(iter(work.flight))!r}"
            work.died()
        else:
            late = f"gave no answer within {limit:g} s"
            what = late if happening == "late" else f"wrote a line longer than {MAX_LINE:,} bytes"
            what += f", to {next(iter(work.flight))!r}"
            work.fail_oldest()
        work.take_back()
        self._failures += 1
        if self._failures > self.recipe.restarts:
            raise self._stopped(what)
        self.kill()

    def _answered(self, answer: Answer, work: _Work) -> None:
        del work.flight[answer.id]
        work.answers[answer.id] = answer
        self._since = time.monotonic()
        self._fresh, self.works, self._failures = False, True, 0

    @property
    def _called(self) -> str:
        return f"The program of {self.name!r} ({shlex.join(self.command)})"

    def _started(self) -> Program:
        recipe = self.recipe
        env = {name: os.environ[name] for name in (*_USUAL, *recipe.env) if name in os.environ}
        folder = None if recipe.folder is None else recipe.filled(recipe.folder)
        try:
            return Program(self.command, folder, env | {"PYTHONUNBUFFERED": "1"})
        except OSError as error:
            raise InputError(
                f"the program {self.command[0]!r} cannot be started ({error.strerror or error})",
                where=f"model {self.name}" + ("" if folder is None else f", in {folder}"),
                expected=self._needs,
            ) from None

    def _stopped(self, what: str) -> OvbenchError:
        """The error that ends the run; what the program said last is part of it."""
        program = self._program
        self.kill()
        words = "" if program is None else program.last_words()
        times = f", {self._failures} times in a row" if self._failures > 1 else ""
        never = "" if self.works else " It has answered nothing so far; does it flush each line?"
        said = f" Its last words:\n{words}" if words else " It said nothing on standard error."
        return OvbenchError(f"{self._called} {what}{times}.{never}{said}")

    def kill(self) -> None:
        """End the program at once, with its children; the next item starts it again."""
        program, self._program = self._program, None
        if program is not None:
            program.stop()

    def close(self) -> None:
        """End the program's input, and the program; kill it where it goes on."""
        program, self._program = self._program, None
        if program is not None:
            program.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()
