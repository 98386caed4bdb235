"""What a score must not depend on, and what it is, on random worlds: whole ways, file to figure.

The slow references are written from the published scorers' rules, with sets and fractions: the
official way from its own parser on, through tables drawn at random, and the open way from the
normalizer's traces on. That one metric alone keeps its promises is in ``test_set_metrics.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from math import isnan, nan
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import ovbench
from ovbench.io.labels import get_parser
from ovbench.normalize.opening import open_normalizer
from ovbench.normalize.tables import add_tables
from ovbench.protocols import load_protocol
from ovbench.results import Result
from ovbench.scoring import Options, score_files

Means = dict[str, float]
FEW = settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a seed is not made smaller
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORDS = [f"w{n}" for n in range(14)]
UNKNOWN = ["zz", "neutral"]
CLUSTERS = {"level1": ["a", "b", "c"], "level2": ["a1", "b1", "c1", "c2"]}
RINGS = [f"wheel{n}/level1" for n in range(1, 6)]
OPEN_WORDS = ["happy", "sad", "angry", "afraid", "surprised", "neutral", "disgusted", "blorp"]


# --- random tables, and the official way through them --------------------------------------------


@dataclass(frozen=True)
class Tables:
    """``format.csv``, ``synonym.xlsx`` and the wheels, as a pickled npz holds them."""

    forms: dict[str, list[str]]
    synonyms: dict[str, list[str]]
    wheels: dict[str, dict[str, dict[str, str]]]

    def cluster(self, label: str, ring: str) -> str | None:
        """The facts' ``case3``: over the sorted union of all synonyms, the first on the wheel."""
        wheel, level = ring.split("/")
        union = {word for raw in self.forms.get(label, []) for word in self.synonyms[raw]}
        on_wheel = [word for word in sorted(union) if word in self.wheels[wheel][level]]
        return self.wheels[wheel][level][on_wheel[0]] if on_wheel else None


def random_tables(rng: Random) -> Tables:
    wheels = {}
    for wheel in range(1, 6):
        there = [word for word in WORDS if rng.random() < 0.7] or WORDS[:1]
        wheels[f"wheel{wheel}"] = {
            level: {word: rng.choice(names) for word in there} for level, names in CLUSTERS.items()
        }
    reached = sorted({word for levels in wheels.values() for word in levels["level1"]})
    raws = [f"r{n}" for n in range(8)]
    synonyms = {raw: rng.sample(reached, rng.randint(1, min(3, len(reached)))) for raw in raws}
    forms = {word: rng.sample(raws, rng.randint(1, 2)) for word in WORDS if rng.random() < 0.8}
    return Tables(forms or {WORDS[0]: raws[:1]}, synonyms, wheels)


def string_to_list(cell: object) -> list[str]:
    """The authors' parser, and the lower-casing of its callers (facts, 1.1)."""
    if isinstance(cell, list):
        pieces = cell
    else:
        text = str(cell)
        text = text[1:] if text.startswith("[") else text
        text = text[:-1] if text.endswith("]") else text
        pieces = [piece.strip() for piece in re.split("['\",]", text)]
    return [piece.lower().strip() for piece in pieces if piece.strip()]


def ring_means(sets: Sequence[tuple[set[str], set[str]]]) -> tuple[float, float, float, int]:
    """F, P, R and n of one ring: F of the two means, items without gold left out (facts, 1.3)."""
    precision, recall, n = Fraction(0), Fraction(0), 0
    for gold, pred in sets:
        if gold:
            n += 1
            precision += Fraction(len(gold & pred), len(pred)) if pred else 0
            recall += Fraction(len(gold & pred), len(gold))
    if not n:
        return nan, nan, nan, 0
    p, r = precision / n, recall / n
    return (float(2 * p * r / (p + r)) if p + r else nan), float(p), float(r), n


