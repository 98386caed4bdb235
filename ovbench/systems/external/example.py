"""A program that keeps the contract of external systems.

``python -m ovbench.systems.external.example`` answers with the emotion words of the transcript that
are not negated, or with ``neutral`` where there are none; ``--word W`` changes that word.
"""

from __future__ import annotations

import argparse
import json
import sys

from ovbench.systems.pipeline.extractor import extract


def answer(line: str, otherwise: str) -> str:
    """The answer to one line, as a line without its end."""
    item = json.loads(line)
    labels = extract(item.get("transcript") or "") or (otherwise,)
    return json.dumps({"id": item["id"], "labels": list(labels)})


def main() -> None:
    """Answer line by line until the input ends."""
    parser = argparse.ArgumentParser(prog="example", description=__doc__)
    parser.add_argument("--word", default="neutral", help="the answer where no word is found")
    otherwise = parser.parse_args().word
    for line in sys.stdin:
        sys.stdout.write(answer(line, otherwise) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
