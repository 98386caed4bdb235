"""Score one class per item: closed sets and sentiment."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.io.classes import class_names
from ovbench.io.labels import Status, parse_cells
from ovbench.io.records import Cell, Records
from ovbench.metrics import categorical, floors, sentiment
from ovbench.metrics.statistics import Statistics
from ovbench.normalize.canonical import canonical
from ovbench.protocols.schema import ClosedSetProtocol, SentimentProtocol
from ovbench.results import Confusion, Floor, PerClass
from ovbench.scoring.cluster_sets import labels_of
from ovbench.scoring.evaluation import Evaluation, distinct_pairs, item_status
from ovbench.scoring.floors import Floors
from ovbench.scoring.options import Options
from ovbench.scoring.prepare import Prepared, parsers
from ovbench.tasks.polarity import polarity_of_number

OTHER = categorical.OTHER
_SENTIMENTS = {"positive": 1, "negative": -1, "neutral": 0}


def evaluate_closed_set(
    prepared: Prepared, protocol: ClosedSetProtocol, options: Options
) -> Evaluation:
    """Score class names against class names.

    Raises
    ------
    InputError
        If a gold cell is not one class, or not one of the declared classes.
    """
    gold, classes = closed_set_gold(prepared.gold, protocol, options)
    code = {label: number for number, label in enumerate(classes)}
    name = _names(protocol)
    parser, _ = parsers(protocol.parser, options)
    pred_lists = parse_cells(prepared.predictions.cells, parser)
    answers, status = [], pred_lists.status.copy()
    for index in range(len(status)):
        labels = tuple({name(label) for label in labels_of(pred_lists, index)})
        answer = code.get(labels[0], OTHER) if len(labels) == 1 else OTHER
        if answer == OTHER and status[index] == Status.OK:
            status[index] = Status.OUT_OF_SET
        answers.append(answer)
    return _evaluation(
        prepared,
        gold,
        np.array(answers, dtype=np.int64),
        status,
        classes,
        {"parser": parser.id, "classes": ",".join(classes)},
        describe=lambda g, p: ((classes[gold[g]],), labels_of(pred_lists, p)),
    )


def closed_set_gold(
    gold: Records, protocol: ClosedSetProtocol, options: Options
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class of each distinct gold cell, and the classes: the declared ones, or those that occur.

    Raises
    ------
    InputError
        If a gold cell is not one class, or not one of the declared classes.
    """
    _, parser = parsers(protocol.parser, options)
    name = _names(protocol)
    lists = parse_cells(gold.cells, parser)
    names: list[str] = []
    for index, cell in enumerate(gold.cells):
        labels = labels_of(lists, index)
        if len(labels) != 1:
            raise InputError(
                f"the gold cell {cell!r:.60} is {len(labels)} labels",
                where=gold.source,
                expected="one class per item",
                mend="score several labels per item with ew-open-1 or hit-open-1",
            )
        names.append(name(labels[0]))
    classes = tuple(sorted(set(names)))
    if options.classes is not None:
        classes = tuple(dict.fromkeys(name(n.lower()) for n in class_names(options.classes)))
    code = {label: number for number, label in enumerate(classes)}
    for label in names:
        if label not in code:
            raise InputError(
                f"gold class {label!r} is not among the declared classes",
                where=gold.source,
                expected=", ".join(classes),
            )
    return np.array([code[label] for label in names], dtype=np.int64), classes


def _names(protocol: ClosedSetProtocol) -> Callable[[str], str]:
    """What a label counts as: its canonical name, after the protocol's merges."""
    if protocol.names == "exact":
        return str
    for word in (word for pair in protocol.merges.items() for word in pair):
        if canonical(word) != word:
            raise InputError(
                f"merges: {word!r} is not a canonical name, so it would never be met",
                where=f"protocol {protocol.id}",
                expected=repr(canonical(word)),
            )

    def merged(label: str) -> str:
        name = canonical(label)
        return protocol.merges.get(name, name)

    return merged


def evaluate_sentiment(prepared: Prepared, protocol: SentimentProtocol) -> Evaluation:
    """Score sentiment words against gold values (numbers, or sentiment words)."""
    gold = sentiment_gold(prepared.gold, protocol)
    exact = protocol.answers == "exact"
    read = [sentiment_answer(cell, exact) for cell in prepared.predictions.cells]
    status = np.array([found[1] for found in read], dtype=np.uint8)
    words = np.array([found[0] for found in read], dtype=np.int64)
    # A missing answer counts as any other answer that names no sentiment.
    nothing = int(sentiment.answer_codes(np.array([sentiment.OTHER]), protocol.rule)[0])
    kept = prepared.keep(gold[prepared.gold_cell] != OTHER)
    if not kept.ids:
        raise InputError(
            "every gold value is zero",
            where=prepared.gold.source,
            expected="values above and below 0",
            mend="use --protocol sentiment-has0, which scores zeros",
        )
    return _evaluation(
        kept,
        gold,
        sentiment.answer_codes(words, protocol.rule),
        status,
        sentiment.classes(protocol.rule),
        {},
        describe=lambda g, p: (
            (str(prepared.gold.cells[g]),),
            () if p < 0 else (str(prepared.predictions.cells[p]),),
        ),
        missing=nothing,
        notes=sentiment_notes(words[kept.pred_cell[kept.pred_cell >= 0]], protocol),
    )


def sentiment_gold(gold: Records, protocol: SentimentProtocol) -> NDArray[np.int64]:
    """Class of each distinct gold cell, -1 where the rule does not score it."""
    values = np.array([_gold_value(cell, gold.source) for cell in gold.cells])
    return sentiment.gold_codes(values, protocol.rule)


