"""How far the open normalizer agrees with the official mapping ``affectgpt-2025``.

Run: ``python tests/benchmarks/agreement.py [--data ../shared/data] [--json] [--calibrate]``

Three real OV-MERD systems and 84 derived from them and from gold are scored with both mappings,
level 1 of the five wheels:

- tau: Kendall's tau-b between the two rankings of the systems by WF;
- r: Pearson's correlation of per-item F (mean over the wheels on which the item's gold has a
  cluster) over the items of the three real systems;
- MAD: mean absolute difference of WF, in 0..1.

The *choosing* half (labels and items by a hash; the other labels are deleted from gold and
predictions) is what the parameters of ``scripts/build_lexicon.py`` were chosen on; the *reporting*
half and *all* are only reported. Neutral is a cluster of its own in the open mapping and unknown in
the official one. The exit status is 1 where *all* misses a target.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from derived_systems import (
    Labels,
    Scores,
    derived_systems,
    half,
    level_bits,
    read_system,
    score_systems,
)
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

from ovbench.normalize.normalizer import Normalizer
from ovbench.normalize.official import build_normalizer
from ovbench.normalize.opening import open_normalizer
from ovbench.normalize.table_files import read_tables

TARGETS = {"tau": 0.94, "r": 0.85, "mad": 0.012}
FILES = {
    "example": "ov-merd/predict-openset.csv",
    "otter": "ov-mer/Otter/output-reason-7b-nosubtitle-addsub-eng-openset.npz",
    "salmonn": "ov-mer/SALMONN/output-reason-7b-nosubtitle-addsub-eng-openset.npz",
}
MELD = "affectgpt-outputs/results-meld/checkpoint_0000{}-openset.npz"


@dataclass(frozen=True)
class Agreement:
    """Agreement of two mappings on one part of the data; coverage by label occurrences, level 1."""

    part: str
    items: int
    systems: int
    tau: float | None
    r: float
    mad: float
    coverage: float
    coverage_official: float


@dataclass(frozen=True)
class Corpus:
    """Gold, real systems, and all systems, of one part of the data."""

    gold: Labels
    real: tuple[str, ...]
    systems: dict[str, Labels]

    def part(self, which: int | None) -> Corpus:
        """The half with that number: its items, and in them its labels."""
        if which is None:
            return self

        def cut(labels: Labels) -> Labels:
            return {
                item: [x for x in words if half(x) == which]
                for item, words in labels.items()
                if half(item) == which
            }

        systems = {name: cut(labels) for name, labels in self.systems.items()}
        return Corpus(cut(self.gold), self.real, systems)

    def occurrences(self) -> Counter[str]:
        """Label → how often gold and the real systems have it."""
        parts = [self.gold, *(self.systems[name] for name in self.real)]
        return Counter(x for labels in parts for words in labels.values() for x in words)


def load(data: Path) -> Corpus:
    gold = read_system(data / "ov-merd/check-openset.csv")
    real = {name: read_system(data / path) for name, path in FILES.items()}
    pool = [x for labels in real.values() for words in labels.values() for x in words]
    return Corpus(gold, tuple(real), real | derived_systems({"gold": gold, **real}, pool))


def correlation(a: Scores, b: Scores, names: tuple[str, ...]) -> float:
    """Pearson's r of per-item F over the items of the named systems that both mappings score."""
    x = np.concatenate([a.item_f[name] for name in names])
    y = np.concatenate([b.item_f[name] for name in names])
    both = ~np.isnan(x) & ~np.isnan(y)
    return float(np.corrcoef(x[both], y[both])[0, 1])


def coverage(normalizer: Normalizer, counts: Counter[str], level: str = "level1") -> float:
    """Share of label occurrences that get a cluster, mean over the wheels."""
    labels = list(counts)
    known = (level_bits(normalizer, labels, level)[:-1] > 0).mean(axis=1)
    return float(np.average(known, weights=list(counts.values())))


def agreement(
    name: str, corpus: Corpus, open_: Normalizer, official: Normalizer, level: str = "level1"
) -> Agreement:
    parts = [corpus.gold, *corpus.systems.values()]
    labels = sorted({x for part in parts for words in part.values() for x in words})
    number = {label: i for i, label in enumerate(labels)}
    ours, theirs = (
        score_systems(level_bits(n, labels, level), number, corpus.gold, corpus.systems)
        for n in (open_, official)
    )
    a, b = np.array(list(ours.wf.values())), np.array(list(theirs.wf.values()))
    counts = corpus.occurrences()
    return Agreement(
        name,
        len(corpus.gold),
        len(corpus.systems),
        float(kendalltau(a, b).statistic) if len(a) > 1 else None,
        correlation(ours, theirs, corpus.real),
        float(np.abs(a - b).mean()),
        coverage(open_, counts, level),
        coverage(official, counts, level),
    )


def meld_pair(data: Path, open_: Normalizer, official: Normalizer) -> Agreement:
    """Another vocabulary: one checkpoint's labels on MELD scored against another's as gold."""
    gold, pred = (
        read_system(data / MELD.format(name)) for name in ("30_loss_0.602", "60_loss_0.480")
    )
    return agreement("MELD pair", Corpus(gold, ("60",), {"60": pred}), open_, official)


def calibrate(corpus: Corpus, open_: Normalizer, official: Normalizer) -> None:
    """Coverage and agreement of the choosing half for a range of thresholds."""
    part = corpus.part(0)
    for thousandths in range(120, 261, 10):
        wheels = type(open_.wheels)()
        wheels.threshold = thousandths / 1000
        row = agreement(str(thousandths), part, replace(open_, wheels=wheels, _cache={}), official)
        print(
            f"{thousandths} coverage {row.coverage:.3f} (official {row.coverage_official:.3f}) "
            f"tau {row.tau or 0:.3f} r {row.r:.3f} MAD {row.mad:.4f}"
        )


def show(rows: list[Agreement]) -> None:
    table = Table(title="Open normalizer against affectgpt-2025")
    for column in ("part", "items", "systems", "tau", "r", "MAD of WF", "coverage", "official"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for row in rows:
        tau = "" if row.tau is None else f"{row.tau:.3f}"
        shares = f"{row.coverage:.3f}", f"{row.coverage_official:.3f}"
        figures = tau, f"{row.r:.3f}", f"{row.mad:.4f}", *shares
        table.add_row(row.part, str(row.items), str(row.systems), *figures)
    Console().print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    shared = Path(__file__).resolve().parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=shared)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--calibrate", action="store_true", help="try thresholds, choosing half")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"{options.data}: no such folder; the real files are not distributed")
    open_ = open_normalizer()
    tables = options.data / "emotion_wheel" / "affectgpt-2025"
    official = build_normalizer(read_tables(tables)[0])
    corpus = load(options.data)
    if options.calibrate:
        calibrate(corpus, open_, official)
        return 0
    parts = {"choosing half": corpus.part(0), "reporting half": corpus.part(1), "all": corpus}
    rows = [agreement(name, part, open_, official) for name, part in parts.items()]
    whole = rows[-1]
    rows.append(agreement("all, level 2", corpus, open_, official, "level2"))
    rows.append(meld_pair(options.data, open_, official))
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        show(rows)
    assert whole.tau is not None
    met = whole.tau >= TARGETS["tau"] and whole.r >= TARGETS["r"] and whole.mad <= TARGETS["mad"]
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
