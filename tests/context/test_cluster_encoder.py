from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench import open_normalizer
from ovbench.context.clusters import HASHED, ClusterEncoder
from ovbench.testbed.corpus import generate

ENCODER = ClusterEncoder()
RINGS = open_normalizer().rings
CLUSTERS = sum(len(ring.clusters) for ring in RINGS)


def dimensions(word: str) -> list[int]:
    """Where a word's clusters stand, worked out from its trace."""
    starts = [0, *accumulate(len(ring.clusters) for ring in RINGS)]
    trace = open_normalizer().trace(word)
    names = [trace.cluster(ring) for ring in range(len(RINGS))]
    return [
        starts[number] + RINGS[number].clusters.index(name)
        for number, name in enumerate(names)
        if name is not None
    ]


def hashed(term: str) -> tuple[int, int]:
    digest = hashlib.sha256(term.encode()).hexdigest()
    return CLUSTERS + int(digest[:4], 16) % HASHED, 1 if int(digest[4:6], 16) % 2 else -1


def expected(words: list[str], terms: list[str]) -> np.ndarray:
    """A vector by hand: words with clusters, and hashed terms."""
    vector = np.zeros(CLUSTERS + HASHED)
    for word in words:
        for at in dimensions(word):
            vector[at] += 1
    for term in terms:
        at, sign = hashed(term)
        vector[at] += sign
    for block in (vector[:CLUSTERS], vector[CLUSTERS:]):
        block /= max(np.linalg.norm(block), 1e-9)
    return vector / max(np.linalg.norm(vector), 1e-9)


@pytest.mark.parametrize(
    ("text", "words", "terms"),
    [
        ("sad", ["sad"], []),
        ("Sad!", ["sad"], []),
        ("sad, happy", ["sad", "happy"], []),
        ("let down", ["let down"], []),
        ("trembling", [], ["trembling"]),
        ("low pitch", ["low"], ["pitch", "low pitch"]),
        ("low, pitch", ["low"], ["pitch"]),
        ("a pitch of the voice", [], ["pitch", "voice", "pitch voice"]),
        ("Low, trembling voice", ["low"], ["trembling", "voice", "trembling voice"]),
        ("loud. Loud; loud", [], ["loud"]),
        ("drawn-out pauses", [], ["drawn-out", "pauses", "drawn-out pauses"]),
        ("", [], []),
        ("... the, of 😀", [], []),
    ],
)
def test_vectors_by_hand(text: str, words: list[str], terms: list[str]) -> None:
    assert dimensions("trembling") == []
    assert len(dimensions("sad")) == len(RINGS)
    found = ENCODER.encode([text])[0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(words, terms), atol=1e-7)


def test_what_is_low_matters() -> None:
    a, b = ENCODER.encode(["low pitch, high energy", "high pitch, low energy"])
    assert (a[:CLUSTERS] == b[:CLUSTERS]).all()
    assert not (a[CLUSTERS:] == b[CLUSTERS:]).all()


def test_no_description_of_the_testbed_is_nearly_empty() -> None:
    vectors = ENCODER.encode([example.description for example in generate("dev")])
    blocks = (vectors[:, :CLUSTERS] != 0).sum(1), (vectors[:, CLUSTERS:] != 0).sum(1)
    assert blocks[1].min() >= 8
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert len(np.unique(vectors, axis=0)) > 300


@settings(max_examples=50)
@given(texts=st.lists(st.text(max_size=30) | st.sampled_from(["low pitch", "sad", "loud, sad"])))
def test_a_vector_has_length_one_or_zero_and_does_not_depend_on_its_neighbours(
    texts: list[str],
) -> None:
    found = ENCODER.encode(texts)
    assert found.shape == (len(texts), ENCODER.dim)
    alone = [ClusterEncoder().encode([text])[0].tobytes() for text in texts[:2]]
    assert [row.tobytes() for row in found[:2]] == alone
    lengths = np.linalg.norm(found, axis=1)
    assert (np.isclose(lengths, 1, atol=1e-6) | (lengths == 0)).all()


def test_the_same_bits_in_every_process() -> None:
    program = (
        "import hashlib; from ovbench.context.clusters import ClusterEncoder as C;"
        "from ovbench.testbed.corpus import generate;"
        "e = C(); v = e.encode([x.description for x in generate('dev', 20)]);"
        "print(e.id, e.dim, hashlib.sha256(v.tobytes()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, threads in (("1", "1"), ("2", "2"))
    }
    assert len(found) == 1
    assert found.pop().startswith("clusters-1+sha256-256+table:open-1@")
