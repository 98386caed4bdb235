from __future__ import annotations

import numpy as np
import pytest
from rank_records import answered, answers, task

from ovbench.board.items import answers_to
from ovbench.board.versus import pair_tests
from ovbench.errors import InputError
from ovbench.protocols import load_protocol
from ovbench.scoring import Options
from ovbench.scoring.compare import compare
from ovbench.scoring.evaluate import evaluate
from ovbench.scoring.evaluation import Evaluation
from ovbench.scoring.prepare import prepare, read_gold, read_predictions


def as_a_file(share: float, seed: int, options: Options) -> Evaluation:
    """The same answers, scored as those of one system alone."""
    protocol = load_protocol(task().protocols[0])
    gold = read_gold(task().gold_source(), protocol, options)
    source = {e.id: e.text for e in answers("tinyov", share, seed) if e.text is not None}
    read = read_predictions(source, protocol, options)
    return evaluate(prepare(read, gold, options), protocol, options)


def test_all_pairs_at_once_against_bootstrap_and_permutations_of_two_files() -> None:
    records = [answered(share, i) for i, share in enumerate((0.3, 0.5, 0.52))]
    tests = pair_tests(answers_to(records), "f1")
    assert np.allclose(tests.difference, -tests.difference.T)
    assert np.allclose(tests.low, -tests.high.T)
    assert np.diag(tests.p).tolist() == [1.0, 1.0, 1.0]
    assert tests.p[0, 1] < 0.001 < tests.p[1, 2]
    options = Options(draws=1000, on_missing="wrong", floors=False)
    one, two = as_a_file(0.5, 1, options), as_a_file(0.52, 2, options)
    (drawn,) = compare(one, [("two", two)], "f1", options)
    assert tests.difference[1, 2] == pytest.approx(drawn.difference, abs=1e-12)
    assert tests.low[1, 2] == pytest.approx(drawn.low, abs=0.01)
    assert tests.high[1, 2] == pytest.approx(drawn.high, abs=0.01)
    assert tests.p[1, 2] == pytest.approx(drawn.p, abs=0.05)


def test_a_score_that_the_protocol_does_not_have() -> None:
    with pytest.raises(InputError, match="no score"):
        pair_tests(answers_to([answered(0.5, 1)]), "evil")
