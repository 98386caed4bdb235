"""Clips become descriptions: once per machine, with statistics of the train split alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("soundfile")
pytest.importorskip("soxr")

from ovbench.errors import InputError, MissingExtraError, ValidationError
from ovbench.speech.describe import Description, describe
from ovbench.speech.describer import Clip, Prosody
from ovbench.speech.measures import measure
from ovbench.speech.statistics import Sample, Statistics, builtin, fit_statistics, read_statistics
from ovbench.systems import describing
from ovbench.systems.describing import (
    STATISTICS,
    ItemDescriber,
    check_describer,
    fit_describer,
    saved_describer,
)
from ovbench.systems.registry import load_tunable
from ovbench.systems.settings import DescriberSettings
from ovbench.tasks import Gold, Item, Task
from ovbench.testbed.bundled import adapter_folder
from ovbench.testbed.speech import wav
from ovbench.testbed.voice import Manner, Speaker, speak
from ovbench.training.report import REPORT_FILE

PLAIN = {
    "pitch": 0.0, "melody": 2.0, "slope": 0.0, "tremor": 0.0, "gain": 0.0, "swell": 2.0,
    "rate": 4.0, "uneven": 0.1, "tilt": 6.0, "breath": 30.0, "jitter": 0.01, "tract": 1.0,
}  # fmt: skip


def clip(path: Path, seed: int, pitch: float = 0.0) -> Path:
    """A second of babble."""
    rng = Random(seed)
    manner = Manner(**{**PLAIN, "pitch": pitch + rng.random()}, pauses=(), seconds=1.0)
    path.write_bytes(wav(speak("a long road", Speaker("x", 140, 1, 0), manner, rng)))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Train: 24 clips at about 150 Hz. Test: three an octave above."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        "train": [clip(folder / f"train{n}.wav", n) for n in range(24)],
        "test": [clip(folder / f"test{n}.wav", 100 + n, 12) for n in range(3)],
    }


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVBENCH_CACHE", str(tmp_path / "cache"))


def task(paths: Sequence[Path], split: str = "test", **more: Item) -> Task:
    items = [Item(path.stem, "", "said", str(path), "sue") for path in paths]
    items += more.values()
    return Task(
        id="mine",
        title="mine",
        split=split,
        role=split,  # type: ignore[arg-type]
        items=tuple(items),
        gold={item.id: Gold(("happy",)) for item in items},
        answers="labels",
        protocols=("ew-open-1",),
        notes=("mine",),
    )


class Counting:
    """Describes by prosody, and counts what it is shown."""

    def __init__(self) -> None:
        self.inner = Prosody(builtin())
        self.id = self.inner.id
        self.shown: list[Clip] = []

    def describe(self, items: Sequence[Clip]) -> Iterator[Description]:
        for item in items:
            self.shown.append(item)
            yield from self.inner.describe([item])


def counting() -> tuple[Counting, ItemDescriber]:
    inner = Counting()
    return inner, ItemDescriber(inner, None)


def test_every_clip_gets_what_the_describer_says(clips: dict[str, list[Path]]) -> None:
    found = counting()[1].task(task(clips["test"]))
    for item, path in zip(found.items, clips["test"], strict=True):
        assert item.description == describe(path, id="x", statistics=builtin()).description
        assert "very high pitch" in item.description
        assert (item.transcript, item.audio) == ("said", str(path))


def test_descriptions_that_are_there_stay_and_items_without_a_clip_too(
    clips: dict[str, list[Path]],
) -> None:
    told = Item("told", "A whisper.", "", str(clips["train"][0]))
    mute = Item("mute", "", "no clip")
    inner, describer = counting()
    found = describer.task(task(clips["test"][:1], told=told, mute=mute))
    assert found.items[1:] == (told, mute)
    assert [one.id for one in inner.shown] == ["test0"]


def test_the_digest_is_the_tasks_and_notes_say_by_whom(clips: dict[str, list[Path]]) -> None:
    before = task(clips["test"])
    inner, describer = counting()
    found = describer.task(before)
    assert found.digest() == before.digest()
    assert found.limited(2).digest() == before.limited(2).digest()
    assert found.notes == ("mine", f"clips were described by {inner.id} (3 ok)")
    nothing = task([], mute=Item("mute", "", "words"))
    assert describer.task(nothing) is nothing


def test_a_second_time_does_no_work(clips: dict[str, list[Path]]) -> None:
    first = counting()[1].task(task(clips["test"]))
    inner, describer = counting()
    again = describer.task(task(clips["test"]))
    assert again.items == first.items
    assert inner.shown == []


def test_what_is_kept_goes_by_content_not_by_name(
    clips: dict[str, list[Path]], tmp_path: Path
) -> None:
    copy, changed = tmp_path / "copy.wav", tmp_path / "changed.wav"
    data = clips["test"][0].read_bytes()
    copy.write_bytes(data)
    changed.write_bytes(data[:-2] + bytes([data[-2] ^ 1, data[-1]]))
    counting()[1].task(task(clips["test"][:1]))
    inner, describer = counting()
    describer.task(task([copy, changed]))
    assert [one.id for one in inner.shown] == ["changed"]


def test_another_describer_does_its_own_work(clips: dict[str, list[Path]]) -> None:
    counting()[1].task(task(clips["test"]))
    inner, describer = counting()
    inner.id = "prosody@other"
    describer.task(task(clips["test"]))
    assert len(inner.shown) == 3


def test_only_some_items_are_listened_to(clips: dict[str, list[Path]]) -> None:
    whole = task(clips["test"])
    inner, describer = counting()
    found = describer.task(whole, whole.limited(1).items)
    assert [one.id for one in inner.shown] == ["test0"]
    assert [bool(item.description) for item in found.items] == [True, False, False]
    assert found.digest() == whole.digest()


def test_speakers_are_not_told(clips: dict[str, list[Path]]) -> None:
    """Levels of known speakers in training and of strangers in a test would be different things."""
    inner, describer = counting()
    describer.task(task(clips["test"]))
    assert {one.speaker for one in inner.shown} == {None}


def test_clips_that_cannot_be_described_are_counted(
    clips: dict[str, list[Path]], tmp_path: Path
) -> None:
    corrupt, short, gone = tmp_path / "bad.wav", tmp_path / "short.wav", tmp_path / "gone.wav"
    corrupt.write_bytes(b"RIFF....WAVEnothing")
    short.write_bytes(wav(speak("a", Speaker("x", 140, 1, 0), _brief(), Random(1))[:1600]))
    found = counting()[1].task(task([clips["test"][0], corrupt, short, gone]))
    assert found.notes[-1].endswith("(1 ok, 1 too_short, 2 unreadable)")
    assert [bool(item.description) for item in found.items] == [True, False, True, False]
    clip(gone, 5)
    again = counting()[1].task(task([gone]))
    assert again.notes[-1].endswith("(1 ok)"), "a clip that was away is looked for again"


def _brief() -> Manner:
    return Manner(**PLAIN, pauses=(), seconds=1.0)


def test_damaged_entries_are_made_again(clips: dict[str, list[Path]], tmp_path: Path) -> None:
    counting()[1].task(task(clips["test"]))
    kept = sorted((tmp_path / "cache").rglob("*.json"))
    assert len(kept) == 3
    for path, damage in zip(kept, (b"", b'{"id": "x"}', b"\xff"), strict=True):
        path.write_bytes(damage)
    inner, describer = counting()
    assert all(item.description for item in describer.task(task(clips["test"])).items)
    assert len(inner.shown) == 3
    assert all(Description.model_validate_json(path.read_bytes()) for path in kept)


def test_processes_describe_the_same_clips_at_the_same_time(
    clips: dict[str, list[Path]], tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from test_describing import counting, task\n"
        "found = counting()[1].task(task([Path(p) for p in sys.argv[2:]]))\n"
        "print('|'.join(item.description for item in found.items))"
    )
    paths = [str(path) for path in clips["train"][:6]]
    command = [sys.executable, "-c", code, str(Path(__file__).parent), *paths]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert said[0] == said[1]
    assert len(said[0].split("|")) == 6
    kept = sorted(path.name for path in (tmp_path / "cache" / "descriptions").rglob("*.*"))
    assert len([name for name in kept if name.endswith(".json")]) == 6
    assert not [name for name in kept if name.startswith(".")], "no half-written files are left"


class TestStatistics:
    SETTINGS = DescriberSettings()

    def test_are_of_the_train_split(self, clips: dict[str, list[Path]]) -> None:
        found = fit_describer(self.SETTINGS, task(clips["train"], "train"))
        by_hand = fit_statistics([Sample(measure(p).values) for p in clips["train"]], "by hand")
        assert found.statistics is not None
        for name, edges in by_hand.corpus.items():
            assert found.statistics.corpus[name] == pytest.approx(edges, rel=1e-5)
        assert found.statistics.source == "mine, train"
        assert found.statistics.clips == 24
        assert found.statistics.speakers == {}

    @pytest.mark.parametrize("split", ["test", "dev"])
    def test_of_another_split_are_refused(self, split: str, clips: dict[str, list[Path]]) -> None:
        with pytest.raises(InputError, match=f"fitted to mine/{split}"):
            fit_describer(self.SETTINGS, task(clips["test"], split))

    def test_do_not_change_with_what_is_described(self, clips: dict[str, list[Path]]) -> None:
        train = task(clips["train"], "train")
        one = fit_describer(self.SETTINGS, train)
        found = one.task(task(clips["test"]))
        assert all("very high pitch" in item.description for item in found.items)
        assert fit_describer(self.SETTINGS, train).id == one.id

    def test_are_kept_beside_the_adapter(
        self, clips: dict[str, list[Path]], tmp_path: Path
    ) -> None:
        fitted = fit_describer(self.SETTINGS, task(clips["train"], "train"))
        fitted.save(tmp_path)
        opened = saved_describer(self.SETTINGS, tmp_path)
        assert opened.id == fitted.id
        assert opened.statistics == fitted.statistics == read_statistics(tmp_path / STATISTICS)
        (tmp_path / STATISTICS).write_text("{}")
        with pytest.raises(ValidationError, match="ovbench describe --fit"):
            saved_describer(self.SETTINGS, tmp_path)
        (tmp_path / STATISTICS).unlink()
        with pytest.raises(InputError, match=r"statistics\.json.*copy its whole folder"):
            saved_describer(self.SETTINGS, tmp_path)

    def test_may_be_built_in_or_in_a_file(
        self, clips: dict[str, list[Path]], tmp_path: Path
    ) -> None:
        plain = DescriberSettings(statistics="built-in")
        for opened in (saved_describer(plain, tmp_path), fit_describer(plain, task(clips["test"]))):
            assert opened.id == Prosody(builtin()).id
            opened.save(tmp_path)
        assert not (tmp_path / STATISTICS).exists()
        path = tmp_path / "mine.json"
        mine = Statistics(source="mine", clips=30, corpus={"pitch": (1.0, 2.0, 3.0, 4.0)})
        path.write_text(mine.model_dump_json())
        opened = saved_describer(DescriberSettings(statistics=str(path)), tmp_path)
        assert opened.statistics == mine
        assert opened.id == Prosody(mine).id

    def test_belong_to_prosody(self) -> None:
        with pytest.raises(ValueError, match="belong to describer 'prosody'"):
            DescriberSettings(name="qwen2-audio", statistics="built-in")
        assert DescriberSettings(name="qwen2-audio").name == "qwen2-audio"

    def test_language_is_the_recipes(self, clips: dict[str, list[Path]], tmp_path: Path) -> None:
        spanish = saved_describer(
            DescriberSettings(statistics="built-in", language="es"), tmp_path
        ).task(task(clips["test"][:1]))
        assert spanish.items[0].description.startswith("La persona que habla")


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check_describer(DescriberSettings())
    monkeypatch.setattr(describing, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"ovbench\[speech\]"):
        check_describer(DescriberSettings())


def test_settings_need_neither_torch_nor_sound() -> None:
    code = (
        "import sys; import ovbench.systems.recipe; import ovbench.systems.describing\n"
        "print(sorted({'torch', 'librosa', 'soundfile', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout
    assert "soundfile" not in done.stdout
    assert "librosa" not in done.stdout


class TestRecipes:
    def test_digests_of_recipes_without_a_describer_are_what_they_were(self) -> None:
        """Bundled adapters and published records were made before recipes could have one."""
        for folder in sorted(adapter_folder("x").parent.iterdir()):
            if not (folder / REPORT_FILE).is_file() or folder.name.startswith("prosody-"):
                continue
            report = json.loads((folder / REPORT_FILE).read_text("utf-8"))
            assert load_tunable(report["system"]).digest() == report["recipe_digest"]

    def test_a_describer_makes_another_digest(self) -> None:
        recipe = load_tunable("prosody-lora-las-r4")
        assert recipe.describer == DescriberSettings()
        others = [None, DescriberSettings(statistics="built-in"), DescriberSettings(language="es")]
        digests = {recipe.model_copy(update={"describer": one}).digest() for one in others}
        assert len(digests | {recipe.digest()}) == 4

    def test_an_adapter_of_another_describer_is_refused(self) -> None:
        pytest.importorskip("peft")
        recipe = load_tunable("prosody-lora-las-r4")
        other = recipe.model_copy(update={"describer": DescriberSettings(language="es")})
        from ovbench.systems.origin import Origin

        assert Origin(recipe, "tiny").fields() != Origin(other, "tiny").fields()
        assert "describer" not in Origin(load_tunable("lora-las-r4"), "tiny").fields()
