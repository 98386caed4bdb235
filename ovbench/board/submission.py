"""Submissions: files of records, read as the untrusted text they are.

A submission is a JSON file with one record, or with
``{"schema_version": "ovbench.submission/1", "records": [...]}``; or JSON Lines (``.jsonl``), a
record on each line. Whatever is wrong with a file is told at once, a sentence for each thing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field
from pydantic import ValidationError as PydanticError

from ovbench import __version__
from ovbench.board.explain import explain
from ovbench.board.record import SCHEMA, Record
from ovbench.errors import InputError
from ovbench.frozen import Frozen

SUBMISSION = "ovbench.submission/1"
MAX_BYTES = 64 * 1024**2
"""Largest submission that is read (64 MiB): a hundred thousand items under several protocols."""
MOST_PROBLEMS = 50
"""Problems that are listed; how many more there are is told."""


class Submission(Frozen):
    """Several records in one file."""

    schema_version: Literal["ovbench.submission/1"]
    records: Annotated[tuple[Record, ...], Field(min_length=1)]


class SubmissionError(InputError):
    """A submission that cannot be used; ``problems`` has a sentence for each reason."""

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        shown = self.problems[:MOST_PROBLEMS]
        if len(self.problems) > len(shown):
            shown = (*shown, f"and {len(self.problems) - len(shown)} more")
        lines = "; ".join(shown) if len(shown) == 1 else "".join(f"\n  {line}" for line in shown)
        super().__init__(f"{len(shown)} problems:{lines}" if len(shown) > 1 else lines, where=file)


def printable(text: str, most: int = 80) -> str:
    """Untrusted text for a terminal: cut, and what would not show (or be obeyed) as escapes.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


def canonical_json(record: Record) -> str:
    """The record with keys sorted, no blanks, in ASCII: the same however its file is laid out."""
    body = record.model_dump(mode="json")
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def record_id(record: Record) -> str:
    """First 12 hexadecimal digits of the SHA-256 over the record's canonical JSON."""
    return hashlib.sha256(canonical_json(record).encode()).hexdigest()[:12]


def read_submission(path: str | Path) -> tuple[Record, ...]:
    """The records of a file, in its order.

    Raises
    ------
    SubmissionError
        If the file cannot be read or any part of it is no record; all problems at once.
    """
    reader = _Reader(Path(path), str(path))
    found = [record for part in reader.parts() if (record := reader.record(*part))]
    if not found and not reader.problems:
        reader.problems.append("there is no record in it")
    if reader.problems:
        raise SubmissionError(str(path), reader.problems)
    return tuple(found)


