from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_encoder import GOLD, ITEMS, TRAIN, StubEncoder

from ovbench.context import ContextSettings, open_context
from ovbench.context.sources import mean_of, retrieve
from ovbench.errors import InputError

E2 = np.array([[1.0, 0.0], [0.0, 1.0]])


def test_retrieval_by_hand() -> None:
    """τ = ln 3: logits ln 3 and 0, weights 3/4 and 1/4."""
    queries = np.array([[1.0, 0.0], [0.0, 0.0], [0.6, 0.8]])
    found = retrieve(queries, E2, math.log(3))
    weight = 3**0.6 / (3**0.6 + 3**0.8)
    np.testing.assert_allclose(
        found, [[0.75, 0.25], [0.5, 0.5], [weight, 1 - weight]], rtol=0, atol=1e-15
    )


def test_a_sharp_retrieval_takes_the_nearest_and_does_not_overflow() -> None:
    found = retrieve(np.array([[0.6, 0.8]]), E2, 1e6)
    np.testing.assert_array_equal(found, [[0.0, 1.0]])


unit = st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: sum(x * x for x in v))


@settings(max_examples=50)
@given(
    queries=st.lists(unit, min_size=1, max_size=4),
    prototypes=st.lists(unit, min_size=1, max_size=5),
    temperature=st.floats(0.1, 50),
)
def test_retrieval_is_the_formula(
    queries: list[list[float]], prototypes: list[list[float]], temperature: float
) -> None:
    found = retrieve(np.array(queries), np.array(prototypes), temperature)
    for row, query in zip(found, queries, strict=True):
        logits = [
            temperature * math.fsum(a * b for a, b in zip(p, query, strict=True))
            for p in prototypes
        ]
        weights = [math.exp(logit - max(logits)) for logit in logits]
        slow = [
            math.fsum(w * p[k] for w, p in zip(weights, prototypes, strict=True))
            / math.fsum(weights)
            for k in range(3)
        ]
        np.testing.assert_allclose(row, slow, rtol=0, atol=1e-12)


def test_a_mean_takes_each_label_once_in_any_order() -> None:
    encoder = StubEncoder()
    a = mean_of(encoder, ["sad", "angry", "sad", "happy"])
    b = mean_of(encoder, ["happy", "sad", "angry"])
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(a, [1 / 3, 1 / 3, 1 / 3], rtol=0, atol=1e-16)


@pytest.mark.usefixtures("stub")
class TestBuilt:
    """What :func:`open_context` makes, on four items whose vectors are known."""

    def test_description(self) -> None:
        context = open_context(ContextSettings()).build(ITEMS)
        assert context is not None
        assert context.dtype == np.float32
        np.testing.assert_array_equal(
            context, np.array([[1, 0, 0], [0, 1, 0], [0.6, 0.8, 0], [0, 0, 0]], np.float32)
        )

    def test_prototypes(self) -> None:
        """Vocabulary angry, happy, sad; τ = ln 2: cosine 1 weighs 2, cosine 0 weighs 1."""
        chosen = ContextSettings(source="prototypes", temperature=math.log(2))
        context = open_context(chosen, TRAIN).build(ITEMS)
        third, total = 1 / 3, 1 + 2**0.6 + 2**0.8
        np.testing.assert_allclose(
            context,
            [
                [0.5, 0.25, 0.25],
                [0.25, 0.5, 0.25],
                [2**0.6 / total, 2**0.8 / total, 1 / total],
                [third, third, third],
            ],
            atol=1e-7,
        )

    def test_candidates(self) -> None:
        context = open_context(ContextSettings(source="candidates"), TRAIN).build(ITEMS)
        np.testing.assert_allclose(context, np.full((4, 3), 1 / 3), atol=1e-7)

    def test_candidates_of_a_closed_set_are_its_classes(self) -> None:
        from dataclasses import replace

        classes = replace(TRAIN, answers="class")
        builder = open_context(ContextSettings(source="candidates"), classes)
        assert builder.provenance.vocabulary_size == 2
        np.testing.assert_allclose(builder.build(ITEMS), np.tile([0.5, 0.5, 0], (4, 1)), atol=1e-7)

    def test_two_passes(self) -> None:
        builder = open_context(ContextSettings(source="two_pass"))
        first = builder.build(ITEMS)
        np.testing.assert_array_equal(first, open_context(ContextSettings()).build(ITEMS))
        answers = {"a": ["sad", "angry"], "b": ["happy"], "c": [], "d": ["sad"]}
        np.testing.assert_allclose(
            builder.build(ITEMS, answers),
            [[0, 0.5, 0.5], [1, 0, 0], [0.6, 0.8, 0], [0, 1, 0]],
            atol=1e-7,
        )
        with pytest.raises(InputError, match="'d' has no labels"):
            builder.build(ITEMS, {"a": [], "b": [], "c": []})

    def test_only_two_pass_looks_at_answers(self) -> None:
        with pytest.raises(InputError, match="predicted labels were given"):
            open_context(ContextSettings()).build(ITEMS, {"a": ["sad"]})

    def test_oracle(self) -> None:
        builder = open_context(ContextSettings(source="oracle"), oracle_gold=GOLD)
        np.testing.assert_allclose(
            builder.build(ITEMS), [[1, 0, 0], [0, 0.5, 0.5], [0, 1, 0], [1, 0, 0]], atol=1e-7
        )
        assert builder.oracle
        assert builder.provenance.inputs == ("gold labels",)

    def test_none(self) -> None:
        builder = open_context(ContextSettings(source="none"))
        assert builder.build(ITEMS) is None
        assert (builder.dim, builder.schema) == (0, None)

    def test_no_items(self) -> None:
        for source in ("description", "prototypes", "candidates", "two_pass"):
            context = open_context(ContextSettings(source=source), TRAIN).build([])
            assert context is not None
            assert context.shape == (0, 3)
