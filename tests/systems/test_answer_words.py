"""Words that stand for classes: taught, read back, and what any other answer counts as."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError
from ovbench.systems import load_recipe
from ovbench.systems.answer_words import AnswerWords, word_key, word_of
from ovbench.systems.answers import Answer, Stage
from ovbench.systems.recipe import CausalLmRecipe, parse_recipe
from ovbench.systems.registry import bundled_folder
from ovbench.tasks import Gold, Item, Task

if TYPE_CHECKING:
    from ovbench.systems.loading import Base

WORDS = {"happy": "joy", "sad": "sadness", "neutral": "neutral"}


def read(text: str, fallback: str | None = None, status: str = "ok") -> Answer:
    return AnswerWords(WORDS, fallback).read(Answer("a", text, status, 3), "ab")  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["joy", "Joy", " JOY.", '"joy"', "**joy**!", "joy\n", "¡joy!"])
def test_case_and_punctuation_do_not_matter(text: str) -> None:
    found = read(text)
    assert (found.text, found.status, found.fallback) == ("happy", "ok", False)
    assert found.stages == (Stage("generated", text, "ab", 3),)


@pytest.mark.parametrize("text", ["joyful", "joy sadness", "I hear joy", "happy", "", "¿?"])
def test_any_other_answer_stays_or_falls_back(text: str) -> None:
    assert read(text) == Answer("a", text, "ok", 3)
    found = read(text, "neutral")
    assert (found.text, found.status, found.fallback) == ("neutral", "ok", True)
    assert found.stages[0].text == text


def test_a_word_that_is_its_class_is_left_alone() -> None:
    assert read("neutral", "neutral") == Answer("a", "neutral", "ok", 3)


def test_statuses() -> None:
    assert read("joy", status="truncated").status == "truncated"
    assert read("", "sad", "empty").status == "ok"
    assert read("", status="empty").status == "empty"
    assert read("", "sad", "error") == Answer("a", "", "error", 3)


@settings(max_examples=60)
@given(st.text(max_size=12))
def test_keys_are_stable_and_hold_no_edges(text: str) -> None:
    key = word_key(text)
    assert word_key(key) == key
    assert key == key.strip()


def test_a_class_without_a_word_is_an_error() -> None:
    assert word_of(WORDS, "sad", "item a") == "sadness"
    with pytest.raises(InputError, match="item a: class 'bored' has no word"):
        word_of(WORDS, "bored", "item a")


# --- recipes ------------------------------------------------------------------------------------


def gemma() -> str:
    return (bundled_folder() / "thau-gemma-lora.toml").read_text("utf-8")


def parsed(text: str) -> CausalLmRecipe:
    found = parse_recipe(text, bundled_folder() / "changed.toml")
    assert isinstance(found, CausalLmRecipe)
    return found


def test_digests_of_recipes_without_words_are_those_before_there_were_any() -> None:
    """As they stand in records that are public."""
    before = {
        "lora-las-r4": "0d53449b9901bfca89ea049d300a832367f9ae3f26edf375ac9d64c5efbe4e8d",
        "affectgpt-lora-r8": "6aa383c93643da5683c8321feea1fd3ef9a23d373cbf3363754bbe3b76e201b2",
        "majority": "48c14288de09264bd677a31bf047f23950b0d42aaf08dffb3de9017ca3a88083",
    }
    assert {name: load_recipe(name).digest() for name in before} == before


def test_words_and_fallback_are_part_of_the_digest() -> None:
    plain = parsed(gemma())
    other = parsed(gemma().replace('happy = "happy"', 'happy = "joy"', 1))
    falling = parsed(gemma().replace("\n[method]", 'fallback = "neutral"\n\n[method]', 1))
    assert len({plain.digest(), other.digest(), falling.digest()}) == 3


def test_the_prompts_eight_words_are_read_as_classes() -> None:
    words = parsed(gemma()).answer_words("paper")
    assert words is not None
    told = ["neutral", "sad", "angry", "happy", "surprise", "fear", "disgust", "contempt"]
    found = [words.class_of(word) for word in told]
    assert found == [
        "neutral", "sad", "angry", "happy", "surprised", "fearful", "disgusted", "contemptuous",
    ]  # fmt: skip
    prompt = parsed(gemma()).scale("paper").prompt.text
    assert f"[{', '.join(told)}]" in prompt


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("\n[method]", 'fallback = "bored"\n\n[method]', "fallback 'bored' is no class"),
        ('happy = "happy"', 'happy = "Sad"', "'sad' stands for happy and for sad"),
        ('happy = "happy"', 'happy = "-"', "holds no word"),
    ],
)
def test_words_that_cannot_be_meant(old: str, new: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parsed(gemma().replace(old, new, 1))


def test_a_fallback_needs_words() -> None:
    text = (bundled_folder() / "affectgpt-lora-r8.toml").read_text("utf-8")
    with pytest.raises(InputError, match=r"fallback goes with scales\.tiny\.words"):
        parsed(text.replace("\n[method]", 'fallback = "sad"\n\n[method]', 1))


# --- training and answers -----------------------------------------------------------------------


def task(items: list[Item], answers: str = "class") -> Task:
    gold = {item.id: Gold(labels=("tired", "bored"), category="happy") for item in items}
    return Task("t", "t", "train", "train", tuple(items), gold, answers, ("hit-open-1",))  # type: ignore[arg-type]


def completions(base: Base, split: Task, words: dict[str, str] | None) -> set[str]:
    from ovbench.context import ContextSettings, context_of
    from ovbench.training.prepare import encode_task

    prompt = parsed(gemma()).scale("tiny").prompt
    context = context_of(ContextSettings(source="none"), split, split)
    data = encode_task(split, prompt, base.tokenizer, 192, context, words)
    return {
        base.tokenizer.decode(row[start:], skip_special_tokens=True).strip()
        for row, start in zip(data.tokens, data.prompt_lengths, strict=True)
    }


def test_the_word_is_what_is_taught_on_class_tasks_alone(base: Base, items: list[Item]) -> None:
    words = {"happy": "proud", "sad": "calm"}
    assert completions(base, task(items), words) == {"proud"}
    assert completions(base, task(items), None) == {"tired,bored"}
    assert completions(base, task(items, "labels"), words) == {"tired,bored"}
    with pytest.raises(InputError, match="class 'happy' has no word"):
        completions(base, task(items), {"sad": "calm", "angry": "angry"})


def test_generated_answers_are_read_by_the_words(base: Base, items: list[Item]) -> None:
    from ovbench.systems.generation import CausalLmSystem
    from ovbench.systems.settings import Decoding

    prompt = parsed(gemma()).scale("tiny").prompt

    def answers(words: AnswerWords | None) -> list[Answer]:
        decoding = Decoding(max_new_tokens=2)
        system = CausalLmSystem("x", base.model, base, prompt, decoding, words=words)
        return list(system.predict(items, 2))

    plain = answers(None)
    said = plain[0].text
    known = AnswerWords({"happy": said, "sad": "no such answer"}, "sad")
    for raw, found in zip(plain, answers(known), strict=True):
        same = word_key(raw.text) == word_key(said)
        stage = Stage("generated", raw.text, prompt.sha256, raw.tokens)
        assert found == replace(
            raw,
            text="happy" if same else "sad",
            status=raw.status if same else "ok",
            fallback=not same,
            stages=(stage,),
        )
