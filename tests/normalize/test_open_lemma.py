"""Stage 1: every rule on labels as models and annotators write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.normalize.lemma import MAX_WORDS, NOT_IN_LEXICON, TableLemmatizer
from ovbench.normalize.lexicon.forms import (
    base_forms,
    joined_variants,
    one_edit_away,
    readings,
    spelling_variants,
)
from ovbench.normalize.lexicon.phrases import clean
from ovbench.normalize.lexicon.store import load_lexicon

LEMMATIZER = TableLemmatizer()
WHEEL_WORDS = load_lexicon().wheel_words


def first(label: str) -> tuple[str, str]:
    lemmas = LEMMATIZER.lemmatize(label)
    return (lemmas[0].word, lemmas[0].how) if lemmas else ("", "")


@pytest.mark.parametrize(
    ("label", "word", "rule"),
    [
        # as written, and the forms of one word
        ("angry", "angry", "a word of the wheels"),
        ("sadness", "sadness", "as written"),
        ("worries", "worry", "inflected form"),
        ("happier", "happy", "irregular form"),
        ("shaken", "shaken", "as written"),
        ("joys", "joy", "a word of the wheels, inflected form"),
        # typography
        ("  **Angry**. ", "angry", "a word of the wheels"),
        ("“ANGRY”", "angry", "a word of the wheels"),
        ("1. angry", "angry", "a word of the wheels"),
        ("ａｎｇｒｙ", "angry", "a word of the wheels"),
        ("ang\u200bry", "angry", "a word of the wheels"),
        ("don’t care", "don't care", "a word of the wheels"),
        # hyphens and spelling
        ("lighthearted", "lighthearted", "as written"),
        ("light hearted", "light-hearted", "'light-hearted' joined otherwise"),
        ("self conscious", "self-conscious", "'self-conscious' joined otherwise"),
        ("favourable", "favorable", "other spelling 'favorable'"),
        # words of grade and carriers
        ("slightly angry", "angry", "'slightly' dropped"),
        ("very very angry", "angry", "'very very' dropped"),
        ("a sense of relief", "relief", "'a sense of' dropped"),
        ("feeling anxious", "anxious", "'feeling' dropped"),
        ("depressed mood", "depressed", "'mood' dropped"),
        ("in awe", "in awe", "a word of the wheels"),
        # phrases: the last emotion word before a preposition
        ("slightly nervous excitement", "excitement", "'excitement' stands for the phrase"),
        ("sexual frustration", "frustration", "'frustration' stands for the phrase"),
        ("fear of failure", "fear", "'fear' stands for the phrase"),
        ("anxiety about exams", "anxiety", "'anxiety' stands for the phrase"),
        ("angry-looking", "angry", "'angry' stands for the phrase"),
        # joined parts
        ("angry and upset", "angry", "'angry' of a pair"),
        ("xyzzy/angry", "angry", "'angry' of a pair"),
        # negation
        ("not happy", "unhappy", "antonym of 'happy', denied"),
        ("not very happy", "unhappy", "antonym of 'happy', denied"),
        ("no longer unhappy", "happy", "antonym of 'unhappy', denied"),
        ("without joy", "sorrow", "antonym of 'joy', denied"),
        ("lack of confidence", "diffidence", "antonym of 'confidence', denied"),
        ("isn't happy", "unhappy", "antonym of 'happy', denied"),
        ("not interested", "uninterested", "antonym of 'interested', denied"),
        ("not neutral", "not neutral", "'neutral' denied, no antonym known"),
        ("non-threatening", "not threatening", "'threatening' denied, no antonym known"),
        ("not only happy", "happy", "'happy' stands for the phrase"),
        ("happy without fear", "happy", "'happy' stands for the phrase"),
        ("not good enough", "not good enough", "a word of the wheels"),
        ("no words", "no words", "a word of the wheels"),
        # no emotion
        ("Neutral.", "neutral", "no emotion"),
        ("no emotion", "neutral", "no emotion"),
        ("neutral tone", "neutral", "'tone' dropped"),
        # slips of the pen
        ("happpy", "happy", "taken as a slip of 'happy'"),
        ("anixous", "anxious", "taken as a slip of 'anxious'"),
        ("frustraed", "frustrated", "taken as a slip of 'frustrated'"),
    ],
)
def test_rules(label: str, word: str, rule: str) -> None:
    found, how = first(label)
    assert found == word
    assert rule in how


@pytest.mark.parametrize(
    "label",
    [
        *("", " ", "...", "****", "[]", "not", "very", "the", "🙂", "unable to"),
        *("self-blame", "self-deprecating", "looking forward to"),
        *("warning", "warnings", "memories"),
        *("zzz", "qqqqq"),
        "angry " * 400,
        "not " * 400 + "happy",
    ],
)
def test_what_is_not_understood_gives_no_lemma(label: str) -> None:
    assert LEMMATIZER.lemmatize(label) == ()


def test_real_words_are_no_slips() -> None:
    near = {word for word in one_edit_away("angry") if load_lexicon().lookalike(word)}
    for word in near | {"warning", "hoping", "carving"}:
        assert "slip" not in first(word)[1]


def test_slips_of_words_that_stand_on_no_wheel() -> None:
    lexicon = load_lexicon()
    assert not {"jubilant", "ecstatic"} & set(WHEEL_WORDS)
    assert first("jubilantt")[0] == "jubilant"
    assert first("ecstatik")[0] == "ecstatic"
    # A word that is near to no cluster is not what is meant.
    far = [key[:-2] for key in lexicon.words if not lexicon.placed(key[:-2]) and key[:-2].isalpha()]
    assert not any(LEMMATIZER.lemmatize(f"{word}q") for word in far[:50] if len(word) > 7)


def test_a_denied_word_weighs_nothing_where_there_is_no_antonym() -> None:
    (lemma,) = LEMMATIZER.lemmatize("not neutral")
    assert lemma.weight == 0.0


def test_an_adjective_outweighs_its_verb_and_its_noun() -> None:
    weights = {lemma.pos: lemma.weight for lemma in LEMMATIZER.lemmatize("frustrated")}
    assert weights == {"": 1.0, "a": 1.0, "v": pytest.approx(0.16)}


def test_unknown_labels_are_kept_where_stage_2_wants_them() -> None:
    keeping = TableLemmatizer(keep_unknown=True)
    assert [(lemma.word, lemma.pos) for lemma in keeping.lemmatize("Zorgly!")] == [
        ("zorgly", NOT_IN_LEXICON)
    ]
    assert keeping.lemmatize("angry") == LEMMATIZER.lemmatize("angry")


@pytest.mark.parametrize("word", WHEEL_WORDS)
def test_wheel_words_stay_themselves(word: str) -> None:
    assert first(word)[0] == word
    assert first(f'"{word.upper()}".')[0] == word


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_taken(text: str) -> None:
    lemmas = LEMMATIZER.lemmatize(text)
    assert [lemma.weight for lemma in lemmas] == sorted(
        (lemma.weight for lemma in lemmas), reverse=True
    )
    assert all(0 <= lemma.weight <= 1 and lemma.word and lemma.how for lemma in lemmas)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["not", "no", "very", "and", "happy", "of", "-", "sad", "x"])),
    st.sampled_from(["", "*", "'", "  "]),
)
def test_cleaning_twice_changes_nothing(words: list[str], mark: str) -> None:
    text = clean(mark + " ".join(words) + mark)
    assert clean(text) == text
    assert len(words) <= MAX_WORDS or LEMMATIZER.lemmatize(text) is not None


@settings(max_examples=60, deadline=None)
@given(st.text("abcdefg", min_size=1, max_size=7), st.data())
def test_one_edit_away_is_what_an_edit_distance_says(word: str, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from(sorted(set(one_edit_away(word)) - {word})))
    assert _distance(word, other) == 1


def _distance(a: str, b: str) -> int:
    """Optimal string alignment distance, by its recurrence."""
    d = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            same = a[i - 1] == b[j - 1]
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (not same))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1)
    return d[-1][-1]


def test_detachment_follows_morphy() -> None:
    words = {("worry", "v"), ("hurt", "v"), ("bad", "a"), ("stop", "v"), ("fury", "n")}
    exceptions = {"worst/a": ("bad",)}

    def known(*word: str) -> bool:
        return word in words

    assert base_forms("worried", "v", exceptions, known) == [("worry", "inflected form")]
    assert base_forms("stopping", "v", exceptions, known) == [("stop", "inflected form")]
    assert base_forms("worst", "a", exceptions, known) == [("bad", "irregular form")]
    assert base_forms("furies", "n", exceptions, known) == [("fury", "inflected form")]
    assert [r[:2] for r in readings("hurt", exceptions, known)] == [("hurt", "v")]


def test_variants() -> None:
    assert joined_variants("light-hearted") == ("light hearted", "lighthearted")
    assert joined_variants("calm") == ()
    assert {"humor", "humour"} & set(spelling_variants("humour")) == {"humor"}
    assert "sceptical" in spelling_variants("skeptical")
    assert "demoralise" in spelling_variants("demoralize")


def test_the_id_names_the_data() -> None:
    assert re.fullmatch(r"table:open-1@[0-9a-f]{8}", LEMMATIZER.id)


def test_a_text_that_is_too_long_to_be_a_label_is_not_searched() -> None:
    """A million letters must cost what a word costs (looking for slips in them is quadratic)."""
    assert LEMMATIZER.lemmatize("x" * 1_000_000) == ()
    assert LEMMATIZER.lemmatize("happy" + "!" * 50)[0].word == "happy"
    assert LEMMATIZER.lemmatize(" ".join(["happy"] * 100_000)) == ()
