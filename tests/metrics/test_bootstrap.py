"""Bootstrap draws and intervals: the right distribution, and the same bits everywhere."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats as scipy_stats
from slow_reference import ones

from ovbench.errors import InputError, UnknownNameError
from ovbench.metrics import emotion_wheel, resampling
from ovbench.metrics.bits import SetCounts
from ovbench.metrics.intervals import Interval, bootstrap, percentile_intervals
from ovbench.metrics.statistics import SCALE, Statistics

RINGS = ["a/level1", "b/level1"]


def mean_finish(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Columns: 1, value."""
    return {"mean": sums[..., 1] / sums[..., 0]}


def of_values(values: np.ndarray) -> Statistics:
    table = np.stack([np.ones_like(values), values], axis=1).astype(np.int64)
    return Statistics(table, ones(len(values)), mean_finish)


def random_wheel(n: int, seed: int, sizes: int = 4) -> Statistics:
    rng = np.random.default_rng(seed)
    gold, pred = rng.integers(0, sizes, (2, n, 2))
    both = np.minimum(rng.integers(0, sizes, (n, 2)), np.minimum(gold, pred))
    return emotion_wheel.statistics(SetCounts(both, gold, pred), ones(n), RINGS, zero="nan")


def drawn(weight: list[int], draws: int, seed: int = 0) -> np.ndarray:
    """Bootstrap weights themselves: the re-sums of an identity matrix."""
    count = np.array(weight, dtype=np.int64)
    identity = np.eye(len(count), dtype=np.int64)
    draw = resampling.bootstrap_draw(count)
    return resampling.resum(identity, count, draw, draws=draws, seed=seed)


# -- the draws


def test_few_items_come_with_the_chances_of_the_docstring() -> None:
    weights = drawn([2, 1], 27_000)
    assert (weights.sum(axis=1) == 3).all()
    found = np.bincount(weights[:, 0].astype(int), minlength=4)
    expected = np.array([1, 6, 12, 8]) / 27 * len(weights)
    assert scipy_stats.chisquare(found, expected).pvalue > 1e-3


def test_the_poisson_table_holds_the_poisson_distribution() -> None:
    for rate in (0.1, 0.875, 0.999):
        table, escaped = resampling._poisson_table(rate)
        residual = np.diff(np.concatenate([[0.0], escaped, [1.0]]))
        share = np.mean(table == resampling._ESCAPE)
        assert 0 < share < 1e-3
        mass = np.array([np.mean(table == k) for k in range(len(residual))]) + share * residual
        exact = scipy_stats.poisson.pmf(np.arange(len(residual)), rate)
        assert mass == pytest.approx(exact, abs=1e-15)


def test_poisson_counts_are_multinomial_together(monkeypatch: pytest.MonkeyPatch) -> None:
    # How many of n items are drawn at all depends on all counts jointly; its law is known exactly.
    # The narrow margin makes one draw in four exceed n items, so that drawing again is tried too.
    monkeypatch.setattr(resampling, "_AT_ONCE_BELOW", 0)
    monkeypatch.setattr(resampling, "_MARGIN", 0.5)
    n, draws = 20, 20_000
    weights = drawn([1] * n, draws)
    assert (weights.sum(axis=1) == n).all()
    stirling = [[1.0]]
    for i in range(1, n + 1):
        last = [*stirling[-1], 0.0]
        stirling.append([0.0] + [k * last[k] + last[k - 1] for k in range(1, i + 1)])
    law = np.array([stirling[n][k] * math.perm(n, k) / n**n for k in range(n + 1)])
    found = np.bincount(np.count_nonzero(weights, axis=1), minlength=n + 1)
    common = law * draws > 10
    pooled = lambda x: np.append(x[common], x[~common].sum())  # noqa: E731
    assert scipy_stats.chisquare(pooled(found), pooled(law) * draws).pvalue > 1e-3


def test_counts_that_add_up_already_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 1024
    table, _ = resampling._poisson_table(1 - resampling._MARGIN / math.sqrt(n))
    ones_alone = np.full(n, np.flatnonzero(table == 1)[0], dtype=np.uint16).view(np.uint64)
    words = iter([ones_alone])
    monkeypatch.setattr(resampling, "_random_words", lambda rng, size: next(words))
    out = np.empty(n)
    resampling._poisson_counts(n)(np.random.default_rng(0), out)
    assert (out == 1).all()


