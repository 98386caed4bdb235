"""Scoring batch by batch: the whole result is that of scoring in memory, whatever the batches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ovbench.cli.app import app
from ovbench.errors import InputError, OvbenchError
from ovbench.metrics import statistics
from ovbench.protocols import load_protocol
from ovbench.results import Result
from ovbench.scoring import Options, score_files, stream, stream_match, stream_tables, stream_tally
from ovbench.scoring.stream import Threads, score_tables
from ovbench.scoring.stream_tables import tables_to_stream

pl = pytest.importorskip("polars")

WORDS = ["happy", "sad", "angry", "afraid", "surprised", "neutral", "disgusted", "proud", "blorp",
         "joyful", "excited", "worried", "disappointed"]  # fmt: skip
SENTENCE = "The speaker sounds as if he were about to cry, I think."
CLASSES = ["happy", "sad", "angry", "neutral"]


def lists(rng: random.Random, n: int, odd: float) -> list[str | None]:
    """Label lists, some of them empty, missing or no list at all."""

    def one() -> str | None:
        if rng.random() < odd:
            return rng.choice([None, "", "[]", SENTENCE, "none", "happy; sad", "['happy', happy"])
        return str(rng.choices(WORDS, k=rng.randint(1, 4)))

    return [one() for _ in range(n)]


def write(folder: Path, name: str, ids: Sequence[object], parts: int, **columns: object) -> str:
    """A folder of Parquet parts, with small row groups."""
    (folder / name).mkdir()
    table = pl.DataFrame({"name": ids, **columns})
    step = -(-len(table) // parts)
    for part in range(parts):
        rows = table.slice(part * step, step)
        rows.write_parquet(folder / name / f"part-{part}.parquet", row_group_size=17)
    return str(folder / name)


def streamed(
    predictions: str,
    gold: str,
    protocol: str,
    options: Options,
    batch: int,
    workers: int = 1,
) -> Result:
    chosen = load_protocol(protocol)
    tables = tables_to_stream(predictions, gold, chosen, options, "stream", {})
    assert tables is not None
    return score_tables(*tables, chosen, options, Threads(workers), batch)


def check(
    predictions: str, gold: str, protocol: str, options: Options, batches: Sequence[int]
) -> Result:
    whole = score_files(predictions, gold, protocol, options, engine="memory")
    for batch in batches:
        found = streamed(predictions, gold, protocol, options, batch, workers=1 + batch % 3)
        assert found.to_json() == whole.to_json()
    return whole


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """300 items: gold, predictions in its order, and predictions with all that can be wrong."""
    folder, rng, n = tmp_path_factory.mktemp("tables"), random.Random(0), 300
    ids = [f"s{i}" for i in range(n)]
    found = {
        "gold": write(folder, "gold", ids, 3, openset=lists(rng, n, 0.04)),
        "same": write(folder, "same", ids, 2, openset=lists(rng, n, 0.2)),
    }
    other = [*ids[4:], *(f"x{i}" for i in range(15)), "s7", "s9", "s7", "x3", "s120"]
    rng.shuffle(other)
    found["other"] = write(folder, "other", other, 4, openset=lists(rng, len(other), 0.2))
    twice = [*ids, "s5", "s250", "s5"]
    found["gold_twice"] = write(folder, "gold_twice", twice, 1, openset=lists(rng, n + 3, 0.1))
    classes = [rng.choice(CLASSES) for _ in range(n)]
    found["classes"] = write(folder, "classes", ids, 3, emotion=classes)
    values = [rng.choice([-1.5, 0.0, 0.25, 2.0]) for _ in range(n)]
    found["values"] = write(folder, "values", ids, 3, val=values)
    answers = [rng.choice(["positive", "Negative.", "neutral", "happy", "", None]) for _ in other]
    found["answers"] = write(folder, "answers", other, 2, sentiment=answers)
    return found


WRONG = Options(draws=40, on_missing="wrong", keep="last")
SKIP = Options(draws=0, on_missing="skip", keep="first")


@pytest.mark.parametrize("protocol", ["ew-open-1", "hit-open-1", "closed-set-iemocap4-1"])
@pytest.mark.parametrize(
    ("pred", "options"), [("same", Options(draws=40)), ("other", WRONG), ("other", SKIP)]
)
def test_the_whole_result_is_that_of_memory(
    tables: dict[str, str], protocol: str, pred: str, options: Options
) -> None:
    closed = protocol.startswith("closed-set")
    gold = tables["classes" if closed else "gold"]
    result = check(tables[pred], gold, protocol, options, [50, 77, 1000])
    assert result.counts.gold == 300
    assert result.floors
    if pred == "other":
        assert (result.counts.missing, result.counts.extra, result.counts.duplicates) == (4, 15, 4)
        assert result.counts.missing_ids == ("s0", "s1", "s2", "s3")
    if not closed:
        assert result.counts.unparsable
        assert result.counts.empty
        assert result.labels is not None
        assert "blorp" in result.labels.prediction.top


@pytest.mark.parametrize("rule", ["sentiment-affectgpt", "sentiment-non0", "sentiment-has0"])
def test_sentiment(tables: dict[str, str], rule: str) -> None:
    for options in (WRONG, SKIP):
        result = check(tables["answers"], tables["values"], rule, options, [40, 1000])
        assert any("other answers" in warning for warning in result.warnings)


def test_declared_and_found_classes(tables: dict[str, str]) -> None:
    """A batch need not hold every class; declared ones need not occur at all."""
    declared = replace(WRONG, classes="happy,angry,sad,neutral,proud")
    for options in (WRONG, declared, replace(WRONG, extract=True)):
        check(tables["other"], tables["classes"], "closed-set", options, [37])


def test_gold_ids_that_come_twice(tables: dict[str, str]) -> None:
    for options in (WRONG, replace(WRONG, keep="first")):
        result = check(tables["other"], tables["gold_twice"], "ew-open-1", options, [60, 1000])
        assert result.counts.gold_duplicates == 2
        check(tables["gold_twice"], tables["gold_twice"], "ew-open-1", options, [60])


def test_one_folder_may_hold_gold_and_predictions(tmp_path: Path) -> None:
    rng, n = random.Random(1), 90
    both = write(tmp_path, "both", range(n), 2, gt=lists(rng, n, 0), pred=lists(rng, n, 0.2))
    check(both, both, "ew-open-1", Options(draws=20), [25, 100])


def test_what_else_can_be_chosen(tables: dict[str, str]) -> None:
    for options in (
        Options(draws=30, ci="wald", confidence=0.8, seed=5),
        Options(draws=0, floors=False),
        Options(draws=30, extract=True),
    ):
        check(tables["same"], tables["gold"], "ew-open-1", options, [70])


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**20),
    n=st.integers(1, 60),
    batch=st.integers(6, 80),
    workers=st.integers(1, 3),
    protocol=st.sampled_from(["ew-open-1", "hit-open-1"]),
    keep=st.sampled_from(["first", "last"]),
    on_missing=st.sampled_from(["wrong", "skip"]),
    nested=st.booleans(),
)
def test_random_tables_in_random_batches(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    n: int,
    batch: int,
    workers: int,
    protocol: str,
    keep: str,
    on_missing: str,
    nested: bool,
) -> None:
    """Ids drawn with repeats on both sides, so that all may be missing, extra or there twice."""
    folder, rng = tmp_path_factory.mktemp("random"), random.Random(seed)
    sides = []
    for side in ("gold", "pred"):
        ids = [0, *(rng.randrange(2 * n) for _ in range(n - 1))]
        cells: list[object] = list(lists(rng, n, 0.15))
        if nested:
            cells = [None if c is None else [c, "sad"] for c in cells]
        sides.append(write(folder, side, ids, rng.randint(1, 3), openset=cells))
    options = Options(draws=10, keep=keep, on_missing=on_missing)  # type: ignore[arg-type]
    whole = score_files(sides[1], sides[0], protocol, options, engine="memory")
    found = streamed(sides[1], sides[0], protocol, options, batch, workers)
    assert found.to_json() == whole.to_json()


# -- what is refused


@pytest.mark.parametrize(
    ("pred", "gold", "options"),
    [
        ("other", "gold", Options(draws=0, keep="first")),  # missing
        ("other", "gold", Options(draws=0, on_missing="wrong")),  # twice
        ("other", "gold_twice", Options(draws=0, on_missing="wrong")),  # gold twice comes first
    ],
)
def test_ids_are_refused_in_the_same_words(
    tables: dict[str, str], pred: str, gold: str, options: Options
) -> None:
    said = []
    for engine in ("memory", "stream"):
        with pytest.raises(InputError) as raised:
            score_files(tables[pred], tables[gold], None, options, engine=engine)  # type: ignore[arg-type]
        said.append(str(raised.value))
    assert said[0] == said[1]


def test_tables_without_a_common_id(tables: dict[str, str], tmp_path: Path) -> None:
    strange = write(tmp_path, "strange", ["p", "q", "r"], 1, openset=["sad"] * 3)
    said = []
    for engine in ("memory", "stream"):
        with pytest.raises(InputError) as raised:
            score_files(strange, tables["gold"], None, SKIP, engine=engine)  # type: ignore[arg-type]
        said.append(str(raised.value))
    assert said[0] == said[1]
    assert "no id is also in" in said[0]


def test_a_missing_id_is_told_by_its_row_in_the_table(tmp_path: Path) -> None:
    ids = [f"s{i}" for i in range(60)]
    gold = write(tmp_path, "gold", ids, 2, openset=["sad"] * 60)
    holes = [*ids[:40], None, *ids[41:]]
    pred = write(tmp_path, "pred", holes, 2, openset=["sad"] * 60)
    with pytest.raises(InputError, match="row 41: the id is missing"):
        streamed(pred, gold, "ew-open-1", Options(draws=0), batch=16)


def test_gold_cells_that_cannot_be_scored(tables: dict[str, str], tmp_path: Path) -> None:
    for protocol in ("closed-set", "sentiment-has0"):
        with pytest.raises(InputError, match="the gold"):
            streamed(tables["same"], tables["gold"], protocol, Options(draws=0), batch=64)
    ids = [f"s{i}" for i in range(300)]
    zeros = write(tmp_path, "zeros", ids, 1, val=[0.0] * 300)
    with pytest.raises(InputError, match="every gold value is zero"):
        streamed(tables["same"], zeros, "sentiment-non0", Options(draws=0), batch=64)


@pytest.mark.parametrize("option", ["by", "cluster_by", "folds", "errors", "split"])
def test_options_about_single_items_are_refused(tables: dict[str, str], option: str) -> None:
    options = replace(Options(draws=0), **{option: 3 if option == "errors" else "name"})
    with pytest.raises(InputError, match="does not go with --engine stream"):
        score_files(tables["same"], tables["gold"], None, options, engine="stream")


def test_other_formats_and_further_systems_are_refused(
    tables: dict[str, str], tmp_path: Path
) -> None:
    text = tmp_path / "gold.csv"
    text.write_text("name,openset\ns1,sad\n", "utf-8")
    with pytest.raises(InputError, match="neither a Parquet file nor a folder"):
        score_files(tables["same"], text, None, Options(draws=0), engine="stream")
    with pytest.raises(InputError, match="neither a Parquet"):
        score_files({"s1": "sad"}, tables["gold"], None, Options(draws=0), engine="stream")
    with pytest.raises(InputError, match="--against does not go"):
        score_files(tables["same"], tables["gold"], None, Options(draws=0), engine="stream",
                    against=[tables["same"]])  # fmt: skip


def test_a_full_disk_is_told(tables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_ipc", full)
    with pytest.raises(OvbenchError, match="TMPDIR"):
        streamed(tables["other"], tables["gold"], "ew-open-1", WRONG, batch=64)


# -- when it is chosen, and how


def test_large_tables_are_streamed_unless_something_asks_for_items(
    tables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = load_protocol("ew-open-1")

    def tried(options: Options, pred: object = None) -> bool:
        given = (pred or tables["same"], tables["gold"], chosen, options)
        return tables_to_stream(*given, "auto", {}) is not None

    assert not tried(Options())
    monkeypatch.setattr(stream_tables, "STREAM_FROM", 299)
    assert tried(Options())
    assert not tried(Options(errors=5))
    assert not tried(Options(), {"s1": "sad"})
    assert not tried(Options(), "no-such-folder")


def test_the_command(tables: dict[str, str]) -> None:
    told = []
    for engine in ("memory", "stream"):
        command = ["score", tables["same"], "--gold", tables["gold"], "--draws", "20"]
        found = CliRunner().invoke(app, [*command, "--engine", engine, "--json", "-"])
        assert found.exit_code == 0
        told.append(found.stdout)
    assert told[0] == told[1]


def test_ids_in_order_are_paired_without_a_temporary_folder(
    tables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_spill_folder", None)
    streamed(tables["same"], tables["gold"], "ew-open-1", Options(draws=0), batch=64)
    with pytest.raises(TypeError):
        streamed(tables["other"], tables["gold"], "ew-open-1", WRONG, batch=64)


def test_equal_hashes_of_different_ids_prove_nothing(
    tables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All ids hashed alike: the ids themselves are compared, in one part, with the same result."""
    whole = score_files(tables["same"], tables["gold"], None, WRONG, engine="memory")
    hashed = pl.Series.hash
    monkeypatch.setattr(pl.Series, "hash", lambda self, seed: hashed(self, seed) * 0)
    table = tables_to_stream(
        tables["same"], tables["gold"], load_protocol("ew-open-1"), WRONG, "stream", {}
    )
    assert table is not None
    assert not stream_match.same_order(*table, batch=50)
    found = streamed(tables["same"], tables["gold"], "ew-open-1", WRONG, batch=50)
    assert found.to_json() == whole.to_json()


