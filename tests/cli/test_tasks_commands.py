"""``ovbench tasks`` and ``ovbench doctor``, and tasks as gold, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ovbench
from ovbench.cli.app import app
from ovbench.errors import InputError
from ovbench.tasks import load_task, task_ids
from ovbench.tasks.card import cards

SAMPLE = Path(ovbench.__file__).parent / "sample"
MELD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime\n"
    '1,"Well, hello.",Ann,joy,positive,0,0,1,1,"00:00:01,000","00:00:02,000"\n'
    '2,No.,Ben,anger,negative,0,1,1,1,"00:00:02,000","00:00:03,000"\n'
)


def run(
    *arguments: str, code: int = 0, data: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "OVBENCH_DATA"}
    if data is not None:
        environment["OVBENCH_DATA"] = str(data)
    done = subprocess.run(
        [sys.executable, "-m", "ovbench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def refused(*arguments: str) -> str:
    """The message of a command that is refused, in this process."""
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, InputError), done.output
    assert done.stdout == ""
    return str(done.exception)


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is what ``--data`` sets left behind."""
    monkeypatch.setenv("OVBENCH_DATA", "")


@pytest.fixture
def small_meld(tmp_path: Path) -> Path:
    """A data folder whose MELD has two turns in place of 2,610."""
    folder = tmp_path / "data" / "MELD"
    folder.mkdir(parents=True)
    (folder / "test_sent_emo.csv").write_text(MELD, "utf-8")
    return folder.parent


def test_tasks_are_listed_with_what_is_here(small_meld: Path) -> None:
    printed = run("tasks", "--data", str(small_meld)).stdout
    for name in task_ids():
        assert name in printed
    told = json.loads(run("tasks", "--json", "-", data=small_meld).stdout)["tasks"]
    here = {task["id"]: task["here"] for task in told}
    assert here["meld"]
    assert here["tinyov"]
    assert not here["cmu-mosi"]
    by_id = {task["id"]: task for task in told}
    assert by_id["meld"]["splits"] == {"train": "train", "dev": "dev", "test": "test"}
    assert by_id["meld"]["items"] == 2610
    assert by_id["tinyov-sentiment"]["answers"] == "sentiment"


@pytest.mark.parametrize("name", sorted({*cards(), *task_ids()}))
def test_every_card_can_be_shown(name: str) -> None:
    """In this process: forty of them."""
    from ovbench.report.render import FORMATS
    from ovbench.report.tasks import card_json, task_card
    from ovbench.tasks.card import card_named

    card = card_named(name)
    shown = FORMATS["csv"](task_card(card))
    for part in (card.id, card.licence, *card.views, *card.labels):
        assert part in shown
    assert json.loads(card_json(card))["id"] == card.id


def test_a_card_on_the_command_line() -> None:
    printed = run("tasks", "show", "meld-sentiment").stdout
    for part in ("licence", "access", "GPL-3.0", "Poria", "2610", "joy", "Traps", "fetch meld"):
        assert part in printed
    assert json.loads(run("tasks", "show", "meld", "--json", "-").stdout)["id"] == "meld"


def test_the_doctor_s_exit_code_says_whether_anything_is_wrong(
    small_meld: Path, tmp_path: Path
) -> None:
    wrong = run("doctor", "--data", str(small_meld), "--json", str(tmp_path / "d.json"), code=1)
    assert "2 items in place of 2610" in wrong.stdout
    assert "test 2 ≠ 2610" in wrong.stdout
    told = json.loads((tmp_path / "d.json").read_text("utf-8"))
    assert told["wrong"] is True
    assert told["data"] == str(small_meld)
    found = {one["id"]: one for one in told["data_sets"]}
    assert found["meld"]["state"] == "partly"
    assert found["cmu-mosi"]["state"] == "missing"
    right = run("doctor", "tinyov", "cmu-mosi", "--data", str(small_meld))
    assert "how to get them" in right.stdout
    assert "MELD" not in right.stdout


def test_the_doctor_without_a_data_folder() -> None:
    done = run("doctor")
    assert "no data folder is named: use --data DIR" in done.stdout


def test_the_doctor_finds_the_real_files(shared_data: Path) -> None:
    printed = run("doctor", "--data", str(shared_data)).stdout
    for part in ("test 2610", "test 686", "test 332"):
        assert part in printed


def test_what_is_asked_wrongly(tmp_path: Path) -> None:
    assert "did you mean 'meld'" in refused("doctor", "mled")
    assert "did you mean 'tinyov'" in refused("tasks", "show", "tinyv")
    assert "--data: " in refused("doctor", "--data", str(tmp_path / "none"))
    assert "'' is no folder" in refused("tasks", "--data", "")
    assert "none of its files may be fetched" in refused(
        "tasks", "fetch", "ov-merd", "--into", str(tmp_path)
    )
    assert "List them with: ovbench tasks" in refused("score", "x", "--task", "nothing")
    assert "a gold file and a --task" in refused("score", "x", "--task", "tinyov", "--gold", "y")
    assert "no data folder is named" in refused("score", "x", "--task", "meld")
    assert "unknown split of tinyov 'tset' (did you mean 'test'" in refused(
        "floors", "--task", "tinyov", "--split", "tset"
    )