def test_many_items_one_by_one() -> None:
    n, draws = 2000, 200
    weights = drawn([1] * n, draws)
    assert (weights.sum(axis=1) == n).all()
    counts = np.bincount(weights.astype(int).ravel(), minlength=12)
    law = scipy_stats.binom.pmf(np.arange(6), n, 1 / n)
    found = np.append(counts[:6], counts[6:].sum())
    expected = np.append(law, 1 - law.sum()) * n * draws
    assert scipy_stats.chisquare(found, expected).pvalue > 1e-3


@pytest.mark.parametrize(
    "weight",
    [[5, 1, 1, 3, 2], [600, 1, 2, 400, 97, *[1] * 100], [3000, 1000, 1]],
    ids=["plain", "poisson, grouped", "multinomial"],
)
def test_rows_are_drawn_in_proportion_to_their_items(weight: list[int]) -> None:
    n, draws = sum(weight), 4000
    weights = drawn(weight, draws, seed=1)
    assert (weights.sum(axis=1) == n).all()
    share = np.array(weight) / n
    error = np.sqrt(n * share * (1 - share) / draws)
    assert (np.abs(weights.mean(axis=0) - weight) < 4.5 * error).all()
    assert weights.var(axis=0) == pytest.approx(n * share * (1 - share), rel=0.25)


# -- the same bits


def replicates(stats: Statistics, **options: int) -> np.ndarray:
    return np.stack(list(bootstrap(stats, **{"draws": 300, **options}).replicates.values()))


