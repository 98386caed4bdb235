"""The commands as a user runs them: what they print, what they write, how they fail."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ovbench
from ovbench.protocols import load_protocol, protocol_ids
from ovbench.protocols.schema import PROTOCOL

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = Path(ovbench.__file__).parent / "sample"
GOLD, CAREFUL, CHATTY = (str(SAMPLE / f"{n}.jsonl") for n in ("gold", "careful", "chatty"))


def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ovbench", *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        check=False,
        cwd=REPOSITORY,
    )


def fails(*arguments: str, stdin: str | None = None) -> str:
    """The message of a command that is refused: one line, exit code 2, no traceback."""
    done = run(*arguments, stdin=stdin)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_readme_s_first_command_scores_the_sample() -> None:
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    line = next(line for line in readme.splitlines() if "--against" in line and "venv" in line)
    arguments = line.rpartition(".venv/bin/ovbench ")[2].split()
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    for part in ("f1", "95 % interval", "By wheel", "Floors", "Items", "Labels", "Paired",
                 "Largest disagreements", "signature: ew-open-1|"):  # fmt: skip
        assert part in done.stdout
    assert done.stderr == ""


def test_the_sample_s_odd_answers_are_told_apart() -> None:
    counts = json.loads(run("score", CHATTY, "--gold", GOLD, "--json", "-").stdout)["counts"]
    assert counts["gold"] == counts["scored"] == 60
    assert counts["empty"] == 3
    assert counts["unparsable"] == 2


def test_json_is_the_whole_result_and_alone_on_standard_output(tmp_path: Path) -> None:
    done = run("score", CAREFUL, "--gold", GOLD, "--json", "-")
    result = json.loads(done.stdout)
    assert result["schema_version"] == "ovbench.result/1"
    assert 0 < result["scores"]["f1"] <= 1
    assert set(result["floors"]["neutral"]) == set(result["scores"])
    assert result["by_wheel"]["wheel5"]["level2"]["recall"] is not None
    path = tmp_path / "result.json"
    done = run("score", CAREFUL, "--gold", GOLD, "--json", str(path))
    assert json.loads(path.read_text("utf-8")) == result
    assert "signature" in done.stdout


def test_the_same_input_gives_the_same_bytes() -> None:
    command = (
        "score",
        CAREFUL,
        "--gold",
        GOLD,
        "--against",
        CHATTY,
        "--json",
        "-",
        "--errors",
        "4",
    )
    first, second = (run(*command).stdout for _ in range(2))
    assert first == second


def test_text_formats() -> None:
    command = ("score", CAREFUL, "--gold", GOLD, "--draws", "0", "--format")
    markdown = run(*command, "markdown").stdout
    assert re.search(r"^\| f1 \| \d\d\.\d\d \|$", markdown, re.MULTILINE)
    latex = run(*command, "latex").stdout
    assert latex.count(r"\toprule") == latex.count(r"\bottomrule") > 3
    assert "best\\_constant" in latex
    rows = list(csv.reader(io.StringIO(run(*command, "csv").stdout)))
    assert [row[1] for row in rows[1:3]] == ["f1", "precision"]


def test_standard_input() -> None:
    text = Path(CAREFUL).read_text("utf-8")
    piped = run("score", "-", "--gold", GOLD, "--json", "-", "--draws", "0", stdin=text)
    named = run("score", CAREFUL, "--gold", GOLD, "--json", "-", "--draws", "0")
    assert json.loads(piped.stdout)["scores"] == json.loads(named.stdout)["scores"]


def test_samples_on_the_command_line(tmp_path: Path) -> None:
    kept = str(tmp_path / "s.jsonl")
    first = run("score", CAREFUL, "--gold", GOLD, "--samples", kept, "--json", "-")
    again = run("score", "--from-samples", kept, "--json", "-")
    assert json.loads(again.stdout)["intervals"] == json.loads(first.stdout)["intervals"]
    assert "--from-samples" in fails("score", CAREFUL, "--from-samples", kept)


def test_normalize() -> None:
    labels = ("slightly nervous excitement", "not happy", "depressed")
    done = run("normalize", *labels)
    assert done.returncode == 0
    for label in labels:
        assert label in done.stdout
    record = json.loads(run("normalize", *labels, "--json", "-").stdout)
    rings = {entry["label"]: entry["rings"] for entry in record["labels"]}
    assert rings["depressed"]["wheel1/level1"]["cluster"] == "sad"
    assert rings["not happy"]["wheel1/level1"]["cluster"] != "happy"
    assert "level9" in fails("normalize", "sad", "--level", "level9")


def test_protocols_as_json() -> None:
    listed = json.loads(run("protocols", "--json", "-").stdout)["protocols"]
    shown = json.loads(run("protocols", "show", "hit-open-1", "--json", "-").stdout)
    assert [one["id"] for one in listed] == list(protocol_ids())
    assert shown in listed
    assert PROTOCOL.validate_python(shown) == load_protocol("hit-open-1")


def test_protocols_floors_power_schema() -> None:
    assert "ew-affectgpt-2025" in run("protocols").stdout
    card = run("protocols", "show", "hit-affectgpt-2025").stdout
    for part in ("Definition", "Formula", "Edge rules", "Used by", "Known flaws"):
        assert part in card
    floors = json.loads(run("floors", GOLD, "--json", "-").stdout)
    assert floors["floors"]["all_labels"]["recall"] == 1.0
    power = json.loads(
        run("power", "--standard-error", "0.0244", "--items", "332", "--difference", "0.02",
            "--json", "-").stdout
    )  # fmt: skip
    assert power["detectable"] == pytest.approx(0.0684, abs=1e-4)
    assert power["items_needed"] == pytest.approx(3879, abs=5)
    measured = run("power", CAREFUL, CHATTY, "--gold", GOLD)
    assert "smallest detectable difference" in measured.stdout
    schema = json.loads(run("schema").stdout)
    published = REPOSITORY / "docs" / "reference" / "result.schema.json"
    assert schema == json.loads(published.read_text("utf-8"))


def test_tables(shared_data: Path) -> None:
    assert "none is stored yet" in run("tables").stdout
    message = fails("score", CAREFUL, "--gold", GOLD, "-p", "ew-affectgpt-2025")
    assert "ovbench tables add" in message
    for name in ("affectgpt-2025", "mer2026"):
        assert name in run("tables", "add", str(shared_data / "emotion_wheel" / name)).stdout
    changed = run("tables", "diff", "affectgpt-2025", "mer2026").stdout
    assert re.search(r"fear +wheel3 +level1 +joyful +scared", changed)
    assert "did you mean" in fails("tables", "diff", "affectgpt-2025", "mer2025")


BROKEN = {
    "no file": ("absent.jsonl", None, "absent.jsonl"),
    "not json": ("x.jsonl", '{"id": "a", "prediction": "sad"}\n{oops\n', "line 2"),
    "no label column": ("x.csv", "id,colour\na,red\n", "--label-column"),
    "ragged": ("x.csv", "id,prediction\na,sad,happy\n", "line 2"),
    "empty": ("x.jsonl", "", "empty"),
    "not utf-8": ("x.csv", b"id,prediction\na,caf\xe9\n", "UTF-8"),
    "other ids": ("x.csv", "id,prediction\na,sad\n", "clip_001"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_predictions_get_one_clear_message(tmp_path: Path, case: str) -> None:
    name, content, told = BROKEN[case]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert told in fails("score", str(path), "--gold", GOLD)


def test_refusals() -> None:
    assert "expected ovbench score PRED --gold GOLD" in fails("score", CAREFUL)
    assert "did you mean" in fails("score", CAREFUL, "--gold", GOLD, "-p", "ew-opne-1")
    assert "'dialog'" in fails("score", CAREFUL, "--gold", GOLD, "--cluster-by", "dialog")
    unwritable = fails("score", CAREFUL, "--gold", GOLD, "--json", "/nonexistent/x.json")
    assert "/nonexistent" in unwritable
    assert "--groups" in fails("score", CAREFUL, "--gold", GOLD, "-p", "group-mer2024")
    assert "--items" in fails("power", "--standard-error", "0.02")
    known = ("power", "--standard-error", "0.02", "--items", "332")
    assert "--gold does not go with --standard-error" in fails(*known, "--gold", "absent.csv")
    assert "PRED does not go with --standard-error" in fails(*known, "absent.csv")


def test_a_hostile_file_does_not_run(tmp_path: Path) -> None:
    import numpy as np

    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            import os

            return os.system, (f"touch {marker}",)

    items = np.array([Payload()], dtype=object)
    path = tmp_path / "x-openset.npz"
    np.savez(path, filenames=np.array(["clip_001"]), fileitems=items)
    assert "system" in fails("score", str(path), "--gold", GOLD)
    assert not marker.exists()
