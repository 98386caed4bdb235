from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import TypeAdapter, ValidationError

from ovbench.errors import InputError, UnknownNameError
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.records import SystemRecord
from ovbench.scoring import Options
from ovbench.systems.answers import Answer
from ovbench.systems.missing import MissingPartsError
from ovbench.systems.pipeline.opening import device_of, open_system, record_fields, require_texts
from ovbench.systems.pipeline.recipe import PipelineRecipe
from ovbench.systems.pipeline.running import PipelineSystem, one_line
from ovbench.systems.registry import bundled_folder
from ovbench.tasks import Item, load_task

NAMES = ("pipeline-prosody-rules", "pipeline-ov-mer")


def recipe_of(fields: dict[str, object], folder: Path | None = None) -> PipelineRecipe:
    return TypeAdapter(PipelineRecipe).validate_python(
        fields, context={"folder": folder or bundled_folder()}
    )


def bundled(name: str) -> PipelineRecipe:
    return recipe_of(tomllib.loads((bundled_folder() / f"{name}.toml").read_text("utf-8")))


def stages(**scale: object) -> PipelineRecipe:
    tiny = {"extractor": {"name": "rules"}} | scale
    return recipe_of(
        {"name": "mine", "kind": "pipeline", "title": "a chain", "scales": {"tiny": tiny}}
    )


def language(**fields: object) -> dict[str, object]:
    return {"backbone": "tinyov", "prompt": "prompts/tinyov.txt"} | fields


class Heard:
    """A describer that says a clip's name."""

    id = "stub@1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def heard(self, items: Sequence[Item], what: str) -> Iterator[object]:
        for item in items:
            self.asked.append(item.id)
            said = "" if item.audio == "silent.wav" else f"heard {item.audio}"
            yield SimpleNamespace(description=said)


class Told:
    """A language model that says what a table has for a description, and notes what it is shown."""

    largest_batch = None

    def __init__(self, answers: dict[str, Answer | str], sha256: str) -> None:
        self.answers, self.prompt = answers, SimpleNamespace(sha256=sha256)
        self.shown: list[tuple[str, str]] = []

    def predict(self, items: Sequence[Item], batch_size: int) -> Iterator[Answer]:
        for item in items:
            self.shown.append((item.description, item.transcript))
            said = self.answers.get(item.id, "")
            yield said if isinstance(said, Answer) else Answer(item.id, said, "ok", 3)


def chain(
    describer: Heard | None = None,
    captions: dict[str, Answer | str] | None = None,
    labels: dict[str, Answer | str] | None = None,
) -> PipelineSystem:
    return PipelineSystem(
        "mine",
        describer,  # type: ignore[arg-type]
        None if captions is None else Told(captions, "c" * 64),  # type: ignore[arg-type]
        None if labels is None else Told(labels, "e" * 64),  # type: ignore[arg-type]
    )


