"""A comparison over two views of the same items: one table, the scores of each view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from run_fakes import Answer, fake_task
from sklearn.metrics import recall_score

from ovbench.errors import InputError
from ovbench.report.comparison import comparison_lines, comparison_sections
from ovbench.report.plot import chart
from ovbench.runs.compare import compare_runs
from ovbench.runs.comparison import Comparison
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.records import SystemRecord
from ovbench.runs.several_tasks import check_views, joined
from ovbench.scoring import Options
from ovbench.tasks import Task

OPTIONS = EvalOptions(batch_size=4, scoring=Options(draws=0, floors=False), command="test")
VIEWS = {
    "open": replace(fake_task(), id="open"),
    "closed": replace(
        fake_task(answers="class"), id="closed", protocols=("hit-open-1", "closed-set")
    ),
    "fewer": replace(fake_task(5), id="fewer"),
}


@pytest.fixture(autouse=True)
def views(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, split: str | None = None) -> Task:
        return VIEWS[name]

    for module in ("compare", "several_tasks"):
        monkeypatch.setattr(f"ovbench.runs.{module}.load_task", load)


@dataclass
class OneWord:
    """Answers with the class of every item but each ``wrong``-th, which it calls tired."""

    name: str
    wrong: int

    def predict(self, items, batch_size):  # type: ignore[no-untyped-def]
        gold = VIEWS["closed"].gold
        for item in items:
            number = int(item.id.rpartition("-")[2])
            word = "tired" if number % self.wrong == 0 else str(gold[item.id].category)
            yield Answer(item.id, word)


def compared(out: Path, task: str, *names: str) -> Comparison:
    folders = []
    for name in names:
        about = SystemRecord(name=name, kind="fake", recipe=f"{name:0<64}", training_seed=0)
        system = OneWord(name, 2 if name == "often" else 4)
        folders.append(evaluate(system, VIEWS[task], about, out / name, OPTIONS).folder)
    return compare_runs(folders, draws=200)


def test_the_columns_of_both_views_stand_in_one_table(tmp_path: Path) -> None:
    parts = [compared(tmp_path, task, "often", "seldom") for task in ("open", "closed")]
    found = joined(parts)
    titles = ["open WF", "open HiT", "closed HiT", "closed UA"]
    assert [metric.title for metric in found.metrics] == titles
    assert [metric.task for metric in found.metrics] == ["open", "open", "closed", "closed"]
    assert found.more_tasks == ("closed",)
    for row, of_open, of_closed in zip(found.rows, parts[0].rows, parts[1].rows, strict=True):
        assert list(row.scores) == titles
        assert row.scores["open WF"] == of_open.scores["WF"]
        assert row.scores["closed UA"] == of_closed.scores["UA"]
        assert len(row.runs) == 2
    assert list(found.rows[1].differences) == titles
    gold = [str(one.category) for one in VIEWS["closed"].gold.values()]
    said = ["tired" if k % 4 == 0 else word for k, word in enumerate(gold)]
    recall = recall_score(gold, said, average="macro", labels=sorted(set(gold)), zero_division=0)
    assert found.rows[1].scores["closed UA"].mean == pytest.approx(recall)
    (wide,) = comparison_sections(found)
    assert wide.title == "Methods on open, closed/test"
    (narrow,) = comparison_lines(found)
    assert narrow.columns == ("method", *titles, "cost")
    assert len(chart(found).to_dict()["hconcat"]) == 4
    assert Comparison.model_validate_json(found.to_json()) == found


def test_one_task_is_left_as_it_is(tmp_path: Path) -> None:
    part = compared(tmp_path, "open", "often")
    assert joined([part]) is part


def test_views_are_looked_at_before_anything_is_done() -> None:
    check_views(["open"])
    check_views(["open", "closed"])
    with pytest.raises(InputError, match="open and fewer do not have the same items"):
        check_views(["open", "closed", "fewer"])


def test_other_items_or_methods_are_refused(tmp_path: Path) -> None:
    part = compared(tmp_path, "open", "often", "seldom")
    with pytest.raises(InputError, match="do not have the same items"):
        joined([part, compared(tmp_path, "fewer", "often", "seldom")])
    with pytest.raises(InputError, match="do not have the same methods"):
        joined([part, compared(tmp_path, "closed", "seldom", "often")])
