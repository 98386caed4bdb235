from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from programs import ECHO, notes, recipe_of

from ovbench.errors import InputError, OvbenchError
from ovbench.systems.answers import Answer
from ovbench.systems.external import program as program_module
from ovbench.systems.external.contract import ContractError
from ovbench.systems.external.running import ExternalSystem
from ovbench.tasks import Item

ITEMS = [Item(name, f"{name} voice", f"word {name}", audio=f"{name}.wav") for name in "abcdef"]


def run(place: Path, body: str, items: list[Item] = ITEMS, **fields: object) -> list[Answer]:
    with ExternalSystem(recipe_of(place, body, **fields), "tiny") as system:
        return list(system.predict(items, system.automatic_batch_size()))


def failure(place: Path, body: str, **fields: object) -> str:
    with pytest.raises(OvbenchError) as caught:
        run(place, body, **fields)
    assert not isinstance(caught.value, InputError)
    return str(caught.value)


def statuses(answers: list[Answer]) -> dict[str, str]:
    return {answer.id: answer.status for answer in answers}


def failed(answers: list[Answer]) -> str:
    """The ids of items with status error; all others are answered."""
    assert set(statuses(answers)) == set("abcdef")
    assert set(statuses(answers).values()) <= {"ok", "error"}
    return "".join(answer.id for answer in answers if answer.status == "error")


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Whether it ends within ten seconds."""
    end = time.monotonic() + 10
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def test_one_program_answers_all_items_in_their_order(tmp_path: Path) -> None:
    answers = run(tmp_path, ECHO)
    assert answers == [Answer(item.id, item.transcript, "ok", 0) for item in ITEMS]
    assert notes(tmp_path) == ["start", "end"]  # once, and its input was ended


def test_it_lives_from_call_to_call(tmp_path: Path) -> None:
    with ExternalSystem(recipe_of(tmp_path, ECHO), "tiny") as system:
        for item in ITEMS:
            assert [answer.text for answer in system.predict([item], 1)] == [item.transcript]
    assert notes(tmp_path) == ["start", "end"]


def test_it_is_shown_the_recipes_fields_and_no_others(tmp_path: Path) -> None:
    body = """
    for line in sys.stdin:
        reply(id=json.loads(line)["id"], text=line.replace(",", ";"))
    """
    bare = Item("z", "", "")
    everything = [
        json.loads(a.text.replace(";", ",")) for a in run(tmp_path, body, [ITEMS[0], bare])
    ]
    here = str(Path("a.wav").absolute())
    assert everything == [
        {"id": "a", "audio": here, "transcript": "word a", "description": "a voice"},
        {"id": "z", "audio": None, "transcript": None, "description": None},
    ]
    (one,) = run(tmp_path, body, [ITEMS[0]], fields=("transcript",))
    assert json.loads(one.text.replace(";", ",")) == {"id": "a", "transcript": "word a"}


def test_any_order_within_the_batch(tmp_path: Path) -> None:
    body = """
    while True:
        three = [json.loads(sys.stdin.readline()) for _ in range(3)]
        for item in reversed(three):
            reply(id=item["id"], labels=[item["transcript"], "b,ut"], tokens=4)
    """
    answers = run(tmp_path, body, batch=3)
    assert answers == [Answer(i.id, f"{i.transcript}, b ut", "ok", 4) for i in ITEMS]


def test_no_more_than_a_batch_is_in_flight(tmp_path: Path) -> None:
    body = """
    import select
    while line := os.read(0, 1 << 16):
        time.sleep(0.05)  # whatever else is sent comes now
        lines = line + (os.read(0, 1 << 16) if select.select([0], [], [], 0)[0] else b"")
        items = [json.loads(one) for one in lines.splitlines()]
        for item in items:
            reply(id=item["id"], text=str(len(items)))
    """
    assert {answer.text for answer in run(tmp_path, body, batch=1)} == {"1"}
    assert {answer.text for answer in run(tmp_path, body, batch=2)} <= {"1", "2"}
    system = ExternalSystem(recipe_of(tmp_path, body, batch=6), "tiny")
    with system:
        assert {answer.text for answer in system.predict(ITEMS, 1)} == {"1"}


def test_statuses_and_empty_answers(tmp_path: Path) -> None:
    body = """
    replies = [dict(status="error"), dict(text=" "), dict(labels=[]), dict(status="empty"),
               dict(text="cut", status="truncated"), dict(text="x", status=None, tokens=None)]
    for line, fields in zip(sys.stdin, replies):
        reply(id=json.loads(line)["id"], **fields)
    for line in sys.stdin: pass
    """
    answers = run(tmp_path, body)
    assert list(statuses(answers).values()) == [
        "error",
        "empty",
        "empty",
        "empty",
        "truncated",
        "ok",
    ]
    assert [answer.text.strip() for answer in answers] == ["", "", "", "", "cut", "x"]


class TestTime:
    SLOW = """
    for line in sys.stdin:
        item = json.loads(line)
        if item["id"] in SLOW: time.sleep(60)
        reply(id=item["id"], text="done")
    """

    @pytest.mark.parametrize("batch", [1, 4])
    def test_an_item_that_takes_too_long_has_failed_and_no_other(
        self, tmp_path: Path, batch: int
    ) -> None:
        body = self.SLOW.replace("SLOW", "('c', 'e')")
        begin = time.monotonic()
        answers = run(tmp_path, body, timeout_seconds=0.7, startup_seconds=10, batch=batch)
        assert failed(answers) == "ce"
        assert notes(tmp_path) == ["start"] * 3
        assert time.monotonic() - begin < 30

    def test_loading_has_time_of_its_own(self, tmp_path: Path) -> None:
        answers = run(tmp_path, "time.sleep(1)" + ECHO, timeout_seconds=0.7, startup_seconds=10)
        assert {answer.status for answer in answers} == {"ok"}
        assert notes(tmp_path) == ["start", "end"]

    def test_one_that_never_answers_stops_the_run(self, tmp_path: Path) -> None:
        # Held back: the mistake that everybody makes.
        body = """
        print("loading", file=sys.stderr, flush=True)
        out = os.fdopen(os.dup(1), "w", buffering=1 << 20)
        for line in sys.stdin:
            print(json.dumps({"id": json.loads(line)["id"], "text": ""}), file=out)
        """
        message = failure(tmp_path, body, timeout_seconds=0.2, startup_seconds=1.5, restarts=0)
        assert "gave no answer within 1.7 s, to 'a'." in message
        assert "It has answered nothing so far; does it flush each line?" in message
        assert "loading" in message

    def test_a_single_item_does_not_count_as_failed_before_the_program_works(
        self, tmp_path: Path
    ) -> None:
        recipe = recipe_of(tmp_path, "time.sleep(60)", timeout_seconds=0.2, startup_seconds=0)
        system = ExternalSystem(recipe, "tiny")
        with system, pytest.raises(OvbenchError, match="has not answered a single item"):
            list(system.predict(ITEMS[:1], 1))


class TestDeath:
    def test_it_is_started_again_and_goes_on(self, tmp_path: Path) -> None:
        body = """
        for number, line in enumerate(sys.stdin):
            item = json.loads(line)
            if number == 2: sys.exit(7)
            reply(id=item["id"], text="done")
        """
        for batch in (1, 4):
            assert set(statuses(run(tmp_path, body, batch=batch)).values()) == {"ok"}

    @pytest.mark.parametrize("batch", [1, 6])
    def test_the_item_that_kills_it_has_failed_and_no_other(
        self, tmp_path: Path, batch: int
    ) -> None:
        body = """
        for line in sys.stdin:
            item = json.loads(line)
            if item["id"] in "bf": os.kill(os.getpid(), signal.SIGSEGV)
            reply(id=item["id"], text="done")
        """
        answers = run(tmp_path, body, batch=batch, restarts=3)
        assert failed(answers) == "bf"
        if batch == 1:  # each of the two kills it twice
            assert len(notes(tmp_path)) == 4

    def test_one_item_per_start_is_enough(self, tmp_path: Path) -> None:
        body = """
        item = json.loads(sys.stdin.readline())
        reply(id=item["id"], text="done")
        """
        assert set(statuses(run(tmp_path, body, ITEMS[:3])).values()) == {"ok"}

    def test_what_it_said_before_its_death_counts(self, tmp_path: Path) -> None:
        body = """
        for number, line in enumerate(sys.stdin):
            answer = json.dumps({"id": json.loads(line)["id"], "text": "done"})
            sys.stdout.write(answer + "\\n" + '{"id": "half' * (number == 2))
            sys.stdout.flush()
            if number == 2: os._exit(1)
        """
        assert set(statuses(run(tmp_path, body, batch=3)).values()) == {"ok"}
        assert notes(tmp_path) == ["start"] * 2

    def test_one_that_cannot_even_start_stops_the_run_with_its_last_words(
        self, tmp_path: Path
    ) -> None:
        body = """
        print("x" * 100_000, file=sys.stderr)
        print("\\rloading 1%\\rloading 2%\\x1b[31m", file=sys.stderr)
        import no_such_module
        """
        message = failure(tmp_path, body, restarts=2)
        assert "ended with exit status 1 without an answer to 'b', 3 times in a row" in message
        assert "ModuleNotFoundError: No module named 'no_such_module'" in message
        assert "loading 2% [31m" in message
        assert "\x1b" not in message
        assert len(message) < 6_000
        assert notes(tmp_path) == ["start"] * 3

    def test_one_that_breaks_midway_stops_the_run(self, tmp_path: Path) -> None:
        body = """
        if notes_before := open(os.path.join(here, "notes")).read().count("start") > 1: sys.exit(3)
        item = json.loads(sys.stdin.readline())
        reply(id=item["id"], text="done")
        """
        message = failure(tmp_path, body, restarts=1)
        assert "ended with exit status 3" in message
        assert "answered nothing" not in message

    def test_a_signal_is_named(self, tmp_path: Path) -> None:
        message = failure(tmp_path, "os.kill(os.getpid(), signal.SIGTERM)", restarts=0)
        assert "was ended by SIGTERM without an answer to 'a'." in message
        assert "It said nothing on standard error." in message

    def test_a_silent_exit_is_a_death(self, tmp_path: Path) -> None:
        assert "ended with exit status 0" in failure(tmp_path, "sys.exit(0)", restarts=0)

    def test_children_that_hold_its_pipes_do_not_hold_us(self, tmp_path: Path) -> None:
        body = """
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        note(child.pid)
        item = json.loads(sys.stdin.readline())
        reply(id=item["id"], text="done")
        os._exit(0)
        """
        begin = time.monotonic()
        assert set(statuses(run(tmp_path, body, ITEMS[:2])).values()) == {"ok"}
        assert time.monotonic() - begin < 30
        pids = [int(line) for line in notes(tmp_path) if line != "start"]
        assert len(pids) >= 2
        assert all(map(gone, pids))


class TestGarbage:
    CASES: ClassVar = {
        "not JSON": (
            "print('Loading weights', flush=True)",
            "Print nothing but answers on standard",
        ),
        "not UTF-8": (r"os.write(1, b'{\"id\": \"\xff\"}\n')", "Write JSON in UTF-8."),
        "no JSON object": ("print('[1]', flush=True)", '{"id": "…", "text": "…"}'),
        "has no id": ("reply(text='x')", "Give the item's id back as it came"),
        "which it has not been asked": ("reply(id='zz', text='x')", "under its own id"),
        "or has answered already": (
            "[reply(id='a', text='x') for _ in '12']",
            "Answer every line once",
        ),
        "neither text nor labels": ("reply(id='a')", "Give one of them"),
        "text and labels": ("reply(id='a', text='x', labels=[])", "Give one of them."),
        "unknown key 'emotion'": (
            "reply(id='a', text='', emotion='x')",
            "Known are id, text, labels",
        ),
        "status 'fine'": ("reply(id='a', text='x', status='fine')", "one of ok, empty, truncated"),
        "text is no text": ("reply(id='a', text=3)", 'Write "text": "…".'),
        "labels is no list": ("reply(id='a', labels='x')", 'Write "labels": ["…", "…"].'),
        "tokens is no whole": ("reply(id='a', text='x', tokens=-1)", "how many were generated"),
    }

    @pytest.mark.parametrize("found", CASES)
    def test_a_broken_contract_stops_the_run(self, tmp_path: Path, found: str) -> None:
        code, mend = self.CASES[found]
        body = f"note(os.getpid())\nsys.stdin.readline()\n{code}\ntime.sleep(60)\n"
        with pytest.raises(ContractError) as caught:
            run(tmp_path, body, batch=2)
        assert found in str(caught.value)
        assert mend in str(caught.value)
        assert "program.py" in str(caught.value)
        assert gone(int(notes(tmp_path)[1]))

    def test_empty_lines_are_no_answers(self, tmp_path: Path) -> None:
        body = """
        for line in sys.stdin:
            answer = json.dumps({"id": json.loads(line)["id"], "text": "x"})
            sys.stdout.write("\\n \\r\\n" + answer + "\\r\\n")
            sys.stdout.flush()
        """
        assert {answer.text for answer in run(tmp_path, body)} == {"x"}

    @pytest.mark.parametrize("end", ["", "\\n"])
    def test_a_line_without_measure_fails_its_item(self, tmp_path: Path, end: str) -> None:
        body = f"""
        for line in sys.stdin:
            item = json.loads(line)
            if item["id"] == "b":
                sys.stdout.write('{{"id": "b", "text": "' + "no " * 700_000 + '"}}{end}')
                sys.stdout.flush()
            else:
                reply(id=item["id"], text="x")
        """
        answers = run(tmp_path, body)
        assert failed(answers) == "b"

    def test_a_flood_of_standard_error_blocks_nothing(self, tmp_path: Path) -> None:
        answers = run(tmp_path, "sys.stderr.write('x' * 3_000_000)\n" + ECHO)
        assert set(statuses(answers).values()) == {"ok"}

    def test_a_program_that_does_not_read_blocks_nothing(self, tmp_path: Path) -> None:
        long = [Item(name, "", "x" * 200_000) for name in "ab"]
        begin = time.monotonic()
        with pytest.raises(OvbenchError, match="gave no answer"):
            run(
                tmp_path,
                "time.sleep(60)",
                long,
                batch=2,
                restarts=0,
                timeout_seconds=0.3,
                startup_seconds=0,
            )
        assert time.monotonic() - begin < 30


class TestEnd:
    def test_one_that_ignores_the_end_of_its_input_is_killed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(program_module, "GRACE", 0.2)
        body = f"""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note(os.getpid())
        {ECHO.strip().splitlines()[0]}
            item = json.loads(line)
            reply(id=item["id"], text="x")
        time.sleep(60)
        """
        begin = time.monotonic()
        assert len(run(tmp_path, body)) == 6
        assert time.monotonic() - begin < 30
        assert gone(int(notes(tmp_path)[1]))

    def test_children_end_with_it(self, tmp_path: Path) -> None:
        body = (
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "note(child.pid)\n"
        )
        assert len(run(tmp_path, body + ECHO)) == 6
        assert gone(int(notes(tmp_path)[1]))

    def test_ctrl_c_kills_it(self, tmp_path: Path) -> None:
        recipe = recipe_of(tmp_path, "note(os.getpid())\ntime.sleep(60)\n", timeout_seconds=60)
        system = ExternalSystem(recipe, "tiny")

        # The wait must be under way: press the key once the program has noted its id.
        def press() -> None:
            while not (tmp_path / "notes").exists() or len(notes(tmp_path)) < 2:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        # A shell starts what it puts into the background with this signal ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        finger = threading.Thread(target=press)
        finger.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                list(system.predict(ITEMS, 8))
        finally:
            signal.signal(signal.SIGINT, before)
        finger.join()
        assert gone(int(notes(tmp_path)[1]))

    def test_leaving_the_answers_early_ends_it_and_the_next_call_starts_it_again(
        self, tmp_path: Path
    ) -> None:
        with ExternalSystem(recipe_of(tmp_path, ECHO, batch=4), "tiny") as system:
            stream = system.predict(ITEMS, 8)
            assert isinstance(stream, Iterator)
            assert next(stream).id == "a"
            stream.close()  # type: ignore[attr-defined]
            assert [answer.id for answer in system.predict(ITEMS, 8)] == list("abcdef")
        assert notes(tmp_path).count("start") == 2

    def test_a_forgotten_system_leaves_no_program_behind(self, tmp_path: Path) -> None:
        system = ExternalSystem(recipe_of(tmp_path, "note(os.getpid())" + ECHO), "tiny")
        assert len(list(system.predict(ITEMS, 8))) == 6
        pid = int(notes(tmp_path)[1])
        assert alive(pid)
        del system
        assert gone(pid)

    def test_an_error_in_the_block_kills_it_at_once(self, tmp_path: Path) -> None:
        body = "note(os.getpid())" + ECHO + "\ntime.sleep(60)"
        begin = time.monotonic()
        system = ExternalSystem(recipe_of(tmp_path, body), "tiny")

        def fail() -> None:
            with system:
                list(system.predict(ITEMS, 8))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert time.monotonic() - begin < 30
        assert gone(int(notes(tmp_path)[1]))


class TestSurroundings:
    ENVIRONMENT = """
    for line in sys.stdin:
        seen = {name: os.environ.get(name) for name in ("PATH", "OV_SECRET", "OV_TOLD")}
        reply(id=json.loads(line)["id"], text=json.dumps([seen, os.getcwd()]))
    """

    def test_variables_and_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OV_SECRET", "s")
        monkeypatch.setenv("OV_TOLD", "t")
        (tmp_path / "work").mkdir()
        (one,) = run(
            tmp_path,
            self.ENVIRONMENT,
            ITEMS[:1],
            env=("OV_TOLD", "OV_UNSET"),
            folder="{recipe_folder}/work",
        )
        seen, folder = json.loads(one.text)
        assert seen == {"PATH": os.environ["PATH"], "OV_SECRET": None, "OV_TOLD": "t"}
        assert Path(folder) == (tmp_path / "work").resolve()

    def test_arguments_reach_it_as_they_are(self, tmp_path: Path) -> None:
        body = """
        for line in sys.stdin: reply(id=json.loads(line)["id"], labels=sys.argv[1:])
        """
        odd = ["$HOME", "; touch gone", "a b", '{"x": 1}', "*"]
        command = ["{python}", "{recipe_folder}/program.py", *odd]
        (one,) = run(tmp_path, body, ITEMS[:1], scales={"tiny": {"command": command}})
        assert one.text.split(", ") == odd
