"""Scoring on a Ray of two workers: the same bits, also when one is killed on the way."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ovbench.errors import MissingExtraError
from ovbench.scoring import Options, score_files
from ovbench.scoring.stream_ray import cluster

pl = pytest.importorskip("polars")
SESSION = Path(__file__).with_name("stream_ray_session.py")
WORDS = ["happy", "sad", "angry", "afraid", "proud", "blorp", "neutral"]
ITEMS = 6000
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"ovbench\[ray\]"), cluster():
        pass


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Gold, predictions in its order, and predictions in another with ids missing and twice."""
    folder, rng = tmp_path_factory.mktemp("tables"), random.Random(0)
    ids: list[str | None] = [f"s{i}" for i in range(ITEMS)]
    other = [*ids[10:], "s20", "s30", "x1"]
    rng.shuffle(other)
    holes = [*ids[:70], None, *ids[71:]]
    found = {}
    for name, names in {"gold": ids, "same": ids, "other": other, "holes": holes}.items():
        cells = [str(rng.choices(WORDS, k=rng.randint(1, 4))) for _ in names]
        found[name] = str(folder / f"{name}.parquet")
        table = pl.DataFrame({"name": names, "openset": cells})
        table.write_parquet(found[name], row_group_size=500)
    return found


WRONG = {"draws": 50, "on_missing": "wrong", "keep": "last"}
SAME = [  # predictions, protocol, options, batch with a worker killed on the way (0: by name)
    ("same", "ew-open-1", {"draws": 50}, 200),
    ("other", "ew-open-1", WRONG, 200),
    ("same", "hit-open-1", {"draws": 20}, 0),
]
REFUSED = [
    ("other", "ew-open-1", {"keep": "last"}, 0, "no prediction for 10 of 6000"),
    ("holes", "ew-open-1", {"on_missing": "wrong"}, 0, "row 71: the id is missing"),
    ("same", "closed-set", {}, 0, "one class per item"),
]


@pytest.fixture(scope="module")
def told(files: dict[str, str]) -> list[dict[str, Any]]:
    """What a session tells of all these scorings."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    cases = [
        {"pred": files[p], "gold": files["gold"], "protocol": name, "options": o, "kill": kill}
        for p, name, o, kill, *_ in [*SAME, *REFUSED]
    ]
    done = subprocess.run(
        [sys.executable, SESSION], input=json.dumps(cases), env=os.environ | QUIET,
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SAME)))
def test_the_whole_result_is_that_of_memory(
    told: list[dict[str, Any]], files: dict[str, str], number: int
) -> None:
    pred, protocol, options, kill = SAME[number]
    chosen = Options(**options)  # type: ignore[arg-type]
    whole = score_files(files[pred], files["gold"], protocol, chosen, engine="memory")
    assert told[number]["result"] == whole.to_json()
    assert told[number]["killed"] == (1 if kill else 0)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refusals_are_told_as_they_are(told: list[dict[str, Any]], number: int) -> None:
    assert REFUSED[number][-1] in told[len(SAME) + number]["error"]
