"""The leak test: do gold labels reach a system's answers?

The gold of the evaluation split is replaced at random, the system is opened anew over that split,
contexts and answers are made again, and every answer must be the same to the last bit. Items have
no label fields, so this should be so by construction; the test is for what construction forgets.

A test that cannot fail shows nothing, so each comes with a *positive control*: a leak is put in on
purpose, and the same comparison must find it. For LoRA-LAS that is the same adapter with contexts
made of the gold labels, at constants at which a context matters (at the published ones even such a
context changes hardly an answer); for any other system, the gold labels in the prompt.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ovbench.context.builder import oracle_context
from ovbench.errors import InputError
from ovbench.frozen import Frozen
from ovbench.runs.evaluate import batches
from ovbench.tasks import Gold, Item, Task

if TYPE_CHECKING:
    from ovbench.systems.answers import Answer, System
    from ovbench.systems.generation import CausalLmSystem

OpenSystem = Callable[[Task], "System"]
"""Opens a system for a task as an evaluation does, its contexts included."""

CONTROL_ITEMS = 64
"""Items of the positive control, which stops being cheap beyond."""
AMPLITUDES = (0.5, 2.0, 8.0)
"""Amplitudes that the control tries, with ω = ``OMEGA``, until an answer changes."""
OMEGA = 3.0


class Control(Frozen):
    """What the same comparison finds where a leak was put in on purpose."""

    leak: Literal["contexts made of gold labels", "gold labels in the prompt"]
    items: int
    differing: int
    """Items whose answer changed with the labels; above 0, or the test shows nothing."""
    amplitude: float | None = None
    """Of the sine term, with ``omega``; null for systems without one."""
    omega: float | None = None


class LeakReport(Frozen):
    """What a leak test found."""

    system: str
    task: str
    split: str
    items: int
    rounds: int = Field(ge=1)
    """How often the labels were replaced."""
    seed: int
    context_source: str | None
    """``description``, …; null for systems without a label context."""
    context_digest: str | None
    oracle: bool
    """Whether the system's contexts are made of gold, so that a difference is no surprise."""
    contexts_changed: int
    """Items whose context changed in some round, by a bit."""
    answers_changed: tuple[str, ...]
    """Ids of the items whose answer changed in some round, in the task's order."""
    not_as_recorded: tuple[str, ...] | None
    """Ids of items whose answer is another than the run recorded; null where no run was given."""
    control: Control

    @property
    def verdict(self) -> Literal["no leak", "leak", "inconclusive"]:
        """``inconclusive``: no answer changed, but in the control neither, or what was tested is
        not what made the run: its answers did not come out again.
        """
        if self.answers_changed or self.contexts_changed:
            return "leak"
        return "no leak" if self.control.differing and not self.not_as_recorded else "inconclusive"

    def line(self) -> str:
        """All of it in one line."""
        changed = len(self.answers_changed)
        parts = [
            f"{changed} of {self.items} answers and {self.contexts_changed} contexts change with "
            f"the labels ({self.rounds} rounds)",
            f"control ({self.control.leak}): {self.control.differing} of {self.control.items}",
        ]
        if self.not_as_recorded is not None:
            parts.append(f"{len(self.not_as_recorded)} answers are not as recorded")
        return f"leak test: {self.verdict.upper()}; " + "; ".join(parts)


def leak_test(
    open_system: OpenSystem,
    task: Task,
    *,
    batch_size: int = 16,
    rounds: int = 1,
    seed: int = 0,
    recorded: Mapping[str, str] | None = None,
) -> LeakReport:
    """Answer ``task`` with its own labels and with random ones, and compare.

    Parameters
    ----------
    open_system:
        Called with the task, and with copies of it that have other gold. It must do whatever an
        evaluation does between a task and a system, so that a leak on the way is found; the model
        may be kept between calls.
    batch_size:
        Items answered together; that of the run, where one is given.
    rounds:
        How often labels are replaced, each time by others; at least 1.
    seed:
        Of the random labels.
    recorded:
        Texts of a run by item id, which must come out again.

    Raises
    ------
    InputError
        If ``rounds`` or ``batch_size`` is below 1.
    """
    if rounds < 1 or batch_size < 1:
        raise InputError(f"{rounds} rounds with batches of {batch_size}", expected="1 or more")
    groups = batches(task.items, batch_size)
    system = open_system(task)
    answers = _answers(system, groups)
    rows = _context_bytes(system, task.items, answers)
    changed: set[str] = set()
    moved: set[str] = set()
    for number in range(rounds):
        other = relabelled(task, seed + number)
        opened = open_system(other)
        found = _answers(opened, groups)
        changed |= {name for name in answers if answers[name] != found[name]}
        again = _context_bytes(opened, task.items, found)
        moved |= {name for name in rows if rows[name] != again[name]}
    contexts = getattr(system, "contexts", None)
    odd = None
    if recorded is not None:
        odd = tuple(n for n, a in answers.items() if n in recorded and a.text != recorded[n])
    return LeakReport(
        system=system.name,
        task=task.id,
        split=task.split,
        items=len(task.items),
        rounds=rounds,
        seed=seed,
        context_source=None if contexts is None else contexts.source,
        context_digest=None if contexts is None else contexts.digest,
        oracle=contexts is not None and contexts.oracle,
        contexts_changed=len(moved),
        answers_changed=tuple(item.id for item in task.items if item.id in changed),
        not_as_recorded=odd,
        control=_control(open_system(task), task.limited(CONTROL_ITEMS), batch_size, seed),
    )


