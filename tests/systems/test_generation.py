"""Answers of a random base, against decoding one item at a time without padding or cache."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ovbench.context import ContextSettings, open_context
from ovbench.errors import InputError, OvbenchError
from ovbench.systems.recipe import CausalLmRecipe
from ovbench.systems.settings import Decoding
from ovbench.tasks import Item

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from systems_kit import load, save_adapter  # noqa: E402

from ovbench.systems.answers import Answer  # noqa: E402
from ovbench.systems.generation import CausalLmSystem, automatic_batch_size, sampling  # noqa: E402
from ovbench.systems.loading import Base, build  # noqa: E402
from ovbench.systems.probing import ModelProbe  # noqa: E402
from ovbench.systems.prompting import prompt_ids  # noqa: E402
from ovbench.systems.saved import open_adapter  # noqa: E402

Get = Callable[[str], CausalLmRecipe]
SHORT = Decoding(max_new_tokens=9)
CONTEXTS = open_context(ContextSettings(source="description", encoder="clusters"))
ENDS = [1, 5, 20, 40]
"""So many tokens end an answer here that some answers of a random model do end."""


@pytest.fixture
def base(base_folder: Path) -> Base:
    found = load(base_folder)
    found.model.generation_config.eos_token_id = ENDS
    return found


def stepwise(system: CausalLmSystem, item: Item) -> Answer:
    """The definition: one token after the other, each from a full forward pass."""
    ids = prompt_ids(system.base.tokenizer, system.prompt.render(item))
    rows = system.context_rows([item])
    context = {} if rows is None else {"label_context": torch.from_numpy(rows)}
    new: list[int] = []
    with torch.no_grad():
        while len(new) < system.decoding.max_new_tokens:
            logits = system.model(torch.tensor([ids + new]), **context).logits[0, -1]
            new.append(int(logits.argmax()))
            if new[-1] in ENDS:
                text = system.base.tokenizer.decode(new[:-1], skip_special_tokens=True).strip()
                return Answer(item.id, text, "ok" if text else "empty", len(new))
    text = system.base.tokenizer.decode(new, skip_special_tokens=True).strip()
    return Answer(item.id, text, "truncated", len(new))


def untuned(base: Base, recipe: CausalLmRecipe, decoding: Decoding = SHORT) -> CausalLmSystem:
    return CausalLmSystem("untuned", base.model, base, recipe.scale("tiny").prompt, decoding)


def adapted(
    base: Base, recipe: CausalLmRecipe, decoding: Decoding = SHORT, size: float = 0.3
) -> CausalLmSystem:
    """A system with random adapter weights that change answers."""
    las = recipe.method.name == "las"
    schema = CONTEXTS.schema if las else None
    model = build(
        recipe, "tiny", base, label_dim=CONTEXTS.dim if las else None, context_schema=schema
    )
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += size * torch.randn(parameter.shape, generator=generator)
    prompt = recipe.scale("tiny").prompt
    return CausalLmSystem(recipe.name, model, base, prompt, decoding, CONTEXTS if las else None)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_batches_change_nothing(
    batch_size: int, base: Base, items: list[Item], recipe_of: Get
) -> None:
    system = untuned(base, recipe_of("affectgpt-lora-r8"))
    wanted = [stepwise(system, item) for item in items]
    assert list(system.predict(items, batch_size)) == wanted
    assert len({answer.tokens for answer in wanted}) > 1


@pytest.mark.parametrize("name", ["lora-las-r4-wide", "dora-r8", "loran-r8", "miss-r8"])
def test_methods_decode_as_they_are_defined(
    name: str, base: Base, items: list[Item], recipe_of: Get
) -> None:
    system = adapted(base, recipe_of(name))
    wanted = [stepwise(system, item) for item in items]
    assert list(system.predict(items, 3)) == wanted
    plain = untuned(load(base.folder), recipe_of(name))
    assert [a.text for a in plain.predict(items, 3)] != [a.text for a in wanted]


def test_answers_come_as_soon_as_they_can(base: Base, items: list[Item], recipe_of: Get) -> None:
    system = untuned(base, recipe_of("affectgpt-lora-r8"))
    first = next(iter(system.predict(items, 1)))
    assert first.id == "a"


def test_no_items(base: Base, recipe_of: Get) -> None:
    assert list(untuned(base, recipe_of("affectgpt-lora-r8")).predict([], 4)) == []


class TestStatuses:
    def test_truncated(self, base: Base, items: list[Item], recipe_of: Get) -> None:
        base.model.generation_config.eos_token_id = [1]
        system = untuned(base, recipe_of("affectgpt-lora-r8"), Decoding(max_new_tokens=2))
        answers = list(system.predict(items, 5))
        assert {answer.status for answer in answers} == {"truncated"}
        assert {answer.tokens for answer in answers} == {2}

    def test_empty(self, base: Base, items: list[Item], recipe_of: Get) -> None:
        base.model.generation_config.eos_token_id = list(range(80))
        answers = list(untuned(base, recipe_of("affectgpt-lora-r8")).predict(items, 5))
        assert {(answer.status, answer.text, answer.tokens) for answer in answers} == {
            ("empty", "", 1)
        }

    def test_a_prompt_that_does_not_fit(
        self, base: Base, items: list[Item], recipe_of: Get
    ) -> None:
        system = untuned(base, recipe_of("affectgpt-lora-r8"))
        long = Item("long", "low " * 130, "go home")
        wanted = list(system.predict(items, 5))
        answers = list(system.predict([items[0], long, *items[1:]], 2))
        assert answers[1] == Answer("long", "", "error", 0)
        assert [answers[0], *answers[2:]] == wanted


class TestSampling:
    DRAWN = Decoding(max_new_tokens=6, temperature=1.0, top_p=0.9)

    def texts(self, system: CausalLmSystem, items: list[Item], size: int) -> dict[str, str]:
        return {answer.id: answer.text for answer in system.predict(items, size)}

    def test_an_item_draws_the_same_beside_any_others(
        self, base: Base, items: list[Item], recipe_of: Get
    ) -> None:
        system = untuned(base, recipe_of("affectgpt-lora-r8"), self.DRAWN)
        torch.manual_seed(1)
        wanted = self.texts(system, items, 5)
        torch.manual_seed(2)
        assert self.texts(system, items[::-1], 2) == wanted
        assert self.texts(system, items[1:3], 1).items() <= wanted.items()

    def test_seeds_draw_differently(self, base: Base, items: list[Item], recipe_of: Get) -> None:
        recipe = recipe_of("affectgpt-lora-r8")
        seeded = [
            CausalLmSystem(
                "x", base.model, base, recipe.scale("tiny").prompt, self.DRAWN, seed=seed
            )
            for seed in (0, 1)
        ]
        one, two = (self.texts(system, items, 5) for system in seeded)
        assert one != two

    def test_draws_follow_the_distribution(self) -> None:
        scores = torch.tensor([[2.0, 1.0, 0.0, -5.0]])
        n = 3000
        ids = [f"item {i}" for i in range(n)]
        steps = sampling(Decoding(temperature=2.0, top_p=0.98), 0, ids)
        drawn = Counter(steps(torch.zeros(n, 1).long(), scores.repeat(n, 1)).argmax(1).tolist())
        weights = [math.exp(v / 2) for v in (2.0, 1.0, 0.0)]
        assert 3 not in drawn  # outside of the nucleus
        for token, weight in enumerate(weights):
            share = weight / sum(weights)
            error = math.sqrt(share * (1 - share) / n)
            assert abs(drawn[token] / n - share) < 4 * error


class TestMemory:
    def failing(
        self, system: CausalLmSystem, most: int, monkeypatch: pytest.MonkeyPatch
    ) -> list[int]:
        tried: list[int] = []
        generate = system._generate

        def limited(prompts: list[list[int]], ids: list[str], rows: object) -> object:
            tried.append(len(prompts))
            if len(prompts) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return generate(prompts, ids, rows)  # type: ignore[arg-type]

        monkeypatch.setattr(system, "_generate", limited)
        return tried

    def test_batches_are_halved(
        self, base: Base, items: list[Item], recipe_of: Get, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        system = untuned(base, recipe_of("affectgpt-lora-r8"))
        wanted = list(system.predict(items, 1))
        system.shrink = True
        tried = self.failing(system, 1, monkeypatch)
        assert list(system.predict(items, 4)) == wanted
        assert tried == [4, 2, 1, 1, 1, 1, 1]
        assert system.largest_batch == 1

    def test_or_it_is_an_error(
        self, base: Base, items: list[Item], recipe_of: Get, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        system = untuned(base, recipe_of("affectgpt-lora-r8"))
        self.failing(system, 3, monkeypatch)
        with pytest.raises(OvbenchError, match=r"batch of 4\. Use --batch-size auto"):
            list(system.predict(items, 4))
        system.shrink = True
        self.failing(system, 0, monkeypatch)
        with pytest.raises(OvbenchError, match="Free some memory"):
            list(system.predict(items, 4))

    def test_other_errors_pass(
        self, base: Base, items: list[Item], recipe_of: Get, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        system = untuned(base, recipe_of("affectgpt-lora-r8"))

        def broken(*_: object) -> None:
            raise RuntimeError("shape mismatch")

        monkeypatch.setattr(system, "_generate", broken)
        with pytest.raises(RuntimeError, match="shape mismatch"):
            list(system.predict(items, 4))


class TestContexts:
    def test_only_las_takes_them(self, base: Base, recipe_of: Get) -> None:
        recipe = recipe_of("affectgpt-lora-r8")
        with pytest.raises(InputError, match="only LoRA-LAS takes them"):
            CausalLmSystem(
                "lora",
                build(recipe, "tiny", base),
                base,
                recipe.scale("tiny").prompt,
                SHORT,
                CONTEXTS,
            )

    def test_las_needs_them(self, base: Base, recipe_of: Get) -> None:
        recipe = recipe_of("lora-las-r4")
        model = build(recipe, "tiny", base, label_dim=CONTEXTS.dim)
        prompt = recipe.scale("tiny").prompt
        none = open_context(ContextSettings(source="none"))
        for contexts in (None, none):
            with pytest.raises(InputError, match="given no label contexts"):
                CausalLmSystem("las", model, base, prompt, SHORT, contexts)

    def test_of_the_space_it_was_trained_in(self, base: Base, recipe_of: Get) -> None:
        recipe = recipe_of("lora-las-r4")
        prompt = recipe.scale("tiny").prompt
        model = build(recipe, "tiny", base, label_dim=CONTEXTS.dim, context_schema="other@1")
        with pytest.raises(InputError, match="trained with label contexts of other@1"):
            CausalLmSystem("las", model, base, prompt, SHORT, CONTEXTS)

    def test_each_item_has_its_own(self, base: Base, items: list[Item], recipe_of: Get) -> None:
        system = adapted(base, recipe_of("lora-las-r4-wide"))
        loud = Item("a", "angry", items[0].transcript)
        rows = CONTEXTS.build([items[0], loud])
        assert rows is not None
        assert not np.array_equal(rows[0], rows[1])
        alone = stepwise(system, items[4])
        assert list(system.predict([loud, items[4]], 2))[1] == alone

    def test_two_passes(self, base: Base, items: list[Item], recipe_of: Get) -> None:
        system = adapted(base, recipe_of("lora-las-r4-wide"))
        first = list(system.predict(items, 3))
        system.contexts = open_context(ContextSettings(source="two_pass"))
        second = list(system.predict(items, 3))
        assert [a.first_pass for a in second] == [a.text for a in first]
        assert [a.first_pass for a in first] == [None] * len(items)
        from ovbench.io.labels import get_parser

        labels = {a.id: get_parser("open").parse(a.text).labels for a in first}
        rows = system.contexts.build(items, labels)
        assert rows is not None
        again = system.context_rows(items, {a.id: a.first_pass or "" for a in second})
        assert np.array_equal(again, rows)
        assert not np.array_equal(system.context_rows(items), rows)
        prompts = system.tokenized(items)
        wanted = [
            system._generate([prompts[i]], [item.id], rows[i : i + 1])[0]
            for i, item in enumerate(items)
        ]
        assert [a.text for a in second] == [a.text for a in wanted]
        assert [a.passes for a in second] == [2] * len(items)
        assert [a.tokens for a in second] == [
            a.tokens + b.tokens for a, b in zip(first, wanted, strict=True)
        ]


class TestProbe:
    def test_logits(self, base: Base, items: list[Item], recipe_of: Get) -> None:
        probe = ModelProbe(adapted(base, recipe_of("lora-las-r4-wide")))
        on, off = probe.logits(items), probe.logits(items, adapter=False)
        assert on.shape == (5, base.model.config.vocab_size)
        plain = ModelProbe(untuned(load(base.folder), recipe_of("lora-las-r4-wide")))
        assert torch.equal(off, plain.logits(items))
        assert (on - off).abs().max() > 0.1
        alone = torch.cat([probe.logits([item]) for item in items])
        assert (alone - on).abs().max() < 1e-3

    def test_contexts_reach_every_layer(
        self, base: Base, items: list[Item], recipe_of: Get
    ) -> None:
        probe = ModelProbe(adapted(base, recipe_of("lora-las-r4")))
        own = probe.context_values(items)
        other = probe.context_values(items, other_context=True)
        assert len(own) == len(other) == 14
        assert all(float(s.min()) > 0 and float(s.max()) < 1 for s in own)
        assert all(not torch.equal(a, b) for a, b in zip(own, other, strict=True))
        assert (probe.takes_context, probe.context_dtype) == (True, "float32")
        assert probe.base_dtype == "float32"

    def test_plain_lora(self, base: Base, items: list[Item], recipe_of: Get) -> None:
        probe = ModelProbe(adapted(base, recipe_of("affectgpt-lora-r8")))
        assert (probe.takes_context, probe.context_dtype) == (False, None)
        assert probe.context_values(items) == []


def test_opened_from_disk(base: Base, items: list[Item], recipe_of: Get, tmp_path: Path) -> None:
    recipe = recipe_of("lora-las-r4-wide")
    system = adapted(base, recipe, recipe.decoding_at("tiny"))
    wanted = list(system.predict(items, 5))
    save_adapter(system.model, tmp_path / "a", base)
    fresh = load(base.folder)
    fresh.model.generation_config.eos_token_id = ENDS
    model = open_adapter(recipe, tmp_path / "a", fresh).model
    prompt = recipe.scale("tiny").prompt
    opened = CausalLmSystem("x", model, fresh, prompt, recipe.decoding_at("tiny"), CONTEXTS)
    assert list(opened.predict(items, 5)) == wanted


def test_a_batch_size_to_start_from() -> None:
    assert automatic_batch_size(2_000_000, torch.device("cpu")) == 64
    assert automatic_batch_size(7_000_000_000, torch.device("cpu")) == 8
    assert automatic_batch_size(7_000_000_000, torch.device("cuda")) == 64


def test_a_published_generation_config_does_not_leak_in(base_folder: Path, tmp_path: Path) -> None:
    import shutil

    from systems_kit import edit_json

    folder = tmp_path / "chatty"
    shutil.copytree(base_folder, folder)
    edit_json(
        folder / "generation_config.json",
        do_sample=True,
        temperature=0.7,
        top_k=20,
        repetition_penalty=1.05,
        eos_token_id=[1, 7],
    )
    config = load(folder).model.generation_config
    assert config.eos_token_id == [1, 7]
    assert (config.do_sample, config.temperature) in ((None, None), (False, 1.0))
    assert config.repetition_penalty in (None, 1.0)