@pytest.mark.parametrize("sizes", [2, 4, 60], ids=["few rows", "some rows", "all different"])
def test_neither_threads_nor_batches_nor_order_change_a_bit(
    sizes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stats = random_wheel(1500, seed=sizes, sizes=sizes)
    first = replicates(stats, threads=1)
    assert np.array_equal(first, replicates(stats, threads=5), equal_nan=True)
    order = np.random.default_rng(1).permutation(1500)
    shuffled = Statistics(stats.values[order], stats.weight[order], stats.finish)
    assert np.array_equal(first, replicates(shuffled), equal_nan=True)
    assert np.array_equal(first, replicates(stats.distinct()), equal_nan=True)
    monkeypatch.setattr(resampling, "_HELD", 7)
    monkeypatch.setattr(resampling, "_SMALL", 1000)
    assert np.array_equal(first, replicates(stats), equal_nan=True)


WEIGHTS = {
    "a draw per item": [1] * 300,
    "most items before tables are used": [1] * 1023,
    "Poisson tables": [1] * 1024,
    "grouped items": [5, 1, 1, 3, 2],
    "grouped, from tables": [600, 1, 2, 400, 97, *[1] * 100],
    "most items of two rows drawn one by one": [33, 31],
    "a draw per row": [3000, 1000, 1],
}
DIGESTS = {
    "bootstrap": [
        "5ca26480ed7c",
        "9e0aae74e1f8",
        "3bab62f62f0f",
        "8acb09092676",
        "473994d05b88",
        "f5639709f15e",
        "6a13013ded9c",
    ],
    "swap": [
        "6e469f3f9861",
        "c05a60bdd6cf",
        "b294e2a0a142",
        "e162a56fa7ce",
        "20d1e86acc57",
        "c42715e31414",
        "135028bee067",
    ],
}
"""What seed 0 draws: intervals and p of a published result can be made again to the last bit. Only
a change of NumPy's random streams may change these (then results from before cannot be repeated,
which belongs in the changelog)."""


@pytest.mark.parametrize("kind", DIGESTS)
def test_the_draws_of_a_seed_stay_what_they_were(kind: str) -> None:
    found = []
    for weights in WEIGHTS.values():
        count = np.array(weights, dtype=np.int64)
        make = resampling.bootstrap_draw if kind == "bootstrap" else resampling.swap_draw
        identity = np.eye(len(count), dtype=np.int64)
        sums = resampling.resum(identity, count, make(count), draws=70, seed=0)
        found.append(hashlib.sha256(sums.astype("<i4").tobytes()).hexdigest()[:12])
    assert found == DIGESTS[kind]


def test_fewer_draws_are_the_first_of_more() -> None:
    stats = random_wheel(100, seed=1)
    assert np.array_equal(replicates(stats, draws=70), replicates(stats, draws=300)[:, :70])


def test_no_block_repeats_another() -> None:
    draws = replicates(random_wheel(200, seed=1), draws=4 * resampling.BLOCK)[0]
    assert len(np.unique(draws)) > 3 * resampling.BLOCK


def test_streams_of_one_seed_differ() -> None:
    values, weight = np.eye(50, dtype=np.int64), ones(50)
    draw = resampling.bootstrap_draw(weight)
    first, second = (
        resampling.resum(values, weight, draw, draws=9, seed=0, stream=s) for s in (0, 1)
    )
    assert not np.array_equal(first, second)


def test_another_seed_gives_other_draws() -> None:
    stats = random_wheel(100, seed=1)
    assert not np.array_equal(replicates(stats, seed=1), replicates(stats, seed=2))


def test_sums_are_exact() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, resampling.EXACT // 4000, (1500, 2))
    seen: list[np.ndarray] = []
    fill = resampling.bootstrap_draw(ones(1500))

    def draw(generator: np.random.Generator, out: np.ndarray) -> None:
        fill(generator, out)
        seen.extend(out.copy())

    sums = resampling.resum(values, ones(1500), draw, draws=20, seed=0, threads=1)
    expected = [[int(w.astype(int).astype(object) @ c.astype(object)) for c in values.T]
                for w in seen]  # fmt: skip
    assert sums.astype(int).tolist() == expected


def test_too_many_items_to_add_exactly_are_refused() -> None:
    huge = Statistics(np.array([[2**40, 1]]), np.array([2**23]), mean_finish)
    with pytest.raises(InputError, match="too many"):
        bootstrap(huge, draws=10)


@pytest.mark.parametrize("largest", [2**20, 2**36, 2**51])
def test_sums_beyond_float64_are_exact_integers_rounded_once(
    largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against Python's integers: values split into a high and a low part, of either sign."""
    monkeypatch.setattr(resampling, "_SMALL", 1000)  # in pieces of 111 rows
    rng = np.random.default_rng(1)
    values = rng.integers(-largest, largest, (700, 3), endpoint=True)
    weight = rng.integers(1, 2**62 // largest // 701, 700) if largest < 2**50 else ones(700)
    seen: list[np.ndarray] = []

    def draw(generator: np.random.Generator, out: np.ndarray) -> None:
        np.copyto(out, generator.multinomial(int(weight.sum()), weight / weight.sum()))
        seen.extend(out.copy())

    sums = resampling.resum(values, weight, draw, draws=3, seed=0, threads=1)
    exact = [[int(w.astype(int).astype(object) @ c.astype(object)) for c in values.T]
             for w in seen]  # fmt: skip
    assert max(abs(one) for row in exact for one in row) > resampling.EXACT
    assert sums.tolist() == [[float(one) for one in row] for row in exact]


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (2**19, 2**43),
        (2**19 - 513, 2**43 + 1),  # the high part one below the most that is exact
        (4, 2**51 + 1),  # one low bit
        (2**53 - 1, 1000),
    ],
)
def test_the_largest_sums_that_are_exact(value: int, items: int) -> None:
    values, weight = np.array([[value, -value]]), np.array([items])
    sums = resampling.resum(values, weight, everything(items), draws=2, seed=0)
    assert sums.tolist() == 2 * [[float(value * items), -float(value * items)]]


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (2**20 - 2, 2**43 + 1),  # the high parts alone pass 2**53
        (2**19 - 1, 2**43 + 1),  # and by little
        (2**53 + 1, 1),  # the value itself is not exact
        (2**43, 2**20),  # 2**63 does not fit into 64 bits
        (2, 2**53),  # not one item more can be told
    ],
)
def test_sums_that_are_not_exact_are_refused(value: int, items: int) -> None:
    with pytest.raises(InputError, match="too many for exact random re-sums"):
        resampling.resum(np.array([[value]]), np.array([items]), everything(items), draws=1, seed=0)


def everything(items: int) -> resampling.Draw:
    """Draws that take each of the items once."""
    return lambda _, out: np.copyto(out, items)


class Packed:
    """Rows that are unpacked a block at a time, and never lie in one array."""

    shape = (700, 2)

    def largest(self) -> int:
        return 700

    def block(self, start: int, stop: int) -> np.ndarray:
        rows = np.arange(start, min(stop, 700))
        return np.stack([rows, rows % 3]).astype(np.float64)


