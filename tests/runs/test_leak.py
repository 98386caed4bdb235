"""The leak test, on systems that are honest, that leak on purpose, and that look at nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from run_fakes import Fake, fake_task
from run_models import TARGETS, base_model

from ovbench.context import ContextSettings, open_context
from ovbench.errors import InputError
from ovbench.lora_las import LasConfig
from ovbench.runs.leak import AMPLITUDES, leak_test, relabelled
from ovbench.systems.generation import CausalLmSystem
from ovbench.systems.loading import Base
from ovbench.systems.prompting import Prompt
from ovbench.systems.settings import Decoding
from ovbench.tasks import Gold, Task

TASK = fake_task(8)
PROMPT = Prompt(file="p.txt", text="voice: {description} words: {transcript} ", sha256="0" * 64)


class Letters:
    """One token per character, and back."""

    eos_token_id, pad_token_id = 1, 0

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [2 + ord(c) % 62 for c in text]}

    def decode(self, ids: list[int], **_: Any) -> str:
        return "".join(chr(32 + i) for i in ids)


def on_base(config: LoraConfig) -> tuple[PeftModel, Base]:
    base = base_model()
    base.generation_config.eos_token_id = [1]
    model = get_peft_model(base, config)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name or "lora_las" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    device = torch.device("cpu")
    return model, Base(base, Letters(), "tiny", Path(), "0" * 64, device, torch.float32)  # type: ignore[arg-type]


def opener(leaking: bool = False, amplitude: float = 0.5, omega: float = 3.0, **changes: Any):
    """Opens a LoRA-LAS system for a task; with ``leaking``, its context is made of gold."""
    dim = open_context(ContextSettings()).dim
    config = LasConfig(
        r=4, label_dim=dim, amplitude=amplitude, omega=omega, target_modules=TARGETS, **changes
    )
    model, base = on_base(config)

    def open_system(task: Task) -> CausalLmSystem:
        chosen = ContextSettings(source="oracle" if leaking else "description")
        contexts = open_context(chosen, oracle_gold=task.gold if leaking else None)
        return CausalLmSystem("las", model, base, PROMPT, Decoding(max_new_tokens=6), contexts)

    return open_system


def test_an_honest_system_does_not_leak_and_the_control_shows_that_it_could() -> None:
    report = leak_test(opener(), TASK, batch_size=3, rounds=2)
    assert report.verdict == "no leak"
    assert report.answers_changed == ()
    assert (report.contexts_changed, report.rounds, report.items) == (0, 2, 8)
    assert report.context_source == "description"
    assert not report.oracle
    assert report.control.leak == "contexts made of gold labels"
    assert 0 < report.control.differing <= report.control.items == 8
    assert report.line().startswith("leak test: NO LEAK; 0 of 8 answers and 0 contexts change")


def test_gold_in_the_context_is_found() -> None:
    report = leak_test(opener(leaking=True, amplitude=8.0), TASK, batch_size=3)
    assert report.verdict == "leak"
    assert report.contexts_changed == 8
    assert report.answers_changed
    assert set(report.answers_changed) <= set(TASK.gold)
    assert report.oracle


def test_gold_in_the_context_is_found_where_no_answer_changes() -> None:
    report = leak_test(opener(leaking=True, amplitude=1e-9, omega=1e-3), TASK)
    assert report.answers_changed == ()
    assert report.verdict == "leak"
    assert report.control.differing > 0


@pytest.mark.parametrize("control", [None, "constant_s"])
def test_the_control_leaves_the_system_as_it_was(control: str | None) -> None:
    open_system = opener(amplitude=2e-4, omega=1e4, control=control)
    before = [answer.text for answer in open_system(TASK).predict(TASK.items, 8)]
    report = leak_test(open_system, TASK, batch_size=8)
    assert report.verdict == "no leak"
    assert report.control.amplitude in AMPLITUDES
    assert [answer.text for answer in open_system(TASK).predict(TASK.items, 8)] == before
    config = open_system(TASK).las
    assert config is not None
    assert (config.amplitude, config.omega, config.control) == (2e-4, 1e4, control)


def test_a_system_without_context_is_shown_gold_in_its_prompt() -> None:
    config = LoraConfig(r=4, target_modules=TARGETS, task_type="CAUSAL_LM")
    model, base = on_base(config)
    system = CausalLmSystem("lora", model, base, PROMPT, Decoding(max_new_tokens=6))
    report = leak_test(lambda task: system, TASK, batch_size=3)
    assert report.verdict == "no leak"
    assert (report.context_source, report.context_digest) == (None, None)
    assert report.control.leak == "gold labels in the prompt"
    assert report.control.differing > 0


class Copyist(Fake):
    """Answers with the gold of one item, and honestly with all others."""

    gold: Gold

    def predict(self, items: Any, batch_size: int) -> Any:
        for answer in super().predict(items, batch_size):
            if answer.id == "item-3":
                yield replace(answer, text=", ".join(self.gold.labels))
            else:
                yield answer


def test_one_leaking_item_is_named() -> None:
    def open_system(task: Task) -> Any:
        system = Copyist()
        system.gold = task.gold["item-3"]
        return system

    report = leak_test(open_system, TASK)
    assert report.answers_changed == ("item-3",)
    assert report.verdict == "leak"


def test_a_system_that_looks_at_nothing_proves_nothing() -> None:
    report = leak_test(lambda task: Fake(), TASK)  # type: ignore[arg-type,return-value]
    assert report.answers_changed == ()
    assert report.control.differing == 0
    assert report.verdict == "inconclusive"


def test_a_run_must_come_out_again() -> None:
    answers = {a.id: a.text for a in Fake().predict(TASK.items, 16)}
    open_system = lambda task: SimpleNamespace(name="f", predict=Fake().predict)  # noqa: E731
    assert leak_test(open_system, TASK, recorded=answers).not_as_recorded == ()
    answers["item-5"] = "something else"
    report = leak_test(open_system, TASK, recorded=answers)
    assert report.not_as_recorded == ("item-5",)
    assert "1 answers are not as recorded" in report.line()


def test_it_needs_a_round() -> None:
    with pytest.raises(InputError, match="0 rounds"):
        leak_test(lambda task: Fake(), TASK, rounds=0)  # type: ignore[arg-type,return-value]


words = st.lists(st.sampled_from(["happy", "sad", "angry", "afraid", "neutral", "odd"]), max_size=6)


@settings(max_examples=50)
@given(
    golds=st.lists(
        st.builds(
            Gold,
            words.map(tuple),
            st.none() | st.sampled_from(["happy", "sad"]),
            st.none() | st.floats(-3, 3),
        ),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 9),
)
def test_random_gold_differs_in_all_that_there_is(golds: list[Gold], seed: int) -> None:
    golds = [replace(gold, category=gold.category or "happy") for gold in golds]
    task = fake_task(len(golds), "class")
    task = replace(task, gold=dict(zip(task.gold, golds, strict=True)))
    other = relabelled(task, seed)
    assert other.items == task.items
    assert other == relabelled(task, seed)
    for name, own in task.gold.items():
        drawn = other.gold[name]
        assert not set(drawn.labels) & set(own.labels)
        assert bool(drawn.labels) == bool(own.labels)
        assert drawn.category != own.category
        assert (drawn.valence is None) == (own.valence is None)
        assert own.valence is None or drawn.valence != own.valence
