from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_records import answered, answers, board, record, task
from scipy import stats

from ovbench.board.items import answers_to
from ovbench.board.pairs import (
    deviates,
    differing,
    error_of_interval,
    leave_one_out,
    normal_as_student,
    slopes,
    student_as_normal,
    two_sided,
    variances,
)
from ovbench.board.ranking import (
    CLAIMED,
    NO_EVIDENCE,
    NOT_SCORED,
    ORACLE,
    OTHER_SCORE,
    TEST_BEST,
    Ranking,
    rank,
    score_answers,
)
from ovbench.board.record import PredictionEntry, Record, ScoreEntry
from ovbench.board.rescore import rescore
from ovbench.board.store import Entry
from ovbench.metrics import categorical
from ovbench.metrics.significance import holm, paired
from ovbench.metrics.statistics import Statistics
from ovbench.scoring import Options


def ranking(entries: Sequence[Entry], headline: str = "f1", *, higher: bool = True) -> Ranking:
    return rank(entries, headline, score_answers(entries), higher_is_better=higher)


def copied(name: str, value: float, half: float | None = None, **more: object) -> Record:
    """A published figure: what is ranked by its interval."""
    return record(name, value, half, kind="published", **more)  # type: ignore[arg-type]


def ranks(*records: Record, higher: bool = True) -> list[tuple[int, int] | None]:
    entries = board(*records).entries
    found = ranking(entries, higher=higher)
    return [found.ranks.get(entry.id) for entry in entries]


def whys(*records: Record) -> list[str | None]:
    entries = board(*records).entries
    found = ranking(entries)
    return [found.unranked.get(entry.id) for entry in entries]


def right_or_wrong(answers: list[str]) -> tuple[Statistics, np.ndarray]:
    """Accuracy of one class against any other answer: ``1`` right, ``0`` wrong."""
    flat = np.array([int(c) for row in answers for c in row])
    found = categorical.statistics(
        np.zeros(len(flat), dtype=int), flat - 1, np.ones(len(flat), dtype=int), ["a"]
    )
    return found, np.arange(len(flat)).reshape(len(answers), -1)


# --- tests between pairs ----------------------------------------------------------------------


def test_the_example_worked_by_hand() -> None:
    found, rows = right_or_wrong(["1110", "0010"])
    scores, parts = leave_one_out(found.values, rows, found.finish, "accuracy")
    assert scores.tolist() == [0.75, 0.25]
    assert variances(parts)[0, 1] == pytest.approx(1 / 12)
    assert differing(found.values, rows).tolist() == [[0, 2], [2, 0]]


def test_leave_one_out_is_what_it_says() -> None:
    given = answers_to([answered(0.3, seed) for seed in range(3)])
    values, rows = given.evaluation.statistics.values, given.rows()
    scores, parts = leave_one_out(values, rows, given.finish, "f1")
    for system in range(3):
        own = given.values(system)
        assert scores[system] == given.finish(own.sum(0).astype(float))["f1"]
        without = [
            float(given.finish(np.delete(own, item, axis=0).sum(0).astype(float))["f1"])
            for item in range(len(own))
        ]
        change = scores[system] - np.array(without)
        assert np.allclose(parts[system], change - change.mean(), atol=1e-12)


def test_the_variance_of_a_mean_is_the_textbook_one() -> None:
    draw = np.random.default_rng(0)
    text = ["".join(map(str, draw.integers(0, 2, 50))) for _ in range(2)]
    found, rows = right_or_wrong(text)
    _, parts = leave_one_out(found.values, rows, found.finish, "accuracy")
    x, y = (np.array([int(c) for c in row]) for row in text)
    assert variances(parts)[0, 1] == pytest.approx(np.var(x - y, ddof=1) / 50, rel=1e-5)


def test_equal_systems_have_no_variance_at_all() -> None:
    parts = np.random.default_rng(1).normal(size=(1, 333)).repeat(2, axis=0)
    assert variances(parts)[0, 1] == 0.0


@pytest.mark.parametrize("degrees", [5, 19, 331])
def test_student_as_normal(degrees: int) -> None:
    t = np.array([0.0, 0.5, 1.0, 2.0, 3.5, 5.0])
    p = two_sided(student_as_normal(t, degrees))
    assert p == pytest.approx(2 * stats.t.sf(t, degrees), rel=0.06)
    quantile = normal_as_student(1.959963984540054, degrees)
    assert quantile == pytest.approx(stats.t.ppf(0.975, degrees), rel=0.005)