class TestStages:
    def test_every_stage_is_kept_with_prompt_and_tokens(self) -> None:
        system = chain(Heard(), {"a": "She is\nnot angry,\nbut sad."}, {"a": "sad\nhurt"})
        (answer,) = system.predict([Item("a", "", "words", audio="a.wav")], 4)
        assert [(s.name, s.text, s.prompt, s.tokens) for s in answer.stages] == [
            ("describer", "heard a.wav", None, 0),
            ("captioner", "She is\nnot angry,\nbut sad.", "c" * 64, 3),
            ("extractor", "sad\nhurt", "e" * 64, 3),
        ]
        assert (answer.text, answer.status, answer.tokens) == ("sad, hurt", "ok", 6)
        assert all(stage.seconds >= 0 for stage in answer.stages)

    def test_each_sees_what_the_one_before_said_on_one_line(self) -> None:
        system = chain(Heard(), {"a": "one\ntwo"}, {"a": "sad"})
        list(system.predict([Item("a", "", "words", audio="a.wav")], 4))
        assert system.captioner.shown == [("heard a.wav", "words")]  # type: ignore[union-attr]
        assert system.extractor.shown == [("one, two", "words")]  # type: ignore[union-attr]

    def test_rules_read_the_caption(self) -> None:
        system = chain(None, {"a": "Not angry, she sounds sad.", "b": "Nothing to hear."})
        answers = list(system.predict([Item("a", "low", "x"), Item("b", "low", "x")], 4))
        assert [(a.text, a.status) for a in answers] == [("sad", "ok"), ("", "empty")]
        assert [stage.name for stage in answers[0].stages] == ["captioner", "extractor"]
        assert answers[0].stages[1].prompt is None

    def test_without_captioner_the_description_goes_on(self) -> None:
        system = chain(None, None, None)
        (answer,) = system.predict([Item("a", "She sounds proud.", "I am so sad")], 1)
        assert answer.text == "proud"

    def test_descriptions_that_are_there_are_kept(self) -> None:
        describer = Heard()
        items = [Item("a", "a proud voice", "", audio="a.wav"), Item("b", "", "", audio="b.wav")]
        answers = list(chain(describer).predict(items, 2))
        assert describer.asked == ["b"]
        assert [stage.name for stage in answers[0].stages] == ["extractor"]
        assert [stage.name for stage in answers[1].stages] == ["describer", "extractor"]

    def test_nothing_to_start_from_is_an_error_and_nobody_is_asked(self) -> None:
        system = chain(Heard(), {"b": "sad"}, None)
        items = [Item("a", "", "", audio="silent.wav"), Item("b", "", "x", audio="silent.wav")]
        answers = list(system.predict(items, 2))
        assert [answer.status for answer in answers] == ["error", "ok"]
        assert system.captioner.shown == [("", "x")]  # type: ignore[union-attr]
        assert [answer.text for answer in answers] == ["", "sad"]

    def test_an_empty_caption_asks_nobody_for_labels(self) -> None:
        system = chain(None, {"a": " \n"}, {"a": "happy"})
        (answer,) = system.predict([Item("a", "low", "x")], 1)
        assert (answer.text, answer.status) == ("", "empty")
        assert system.extractor.shown == []  # type: ignore[union-attr]

    @pytest.mark.parametrize("stage", ["captions", "labels"])
    def test_statuses_of_stages_are_the_answers(self, stage: str) -> None:
        said = {
            "a": Answer("a", "", "error", 0),
            "b": Answer("b", "sad and so", "truncated", 9),
            "c": Answer("c", "sad", "ok", 2),
        }
        tables = {"captions": dict.fromkeys("abc", "sad"), "labels": dict.fromkeys("abc", "sad")}
        system = chain(None, **(tables | {stage: said}))  # type: ignore[arg-type]
        answers = list(system.predict([Item(name, "low", "x") for name in "abc"], 2))
        assert [answer.status for answer in answers] == ["error", "truncated", "ok"]
        assert answers[0].text == ""
        assert answers[1].text in ("sad", "sad and so")

    def test_order_and_batches(self) -> None:
        items = [Item(name, f"{name} sounds sad", "x") for name in "abcdefg"]
        system = chain(None, dict.fromkeys("abcdefg", "sad"))
        for size in (1, 3, 7, 100):
            assert [answer.id for answer in system.predict(items, size)] == list("abcdefg")
        with pytest.raises(InputError, match="batch size of 0"):
            list(system.predict(items, 0))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("happy\nsad", "happy, sad"),
        ("Emotions:\r\n\n  happy \n sad  ", "Emotions: happy, sad"),
        ("He is sad.\nShe is not.", "He is sad. She is not."),
        ("[\n'a',\n'b'\n]", "[ 'a', 'b' ]"),
        ("1. happy\u20282. sad", "1. happy, 2. sad"),
        ("one line", "one line"),
        (" \n ", ""),
    ],
)
def test_line_ends_become_separators(text: str, line: str) -> None:
    assert one_line(text) == line


class TestRecipes:
    @pytest.mark.parametrize(
        ("scale", "said"),
        [
            ({"captioner": language(decoding={"temperature": 0.7})}, "decodes greedily"),
            ({"extractor": {"name": "llm"}}, "Field required"),
            ({"extractor": {"name": "magic"}}, "'rules', 'llm'"),
            ({"extractor": {"name": "rules", "backbone": "x"}}, "Extra inputs"),
            ({"captioner": language(prompt="prompts/none.txt")}, "cannot be read"),
        ],
    )
    def test_what_is_refused(self, scale: dict[str, object], said: str) -> None:
        with pytest.raises((ValidationError, InputError), match=said):
            stages(**scale)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{transcript} {answer}", "no {description}"),
            ("{audio} {description} {answer}", "{audio}"),
        ],
    )
    def test_prompts_that_do_not_fit(self, tmp_path: Path, text: str, said: str) -> None:
        (tmp_path / "p.txt").write_text(text)
        fields = {"captioner": language(prompt="p.txt"), "extractor": {"name": "rules"}}
        whole = {"name": "mine", "kind": "pipeline", "title": "t", "scales": {"tiny": fields}}
        with pytest.raises(ValidationError, match=re.escape(said)):
            recipe_of(whole, tmp_path)

    @pytest.mark.parametrize("name", NAMES)
    def test_bundled_ones_have_both_scales_and_say_what_is_theirs(self, name: str) -> None:
        recipe = bundled(name)
        assert set(recipe.scales) == {"tiny", "paper"}
        assert recipe.eval_tasks("tiny") == ("tinyspeech",)
        assert recipe.eval_tasks("paper") == ("ov-merd",)
        assert recipe.train_task("tiny") == "tinyov"
        assert recipe.licence
        assert recipe.notes
        for stage in recipe.scale("paper").language_stages().values():
            assert stage.backbone == "Qwen/Qwen2.5-7B-Instruct"
            # Both of the official paths: an explicit system message, and none of the template's.
            assert stage.prompt.text.startswith("<|im_start|>system\n")
            assert stage.prompt.text.endswith("<|im_start|>assistant\n")
        with pytest.raises(UnknownNameError):
            recipe.scale("huge")

    def test_published_figures(self) -> None:
        # OV-MER (arXiv:2410.01495), main table: SALMONN and Qwen-Audio, M3-W1-L1 and M-avg.
        values = [one.value for one in bundled("pipeline-ov-mer").published]
        assert values == [54.9, 43.53, 43.85, 31.84]

    def test_what_changes_an_answer_changes_the_digest(self) -> None:
        digests = {
            stages().digest(),
            stages(captioner=language()).digest(),
            stages(captioner=language(adapter="affectgpt-lora-r8")).digest(),
            stages(captioner=language(prompt="prompts/qwen-merge.txt")).digest(),
            stages(describer={"name": "prosody", "statistics": "built-in"}).digest(),
            stages(extractor={"name": "llm", **language()}).digest(),
        }
        assert len(digests) == 6