def sentiment_notes(answers: NDArray[np.int64], protocol: SentimentProtocol) -> tuple[str, ...]:
    """What became of the answers that are neither positive nor negative."""
    neutral, other = (int((answers == code).sum()) for code in (sentiment.NEUTRAL, sentiment.OTHER))
    fate = {
        "affectgpt": ("count as negative", "count as negative"),
        "non0": ("are wrong", "are wrong"),
        "has0": ("count as non-negative", "are wrong"),
    }[protocol.rule]
    told = ((neutral, "neutral answers", fate[0]), (other, "other answers", fate[1]))
    return tuple(f"{n} {what} {become}" for n, what, become in told if n)


def _gold_value(cell: Cell, source: str) -> float:
    if isinstance(cell, str):
        word = _folded(cell)
        if word in _SENTIMENTS:
            return float(_SENTIMENTS[word])
        with suppress(ValueError):
            cell = float(cell)
    if isinstance(cell, int | float) and not isinstance(cell, bool) and math.isfinite(cell):
        return float(cell)
    raise InputError(
        f"the gold sentiment is {cell!r:.60}",
        where=source,
        expected="a number, or positive, negative or neutral",
    )


def sentiment_answer(cell: Cell, exact: bool) -> tuple[int, Status]:
    """Sentiment code of an answer, and its status; but for ``exact``, a number says its sign."""
    if isinstance(cell, int | float) and not exact:
        return _SENTIMENTS[polarity_of_number(cell)], Status.OK
    text = cell[0] if isinstance(cell, tuple) and len(cell) == 1 else cell
    if text is None or text == () or (isinstance(text, str) and not text.strip()):
        return sentiment.OTHER, Status.EMPTY
    word = str(text) if exact else _folded(str(text))
    if word in _SENTIMENTS:
        return _SENTIMENTS[word], Status.OK
    return sentiment.OTHER, Status.OUT_OF_SET


def _folded(text: str) -> str:
    return re.sub(r"[^\w]+", " ", text.lower()).strip()


def _evaluation(
    items: Prepared,
    gold: NDArray[np.int64],
    answers: NDArray[np.int64],
    status: NDArray[np.uint8],
    classes: Sequence[str],
    choices: dict[str, object],
    *,
    describe: Callable[[int, int], tuple[tuple[str, ...], tuple[str, ...]]],
    missing: int = OTHER,
    notes: tuple[str, ...] = (),
) -> Evaluation:
    """The evaluation of class codes per gold cell and per predicted cell."""
    g, p, weight, row_of_item = distinct_pairs(items.gold_cell, items.pred_cell)
    pred_codes = np.append(answers, missing)[p]
    found = class_evaluation(items.ids, gold[g], pred_codes, weight, row_of_item, classes)
    return replace(
        found,
        status=item_status(items.pred_cell, status),
        choices=choices,
        describe=lambda item: describe(int(g[row_of_item[item]]), int(p[row_of_item[item]])),
        columns=items.columns,
        notes=notes,
    )


def class_evaluation(
    ids: Sequence[str],
    gold: NDArray[np.int64],
    answers: NDArray[np.int64],
    weight: NDArray[np.int64],
    row_of_item: NDArray[np.int64],
    classes: Sequence[str],
) -> Evaluation:
    """The evaluation of class codes, one row per distinct pair (-1: an answer of no class)."""
    statistics = categorical.statistics(gold, answers, weight, classes)
    right = (gold == answers).astype(np.float64)
    matrix = categorical.confusion(gold, answers, weight, len(classes))
    names = [*classes, "other"]
    return Evaluation(
        ids=ids,
        scores=statistics.scores(),
        make_statistics=lambda: statistics,
        row_of_item=row_of_item,
        status=np.zeros(len(ids), dtype=np.uint8),
        enters=(gold >= 0)[row_of_item],
        classes=tuple(classes),
        item_scores=lambda: right[row_of_item],
        by_class=lambda scores: _per_class(scores, classes),
        confusion=Confusion(
            rows=tuple(classes), columns=tuple(names), counts=tuple(map(tuple, matrix.tolist()))
        ),
        floors=lambda: class_floors(statistics, classes, "the system's own answers"),
        sample=lambda: {
            "gold": [classes[code] for code in gold[row_of_item]],
            "pred": [None if code < 0 else classes[code] for code in answers[row_of_item]],
        },
    )


def _per_class(scores: dict[str, float], classes: Sequence[str]) -> dict[str, PerClass]:
    return {
        name: PerClass(
            precision=scores[f"precision@{name}"],
            recall=scores[f"recall@{name}"],
            f1=scores[f"f1@{name}"],
            support=int(scores[f"support@{name}"]),
        )
        for name in classes
    }


def class_floors(statistics: Statistics, classes: Sequence[str], dealt: str) -> Floors:
    """The most frequent class for every item, neutral where it is one, and ``dealt`` shuffled."""
    totals = statistics.totals()
    support = totals.reshape(3, -1)[1]
    majority = int(np.argmax(support))

    def scored(sums: NDArray[np.float64]) -> dict[str, float]:
        return {name: float(value) for name, value in statistics.finish(sums).items()}

    found: Floors = {
        "majority": (
            Floor(
                description="the most frequent class of this gold, for every item",
                labels=(classes[majority],),
            ),
            scored(floors.constant_class(totals, majority)),
        )
    }
    if "neutral" in classes:
        sums = floors.constant_class(totals, list(classes).index("neutral"))
        note = Floor(description="neutral for every item", labels=("neutral",))
        found["neutral"] = note, scored(sums)
    note = Floor(description=f"{dealt}, dealt to the items at random: the expected score")
    found["label_shuffled"] = note, scored(floors.shuffled_classes(totals))
    return found
