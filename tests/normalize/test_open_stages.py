"""Stages 2 and 3 and the whole open normalizer."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from ovbench.errors import UnknownNameError
from ovbench.normalize.lexicon.store import NEUTRAL, load_lexicon, load_wheels
from ovbench.normalize.normalizer import UNKNOWN, Candidate, Lemma
from ovbench.normalize.opening import open_normalizer
from ovbench.normalize.synonym import LexiconSynonyms
from ovbench.normalize.vocabulary import known_words
from ovbench.normalize.wheel import ClusterMap

OPEN = open_normalizer()
WORDS = sorted(load_lexicon().words)


def clusters(label: str) -> list[str | None]:
    trace = OPEN.trace(label)
    return [trace.cluster(ring) for ring in range(len(trace.rings))]


def small() -> LexiconSynonyms:
    """Two words near three wheel words, by hand."""
    lines = {"glad/a": "e 2:900 0:200", "gladden/v": "- 2:500 1:100"}
    wheel_words = ("calm", "daring", "happy")
    return LexiconSynonyms(replace(load_lexicon(), words=lines, wheel_words=wheel_words))


def test_readings_are_averaged_with_their_weights() -> None:
    found = small().merge((Lemma("glad", "a", 1.0), Lemma("gladden", "v", 0.25)))
    assert [(c.word, c.lemma) for c in found] == [
        ("happy", "glad"),
        ("calm", "glad"),
        ("daring", "gladden"),
    ]
    # happy: (1 · 0.9 + 0.25 · 0.5) / 1.25
    assert [c.score for c in found] == pytest.approx([0.82, 0.16, 0.02])


def test_a_word_of_the_wheels_is_its_own_first_candidate() -> None:
    found = small().merge((Lemma("calm", ""), Lemma("glad", "a", 1.0)))
    assert found[0] == Candidate("calm", 1.0, "calm", "itself")
    assert found[1].score == pytest.approx(0.9)


def test_denied_and_unknown_words_have_no_candidates() -> None:
    assert small().merge((Lemma("not calm", "", 0.0),)) == ()
    assert small().merge((Lemma("zorgly", "?", 1.0),)) == ()
    assert small().merge(()) == ()


def test_rings_are_in_the_agreed_order() -> None:
    keys = [ring.key for ring in OPEN.rings]
    wheels = [f"wheel{n}" for n in range(1, 6)]
    assert keys == [f"{w}/level1" for w in wheels] + [f"{w}/level2" for w in wheels]
    assert all(ring.clusters[-1] == NEUTRAL for ring in OPEN.rings)
    assert all(len(set(ring.clusters)) == len(ring.clusters) <= 64 for ring in OPEN.rings)


def test_wheel_words_keep_their_own_clusters() -> None:
    for number, wheel in enumerate(load_wheels()):
        for word, (first, second) in wheel.places.items():
            found = clusters(word)
            assert found[number] == first
            assert found[5 + number] in (wheel.tree[first] if second is None else [second])


def test_neutral_is_a_cluster_of_its_own_on_every_ring() -> None:
    for label in ("neutral", "Neutrality", "emotionless", "no emotion"):
        assert clusters(label) == [NEUTRAL] * 10
    placed = OPEN.map([key[:-2] for key in WORDS])
    neutral = placed.codes == [len(ring.clusters) - 1 for ring in placed.rings]
    assert {key[:-2] for key in np.array(WORDS)[neutral.any(axis=1)]} <= {
        *("neutral", "neutrality", "emotionless", "unemotional", "impassive")
    }


def test_level_2_lies_inside_level_1() -> None:
    placed = OPEN.map([key[:-2] for key in WORDS])
    for number, wheel in enumerate(load_wheels()):
        inner, middle = placed.rings[number].clusters, placed.rings[5 + number].clusters
        branch = {second: first for first, seconds in wheel.tree.items() for second in seconds}
        branch[NEUTRAL] = NEUTRAL
        for first, second in placed.codes[:, [number, 5 + number]].tolist():
            assert (first == UNKNOWN) == (second == UNKNOWN)
            assert first == UNKNOWN or branch[middle[second]] == inner[first]


def reference_level1(candidates: tuple[Candidate, ...], own: str, number: int) -> str | None:
    """Stage 3 on a level-1 ring, written out: threshold, own cluster, largest sum."""
    places = load_wheels()[number].places
    near = [c for c in candidates if c.word in places]
    if not near or max(c.score for c in near) < load_lexicon().threshold / 1000:
        return None
    if own in places:
        return places[own][0]
    sums: defaultdict[str, float] = defaultdict(float)
    for candidate in near:
        sums[places[candidate.word][0]] += candidate.score
    return max(sums, key=lambda cluster: sums[cluster])


def test_placing_is_what_its_definition_says() -> None:
    for key in WORDS[::37]:
        trace = OPEN.trace(key[:-2])
        first = trace.lemmas[0]
        if first.word == NEUTRAL:
            continue
        for number in range(5):
            expected = reference_level1(
                trace.candidates, first.word if not first.pos else "", number
            )
            assert trace.cluster(number) == expected


def test_the_threshold_decides_what_is_unknown() -> None:
    wheels = ClusterMap()
    lemmas = (Lemma("x", "a"),)
    at, below = wheels.threshold, wheels.threshold - 1e-9
    assert wheels.place(lemmas, (Candidate("daring", at),))[2].code != UNKNOWN
    assert {p.code for p in wheels.place(lemmas, (Candidate("daring", below),))} == {UNKNOWN}


@pytest.mark.parametrize("label", ["happy", "joyful", "glad", "content", "joy", "delighted"])
@pytest.mark.parametrize("negation", ["not {}", "no {}", "without {}", "never {}", "lack of {}"])
def test_denied_joy_is_not_joy(label: str, negation: str) -> None:
    happy = {"happy", "joyful", "joy", "powerful", "peaceful", "genius"}
    assert not {*clusters(negation.format(label))[:5]} & happy


@pytest.mark.parametrize(
    ("label", "first"),
    [
        ("depressed", "sad"),
        ("melancholy", "sad"),
        ("furious", "mad"),
        ("irritation", "mad"),
        ("cheerfulness", "happy"),
        ("delighted", "happy"),
        ("anxiety", "scared"),
        ("terrified", "scared"),
        ("bewilderment", "surprised"),
        ("astonishment", "surprised"),
        ("revulsion", "disgusted"),
        ("slightly nervous", "scared"),
        ("xylophone", None),
    ],
)
def test_common_words_are_where_anyone_would_put_them(label: str, first: str | None) -> None:
    assert clusters(label)[0] == first


def test_every_known_word_has_a_place() -> None:
    codes = OPEN.map(sorted(known_words())).codes
    assert (codes != UNKNOWN).any(axis=1).all()


def test_maps_do_not_depend_on_order_or_company() -> None:
    labels = [key[:-2] for key in WORDS[::53]]
    forward = OPEN.map(labels).codes
    backward = open_normalizer().map(labels[::-1]).codes[::-1]
    assert np.array_equal(forward, backward)


def test_the_signature_names_three_stages_and_their_data() -> None:
    signature = OPEN.signature
    assert re.fullmatch(r"table:open-1@[0-9a-f]{8}", signature["lemma"])
    assert re.fullmatch(r"lexicon:open-1@[0-9a-f]{8}", signature["synonym"])
    assert re.fullmatch(r"wheels:open-1@[0-9a-f]{8}", signature["wheel"])


def test_unknown_stage_names_are_errors_with_a_hint() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'table'"):
        open_normalizer(lemmatizer="tabel")
    with pytest.raises(UnknownNameError, match="did you mean 'wn:LEXICON'"):
        open_normalizer(synonyms="wn:")
