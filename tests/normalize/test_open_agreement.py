"""The committed benchmark reaches its targets on the real files, and measures what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from derived_systems import derived_systems, score_systems  # noqa: E402


def test_the_open_normalizer_agrees_with_the_official_one(shared_data: Path) -> None:
    pytest.importorskip("scipy")
    command = [sys.executable, str(BENCHMARKS / "agreement.py"), "--json"]
    done = subprocess.run(
        [*command, "--data", str(shared_data)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    rows = {row["part"]: row for row in json.loads(done.stdout)}
    whole = rows["all"]
    assert (whole["items"], whole["systems"]) == (332, 87)
    assert whole["tau"] >= 0.94
    assert whole["r"] >= 0.85
    assert whole["mad"] <= 0.012
    # the half that nothing was chosen on does not fall behind
    assert rows["reporting half"]["r"] >= 0.85
    assert done.returncode == 0


def test_scores_by_hand() -> None:
    """Labels a, b, c in clusters 0, 1, none (first wheel) and all unknown (other wheels)."""
    bits = np.zeros((4, 5), dtype=np.uint64)
    bits[0, :], bits[1, :] = 1, 2
    number = {"a": 0, "b": 1, "c": 2}
    gold = {"x": ["a", "b"], "y": ["a"], "z": ["c"]}
    scores = score_systems(bits, number, gold, {"s": {"x": ["a"], "y": ["b", "a"], "z": ["a"]}})
    # z has no gold cluster; P = (1 + 1/2)/2, R = (1/2 + 1)/2
    assert scores.wf["s"] == pytest.approx(0.75)
    assert scores.item_f["s"][:2] == pytest.approx([2 / 3, 2 / 3])
    assert np.isnan(scores.item_f["s"][2])


def test_derived_systems_are_what_they_say_and_the_same_each_time() -> None:
    base = {f"i{n}": ["happy", "sad", f"w{n}"] for n in range(50)}
    made = derived_systems({"b": base}, ["pool"])
    assert made == derived_systems({"b": base}, ["pool"])
    assert len(made) == 21
    assert all(len(labels) == 2 for labels in made["b-first2"].values())
    assert all(labels[3:] == ["pool"] * 2 for labels in made["b-add2"].values())
    exchanged = made["b-exchange1"]
    assert sorted(map(tuple, exchanged.values())) == sorted(map(tuple, base.values()))
    assert exchanged != base
    kept = sum(len(labels) for labels in made["b-drop0.75"].values())
    assert 10 < kept < 75