class TestOpening:
    def test_all_that_is_missing_is_told_at_once(self) -> None:
        recipe = stages(
            captioner=language(backbone="nobody/nothing"),
            extractor={"name": "llm", **language(adapter="nowhere")},
        )
        with pytest.raises(MissingPartsError) as caught:
            open_system(recipe, "tiny")
        assert "nobody/nothing" in str(caught.value)
        assert "no adapter 'nowhere'" in str(caught.value)

    def test_tasks_that_show_nothing(self) -> None:
        bare = [Item("a", "", "", audio="a.wav")]
        with pytest.raises(InputError, match="no item of x has a transcript or a description"):
            require_texts(stages(), "tiny", bare, "x")
        require_texts(bundled(NAMES[0]), "tiny", bare, "x")
        require_texts(stages(), "tiny", [*bare, Item("b", "", "said")], "x")

    def test_without_models_there_is_nothing_to_load(self) -> None:
        system = open_system(stages(), "tiny")
        record = SystemRecord(**record_fields(stages(), "tiny", system))
        assert record.parts == {}
        assert record.decoding == {"extractor": "rules-1"}
        assert (record.dtype, record.describer, device_of(system)) == (None, None, None)

    def test_random_weights_go_the_whole_way(self, base_folder: Path, tmp_path: Path) -> None:
        model = language(decoding={"max_new_tokens": 6})
        recipe = stages(captioner=model, extractor={"name": "llm", **model})
        items = [Item(name, "high pitch", f"why {name}") for name in "abc"]
        system = open_system(recipe, "tiny", base=str(base_folder), device="cpu")
        captioner, extractor = system.language_models.values()
        assert captioner.model is extractor.model  # loaded once
        parts = record_fields(recipe, "tiny", system)["parts"]
        assert parts["captioner.base"] == parts["extractor.base"] == captioner.base.sha256
        answers = list(system.predict(items, 2))
        assert [answer.id for answer in answers] == list("abc")
        for answer in answers:
            assert [stage.name for stage in answer.stages][:1] == ["captioner"]
            assert answer.tokens == sum(stage.tokens for stage in answer.stages) > 0
        again = [a.text for a in system.predict(items, 2)]
        assert [answer.text for answer in answers] == again

    def test_the_bundled_chain_on_descriptions(self, tmp_path: Path) -> None:
        recipe = bundled("pipeline-prosody-rules")
        pytest.importorskip("soundfile")
        task = load_task("tinyov")
        system = open_system(recipe, "tiny", device="cpu")
        about = SystemRecord(**record_fields(recipe, "tiny", system), device="cpu")
        assert set(about.parts) == {"captioner.base", "captioner.adapter", "captioner.prompt"}
        assert about.describer is not None
        quick = EvalOptions(batch_size=8, limit=16, scoring=Options(draws=0, floors=False))
        run = evaluate(system, task, about, tmp_path, quick)
        lines = (Path(run.folder) / "predictions.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        assert len(rows) == 16
        for row in rows:
            captioner, extractor = row["stages"]
            assert captioner["prompt"] == about.parts["captioner.prompt"]
            assert captioner["tokens"] == row["tokens"] > 0
            assert extractor["text"] == row["text"]
            assert row["labels"] == [word.strip() for word in row["text"].split(",")]
        # The adapter was trained for these descriptions: it names words of its task.
        assert run.headline.scores[run.headline.headline] > 0.2
