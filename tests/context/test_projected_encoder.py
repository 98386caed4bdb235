from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ovbench.context.clusters import ClusterEncoder
from ovbench.context.opening import open_encoder
from ovbench.errors import UnknownNameError
from ovbench.testbed.corpus import generate

TEXTS = [example.description for example in generate("dev", 60)]


def test_a_vector_is_the_matrix_of_signs_times_the_source() -> None:
    source = ClusterEncoder().encode(TEXTS).astype(np.float64)
    matrix = np.array([
        [1 if (digest >> (255 - bit)) & 1 else -1 for bit in range(32)]
        for digest in (
            int.from_bytes(hashlib.sha256(str(n).encode()).digest(), "big")
            for n in range(source.shape[1])
        )
    ])  # fmt: skip
    expected = source @ matrix
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(open_encoder("clusters:32").encode(TEXTS), expected, atol=1e-6)


def test_cosines_are_kept_roughly() -> None:
    source, short = (open_encoder(name).encode(TEXTS) for name in ("clusters", "clusters:256"))
    assert np.abs(source @ source.T - short @ short.T).mean() < 1.5 / 16


def test_a_text_that_says_nothing_is_zeros_and_alone_as_in_a_batch() -> None:
    encoder = open_encoder("clusters:24")
    assert encoder.dim == 24
    assert not encoder.encode([""]).any()
    for text, row in zip(TEXTS[:5], encoder.encode(TEXTS)[:5], strict=True):
        np.testing.assert_array_equal(encoder.encode([text])[0], row)


@pytest.mark.parametrize("name", ["clusters:0", "clusters:257", "clusters:x", "clusters:"])
def test_other_lengths_are_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="1 to 256"):
        open_encoder(name)
