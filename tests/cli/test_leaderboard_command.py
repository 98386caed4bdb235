"""``ovbench leaderboard`` and ``ovbench schema``, as a user runs them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from ovbench.board.submission import read_submission
from ovbench.cli.app import app
from ovbench.errors import OvbenchError
from ovbench.tasks import load_task

REPOSITORY = Path(__file__).resolve().parents[2]
REAL = REPOSITORY / "leaderboards" / "measured" / "majority.json"
COPIED = REPOSITORY / "leaderboards" / "published" / "lora-las.jsonl"


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    """Standard output and standard error of a command, in this process."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        try:
            app(list(map(str, arguments)))
        except SystemExit as ended:
            found = ended.code or 0
        except OvbenchError as error:  # as main() prints it
            errors.write(f"error: {error}\n")
            found = error.exit_code
    assert found == code, errors.getvalue()
    return out.getvalue(), errors.getvalue()


def process(*arguments: object, cwd: Path) -> None:
    command = [sys.executable, "-m", "ovbench", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, cwd=cwd)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission that a user makes from a run."""
    folder = tmp_path_factory.mktemp("mine")
    process("eval", "--model", "majority", "--draws", 100, "-o", folder / "runs", cwd=folder)
    process(
        "leaderboard", "record", "runs/majority/tinyov", "--out", "mine.json", "--note", "a test",
        cwd=folder,
    )  # fmt: skip
    return folder / "mine.json"


def test_from_a_run_to_a_board(mine: Path, tmp_path: Path) -> None:
    records = read_submission(mine)
    assert [record.protocol for record in records] == ["ew-open-1", "hit-open-1"]
    assert records[0].origin.note == "a test"
    assert str(mine.parent) not in mine.read_text("utf-8")
    printed, _ = run("leaderboard", "check", mine)
    assert printed.count("recomputed") == 2
    board = tmp_path / "board"
    added, _ = run("leaderboard", "add", mine, COPIED, "--board", board)
    assert added.split() == [
        str(board / "measured" / "mine.json"),
        str(board / "published" / "lora-las.jsonl"),
    ]
    _, told = run("leaderboard", "add", mine, "--board", board, code=2)
    assert "already" in told
    tables, _ = run("leaderboard", "export", "--board", board)
    assert "tinyov-test-ew-open-1" in tables
    latex, _ = run("leaderboard", "export", "tinyov-test-ew", "-f", "latex", "--board", board)
    assert "\\toprule" in latex
    assert "majority" in latex
    _, told = run("leaderboard", "export", "tinyo-test-ew", "--board", board, code=2)
    assert "did you mean 'tinyov-test-ew" in told


def test_check_names_what_is_wrong_and_in_which_file(mine: Path, tmp_path: Path) -> None:
    wrong, broken = tmp_path / "wrong.json", tmp_path / "broken.json"
    body = json.loads(mine.read_text("utf-8"))
    body["records"][1]["scores"]["hit_rate"]["value"] = 0.99
    wrong.write_text(json.dumps(body), "utf-8")
    broken.write_text("{", "utf-8")
    printed, told = run("leaderboard", "check", mine, wrong, broken, code=2)
    assert printed.count("refused") == 1
    (first, second, third) = told.splitlines()
    assert first == "error: 2 submissions: 2 problems:"
    assert f"{wrong}: record 2 (majority on tinyov, hit-open-1): scores.hit_rate: 0.99" in second
    assert f"{broken}: line 1: not JSON" in third
    printed, _ = run("leaderboard", "check", wrong, "--json", "-", code=2)
    found = json.loads(printed)["files"][0]
    assert [record["outcome"] for record in found["records"]] == ["recomputed", "recomputed"]
    assert [len(record["problems"]) for record in found["records"]] == [0, 1]


def test_what_cannot_be_recomputed_is_told_and_refused_if_asked(mine: Path, tmp_path: Path) -> None:
    body = json.loads(mine.read_text("utf-8"))["records"][0]
    del body["predictions"]
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(body), "utf-8")
    printed, told = run("leaderboard", "check", bare)
    assert "not recomputed" in printed
    assert told.startswith(f"warning: {bare}: 1 record was not recomputed: no predictions")
    _, told = run("leaderboard", "check", bare, "--strict", code=2)
    assert told.startswith(f"error: {bare}: 1 record was not recomputed")
    run("leaderboard", "check", COPIED, "--strict")


def test_predictions_made_elsewhere(tmp_path: Path) -> None:
    rows = [{"id": f"test_{number:04}", "prediction": ["sad"]} for number in range(332)]
    path = tmp_path / "preds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    given = ("leaderboard", "record", "--predictions", path, "--task", "tinyov", "--draws", 50)
    out = tmp_path / "out.json"
    run(
        *given, "--system", "Mine", "--source", "https://example.org", "--selection", "test-best",
        "--setting", "modality=A,T", "--out", out,
    )  # fmt: skip
    record = read_submission(out)[0]
    assert record.origin.kind == "recomputed"
    assert record.system.setting == {"modality": "A,T"}
    printed, _ = run("leaderboard", "check", out)
    assert "chosen on test" in printed
    for arguments, message in (
        ((*given, "--source", "x"), "--system is missing"),
        ((*given, "--system", "x"), "--source is missing"),
        ((*given, "--system", "x", "--source", "y", "--setting", "z"), "--setting z"),
        (("leaderboard", "record"), "neither runs nor predictions"),
        (("leaderboard", "record", "a", *given[2:]), "both are given"),
        (("leaderboard", "record", tmp_path), "this is no run"),
        (("leaderboard", "record", tmp_path, "--oracle"), "--oracle does not go with folders"),
        (("leaderboard", "record", tmp_path, "--setting", "a=b"), "--setting does not go with"),
    ):
        _, told = run(*arguments, code=2)
        assert told.startswith("error: ")
        assert message in told
        assert len(told.splitlines()) == 1
    _, told = run(
        "leaderboard", "record", "--predictions", path, "--task", "tinyof", "--system", "x",
        "--source", "y", code=2,
    )  # fmt: skip
    assert "did you mean 'tinyov'" in told


def test_an_export_is_written_or_refused(tmp_path: Path) -> None:
    board, out = tmp_path / "board", tmp_path / "table.txt"
    run("leaderboard", "add", COPIED, "--board", board)
    for what in ((), ("ov-merd",)):
        given = ("leaderboard", "export", *what, "--board", board, "--out", out)
        _, told = run(*given, code=2)
        assert "the format table is for the terminal" in told
        assert not out.exists()
    run("leaderboard", "export", "--format", "csv", "--board", board, "--out", out)
    assert out.read_text("utf-8").startswith("section,table,task,split,protocol,systems,items\n")


def test_tasks_that_do_not_ship_are_ranked_where_the_data_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, board, mine = tmp_path / "data", tmp_path / "board", tmp_path / "mine.json"
    moods = ("neutral", "joy", "sadness", "anger")
    meld = data / "MELD"
    meld.mkdir(parents=True)
    lines = ["Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID"]
    lines += [f"{n},Hi,A,{moods[n % 4]},neutral,{n},0" for n in range(2610)]
    (meld / "test_sent_emo.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (tmp_path / "preds.jsonl").write_text(
        "".join(
            json.dumps({"id": item, "prediction": "happy"}) + "\n"
            for item in load_task("meld", data=data).gold
        ),
        "utf-8",
    )
    monkeypatch.setenv("OVBENCH_DATA", str(data))
    run(
        "leaderboard", "record", "--predictions", tmp_path / "preds.jsonl", "--task", "meld",
        "--draws", 0, "--system", "x", "--source", "y", "--out", mine,
    )  # fmt: skip
    run("leaderboard", "add", mine, "--board", board)
    monkeypatch.setenv("OVBENCH_DATA", str(tmp_path / "nowhere"))
    export = ("leaderboard", "export", "meld-test-hit", "-f", "csv", "--board", board)
    printed, _ = run(*export)
    assert "not ranked: its answers could not be scored here" in printed
    monkeypatch.setenv("OVBENCH_DATA", str(tmp_path / "nowhere"))  # put back after the test
    printed, _ = run(*export, "--data", data)
    assert "not ranked" not in printed
    monkeypatch.setenv("OVBENCH_DATA", str(tmp_path / "nowhere"))
    site = tmp_path / "site"
    run("leaderboard", "build", "--board", board, "--out", site, "--data", data)
    (page,) = (site / "tables").glob("meld-test-hit*.html")
    assert 'data-ranked="1"' in page.read_text("utf-8")


def test_checking_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from ovbench.board.check import check_submission\n"
        f"assert check_submission({str(REAL)!r}).problems == ()\n"
        "from ovbench.cli import app\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", ["result", "record", "submission"])
def test_the_published_schemas_are_current(kind: str) -> None:
    published = REPOSITORY / "docs" / "reference" / f"{kind}.schema.json"
    printed, _ = run("schema", kind)
    assert printed == published.read_text("utf-8")


def test_every_help_has_an_example() -> None:
    for command in ((), ("check",), ("add",), ("record",), ("build",), ("export",)):
        printed, _ = run("leaderboard", *command, "--help")
        assert "Example" in printed
