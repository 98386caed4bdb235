"""From a wav to a score: clips are described on the way, and the record says by whom."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("soundfile")
pytest.importorskip("torch")
pytest.importorskip("peft")

from ovbench.errors import InputError, ValidationError
from ovbench.runs.evaluate import EvalOptions
from ovbench.runs.place import Place
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.reopen import reopen
from ovbench.scoring import Options
from ovbench.systems.describing import STATISTICS, ItemDescriber, saved_describer
from ovbench.systems.registry import load_tunable
from ovbench.tasks import load_task
from ovbench.tasks.card import card_of
from ovbench.testbed import speech
from ovbench.testbed.bundled import adapter_folder

RECIPE = "prosody-lora-las-r4"
OPTIONS = EvalOptions(scoring=Options(draws=0, floors=False))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five test clips; what was heard in them is kept for the session."""
    monkeypatch.setattr(speech, "SIZES", {"train": 5, "dev": 5, "test": 5})
    card = card_of("tinyspeech")
    splits = {k: split.model_copy(update={"items": 5}) for k, split in card.splits.items()}
    changed = card.model_copy(update={"splits": splits})
    monkeypatch.setattr("ovbench.tasks.load.card_of", lambda name: changed)


def run(out: Path, **place: object):
    (found,) = evaluate_recipe(
        RECIPE, ["tinyspeech"], out=out, place=Place(device="cpu", **place), options=OPTIONS
    )
    return found


def test_a_run_says_who_described_and_is_of_the_task_as_it_is(tmp_path: Path) -> None:
    found = run(tmp_path)
    settings = found.record.settings
    describer = saved_describer(load_tunable(RECIPE).describer, adapter_folder(RECIPE))
    assert settings.system.describer == describer.id
    assert settings.task_digest == load_task("tinyspeech").digest()
    assert found.statuses["ok"] == 5
    assert any(f"described by {describer.id} (5 ok)" in note for note in found.headline.warnings)
    opened = reopen(found.folder, Place(device="cpu"))
    assert all(item.description for item in opened.task.items)


def test_other_statistics_are_another_system(tmp_path: Path) -> None:
    found = run(tmp_path)
    other = tmp_path / "other"
    shutil.copytree(adapter_folder(RECIPE), other)
    path = other / STATISTICS
    path.write_text(path.read_text("utf-8").replace("tinyspeech", "elsewhere"), "utf-8")
    with pytest.raises(ValidationError, match="the describer is not the one"):
        reopen(found.folder, Place(device="cpu", adapter=other))
    with pytest.raises(InputError, match="describer"):
        run(tmp_path, adapter=other)
    path.unlink()
    with pytest.raises(InputError, match=r"statistics\.json"):
        run(tmp_path / "again", adapter=other)


def test_only_what_is_asked_for_is_listened_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    task = ItemDescriber.task

    def counted(self, whole, only=None):
        asked.append(len(whole.items if only is None else only))
        return task(self, whole, only)

    monkeypatch.setattr(ItemDescriber, "task", counted)
    options = EvalOptions(limit=2, scoring=OPTIONS.scoring)
    evaluate_recipe(
        RECIPE, ["tinyspeech"], out=tmp_path, place=Place(device="cpu"), options=options
    )
    assert asked == [2]
