"""What building the open lexicon costs, beside the least that its sums need.

Run: ``OMP_NUM_THREADS=1 python tests/benchmarks/lexicon_build.py [--source wndb:FOLDER]``

The walk over the graph of affective words is sums of products: edges x steps x words multiply-adds,
whatever the program. They alone, in SciPy's own product of a sparse with a dense matrix, are one
floor; opening the wordnet and reading every sense of the words once is the other. Processor time of
one run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from build_lexicon import lexicon_lines, open_source  # noqa: E402
from lexicon_graph import AffectGraph, Parameters  # noqa: E402
from lexicon_source import Source  # noqa: E402

from ovbench.normalize.lexicon.store import load_wheels  # noqa: E402

BLOCK = 64


def seconds(work: Callable[[], object]) -> float:
    """Processor time of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def products(graph: AffectGraph) -> Iterator[int]:
    """The multiply-adds of the walk and nothing else, block by block; gives their number."""
    matrix, steps = graph.arrivals, graph.parameters.iterations
    for first in range(0, len(graph.words), BLOCK):
        columns = min(BLOCK, len(graph.words) - first)
        dense = np.ones((matrix.shape[1], columns))
        for _ in range(steps):
            matrix @ dense
        yield matrix.nnz * steps * columns


def read(source: Source, graph: AffectGraph) -> None:
    """Every sense of every word of the lexicon, once."""
    for word in graph.words:
        for key in source.senses(*word):
            source.synset(key)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--source", default="wndb:/usr/share/wordnet")
    source = parser.parse_args().source
    parameters, text = Parameters(), []
    build = seconds(lambda: text.extend(lexicon_lines(open_source(source), parameters)))

    wheel_words = sorted({word for wheel in load_wheels() for word in wheel.words})
    graph = AffectGraph(open_source(source), wheel_words, parameters)
    counts: list[int] = []
    walk = seconds(lambda: counts.extend(products(graph)))
    reading = seconds(lambda: read(open_source(source), graph))

    print(f"lexicon of {len(graph.words):,} words: {build:.1f} s, {len(text):,} lines")
    print(f"its {sum(counts) / 1e9:.1f} billion multiply-adds alone: {walk:.1f} s")
    print(f"reading its words in the wordnet alone: {reading:.1f} s")
    print(f"build / (products + reading): {build / (walk + reading):.2f}")


if __name__ == "__main__":
    main()