def test_it_agrees_with_the_permutation_test() -> None:
    given = answers_to([answered(share, seed) for seed, share in enumerate((0.4, 0.46, 0.5))])
    values, rows = given.evaluation.statistics.values, given.rows()
    scores, parts = leave_one_out(values, rows, given.finish, "f1")
    variance = variances(parts)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        t = abs(scores[a] - scores[b]) / np.sqrt(variance[a, b])
        ours = two_sided(student_as_normal(np.array([t]), parts.shape[1] - 1))[0]
        drawn = paired(given.values(a), given.values(b), given.finish, draws=1500).of("f1")
        assert ours == pytest.approx(drawn.p, abs=0.03)
        assert np.sqrt(variance[a, b]) == pytest.approx(drawn.interval.standard_error, rel=0.05)


def test_equal_systems_are_told_apart_as_often_as_the_level_says() -> None:
    draw = np.random.default_rng(2)
    text = ["".join(map(str, row)) for row in (draw.random((600, 60)) < 0.6).astype(int)]
    found, rows = right_or_wrong(text)
    scores, parts = leave_one_out(found.values, rows, found.finish, "accuracy")
    variance = variances(parts)[np.arange(0, 600, 2), np.arange(1, 600, 2)]
    t = np.abs(scores[::2] - scores[1::2]) / np.sqrt(variance)
    share = float((two_sided(student_as_normal(t, 59)) <= 0.05).mean())
    assert 0.02 <= share <= 0.085  # .05 ± 2.5 standard errors of 300 trials


def test_a_class_of_three_items_does_not_decide() -> None:
    # On three items of a class A is right and B wrong, elsewhere they are alike: leaving one out
    # changes no recall, so the difference of 1/2 would be certain; three swaps give p = 1/4.
    gold = np.repeat([0, 1], [60, 3])
    alike = np.where(np.arange(60) % 3 == 0, 1, 0)
    predicted = np.concatenate([alike, [1, 1, 1], alike[::-1], [0, 0, 0]])
    found = categorical.statistics(
        np.tile(gold, 2), predicted, np.ones(2 * len(gold), dtype=np.int64), ("common", "rare")
    )
    rows = np.arange(len(predicted)).reshape(2, -1)
    _, parts = leave_one_out(found.values, rows, found.finish, "balanced_accuracy")
    by_exchange = slopes(found.values, rows, found.finish, "balanced_accuracy")
    # By hand: a right answer adds 1/(2 · 3) to the rare recall, so the three add up to 3/36.
    assert variances(by_exchange)[0, 1] > 0.9 * 3 / 36
    assert variances(parts)[0, 1] < 0.1 * 3 / 36


def test_equal_systems_share_places_where_a_class_is_rare() -> None:
    draw = np.random.default_rng(3)
    share = np.array([0.39, 0.23, 0.13, 0.12, 0.122, 0.008])
    tables, systems, items = 60, 8, 332
    wrong = 0
    first, second = np.triu_indices(systems, 1)
    for _ in range(tables):
        gold = draw.choice(6, items, p=share)
        right = draw.random((systems, items)) < 0.7
        answers = np.where(right, gold, draw.choice(6, (systems, items), p=share)).ravel()
        weight = np.ones(answers.size, dtype=np.int64)
        found = categorical.statistics(np.tile(gold, systems), answers, weight, tuple("abcdef"))
        rows = np.arange(answers.size).reshape(systems, items)
        scores, parts = leave_one_out(found.values, rows, found.finish, "balanced_accuracy")
        by_exchange = slopes(found.values, rows, found.finish, "balanced_accuracy")
        variance = np.maximum(variances(parts), variances(by_exchange))[first, second]
        t = deviates(scores[first] - scores[second], variance)
        wrong += min(holm(two_sided(student_as_normal(t, items - 1)).tolist())) <= 0.05
    assert wrong / tables <= 0.12  # .05 and 2.5 standard errors; without the slopes, about .3


def test_the_error_of_an_interval() -> None:
    assert error_of_interval(0.4, 0.6, 0.95) == pytest.approx(0.1 / stats.norm.ppf(0.975))


