"""Scores from kept statistics are the scores themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ovbench
from ovbench.errors import InputError
from ovbench.scoring import Options, score_files, score_samples

SAMPLE = Path(ovbench.__file__).parent / "sample"


@pytest.mark.parametrize("protocol", ["ew-open-1", "hit-open-1"])
@pytest.mark.parametrize("name", ["s.jsonl", "s.jsonl.gz", "s.jsonl.zst"])
def test_scored_again_from_samples(tmp_path: Path, protocol: str, name: str) -> None:
    options = Options(draws=200, cluster_by="dialogue")
    path = tmp_path / name
    first = score_files(
        str(SAMPLE / "chatty.jsonl"),
        str(SAMPLE / "gold.jsonl"),
        protocol,
        options,
        samples=str(path),
    )
    again = score_samples(path, options)
    same = ("scores", "by_wheel", "intervals", "wheels", "counts", "signature", "interval_method")
    for field in same:
        assert getattr(again, field) == getattr(first, field), field


@pytest.mark.parametrize("protocol", ["closed-set", "sentiment-non0"])
def test_class_metrics_from_samples(tmp_path: Path, protocol: str) -> None:
    gold = {"a": "positive", "b": "negative", "c": "positive", "d": "negative"}
    pred = {"a": "positive", "b": "positive", "c": "blorp", "d": "negative"}
    path = tmp_path / "s.jsonl"
    options = Options(draws=50)
    first = score_files(pred, gold, protocol, options, samples=str(path))
    again = score_samples(path, options)
    for field in ("scores", "intervals", "by_class", "confusion", "floors", "signature"):
        assert getattr(again, field) == getattr(first, field), field


def samples(tmp_path: Path) -> Path:
    path = tmp_path / "s.jsonl"
    score_files({"a": "sad"}, {"a": ["sad"]}, "ew-open-1", Options(draws=0), samples=str(path))
    return path


def test_no_text_of_the_model_is_kept(tmp_path: Path) -> None:
    lines = samples(tmp_path).read_text("utf-8").splitlines()
    assert "sad" not in lines[1]
    assert json.loads(lines[1])["both"][0] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('"both": [1', '"both": [3'), "above"),
        (lambda text: text.replace('"both": [1, ', '"both": ['), "one per ring"),
        (lambda text: text.replace('"both": [1', '"both": [-1'), "greater than or equal"),
        (lambda text: text.splitlines()[0] + "\n", "1, as the header says"),
        (lambda text: text.replace("samples/1", "samples/9"), "samples/1"),
        (lambda text: text.replace('"undefined":"omit"', '"undefined":"nan"'), "not the one"),
        (lambda text: "", "empty"),
        (lambda text: "{}\n", "line 1"),
        (lambda text: text + "not json\n", "line 3"),
    ],
)
def test_damaged_samples_are_refused(tmp_path: Path, change: object, message: str) -> None:
    path = samples(tmp_path)
    changed = change(path.read_text("utf-8"))  # type: ignore[operator]
    path.write_text(changed, "utf-8")
    with pytest.raises(InputError, match=message):
        score_samples(path, Options(draws=0))


def test_a_column_that_was_not_kept(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="speaker"):
        score_samples(samples(tmp_path), Options(draws=0, by="speaker"))
