"""The figures of ``docs/metrics.md``: python scripts/docs_figures.py docs/figures.

Answers of k words, the same for every item and without any listening, scored on TinyOV's test split
by both open protocols; and the smallest difference between two systems that a test set can show.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path

import altair as alt

import ovbench
from ovbench.io.atomic import write_text
from ovbench.tasks import load_task

LENGTHS = (1, 2, 3, 6, 10, 15, 20, 30, 50, 100, 224)
"""Words in the constant answer; the last is the whole vocabulary of the split."""
DETECTABLE, ITEMS = 6.0, 332
"""Points between unrelated systems on OV-MERD's gold, level .05, power 80 %."""
SETS = {"the shipped sample": 60, "OV-MERD, TinyOV": 332, "MELD": 2610}


def constant_answers(lengths: tuple[int, ...] = LENGTHS) -> list[dict[str, float | int | str]]:
    """Scores in points of answers that name the k most frequent words of the gold."""
    gold = {name: list(words) for name, words in _gold().items()}
    counts = Counter(word for words in gold.values() for word in words)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    rows: list[dict[str, float | int | str]] = []
    for k in lengths:
        answers = dict.fromkeys(gold, frequent[:k])
        wf = ovbench.score(answers, gold, "ew-open-1", draws=0, floors=False).scores
        hit = ovbench.score(answers, gold, "hit-open-1", draws=0, floors=False).scores
        told = {
            "hit rate": hit["hit_rate"],
            "WF": wf["f1"],
            "WF, middle ring": wf["f1_level2"],
            "precision": wf["precision"],
        }
        rows += [
            {"words": k, "score": name, "points": 100 * value}
            for name, value in told.items()
            if value is not None
        ]
    return rows


def _gold() -> dict[str, tuple[str, ...]]:
    task = load_task("tinyov")
    return {name: task.gold[name].labels for name in task.gold}


def length_chart() -> alt.LayerChart:
    """Score against the number of words in the answer."""
    data = alt.Data(values=constant_answers())
    x = alt.X("words:Q", title="words in the answer, the same for every item").scale(type="log")
    y = alt.Y("points:Q", title="score, in points").scale(domain=[0, 100])
    lines = alt.Chart(data).mark_line(point=True).encode(x=x, y=y, color=_colour("score:N"))
    return (lines + lines.mark_point(size=1)).properties(width=460, height=260)


def detectable_chart() -> alt.LayerChart:
    """The smallest difference that can be shown, against the number of items."""
    sizes = [round(30 * 1.15**step) for step in range(45)]
    curve = alt.Data(
        values=[{"items": n, "points": DETECTABLE * math.sqrt(ITEMS / n)} for n in sizes]
    )
    marks = alt.Data(
        values=[
            {"items": n, "points": DETECTABLE * math.sqrt(ITEMS / n), "set": name}
            for name, n in SETS.items()
        ]
    )
    x = alt.X("items:Q", title="items in the test set").scale(type="log")
    y = alt.Y("points:Q", title="smallest detectable difference, in points")
    line = alt.Chart(curve).mark_line().encode(x=x, y=y)
    points = alt.Chart(marks).mark_point(filled=True, size=70).encode(x=x, y=y)
    names = alt.Chart(marks).mark_text(align="left", dx=8, dy=-6).encode(x=x, y=y, text="set:N")
    return (line + points + names).properties(width=460, height=240)


def _colour(field: str) -> alt.Color:
    return alt.Color(field, title=None).scale(scheme="tableau10").legend(orient="top")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, chart in {"answer-length": length_chart(), "detectable": detectable_chart()}.items():
        write_text(folder / f"{name}.svg", _svg(chart))


def _svg(chart: alt.LayerChart) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(chart.configure(background="white").to_json()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
