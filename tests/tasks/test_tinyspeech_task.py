"""TinySpeech as a task: clips are made on first use, once, whole, and only those asked for."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from ovbench.errors import InputError
from ovbench.normalize.canonical import canonical
from ovbench.progress import reporting
from ovbench.protocols import load_protocol
from ovbench.scoring import Options, score_files
from ovbench.tasks import Task, load_task
from ovbench.tasks.card import card_of
from ovbench.tasks.doctor import examine
from ovbench.tasks.readers import tinyspeech
from ovbench.testbed import speech

VIEWS = ("tinyspeech", "tinyspeech-6class")
SMALL = {"train": 5, "dev": 3, "test": 4}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tinyspeech"


@pytest.fixture
def small(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Splits of a few items."""
    monkeypatch.setattr(speech, "SIZES", SMALL)
    card = card_of("tinyspeech")
    splits = {
        name: split.model_copy(update={"items": SMALL[name]}) for name, split in card.splits.items()
    }
    changed = card.model_copy(update={"splits": splits})
    monkeypatch.setattr("ovbench.tasks.load.card_of", lambda name: changed)
    return cache


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def clip_paths(task: Task) -> list[Path]:
    return [Path(str(item.audio)) for item in task.items]


@pytest.mark.parametrize("name", VIEWS)
def test_every_split_is_as_the_card_says(name: str, cache: Path) -> None:
    card = card_of(name)
    assert card.id == "tinyspeech"
    for protocol in card.views[name].protocols:
        load_protocol(protocol)
    for split, known in card.splits_of(name).items():
        task = load_task(name, split, clips=False)
        assert (task.split, task.role, len(task.items)) == (split, known.role, known.items)
        for item in task.items:
            assert item.description == ""
            assert item.transcript
            assert item.speaker
            gold = task.gold[item.id]
            assert gold.labels
            assert gold.category == canonical(str(gold.category))
    assert files(cache) == [], "whoever looks at gold alone waits for no sound"


def test_every_split_has_all_six_classes(cache: Path) -> None:
    for split in SMALL:
        gold = load_task("tinyspeech-6class", split, clips=False).gold.values()
        classes = {str(one.category) for one in gold}
        assert classes == {"happy", "sad", "angry", "fearful", "surprised", "neutral"}


def test_speakers_of_splits_are_apart_and_so_are_items(cache: Path) -> None:
    tasks = [load_task("tinyspeech", split, clips=False) for split in SMALL]
    people = [{item.speaker for item in task.items} for task in tasks]
    ids = [{item.id for item in task.items} for task in tasks]
    for sets in (people, ids):
        assert len(set.union(*sets)) == sum(map(len, sets))


def test_clips_are_made_once_and_only_those_of_the_split(small: Path) -> None:
    task = load_task("tinyspeech", "dev")
    assert sorted(clip_paths(task)) == files(small)
    assert len(files(small)) == SMALL["dev"]
    for path in clip_paths(task):
        with wave.open(str(path)) as file:
            assert file.getparams()[:3] == (1, 2, 16_000)
            assert 2 <= file.getnframes() / 16_000 <= 4
    times = {path: path.stat().st_mtime_ns for path in files(small)}
    again = load_task("tinyspeech-6class", "dev")
    assert clip_paths(again) == clip_paths(task)
    assert {path: path.stat().st_mtime_ns for path in files(small)} == times


def test_what_was_stopped_or_damaged_goes_on(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_task("tinyspeech", "test")
    whole = {path: path.read_bytes() for path in files(small)}
    gone, cut, empty, kept = whole
    gone.unlink()
    cut.write_bytes(whole[cut][:-1000])
    empty.write_bytes(b"")
    made = []
    monkeypatch.setattr(
        tinyspeech, "render", lambda clip: made.append(clip.id) or speech.render(clip)
    )
    load_task("tinyspeech", "test")
    assert made == [gone.stem, cut.stem, empty.stem]
    assert {path: path.read_bytes() for path in files(small)} == whole
    assert kept.exists()


def test_an_interrupt_leaves_whole_files_only(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def stopped(clip: speech.Clip) -> speech.Samples:
        calls.append(clip.id)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return speech.render(clip)

    monkeypatch.setattr(tinyspeech, "render", stopped)
    with pytest.raises(KeyboardInterrupt):
        load_task("tinyspeech", "test")
    assert [path.stem for path in files(small)] == calls[:2]


def test_progress_is_told(small: Path) -> None:
    seen = []

    def reporter(items, what, total):
        seen.append((what, total))
        yield from items

    with reporting(reporter):
        load_task("tinyspeech", "dev")
        load_task("tinyspeech", "dev")
    assert seen[0] == ("clips of tinyspeech, dev", SMALL["dev"])
    assert seen[1:] in ([], [("clips of tinyspeech, dev", 0)])


def test_other_settings_lie_in_another_folder(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_task("tinyspeech", "dev")
    monkeypatch.setitem(speech._RATE, "fast", {"rate": 6.5, "uneven": 0.1})
    load_task("tinyspeech", "dev")
    assert len(list(small.iterdir())) == 2
    assert len(files(small)) == 2 * SMALL["dev"]


def test_the_digest_does_not_depend_on_where_the_clips_lie(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = load_task("tinyspeech", clips=False)
    monkeypatch.setenv("OVBENCH_CACHE", str(tmp_path / "elsewhere"))
    other = load_task("tinyspeech", clips=False)
    assert one.items != other.items
    assert one.digest() == other.digest()
    monkeypatch.setattr(speech, "SOUND_VERSION", 9)
    assert load_task("tinyspeech", clips=False).digest() != one.digest()


def test_a_cache_that_cannot_be_made_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OVBENCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="OVBENCH_CACHE"):
        load_task("tinyspeech")


def test_the_doctor_finds_nothing_wrong_and_makes_no_sound(cache: Path) -> None:
    (report,) = examine(only=["tinyspeech"])
    assert report.state == "found"
    assert not report.wrong
    assert any("nobody speaks in both" in finding.text for finding in report.findings)
    assert files(cache) == []


def test_gold_labels_score_fully_and_a_constant_leaves_room(cache: Path) -> None:
    task = load_task("tinyspeech", clips=False)
    quiet = Options(draws=0, floors=False)
    for name, labels in (("gold", None), ("constant", ("happy",))):
        answers = {item.id: labels or task.gold[item.id].labels for item in task.items}
        found = score_files(answers, task.gold_source(), "ew-open-1", quiet).scores["f1"]
        assert found == pytest.approx(1) if name == "gold" else found < 0.4


def test_the_class_view_scores_by_ua_too(cache: Path) -> None:
    task = load_task("tinyspeech-6class", clips=False)
    own = {name: (gold.category,) for name, gold in task.gold.items()}
    quiet = Options(draws=0, floors=False)
    for protocol, key in (("closed-set", "balanced_accuracy"), ("hit-open-1", "hit_rate")):
        found = score_files(own, task.gold_source(), protocol, quiet)
        assert found.scores[key] == pytest.approx(1)