def mean_over(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else nan


def placed(
    cells: Sequence[object],
    labels_of: Callable[[object], Sequence[str]],
    cluster: Callable[[str, str], str | None],
    ring: str,
) -> list[set[str]]:
    return [{c for label in labels_of(cell) if (c := cluster(label, ring))} for cell in cells]


@pytest.fixture
def stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Tables], tuple[Path, Path]]:
    """Adds tables as a user does; gives an EW and a hit-rate protocol over them."""
    home = tmp_path
    monkeypatch.setenv("OVBENCH_HOME", str(home))

    def add(tables: Tables) -> tuple[Path, Path]:
        names = {
            "format_mapping": tables.forms,
            "raw_mapping": tables.synonyms,
            "wheel_map_whole": tables.wheels,
        }
        np.savez(home / "wheel_mapping.npz", **{k: np.array(v) for k, v in names.items()})  # type: ignore[arg-type]
        name = add_tables(home / "wheel_mapping.npz").name
        made = []
        for known in ("ew-affectgpt-2025", "hit-affectgpt-2025"):
            source = resources.files("ovbench.protocols") / "data" / f"{known}.toml"
            text = source.read_text("utf-8").replace("official:affectgpt-2025", f"official:{name}")
            made.append(home / f"my-{known}.toml")
            made[-1].write_text(text.replace(f'id = "{known}"', f'id = "my-{known}"'), "utf-8")
        return made[0], made[1]

    return add


def official_cells(rng: Random, items: int) -> list[object]:
    """Cells as the authors' files have them, their parser's quirks among them."""

    def one() -> object:
        words = [rng.choice(WORDS + UNKNOWN) for _ in range(rng.randrange(4))]
        return rng.choice(
            [
                str(words),
                ", ".join(words),
                "[" + ", ".join(word.upper() for word in words) + "]",
                " ".join(words),
                words,
                "; ".join(words) + "\n",
                json.dumps(words),
            ]
        )

    return [one() for _ in range(items)]


def close(found: object, wanted: float) -> bool:
    if found is None or isnan(wanted):
        return found is None and isnan(wanted)
    assert isinstance(found, float)
    return abs(found - wanted) < 1e-12


@FEW
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_the_official_engine_is_the_published_scorer(
    stored: Callable[[Tables], tuple[Path, Path]], seed: int, items: int
) -> None:
    rng = Random(seed)
    tables = random_tables(rng)
    wheel_protocol, hit_protocol = stored(tables)
    gold, pred = official_cells(rng, items), official_cells(rng, items)
    f, p, r, hits = [], [], [], []
    for ring in RINGS:
        g, q = (placed(cells, string_to_list, tables.cluster, ring) for cells in (gold, pred))
        one = ring_means(list(zip(g, q, strict=True)))
        f.append(one[0]), p.append(one[1]), r.append(one[2])
        asked = [len(a & b) for a, b in zip(g, q, strict=True) if a]
        hits.append(sum(asked) / len(asked) if asked else nan)
    found = scored(pred, gold, wheel_protocol)
    if found is None:
        assert all(isnan(value) for value in p)
        return
    for name, wanted in (("f1", f), ("precision", p), ("recall", r)):
        assert close(found.scores[name], mean_over(wanted)), (name, gold, pred)
    hit = scored(pred, gold, hit_protocol)
    assert hit is not None
    assert close(hit.scores["hit_rate"], mean_over(hits))


def scored(pred: Sequence[object], gold: Sequence[object], protocol: str | Path) -> Result | None:
    """A result without intervals; None where there is nothing to score."""
    tables = [{f"i{n}": cell for n, cell in enumerate(cells)} for cells in (pred, gold)]
    options = Options(draws=0, floors=False)
    try:
        return score_files(tables[0], tables[1], load_protocol(protocol), options)
    except ovbench.InputError as error:
        if "no gold item" in str(error) or "nothing" in str(error):
            return None
        raise


# --- the open way ---------------------------------------------------------------------------------

OPEN_FORMS: list[Callable[[list[str]], object]] = [
    list,
    str,
    ", ".join,
    " and ".join,
    "; ".join,
    json.dumps,
    lambda words: "Emotions: " + ", ".join(words),
    lambda words: "\n".join(f"- {word}" for word in words),
    lambda words: ", ".join(words).upper() + ".",
]