class _Reader:
    """Reads one file and keeps what is wrong with it."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.problems: list[str] = []

    def refuse(self, problem: str) -> NoReturn:
        """Stop: with this, nothing else can be said of the file."""
        raise SubmissionError(self.name, [problem])

    def problem(self, place: str, text: str) -> None:
        self.problems.append(f"{place}: {text}" if place else text)

    def text(self) -> str:
        """The file's text: a regular file (no link, pipe or device), not too large, UTF-8."""
        try:
            mode = os.lstat(self.path).st_mode
            if stat.S_ISLNK(mode):
                self.refuse("this is a link; name the file itself")
            if not stat.S_ISREG(mode):
                self.refuse("this is a folder" if stat.S_ISDIR(mode) else "this is no regular file")
            with self.path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            self.refuse(f"it cannot be read ({error.strerror})")
        except ValueError as error:  # a null character, half a surrogate pair
            self.refuse(f"this is no file name ({error})")
        if len(data) > MAX_BYTES:
            self.refuse(f"it is larger than {MAX_BYTES // 1024**2} MiB, the most that is read")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            byte = f"0x{data[error.start]:02x}"
            self.refuse(f"line {line}: byte {byte} is not UTF-8; save it as UTF-8")

    def parts(self) -> Iterator[tuple[str, object, str]]:
        """Each record's place in the file (``records[2]``, ``line 3``), JSON value, and text.

        The text is empty where the record is a part of a larger one.
        """
        text = self.text()
        if self.path.suffix == ".jsonl":
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    for body in self.parsed(line, f"line {number}"):
                        yield f"line {number}", body, line
            return
        for whole in self.parsed(text, ""):
            if not isinstance(whole, dict) or "records" not in whole:
                yield "", whole, text
            elif self.is_schema(whole, SUBMISSION, ""):
                records = whole["records"]
                others = sorted(set(whole) - {"schema_version", "records"})
                self.problems += [f"unknown key {key!r:.80} beside 'records'" for key in others]
                if isinstance(records, list):
                    for number, body in enumerate(records):
                        yield f"records[{number}]", body, ""
                else:
                    self.problems.append("records is no list")

    def parsed(self, text: str, place: str) -> Iterator[object]:
        """The JSON value of a text, or nothing and a problem."""
        try:
            yield _DECODER.decode(text)
        except json.JSONDecodeError as error:
            at = place or f"line {error.lineno}"
            self.problem(at, f"not JSON ({error.msg} at column {error.colno})")
        except RecursionError:
            self.problem(place, "nested too deep")
        except ValueError as error:  # from the hooks below; or a number of thousands of digits
            self.problem(place, str(error).partition(";")[0])

    def record(self, place: str, body: object, text: str) -> Record | None:
        """The record in a JSON value (and its text, if at hand), or None and problems."""
        if not isinstance(body, dict):
            self.problem(place, "this is no JSON object")
        elif self.is_schema(body, SCHEMA, place):
            try:
                # JSON in, so that strictness ("5" is no number, true is no count) takes lists.
                return Record.model_validate_json(text or json.dumps(body), strict=True)
            except PydanticError as error:
                self.problems += explain(error, Record, place)
            except RecursionError:
                self.problem(place, "nested too deep")
        return None

    def is_schema(self, body: dict[str, object], wanted: str, place: str) -> bool:
        """Whether ``body`` says that it is ``wanted``; what is newer ends the reading."""
        given = body.get("schema_version")
        family, _, version = wanted.partition("/")
        if given is None:
            self.problem(place, f"schema_version is missing; expected {wanted!r}")
        elif isinstance(given, str) and _is_newer(given, family, int(version)):
            self.refuse(
                f"{place + ': ' if place else ''}schema_version is {given!r}, newer than what "
                f"ovbench {__version__} knows ({wanted}); update ovbench"
            )
        elif given != wanted:
            self.problem(place, f"schema_version is {given!r:.80}; expected {wanted!r}")
        return given == wanted


def _is_newer(given: str, family: str, version: int) -> bool:
    match = re.fullmatch(rf"{re.escape(family)}/([0-9]{{1,9}})", given)
    return match is not None and int(match[1]) > version


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the key {name!r:.80} comes twice in one object")
        fields[name] = value
    return fields


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


def submission_text(records: Sequence[Record]) -> str:
    """Records as the text of a submission, a prediction on each line; what is not set is left out.

    :func:`read_submission` gives the same records again.
    """
    if len(records) == 1:
        return _layout(records[0], "") + "\n"
    listed = ",\n".join("  " + _layout(record, "  ") for record in records)
    return f'{{\n"schema_version": "{SUBMISSION}",\n"records": [\n{listed}\n]\n}}\n'


def record_line(record: Record) -> str:
    """A record on one line, as it stands in a ``.jsonl`` file; what is not set is left out."""
    return json.dumps(_body(record), ensure_ascii=False) + "\n"


def _layout(record: Record, indent: str) -> str:
    body = _body(record)
    lines = [
        f"{indent}    {json.dumps(entry, ensure_ascii=False)}"
        for entry in body.pop("predictions", [])
    ]
    text = json.dumps(body, indent=2, ensure_ascii=False).replace("\n", "\n" + indent)
    if not lines:
        return text
    entries = ",\n".join(lines)
    tail = f',\n{indent}  "predictions": [\n{entries}\n{indent}  ]\n{indent}}}'
    return text.removesuffix("\n" + indent + "}") + tail


def _body(record: Record) -> dict[str, Any]:
    fields = record.model_dump(mode="json", exclude_defaults=True)
    return {"schema_version": record.schema_version, **fields}
