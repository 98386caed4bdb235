"""Files of records: what is read back is what was written, and nothing else gets through."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ovbench.board import submission as module
from ovbench.board.record import Record
from ovbench.board.submission import (
    SubmissionError,
    printable,
    read_submission,
    record_id,
    record_line,
    submission_text,
)

DIGEST = "0" * 64


def published(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "schema_version": "ovbench.record/1",
        "system": {"name": "A"},
        "checkpoint": {"selection": "unknown"},
        "task": {"id": "MELD", "split": "test"},
        "protocol": "HiT",
        "headline": "hit_rate",
        "scores": {"hit_rate": {"value": 0.5}},
        "origin": {"kind": "published", "source": "a paper"},
    }
    return body | changes


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(SubmissionError) as caught:
        read_submission(path)
    assert caught.value.exit_code == 2
    assert str(path) in str(caught.value)
    return caught.value.problems


def written(tmp_path: Path, value: object, name: str = "x.json") -> Path:
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return path


def test_one_or_many_records_are_read_back_as_they_were(
    run_records: tuple[Record, ...], tmp_path: Path
) -> None:
    many = written(tmp_path, submission_text(run_records), "many.json")
    one = written(tmp_path, submission_text(run_records[:1]), "one.json")
    lines = written(tmp_path, "\n".join(map(record_line, run_records)), "lines.jsonl")
    assert read_submission(many) == run_records
    assert read_submission(one) == run_records[:1]
    assert read_submission(lines) == run_records
    assert json.loads(many.read_text())["schema_version"] == "ovbench.submission/1"
    # A prediction on each line, so that a change of one shows as one line.
    assert sum('{"id": "test_' in line for line in one.read_text().splitlines()) == 332


def test_an_id_is_the_hash_of_the_canonical_json(tmp_path: Path) -> None:
    first = read_submission(written(tmp_path, published()))[0]
    shuffled = dict(reversed(published(counts={}, floors={}).items()))
    assert record_id(read_submission(written(tmp_path, shuffled))[0]) == record_id(first)
    body = json.loads(first.model_dump_json())
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    assert record_id(first) == hashlib.sha256(text.encode()).hexdigest()[:12]
    other = read_submission(written(tmp_path, published(protocol="WF")))[0]
    assert record_id(other) != record_id(first)


BAD: dict[str, tuple[object, list[str]]] = {
    "empty": ("", ["line 1: not JSON"]),
    "no JSON": ("{,", ["line 1: not JSON"]),
    "a list": ([published()], ["this is no JSON object"]),
    "nothing in it": (
        {"schema_version": "ovbench.submission/1", "records": []},
        ["there is no record in it"],
    ),
    "no schema": ({"system": 1}, ["schema_version is missing"]),
    "another schema": (
        published(schema_version="ovbench.result/1"),
        ["schema_version is 'ovbench.result/1'; expected 'ovbench.record/1'"],
    ),
    "NaN": (
        json.dumps(published(scores={"hit_rate": {"value": float("nan")}})),
        ["NaN is no JSON number"],
    ),
    "infinite": (
        json.dumps(published()).replace("0.5", "1e999"),
        ["Infinity is no JSON number", "finite"],
    ),
    "a huge number": (json.dumps(published()).replace("0.5", "9" * 5000), ["digits"]),
    "a key twice": (
        json.dumps(published())[:-1] + ', "protocol": "x"}',
        ["the key 'protocol' comes twice"],
    ),
    "text for a number": (
        published(scores={"hit_rate": {"value": "0.5"}}),
        ["scores.hit_rate.value: '0.5'; expected a valid number"],
    ),
    "true for a count": (
        published(task={"id": "a", "split": "b", "items": True}),
        ["task.items: True; expected a valid integer"],
    ),
    "a number of parameters that no program takes": (
        json.dumps(published(cost={"trainable_parameters": 10**400})),
        ["cost.trainable_parameters: 1000"],
    ),
    "half a surrogate pair": (
        published(system={"name": "a\ud800b"}),
        ["half a surrogate pair; expected valid Unicode"],
    ),
    "a misspelt key": (
        published(systm={"name": "B"}),
        ["systm: unknown key (did you mean 'system'?)"],
    ),
    "a wrong kind": (
        published(origin={"kind": "publishd", "source": "x"}),
        ["origin.kind: 'publishd' (did you mean 'published'?); expected measured"],
    ),
    "no digest": (
        published(task={"id": "a", "split": "b", "digest": "12"}),
        ["task.digest: '12'; expected a SHA-256"],
    ),
    "headline of none": (published(headline="f1"), ["headline 'f1' is none of the scores"]),
    "no source": (published(origin={"kind": "published"}), ["names its source"]),
    "a claim to have measured": (
        published(origin={"kind": "measured"}),
        ["has a signature and a task digest"],
    ),
    "more labels than a cell may have": (
        published(predictions=[{"id": "a", "labels": ["sad"] * 200_001}]),
        ["predictions[0].labels: a list; expected tuple should have at most 200000 items"],
    ),
    "records as an object": (
        {"schema_version": "ovbench.submission/1", "records": {}, "extra": 1},
        ["unknown key 'extra'", "records is no list"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_with_its_place(name: str, tmp_path: Path) -> None:
    value, expected = BAD[name]
    problems = problems_of(written(tmp_path, value))
    if name == "infinite":  # Python writes the overflowing number back as Infinity
        assert any(text in problems[0] for text in expected)
        return
    assert len(problems) == len(expected)
    for problem, text in zip(problems, expected, strict=True):
        assert text in problem


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    records = [published(protocl=1), published(scores={}), "x"]
    path = written(tmp_path, {"schema_version": "ovbench.submission/1", "records": records})
    problems = problems_of(path)
    assert [problem.partition(".")[0].partition(":")[0] for problem in problems] == [
        "records[0]",
        "records[1]",
        "records[2]",
    ]
    lines = "\n".join(json.dumps(record) for record in records) + "\n{\n"
    numbered = problems_of(written(tmp_path, lines, "x.jsonl"))
    assert [problem[:6] for problem in numbered] == ["line 1", "line 2", "line 3", "line 4"]


def test_a_schema_from_the_future_is_one_clear_message(tmp_path: Path) -> None:
    newer = published(schema_version="ovbench.record/2", what_is_this="?")
    several = {"schema_version": "ovbench.submission/1", "records": [newer, newer, published()]}
    for value in (newer, several, {"schema_version": "ovbench.submission/7", "records": 3}):
        problems = problems_of(written(tmp_path, value))
        assert len(problems) == 1
        assert "newer than what ovbench" in problems[0]
        assert problems[0].endswith("update ovbench")


def test_nesting_bombs_links_folders_pipes_and_encodings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bomb in ("[" * 100_000, '{"a":' * 100_000, '{"records":' + "[" * 100_000):
        assert problems_of(written(tmp_path, bomb)) == ("nested too deep",)
    deep = json.dumps(published(origin={"kind": "published", "source": "x", "note": "@"}))
    problems = problems_of(written(tmp_path, deep.replace('"@"', "[" * 400 + "]" * 400)))
    assert "origin.note" in problems[0] or "nested" in problems[0] or "recursion" in problems[0]
    link = tmp_path / "link.json"
    link.symlink_to(written(tmp_path, published()))
    assert problems_of(link) == ("this is a link; name the file itself",)
    assert problems_of(tmp_path) == ("this is a folder",)
    os.mkfifo(tmp_path / "pipe.json")
    assert problems_of(tmp_path / "pipe.json") == ("this is no regular file",)
    assert "No such file" in problems_of(tmp_path / "absent.json")[0]
    assert "no file name" in problems_of(Path("a\0b"))[0]
    latin = tmp_path / "latin.json"
    latin.write_bytes('{\n"a": "é"}'.encode("latin-1"))
    assert problems_of(latin) == ("line 2: byte 0xe9 is not UTF-8; save it as UTF-8",)
    wide = tmp_path / "wide.json"
    wide.write_bytes(json.dumps(published()).encode("utf-16"))
    assert "not UTF-8" in problems_of(wide)[0]
    marked = tmp_path / "marked.json"
    marked.write_bytes(b"\xef\xbb\xbf" + json.dumps(published()).encode())
    assert len(read_submission(marked)) == 1
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    assert "larger than" in problems_of(marked)[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
PLACES = [
    *("schema_version", "system", "checkpoint", "task", "protocol", "signature", "headline"),
    *("scores", "interval", "counts", "floors", "cost", "versions", "origin", "predictions"),
    *("system.name", "system.setting", "task.id", "task.items", "scores.hit_rate", "origin.note"),
]


def outcome(path: Path) -> tuple[Record | None, str]:
    """The record in a file, or what its error says."""
    try:
        (record,) = read_submission(path)
    except SubmissionError as error:
        return None, str(error)
    return record, ""


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.sampled_from(PLACES), value=JSON, many=st.booleans())
def test_whatever_stands_in_a_field_is_read_or_refused(
    place: str, value: object, many: bool, tmp_path: Path
) -> None:
    body = published()
    *parents, last = place.split(".")
    at = body
    for parent in parents:
        at = at[parent]
    at[last] = value
    whole = {"schema_version": "ovbench.submission/1", "records": [body]} if many else body
    path = tmp_path / "x.json"
    path.write_text(json.dumps(whole), "utf-8")
    record, told = outcome(path)
    if record is None:
        # Nothing that a terminal would obey.
        assert told
        assert all(c.isprintable() or c == "\n" for c in told.replace(str(path), ""))
        return
    path.write_text(submission_text([record]), "utf-8")
    assert read_submission(path) == (record,)
    assert len(record_id(record)) == 12


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.binary(max_size=60), suffix=st.sampled_from([".json", ".jsonl"]))
def test_whatever_bytes_a_file_has_there_is_no_traceback(
    data: bytes, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    with pytest.raises(SubmissionError):
        read_submission(path)


def test_text_for_a_terminal() -> None:
    assert printable("a\x1b[31m\u202eb\ud800") == "a\\x1b[31m\\u202eb\\ud800"
    assert printable("x" * 100, 10) == "x" * 9 + "…"
    assert printable("Größe 愤怒") == "Größe 愤怒"
