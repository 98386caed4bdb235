"""Write ``requirements/*.txt``: what CI installs, each file of it by its hash.

Run it after a change of ``pyproject.toml`` or ``constraints.txt``: ``python
scripts/pin_requirements.py``. It asks ``uv`` (``pip install uv``), which takes the hashes of every
file of a release from the package index. ``tests/test_requirements.py`` holds the files against
``constraints.txt``.

PyTorch stands in a file of its own. The hashes there are those of the index's default build, with
CUDA. A build for the CPU alone is another file with another hash, from another index: whoever
installs that one takes its hash from there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
# The oldest Python that ovbench takes, so that a pin that needs a later one is refused here.
PLATFORM = ("--python-platform", "x86_64-unknown-linux-gnu", "--python-version", "3.11.0")
_TORCH = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)==")
HEADS = {
    "ci.txt": """\
# What CI installs beside PyTorch, for Python 3.11 on Linux (x86-64). Made by
# scripts/pin_requirements.py; do not edit. Install with:
#   pip install --require-hashes --no-deps -r requirements/ci.txt -r requirements/torch.txt
#   pip install --no-deps -e .
""",
    "torch.txt": """\
# PyTorch and what it needs for CUDA: the package index's default build. Made by
# scripts/pin_requirements.py; do not edit. A build for the CPU alone has another hash: install that
# by the hash that its own index gives, in place of this file.
""",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "all.txt")
        command = ["uv", "pip", "compile", "pyproject.toml", "--extra", "dev", "--extra", "ray"]
        command += ["-c", "constraints.txt", "--generate-hashes", *PLATFORM, "--no-header"]
        command += ["--no-annotate", "--quiet", "-o", str(made)]
        done = subprocess.run(command, cwd=ROOT)
        if done.returncode:
            sys.exit(done.returncode)
        blocks = re.split(r"\n(?=\S)", made.read_text("utf-8").rstrip("\n"))
    FOLDER.mkdir(exist_ok=True)
    for name, head in HEADS.items():
        kept = [block for block in blocks if bool(_TORCH.match(block)) == (name == "torch.txt")]
        (FOLDER / name).write_text(head + "\n".join(kept) + "\n", "utf-8")
        print(f"{FOLDER / name}: {len(kept)} packages")


if __name__ == "__main__":
    main()
