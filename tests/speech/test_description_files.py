"""Files of descriptions: resumed, mended, never doubled; and which clips a name means."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sounds import voice, write

from ovbench.errors import InputError, InterruptedRunError, OvbenchError, ValidationError
from ovbench.io.lock import locked
from ovbench.speech.clips import find_clips
from ovbench.speech.describe import Description
from ovbench.speech.describer import Clip, Prosody
from ovbench.speech.files import BEFORE, CHANGED, DAMAGED, OTHER, UNMARKED, write_descriptions
from ovbench.speech.statistics import builtin


class Scripted:
    """A describer that remembers what it was asked, and may die."""

    def __init__(self, name: str = "scripted@1", dies_at: str | None = None) -> None:
        self.id, self.dies_at, self.asked = name, dies_at, []

    def describe(self, items: Sequence[Clip]) -> Iterator[Description]:
        for clip in items:
            if clip.id == self.dies_at:
                raise KeyboardInterrupt
            self.asked.append(clip.id)
            absent = "absent" in clip.path
            yield Description(
                id=clip.id,
                description="" if absent else f"the sound of {clip.id}",
                status="unreadable" if absent else "ok",
                language="en",
            )


CLIPS = [Clip(name, f"{name}.wav") for name in "abcde"]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_line_a_clip_in_order(tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    assert write_descriptions(out, Scripted(), CLIPS).counts == {"ok": 5}
    assert [line["id"] for line in lines(out)] == list("abcde")
    assert {line["describer"] for line in lines(out)} == {"scripted@1"}
    assert not (tmp_path / ".lock").exists()


def test_what_never_ends_is_a_clip_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    clips = [Clip("pipe", str(tmp_path / "pipe.wav")), Clip("zeros", "/dev/zero")]
    out = tmp_path / "d.jsonl"
    prosody = Prosody(builtin(), "en")
    for _ in range(2):
        assert write_descriptions(out, prosody, clips).counts == {"unreadable": 2}
    assert [line.get("sha256") for line in lines(out)] == [None, None]


def test_reading_that_fails_is_not_told_as_writing(tmp_path: Path) -> None:
    class Broken(Scripted):
        def describe(self, items: Sequence[Clip]) -> Iterator[Description]:
            yield from super().describe(items[:2])
            raise OSError(5, "Input/output error", "model.safetensors")

    out = tmp_path / "d.jsonl"
    with pytest.raises(OvbenchError, match=r"model\.safetensors: reading failed .Input/output"):
        write_descriptions(out, Broken(), CLIPS)
    assert len(lines(out)) == 2


def test_a_killed_run_goes_on_to_the_same_file(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    write_descriptions(whole, Scripted(), CLIPS)
    with pytest.raises(InterruptedRunError, match="3 of 5 clips are described"):
        write_descriptions(broken, Scripted(dies_at="d"), CLIPS)
    assert [line["id"] for line in lines(broken)] == list("abc")
    again = Scripted()
    assert write_descriptions(broken, again, CLIPS).counts == {"ok": 5}
    assert again.asked == ["d", "e"]
    assert broken.read_bytes() == whole.read_bytes()
    assert write_descriptions(broken, again, CLIPS).counts == {"ok": 5}
    assert again.asked == ["d", "e"]


def test_wherever_the_last_line_is_torn_it_is_mended(tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    write_descriptions(out, Scripted(), CLIPS[:3])
    data = out.read_bytes()
    start = data.rindex(b"\n", 0, -1) + 1
    for end in [*range(start + 1, len(data), 9), len(data) - 1]:
        out.write_bytes(data[:end])
        again = Scripted()
        write_descriptions(out, again, CLIPS[:3])
        assert again.asked == ["c"]
        assert out.read_bytes() == data


@pytest.mark.parametrize("kept", [0, 3, 40])
@pytest.mark.parametrize("behind", [b"", bytes(50)])
def test_a_first_line_that_is_torn_is_mended(tmp_path: Path, kept: int, behind: bytes) -> None:
    out = tmp_path / "d.jsonl"
    write_descriptions(out, Scripted(), CLIPS[:3])
    data = out.read_bytes()
    out.write_bytes(data[:kept] + behind)
    write_descriptions(out, Scripted(), CLIPS[:3])
    assert out.read_bytes() == data


@pytest.mark.parametrize("lines", [1, 2])
@pytest.mark.parametrize(
    "noise", [b"\xff\0\n", b'{"id":"c","descr\n', b'{"id":"x","labels":["a"]}\n']
)
def test_a_damaged_end_of_whole_lines_is_mended_and_kept(
    noise: bytes, lines: int, tmp_path: Path
) -> None:
    out = tmp_path / "d.jsonl"
    write_descriptions(out, Scripted(), CLIPS[:3])
    data = out.read_bytes()
    damaged = data[: data.rindex(b"\n", 0, -1) + 1] + noise * lines
    out.write_bytes(damaged)
    again = Scripted()
    found = write_descriptions(out, again, CLIPS[:3])
    assert (again.asked, found.anew) == (["c"], {DAMAGED: lines})
    assert out.read_bytes() == data
    assert (tmp_path / "d.jsonl.before").read_bytes() == damaged


@pytest.mark.parametrize("at", [0, 1])
def test_damage_that_descriptions_follow_is_told(at: int, tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    write_descriptions(out, Scripted(), CLIPS[:3])
    lines = out.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:at], b"noise\n", b"more\n", *lines[at + 1 :], b"noise"])
    out.write_bytes(damaged)
    with pytest.raises(ValidationError, match=f"line {at + 1}: not a description"):
        write_descriptions(out, Scripted(), CLIPS[:3])
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["d.jsonl"]
    assert out.read_bytes() == damaged


@pytest.mark.parametrize(
    "theirs", [b'{"important": "results of a week"}', b"notes", b'["a"]', b"7"]
)
def test_somebody_s_own_line_without_an_end_is_kept(tmp_path: Path, theirs: bytes) -> None:
    out = tmp_path / "d.jsonl"
    out.write_bytes(theirs)
    with pytest.raises(ValidationError, match="line 1: not a description"):
        write_descriptions(out, Scripted(), CLIPS[:3])
    assert out.read_bytes() == theirs


def test_another_describer_does_all_again_and_never_mixes(tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    write_descriptions(out, Scripted(), CLIPS)
    before = out.read_bytes()
    with pytest.raises(InputError, match=r"scripted@1, and this is scripted@2"):
        write_descriptions(out, Scripted("scripted@2"), CLIPS[:4])
    assert out.read_bytes() == before
    again = Scripted("scripted@2")
    found = write_descriptions(out, again, CLIPS)
    assert (found.counts, found.anew) == ({"ok": 5}, {OTHER: 5})
    assert again.asked == list("abcde")
    assert {line["describer"] for line in lines(out)} == {"scripted@2"}
    assert Path(f"{out}{BEFORE}").read_bytes() == before
    with pytest.raises(InputError, match="scripted@2, and this is scripted@1"):
        write_descriptions(out, Scripted(), CLIPS[:4])
    theirs = tmp_path / "theirs.jsonl"
    theirs.write_text('{"id": "a", "description": "x", "status": "ok", "language": "en"}\n')
    with pytest.raises(InputError, match="something else"):
        write_descriptions(theirs, Scripted(), CLIPS)


@pytest.fixture
def heard(tmp_path: Path) -> list[Clip]:
    """Three clips that exist."""
    for name in "abc":
        (tmp_path / f"{name}.wav").write_bytes(name.encode())
    return [Clip(name, str(tmp_path / f"{name}.wav"), f"said {name}") for name in "abc"]


def test_another_clip_with_a_known_id_is_described_anew(tmp_path: Path, heard: list[Clip]) -> None:
    out = tmp_path / "d.jsonl"
    write_descriptions(out, Scripted(), heard)
    before = out.read_bytes()
    sha = hashlib.sha256(b"b").hexdigest()
    assert [line["sha256"] for line in lines(out)][1] == sha
    (tmp_path / "b.wav").write_bytes(b"another clip")
    again = Scripted()
    found = write_descriptions(out, again, heard)
    assert again.asked == ["b"]
    assert (found.counts, found.anew) == ({"ok": 3}, {CHANGED: 1})
    assert {line["id"]: line["sha256"] == sha for line in lines(out)} == dict.fromkeys("abc", False)
    assert Path(f"{out}{BEFORE}").read_bytes() == before
    assert not write_descriptions(out, again, heard).anew


@pytest.mark.parametrize("field", ["transcript", "speaker", "sex"])
def test_other_words_or_another_speaker_are_described_anew(
    tmp_path: Path, heard: list[Clip], field: str
) -> None:
    out, again = tmp_path / "d.jsonl", Scripted()
    write_descriptions(out, Scripted(), heard)
    changed = [heard[0], replace(heard[1], **{field: "other"}), heard[2]]
    assert write_descriptions(out, again, changed).anew == {CHANGED: 1}
    assert again.asked == ["b"]


def test_lines_of_before_without_a_hash_are_written_again(
    tmp_path: Path, heard: list[Clip]
) -> None:
    out, again = tmp_path / "d.jsonl", Scripted()
    write_descriptions(out, Scripted(), heard)
    old = [{k: v for k, v in line.items() if k not in ("sha256", "beside")} for line in lines(out)]
    out.write_text("".join(json.dumps(line) + "\n" for line in old), "utf-8")
    (tmp_path / "c.wav").unlink()  # a clip that is gone keeps what was said of it
    assert write_descriptions(out, again, heard).anew == {UNMARKED: 2}
    assert again.asked == ["a", "b"]
    assert sorted(str(line["id"]) for line in lines(out)) == ["a", "b", "c"]


def test_a_file_that_is_damaged_in_its_middle_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    write_descriptions(out, Scripted(), CLIPS)
    kept = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join([kept[0], b"garbage\n", *kept[2:]]))
    with pytest.raises(ValidationError, match="line 2"):
        write_descriptions(out, Scripted(), CLIPS)
    out.write_bytes(b"".join([*kept, kept[0]]))
    with pytest.raises(ValidationError, match="'a' comes twice"):
        write_descriptions(out, Scripted(), CLIPS)


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    clips = [Clip("a", "absent.wav"), *CLIPS[1:3]]
    assert write_descriptions(out, Scripted(), clips).counts == {"ok": 2, "unreadable": 1}
    again = Scripted()
    assert write_descriptions(out, again, CLIPS[:3]).counts == {"ok": 3}
    assert again.asked == ["a"]
    assert sorted(line["id"] for line in lines(out)) == ["a", "b", "c"]


def test_lines_of_other_clips_stay(tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    write_descriptions(out, Scripted(), CLIPS[:2])
    assert write_descriptions(out, Scripted(), CLIPS[2:]).counts == {"ok": 3}
    assert [line["id"] for line in lines(out)] == list("abcde")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(InputError, match=r"being written.*--out"),
    ):
        write_descriptions(tmp_path / "d.jsonl", Scripted(), CLIPS)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        write_descriptions(tmp_path, Scripted(), CLIPS)
    with pytest.raises(InputError, match="no such folder"):
        write_descriptions(tmp_path / "absent" / "d.jsonl", Scripted(), CLIPS)


def test_a_full_disk_keeps_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "d.jsonl"
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OvbenchError, match=r"No space left.*goes on"):
        write_descriptions(out, Scripted(), CLIPS)
    monkeypatch.undo()
    assert write_descriptions(out, Scripted(), CLIPS).counts == {"ok": 5}


def test_the_file_is_a_tasks_descriptions(tmp_path: Path) -> None:
    from ovbench.tasks.card import card_of
    from ovbench.tasks.load import read_split
    from ovbench.tasks.places import DataFolder

    path = str(write(tmp_path / "a.wav", voice(150, 1.0)))
    out = tmp_path / "descriptions.jsonl"
    write_descriptions(out, Prosody(builtin()), [Clip("a", path), Clip("b", "absent.wav")])
    (tmp_path / "ovlabel.csv").write_text("name,openset\na,['sad']\nb,['calm']\n", "utf-8")
    card = card_of("ov-merd-plus")
    rows = read_split(card, "", "test", DataFolder(card, (tmp_path,), (tmp_path,)))
    read = {item.id: item.description for item, _ in rows}
    assert read["a"].startswith("The speaker has")
    assert read["b"] == ""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.wav", "one/b.WAV", "one/two/c.flac", ".hidden/d.wav", "one/.e.wav", "f.txt"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "tree"


def ids(*names: object, **options: str) -> list[str]:
    return [clip.id for clip in find_clips([str(name) for name in names], **options)]


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + "*.wav", "a\0b.wav"])
def test_names_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be looked for|no file has such a name"):
        find_clips([name])
    with pytest.raises(InputError, match="cannot be written to"):
        write_descriptions(tmp_path / name, Scripted(), CLIPS)


def test_files_folders_and_patterns(tree: Path) -> None:
    assert ids(tree / "one" / "b.WAV") == ["b"]
    assert ids(tree) == ["a", "one/b", "one/two/c"]
    assert ids(tree / "*.wav") == ["a"]
    assert ids(tree / "**" / "*.flac") == ["c"]
    assert ids(tree / "f.txt") == ["f"]
    assert ids(tree / "absent.wav") == ["absent"]
    assert ids(tree / "a.wav", tree, tree / "*") == ["a", "one/b", "one/two/c", "f"]


def test_a_file_whose_name_looks_like_a_pattern(tree: Path) -> None:
    (tree / "a[1].wav").write_bytes(b"x")
    assert ids(tree / "a[1].wav") == ["a[1]"]


def test_one_stem_in_two_formats_keeps_the_suffixes(tree: Path) -> None:
    (tree / "a.flac").write_bytes(b"y")
    assert ids(tree) == ["a.flac", "a.wav", "one/b", "one/two/c"]
    assert ids(tree / "a.wav", tree / "a.flac") == ["a.wav", "a.flac"]
    (tree / "a.wav.wav").write_bytes(b"z")
    with pytest.raises(InputError, match=r"two clips have the id 'a\.wav'.*[Rr]ename"):
        ids(tree)


def test_two_files_with_one_id_are_refused(tree: Path) -> None:
    (tree / "one" / "a.wav").write_bytes(b"y")
    assert ids(tree) == ["a", "one/a", "one/b", "one/two/c"]
    with pytest.raises(InputError, match=r"two clips have the id 'a\.wav'.*the one folder"):
        ids(tree / "a.wav", tree / "one" / "a.wav")


def test_names_that_mean_nothing(tree: Path) -> None:
    with pytest.raises(InputError, match="no file has such a name"):
        ids(tree / "*.mp3")
    (tree / "empty").mkdir()
    with pytest.raises(InputError, match="holds no sound file"):
        ids(tree / "empty")


def test_speakers_in_names(tmp_path: Path) -> None:
    for name in ("1001_DFA_ANG.wav", "1002_DFA_HAP.wav", "other.wav"):
        (tmp_path / name).write_bytes(b"x")
    clips = find_clips([str(tmp_path)], speaker_from=r"/(\d{4})_", sex="female")
    assert [(clip.speaker, clip.sex) for clip in clips] == [
        *(("1001", "female"), ("1002", "female"), (None, "female")),
    ]
    assert find_clips([str(tmp_path)], speaker_from=r"\d{4}(?=_)")[0].speaker == "1001"
    with pytest.raises(InputError, match="no regular expression"):
        find_clips([str(tmp_path)], speaker_from="(")
    with pytest.raises(InputError, match="matches in none"):
        find_clips([str(tmp_path)], speaker_from="nobody")


def test_unfinished_files_of_a_killed_describer_are_removed(tmp_path: Path) -> None:
    out = tmp_path / "descriptions.jsonl"
    for name in (".descriptions.jsonl.a2b4c6d8", ".descriptions.jsonl.before._b4c6d8_"):
        (tmp_path / name).write_text("{")
    (tmp_path / ".other.jsonl.a2b4c6d8").write_text("{")
    write_descriptions(out, Prosody(builtin()), [Clip("b", "absent.wav")])
    assert {path.name for path in tmp_path.iterdir()} == {out.name, ".other.jsonl.a2b4c6d8"}
