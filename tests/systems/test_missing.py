"""What is missing is told all at once."""

from __future__ import annotations

import pytest

from ovbench.errors import InputError, UnknownNameError
from ovbench.systems.missing import Missing, MissingPartsError


def test_nothing_is_missing() -> None:
    missing = Missing("a")
    with missing.noted():
        pass
    missing.tell()


def test_one_thing_is_told_as_it_is() -> None:
    missing = Missing("a")
    error = InputError("no weights", mend="fetch them")
    with missing.noted():
        raise error
    with pytest.raises(InputError) as caught:
        missing.tell()
    assert caught.value is error


def test_several_things_are_one_message_and_none_is_told_twice() -> None:
    missing = Missing("lora at scale paper")
    for text in ("no weights", "no data", "no weights"):
        with missing.noted():
            raise InputError(text, mend="fetch them")
    with pytest.raises(MissingPartsError) as caught:
        missing.tell()
    assert str(caught.value) == (
        "lora at scale paper cannot start; 2 things are missing:\n"
        "  1. no weights. Fetch them.\n"
        "  2. no data. Fetch them."
    )
    assert caught.value.exit_code == 2
    assert len(caught.value.parts) == 2


def test_a_name_that_nobody_knows_is_told_at_once() -> None:
    missing = Missing("a")
    with pytest.raises(UnknownNameError), missing.noted():
        raise UnknownNameError("task", "tinyof", ["tinyov"])
    missing.tell()


def test_a_part_of_a_name_is_understood() -> None:
    known = ["thau-gemma-lora", "thau-whisper-gemma", "thaw", "lora-las-r4"]
    said = str(UnknownNameError("model", "thau", known))
    assert "did you mean 'thau-gemma-lora' or 'thau-whisper-gemma' or 'thaw'?" in said
    assert "known: " in str(UnknownNameError("model", "r4", known))
    many = [f"lora-{n}" for n in range(30)]
    assert str(UnknownNameError("model", "lora", many)).count("lora-") == 8
