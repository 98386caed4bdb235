"""The official scorers' figures, reproduced from the real files.

The expected figures were printed by the authors' own code on these files, to eight decimals.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import ovbench
from ovbench.results import Result

PRINTED = 5.1e-9
"""Half a unit of the last decimal printed, and 1e-10 for our own arithmetic."""

# ring: n, F, P, R with the tables of 2025, F, P, R with those of 2026
OV_MERD = {
    "case1/words": (331, 0.29120389, 0.33388721, 0.25819666, 0.29120389, 0.33388721, 0.25819666),
    "case2/words": (331, 0.32804875, 0.35659617, 0.30373328, 0.32804875, 0.35659617, 0.30373328),
    "wheel1/level1": (327, 0.56399734, 0.57543323, 0.55300714, 0.56399734, 0.57543323, 0.55300714),
    "wheel2/level1": (328, 0.57511916, 0.59375000, 0.55762195, 0.57728380, 0.59629065, 0.55945122),
    "wheel3/level1": (324, 0.55397117, 0.54140947, 0.56712963, 0.55450922, 0.54243827, 0.56712963),
    "wheel4/level1": (327, 0.54696559, 0.55632008, 0.53792049, 0.54824859, 0.55733945, 0.53944954),
    "wheel5/level1": (316, 0.52847628, 0.53006329, 0.52689873, 0.52900003, 0.53111814, 0.52689873),
    "wheel1/level2": (327, 0.41983366, 0.46544343, 0.38236493, 0.42045458, 0.46697248, 0.38236493),
    "wheel2/level2": (328, 0.42127717, 0.46493902, 0.38511179, 0.42243918, 0.46747967, 0.38531504),
    "wheel3/level2": (324, 0.44518847, 0.44248971, 0.44792034, 0.44429261, 0.44197531, 0.44663433),
    "wheel4/level2": (327, 0.41911918, 0.43358818, 0.40558468, 0.41966279, 0.43358818, 0.40660405),
    "wheel5/level2": (316, 0.41701326, 0.43064346, 0.40421941, 0.41606387, 0.43011603, 0.40290084),
}
MEAN_LEVEL1 = {
    "2025": (0.55370591, 0.55939521, 0.54851559),
    "2026": (0.55460780, 0.56052395, 0.54918725),
}
MEAN_LEVEL2 = {
    "2025": (0.42448635, 0.44742076, 0.40504023),
    "2026": (0.42458260, 0.44802633, 0.40476384),
}
MELD = {  # checkpoint, tables: hit rate, mscore
    ("30_loss_0.602", "affectgpt-2025"): (0.55649145, 0.38044921),
    ("60_loss_0.480", "affectgpt-2025"): (0.52091292, 0.35405320),
    ("30_loss_0.602", "mer2026"): (0.56333763, 0.39400792),
    ("60_loss_0.480", "mer2026"): (0.52649488, 0.37078175),
}
MELD_N = {"wheel1": 1354, "wheel2": 1354, "wheel3": 1286, "wheel4": 1354, "wheel5": 1005}


def own(tmp_path: Path, protocol: str, **changes: str) -> Path:
    """A shipped protocol with some fields changed, as a file of one's own."""
    shipped = Path(ovbench.__file__).parent / "protocols" / "data" / f"{protocol}.toml"
    text = shipped.read_text("utf-8")
    for old, new in changes.items():
        text = text.replace(f'"{old}"', f'"{new}"').replace(f":{old}", f":{new}")
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return path


def score(data: Path, protocol: str | Path, pred: str, gold: str, **options: object) -> Result:
    chosen = ovbench.load_protocol(protocol)
    given = {"draws": 0, "floors": False} | options
    return ovbench.score(data / pred, data / gold, chosen, **given)


def ov_merd(data: Path, protocol: str | Path) -> Result:
    return score(data, protocol, "ov-merd/predict-openset.csv", "ov-merd/check-openset.csv")


@pytest.mark.parametrize("year", ["2025", "2026"])
def test_the_twelve_rings_of_ov_merd(official: Path, tmp_path: Path, year: str) -> None:
    protocol: str | Path = "ew-ov-mer"
    if year == "2026":
        renamed = {"affectgpt-2025": "mer2026", "ew-ov-mer": "ew-ov-mer-2026-tables"}
        protocol = own(tmp_path, "ew-ov-mer", **renamed)
    result = ov_merd(official, protocol)
    for ring, (n, *printed) in OV_MERD.items():
        wheel, level = ring.split("/")
        expected = printed[:3] if year == "2025" else printed[3:]
        found = result.by_wheel[wheel][level]
        assert result.wheels[wheel][level].scored == n
        for name, value in zip(("f1", "precision", "recall"), expected, strict=True):
            assert found[name] == pytest.approx(value, abs=PRINTED)
    m_avg = {"2025": 0.45918449, "2026": 0.45960039}[year]
    assert result.scores["f1"] == pytest.approx(m_avg, abs=PRINTED)