def relabelled(task: Task, seed: int) -> Task:
    """The same items with random gold: other labels, another class, a value of another sign.

    Labels are drawn from all labels of the task and a few more; every item's differ from its own. A
    kind of gold that an item lacks stays away. Each item has random numbers of its own.
    """
    words = {label for gold in task.gold.values() for label in gold.labels}
    classes = {gold.category for gold in task.gold.values() if gold.category}
    common = {"happy", "sad", "angry", "afraid", "neutral"}
    vocabulary, categories = sorted(words | common), sorted(classes | common)
    gold = {
        name: _random_gold(Random(f"{seed}/{name}"), own, vocabulary, categories)  # noqa: S311
        for name, own in task.gold.items()
    }
    return replace(task, gold=gold)


def _random_gold(
    rng: Random, own: Gold, vocabulary: Sequence[str], categories: Sequence[str]
) -> Gold:
    labels = own.labels
    if labels:
        others = [word for word in vocabulary if word not in labels] or ["none of these"]
        labels = tuple(rng.sample(others, min(len(others), 1 + int(rng.random() * 3))))
    category = own.category
    if category is not None:
        category = rng.choice([name for name in categories if name != category])
    valence = own.valence
    if valence is not None:
        valence = -valence or rng.choice((-1.0, 1.0))
    return Gold(labels, category, valence)


def _answers(system: System, groups: Sequence[Sequence[Item]]) -> dict[str, Answer]:
    """Answers by item id, batch by batch."""
    return {answer.id: answer for batch in groups for answer in system.predict(batch, len(batch))}


def _context_bytes(
    system: System, items: Sequence[Item], answers: Mapping[str, Answer]
) -> dict[str, bytes]:
    """The bits of each item's context, in all passes; nothing for systems without one."""
    if getattr(system, "contexts", None) is None:
        return {}
    model: CausalLmSystem = system  # type: ignore[assignment]
    passes = [model.context_rows(items)]
    first = first_passes(answers)
    if first:
        passes.append(model.context_rows(items, first))
    kept = [rows for rows in passes if rows is not None]
    return {item.id: b"".join(rows[i].tobytes() for rows in kept) for i, item in enumerate(items)}


def first_passes(answers: Mapping[str, Answer]) -> dict[str, str] | None:
    """The first answers' texts by item id; None where every item was answered in one pass."""
    found = {name: answer.first_pass for name, answer in answers.items()}
    if all(text is None for text in found.values()):
        return None
    return {name: text or "" for name, text in found.items()}


def _control(system: System, task: Task, batch_size: int, seed: int) -> Control:
    """Put a leak in and look for it."""
    groups = batches(task.items, batch_size)
    one, other = task.gold, relabelled(task, seed).gold
    if getattr(system, "contexts", None) is None:
        differing = _differing(
            _answers(system, _telling(groups, one)), _answers(system, _telling(groups, other))
        )
        return Control(leak="gold labels in the prompt", items=len(task.items), differing=differing)
    model: CausalLmSystem = system  # type: ignore[assignment]
    differing, amplitude = 0, 0.0
    for amplitude in AMPLITUDES:
        with _wide(model, amplitude):
            differing = _differing(
                _answers(_with_oracle(model, one), groups),
                _answers(_with_oracle(model, other), groups),
            )
        if differing:
            break
    return Control(
        leak="contexts made of gold labels",
        items=len(task.items),
        differing=differing,
        amplitude=amplitude,
        omega=OMEGA,
    )


def _differing(one: Mapping[str, Answer], other: Mapping[str, Answer]) -> int:
    return sum(one[name] != other[name] for name in one)


def _telling(groups: Sequence[Sequence[Item]], gold: Mapping[str, Gold]) -> list[list[Item]]:
    """The same batches of items, each of which gives its gold away."""

    def telling(item: Item) -> Item:
        own = gold[item.id]
        words = ", ".join([*own.labels, *([own.category] if own.category else [])])
        return replace(item, description=f"{words or own.valence}; {item.description}")

    return [[telling(item) for item in group] for group in groups]


def _with_oracle(system: CausalLmSystem, gold: Mapping[str, Gold]) -> CausalLmSystem:
    """The same model with contexts made of ``gold``."""
    assert system.contexts is not None
    assert system.contexts.encoder is not None
    twin = copy.copy(system)
    twin.contexts = oracle_context(system.contexts.encoder, gold)
    return twin


def _wide(system: CausalLmSystem, amplitude: float) -> AbstractContextManager[None]:
    """The model with a sine term that shows, its controls off, within the block."""
    from peft import PeftModel

    from ovbench.lora_las import altered

    if not isinstance(system.model, PeftModel):
        return nullcontext()
    return altered(system.model, amplitude=amplitude, omega=OMEGA, control=None)
