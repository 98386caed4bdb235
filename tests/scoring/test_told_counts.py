"""What a result tells of itself: items that enter the score, and options that mean something."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ovbench.errors import InputError, UnknownNameError
from ovbench.scoring import Options, score_files, score_samples

NOWHERE = "zzyzx"  # a label that no wheel knows
GOLD = {f"i{n}": "happy" if n < 5 else NOWHERE for n in range(30)}
PRED = dict.fromkeys(GOLD, "happy")


@pytest.mark.parametrize(
    ("name", "value"), [("on_missing", "drop"), ("keep", "frist"), ("ci", "normal")]
)
def test_an_option_that_there_is_not_is_refused(name: str, value: str) -> None:
    with pytest.raises(UnknownNameError, match=value):
        Options(**{name: value})  # type: ignore[arg-type]


def test_items_of_a_comparison_are_those_that_both_scores_rest_on() -> None:
    other = dict.fromkeys(GOLD, "sad")
    for draws in (0, 200):
        result = score_files(PRED, GOLD, "ew-open-1", Options(draws=draws), against=[other])
        assert result.counts.scored == 5
        assert result.comparisons[0].items == 5


def test_groups_and_the_warning_count_what_is_scored(tmp_path: Path) -> None:
    gold = tmp_path / "gold.csv"
    gold.write_text("id,labels,set\n" + "".join(f"{k},{v},a\n" for k, v in GOLD.items()))
    result = score_files(PRED, str(gold), "ew-open-1", Options(draws=200, by="set"))
    assert result.groups["a"].items == 5
    assert result.groups["a"].warning is not None
    assert any("fewer than 20 items (5)" in warning for warning in result.warnings)


def test_a_blank_cluster_is_refused(tmp_path: Path) -> None:
    gold = tmp_path / "gold.csv"
    gold.write_text("id,labels,dialogue\na,happy,d1\nb,sad,\nc,happy,\n")
    asked = Options(cluster_by="dialogue", draws=50)
    with pytest.raises(InputError, match="2 items have no value, the first is 'b'"):
        score_files({"a": "happy", "b": "sad", "c": "sad"}, str(gold), "ew-open-1", asked)


def test_kept_samples_outlive_another_wording_of_the_protocol(tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    made = score_files(PRED, GOLD, "ew-open-1", Options(draws=0), samples=str(kept))
    header, *items = kept.read_text().splitlines()
    told = json.loads(header)
    told["protocol"]["title"] = "The same, worded anew"
    kept.write_text("\n".join([json.dumps(told), *items]) + "\n")
    assert score_samples(kept, Options(draws=0)).scores == made.scores
    told["protocol"]["undefined"] = "omit" if told["protocol"]["undefined"] != "omit" else "zero"
    kept.write_text("\n".join([json.dumps(told), *items]) + "\n")
    with pytest.raises(InputError):
        score_samples(kept, Options(draws=0))


def test_a_placeholder_among_sentiment_values_is_no_negative_sentiment(tmp_path: Path) -> None:
    labels = {"a": {"emo": "happy", "val": 1.0}, "b": {"emo": "sad", "val": -10}}
    path = tmp_path / "label.npz"
    np.savez(path, test_corpus=np.array(labels, dtype=object))
    with pytest.raises(InputError, match=r"1 of 2 values are -10.*first: 'b'"):
        score_files({"a": 1, "b": -1}, str(path), "sentiment-non0", Options(draws=0))
