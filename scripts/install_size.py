"""Print how many distributions are installed here and how much disk they take.

pip and setuptools, which come with a virtual environment, are not counted. Compiled caches are:
what stands on the disk is what a user has to spare.
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

BUNDLED = {"pip", "setuptools", "wheel"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most-megabytes", type=float, default=float("inf"))
    parser.add_argument("--most-distributions", type=float, default=float("inf"))
    limits = parser.parse_args()
    site = Path(sysconfig.get_paths()["purelib"])
    bundled = {
        str(path.parts[0])
        for dist in distributions(path=[str(site)])
        if dist.name in BUNDLED
        for path in dist.files or ()
    }
    names = sorted({d.name for d in distributions(path=[str(site)])} - BUNDLED)
    used = sum(
        path.stat().st_blocks * 512
        for path in site.rglob("*")
        if path.is_file() and path.relative_to(site).parts[0] not in bundled
    )
    print(f"{len(names)} distributions, {used / 1e6:.1f} MB on disk: {', '.join(names)}")
    fits = used / 1e6 < limits.most_megabytes and len(names) <= limits.most_distributions
    if not fits:
        print("over the limit", file=sys.stderr)
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
