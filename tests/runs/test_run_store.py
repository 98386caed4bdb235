"""The run store: killed, torn, shared and full; what was done is kept, and nothing is doubled."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from run_fakes import ABOUT, Answer, Fake, fake_task

from ovbench.errors import InputError, InterruptedRunError, OvbenchError, ValidationError
from ovbench.io.lock import locked
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.runs.records import Prediction, SystemRecord
from ovbench.runs.store import open_run, read_run
from ovbench.scoring import Options

QUICK = Options(draws=0, floors=False)
OPTIONS = EvalOptions(batch_size=3, scoring=QUICK, command="test")
WHERE = Path("fake") / "fake-task"

CHILD = """
import sys
from pathlib import Path
from run_fakes import ABOUT, Fake, fake_task
from ovbench.runs.evaluate import EvalOptions, evaluate
from ovbench.scoring import Options
OPTIONS = EvalOptions(
    batch_size=3, scoring=Options(draws=0, floors=False), command='test', log_samples=True
)
{extra}
evaluate(Fake(die_after={after}), fake_task(), ABOUT, Path(sys.argv[1]), OPTIONS)
"""
TORN_WRITE = """
import os, signal
from ovbench.runs import store
whole = store.os.fsync
count = 0
def torn(descriptor):
    # The machine dies while a batch is being written: only a part of it is in the file.
    global count
    count += 1
    if count == {at}:
        size = os.fstat(descriptor).st_size
        os.ftruncate(descriptor, size - {cut})
        os.kill(os.getpid(), signal.SIGKILL)
    whole(descriptor)
store.os = type("os", (), {{**vars(os), "fsync": staticmethod(torn)}})
"""
DIE_IN_RENAME = """
import os, signal
from pathlib import Path
rename = Path.replace
def never(self, target):
    if Path(target).name.startswith('{name}'):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.replace = never
