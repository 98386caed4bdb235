"""MER2024's synonym groups: the splitting of the cached answers, and the published figures."""

from __future__ import annotations

import ast
import csv
import io
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ovbench.errors import InputError
from ovbench.normalize.synonym_groups import group_sets, load_groups, parse_groups


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("[['happy', 'joyful'], ['sad']]", {"happy": "happy", "joyful": "happy", "sad": "sad"}),
        ("['happy', 'joyful'], ['sad']", {"happy": "happy", "joyful": "happy", "sad": "sad"}),
        ("['a', 'b']", {"a": "a", "b": "a"}),
        ("[['a', 'b'], ['c', 'b']]", {"a": "a", "b": "c", "c": "c"}),
        ("[['Happy ', \"glad\"]]", {"Happy ": "Happy ", "glad": "Happy "}),
        ("[[\"don't\", 'calm']]", {"don": "don", "t": "don", "calm": "don"}),
        ("", {}),
        ("[]", {}),
        ("[[], [ ]]", {}),
    ],
)
def test_groupings(text: str, groups: dict[str, str]) -> None:
    assert parse_groups(text) == groups


@pytest.mark.parametrize("text", ["I cannot group these.", "[happy, joyful]", "'happy', 'sad'"])
def test_answers_that_are_no_grouping(text: str) -> None:
    with pytest.raises(InputError, match=r"item 7: .* is no grouping of labels") as caught:
        parse_groups(text, where="item 7")
    assert "[['happy', 'joyful'], ['sad']]" in str(caught.value)


def test_labels_outside_the_groups_count_and_only_labels_are_lowered() -> None:
    groups = [{"happy": "happy", "joyful": "happy"}, {"Sad": "Sad"}, {}, {"a": "b", "c": "b"}]
    gold = [["Happy", "unheard"], ["sad"], [], ["a", "c"]]
    predictions = [["joyful", "unheard", "odd "], ["Sad"], ["x", "X"], []]
    sizes = group_sets(gold, predictions, groups)
    assert sizes.dtype == np.int32
    assert sizes.tolist() == [[2, 2, 3], [1, 1, 1], [0, 0, 1], [0, 1, 0]]
    assert group_sets([], [], []).shape == (0, 3)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_groups_are_loaded_by_item(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "openset-synonym"
    folder.mkdir()
    np.save(folder / "a.1.npy", "[['happy', 'joyful']]")
    np.save(folder / "b.npy", "[]")
    path = folder if kind == "folder" else Path(shutil.make_archive(str(folder), "zip", tmp_path))
    assert load_groups(path) == {"a.1": {"happy": "happy", "joyful": "happy"}, "b": {}}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("sorry", r"a\.npy: 'sorry' is no grouping"),
        (np.array(["[]", "[]"]), r"a\.npy holds list; expected one string"),
        (None, r"no \.npy files"),
    ],
)
def test_folders_without_usable_groups(tmp_path: Path, value: object, told: str) -> None:
    if value is not None:
        np.save(tmp_path / "a.npy", value)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=told):
        load_groups(tmp_path)


def test_two_groupings_of_one_item(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "in" / name).mkdir(parents=True)
        np.save(tmp_path / "in" / name / "a.npy", "[['happy']]")
    archive = shutil.make_archive(str(tmp_path / "both"), "zip", tmp_path / "in")
    with pytest.raises(InputError, match="two files for the item 'a'"):
        load_groups(archive)


def test_groups_from_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.zip"):
        load_groups(tmp_path / "none.zip")


@pytest.fixture(scope="module")
def texts(shared_data: Path) -> dict[str, str]:
    """Item → the cached answer."""
    found = {}
    with zipfile.ZipFile(shared_data / "ov-merd/openset-synonym.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                array = np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
                found[Path(name).stem] = array.item()
    return found


@pytest.fixture(scope="module")
def groups(shared_data: Path) -> dict[str, dict[str, str]]:
    return load_groups(shared_data / "ov-merd/openset-synonym.zip")


def test_the_cached_answers_are_the_lists_they_look_like(
    texts: dict[str, str], groups: dict[str, dict[str, str]]
) -> None:
    assert len(texts) == 332
    assert groups == {
        name: {label: group[0] for group in ast.literal_eval(text) for label in group}
        for name, text in texts.items()
    }


def test_the_figures_of_mer2024(groups: dict[str, dict[str, str]], shared_data: Path) -> None:
    def openset(name: str) -> dict[str, list[str]]:
        with (shared_data / "ov-merd" / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        inner = {row["name"]: row["openset"].split("[")[1].split("]")[0] for row in rows}
        return {
            item: [part for part in re.split("['\"]", text) if part.strip() not in ("", ",")]
            for item, text in inner.items()
        }

    gold, predictions = openset("check-openset.csv"), openset("predict-openset.csv")
    names = sorted(groups)
    both, in_gold, predicted = group_sets(
        [gold[name] for name in names],
        [predictions[name] for name in names],
        [groups[name] for name in names],
    ).T
    precision = np.divide(both, predicted, out=np.zeros(332), where=predicted > 0).mean()
    recall = np.divide(both, in_gold, out=np.zeros(332), where=predicted > 0).mean()
    assert precision == pytest.approx(0.581777108433735, abs=1e-14)
    assert recall == pytest.approx(0.497791164658635, abs=1e-14)
    assert (precision + recall) / 2 == pytest.approx(0.539784136546185, abs=1e-14)
