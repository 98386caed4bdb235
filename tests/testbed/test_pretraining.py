from __future__ import annotations

import re

from ovbench.testbed.corpus import generate
from ovbench.testbed.frames import DESCRIPTIONS, TOPIC_PAIRS, TRANSCRIPTS
from ovbench.testbed.pretraining import SCENES, all_words, pretraining_text, vocabulary
from ovbench.testbed.world import FAMILIES, TOPICS, VOICES

DOCUMENTS = list(pretraining_text(0, 4000))
FAMILY_OF = {word: family for family in FAMILIES for word in all_words(family)}


def prompts() -> list[tuple[str, str, list[str]]]:
    """Description, transcript and list of each document in the layout of a prompt."""
    found = []
    for text in DOCUMENTS:
        lines = text.split("\n")
        if len(lines) == 3 and lines[2].startswith("emotions: "):
            voice, words = lines[0].removeprefix("voice: "), lines[1].removeprefix("words: ")
            found.append((voice, words, lines[2].removeprefix("emotions: ").split(", ")))
    return found


def test_same_seed_same_text_from_any_start() -> None:
    assert list(pretraining_text(0, 30, start=70)) == DOCUMENTS[70:100]
    assert list(pretraining_text(1, 30)) != DOCUMENTS[:30]


def test_no_document_is_an_item_of_tinyov() -> None:
    items = {
        f"voice: {item.description}\nwords: {item.transcript}"
        for split in ("train", "dev", "test")
        for item in generate(split)  # type: ignore[arg-type]
    }
    assert not [text for text in DOCUMENTS if text.rpartition("\n")[0] in items]


def test_frames_of_dev_and_test_are_not_used() -> None:
    held_out = [
        re.compile(re.sub(r"\\{\w+\\}", "(.+)", re.escape(frame)), re.IGNORECASE)
        for frames in (DESCRIPTIONS, TRANSCRIPTS, TOPIC_PAIRS)
        for split in ("dev", "test")
        for frame in frames[split]  # type: ignore[index]
    ]
    item = generate("test", 1)[0]
    assert any(frame.fullmatch(item.description) for frame in held_out)
    lines = {line.partition(": ")[2] for text in DOCUMENTS[:2000] for line in text.split("\n")}
    assert [line for line in lines if any(frame.fullmatch(line) for frame in held_out)] == []


def test_lists_in_prompts_are_independent_of_what_is_said() -> None:
    """Were an answer right by more than chance, its topic would be one of the family's."""
    hits, chance, n = 0, 0.0, 0
    for _, words, labels in prompts():
        told = {t for t, cues in TOPICS.items() if any(c.lower() in words.lower() for c in cues)}
        for label in labels:
            topics = set(FAMILY_OF[label].topics)
            hits += bool(told & topics)
            expected = len(topics) / len(TOPICS)
            chance += 1 - (1 - expected) ** len(told)
            n += 1
    assert n > 500
    assert abs(hits - chance) / n < 0.06


def test_scene_names_tell_cells_apart_and_no_emotion() -> None:
    assert len(SCENES) == len(VOICES) * len(TOPICS) == len(set(SCENES.values()))
    assert not set(SCENES.values()) & set(FAMILY_OF)


def test_vocabulary_holds_every_label() -> None:
    assert set(FAMILY_OF) <= set(vocabulary())
    assert not [text for text in vocabulary() if "{" in text]
