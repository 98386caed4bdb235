"""What is told of frozen weights and vectors that are not on this machine."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from clip_kit import clip

from ovbench.errors import InputError
from ovbench.systems import load_recipe, recipe_names
from ovbench.systems.describing import check_describer
from ovbench.systems.hearing.known_llms import known_llm
from ovbench.systems.hearing.opening import locate_features, locate_frozen_parts
from ovbench.systems.hearing.recipes import FROZEN_PARTS, ProjectorLmRecipe
from ovbench.systems.hearing.weights import KNOWN, locate_part
from ovbench.systems.missing import Missing, MissingPartsError
from ovbench.systems.settings import DescriberSettings
from ovbench.tasks import Item


@pytest.fixture(autouse=True)
def _nothing_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_every_frozen_part_of_the_bundled_recipes_is_known() -> None:
    named = set()
    for name in recipe_names():
        paper = getattr(load_recipe(name), "scales", {}).get("paper")
        if hasattr(paper, "audio"):
            parts = (getattr(paper, part, None) for part in FROZEN_PARTS)
            named |= {part for part in parts if part and "/" in part}
    assert len(named) > 8
    assert {part for part in named if part not in KNOWN and known_llm(part) is None} == set()


def test_size_licence_and_way_are_told() -> None:
    with pytest.raises(InputError) as caught:
        locate_part("facebook/mms-300m")
    message = str(caught.value)
    for part in ("1.3 GB of weights", "CC BY-NC 4.0", "hf download facebook/mms-300m"):
        assert part in message
    assert "--base" not in message
    with pytest.raises(InputError, match=r"somebody/else .*--base FOLDER"):
        locate_part("somebody/else", base=True)


def test_base_is_offered_for_the_part_that_it_replaces() -> None:
    recipe, missing = load_recipe("cmgi-fusion"), Missing("it")
    locate_frozen_parts(recipe, "paper", None, missing)
    with pytest.raises(MissingPartsError) as caught:
        missing.tell()
    told = {re.findall(r"weights of (\S+)", str(one))[0]: str(one) for one in caught.value.parts}
    assert {name for name, text in told.items() if "--base" in text} == {
        "facebook/hubert-large-ls960-ft"
    }
    assert len(told) == 3


def test_a_describer_without_its_weights_is_told() -> None:
    with pytest.raises(InputError, match=r"16\.8 GB.*hf download Qwen/Qwen2-Audio-7B-Instruct"):
        check_describer(DescriberSettings.model_validate({"name": "qwen2-audio"}))
    check_describer(DescriberSettings())


def test_vectors_of_another_program_are_looked_for(tmp_path: Path) -> None:
    recipe = load_recipe("thau-emo2vec-gemma")
    assert isinstance(recipe, ProjectorLmRecipe)
    items = [clip(tmp_path, name, 0.5) for name in "ab"]

    def told(items: list[Item]) -> str | None:
        missing = Missing("it")
        locate_features(recipe, "paper", items, missing)
        return next(iter(missing.found), None)

    assert "there are no clips with vectors of emotion2vec" in str(told([]))
    assert "FunASR" in str(told([]))
    np.save(tmp_path / "a.emotion2vec.npy", np.zeros((3, 768), np.float32))
    assert f"{tmp_path / 'b.emotion2vec.npy'}, the first of them: 1 of 2 clips" in str(told(items))
    np.save(tmp_path / "b.emotion2vec.npy", np.zeros((3, 768), np.float32))
    assert told(items) is None
    missing = Missing("it")
    locate_features(recipe, "tiny", [], missing)
    assert not missing.found
