"""The examination of small written data sets: what is wrong is said, and nothing raises."""

from __future__ import annotations

import json
import os
import struct
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ovbench.errors import InputError, UnknownNameError
from ovbench.tasks import card as card_module
from ovbench.tasks.card import cards
from ovbench.tasks.clips import fault
from ovbench.tasks.doctor import Report, examine
from ovbench.tasks.errors import WrongCountError
from ovbench.tasks.finding import Finding
from ovbench.tasks.item import Gold, Item
from ovbench.tasks.places import DataFolder

CARD = """
id = "{id}"
title = "The {id} set"
licence = "CC0-1.0"
access = "Ask {id} for it"
description = "Invented"
contents = ["category: a class"]
reader = "toy_{module}"
places = ["{id}"]
citation = "Nobody"
{more}
[[files]]
path = "train.json"
holds = "train items"
[[files]]
path = "test.json"
holds = "test items"
[splits.train]
role = "train"
[splits.test]
role = "test"
items = {items}
[splits.test.classes]
happy = 1
sad = 1
[views.{id}]
title = "{id}"
answers = "class"
protocols = ["hit-open-1"]
"""

Write = Callable[..., Path]


def toy_reader() -> types.ModuleType:
    """A reader of JSON files: one list of [id, class, speaker, clip] per split."""
    reader = types.ModuleType("toy")

    def read(folder: DataFolder, part: str, split: str) -> Iterator[tuple[Item, Gold]]:
        for name, category, speaker, clip in json.loads(folder.need(f"{split}.json").read_bytes()):
            audio = None if clip is None else str(folder.need(clip))
            yield Item(name, "", "words", audio, speaker), Gold(category=category)

    reader.read = read  # type: ignore[attr-defined]
    return reader


@pytest.fixture
def written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Write]:
    """Writes a data set of one train and one test split, and registers its card."""
    folder, data = tmp_path / "cards", tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    monkeypatch.delenv("OVBENCH_DATA", raising=False)
    monkeypatch.setattr(card_module, "_FOLDER", folder)

    def write(name: str = "one", *, train: object = (), test: object = (), items: int = 2,
              more: str = "") -> Path:  # fmt: skip
        text = CARD.format(id=name, module=name.replace("-", "_"), items=items, more=more)
        (folder / f"{name}.toml").write_text(text, "utf-8")
        module = f"ovbench.tasks.readers.toy_{name.replace('-', '_')}"
        monkeypatch.setitem(sys.modules, module, toy_reader())
        (data / name).mkdir()
        for split, rows in (("train", train), ("test", test)):
            if rows is not None:
                (data / name / f"{split}.json").write_text(json.dumps(rows), "utf-8")
        card_module.cards.cache_clear()
        card_module._card_of_task.cache_clear()
        return data

    yield write
    card_module.cards.cache_clear()
    card_module._card_of_task.cache_clear()


TRAIN = [["t1", "happy", "ann", None], ["t2", "sad", "ben", None]]
TEST = [["e1", "happy", "cy", None], ["e2", "sad", "dee", None]]


def texts(report: Report, level: str) -> list[str]:
    return [finding.text for finding in report.findings if finding.level == level]


def test_a_sound_data_set_has_nothing_wrong(written: Write) -> None:
    (report,) = examine(written(train=TRAIN, test=TEST))
    assert not report.wrong
    assert report.state == "found"
    assert [(one.split, one.items, one.expected) for one in report.splits] == [
        ("train", 2, None), ("test", 2, 2)
    ]  # fmt: skip
    assert report.splits[1].classes == {"happy": 1, "sad": 1}
    assert "nobody speaks in both train and test" in texts(report, "ok")
    assert texts(report, "note") == ["no item has a clip", "no item has a description"]


def test_counts_against_the_card_are_told_and_not_raised(written: Write) -> None:
    rows = [*TEST, ["e3", "sad", "dee", None]]
    (report,) = examine(written(train=TRAIN, test=rows))
    assert texts(report, "wrong") == [
        "one, test: 3 items in place of 2", "one, test: 2 items are sad in place of 1"
    ]  # fmt: skip


def test_ids_twice_and_ids_in_train_and_test(written: Write) -> None:
    rows = [["t1", "happy", "cy", None], ["t1", "sad", "cy", None]]
    (report,) = examine(written(train=TRAIN, test=rows))
    assert texts(report, "wrong") == [
        "test: 1 repeated id: t1",
        "1 item (t1) in both train (train) and test (test)",
    ]


