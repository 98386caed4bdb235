"""Nothing that a command reads is destroyed by what it writes, and nothing is lost in silence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

import ovbench
from ovbench.cli.app import app
from ovbench.cli.outputs import WRITTEN, check_outside
from ovbench.errors import InputError, visible

SAMPLE = Path(ovbench.__file__).parent / "sample"
WORDS_OF_WRITING = ("write", "draw a heat map", "fit such a file", "to write", "file, or -")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(SAMPLE / "careful.jsonl", tmp_path / "in.jsonl")
    shutil.copy(SAMPLE / "gold.jsonl", tmp_path / "g.jsonl")
    for name in ("s.jsonl", "a.json", "v.json", "x.toml", "y.toml", "p.wav", "one.pt"):
        (tmp_path / name).write_text(f"kept: {name}")
    (tmp_path / "link.jsonl").symlink_to("in.jsonl")
    os.link(tmp_path / "in.jsonl", tmp_path / "hard.jsonl")
    (tmp_path / "dangling").symlink_to("new.json")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ovbench", *arguments],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


DESTROYING = [
    "score in.jsonl --gold g.jsonl --json in.jsonl",
    "score in.jsonl --gold g.jsonl --json ./g.jsonl",
    "score in.jsonl --gold g.jsonl --json link.jsonl",
    "score link.jsonl --gold g.jsonl --json in.jsonl",
    "score in.jsonl --gold g.jsonl --json hard.jsonl",
    "score in.jsonl --gold g.jsonl --samples in.jsonl",
    "score in.jsonl --gold g.jsonl --against hard.jsonl --against s.jsonl --json s.jsonl",
    "score in.jsonl --gold g.jsonl --samples x --json x",
    "score in.jsonl --gold g.jsonl --samples new.json --json dangling",
    "score --from-samples s.jsonl --json s.jsonl",
    "eval --model x.toml --json x.toml",
    "eval --model x.toml,y.toml --json y.toml",
    "sweep --model x.toml --grid lora_r=1,2 --json t.json --markdown t.json",
    "sweep --model x.toml --grid lora_r=1,2 --plot x.toml",
    "train --model x.toml --json x.toml",
    "compare x.toml y.toml --markdown y.toml",
    "params --model x.toml --json x.toml",
    "leaderboard check a.json v.json --json v.json",
    "leaderboard record --predictions in.jsonl --task tinyov --system s --source s --out in.jsonl",
    "floors g.jsonl --json g.jsonl",
    "power in.jsonl --gold g.jsonl --json in.jsonl",
    "power --result a.json --json a.json",
    "normalize happy --synonyms sentence:a.json --json a.json",
    "describe p.wav --out p.wav",
    "describe p.wav --statistics s.jsonl --out s.jsonl",
    "describe p.wav --fit a.json --json a.json",
    "protocols show x.toml --json x.toml",
]


@pytest.mark.parametrize("line", DESTROYING)
def test_what_is_read_is_not_written_over(folder: Path, line: str) -> None:
    before = contents(folder)
    done = run(folder, *line.split())
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "would be written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert contents(folder) == before


@pytest.mark.parametrize("times", [1, 2])
def test_results_are_written_anew_as_ever(folder: Path, times: int) -> None:
    score = ["score", "in.jsonl", "--gold", "g.jsonl", "--draws", "0"]
    for _ in range(times):
        for arguments in (
            [*score, "--json", "result", "--samples", "table"],
            ["normalize", "fear", "--json", "fear"],
            [*score, "--json", "/dev/null", "--samples", "/dev/null"],
        ):
            done = run(folder, *arguments)
            assert done.returncode == 0, done.stderr


def test_every_option_that_names_a_file_to_write_is_checked() -> None:
    """By their helps: a new option that writes must be listed."""

    def walk(command: object) -> None:
        for one in getattr(command, "commands", {}).values():
            walk(one)
        for parameter in getattr(command, "params", ()):
            told = str(getattr(parameter, "help", None) or "").lower()
            if told.startswith(WORDS_OF_WRITING) and not parameter.is_flag:
                found.add(str(parameter.name))

    found: set[str] = set()
    root = get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    for name in root.list_commands(None):
        walk(root.commands[name])
    assert found <= WRITTEN
    assert found >= {"json", "samples", "out", "markdown", "plot", "fit"}


def test_an_export_spares_the_board(tmp_path: Path) -> None:
    board = tmp_path / "lb"
    (board / "measured").mkdir(parents=True)
    record = board / "measured" / "majority.json"
    record.write_text("{}")
    (tmp_path / "way").symlink_to(record)
    for target in (record, tmp_path / "way"):
        done = run(tmp_path, "leaderboard", "export", "--format", "csv", "--board", "lb",
                   "--out", str(target))  # fmt: skip
        assert done.returncode == 2
        assert "a file of lb" in done.stderr
    assert record.read_text() == "{}"
    check_outside(str(tmp_path / "lb.csv"), str(board))
    check_outside("-", str(board))


def test_the_root_is_no_folder_for_a_site(tmp_path: Path) -> None:
    board = Path(__file__).resolve().parents[2] / "leaderboards"
    done = run(tmp_path, "leaderboard", "build", "--board", str(board), "--out", "/")
    assert done.returncode == 2
    assert done.stderr.startswith("error: /: the root of the file system")


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    command = f'exec "{sys.executable}" -m ovbench {line}'
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.mark.skipif(os.name != "posix", reason="closes streams as a POSIX shell does")
def test_closed_streams(folder: Path) -> None:
    score = "score in.jsonl --gold g.jsonl --draws 0"
    done = shell(folder, f"{score} 2>&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert "signature" in done.stdout
    assert shell(folder, "score absent.jsonl --gold g.jsonl 2>&-").returncode == 2

    for form in ("", "--format csv", "--json -"):
        done = shell(folder, f"{score} {form} >&-")
        assert done.returncode == 1
        assert done.stderr.startswith("error: standard output is closed")
        assert done.stderr.count("\n") == 1
    assert shell(folder, f"{score} >&- 2>&-").returncode == 1
    assert shell(folder, "score absent.jsonl --gold g.jsonl >&-").returncode == 2

    # What goes to a file needs no standard output.
    done = shell(folder, "leaderboard record --predictions absent.jsonl --task tinyov "
                 "--system s --source s --out new.json >&-")  # fmt: skip
    assert done.returncode == 2


def test_a_file_name_forges_no_line(tmp_path: Path) -> None:
    name = "a\nerror: all is well\x1b[2J"
    done = run(tmp_path, "score", name, "--gold", str(SAMPLE / "gold.jsonl"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr
    assert "a\\nerror: all is well\\x1b[2J" in done.stderr


def test_only_ovbench_begins_lines_at_the_margin() -> None:
    assert visible("found\n  1. own\nforged\r\n\x07") == "found\n  1. own\n  forged\\r\n  \\x07"
    assert "\n" not in str(InputError("absent", where="a\nb\r"))


COMMANDS = [
    ["score"], ["eval"], ["train"], ["compare"], ["sweep"], ["describe"], ["las-report"],
    ["leak-test"], ["doctor"], ["leaderboard", "check"], ["tasks", "fetch"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_exit_codes_are_told_in_full(tmp_path: Path, command: list[str]) -> None:
    text = " ".join(run(tmp_path, *command, "--help").stdout.split())
    codes = text.partition("Exit codes: ")[2]
    assert codes.startswith("0 ")
    for code in (" 1 ", " 2 ", " 130 stopped"):
        assert code in codes
    assert "disk" in codes
