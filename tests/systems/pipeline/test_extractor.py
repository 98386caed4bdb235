"""The rules against sentences read by hand."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.normalize.normalizer import UNKNOWN
from ovbench.normalize.opening import open_normalizer
from ovbench.systems.pipeline.extractor import emotion_word, extract
from ovbench.systems.pipeline.negation import has_negation, negated

STATED = [
    ("The speaker sounds happy.", "happy"),
    ("She sounds hurt, and under it there is anger.", "hurt anger"),
    ("He is furious! Then, suddenly, relieved.", "furious relieved"),
    ("There is no doubt that she is furious.", "furious"),
    ("The tone is not only angry but also sad.", "angry sad"),
    ("He cannot hide his anger.", "anger"),
    ("Her barely contained rage breaks through.", "rage"),
    ("She is unable to conceal her disappointment.", "disappointment"),
    ("It is not without sadness.", "sadness"),
    ("She speaks angrily, almost fearfully.", "angry fearful"),
    ("A grief-stricken, tear-filled account.", "grief"),
    ("He sounds happier than yesterday.", "happy"),
    ("Angry, angry and again angry.", "angry"),
    ("The speaker's sadness is clear.", "sadness"),
    ("The listener might take it for calm; it is bored.", "calm bored"),
    ("Emotions:\nhappy\nsad", "happy sad"),
    ("1. happy\n2. sad", "happy sad"),
    ('The emotions are "happy" and "sad".', "happy sad"),
    ("<think>not sad?</think>She is sad.", "sad"),
    ("I'd be happy to hear that, she says happily.", "happy"),
]
DENIED = [
    ("not angry", ""),
    ("The speaker is not happy.", ""),
    ("There is no sign of joy.", ""),
    ("She isn't angry, she is sad.", "sad"),
    ("He doesn't sound angry but disappointed.", "disappointed"),
    ("Neither happy nor sad.", ""),
    ("Neither anger nor fear is audible; calm prevails.", "calm"),
    ("He is not happy, angry, or sad.", ""),
    ("Without any trace of fear, he sounds confident.", "confident"),
    ("A lack of enthusiasm suggests boredom.", "boredom"),
    ("There is an absence of joy.", ""),
    ("The voice is free of anger.", ""),
    ("Rather than happy, the voice is sad.", "sad"),
    ("She is far from happy.", ""),
    ("It is anything but calm.", ""),
    ("More sad than angry.", "sad"),
    ("It could be mistaken for anger, but it is excitement.", "excitement"),
    ("She is no longer angry.", ""),
    ("He is hardly pleased, and sounds tired.", "tired"),
    ("The voice is not angry and rather calm.", "calm"),
    ("Not angry at all; instead, there is sorrow.", "sorrow"),
    ("Unlike an angry voice, this one is calm.", "calm"),
    ("The speaker cannot be called proud.", ""),
    ("joyful, not sad", "joyful"),
    ("non-angry, anger-free", ""),
    ("Anger and fear are absent.", ""),
    ("Sadness is evident, while anger is not present.", "sadness"),
    ("Fear can be ruled out; there is relief.", "relief"),
    ("Anger isn't heard in it.", ""),
    ("Happiness seems unlikely.", ""),
]
SOMETHING_ELSE = [
    ("Despite a light and quiet voice, she still seems close to the microphone.", ""),
    ("The content of the sentence is neutral.", "neutral"),
    ("The speaker feels happy and content.", "happy content"),
    ('He says "I am so very happy today" in a bitter tone.', "bitter"),
    ("I'd be happy to help! The speaker sounds worried.", "worried"),
    ("I'm afraid I cannot tell.", ""),
    ("We were there, and you know what I mean.", ""),
    ("bright tone, quick pace, quiet voice", ""),
    ("This is a choked tone: forceful volume, quick pace, moderate pitch, small pauses.", ""),
    ("I cannot determine the emotion.", ""),
    ("Emotionen: wütend", ""),
    ("", ""),
    ("[]", ""),
    ("none", ""),
    ("no emotion", ""),
]
LISTS = [
    ("[angry, sad]", ("angry", "sad")),
    ("angry; a bit sad / quiet", ("angry", "sad", "quiet")),
    ("broken heart, feeling of being left out", ("broken heart", "feeling of being left out")),
    ('{"emotions": ["angry", "blorfed"]}', ("angry",)),
    ("despite a light, angry voice", ("angry",)),
]


@pytest.mark.parametrize(("text", "labels"), [*STATED, *DENIED, *SOMETHING_ELSE])
def test_sentences(text: str, labels: str) -> None:
    assert extract(text) == tuple(labels.split())


@pytest.mark.parametrize(("text", "labels"), LISTS)
def test_lists_keep_what_the_lexicon_places(text: str, labels: tuple[str, ...]) -> None:
    assert extract(text) == labels


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("angrily", "angry"),
        ("enthusiastically", "enthusiastic"),
        ("miserably", "miserable"),
        ("saddest", "sad"),
        ("worries", "worry"),
        ("joy's", "joy"),
        ("self-pity", "self-pity"),
        ("half-angry", "angry"),
        ("un-happy", None),
        ("fear-free", None),
        ("we", None),  # the normalizer reads it as another spelling of woe
        ("despite", None),
        ("table", None),
    ],
)
def test_words(token: str, word: str | None) -> None:
    assert emotion_word(token) == word


def test_what_a_negation_reaches() -> None:
    tokens = ["she", "is", "not", "very", "happy", ",", "but", "sad"]
    assert [word for word, reached in zip(tokens, negated(tokens), strict=True) if reached] == [
        "very",
        "happy",
    ]
    assert has_negation(tokens)
    assert not has_negation(["happy", ",", "sad"])


EMOTIONS = st.sampled_from(["angry", "happy", "sad", "afraid", "proud"])


@given(stated=EMOTIONS, denied=EMOTIONS, form=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_what_is_denied_never_shows(stated: str, denied: str, form: int) -> None:
    text = [
        f"She is {stated}, not {denied}.",
        f"She does not sound {denied}. She is {stated}.",
        f"There is no sign that she is {denied}; {stated} it is.",
        f"{stated} rather than {denied}",
    ][form]
    # Where both are one word, it is the stated one that is read.
    assert extract(text) == (stated,)


@given(st.text(max_size=200) | st.lists(EMOTIONS | st.text(max_size=8)).map(" ".join))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_distinct_labels_that_the_lexicon_knows(text: str) -> None:
    labels = extract(text)
    assert len(set(labels)) == len(labels)
    assert labels == extract(text)
    if labels:
        assert bool((open_normalizer().map(labels).codes != UNKNOWN).any(axis=1).all())


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (
            "the speaker is not happy , sad , calm and " * 3_000 + ". It is joyful",
            "sad calm joyful",
        ),
        ("sad, " * 10_000 + "not", "sad"),
        ("not " + "sad, " * 10_000, "sad"),
        ('"' * 10_000 + " is sad and not", "sad"),
    ],
)
def test_a_long_text_is_read_in_a_moment(text: str, labels: str) -> None:
    begin = time.monotonic()
    assert extract(text) == tuple(labels.split())
    assert time.monotonic() - begin < 5
