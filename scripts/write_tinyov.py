"""Write the shipped test split of TinyOV: ovbench/testbed/data/test.jsonl.

python scripts/write_tinyov.py
"""

from __future__ import annotations

import json
from dataclasses import asdict

from ovbench.io.atomic import write_text
from ovbench.testbed.bundled import test_file
from ovbench.testbed.corpus import generate

if __name__ == "__main__":
    write_text(test_file(), "".join(json.dumps(asdict(item)) + "\n" for item in generate("test")))
    print(test_file())
