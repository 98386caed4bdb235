"""Names in files that are used as paths, and links in folders: nothing leads out of its place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import fuzz_seeds as seeds
import pytest

from ovbench.board.store import add, read_board
from ovbench.errors import InputError
from ovbench.io.lock import locked
from ovbench.systems.backbones import check_folder
from ovbench.systems.recipe import read_recipe
from ovbench.tasks.card import card_of, cards
from ovbench.tasks.places import DataFolder
from ovbench.tasks.readers import emobox
from ovbench.tasks.readers.beside import clips

NAMES = (
    "../../escape",
    "/escape",
    "..\\..\\escape",
    "a/../../escape",
    "escape\0",
    "..",
    "~root/escape",
    "x" * 200,
    "\x1b]0;escape\x07",
    "<script>alert(1)</script>",
)


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder in a folder, with something beside it that is not to be touched."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "kept").write_text("kept")
    return inner


def published(**fields: object) -> dict[str, object]:
    record = seeds.published()
    return record | {key: record.get(key, {}) | value for key, value in fields.items()}  # type: ignore[operator]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_submissions_lead_nowhere(name: str, world: Path, tmp_path: Path) -> None:
    """Of systems, tasks, settings and sources: on the board and on its pages."""
    pytest.importorskip("altair")
    pytest.importorskip("jinja2")
    from ovbench.board.site.build import build

    shown = name.replace("\0", "") or "x"
    record = published(
        system={"name": shown, "setting": {shown: shown}},
        task={"id": shown, "split": shown},
        origin={"kind": "published", "source": shown, "evidence": shown},
    ) | {"protocol": shown}
    (world / "mine.json").write_text(json.dumps(record), "utf-8")
    before = listing(tmp_path)
    (one,) = add([world / "mine.json"], world / "board")
    assert one.file == world / "board" / "published" / "mine.jsonl"
    build(read_board(world / "board"), world / "pages")
    made = listing(tmp_path) - before
    assert made
    assert all(path.startswith(("outer/inner/board", "outer/inner/pages")) for path in made)
    for path in (world / "pages").rglob("*.html"):
        assert "<script>alert" not in path.read_text("utf-8")


@pytest.mark.parametrize("name", ["..x..json", "a b;rm.json", "%2e%2e%2f.json"])
def test_names_of_submissions_lead_nowhere(name: str, world: Path, tmp_path: Path) -> None:
    (world / name).write_text(json.dumps(seeds.published()), "utf-8")
    (one,) = add([world / name], world / "board")
    assert one.file.parent == world / "board" / "published"
    assert all(path == "kept" or path.startswith("outer") for path in listing(tmp_path))


@pytest.mark.parametrize("name", ["....json", "ä.json"])
def test_submissions_without_a_name_are_refused(name: str, world: Path) -> None:
    (world / name).write_text(json.dumps(seeds.published()), "utf-8")
    with pytest.raises(InputError, match="no letter or digit"):
        add([world / name], world / "board")


def test_links_are_no_submissions(world: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text(json.dumps(seeds.published()), "utf-8")
    (world / "mine.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(InputError, match="link"):
        add([world / "mine.json"], world / "board")
    (world / "board" / "published").mkdir(parents=True, exist_ok=True)
    (world / "board" / "published" / "a.jsonl").symlink_to(tmp_path / "secret.json")
    with pytest.raises(InputError, match="link"):
        read_board(world / "board")


def test_a_lock_is_not_taken_through_a_link(world: Path, tmp_path: Path) -> None:
    """What it points at would be emptied."""
    (world / ".lock").symlink_to(tmp_path / "kept")
    with pytest.raises(InputError, match="cannot write here"), locked(world):
        pass
    assert (tmp_path / "kept").read_text() == "kept"


@pytest.mark.parametrize("name", ["../../secret.txt", "/etc/hostname", "link.txt", "/dev/zero"])
def test_a_recipe_s_prompt_lies_in_its_folder(name: str, world: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("{description} {answer}")
    (world / "link.txt").symlink_to(tmp_path / "secret.txt")
    text = seeds.recipes()[0].decode().replace("prompts/tinyov.txt", name)
    assert name in text
    (world / "r.toml").write_text(text)
    with pytest.raises(InputError, match="outside the recipe's folder"):
        read_recipe(world / "r.toml")


@pytest.mark.parametrize("name", ["../x", "a/b", "/x", "a\nb", "..", "A"])
def test_a_recipe_s_name_is_no_path(name: str, world: Path) -> None:
    """It names the folder of its runs."""
    text = seeds.recipes()[1].decode().replace('"mine"', json.dumps(name))
    (world / "r.toml").write_text(text)
    with pytest.raises(InputError, match="name"):
        read_recipe(world / "r.toml")


@pytest.mark.parametrize("name", ["../../../kept", "/etc/hostname", "a/b", "a\\b", "\0"])
def test_an_index_of_weights_names_files_beside_it(name: str, world: Path) -> None:
    (world / "config.json").write_text("{}")
    index = {"weight_map": {"a": name}}
    (world / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="lies elsewhere"):
        check_folder(world)


@pytest.mark.parametrize("weights", [[], {"a": 5}, {"a": []}, None, "x"])
def test_an_index_of_weights_is_a_mapping(weights: object, world: Path) -> None:
    (world / "config.json").write_text("{}")
    (world / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    with pytest.raises(InputError, match="lists no weight files"):
        check_folder(world)


@pytest.mark.parametrize("name", [*NAMES, "../clip", "sub/clip"])
def test_ids_lead_to_no_clips_elsewhere(name: str, world: Path, tmp_path: Path) -> None:
    (world / "audio").mkdir()
    for place in (world, world / "audio" / "sub", tmp_path):
        place.mkdir(exist_ok=True)
        (place / "clip.wav").touch()
        (place / "escape.wav").touch()
    folder = DataFolder(card_of("meld"), (world,), (world,))
    assert clips(folder, "audio")(name) is None
    row = {"wav": f"{name}.wav"}
    found = emobox._audio(cast(DataFolder, SimpleNamespace(folders=[world / "audio"])), row)
    assert found is None or Path(found).resolve().is_relative_to(world / "audio")


def test_cards_name_files_below_the_data_folder() -> None:
    """``tasks fetch`` writes under these names."""
    for card in cards().values():
        for file in card.files:
            path = Path(file.path)
            assert not path.is_absolute(), file.path
            assert ".." not in path.parts, file.path
            assert file.url is None or file.url.startswith("https://")


def test_members_of_archives_are_never_written(world: Path, tmp_path: Path) -> None:
    from ovbench.io.read import read_records

    names = ("../../escape.npy", "/escape.npy", "a/../../escape2.npy")
    (world / "p.npz").write_bytes(seeds.zip_of({name: seeds.npy_of("happy") for name in names}))
    before = listing(tmp_path)
    assert len(read_records(world / "p.npz").ids) == len(names)
    assert listing(tmp_path) == before
    assert not Path("/escape.npy").exists()


def test_a_message_holds_nothing_that_a_terminal_obeys() -> None:
    shown = InputError("\x1b[2J\x07\u202e\ud800 'x'\n\tline", where="a\rb").shown()
    assert shown == "a\\rb: \\x1b[2J\\x07\\u202e\\ud800 'x'\n\tline."
    assert len(str(InputError("x" * 10**6))) < 11_000


def test_the_command_line_shows_messages_so(world: Path) -> None:
    import subprocess
    import sys

    key = "\x1b[31m"
    (world / "p.jsonl").write_text(json.dumps({"id": "a", key: 1}) + "\n")
    (world / "\x1b[31m.csv").write_text("id,label\na\n")
    done = subprocess.run(
        [sys.executable, "-m", "ovbench", "score", "\x1b[31m.csv", "--gold", "p.jsonl"],
        cwd=world,
        capture_output=True,
        env=os.environ,
    )
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    assert b"Traceback" not in done.stderr