# --- ranks ------------------------------------------------------------------------------------


def test_only_the_first_and_the_last_are_told_apart() -> None:
    # Standard errors .04: z = 3.5 and p = .0004 for the outer two, z = 1.8 and p = .08 for others.
    half = 0.04 * 1.96
    records = copied("a", 0.9, half), copied("b", 0.8, half), copied("c", 0.7, half)
    assert ranks(*records) == [(1, 2), (1, 3), (2, 3)]
    assert ranks(*records, higher=False) == [(2, 3), (1, 3), (1, 2)]


def test_holm_counts_the_pairs() -> None:
    two = copied("a", 0.62, 0.0784), copied("b", 0.5, 0.0784)  # z = 2.12, p = .034
    assert ranks(*two) == [(1, 1), (2, 2)]
    assert ranks(*two, copied("c", 0.5, 0.0784))[:2] == [(1, 3), (1, 3)]


def test_rows_within_noise_share_every_place() -> None:
    assert ranks(*(copied(str(i), 0.5 + i / 1000, 0.1) for i in range(5))) == [(1, 5)] * 5


def test_one_row_is_first() -> None:
    assert ranks(copied("a", 0.5, 0.1)) == [(1, 1)]


def test_what_is_never_ranked() -> None:
    records = (
        copied("a", 0.99, 0.001, oracle=True),
        copied("b", 0.98, 0.001, selection="test-best"),
        copied("c", 0.5),
        copied("d", 0.5, 0.1),
        copied("e", 0.5, scores={"f1": ScoreEntry(value=0.5, low=0.5, high=0.5)}),
        copied("f", 0.5, scores={"f1": ScoreEntry(value=0.5, low=0.6, high=0.7)}),
    )
    none = NO_EVIDENCE
    assert whys(*records) == [ORACLE, TEST_BEST, none, None, none, none]
    assert ranks(*records)[3] == (1, 1)


def test_of_our_own_figures_only_those_are_ranked_that_are_scored_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = record("a", 0.99, 0.001)  # with one answer, of a task that nobody has
    monkeypatch.delenv("OVBENCH_DATA", raising=False)
    meld = record("b", 0.97, 0.01, task="meld", protocol="hit-open-1")  # whose gold is not here
    for one, note in (
        (claim, "is not one of this ovbench"),
        (meld, "files are not on the machine"),
    ):
        found = ranking(board(one).entries)
        assert (found.ranks, list(found.unranked.values())) == ({}, [NOT_SCORED])
        assert note in found.notes[0]
    assert whys(claim.model_copy(update={"predictions": ()})) == [CLAIMED]
    assert whys(record("c", 0.9, oracle=True), record("d", 0.9, selection="test-best")) == [
        ORACLE, TEST_BEST,
    ]  # fmt: skip


def test_paired_answers_tell_apart_what_intervals_do_not() -> None:
    gold = task().gold
    better = answers("tinyov", 0.5, 1)
    ids = {entry.id for entry in better[:30]}
    worse = tuple(
        PredictionEntry(id=e.id, labels=("zzz",), text="zzz") if e.id in ids else e for e in better
    )
    entries = board(answered(1, predictions=better), answered(0, predictions=worse)).entries
    found = ranking(entries)
    assert [found.ranks[entry.id] for entry in entries] == [(1, 1), (2, 2)]
    assert any("paired" in note for note in found.notes)
    by_intervals = [
        copied(entry.record.system.name, entry.record.scores["f1"].value, 0.045)
        for entry in entries
    ]
    assert ranks(*by_intervals) == [(1, 2), (1, 2)]
    assert len(gold) == 332


def test_a_difference_on_a_few_items_is_never_certain() -> None:
    # Accuracy 1 against 0 on 3 items: no variance, but 3 coins of 8 ways give p = 1/4 at least.
    given = answers("tinyov-6class", 1.0, 0)
    other = list(given)
    for place in range(3):
        other[place] = PredictionEntry(id=other[place].id, labels=("zzz",), text="zzz")
    pair = [
        answered(1, name="tinyov-6class", predictions=given),
        answered(0, name="tinyov-6class", predictions=tuple(other)),
    ]
    entries = board(*pair).entries
    found = ranking(entries, pair[0].headline)
    assert [found.ranks[entry.id] for entry in entries] == [(1, 2), (1, 2)]