@pytest.mark.parametrize(
    ("claim", "level"), [("apart", "wrong"), ("shared", "note"), (None, "note")]
)
def test_shared_speakers_are_wrong_only_against_the_card(
    written: Write, claim: str | None, level: str
) -> None:
    rows = [["e1", "happy", "ann", None], ["e2", "sad", "cy", None]]
    data = written(train=TRAIN, test=rows, more=f'speakers = "{claim}"' if claim else "")
    (report,) = examine(data)
    assert report.wrong == (level == "wrong")
    assert any("1 speaker (ann) in both train and test" in text for text in texts(report, level))


def test_test_items_that_another_data_set_trains_on(written: Write) -> None:
    written("one", train=TRAIN, test=[["e1", "happy", "a", None], ["7", "sad", "b", None]])
    rows = [["e1", "happy", "x", None], ["7", "sad", "y", None], ["n", "sad", "y", None]]
    data = written("two", train=rows, test=[["q1", "happy", "z", None], ["q2", "sad", "z", None]])
    one, two = examine(data)
    (note,) = [text for text in texts(one, "note") if "also among" in text]
    assert note.startswith("1 dev or test item (e1) also among the train items of two")
    assert not [text for text in texts(two, "note") if "also among" in text]
    assert not one.wrong
    assert not two.wrong
    (alone,) = examine(data, ["one"])
    assert not [text for text in texts(alone, "note") if "also among" in text]


def test_missing_files_are_no_fault(written: Write) -> None:
    written("one", train=None, test=TEST)
    data = written("two", train=None, test=None)
    one, two = examine(data)
    assert (one.state, two.state) == ("partly", "missing")
    assert texts(one, "missing") == ["train cannot be read: train.json is not there"]
    assert texts(two, "missing") == ["none of its files is there"]
    assert two.access == "Ask two for it"
    assert not one.wrong
    assert not two.wrong


def test_a_damaged_file_is_a_finding(written: Write) -> None:
    data = written(train=TRAIN, test=TEST)
    (data / "one" / "test.json").write_bytes(b"[[")
    (report,) = examine(data)
    (text,) = texts(report, "wrong")
    assert text.startswith("test: cannot be read (JSONDecodeError")
    assert report.splits[1].items is None
    assert report.state == "partly"


def test_one_fault_of_many_splits_is_told_once(
    written: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise InputError("line 7: 3 fields", expected="11")

    monkeypatch.setattr("ovbench.tasks.doctor.read_split", broken)
    (report,) = examine(written(train=TRAIN, test=TEST))
    assert texts(report, "wrong") == ["train, test: line 7: 3 fields; expected 11."]


def test_the_reader_s_own_findings_are_kept_and_its_failures_told(written: Write) -> None:
    data = written(train=TRAIN, test=TEST)
    reader = sys.modules["ovbench.tasks.readers.toy_one"]
    reader.examine = lambda folder, part: [Finding("wrong", "53 of a kind")]  # type: ignore[attr-defined]
    assert "53 of a kind" in texts(examine(data)[0], "wrong")

    def broken(folder: DataFolder, part: str) -> list[Finding]:
        raise InputError("no good")

    reader.examine = broken  # type: ignore[attr-defined]
    assert "files: no good." in texts(examine(data)[0], "wrong")


def test_the_files_of_another_release_are_wrong_only_where_no_release_fits(
    written: Write,
) -> None:
    more_views = """
[views.one-old]
title = "The old release"
answers = "class"
protocols = ["hit-open-1"]
part = "old"
"""
    data = written(train=TRAIN, test=TEST)
    path = card_module._FOLDER / "one.toml"
    path.write_text(path.read_text("utf-8") + more_views, "utf-8")
    card_module.cards.cache_clear()
    reader = sys.modules["ovbench.tasks.readers.toy_one"]
    read = reader.read

    def of_the_new_one(folder: DataFolder, part: str, split: str) -> object:
        if part == "old":
            raise WrongCountError("9 turns")
        return read(folder, part, split)

    reader.read = of_the_new_one  # type: ignore[attr-defined]
    (report,) = examine(data)
    assert "train of one-old: 9 turns." in texts(report, "note")
    assert not report.wrong
    assert report.state == "partly"
    reader.read = lambda folder, part, split: of_the_new_one(folder, "old", split)  # type: ignore[attr-defined]
    (report,) = examine(data)
    assert len(texts(report, "wrong")) == 2


def wav(frames: int, told: int | None = None) -> bytes:
    body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    body += b"data" + struct.pack("<I", 2 * frames) + bytes(2 * frames)
    return b"RIFF" + struct.pack("<I", len(body) if told is None else told) + body


def test_broken_clips_are_named(written: Write) -> None:
    rows = [["e1", "happy", "c", "a.wav"], ["e2", "sad", "d", "b.wav"]]
    data = written(train=TRAIN, test=rows)
    (data / "one" / "a.wav").write_bytes(wav(100))
    (data / "one" / "b.wav").write_bytes(b"")
    (report,) = examine(data)
    assert texts(report, "wrong") == ["test: 1 broken clip: e2 is empty"]
    (data / "one" / "b.wav").write_bytes(wav(100))
    (report,) = examine(data)
    assert "test: 2 clips begin as they should" in texts(report, "ok")
    assert "2 of 4 items have no clip (train)" in texts(report, "note")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.wav", wav(10), None),
        ("a.WAV", wav(10), None),
        ("a.wav", wav(10, told=0xFFFFFFFF), None),
        ("a.wav", wav(1000)[:600], "shorter"),
        ("a.wav", b"<html>not found</html>", "does not begin"),
        ("a.wav", b"RI", "does not begin"),
        ("a.mp4", b"\0\0\0\x20ftypisom\0\0", None),
        ("a.mp4", wav(10), "does not begin"),
        ("a.mp3", b"ID3\x04rest", None),
        ("a.mp3", b"\xff\xfb\x90\x00", None),
        ("a.mp3", b"\xff", "does not begin"),
        ("a.flac", b"fLaC\0\0", None),
        ("a.xyz", b"anything", None),
        ("a.xyz", b"", "empty"),
    ],
)
def test_clips_by_their_first_bytes(
    name: str, content: bytes, why: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ovbench.tasks.clips.HAS_SOUNDFILE", False)
    path = tmp_path / name
    path.write_bytes(content)
    found = fault(path)
    assert (found is None) == (why is None), found
    assert why is None or why in str(found)


def test_a_clip_that_soundfile_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def info(path: str) -> object:
        if "bad" in path:
            raise RuntimeError("format not recognised")
        return types.SimpleNamespace(frames=0 if "silent" in path else 10)

    stand_in = types.ModuleType("soundfile")
    stand_in.info = info  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "soundfile", stand_in)
    monkeypatch.setattr("ovbench.tasks.clips.HAS_SOUNDFILE", True)
    for name, why in (
        ("good.wav", None),
        ("bad.wav", "not recognised"),
        ("silent.wav", "no sound"),
    ):
        (tmp_path / name).write_bytes(wav(10))
        found = fault(tmp_path / name)
        assert (found is None) == (why is None)
        assert why is None or why in str(found)