@pytest.mark.parametrize(
    ("protocol", "year"), [("ew-affectgpt-2025", "2025"), ("ew-mer2026", "2026")]
)
def test_wf_of_ov_merd(official: Path, protocol: str, year: str) -> None:
    scores = ov_merd(official, protocol).scores
    found = [scores[name] for name in ("f1", "precision", "recall")]
    assert found == pytest.approx(MEAN_LEVEL1[year], abs=PRINTED)
    assert set(scores) == {"f1", "precision", "recall"}


def test_mer2025_headline(official: Path) -> None:
    scores = ov_merd(official, "ew-mer2025").scores
    assert scores["f1"] == pytest.approx(0.48909613, abs=PRINTED)
    assert scores["f1_level1"] == pytest.approx(MEAN_LEVEL1["2025"][0], abs=PRINTED)
    assert scores["f1_level2"] == pytest.approx(MEAN_LEVEL2["2025"][0], abs=PRINTED)


def test_gold_against_itself_is_perfect(official: Path) -> None:
    gold = "ov-merd/check-openset.csv"
    result = score(official, "ew-ov-mer", gold, gold)
    assert set(result.scores.values()) == {1.0}


def test_mer2024_from_cached_groups(official: Path) -> None:
    result = score(
        official,
        "group-mer2024",
        "ov-merd/predict-openset.csv",
        "ov-merd/check-openset.csv",
        groups=str(official / "ov-merd" / "openset-synonym.zip"),
    )
    found = [result.scores[name] for name in ("precision", "recall", "score")]
    expected = [0.581777108433735, 0.497791164658635, 0.539784136546185]
    assert found == pytest.approx(expected, abs=1e-12)
    assert result.counts.scored == 332


@pytest.mark.parametrize(("checkpoint", "tables"), MELD)
@pytest.mark.parametrize("gold", ["merbench/meld-process/label.npz", "meld/test_sent_emo.csv"])
def test_hit_rate_of_meld(official: Path, checkpoint: str, tables: str, gold: str) -> None:
    result = score(
        official,
        f"hit-{tables}",
        f"affectgpt-outputs/results-meld/checkpoint_0000{checkpoint}-openset.npz",
        gold,
    )
    found = [result.scores["hit_rate"], result.scores["mscore"]]
    assert found == pytest.approx(MELD[checkpoint, tables], abs=PRINTED)
    assert {w: levels["level1"].scored for w, levels in result.wheels.items()} == MELD_N


def test_sentiment_of_cmu_mosi(official: Path) -> None:
    result = score(
        official,
        "sentiment-affectgpt",
        "affectgpt-outputs/results-cmumosi/checkpoint_000040_loss_0.569-openset-sentiment.npz",
        "merbench/cmumosi-process/label.npz",
    )
    assert result.scores["weighted_f1"] == pytest.approx(0.81301356, abs=PRINTED)
    assert result.scores["accuracy"] == pytest.approx(0.8125, abs=1e-12)
    assert (result.counts.scored, result.counts.left_out, result.counts.gold) == (656, 30, 686)


MELD_CONSTANTS = {
    "[anger, disgust, fear, joy, neutral, sadness, surprise]": (1.0, 0.206667),
    "[happy]": (0.335820, 0.335820),
    "[angry, sad]": (0.441105, 0.220552),
    "[neutral]": (0.0, 0.0),
}


@pytest.mark.parametrize(("answer", "expected"), MELD_CONSTANTS.items())
def test_constant_answers_on_meld(
    official: Path, answer: str, expected: tuple[float, float]
) -> None:
    gold = ovbench.load_predictions(official / "meld/test_sent_emo.csv", label_column="Emotion")
    result = ovbench.score(
        dict.fromkeys(gold.ids, answer),
        official / "meld/test_sent_emo.csv",
        "hit-affectgpt-2025",
        draws=0,
        floors=False,
    )
    found = (result.scores["hit_rate"], result.scores["mscore"])
    assert found == pytest.approx(expected, abs=5e-7)


OV_MERD_CONSTANTS = {  # L1 F, P, R, L2 F
    "[happy]": (0.275561, 0.333849, 0.235854, 0.174690),
    "[worried]": (0.216013, 0.259192, 0.185301, 0.163298),
    "[angry]": (0.303179, 0.384272, 0.251825, 0.247457),
    "[worried, angry, sad]": (0.413258, 0.310994, 0.617965, 0.305634),
    "[worried, angry, sad, happy]": (0.461950, 0.316708, 0.853819, 0.340992),
    "[neutral]": (math.nan, 0.0, 0.0, math.nan),
}


@pytest.mark.parametrize(("answer", "expected"), OV_MERD_CONSTANTS.items())
def test_constant_answers_on_ov_merd(
    official: Path, answer: str, expected: tuple[float, ...]
) -> None:
    gold = official / "ov-merd/check-openset.csv"
    ids = ovbench.load_predictions(gold).ids
    scores = ovbench.score(
        dict.fromkeys(ids, answer), gold, "ew-mer2025", draws=0, floors=False
    ).scores
    keys = ("f1_level1", "precision_level1", "recall_level1", "f1_level2")
    found = tuple(math.nan if scores[key] is None else scores[key] for key in keys)
    assert found == pytest.approx(expected, abs=5.1e-7, nan_ok=True)
