"""Mutation testing of ovbench.metrics: a change that alters a score must not pass tests/metrics.

    python scripts/mutation.py [--folder FOLDER] [MODULE ...]

mutmut changes the package in every small way it knows (a sign, a constant, an argument left out),
one change at a time, and runs the tests that reach the changed function. A change that no test
notices survives. Survivors pass if they only alter the text of an error, or if they are listed in
tests/metrics/equivalent_mutants.toml with the reason why no score can change; any other one, and
any listed one that is not among the survivors, makes this fail.

Takes about an hour on one core; with --folder the work is kept there and taken up again.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from difflib import ndiff
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
LISTED = REPOSITORY / "tests" / "metrics" / "equivalent_mutants.toml"
UNNOTICED = (0, 5, 33, None)
"""Exit codes of a mutant that passed its tests, had none, or was not tried."""
TOO_SLOW = (24, 36, 152, 255, -24)
"""Those of one that took ten times as long as the tests do: noticed, unless it is listed."""
SETTINGS = """\
[mutmut]
source_paths=
  ovbench
only_mutate=
  ovbench/metrics/*.py
also_copy=
  tests
pytest_add_cli_args=
  -q
  -pno:cacheprovider
  -pno:xdist
  --tb=no
  --assert=plain
  --hypothesis-profile=mutation
pytest_add_cli_args_test_selection=
  tests/metrics
timeout_multiplier=10
timeout_constant=10
use_git_change_detection=false
"""


def may_be_emptied(folder: Path) -> bool:
    """Whether there is nothing in it, or what this script put there."""
    settings = folder / "setup.cfg"
    if settings.is_file():
        return settings.read_text(encoding="utf-8").startswith(SETTINGS.partition("\n")[0])
    return not folder.exists() or not any(folder.iterdir())


def lay_out(folder: Path) -> None:
    """Copy what the tests need; what did not change keeps its time, and so its results."""
    skipped = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("ovbench", "tests"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(REPOSITORY / name, folder / name, ignore=skipped)
    shutil.copy2(REPOSITORY / "pyproject.toml", folder)
    (folder / "setup.cfg").write_text(SETTINGS, encoding="utf-8")
    if (before := folder / "mutants" / "ovbench").is_dir():
        # mutmut renews what it mutates alone
        others = shutil.ignore_patterns("__pycache__", ".*", "metrics")
        shutil.copytree(folder / "ovbench", before, ignore=others, dirs_exist_ok=True)
    # Which tests reach which function: mutmut adds new tests to it, but not new functions.
    (folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)


def forget_survivors(folder: Path) -> None:
    """Have mutants tried again that survived without a reason: there may be new tests."""
    again = {name for name, change in mutants(folder, []) if change not in listed()}
    for results in (folder / "mutants/ovbench/metrics").glob("*.py.meta"):
        found = json.loads(results.read_text(encoding="utf-8"))
        codes = found["exit_code_by_key"]
        found["exit_code_by_key"] = {k: None if k in again else c for k, c in codes.items()}
        results.write_text(json.dumps(found), encoding="utf-8")


def try_mutants(folder: Path, modules: list[str]) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    chosen = [f"ovbench.metrics.{module}.*" for module in modules]
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *chosen]
    subprocess.run(command, cwd=folder, env=environment, check=True)


def functions(source: Path) -> dict[str, ast.FunctionDef]:
    """The functions and methods of a module by name."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    inner = [part for part in tree.body if isinstance(part, ast.ClassDef)]
    every = [*tree.body, *(part for group in inner for part in group.body)]
    return {part.name: part for part in every if isinstance(part, ast.FunctionDef)}


class _WithoutMessages(ast.NodeTransformer):
    """Leaves which errors are raised where, and takes away what they say."""

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(called)


def _lines(function: ast.FunctionDef, messages: bool) -> list[str]:
    clone = ast.parse(ast.unparse(function))
    clone.body[0].name = "f"  # type: ignore[attr-defined]
    return ast.unparse(clone if messages else _WithoutMessages().visit(clone)).splitlines()


def mutants(
    folder: Path, modules: list[str], wanted: tuple[int | None, ...] = UNNOTICED
) -> Iterator[tuple[str, str]]:
    """Of each mutant of these exit codes, its name and ``module.function: before => after``."""
    for results in sorted((folder / "mutants/ovbench/metrics").glob("*.py.meta")):
        module = results.name.removesuffix(".py.meta")
        if modules and module not in modules:
            continue
        codes = json.loads(results.read_text(encoding="utf-8"))["exit_code_by_key"]
        found = functions(results.with_suffix("")) if codes else {}
        for name, code in codes.items():
            if code not in wanted:
                continue
            mangled = name.rpartition(".")[2]
            plain = mangled.rpartition("__mutmut_")[0]
            original, mutant = found[f"{plain}__mutmut_orig"], found[mangled]
            if _lines(original, False) == _lines(mutant, False):
                continue
            compared = [*ndiff(_lines(original, True), _lines(mutant, True))]
            before = " ".join(line[2:].strip() for line in compared if line[:1] == "-")
            after = " ".join(line[2:].strip() for line in compared if line[:1] == "+")
            function = plain.removeprefix("x").strip("_ǁ").replace("ǁ", ".")
            yield name, f"{module}.{function}: {before} => {after}"


def listed() -> set[str]:
    """The changes that are known to alter no score."""
    reasons = tomllib.loads(LISTED.read_text(encoding="utf-8"))["equivalent"]
    return {change for reason in reasons for change in reason["mutants"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--folder", type=Path, help="work here, and go on with what is there; default: a new one"
    )
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="such as 'rings'; default: all of the package"
    )
    asked = parser.parse_args()
    known = {path.stem for path in (REPOSITORY / "ovbench" / "metrics").glob("[!_]*.py")}
    if unknown := set(asked.modules) - known:
        parser.error(f"{', '.join(sorted(unknown))}: known are {', '.join(sorted(known))}")
    if asked.folder and not may_be_emptied(asked.folder):
        parser.error(f"{asked.folder} has files that are not this script's; name another folder")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        lay_out(folder)
        forget_survivors(folder)
        try_mutants(folder, asked.modules)
        found = {change: name for name, change in mutants(folder, asked.modules)}
        slow = {change for _, change in mutants(folder, asked.modules, TOO_SLOW)}
    harmless = {
        change for change in listed() if not asked.modules or change.split(".")[0] in asked.modules
    }
    for change in sorted(found.keys() - harmless):
        print(f"survives: {found[change]}\n    {change}")
    for change in sorted(harmless - found.keys() - slow):
        print(f"listed, but it does not survive:\n    {change}")
    print(f"{len(found)} survivors that alter more than a message, {len(harmless)} listed")
    return 0 if found.keys() <= harmless <= found.keys() | slow else 1


if __name__ == "__main__":
    sys.exit(main())