def test_a_clip_that_is_gone(tmp_path: Path) -> None:
    assert "cannot be read" in str(fault(tmp_path / "none.wav"))


def test_bad_input_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        examine(tmp_path / "none")
    with pytest.raises(UnknownNameError, match="did you mean 'meld'"):
        examine(tmp_path, ["mled"])


def test_an_empty_data_folder_leaves_everything_missing_but_what_ships(tmp_path: Path) -> None:
    reports = examine(tmp_path)
    assert {report.id for report in reports} == set(cards())
    for report in reports:
        ships = not cards()[report.id].places
        assert report.state == ("found" if ships else "missing"), report
        assert not report.wrong


GARBAGE = {
    "empty": b"",
    "zeros": bytes(64),
    "text": b"no,such\ncolumns,here\n",
    "cut csv": b'name,openset\n"a,b',
    "not utf-8": b"\xff\xfe\x80,\x00\n\x81",
    "zip": b"PK\x03\x04rest",
    "json": b'{"a": [1, {"b": null}]}\n',
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_in_place_of_any_file_is_reported_and_never_raised(
    kind: str, tmp_path: Path
) -> None:
    """Every file that a card looks for, filled with bytes that are nothing of the kind."""
    for card in cards().values():
        if not card.places:
            continue
        for file in card.files:
            path = tmp_path / card.places[0] / file.path.replace("*", "x").replace("?", "1")
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_dir():
                path.write_bytes(GARBAGE[kind])
    reports = examine(tmp_path)
    assert [report.id for report in reports] == list(cards())
    there = [report for report in reports if report.state != "missing"]
    assert len(there) > len(reports) / 2
    for report in there:
        if cards()[report.id].places:
            counts = {one.items for one in report.splits}
            assert report.wrong or counts <= {None, 0}, report


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_a_finding(written: Write) -> None:
    data = written(train=TRAIN, test=TEST)
    (data / "one" / "test.json").chmod(0)
    assert any("cannot be read" in text for text in texts(examine(data)[0], "wrong"))


def test_the_real_files(shared_data: Path) -> None:
    found = {report.id: report for report in examine(shared_data)}
    counts = {
        (one.view, one.split): one.items for report in found.values() for one in report.splits
    }
    assert counts["meld", "test"] == 2610
    assert counts["cmu-mosi", "test"] == 686
    assert counts["ov-merd", "test"] == 332
    for name in ("meld", "cmu-mosi", "ov-merd"):
        assert not found[name].wrong, found[name]
    assert found["mer2026"].state == "missing"