@FEW
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_the_open_engine_is_its_definition(seed: int, items: int) -> None:
    rng = Random(seed)
    normalizer, parser = open_normalizer(), get_parser("open")
    order = [ring.key for ring in normalizer.rings]

    def cluster(label: str, ring: str) -> str | None:
        return normalizer.trace(label).cluster(order.index(ring))

    def labels_of(cell: object) -> Sequence[str]:
        return parser.parse(tuple(cell) if isinstance(cell, list) else cell).labels

    gold, pred = (
        [
            rng.choice(OPEN_FORMS)([rng.choice(OPEN_WORDS) for _ in range(rng.randrange(4))])
            for _ in range(items)
        ]
        for _ in range(2)
    )
    f, p, r = [], [], []
    for ring in RINGS:
        g, q = (placed(cells, labels_of, cluster, ring) for cells in (gold, pred))
        one = ring_means(list(zip(g, q, strict=True)))
        if one[3]:  # a wheel without gold is left out of the means; P + R = 0 is 0
            f.append(0.0 if isnan(one[0]) else one[0]), p.append(one[1]), r.append(one[2])
    found = scored(pred, gold, "ew-open-1")
    if found is None:
        assert not f
        return
    for name, wanted in (("f1", f), ("precision", p), ("recall", r)):
        assert close(found.scores[name], mean_over(wanted)), (name, gold, pred)


# --- what must not matter -------------------------------------------------------------------------


def rounded(result: Result | None) -> object:
    return None if result is None else (result.scores, result.by_wheel, result.counts.model_dump())


@FEW
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 4))
def test_neither_order_nor_repetition_nor_case_nor_batches_matter(
    stored: Callable[[Tables], tuple[Path, Path]], seed: int, items: int, size: int
) -> None:
    """By an official protocol; by the open one: ``test_score.py``."""
    rng = Random(seed)
    protocol = stored(random_tables(rng))[0]
    draw = [
        [rng.choice(WORDS + UNKNOWN) for _ in range(rng.randrange(4))] for _ in range(2 * items)
    ]
    gold, pred = draw[:items], draw[items:]
    usual = scored(pred, gold, protocol)

    def turned(words: list[str]) -> list[str]:
        again = [*words, *words]
        rng.shuffle(again)
        return [word.upper() if rng.random() < 0.5 else word for word in again]

    order = list(range(items))
    rng.shuffle(order)
    other = scored([turned(pred[n]) for n in order], [turned(gold[n]) for n in order], protocol)
    assert rounded(other) == rounded(usual)
    metric = ovbench.EmotionWheelF1(str(protocol))
    for start in range(0, items, size):
        metric.update(pred[start : start + size], gold[start : start + size])
    if usual is not None:
        found = {k: None if isnan(v) else v for k, v in metric.compute().items()}
        assert {name: found[name] for name in usual.scores} == usual.scores


@FEW
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_gold_and_predictions_changing_places_change_precision_and_recall(
    stored: Callable[[Tables], tuple[Path, Path]], seed: int, items: int
) -> None:
    rng = Random(seed)
    tables = random_tables(rng)
    everywhere = [word for word in WORDS if all(tables.cluster(word, ring) for ring in RINGS)]
    if not everywhere:
        return
    one, two = (
        [[rng.choice(everywhere) for _ in range(rng.randint(1, 4))] for _ in range(items)]
        for _ in range(2)
    )
    protocol = stored(tables)[0]
    there, back = scored(one, two, protocol), scored(two, one, protocol)
    assert there is not None
    assert back is not None
    assert there.scores["precision"] == back.scores["recall"]
    assert there.scores["recall"] == back.scores["precision"]
    assert there.scores["f1"] == back.scores["f1"]


@FEW
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_a_wrong_label_more_never_raises_precision(
    stored: Callable[[Tables], tuple[Path, Path]], seed: int, items: int
) -> None:
    rng = Random(seed)
    tables = random_tables(rng)
    gold, pred = (
        [[rng.choice(WORDS) for _ in range(rng.randrange(4))] for _ in range(items)]
        for _ in range(2)
    )
    protocol = stored(tables)[0]
    before = scored(pred, gold, protocol)
    if before is None:
        return
    where = rng.randrange(items)
    clusters = {ring: {tables.cluster(word, ring) for word in gold[where]} for ring in RINGS}
    wrong = [
        word
        for word in WORDS
        if all(tables.cluster(word, ring) not in clusters[ring] - {None} for ring in RINGS)
    ]
    if not wrong:
        return
    pred[where] = [*pred[where], rng.choice(wrong)]
    after = scored(pred, gold, protocol)
    assert after is not None
    for wheel, levels in before.by_wheel.items():
        then, now = levels["level1"], after.by_wheel[wheel]["level1"]
        assert now["recall"] == then["recall"]
        if then["precision"] is not None:
            assert now["precision"] is not None
            assert now["precision"] <= then["precision"]