@pytest.mark.parametrize(("buffer", "most"), [(2**23, 2**26), (1500, 1500), (1, 1)])
def test_packed_rows_and_little_memory_change_no_bit(
    buffer: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = resampling.bootstrap_draw(ones(700))
    whole = np.stack([np.arange(700), np.arange(700) % 3], axis=1)
    expected = resampling.resum(whole, ones(700), draw, draws=100, seed=3)
    monkeypatch.setattr(resampling, "_SMALL", 500)
    monkeypatch.setattr(resampling, "_BUFFER", buffer)
    monkeypatch.setattr(resampling, "_MOST_WEIGHTS", most)
    found = resampling.resum(Packed(), ones(700), draw, draws=100, seed=3)
    assert np.array_equal(found, expected)


def test_splitting_changes_no_bit_where_it_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    stats = random_wheel(300, seed=4)
    whole = bootstrap(stats, draws=100).replicates
    monkeypatch.setattr(resampling, "EXACT", 2**32)
    assert resampling._low_bits(SCALE, 300) > 0
    split = bootstrap(stats, draws=100).replicates
    assert all(np.array_equal(whole[name], split[name], equal_nan=True) for name in whole)


# -- the intervals


def naive(stats: Statistics, draws: int, seed: int) -> dict[str, np.ndarray]:
    """The textbook bootstrap: n indices per draw."""
    rng, n = np.random.default_rng(seed), len(stats.values)
    sums = [stats.values[rng.integers(n, size=n)].sum(axis=0) for _ in range(draws)]
    return stats.finish(np.array(sums, dtype=np.float64))


@pytest.mark.parametrize(("n", "sizes"), [(40, 3), (400, 4), (1500, 30)])
def test_intervals_agree_with_the_textbook_bootstrap(n: int, sizes: int) -> None:
    stats = random_wheel(n, seed=7, sizes=sizes)
    ours, theirs = bootstrap(stats, draws=4000), naive(stats, 2000, seed=3)
    for name in ("f1", "precision", "recall@b/level1"):
        interval = ours.interval(name)
        low, high = np.quantile(theirs[name], [0.025, 0.975])
        width = high - low
        assert interval.low == pytest.approx(low, abs=0.08 * width)
        assert interval.high == pytest.approx(high, abs=0.08 * width)
        assert interval.standard_error == pytest.approx(theirs[name].std(), rel=0.08)
        assert interval.low < stats.scores()[name] < interval.high
        assert interval.undefined == 0


def test_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(0).integers(0, 1000, 900)
    interval = bootstrap(of_values(values), draws=10_000).interval("mean")
    assert interval.standard_error == pytest.approx(values.std() / 30, rel=0.03)
    half = 1.96 * values.std() / 30
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_intervals_cover_the_truth() -> None:
    rng, truth, covered = np.random.default_rng(11), 0.6, 0
    for run in range(200):
        sample = (rng.random(80) < truth).astype(np.int64)
        interval = bootstrap(of_values(sample), draws=400, seed=run, threads=1).interval("mean")
        covered += interval.low <= truth <= interval.high
    assert 0.89 <= covered / 200 <= 0.99


def test_the_example_of_the_intervals_docstring() -> None:
    made = bootstrap(of_values(np.array([0, 1])))
    interval = made.interval("mean")
    assert (interval.low, interval.high, interval.draws) == (0.0, 1.0, 10_000)
    shares = np.bincount((made.replicates["mean"] * 2).astype(int)) / 10_000
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def test_confidence() -> None:
    stats = of_values(np.arange(200))
    widths = [
        (lambda i: i.high - i.low)(bootstrap(stats, draws=2000, confidence=c).interval("mean"))
        for c in (0.5, 0.8, 0.95, 0.99)
    ]
    assert widths == sorted(widths)
    assert widths[0] / widths[2] == pytest.approx(0.6745 / 1.96, rel=0.1)


def test_options_are_told_with_the_result() -> None:
    stats = of_values(np.arange(20))
    made = bootstrap(stats)
    again = bootstrap(stats, draws=10_000, seed=0, confidence=0.95)
    assert np.array_equal(made.replicates["mean"], again.replicates["mean"])
    assert (made.seed, made.confidence, made.method, made.units) == (0, 0.95, "percentile", 20)
    interval = bootstrap(stats, draws=50, seed=7, confidence=0.5).interval("mean")
    assert (interval.confidence, interval.draws, interval.method) == (0.5, 50, "percentile")


def interval_of(draws: np.ndarray) -> Interval:
    return percentile_intervals({"score": draws}, 0.5, "m")["score"]


def test_quantiles_and_error_of_the_draws_themselves() -> None:
    draws = np.array([3.0, 1.0, np.nan, 2.0, 4.0, np.nan, 5.0, np.nan])
    found = interval_of(draws)
    assert (found.low, found.high) == (2, 4)  # the quartiles of 1 to 5
    assert found.standard_error == pytest.approx(math.sqrt(2.5))  # n - 1 below the fraction line
    assert (found.undefined, found.draws, found.method) == (3 / 8, 8, "m")
    one = interval_of(np.array([np.nan, 7.0]))
    assert (one.low, one.high, one.undefined) == (7, 7, 1 / 2)
    assert math.isnan(one.standard_error)
    two = interval_of(np.array([1.0, 2.0]))
    assert (two.low, two.high) == (1.25, 1.75)
    assert two.standard_error == pytest.approx(math.sqrt(1 / 2))


def test_scores_together_have_the_quantiles_of_each_alone() -> None:
    draws = np.random.default_rng(3).random((6, 501))
    draws[1, ::7] = draws[2, 5] = draws[3] = np.nan
    together = percentile_intervals(dict(enumerate(draws)), 0.5, "m")
    for number, row in enumerate(draws):
        bounds = np.nanquantile(row, [0.25, 0.75]) if number != 3 else [math.nan, math.nan]
        found = together[number]
        assert np.array_equal([found.low, found.high], bounds, equal_nan=True)
    undefined = [together[number].undefined for number in range(4)]
    assert undefined == pytest.approx([0, 72 / 501, 1 / 501, 1], abs=1e-15)


@given(
    arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6, allow_nan=False)),
    st.floats(1e-6, 1, exclude_max=True),
)
def test_quantiles_are_those_of_numpy_to_the_last_bit(draws: np.ndarray, confidence: float) -> None:
    given_in = draws.copy()
    found = percentile_intervals({"score": draws}, confidence, "m")["score"]
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    assert (found.low, found.high) == (low, high)
    assert np.array_equal(draws, given_in)
    assert np.array_equal(found.defined, given_in)


