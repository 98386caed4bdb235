"""Coverage of the packages that scores rest on, each by its own tests alone.

    python scripts/coverage_check.py [PACKAGE ...]

Prints lines and branches apart, and what is left, and fails where a test fails or a package has
95 % of its lines or less. The tests are the quick ones, in a process per processor (or as many as
PYTEST_XDIST_AUTO_NUM_WORKERS says): three minutes on one core. Triton's kernels run in its
interpreter, which takes two minutes more; where Triton is not installed they are left out of the
count. What only another platform or Python version runs, and what needs a GPU, counts as not
covered.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("metrics", "normalize", "io", "lora_las")
LEAST = 95.0
KERNELS = "ovbench/lora_las/triton_kernels.py"


Files = dict[str, dict[str, Any]]
"""Coverage's own record of each file: ``summary`` with its counts, ``missing_lines``."""


class FailedTestsError(Exception):
    """There are tests of the package that fail, so that its coverage says nothing."""


def measure(package: str, folder: Path) -> Files:
    """Run the package's tests; what coverage knows of each of its files."""
    files = covered(package, f"tests/{package}", folder)
    if package == "lora_las" and importlib.util.find_spec("triton") is None:
        files.pop(KERNELS)
    elif package == "lora_las":
        cases = f"tests/{package}/las_triton_cases.py"
        files[KERNELS] = covered(package, cases, folder, TRITON_INTERPRET="1")[KERNELS]
    return files


def covered(package: str, tests: str, folder: Path, **variables: str) -> Files:
    """Of each file of a package, what some tests ran."""
    report = folder / f"{package}.json"
    environment = {**os.environ, **variables, "COVERAGE_FILE": str(folder / f".{package}")}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", f"--cov=ovbench.{package}"]
    command += ["--cov-branch", f"--cov-report=json:{report}", tests]
    if subprocess.run(command, cwd=REPOSITORY, env=environment).returncode:
        raise FailedTestsError(tests)
    return dict(json.loads(report.read_text(encoding="utf-8"))["files"])


def share(files: Files, done: str, every: str) -> float:
    """Percent that one count is of another, over all files."""
    counts = [file["summary"] for file in files.values()]
    return 100 * sum(one[done] for one in counts) / max(1, sum(one[every] for one in counts))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="default: all")
    asked = parser.parse_args().packages or PACKAGES
    if unknown := set(asked) - set(PACKAGES):
        parser.error(f"{', '.join(sorted(unknown))}: known are {', '.join(PACKAGES)}")
    found, failed, lacking = {}, [], []
    with tempfile.TemporaryDirectory() as folder:
        for package in asked:
            try:
                found[package] = measure(package, Path(folder))
            except FailedTestsError as error:
                failed.append(str(error))
    for package, files in found.items():
        lines = share(files, "covered_lines", "num_statements")
        branches = share(files, "covered_branches", "num_branches")
        print(f"{package}: {lines:.1f} % of lines, {branches:.1f} % of branches")
        for name, file in files.items():
            if file["missing_lines"]:
                print(f"    {name}: {', '.join(map(str, file['missing_lines']))}")
        if lines <= LEAST:
            lacking.append(package)
    if lacking:
        print(f"at most {LEAST:g} % of lines: {', '.join(lacking)}")
    if failed:
        print(f"tests fail: {', '.join(failed)}")
    return 1 if lacking or failed else 0


if __name__ == "__main__":
    sys.exit(main())
