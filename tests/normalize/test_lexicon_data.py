"""The shipped lexicon files against the figures known of the wheels, and the tables themselves."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from ovbench.normalize.lexicon.store import (
    FOLDER,
    Wheel,
    best_cosine,
    load_lexicon,
    load_wheels,
    neutral_words,
    wheels_hash,
)
from ovbench.normalize.vocabulary import known_words

LEVEL1 = [
    {"disgusted", "happy", "mad", "sad", "scared", "surprised"},
    {"angry", "bad", "disgusted", "fearful", "happy", "sad", "surprised"},
    {"joyful", "mad", "peaceful", "powerful", "sad", "scared"},
    {"anger", "disgust", "fear", "genius", "joy", "sad"},
    {"joyful", "mad", "peaceful", "powerful", "sad", "scared"},
]


def test_wheels_have_the_known_words_and_inner_rings() -> None:
    wheels = load_wheels()
    assert [wheel.id for wheel in wheels] == [f"wheel{n}" for n in range(1, 6)]
    assert [len(wheel.words) for wheel in wheels] == [114, 126, 78, 102, 77]
    assert [set(wheel.tree) for wheel in wheels] == LEVEL1
    assert all(wheel.source and wheel.title for wheel in wheels)
    every = set(chain.from_iterable(wheel.words for wheel in wheels))
    assert len(every) == 253
    assert load_lexicon().wheel_words == tuple(sorted(every))


@pytest.mark.parametrize("number", range(5))
def test_wheels_are_the_published_rings(shared_data: Path, number: int) -> None:
    path = shared_data / "emotion_wheel" / "affectgpt-2025" / f"wheel{number + 1}.xlsx"
    expected: dict[str, dict[str, list[str]]] = {}
    above = ["", "", ""]
    for row in CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()[1:]:
        words = [str(cell).strip().lower().replace("’", "'") for cell in row]
        above = [word or old for word, old in zip(words, above, strict=True)]
        thirds = expected.setdefault(above[0], {}).setdefault(above[1], [])
        if above[2] not in thirds:
            thirds.append(above[2])
    assert load_wheels()[number].tree == expected


def test_a_word_in_several_places_belongs_to_the_last() -> None:
    wheel = Wheel("w", "t", "s", {"glad": {"calm": ["easy"]}, "sad": {"low": ["easy", "calm"]}})
    assert wheel.places["easy"] == ("sad", "low")
    assert wheel.places["calm"] == ("sad", "low")
    assert wheel.places["glad"] == ("glad", None)
    assert load_wheels()[1].places["overwhelmed"] == ("bad", "stressed")


def test_no_neutral_word_stands_on_a_wheel() -> None:
    assert "neutral" in neutral_words()
    assert not neutral_words() & set(load_lexicon().wheel_words)


def test_data_are_small_text_with_their_licence_beside_them() -> None:
    data = (FOLDER / "open-1.tsv").read_bytes()
    assert len(data) < 2_000_000
    assert data.startswith(b"# The open lexicon")
    assert data.endswith(b"\n")
    assert b"\r" not in data
    licence = (FOLDER / "LICENSE.wordnet").read_text(encoding="utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in licence


def test_lines_are_sorted_within_bounds_and_best_first() -> None:
    lexicon = load_lexicon()
    assert list(lexicon.words) == sorted(
        lexicon.words, key=lambda key: (key.rsplit("/", 1)[0], key[-1])
    )
    for key, line in lexicon.words.items():
        lemma, pos = key.rsplit("/", 1)
        cosines = [cosine for _, cosine in lexicon.nearest(lemma, pos)]
        assert cosines == sorted(cosines, reverse=True)
        assert 1 <= len(cosines) <= 16
        assert 0 < cosines[-1] <= cosines[0] == best_cosine(line) <= 1000
    for table in (lexicon.irregular, lexicon.antonyms):
        assert table
    for key, opposites in lexicon.antonyms.items():
        assert key in lexicon.words
        assert set(opposites) <= set(lexicon.words)


def test_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    text = (FOLDER / "open-1.tsv").read_text(encoding="utf-8")
    copy = tmp_path / "other.tsv"
    copy.write_text(text.replace("threshold=180", "threshold=181"), encoding="utf-8", newline="\n")
    assert load_lexicon(copy).hash != load_lexicon().hash
    assert load_lexicon(copy).threshold == 181
    assert len(wheels_hash()) == 64


def test_loading_takes_little_more_than_reading() -> None:
    path = FOLDER / "open-1.tsv"

    def least(work: Callable[[], object]) -> float:
        took = []
        for _ in range(5):
            start = time.process_time()
            work()
            took.append(time.process_time() - start)
        return min(took)

    reading = least(lambda: [row.split("\t") for row in path.read_text("utf-8").splitlines()])
    assert least(lambda: load_lexicon.__wrapped__(path)) < 8 * reading  # 1.1 times, measured


def test_known_words_are_emotion_words_for_sentences() -> None:
    known = known_words()
    assert {"angry", "sadness", "worried", "overwhelmed", "confused", "joy", "neutral"} <= known
    assert not known & {"the", "is", "speaker", "voice", "open", "present", "like", "person"}
    assert all(word == word.lower() and " " not in word for word in known)


def test_opening_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ovbench.normalize.opening import open_normalizer\n"
        "from ovbench.normalize.vocabulary import known_words\n"
        "open_normalizer().trace('not at all hapy'); known_words()\n"
        "heavy = {'nltk', 'wn', 'scipy', 'polars', 'torch', 'sentence_transformers', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