def test_a_quantile_halfway_is_taken_from_above_as_numpy_does() -> None:
    draws = np.array([0.1, 0.5])
    found = interval_of(draws[[0, 0, 1]])  # the upper quartile: halfway from .1 to .5
    assert found.high == np.quantile([0.1, 0.1, 0.5], 0.75) == 0.5 - 0.4 * 0.5
    assert found.high != 0.1 + 0.4 * 0.5


def test_clusters_are_drawn_whole() -> None:
    values = np.random.default_rng(2).integers(0, 50, 300)
    one = of_values(values)
    copies = of_values(np.repeat(values, 4))  # four clips say the same as one
    dialogue = np.repeat(np.arange(300), 4)
    clustered = bootstrap(copies, draws=3000, clusters=dialogue)
    assert clustered.units == 300
    assert clustered.interval("mean").method == "percentile over clusters"
    alone = bootstrap(one, draws=3000).interval("mean").standard_error
    assert clustered.interval("mean").standard_error == pytest.approx(alone, rel=0.06)
    as_if_independent = bootstrap(copies, draws=3000).interval("mean").standard_error
    assert as_if_independent == pytest.approx(alone / 2, rel=0.06)


def test_cluster_names_may_be_anything_and_in_any_order() -> None:
    stats = random_wheel(60, seed=5)
    number = np.arange(60) % 7
    order = np.random.default_rng(0).permutation(60)
    by_number = bootstrap(stats, draws=100, clusters=number)
    shuffled = Statistics(stats.values[order], stats.weight[order], stats.finish)
    names = np.array([f"speaker {6 - k}" for k in number[order]])
    by_name = bootstrap(shuffled, draws=100, clusters=names)
    for name, values in by_number.replicates.items():
        assert np.array_equal(values, by_name.replicates[name], equal_nan=True)


def test_undefined_draws_are_left_out_and_counted() -> None:
    # one item in three has a gold set; a draw without it has no score
    counts = SetCounts(*(np.array(c)[:, None] for c in ([1, 0, 0], [1, 0, 0], [2, 1, 1])))
    stats = emotion_wheel.statistics(counts, ones(3), ["r"], zero="nan")
    interval = bootstrap(stats, draws=10_000).interval("precision")
    assert interval.undefined == pytest.approx((2 / 3) ** 3, abs=0.02)
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_nothing_to_draw_from() -> None:
    nothing = emotion_wheel.statistics(
        SetCounts(*(np.zeros((0, 1), dtype=np.int64),) * 3), ones(0), ["r"], zero="nan"
    )
    made = bootstrap(nothing, draws=100)
    interval = made.interval("f1")
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert math.isnan(interval.standard_error)
    assert (interval.undefined, made.units) == (1.0, 0)


def test_options_that_make_no_sense() -> None:
    stats = of_values(np.arange(5))
    for options in ({"draws": 0}, {"confidence": 1.0}, {"confidence": 0.0}, {"seed": -1}):
        with pytest.raises(InputError, match="expected"):
            bootstrap(stats, **options)
    with pytest.raises(UnknownNameError, match="mean"):
        bootstrap(stats, draws=5).interval("maen")
    single = bootstrap(stats, draws=1).interval("mean")
    assert single.low == single.high
    assert math.isnan(single.standard_error)
