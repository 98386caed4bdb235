"""One run by several processes: the same bytes as by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_fakes import Answer, Fake, fake_task
from test_generation_cache import ABOUT, files_of, options, run_with

from ovbench.errors import InputError, OvbenchError
from ovbench.runs import parallel, parallel_ray
from ovbench.runs.answering import Here
from ovbench.runs.cache_upkeep import entries
from ovbench.runs.engines import Engine
from ovbench.runs.evaluate import evaluate
from ovbench.runs.generation_cache import AnswerCache
from ovbench.runs.parallel import evaluate_together
from ovbench.runs.place import Place
from ovbench.runs.recipe import evaluate_recipe
from ovbench.runs.records import RunResult
from ovbench.tasks import Item

ROOT = Path(__file__).parents[2]


class Group:
    """Processes that are threads here."""

    local = threading.local()
    size = 3
    barrier = threading.Barrier(3)

    def __init__(self, *_: object) -> None:
        self.rank = self.local.rank

    def wait(self) -> None:
        self.barrier.wait(timeout=20)

    share = parallel._Group.share


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_Group", Group)
    monkeypatch.setattr(parallel, "process_count", lambda: 3)


def together(cache: AnswerCache, out: Path, systems: Sequence[Fake]) -> list[list[RunResult]]:
    """The run by as many threads as there are systems; what each of them gets."""
    found: list[Any] = [None] * len(systems)

    def one(rank: int) -> None:
        Group.local.rank = rank
        source = Here("known", lambda: systems[rank])
        found[rank] = evaluate_together(source, fake_task(), ABOUT, out, options(cache))

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(len(systems))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.usefixtures("three")
def test_each_answers_its_share_and_the_first_writes(tmp_path: Path) -> None:
    cache, systems = AnswerCache(tmp_path / "cache"), [Fake("known") for _ in range(3)]
    first, *others = together(cache, tmp_path / "a", systems)
    assert others == [[], []]
    assert [len(system.batches) for system in systems] == [1, 1, 1]
    alone, _ = run_with(None, tmp_path / "b")
    assert files_of(first[0]) == files_of(alone)
    assert first[0].results == alone.results
    assert first[0].cost.tokens == alone.cost.tokens
    assert (first[0].cost.items, first[0].cost.cached, first[0].cost.processes) == (11, 0, 3)
    again = [Fake("known") for _ in range(3)]
    ((run,), *_) = together(cache, tmp_path / "c", again)
    assert [system.batches for system in again] == [[], [], []]
    assert (run.cost.items, run.cached) == (0, 11)


@pytest.mark.usefixtures("three")
def test_what_another_process_could_not_keep_is_answered_by_the_first(tmp_path: Path) -> None:
    class Careless(Fake):
        def predict(self, items: Sequence[Item], batch_size: int) -> Iterator[Answer]:
            yield from list(super().predict(items, batch_size))[1:]  # so it is not kept

    systems = [Fake("known"), Careless("known"), Fake("known")]
    ((run,), *_) = together(AnswerCache(tmp_path / "cache"), tmp_path / "a", systems)
    assert len(systems[0].batches) == 2
    assert files_of(run) == files_of(run_with(None, tmp_path / "b")[0])


def test_processes_that_cannot_share_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "process_count", lambda: 2)
    source = Here("known", Fake)
    with pytest.raises(InputError, match="without a cache"):
        evaluate_together(source, fake_task(), ABOUT, tmp_path, options(None))
    one_gpu = ABOUT.model_copy(update={"device": "cuda:0 X"})
    with pytest.raises(InputError, match="one device, cuda:0"):
        evaluate_together(source, fake_task(), one_gpu, tmp_path, options(None))
    monkeypatch.setattr("ovbench.runs.recipe.process_count", lambda: 2)
    with pytest.raises(InputError, match="2 processes were started"):
        evaluate_recipe("affectgpt-lora-r8", out=tmp_path, engine=Engine(workers=2))


def test_who_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    assert (parallel.process_count(), parallel.is_first()) == (1, True)
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert parallel.process_count() == 1, "a number alone is not a launcher"
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("RANK", "2")
    assert (parallel.process_count(), parallel.is_first()) == (4, False)


def test_workers_below_one() -> None:
    from ovbench.runs.parallel_ray import RayWorkers

    with pytest.raises(InputError, match="0 workers"):
        RayWorkers(None, 0)  # type: ignore[arg-type]


class StandIn:
    """What is used of Ray, in this process; the actor numbered ``dies`` dies when asked."""

    def __init__(self, dies: int | None = None, deaths: int = 1) -> None:
        self.dies, self.deaths, self.up = dies, deaths, False
        self.actors: list[Any] = []
        self.killed: list[Any] = []

    def is_initialized(self) -> bool:
        return self.up

    def init(self, **_: object) -> None:
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        self.up = True

    def shutdown(self) -> None:
        self.up = False

    def put(self, value: object) -> object:
        return value

    def kill(self, actor: object) -> None:
        self.killed.append(actor)

    def wait(self, references: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        return references[-1:], references[:-1]  # in another order than they were asked

    def get(self, reference: Any) -> Any:
        return reference()

    def remote(self, kind: type) -> Any:
        ray = self

        class Handle:
            def __init__(self, share: object) -> None:
                self.number = len(ray.actors)
                self.worker = kind(share)
                ray.actors.append(self)

            def __getattr__(self, name: str) -> Any:
                return SimpleNamespace(remote=lambda *told: partial(self.call, name, told))

            def call(self, name: str, told: tuple[Any, ...]) -> Any:
                if self.number == ray.dies:
                    ray.deaths -= 1
                    ray.dies = len(ray.actors) if ray.deaths else None
                    self.number = -1  # dead for good
                if self.number == -1:
                    raise RayActorError
                return getattr(self.worker, name)(*told)

        made = SimpleNamespace(remote=lambda share: Handle(share))
        return SimpleNamespace(options=lambda **_: made)


class RayActorError(Exception):
    pass


class FakeWorker:
    """Answers from the item alone."""

    def __init__(self, share: object) -> None:
        pass

    def answers(self, batch: list[Item]) -> Any:
        if batch[0].id == "item-1" and batch[0].transcript == "bad":
            return parallel_ray._Failure("Out of memory on cuda.", 1)
        return list(Fake().predict(batch, len(batch))), 2 if len(batch) == 3 else None


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    found = StandIn()
    exceptions = types.ModuleType("ray.exceptions")
    exceptions.RayActorError = RayActorError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setitem(sys.modules, "ray.exceptions", exceptions)
    monkeypatch.setattr(parallel_ray, "find_spec", lambda name: object())
    monkeypatch.setattr(parallel_ray, "Worker", FakeWorker)
    return found


def workers_of(count: int) -> parallel_ray.RayWorkers:
    share = SimpleNamespace(recipe=SimpleNamespace(name="known"), place=Place(device="cpu"))
    return parallel_ray.RayWorkers(share, count)  # type: ignore[arg-type]


@pytest.mark.parametrize(("dies", "deaths"), [(None, 0), (0, 1), (1, 1), (0, 3)])
def test_workers_answer_every_batch_once(
    tmp_path: Path, ray: StandIn, dies: int | None, deaths: int
) -> None:
    ray.dies, ray.deaths = dies, deaths
    workers, task = workers_of(2), fake_task(30)
    source = parallel_ray.OnWorkers(workers, task, 0, True, "files")
    run = evaluate(source, task, ABOUT, tmp_path / "a", options(None))
    alone = evaluate(Fake("known"), task, ABOUT, tmp_path / "b", options(None))
    assert files_of(run) == files_of(alone)
    assert len(ray.actors) == 2 + deaths
    assert (run.cost.items, run.cost.processes) == (30, 2)
    workers.close()
    assert len(ray.killed) == 2
    assert not ray.up


def test_what_workers_say_of_memory_and_of_errors_is_told(tmp_path: Path, ray: StandIn) -> None:
    task = fake_task()  # batches of 4, 4 and 3
    source = parallel_ray.OnWorkers(workers_of(2), task, 0, True, "files")
    run = evaluate(source, task, ABOUT, tmp_path / "a", options(None))
    assert any("at most 2 items" in warning for warning in run.headline.warnings)
    ray.dies, ray.deaths = len(ray.actors), 9
    source = parallel_ray.OnWorkers(workers_of(2), task, 0, True, "files")
    with pytest.raises(OvbenchError, match="Workers of Ray died"):
        evaluate(source, task, ABOUT, tmp_path / "b", options(None))
    items = tuple(replace(i, transcript="bad") if i.id == "item-1" else i for i in task.items)
    ray.dies = None
    source = parallel_ray.OnWorkers(workers_of(1), task, 0, True, "files")
    with pytest.raises(OvbenchError, match="Out of memory on cuda"):
        dict(source.answers([[items[1]]]))


EVAL = ["-m", "lora-las-r4", "-t", "tinyov", "-L", "40", "-b", "4", "--draws", "0"]


def command(
    words: list[str], tmp_path: Path, out: str, cache: str, more: Sequence[str] = ()
) -> bytes:
    """The predictions of ``ovbench eval`` in processes of its own, with another cache."""
    environment = {**os.environ, "OVBENCH_CACHE": str(tmp_path / cache), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        [*words, "eval", *EVAL, "--device", "cpu", "-o", str(tmp_path / out), *more],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    return (tmp_path / out / "lora-las-r4" / "tinyov-limit-40" / "predictions.jsonl").read_bytes()


OVBENCH = [sys.executable, "-m", "ovbench"]


@pytest.mark.slow
def test_two_processes_of_accelerate(tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--mixed_precision", "no", "--dynamo_backend", "no"]
    both = command([*launch, "-m", "ovbench"], tmp_path, "two", "cache-2")
    assert both == command(OVBENCH, tmp_path, "one", "cache-1")
    cost = tmp_path / "two" / "lora-las-r4" / "tinyov-limit-40" / "cost.json"
    found = json.loads(cost.read_text())
    assert (found["items"], found["cached"], found["processes"]) == (40, 0, 2)
    keys = [
        sorted(entry.path.name for entry in entries(tmp_path / name / "generations"))
        for name in ("cache-1", "cache-2")
    ]
    assert keys[0] == keys[1]


@pytest.mark.slow
def test_two_workers_of_ray(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    both = command(OVBENCH, tmp_path, "two", "cache-2", ["--workers", "2"])
    assert both == command(OVBENCH, tmp_path, "one", "cache-1")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    import ray

    from ovbench.runs.engines import answerer_of, open_workers
    from ovbench.runs.evaluate import batches
    from ovbench.runs.opened import open_recipe
    from ovbench.runs.place import Place
    from ovbench.systems import load_recipe
    from ovbench.tasks import load_task

    task = load_task("tinyov").limited(40)
    opened = open_recipe(load_recipe("lora-las-r4"), Place(device="cpu"), tmp_path)  # type: ignore[arg-type]
    builder = opened.contexts(task)
    asked = batches(task.items, 4)
    alone = dict(answerer_of(opened, task, builder, 0, False).answers(asked))
    with open_workers(opened, 2) as workers:
        assert workers is not None
        source = answerer_of(opened, task, builder, 0, False, workers)
        found = {}
        for index, answers in source.answers(asked):
            if not found:
                ray.kill(workers.actors[0])
            found[index] = answers
        assert workers._deaths == 1
    assert found == alone
    assert not ray.is_initialized()
