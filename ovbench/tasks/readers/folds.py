"""Folds over actors or sessions, as PEFT-SER makes them where a data set has no official split."""

from __future__ import annotations

from collections.abc import Sequence


def people_of(split: str, people: Sequence[int], folds: int = 5) -> frozenset[int]:
    """The people of a split such as ``fold2-dev``.

    The folds are consecutive people, as equal as they can be, the first ones larger by one. Fold
    *k* tests on its own people; the last fifth (rounded up) of the others is dev, the rest train.
    """
    fold, _, role = split.partition("-")
    number = int(fold.removeprefix("fold")) - 1
    size, more = divmod(len(people), folds)
    start = number * size + min(number, more)
    stop = start + size + (number < more)
    others = [*people[:start], *people[stop:]]
    dev = -(-len(others) // folds)
    chosen = {"test": people[start:stop], "dev": others[-dev:], "train": others[:-dev]}
    return frozenset(chosen[role])


def sessions_of(split: str, sessions: Sequence[int]) -> tuple[int, ...]:
    """The sessions of a split such as ``fold2-dev``.

    Fold *k* tests on the *k*-th session, chooses on the last of the other sessions and trains on
    the rest.
    """
    fold, _, role = split.partition("-")
    test = sessions[int(fold.removeprefix("fold")) - 1]
    others = tuple(session for session in sessions if session != test)
    return {"test": (test,), "dev": others[-1:], "train": others[:-1]}[role]
