"""The command line starts quickly and says what it can do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ovbench.cli.app import hyphenated

HEAVY = {
    "numpy", "polars", "nltk", "wn", "torch", "transformers", "pydantic", "scipy", "sklearn",
    "sentence_transformers", "python_calamine", "peft", "accelerate", "altair",
}  # fmt: skip
COMMANDS = [
    [], ["score"], ["normalize"], ["floors"], ["power"], ["schema"], ["protocols"],
    ["eval"], ["train"], ["compare"], ["las-report"], ["leak-test"], ["params"],
    ["list"], ["list", "models"], ["show"], ["show", "model"],
    ["protocols", "show"], ["tables"], ["tables", "add"], ["tables", "diff"],
]  # fmt: skip


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ovbench", *arguments], capture_output=True, text=True, check=False
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom ovbench.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split("MODULES", 1)[1].split()}
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_import_ovbench_imports_nothing_heavy() -> None:
    code = "import sys, ovbench; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name.split(".")[0] for name in done.stdout.split()} & HEAVY


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    if command:
        assert "Example" in done.stdout


def test_a_misspelt_command_gets_a_suggestion() -> None:
    done = run("scor")
    assert done.returncode == 2
    assert "score" in done.stderr


def test_version() -> None:
    import ovbench

    assert run("--version").stdout.strip() == f"ovbench {ovbench.__version__}"


def test_underscores_and_hyphens_are_alike() -> None:
    given = ["score", "a_b.jsonl", "--on_missing=a_b", "--gold", "x_y", "--", "-"]
    assert hyphenated(given) == [
        "score",
        "a_b.jsonl",
        "--on-missing=a_b",
        "--gold",
        "x_y",
        "--",
        "-",
    ]


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m ovbench schema | head -c 10"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