"""


def run_child(out: Path, after: int | None = None, extra: str = "") -> int:
    code = CHILD.format(after=after, extra=extra)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.run(
        [sys.executable, "-c", code, str(out)], env=environment, check=False
    ).returncode


def go(out: Path, system: Fake | None = None, **changes: object) -> bytes:
    options = EvalOptions(**{**OPTIONS.__dict__, **changes})
    result = evaluate(system or Fake(), fake_task(), ABOUT, out, options)
    return (Path(result.folder) / "predictions.jsonl").read_bytes()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return go(tmp_path_factory.mktemp("unbroken"))


@pytest.mark.parametrize(
    ("after", "extra", "kept"),
    [
        (0, "", 0),
        (2, "", 6),
        (None, TORN_WRITE.format(at=2, cut=1), 5),
        (None, TORN_WRITE.format(at=2, cut=150), 4),
        (None, DIE_IN_RENAME.format(name="predictions.jsonl"), 11),
    ],
    ids=["before the first batch", "between batches", "last line torn", "two lines", "at the end"],
)
def test_a_killed_run_ends_with_the_same_file(
    tmp_path: Path, unbroken: bytes, after: int | None, extra: str, kept: int
) -> None:
    assert run_child(tmp_path, after, extra) == -signal.SIGKILL
    _, done = read_run(tmp_path / WHERE)
    assert len(done) == kept
    system = Fake()
    assert go(tmp_path, system) == unbroken
    assert not list((tmp_path / WHERE).glob(".*")), "no lock or temporary file stays"
    # Only batches with something left are generated, each with its full company.
    full = {tuple(batch) for batch in system.batches}
    assert full <= {tuple(b) for b in batches_of_an_unbroken_run()}
    assert sum(map(len, system.batches)) >= 11 - kept


@pytest.mark.parametrize("name", ["run.json", "cost.json", "samples_", "results_"])
def test_no_unfinished_file_of_a_killed_run_stays(
    tmp_path: Path, unbroken: bytes, name: str
) -> None:
    assert run_child(tmp_path, extra=DIE_IN_RENAME.format(name=name)) == -signal.SIGKILL
    folder = tmp_path / WHERE
    assert list(folder.glob(f".{name}*.*")), "what the test is about"
    assert go(tmp_path, log_samples=True) == unbroken
    assert not list(folder.glob(".*"))
    wanted = {"cost", "predictions", "results", "run", "samples"}
    assert {path.stem.partition("_")[0] for path in folder.iterdir()} == wanted


def batches_of_an_unbroken_run() -> list[list[str]]:
    from ovbench.runs.evaluate import batches

    return [[item.id for item in batch] for batch in batches(fake_task().items, 3)]


def test_killed_again_and_again(tmp_path: Path, unbroken: bytes) -> None:
    for _ in range(3):
        assert run_child(tmp_path, after=1) == -signal.SIGKILL
    assert len(read_run(tmp_path / WHERE)[1]) == 9
    assert go(tmp_path) == unbroken


def test_the_file_is_in_item_order_whatever_the_batches(tmp_path: Path, unbroken: bytes) -> None:
    ids = [json.loads(line)["id"] for line in unbroken.splitlines()]
    assert ids == [item.id for item in fake_task().items]
    flat = [name for batch in batches_of_an_unbroken_run() for name in batch]
    assert flat != ids


def test_a_whole_run_is_not_generated_again(tmp_path: Path, unbroken: bytes) -> None:
    go(tmp_path)
    again = Fake()
    assert go(tmp_path, again) == unbroken
    assert again.batches == []


def test_other_settings_are_refused_by_name(tmp_path: Path, unbroken: bytes) -> None:
    go(tmp_path)
    with pytest.raises(InputError, match=r"seed is 0 there and 7 here.*--fresh") as caught:
        go(tmp_path, seed=7)
    assert "batch_size" not in str(caught.value)
    with pytest.raises(InputError, match="batch_size is 3 there and 4 here"):
        go(tmp_path, batch_size=4)
    other = ABOUT.model_copy(update={"adapter": "ab" * 32})
    with pytest.raises(
        InputError, match=r"system\.adapter is not set there and abababababab… here"
    ):
        evaluate(Fake(), fake_task(), other, tmp_path, OPTIONS)
    assert go(tmp_path, seed=7, fresh=True) == unbroken
    assert read_run(tmp_path / WHERE)[0].settings.seed == 7


def test_fresh_leaves_other_files_alone(tmp_path: Path) -> None:
    go(tmp_path)
    note = tmp_path / WHERE / "note.txt"
    note.write_text("mine")
    go(tmp_path, fresh=True)
    assert note.read_text() == "mine"
    foreign = tmp_path / "foreign" / WHERE
    foreign.mkdir(parents=True)
    (foreign / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"holds thesis.tex, but no run.json"):
        go(tmp_path / "foreign", fresh=True)


def test_two_processes_cannot_write_one_run(tmp_path: Path, unbroken: bytes) -> None:
    folder = tmp_path / WHERE
    folder.mkdir(parents=True)
    code = (
        "import sys, time; from pathlib import Path; from ovbench.io.lock import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"written by process {holder.pid} on "):
            go(tmp_path)
        assert not (folder / "run.json").exists()
        holder.kill()
    # The dead process left its lock file behind; nobody holds it.
    assert (folder / ".lock").exists()
    assert go(tmp_path) == unbroken


def test_one_process_cannot_open_a_run_twice(tmp_path: Path) -> None:
    held = pytest.raises(InputError, match=f"process {os.getpid()}")
    with locked(tmp_path), held, locked(tmp_path):
        pytest.fail("held twice")
    with locked(tmp_path):
        pass
    assert not (tmp_path / ".lock").exists()


def test_damage_in_the_middle_is_told_not_mended(tmp_path: Path) -> None:
    go(tmp_path)
    path = tmp_path / WHERE / "predictions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"<<<<<<<\n", *lines[3:]]))
    with pytest.raises(ValidationError, match="line 4: not a prediction, though whole ones follow"):
        go(tmp_path)
    path.write_bytes(b"".join([*lines, lines[0]]))
    with pytest.raises(ValidationError, match="item 'item-0' comes twice"):
        go(tmp_path)
    path.write_bytes(lines[0].replace(b"item-0", b"item-x"))
    with pytest.raises(ValidationError, match="item 'item-x' is not in the task"):
        go(tmp_path)
    (tmp_path / WHERE / "run.json").write_text("{}")
    with pytest.raises(ValidationError, match=r"run.json: settings: Field required"):
        go(tmp_path)


def test_a_full_disk_keeps_what_was_done(
    tmp_path: Path, unbroken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk:
        """Takes six items, then half a batch, then says that the disk is full."""

        calls = 0
        fsync = staticmethod(os.fsync)
        truncate = staticmethod(os.truncate)

        @classmethod
        def write(cls, descriptor: int) -> None:
            cls.calls += 1
            if cls.calls == 3:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - 30)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(FullDisk, "fsync", FullDisk.write)
    monkeypatch.setattr("ovbench.runs.store.os", FullDisk)
    with pytest.raises(OvbenchError, match=r"No space left on device.*6 of 11 predictions"):
        go(tmp_path)
    assert len(read_run(tmp_path / WHERE)[1]) == 6
    monkeypatch.undo()
    assert go(tmp_path) == unbroken


def test_ctrl_c_keeps_what_was_done(tmp_path: Path, unbroken: bytes) -> None:
    class Stopped(Fake):
        def predict(self, items, batch_size):  # type: ignore[no-untyped-def]
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().predict(items, batch_size)

    with pytest.raises(InterruptedRunError, match="6 of 11 predictions are kept"):
        go(tmp_path, Stopped())
    assert not (tmp_path / WHERE / ".lock").exists()
    result = evaluate(Fake(), fake_task(), ABOUT, tmp_path, OPTIONS)
    assert result.resumed == 6
    assert result.cost.items == 11
    assert (tmp_path / WHERE / "predictions.jsonl").read_bytes() == unbroken


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "fake").write_text("a file")
    with pytest.raises(InputError, match="cannot be made"):
        go(tmp_path)
    with pytest.raises(InputError, match="this is no run"):
        read_run(tmp_path)


def test_a_name_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    about = SystemRecord(name="../../etc", kind="fake")
    with pytest.raises(InputError, match="cannot be a folder's"):
        evaluate(Fake(), fake_task(), about, tmp_path, OPTIONS)


def test_appending_is_all_or_nothing_for_readers(tmp_path: Path) -> None:
    """After every batch the file on disk holds exactly the batches so far."""
    seen = []

    class Watching(Fake):
        def predict(self, items, batch_size):  # type: ignore[no-untyped-def]
            path = tmp_path / WHERE / "predictions.jsonl"
            seen.append(len(path.read_bytes().splitlines()) if path.exists() else 0)
            return super().predict(items, batch_size)

    go(tmp_path, Watching())
    assert seen == [0, 3, 6, 9]


def test_text_of_any_kind_survives(tmp_path: Path) -> None:
    wild = 'nul \x00, line\u2028sep, "quotes", \\ back, emoji 😀, \r\n crlf, tab\t'
    system = Fake(odd={"item-4": Answer("item-4", wild)})
    go(tmp_path, system)
    _, done = read_run(tmp_path / WHERE)
    assert done["item-4"].text == wild
    assert list(done) == [item.id for item in fake_task().items]


def test_half_a_surrogate_pair_is_shown_not_fatal(tmp_path: Path) -> None:
    go(tmp_path, Fake(odd={"item-4": Answer("item-4", "happy \ud83d")}))
    assert read_run(tmp_path / WHERE)[1]["item-4"].text == "happy \ufffd"


def test_unfinished_order_is_refused(tmp_path: Path) -> None:
    record = evaluate(Fake(), fake_task(), ABOUT, tmp_path, OPTIONS).record
    with open_run(tmp_path / "new", record, ["a", "b"]) as store:
        store.append([Prediction(id="a", text="", labels=(), status="empty", tokens=0)])
        with pytest.raises(OvbenchError, match="1 items have no prediction"):
            store.finish(["a", "b"])