def test_a_claim_that_its_predictions_do_not_give_is_not_tested_on_them() -> None:
    honest, liar = answered(0.5, 1), answered(0.4, 2)
    liar = liar.model_copy(update={"scores": {"f1": ScoreEntry(value=0.999)}})
    entries = board(honest, liar).entries
    found = ranking(entries)
    assert found.ranks == {entries[0].id: (1, 1)}
    assert found.unranked == {entries[1].id: OTHER_SCORE}
    with_interval = {"f1": ScoreEntry(value=0.999, low=0.998, high=1.0)}
    entries = board(honest, liar.model_copy(update={"scores": with_interval})).entries
    assert ranking(entries).unranked == {entries[1].id: OTHER_SCORE}
    assert any("1 record are not used" in note for note in found.notes)


def test_predictions_of_other_items_are_not_used() -> None:
    good, odd = answered(0.5, 1), answered(0.4, 2)
    wrong = (*odd.predictions[:-1], PredictionEntry(id="elsewhere", labels=("sad",), text="sad"))
    twice = (*odd.predictions, odd.predictions[0])
    for predictions in (wrong, twice):
        entries = board(good, odd.model_copy(update={"predictions": predictions})).entries
        found = ranking(entries)
        assert list(found.ranks) == [entries[0].id]
        assert found.unranked == {entries[1].id: NOT_SCORED}
        assert score_answers(entries).places == (0,)


def test_answers_to_other_gold_are_not_ranked() -> None:
    one = answered(0.5, 1)
    elsewhere = one.model_copy(
        update={
            "task": one.task.model_copy(update={"digest": "f" * 64}),
            "scores": {"f1": ScoreEntry(value=0.5, low=0.4, high=0.6)},
        }
    )
    entries = board(elsewhere).entries
    found = ranking(entries)
    assert found.unranked == {entries[0].id: NOT_SCORED}
    assert score_answers(entries).answers is None
    assert "not one of this ovbench" in found.notes[0]


def test_a_headline_that_the_protocol_does_not_have() -> None:
    one = answered(0.5, 1)
    odd = one.model_copy(
        update={"headline": "evil", "scores": {"evil": ScoreEntry(value=1.0, low=0.9, high=1.0)}}
    )
    entries = board(odd).entries
    assert ranking(entries, "evil").unranked == {entries[0].id: OTHER_SCORE}
    assert ranking(entries).unranked == {entries[0].id: "no score f1"}


@pytest.mark.parametrize(
    ("name", "protocol"),
    [(n, p) for n in ("tinyov", "tinyov-6class", "tinyov-sentiment") for p in task(n).protocols],
)
def test_systems_scored_at_once_score_as_each_alone(name: str, protocol: str) -> None:
    records = [answered(s, i, name=name, protocol=protocol) for i, s in enumerate((0.2, 0.6, 0.9))]
    given = answers_to(records)
    for system, one in enumerate(records):
        alone = rescore(task(name), protocol, one.predictions, Options(draws=0, floors=False))
        found = given.finish(given.values(system).sum(0).astype(float))
        for key, score in alone.scores.items():
            assert float(found[key]) == pytest.approx(score.value, abs=1e-12)


scores = st.lists(st.integers(0, 100), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None)
@given(scores, st.floats(0.005, 0.2), st.randoms())
def test_ranks_do_not_depend_on_order_and_hold_each_place(
    values: list[int], half: float, draw: object
) -> None:
    records = [copied(f"s{i}", v / 100, half) for i, v in enumerate(values)]
    entries = list(board(*records).entries)
    found = ranking(entries).ranks
    shuffled = [replace(entry) for entry in entries]
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ranking(shuffled).ranks == found
    best = max(entries, key=lambda entry: entry.record.scores["f1"].value)
    assert found[best.id][0] == 1
    for entry in entries:
        low, high = found[entry.id]
        value = entry.record.scores["f1"].value
        above = sum(other.record.scores["f1"].value > value for other in entries)
        below = sum(other.record.scores["f1"].value < value for other in entries)
        assert 1 <= low <= above + 1
        assert len(entries) - below <= high <= len(entries)
