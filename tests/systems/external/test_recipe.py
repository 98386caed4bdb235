from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from programs import ECHO, notes, recipe_of, write_program
from pydantic import ValidationError

from ovbench.errors import InputError, InterruptedRunError, OvbenchError, UnknownNameError
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.records import SystemRecord
from ovbench.scoring import Options
from ovbench.systems import load_recipe
from ovbench.systems.external import example, stand_in
from ovbench.systems.external.opening import open_system, record_fields, require_fields
from ovbench.systems.external.recipe import ExternalRecipe
from ovbench.systems.external.running import ExternalSystem
from ovbench.systems.recipe import parse_recipe
from ovbench.systems.registry import bundled_folder
from ovbench.tasks import Item, load_task, task_ids
from ovbench.testbed.speech import wav

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "external-system.md"
QUICK = EvalOptions(batch_size=8, limit=20, scoring=Options(draws=0, floors=False))
MODELS = ("affectgpt-external", "salmonn-external", "emotion2vec-external")


def bundled(name: str) -> ExternalRecipe:
    recipe = load_recipe(name)
    assert isinstance(recipe, ExternalRecipe)
    return recipe


class TestSchema:
    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"scales": {"tiny": {"command": ["./wrapper.sh"]}}}, "relative path"),
            ({"scales": {"tiny": {"command": ["bin/wrapper"]}}}, "begin it with {recipe_folder}/"),
            ({"scales": {"tiny": {"command": ["x", "{data}"]}}}, "{data} is no placeholder"),
            ({"scales": {"tiny": {"command": ["x", "a\0b"]}}}, "null character"),
            ({"scales": {"tiny": {"command": []}}}, "at least 1"),
            ({"scales": {"tiny": {"command": "ls -l"}}}, "valid tuple"),
            ({"fields": ["gold"]}, "'audio', 'transcript' or 'description'"),
            ({"fields": []}, "at least 1"),
            ({"timeout_seconds": 0}, "greater than 0"),
            ({"batch": 0}, "greater than or equal to 1"),
            ({"restarts": -1}, "greater than or equal to 0"),
            ({"env": ["TOKEN=1"]}, "values are not given here"),
            ({"folder": "work"}, "is relative"),
            ({"shell": True}, "Extra inputs"),
        ],
    )
    def test_what_is_refused(self, tmp_path: Path, fields: dict[str, object], said: str) -> None:
        with pytest.raises(ValidationError, match=re.escape(said)):
            recipe_of(tmp_path, "", **fields)

    def test_placeholders(self, tmp_path: Path) -> None:
        recipe = recipe_of(tmp_path, "")
        assert recipe.command_at("tiny") == (sys.executable, f"{tmp_path}/program.py")

    def test_a_copy_elsewhere_is_the_same_recipe_by_digest(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        first, second = recipe_of(tmp_path, ""), recipe_of(other, "")
        assert first.digest() == second.digest()
        assert first != second  # they run different files
        assert recipe_of(tmp_path, "", batch=2).digest() != first.digest()

    def test_a_wrong_key_is_told_by_its_line(self, tmp_path: Path) -> None:
        text = PAGE.read_text().partition("```toml\n")[2].partition("```")[0]
        wrong = text.replace("timeout_seconds", "timeout_second")
        with pytest.raises(
            InputError, match=r"line 5: unknown key 'timeout_second' .*timeout_seconds"
        ):
            parse_recipe(wrong, tmp_path / "mine.toml")

    def test_scales(self, tmp_path: Path) -> None:
        recipe = recipe_of(tmp_path, "")
        assert recipe.eval_tasks("tiny") == ("tinyov",)
        assert recipe.train_task("tiny") == "tinyov"
        with pytest.raises(UnknownNameError, match="--scale tiny"):
            recipe.scale("paper")


class TestOpening:
    def test_a_missing_program_says_what_to_get(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        for name in MODELS:
            with pytest.raises(InputError) as caught:
                open_system(bundled(name), "paper")
            message = str(caught.value)
            assert f"'ovbench-{name.removesuffix('-external')}'" in message
            assert "weights" in message
            assert "on PATH" in message
            assert f"ovbench eval --model {name} --scale paper" in message

    def test_one_that_may_not_be_run(self, tmp_path: Path) -> None:
        path = write_program(tmp_path, "")
        recipe = recipe_of(tmp_path, "", scales={"tiny": {"command": [str(path)]}})
        with pytest.raises(InputError, match=r"may not be run.* Chmod \+x"):
            open_system(recipe, "tiny")

    def test_one_that_is_no_program(self, tmp_path: Path) -> None:
        path = tmp_path / "text"
        path.write_bytes(b"\0\1\2 no program\n")
        path.chmod(0o755)
        recipe = recipe_of(
            tmp_path, "", scales={"tiny": {"command": [str(path)], "needs": "another"}}
        )
        system = open_system(recipe, "tiny")
        with system, pytest.raises(InputError, match=r"cannot be started.*expected another"):
            list(system.predict([Item("a", "", "x")], 1))

    def test_a_missing_working_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="working folder is not there"):
            open_system(recipe_of(tmp_path, "", folder="{recipe_folder}/none"), "tiny")

    def test_items_without_anything_to_show(self, tmp_path: Path) -> None:
        recipe = recipe_of(tmp_path, "", fields=("audio",))
        with pytest.raises(InputError, match="no item of x has any of audio"):
            require_fields(recipe, [Item("a", "voice", "words")], "x")
        require_fields(recipe, [Item("a", "", ""), Item("b", "", "", audio="b.wav")], "x")

    def test_the_record_has_command_and_hashes_and_nothing_of_this_machine(
        self, tmp_path: Path
    ) -> None:
        program = write_program(tmp_path, ECHO)
        recipe = recipe_of(tmp_path, ECHO)
        record = SystemRecord(**record_fields(recipe, "tiny"))
        sha256 = hashlib.sha256(program.read_bytes()).hexdigest()
        assert record.parts == {"{recipe_folder}/program.py": sha256}
        assert record.command == "'{python}' '{recipe_folder}/program.py'"
        assert str(tmp_path) not in record.model_dump_json()
        named = recipe_of(tmp_path, ECHO, scales={"tiny": {"command": ["sh", "-c", "x"]}})
        shell = Path(shutil.which("sh") or "")
        assert record_fields(named, "tiny")["parts"] == {
            "sh": hashlib.sha256(shell.read_bytes()).hexdigest()
        }


class TestBundled:
    def test_each_has_its_published_figures(self) -> None:
        # AffectGPT (arXiv:2501.16566), Table 2, rows AffectGPT and SALMONN with audio and text.
        rows = {
            "affectgpt-external": [72.94, 73.41, 56.63, 55.68, 83.46, 80.74, 82.99, 83.75, 59.98],
            "salmonn-external": [55.53, 45.38, 45.62, 46.84, 81.00, 67.03, 68.69, 65.93, 45.00],
        }
        for name, values in rows.items():
            published = {one.dataset: one.value for one in bundled(name).published}
            assert list(published.values())[:9] == values
            assert published["MER-UniBench"] == pytest.approx(sum(values) / 9, abs=0.006)
        assert bundled("salmonn-external").published[-1].value == 43.53
        assert not bundled("emotion2vec-external").published

    @pytest.mark.parametrize("name", MODELS)
    def test_cards_say_what_is_needed(self, name: str) -> None:
        recipe = bundled(name)
        assert recipe.licence
        assert recipe.citation
        assert recipe.notes
        assert set(recipe.eval_tasks("paper")) <= set(task_ids())
        text = (bundled_folder() / f"{name}.toml").read_text()
        for line in re.findall(r"^#   (\{.*\})$", text, re.M):
            assert json.loads(line)["id"]

    def test_the_example_answers_by_the_lexicon(self) -> None:
        lines = {"a": "I am so angry, not sad.", "b": "Let me see.", "c": None}
        answers = [
            json.loads(example.answer(json.dumps({"id": k, "transcript": v}), "neutral"))
            for k, v in lines.items()
        ]
        assert answers == [
            {"id": "a", "labels": ["angry"]},
            {"id": "b", "labels": ["neutral"]},
            {"id": "c", "labels": ["neutral"]},
        ]

    def test_the_example_runs(self) -> None:
        items = load_task("tinyov").items[:20]
        with open_system(bundled("external-example"), "tiny") as system:
            answers = list(system.predict(items, 20))
        assert [answer.id for answer in answers] == [item.id for item in items]
        assert {answer.status for answer in answers} == {"ok"}
        assert len({answer.text for answer in answers}) > 1

    @pytest.mark.parametrize("name", MODELS)
    def test_a_stand_in_runs_at_the_tiny_scale(self, name: str, tmp_path: Path) -> None:
        recipe = bundled(name)
        assert any("its scores are none of" in note for note in recipe.notes)
        assert set(recipe.eval_tasks("tiny")) <= set(task_ids())
        clip = tmp_path / "a.wav"
        clip.write_bytes(wav(np.zeros(16_000)))
        items = [
            Item("a", "", "", str(clip)),
            Item("b", "", "I am so angry, and sad.", str(clip)),
            Item("c", "", "", str(tmp_path / "none.wav")),
        ]
        with open_system(recipe, "tiny") as system:
            answers = list(system.predict(items, 3))
        words = "neutral" if name.startswith("emo") else "angry, sad"
        assert [answer.text for answer in answers] == ["neutral", words, ""]
        assert [answer.status for answer in answers] == ["ok", "ok", "error"]

    @pytest.mark.parametrize(
        ("hertz", "gain", "word"),
        [(300, 1.0, "happy"), (120, 1.0, "angry"), (300, 0.01, "fearful"), (120, 0.01, "sad")],
    )
    def test_the_stand_in_goes_by_level_and_pitch(
        self, tmp_path: Path, hertz: int, gain: float, word: str
    ) -> None:
        time = np.arange(16_000) / 16_000
        sound = sum(np.sin(2 * np.pi * hertz * n * time) / n for n in range(1, 10))
        (tmp_path / "a.wav").write_bytes(wav(0.3 * gain * sound))
        assert stand_in.heard(str(tmp_path / "a.wav")) == word


class TestPage:
    def test_the_pages_wrapper_and_recipe_are_a_system(self, tmp_path: Path) -> None:
        text = PAGE.read_text()
        blocks = dict(re.findall(r"^```(toml|python)\n(.*?)^```$", text, re.M | re.S))
        (tmp_path / "wrapper.py").write_text(blocks["python"])
        recipe = parse_recipe(blocks["toml"], tmp_path / "my-program.toml")
        assert isinstance(recipe, ExternalRecipe)
        items = [Item("a", "", "that is great"), Item("b", "", "so what"), Item("c", "x", "")]
        with open_system(recipe, "tiny") as system:
            answers = list(system.predict(items, 8))
        assert [answer.text for answer in answers] == ["happy, relieved", "sad, tired", ""]
        assert [answer.status for answer in answers] == ["ok", "ok", "error"]

    def test_the_page_names_every_setting_with_its_default(self) -> None:
        text = PAGE.read_text()
        for name in ("timeout_seconds", "startup_seconds", "restarts", "batch"):
            default = ExternalRecipe.model_fields[name].default
            assert f"| `{name}` | {default:g} |" in text
        own = ExternalRecipe.model_fields.keys() - set(ExternalRecipe.__base__.model_fields)
        assert all(f"`{name}`" in text for name in own - {"kind", "scales"})


class TestRuns:
    """Through :func:`ovbench.runs.evaluate.evaluate`, as ``ovbench eval`` does it."""

    def test_failed_items_are_counted_and_score_as_wrong(self, tmp_path: Path) -> None:
        body = """
        for number, line in enumerate(sys.stdin):
            name = json.loads(line)["id"]
            reply(id=name, text="sad") if name[-1] != "3" else reply(id=name, status="error")
        """
        recipe = recipe_of(tmp_path, body)
        with open_system(recipe, "tiny") as system:
            about = SystemRecord(**record_fields(recipe, "tiny"))
            run = evaluate(system, load_task("tinyov"), about, tmp_path / "runs", QUICK)
        assert (run.statuses["ok"], run.statuses["error"]) == (18, 2)
        assert "the system failed on 2 items, which score as wrong" in run.headline.warnings

    def test_a_run_that_broke_goes_on_with_what_is_missing(self, tmp_path: Path) -> None:
        body = """
        broken = not os.path.exists(os.path.join(here, "mended"))
        for number, line in enumerate(sys.stdin):
            if broken and number == 10: sys.exit(1)
            name = json.loads(line)["id"]
            note(name)
            reply(id=name, text="sad")
        """
        recipe = recipe_of(tmp_path, body, restarts=0)
        about = SystemRecord(**record_fields(recipe, "tiny"))
        task = load_task("tinyov")
        system = open_system(recipe, "tiny")
        with system, pytest.raises(OvbenchError, match="ended with exit status 1"):
            evaluate(system, task, about, tmp_path / "runs", QUICK)
        (tmp_path / "mended").touch()
        with open_system(recipe, "tiny") as system:
            run = evaluate(system, task, about, tmp_path / "runs", QUICK)
        assert run.resumed == 8
        assert run.statuses["ok"] == 20
        asked = [line for line in notes(tmp_path) if line != "start"]
        # The second batch of eight was answered in part, and is asked again as a whole.
        assert len(set(asked)) == 20
        assert len(asked) == 22

    def test_ctrl_c_in_a_run_keeps_what_is_answered(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recipe = recipe_of(tmp_path, ECHO)
        about = SystemRecord(**record_fields(recipe, "tiny"))
        system = ExternalSystem(recipe, "tiny")
        predict, calls = system.predict, []

        def pressed(items: list[Item], batch_size: int) -> object:
            calls.append(items)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return predict(items, batch_size)

        monkeypatch.setattr(system, "predict", pressed)
        with pytest.raises(InterruptedRunError, match="8 of 20 predictions are kept"), system:
            evaluate(system, load_task("tinyov"), about, tmp_path / "runs", QUICK)
        with open_system(recipe, "tiny") as again:
            run = evaluate(again, load_task("tinyov"), about, tmp_path / "runs", QUICK)
        assert run.resumed == 8