# -- rows of statistics


@pytest.mark.parametrize("hash_factor", [None, 0, 1])
@pytest.mark.parametrize("dense", [0, 1 << 24])
def test_tallied_rows_are_the_distinct_rows(
    hash_factor: int | None, dense: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where different rows share a key, which a factor of 0 or 1 makes sure of."""
    if hash_factor is not None:
        monkeypatch.setattr(statistics, "_HASH", np.uint64(hash_factor))
    monkeypatch.setattr(stream_tally, "_DENSE", dense)
    monkeypatch.setattr(stream_tally, "_WAITING", 200)
    rng = np.random.default_rng(3)
    values = rng.integers(-3, 4, (900, 3)) * np.array([1, 2**40, 7])
    values[:, 2] = rng.integers(0, 700, 900)  # more values than a byte can tell apart
    weight = rng.integers(0, 5, 900)

    def finish(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"first": sums[..., 0], "second": sums[..., 1]}

    whole = statistics.Statistics(values, weight, finish).distinct()
    merged = stream_tally.Tally()
    for start in range(0, 900, 90):
        tally = stream_tally.Tally()
        for at in (start, start + 50):
            rows = slice(at, min(at + 50, start + 90))
            tally.add(statistics.Statistics(values[rows], weight[rows], finish))
        merged.merge(tally)
    found = merged.finished(finish)
    assert found.items == whole.items
    assert found.totals().tolist() == whole.totals().tolist()
    distinct = found.distinct()
    assert distinct.weight.tolist() == whole.weight.tolist()
    rows = distinct.values if dense else found.packed.block(0, len(whole.weight)).T  # type: ignore[attr-defined]
    assert rows.astype(np.int64).tolist() == whole.values.tolist()


def test_packed_rows_give_the_same_intervals(
    tables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_tally, "_DENSE", 0)
    check(tables["other"], tables["gold"], "ew-open-1", WRONG, [64])
