from __future__ import annotations

import json

import numpy as np
import pytest
from rank_records import answered, answers, board, record, task

from ovbench.board.items import answers_to
from ovbench.board.record import PredictionEntry
from ovbench.board.versus import Versus, pair_tests, versus
from ovbench.errors import InputError
from ovbench.normalize.canonical import canonical
from ovbench.normalize.normalizer import Normalizer
from ovbench.protocols import load_protocol
from ovbench.scoring import Options
from ovbench.scoring.compare import compare
from ovbench.scoring.evaluate import evaluate
from ovbench.scoring.prepare import prepare, read_gold, read_predictions


@pytest.fixture(scope="module")
def both() -> Versus:
    return versus(*board(answered(0.6, 1), answered(0.5, 2)).entries, shown=10, draws=500)


def test_the_difference_is_that_of_two_files(both: Versus) -> None:
    options = Options(draws=500, on_missing="wrong", floors=False)
    protocol = load_protocol(task().protocols[0])
    gold = read_gold(task().gold_source(), protocol, options)
    one, two = (
        evaluate(
            prepare(
                read_predictions(
                    {e.id: e.text for e in answers("tinyov", share, seed) if e.text is not None},
                    protocol,
                    options,
                ),
                gold,
                options,
            ),
            protocol,
            options,
        )
        for share, seed in ((0.6, 1), (0.5, 2))
    )
    (wanted,) = compare(one, [("two", two)], "f1", options)
    ours = both.headline
    assert (ours.difference, ours.low, ours.high, ours.p) == pytest.approx(
        (wanted.difference, wanted.low, wanted.high, wanted.p)
    )


def test_clusters_against_a_slow_reference(both: Versus) -> None:
    normalizer = Normalizer.open()
    place = [ring.key for ring in normalizer.rings].index("wheel3/level1")
    gold = {name: set(one.labels) for name, one in task().gold.items()}

    def clusters(labels: object) -> set[str]:
        found = {normalizer.trace(label).cluster(place) for label in labels}  # type: ignore[attr-defined]
        return {cluster for cluster in found if cluster is not None}

    predicted = {e.id: clusters(e.labels or ()) for e in answers("tinyov", 0.6, 1)}
    wanted = {name: clusters(labels) for name, labels in gold.items()}
    counted = [name for name in gold if wanted[name]]
    assert len(both.clusters["wheel3/level1"]) > 3
    for cluster, sides in both.clusters["wheel3/level1"].items():
        named = sum(cluster in predicted[name] for name in counted)
        support = sum(cluster in wanted[name] for name in counted)
        shared = sum(cluster in predicted[name] & wanted[name] for name in counted)
        assert sides.a.support == sides.b.support == support
        assert sides.a.precision == pytest.approx(shared / named if named else 0)
        assert sides.a.recall == pytest.approx(shared / support if support else 0)
        assert sides.a.f1 == pytest.approx(2 * shared / (named + support))


def test_rings_of_the_second_level_have_scores_but_no_clusters(both: Versus) -> None:
    assert all(ring.endswith("/level1") for ring in both.clusters)
    a, b = both.scores["f1"]
    assert (a, b) == (both.headline.score, both.headline.other_score)
    assert "f1@wheel1/level1" in both.scores


def test_items_are_those_that_differ_most(both: Versus) -> None:
    gaps = [abs((item.score_a or 0) - (item.score_b or 0)) for item in both.items]
    assert len(gaps) == 10
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] == 1.0
    first = both.items[0]
    assert set(first.gold) == set(task().gold[first.id].labels)
    assert set(first.traces) == {*first.gold, *first.a, *first.b}


def test_it_is_json(both: Versus) -> None:
    text = both.model_dump_json()
    assert Versus.model_validate_json(text) == both
    assert "NaN" not in text
    assert json.loads(text)["headline"]["draws"] == 500


def test_a_system_against_itself() -> None:
    one = board(answered(0.6, 1)).entries[0]
    same = versus(one, one, draws=50)
    assert (same.headline.difference, same.headline.p) == (0.0, 1.0)
    assert same.items == ()


def test_classes() -> None:
    protocol = "closed-set"
    pair = [answered(s, 3, name="tinyov-6class", protocol=protocol) for s in (0.8, 0.3)]
    found = versus(*board(*pair).entries, draws=50)
    classes = found.clusters["class"]
    gold = [canonical(str(one.category)) for one in task("tinyov-6class").gold.values()]
    for name, sides in classes.items():
        assert sides.a.support == sides.b.support == gold.count(name)
    right = sum(sides.a.recall * sides.a.support for sides in classes.values())
    assert right / len(gold) == pytest.approx(found.scores["accuracy"][0])
    assert found.items[0].score_a != found.items[0].score_b


def test_sentiment_has_no_clusters() -> None:
    pair = [answered(share, 3, name="tinyov-sentiment") for share in (0.8, 0.3)]
    found = versus(*board(*pair).entries, draws=50)
    assert set(found.clusters) <= {"class"}
    assert (found.headline.difference or 0) > 0


def test_what_cannot_be_compared() -> None:
    one = answered(0.6, 1)
    for other, told in (
        (record("x", 0.5), "do not answer the same items"),
        (one.model_copy(update={"predictions": ()}), "no predictions"),
        (
            one.model_copy(update={"predictions": (PredictionEntry(id="x", labels=("sad",)),)}),
            "no predictions",
        ),
    ):
        entries = board(one, other).entries
        with pytest.raises(InputError, match=told):
            versus(*entries)
        with pytest.raises(InputError, match=told):
            versus(*reversed(entries))


def test_all_pairs_at_once() -> None:
    records = [answered(share, i) for i, share in enumerate((0.3, 0.5, 0.52))]
    tests = pair_tests(answers_to(records), "f1")
    assert np.allclose(tests.difference, -tests.difference.T)
    assert np.allclose(tests.low, -tests.high.T)
    assert np.diag(tests.p).tolist() == [1.0, 1.0, 1.0]
    assert tests.p[0, 1] < 0.001 < tests.p[1, 2]
    drawn = versus(*board(*records[1:]).entries, draws=1000).headline
    assert tests.low[1, 2] == pytest.approx(drawn.low, abs=0.01)
    assert tests.high[1, 2] == pytest.approx(drawn.high, abs=0.01)
    with pytest.raises(InputError, match="no score"):
        pair_tests(answers_to(records), "evil")
