"""Answers by content: nothing is generated twice, and nothing is used that is not what it was."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from run_fakes import Answer, Fake, fake_task
from run_models import make_adapter

from ovbench.runs.cache_upkeep import entries, prune, report, seconds
from ovbench.runs.cost import Meter
from ovbench.runs.evaluate import EvalOptions, evaluate, plan
from ovbench.runs.generation_cache import AnswerCache, Kept
from ovbench.runs.place import Place
from ovbench.runs.preflight import Preflight
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.records import Cost, RunResult, SystemRecord
from ovbench.runs.store import read_record
from ovbench.scoring import Options
from ovbench.systems import answers
from ovbench.systems.answers import Stage
from ovbench.tasks import Item, Task

ABOUT = SystemRecord(
    name="known",
    kind="causal_lm",
    recipe="1" * 64,
    base="2" * 64,
    adapter="3" * 64,
    prompt="4" * 64,
    decoding={"max_new_tokens": 8, "temperature": 0.0},
    dtype="float32",
    device="cpu",
)
PLAIN = Options(draws=0, floors=False)


@pytest.fixture
def cache(tmp_path: Path) -> AnswerCache:
    return AnswerCache(tmp_path / "cache")


def options(cache: AnswerCache | None, **changes: object) -> EvalOptions:
    whole = EvalOptions(batch_size=4, scoring=PLAIN, cache=cache, command="test")
    return replace(whole, **changes)  # type: ignore[arg-type]


def files_of(run: RunResult) -> bytes:
    return (Path(run.folder) / "predictions.jsonl").read_bytes()


def run_with(
    cache: AnswerCache | None,
    out: Path,
    *,
    task: Task | None = None,
    about: SystemRecord = ABOUT,
    **changes: object,
) -> tuple[RunResult, int]:
    """A run, and how many batches its system was asked."""
    system = Fake(name="known")
    run = evaluate(system, task or fake_task(), about, out, options(cache, **changes))
    return run, len(system.batches)


def test_a_second_run_asks_the_system_nothing(tmp_path: Path, cache: AnswerCache) -> None:
    first, asked = run_with(cache, tmp_path / "a")
    again, none = run_with(cache, tmp_path / "b")
    bare, _ = run_with(None, tmp_path / "c")
    assert (asked, none) == (3, 0)
    assert files_of(first) == files_of(again) == files_of(bare)
    assert first.results == again.results
    assert (first.cached, again.cached) == (0, 11)


def test_cached_answers_have_no_speed(tmp_path: Path, cache: AnswerCache) -> None:
    run_with(cache, tmp_path / "a")
    again, _ = run_with(cache, tmp_path / "b")
    cost = read_record(Path(again.folder) / "cost.json", Cost)
    assert cost == Cost(cached=11)
    assert cost.tokens_per_second is None
    # Half from the cache: speed is that of the other half alone.
    for entry in list(entries(cache.folder))[:2]:
        entry.path.unlink()
    third, asked = run_with(cache, tmp_path / "c")
    assert asked == 2
    assert third.cost.items + third.cost.cached == 11
    assert third.cost.items in (7, 8)
    assert third.cost.tokens > 0
    both = third.cost.plus(Cost(cached=2, processes=4))
    assert (both.cached, both.processes) == (third.cost.cached + 2, 4)
    assert Meter(None).cost(3).processes == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipe", "9" * 64),
        ("base", "9" * 64),
        ("adapter", "9" * 64),
        ("prompt", "9" * 64),
        ("context", "9" * 64),
        ("describer", "9" * 64),
        ("decoding", {"max_new_tokens": 9, "temperature": 0.0}),
        ("dtype", "bfloat16"),
        ("device", "mps"),
        ("backend", "vllm"),
        ("scale", "paper"),
    ],
)
def test_whatever_makes_other_answers_makes_other_keys(
    tmp_path: Path, cache: AnswerCache, field: str, value: object
) -> None:
    run_with(cache, tmp_path / "a")
    about = ABOUT.model_copy(update={field: value})
    _, asked = run_with(cache, tmp_path / "b", about=about)
    assert asked == 3


def test_seed_batch_items_and_files_beside_the_weights_are_in_the_key(
    cache: AnswerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = fake_task()

    def parts(task: Task = task, fingerprint: str | None = None, **changes: object) -> list[bool]:
        work = plan(task, ABOUT, options(cache, **changes), fingerprint)
        assert work.answers is not None
        return [work.answers.known(batch) is not None for batch in work.batches]

    work = plan(task, ABOUT, options(cache))
    assert work.answers is not None
    for batch in work.batches:
        work.answers.keep(batch, Kept(tuple(Answer(item.id, "sad") for item in batch)))
    assert parts() == [True, True, True]
    assert parts(seed=1) == [False, False, False]
    assert parts(batch_size=5) == [False, False, False]
    assert parts(fingerprint="tokenizer") == [False, False, False]
    assert parts(fake_task(answers="class")) == [False, False, False]
    # One item with another transcript: its batch alone is another.
    first = replace(task.items[0], transcript="word 1000")
    assert sorted(parts(replace(task, items=(first, *task.items[1:])))) == [False, True, True]
    # Where the clip lies changes nothing for a model that reads.
    moved = replace(task, items=tuple(replace(i, audio="/elsewhere.wav") for i in task.items))
    assert parts(moved) == [True, True, True]
    # The same items in another task: shared, but for contexts, which other items may go into.
    assert parts(replace(task, id="other", title="Another view")) == [True, True, True]
    with monkeypatch.context() as patch:
        patch.setattr("ovbench.runs.evaluate.metadata.version", lambda name: "99.0")
        assert parts() == [False, False, False]


def test_contexts_bind_answers_to_their_task(tmp_path: Path, cache: AnswerCache) -> None:
    about = ABOUT.model_copy(update={"context": "5" * 64})
    run_with(cache, tmp_path / "a", about=about)
    assert run_with(cache, tmp_path / "b", about=about)[1] == 0
    assert run_with(cache, tmp_path / "c", about=about, task=replace(fake_task(), id="x"))[1] == 3


def test_the_number_of_a_device_and_names_are_not_in_the_key(
    tmp_path: Path, cache: AnswerCache
) -> None:
    one = ABOUT.model_copy(update={"device": "cuda:0 X", "training_seed": 1})
    work = plan(fake_task(), one, options(cache))
    other = plan(fake_task(), one.model_copy(update={"device": "cuda:3 X"}), options(cache))
    batch = work.batches[0]
    assert work.answers is not None
    assert other.answers is not None
    work.answers.keep(batch, Kept(tuple(Answer(item.id, "sad") for item in batch)))
    assert other.answers.known(batch) == work.answers.known(batch) is not None


@pytest.mark.parametrize(
    "about",
    [
        SystemRecord(name="majority", kind="constant", recipe="1" * 64),
        SystemRecord(name="mine", kind="external", recipe="1" * 64, command="python mine.py"),
        SystemRecord(
            name="mine", kind="projector_lm", parts={"encoder": "features:x"}, adapter="1" * 64
        ),
    ],
)
def test_what_is_not_known_by_hash_is_not_cached(
    tmp_path: Path, cache: AnswerCache, about: SystemRecord
) -> None:
    for out in ("a", "b"):
        assert run_with(cache, tmp_path / out, about=about)[1] == 3
    assert list(entries(cache.folder)) == []


def test_a_system_that_hears_is_cached_by_the_clip_s_bytes(
    tmp_path: Path, cache: AnswerCache
) -> None:
    about = SystemRecord(
        name="hears", kind="speech_classifier", adapter="1" * 64, parts={"encoder": "2" * 64}
    )
    clips = [tmp_path / f"{item.id}.wav" for item in fake_task().items]
    for clip in clips:
        clip.write_bytes(clip.name.encode())
    task = fake_task()
    heard = replace(
        task,
        items=tuple(replace(i, audio=str(c)) for i, c in zip(task.items, clips, strict=True)),
    )
    assert run_with(cache, tmp_path / "a", about=about, task=heard)[1] == 3
    assert run_with(cache, tmp_path / "b", about=about, task=heard)[1] == 0
    clips[4].write_bytes(b"another recording")
    assert run_with(cache, tmp_path / "c", about=about, task=heard)[1] == 1


def test_everything_of_an_answer_comes_back(cache: AnswerCache) -> None:
    items = [Item("a", "d", "t"), Item("b", "d", "t")]
    stage = Stage("captioner", "loud – “so”", "7" * 64, 5, 0.25)
    kept = Kept(
        (
            answers.Answer("a", "x\u2028y \U0001f600", "ok", 3, 2, "first", True, (0.1, 1 / 3)),
            answers.Answer("b", "", "error", 0, stages=(stage,)),
        ),
        largest_batch=2,
    )
    part = plan(fake_task(), ABOUT, options(cache)).answers
    assert part is not None
    part.keep(items, kept)
    assert part.known(items) == kept
    part.keep(items[:1], kept)  # an answer too many: nothing that could be used
    assert part.known(items[:1]) is None
    assert part.known(items[::-1]) is None


def damage(cache: AnswerCache, how: Callable[[bytes], bytes]) -> None:
    for entry in entries(cache.folder):
        entry.path.write_bytes(how(entry.path.read_bytes()))


@pytest.mark.parametrize(
    "how",
    [
        lambda data: data.replace(b"happy", b"angry").replace(b"sad", b"joy"),
        lambda data: data[:-20],
        lambda data: b"",
        lambda data: data + b" ",
        lambda data: data.partition(b"\n")[2],
        lambda data: b"\x00" * len(data),
        lambda data: bytes([data[0] ^ 1]) + data[1:],
    ],
    ids=["text", "cut", "empty", "longer", "no-sum", "zeros", "sum"],
)
def test_damage_is_seen_and_mended(
    tmp_path: Path, cache: AnswerCache, how: Callable[[bytes], bytes]
) -> None:
    first, _ = run_with(cache, tmp_path / "a")
    damage(cache, how)
    second, asked = run_with(cache, tmp_path / "b")
    assert asked == 3
    assert files_of(second) == files_of(first)
    assert run_with(cache, tmp_path / "c")[1] == 0


def test_another_s_entry_under_a_key_is_not_used(tmp_path: Path, cache: AnswerCache) -> None:
    """Copied to the wrong name, whole, with a sum that fits."""
    run_with(cache, tmp_path / "a")
    four = [entry.path for entry in entries(cache.folder) if entry.answers == 4]
    four[0].write_bytes(four[1].read_bytes())
    assert run_with(cache, tmp_path / "b")[1] == 1


def test_a_cache_that_cannot_be_written_stops_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = AnswerCache(tmp_path / "file" / "cache")
    run, asked = run_with(cache, tmp_path / "a")
    assert asked == 3
    assert sum(run.statuses.values()) == 11
    assert cache.fault is not None
    assert report(cache.folder).recipes == ()


def test_batches_that_were_made_smaller_are_told_again(tmp_path: Path, cache: AnswerCache) -> None:
    system = Fake(name="known")
    system.largest_batch = 2  # type: ignore[attr-defined]
    first = evaluate(system, fake_task(), ABOUT, tmp_path / "a", options(cache))
    again, asked = run_with(cache, tmp_path / "b")
    told = [w for w in again.headline.warnings if "memory ran out" in w]
    assert asked == 0
    assert told == [w for w in first.headline.warnings if "memory ran out" in w]
    assert told


def test_the_checks_before_a_run_are_kept_too(tmp_path: Path, cache: AnswerCache) -> None:
    bad = Preflight(
        items=4, adapter_effect=2.5, batch_size=4, batch_invariant=False, base_dtype="float32"
    )
    seen = []

    def check() -> Preflight:
        seen.append(1)
        return bad

    runs = [
        evaluate(Fake(), fake_task(), ABOUT, tmp_path / o, options(cache), preflight=check)
        for o in ("a", "b")
    ]
    assert seen == [1]
    assert runs[1].preflight == bad
    assert runs[0].results == runs[1].results
    assert "|batch:4|" in runs[1].headline.signature
    one, two = ((Path(run.folder) / "preflight.json").read_bytes() for run in runs)
    assert one == two
    for entry in entries(cache.folder):
        if entry.answers == 3:
            entry.path.unlink()
    evaluate(Fake(), fake_task(), ABOUT, tmp_path / "c", options(cache), preflight=check)
    assert seen == [1, 1], "something is generated, so it is checked first"


def _killed(out: str, cache: str) -> None:
    evaluate(Fake("known", 2), fake_task(), ABOUT, out, options(AnswerCache(Path(cache))))


def _hammer(folder: str, number: int) -> None:
    part = plan(fake_task(), ABOUT, options(AnswerCache(Path(folder)))).answers
    assert part is not None
    items = [Item(f"item-{i}", "d" * 200, "t") for i in range(5)]
    for _ in range(60):
        part.keep(items, Kept(tuple(Answer(item.id, "calm") for item in items)))
        found = part.known(items)
        assert found is not None
        assert [one.text for one in found.answers] == ["calm"] * 5


def test_a_killed_run_goes_on_in_another_folder(tmp_path: Path, cache: AnswerCache) -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_killed, args=(str(tmp_path / "a"), str(cache.folder)))
    process.start()
    process.join()
    assert process.exitcode == -9
    run, asked = run_with(cache, tmp_path / "b")
    assert (asked, run.cached) == (1, 8)
    assert files_of(run) == files_of(run_with(None, tmp_path / "c")[0])


def test_several_processes_write_one_entry(cache: AnswerCache) -> None:
    context = multiprocessing.get_context("fork")
    jobs = [context.Process(target=_hammer, args=(str(cache.folder), i)) for i in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    assert len(list(entries(cache.folder))) == 1


def test_no_model_is_loaded_for_what_is_known(
    tmp_path: Path, base_folder: Path, fake_tasks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real recipe with contexts: the second run cannot load anything, and needs nothing."""
    cache = AnswerCache(tmp_path / "cache")
    folder = make_adapter("lora-las-r4-wide", base_folder, tmp_path / "adapter")
    place = Place(adapter=folder, base=str(base_folder), device="cpu")

    def go(out: str, **changes: object) -> RunResult:
        (run,) = evaluate_recipe(
            "lora-las-r4-wide",
            ["tinyov"],
            out=tmp_path / out,
            place=place,
            batch_size=4,
            options=options(cache, **changes),
        )
        return run

    first = go("a")
    assert first.cost.tokens > 0

    def no_load(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    for name in ("loading.load_base", "saved.open_adapter", "generation.CausalLmSystem"):
        monkeypatch.setattr(f"ovbench.systems.{name}", no_load)
    again = go("b")
    assert files_of(again) == files_of(first)
    assert again.results == first.results
    assert again.preflight == first.preflight
    assert again.record.settings == first.record.settings
    assert again.cost == Cost(cached=11)
    assert go("a").resumed == 11, "nor for a run that is finished"
    with pytest.raises(AssertionError, match="a model was loaded"):
        go("c", seed=1)
    (base_folder / "tokenizer_config.json").touch()  # the same bytes: nothing changes
    assert go("d").cached == 11


def fill(cache: AnswerCache, names: tuple[str, ...] = ("one", "two")) -> None:
    for name in names:
        about = ABOUT.model_copy(update={"name": name})
        part = plan(fake_task(), about, options(cache)).answers
        assert part is not None
        for number in range(3):
            items = [Item(f"{number}-{i}", "d", "t") for i in range(2)]
            part.keep(items, Kept(tuple(Answer(item.id, "calm") for item in items)))


def test_what_the_cache_holds(cache: AnswerCache) -> None:
    fill(cache)
    found = report(cache.folder)
    assert [(s.recipe, s.answers, s.entries) for s in found.recipes] == [
        ("one", 6, 3),
        ("two", 6, 3),
    ]
    assert found.size == sum(f.stat().st_size for f in cache.folder.rglob("*.json"))


def test_the_oldest_go_first(cache: AnswerCache) -> None:
    fill(cache)
    paths = sorted(entry.path for entry in entries(cache.folder))
    for age, path in enumerate(paths):
        os.utime(path, (time.time() - age * 86400 - 60,) * 2)
    gone = prune(cache.folder, older_than=seconds("4d"))
    assert {entry.path for entry in gone} == set(paths[4:])
    size = paths[0].stat().st_size
    gone = prune(cache.folder, keep_bytes=2.5 * size)
    assert {entry.path for entry in gone} == set(paths[2:4])
    assert prune(cache.folder, keep_bytes=10 * size, older_than=seconds("2w")) == []
    gone = prune(cache.folder, keep_bytes=0, older_than=seconds("24h"))
    assert {entry.path for entry in gone} == set(paths[:2])
    assert not cache.folder.exists() or not list(cache.folder.rglob("*"))


def test_use_makes_young(cache: AnswerCache) -> None:
    fill(cache, ("one",))
    for entry in entries(cache.folder):
        os.utime(entry.path, (0, 0))
    part = plan(fake_task(), ABOUT.model_copy(update={"name": "one"}), options(cache)).answers
    assert part is not None
    assert part.known([Item(f"1-{i}", "d", "t") for i in range(2)]) is not None
    assert len(prune(cache.folder, older_than=3600)) == 2


def test_one_recipe_s_entries_and_nobody_else_s_files(tmp_path: Path, cache: AnswerCache) -> None:
    fill(cache)
    strange = cache.folder / "one" / "notes.txt"
    strange.write_text("mine")
    (tmp_path / "away" / "ab").mkdir(parents=True)
    kept = tmp_path / "away" / "ab" / f"{'a' * 64}-3.json"
    kept.write_text("not of this cache")
    (cache.folder / "link").symlink_to(tmp_path / "away")
    left = next(cache.folder.glob("two/*"))
    (left / f".{'a' * 40}.x1").write_text("half an entry")
    assert len(prune(cache.folder, recipe="one")) == 3
    assert len(prune(cache.folder)) == 4
    assert strange.read_text() == "mine"
    assert kept.exists()
    assert prune(tmp_path / "nowhere") == []