def test_wrong_counts_stop_scoring_and_name_the_doctor(small_meld: Path) -> None:
    message = refused("score", "x", "--task", "meld", "--data", str(small_meld))
    assert "task meld, test: 2 items were read; expected 2610" in message
    assert "ovbench doctor" in message


def write_gold(path: Path, task: str, split: str | None = None) -> Path:
    gold = load_task(task, split).gold_source()
    rows = [json.dumps({"id": name, "labels": cell}) for name, cell in gold.items()]
    path.write_text("\n".join(rows), "utf-8")
    return path


@pytest.mark.parametrize("split", [None, "dev"])
def test_a_task_as_gold_gives_the_bytes_of_its_gold_file(tmp_path: Path, split: str | None) -> None:
    gold = write_gold(tmp_path / "gold.jsonl", "tinyov", split)
    rows = [
        {"id": one.id, "labels": [*one.transcript.split()[:2], "glad"]}
        for one in load_task("tinyov", split).items
    ]
    predictions = tmp_path / "p.jsonl"
    predictions.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    chosen = ["--split", split] if split else []
    common = ("score", str(predictions), "--draws", "200", "--json", "-")
    by_task = run(*common, "--task", "tinyov", *chosen).stdout
    by_file = run(*common, "--gold", str(gold)).stdout
    told = json.loads(by_task)
    assert told["gold"] == f"tinyov/{split or 'test'}"
    notes = load_task("tinyov", split).notes
    assert told["warnings"][-len(notes) :] == list(notes)
    # Apart from the name of the gold and the task's notes, the same text.
    told["gold"] = str(gold)
    told["warnings"] = told["warnings"][: -len(notes)]
    assert json.dumps(told) == json.dumps(json.loads(by_file))


def test_floors_and_power_take_a_task(tmp_path: Path) -> None:
    gold = write_gold(tmp_path / "gold.jsonl", "tinyov-6class")
    by_task = json.loads(run("floors", "--task", "tinyov-6class", "--json", "-").stdout)
    by_file = json.loads(run("floors", str(gold), "-p", "hit-open-1", "--json", "-").stdout)
    assert by_task.pop("gold") == "tinyov-6class/test"
    by_file.pop("gold")
    assert by_task == by_file
    planned = json.loads(run("power", str(gold), "--task", "tinyov-6class", "--json", "-").stdout)
    assert planned["items"] == 332


def test_bad_calls_of_floors_and_power() -> None:
    assert "no gold is given" in refused("floors")
    assert "--task ID" in refused("power", str(SAMPLE / "careful.jsonl"))


@pytest.mark.parametrize(
    "command",
    [
        ("score", "x"),
        ("floors", "x"),
        ("power", "x"),
        ("eval", "--model", "frequent-k"),
        ("train", "--model", "lora-las-r4"),
        ("compare", "frequent-k", "random"),
        ("las-report", "runs/x"),
        ("leak-test", "runs/x"),
    ],
)
def test_the_data_folder_of_every_command(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is none is refused before any work."""
    monkeypatch.setenv("OVBENCH_DATA", "before")
    done = CliRunner().invoke(app, [*command, "--data", str(tmp_path / "none")])
    assert isinstance(done.exception, InputError)
    assert "is no folder" in str(done.exception)
    assert os.environ["OVBENCH_DATA"] == "before"


def test_the_data_folder_is_told_to_children_wherever_they_run(
    small_meld: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVBENCH_DATA", "before")
    monkeypatch.chdir(small_meld.parent)
    done = CliRunner().invoke(app, ["tasks", "--data", "data"])
    assert done.exit_code == 0
    assert os.environ["OVBENCH_DATA"] == str(small_meld)


def test_many_folds_and_many_findings_are_kept_short() -> None:
    from ovbench.report.tasks import doctor_json, doctor_sections
    from ovbench.tasks.doctor import Report, SplitCount
    from ovbench.tasks.finding import Finding

    folds = tuple(
        SplitCount("big", f"fold{n}", "test", 7 if n == 3 else 8, 8, {}) for n in range(12)
    )
    few = tuple(SplitCount("small", name, "test", None, None, {}) for name in ("dev", "test"))
    notes = tuple(Finding("note", f"note {n}") for n in range(30))
    findings = (*notes, Finding("ok", "fine"), Finding("wrong", "broken"))
    report = Report("set", "Set", "Ask", "partly", (), (), (*folds, *few), findings)
    table, found = doctor_sections([report], "data")
    assert table.rows[0][2] == "big: 12 splits, of them: fold3 7 ≠ 8\nsmall: dev –, test –"
    assert table.rows[0][3:] == ("1", "30")
    assert found.rows[0] == ("wrong", "broken")
    assert len(found.rows) == 20
    assert found.notes == ("11 more are in the report that --json writes",)
    told = json.loads(doctor_json([report], "data"))
    assert len(told["data_sets"][0]["findings"]) == 32
