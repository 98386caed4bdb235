"""Coverage of the packages that scores rest on, each by its own tests alone.

    python scripts/coverage_check.py [PACKAGE ...]

Prints lines and branches apart, and what is left, and fails where a package has 95 % of its lines
or less. The tests are the quick ones. Triton's kernels run in its interpreter, which takes two
minutes more; where Triton is not installed they are left out of the count. What only another
platform or Python version runs, and what needs a GPU, counts as not covered.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("metrics", "normalize", "io", "lora_las")
LEAST = 95.0
KERNELS = "ovbench/lora_las/triton_kernels.py"


def measure(package: str, folder: Path) -> dict[str, dict[str, dict[str, int]]]:
    """Run the package's tests; coverage's summary and missing lines by file."""
    report = folder / f"{package}.json"
    options = [f"--cov=ovbench.{package}", "--cov-branch", f"--cov-report=json:{report}"]
    environment = {**os.environ, "COVERAGE_FILE": str(folder / f".{package}")}
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", "auto", *options]
    subprocess.run([*pytest, f"tests/{package}"], cwd=REPOSITORY, env=environment, check=True)
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    if package == "lora_las" and importlib.util.find_spec("triton") is None:
        files.pop(KERNELS)
    elif package == "lora_las":
        environment["TRITON_INTERPRET"] = "1"
        cases = f"tests/{package}/las_triton_cases.py"
        subprocess.run([*pytest, cases], cwd=REPOSITORY, env=environment, check=True)
        files[KERNELS] = json.loads(report.read_text(encoding="utf-8"))["files"][KERNELS]
    return dict(files)


def share(files: dict[str, dict[str, dict[str, int]]], of: str) -> float:
    """Percent of all ``lines`` or ``branches`` of the files."""
    names = {"lines": ("covered_lines", "num_statements")}
    done, every = names.get(of, ("covered_branches", "num_branches"))
    counts = [file["summary"] for file in files.values()]
    return 100 * sum(one[done] for one in counts) / max(1, sum(one[every] for one in counts))


def main() -> int:
    lacking = []
    with tempfile.TemporaryDirectory() as folder:
        asked = sys.argv[1:] or PACKAGES
        found = {package: measure(package, Path(folder)) for package in asked}
    for package, files in found.items():
        lines = share(files, "lines")
        print(f"{package}: {lines:.1f} % of lines, {share(files, 'branches'):.1f} % of branches")
        for name, file in files.items():
            if file["missing_lines"]:
                print(f"    {name}: {', '.join(map(str, file['missing_lines']))}")
        if lines <= LEAST:
            lacking.append(package)
    if lacking:
        print(f"at most {LEAST:g} % of lines: {', '.join(lacking)}")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
