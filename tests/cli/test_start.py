"""The command line starts quickly and says what it can do."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import ovbench
import ovbench.__main__
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
SAMPLE = Path(ovbench.__file__).parent / "sample"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ovbench", *arguments], capture_output=True, text=True, check=False
    )


def modules(*arguments: str) -> set[str]:
    """What a command has imported when it ends."""
    code = (
        "import sys\nfrom ovbench.cli.app import app\n"
        f"try: app({list(arguments)!r})\nexcept SystemExit: pass\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split("MODULES", 1)[1].split())


def ours(names: set[str]) -> list[str]:
    return [name for name in names if name.partition(".")[0] == "ovbench"]


def test_help_imports_nothing_heavy() -> None:
    found = modules("--help")
    assert "typer" in found
    assert not {name.partition(".")[0] for name in found} & HEAVY
    assert len(ours(found)) <= 31


def test_a_score_imports_what_it_needs() -> None:
    # Most of a short command's time is imports: 82 modules of ours, some 500 in all.
    found = modules(
        *("score", str(SAMPLE / "careful.jsonl"), "--gold", str(SAMPLE / "gold.jsonl")), "--draws=9"
    )
    assert "ovbench.scoring.wheels" in found
    assert len(ours(found)) <= 82
    assert len(found) <= 520
    assert not found & {
        *("polars", "torch", "backports.zstd", "ovbench.tasks.card", "ovbench.cli.train"),
        *(
            "numpy.ma",
            "ovbench.scoring.stream",
            "ovbench.scoring.compare",
            "ovbench.normalize.synonym_groups",
            "concurrent.futures",
            "logging",
        ),
    }


def test_garbage_is_collected_while_work_is_done() -> None:
    code = """
import gc, sys, ovbench.scoring

def seen(*args, **options):
    print(gc.isenabled(), gc.get_freeze_count() > 10_000)
    sys.exit(0)

ovbench.scoring.score_files = seen
from ovbench.__main__ import main
sys.argv = ["ovbench", "score", "a.jsonl", "--gold", "b.jsonl"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux does")
@pytest.mark.parametrize("said", [None, "2"])
def test_a_score_loads_numpy_without_threads_of_its_own(said: str | None) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    if said is not None:
        environment["OPENBLAS_NUM_THREADS"] = said

    def threads_after(load: str) -> str:
        code = (
            f"import os\n{load}\nprint(len(os.listdir('/proc/self/task')),"
            " os.environ.get('OPENBLAS_NUM_THREADS'))"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return done.stdout.strip()

    normal = threads_after("import numpy")
    found = threads_after("from ovbench.cli.starting import load_numpy; load_numpy()")
    # What is started from here inherits nothing.
    assert found == (normal if said else "1 None")


def test_the_command_starts_as_the_module_does() -> None:
    (command,) = entry_points(group="console_scripts", name="ovbench")
    assert command.load() is ovbench.__main__.command


def ended(before: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, which runs ``before`` first."""
    code = f"import sys\n{before}\nsys.argv = {['ovbench', *arguments]!r}\n" + (
        "from ovbench.__main__ import command\ncommand()"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


ASKED = "import atexit; atexit.register(print, 'told of the end')"
FREED = "class Big:\n    def __del__(self): print('taken apart')\nbig = Big()"


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--version"], 0), (["schema", "nothing"], 2), ([], 2)]
)
def test_a_command_ends_at_once_and_tells_who_asked(arguments: list[str], code: int) -> None:
    done = ended(f"{ASKED}\n{FREED}", *arguments)
    assert done.returncode == code
    assert done.stdout.endswith("told of the end\n")
    assert "taken apart" not in done.stdout


def test_a_thread_at_work_is_waited_for() -> None:
    work = "import threading, time\ndef work():\n    time.sleep(2)\n    print('done')"
    done = ended(f"{FREED}\n{work}\nthreading.Thread(target=work).start()", "--version")
    assert done.returncode == 0
    assert "done\n" in done.stdout
    assert "taken apart" in done.stdout


def test_a_profiler_has_its_say() -> None:
    command = [sys.executable, "-m", "cProfile", "-m", "ovbench", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "function calls" in done.stdout


def test_closed_streams_need_no_end() -> None:
    code = "import sys\nsys.stdout = sys.stderr = None\nimport ovbench.cli.ending as e\ne.end(3)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_what_cannot_be_written_at_the_end_is_told() -> None:
    code = "import sys, ovbench.cli.ending as ending\nsys.stdout.write('lost')\nending.end(0)"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert "No space left on device" in done.stderr


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
