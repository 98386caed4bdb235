"""Items and speakers that stand where they should not: in train and in test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from ovbench.tasks.card import Speakers
from ovbench.tasks.finding import Finding
from ovbench.tasks.task import Role

_SHOWN = 3


@dataclass(frozen=True)
class SplitIds:
    """Who is in a split.

    Attributes
    ----------
    part, split, role, fold:
        Which split, as the card has it (``part``: of the data set, as its reader knows it).
    claim:
        What the data set says of the speakers in train and test.
    ids, speakers:
        All of them; no speaker where the reader knows none.
    """

    part: str
    split: str
    role: Role
    fold: str
    claim: Speakers | None
    ids: frozenset[str]
    speakers: frozenset[str]

    @property
    def name(self) -> str:
        """Part and split, for messages."""
        return f"{self.part}, {self.split}" if self.part else self.split


def within_data_set(splits: Sequence[SplitIds]) -> Iterator[Finding]:
    """What the splits of one data set share.

    An id in splits of two roles is wrong in one part and fold. Between two parts it is a note: they
    may be two ways to divide the same items.
    """
    for one, other in combinations(splits, 2):
        if one.role == other.role or one.fold != other.fold:
            continue
        both = one.ids & other.ids
        if both:
            same = one.part == other.part
            yield Finding(
                "wrong" if same else "note",
                f"{_some(both, 'item')} in both {one.name} ({one.role}) and {other.name} "
                f"({other.role})" + ("" if same else ": do not train on one and test on the other"),
            )
    for part, fold in dict.fromkeys((one.part, one.fold) for one in splits):
        yield from _speakers([s for s in splits if (s.part, s.fold) == (part, fold)])


def _speakers(splits: Sequence[SplitIds]) -> Iterator[Finding]:
    """Of one part and fold: who speaks in both train and test."""
    train = frozenset[str]().union(*(s.speakers for s in splits if s.role == "train"))
    test = frozenset[str]().union(*(s.speakers for s in splits if s.role == "test"))
    if not (train and test):
        return
    claim, both = splits[0].claim, train & test
    where = f"{splits[0].part}, " if splits[0].part else ""
    where += f"fold {splits[0].fold}: " if splits[0].fold else ""
    if not both:
        yield Finding("ok", f"{where}nobody speaks in both train and test")
    elif claim == "apart":
        found = _some(both, "speaker")
        yield Finding("wrong", f"{where}{found} in both train and test, against its card")
    else:
        told = ", as its card says" if claim == "shared" else ""
        yield Finding("note", f"{where}{_some(both, 'speaker')} in both train and test{told}")


def between_data_sets(splits: Mapping[str, Sequence[SplitIds]]) -> dict[str, list[Finding]]:
    """Data set → notes: its dev and test items that are another data set's train items, by id.

    Ids that are plain numbers are passed over: they say nothing of which clip it is.
    """
    learnt = {name: _ids(s for s in own if s.role == "train") for name, own in splits.items()}
    chosen_on = {name: _ids(s for s in own if s.role != "train") for name, own in splits.items()}
    found: dict[str, list[Finding]] = {}
    for name, other in permutations(splits, 2):
        both = {one for one in chosen_on[name] & learnt[other] if not one.isdecimal()}
        if both:
            text = (
                f"{_some(both, 'dev or test item')} also among the train items of {other}, by id: "
                "do not train there and test here"
            )
            found.setdefault(name, []).append(Finding("note", text))
    return found


def _ids(splits: Iterable[SplitIds]) -> frozenset[str]:
    return frozenset[str]().union(*(split.ids for split in splits))


def _some(names: frozenset[str] | set[str], what: str) -> str:
    """``5 items (a, b, c, …)``."""
    shown = ", ".join(sorted(names)[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'} ({shown})"
