"""Helpers of ``agreement.py``: real and derived systems, and scores from cluster bits.

The sets that are scored: items are in the order of the gold file; per item and ring a set of
clusters is a bit mask, so |G∩P|, |G| and |P| are popcounts.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovbench.io.labels import get_parser
from ovbench.normalize.normalizer import UNKNOWN, LabelMap, Normalizer

Labels = dict[str, list[str]]
"""Item → its labels, lower-case and stripped as the official scorer does."""

WHEELS = 5
ALL = slice(None)


def read_system(path: Path) -> Labels:
    """Labels of an official ``openset`` CSV or npz (plain string arrays)."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            rows = list(
                zip(arrays["filenames"].tolist(), arrays["fileitems"].tolist(), strict=True)
            )
    else:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["name"], row["openset"]) for row in csv.DictReader(file)]
    parse = get_parser("affectgpt").parse
    return {name: [label.lower().strip() for label in parse(cell).labels] for name, cell in rows}


def half(text: str) -> int:
    """0 for the choosing half, 1 for the reporting half."""
    return hashlib.sha256(text.encode()).digest()[0] & 1


def derived_systems(bases: dict[str, Labels], pool: list[str], seed: int = 7) -> dict[str, Labels]:
    """Systems made from others, so that quality spans the whole range; 21 per base.

    Labels dropped or replaced at random, label lists exchanged between items, only the first k
    labels kept, random labels added. ``pool`` holds label occurrences of real systems.
    """
    made: dict[str, Labels] = {}
    for base, labels in bases.items():
        for name, change in _changes(list(labels), pool):
            rng = np.random.default_rng([seed, len(made)])
            made[f"{base}-{name}"] = change(labels, rng)
    return made


Change = Callable[[Labels, np.random.Generator], Labels]


def _changes(items: list[str], pool: list[str]) -> Iterator[tuple[str, Change]]:
    def draw(rng: np.random.Generator) -> str:
        return pool[rng.integers(len(pool))]

    def drop(share: float) -> Change:
        return lambda all_, rng: {
            n: [x for x in labels if rng.random() >= share] for n, labels in all_.items()
        }

    def replace(share: float) -> Change:
        return lambda all_, rng: {
            n: [draw(rng) if rng.random() < share else x for x in labels]
            for n, labels in all_.items()
        }

    def exchange(share: float) -> Change:
        def change(all_: Labels, rng: np.random.Generator) -> Labels:
            chosen = [item for item in items if rng.random() < share]
            order = rng.permutation(len(chosen)).tolist()
            given = {item: chosen[at] for item, at in zip(chosen, order, strict=True)}
            return {item: all_[given.get(item, item)] for item in items}

        return change

    def first(count: int) -> Change:
        return lambda all_, _: {n: labels[:count] for n, labels in all_.items()}

    def add(count: int) -> Change:
        return lambda all_, rng: {
            n: [*labels, *(draw(rng) for _ in range(count))] for n, labels in all_.items()
        }

    kinds: tuple[tuple[str, Callable[..., Change], tuple[float, ...]], ...] = (
        ("drop", drop, (0.1, 0.25, 0.5, 0.75)),
        ("replace", replace, (0.1, 0.25, 0.4, 0.6, 0.8)),
        ("exchange", exchange, (0.1, 0.25, 0.5, 0.75, 1.0)),
        ("first", first, (1, 2, 3)),
        ("add", add, (1, 2, 3, 5)),
    )
    for name, kind, values in kinds:
        for value in values:
            yield f"{name}{value:g}", kind(value)


@dataclass(frozen=True)
class Scores:
    """WF per system (0..1), and per system the F of each item (NaN where gold has no cluster)."""

    wf: dict[str, float]
    item_f: dict[str, NDArray[np.float64]]


def level_bits(normalizer: Normalizer, labels: list[str], level: str) -> NDArray[np.uint64]:
    """Cluster of each label on the five wheels as a bit, shape (labels + 1, 5); the last row is 0.

    The extra row is the label of items without labels.
    """
    found: LabelMap = normalizer.map(labels)
    columns = [i for i, ring in enumerate(found.rings) if ring.level == level]
    codes = found.codes[:, columns]
    shifted = np.left_shift(np.uint64(1), np.maximum(codes, 0).astype(np.uint64))
    bits = np.where(codes == UNKNOWN, np.uint64(0), shifted)
    return np.concatenate([bits, np.zeros((1, WHEELS), bits.dtype)])


def score_systems(
    bits: NDArray[np.uint64], number: dict[str, int], gold: Labels, systems: dict[str, Labels]
) -> Scores:
    """Each system's WF: per wheel F of the mean P and mean R over items with gold, then the mean.

    An item without a predicted cluster has P = R = 0; P + R = 0 counts as F = 0.
    """
    gold_bits = _item_bits(bits, number, gold)
    gold_size = np.bitwise_count(gold_bits).astype(float)
    counted = gold_size > 0
    wf, item_f = {}, {}
    for name, labels in systems.items():
        pred_bits = _item_bits(bits, number, {item: labels[item] for item in gold})
        pred_size = np.bitwise_count(pred_bits).astype(float)
        shared = np.bitwise_count(gold_bits & pred_bits).astype(float)
        precision = np.divide(shared, pred_size, out=np.zeros_like(shared), where=pred_size > 0)
        recall = np.divide(shared, gold_size, out=np.zeros_like(shared), where=counted)
        means = [
            (precision[counted[:, w], w].mean(), recall[counted[:, w], w].mean())
            for w in range(WHEELS)
        ]
        wf[name] = float(np.mean([2 * p * r / (p + r) if p + r else 0.0 for p, r in means]))
        sizes = gold_size + pred_size
        f = np.divide(2 * shared, sizes, out=np.zeros_like(shared), where=sizes > 0)
        weights = counted.sum(axis=1)
        total = np.where(counted, f, 0).sum(axis=1)
        item_f[name] = np.where(weights > 0, total / np.maximum(weights, 1), np.nan)
    return Scores(wf, item_f)


def _item_bits(
    bits: NDArray[np.uint64], number: dict[str, int], labels: Labels
) -> NDArray[np.uint64]:
    """Clusters of each item, shape (items, 5)."""
    codes: list[int] = []
    starts: list[int] = []
    for words in labels.values():
        starts.append(len(codes))
        codes.append(len(bits) - 1)
        codes += [number[word] for word in words]
    return np.bitwise_or.reduceat(bits[codes], starts, axis=0)
