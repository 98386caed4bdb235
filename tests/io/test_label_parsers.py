"""Every input of the official robustness table through all three parsers, and properties."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.errors import InputError, UnknownNameError
from ovbench.io.labels import Status, get_parser, parser_names
from ovbench.io.records import Cell, JsonObject

E, U = Status.EMPTY, Status.UNPARSABLE
AFFECTGPT, MER2024, OPEN = get_parser("affectgpt"), get_parser("mer2024"), get_parser("open")

HS = ["happy", "sad"]
LONG = "[" + ", ".join(["happy"] * 5000 + ["sad"] * 5000) + "]"
# input; labels (as the official scorers use them) or the status where they give none or crash:
# affectgpt, mer2024 (lower-cased by its caller, not stripped), open.
TABLE = {
    "empty string": ("", E, E, E),
    "brackets only": ("[]", E, E, E),
    "quoted empty": ("['']", E, E, E),
    "None": (None, E, E, E),
    "NaN": (float("nan"), E, E, E),
    "lone bracket [": ("[", U, E, E),
    "lone bracket ]": ("]", E, U, E),
    "space + list": (" [happy, sad]", ["[happy", "sad"], ["happy, sad"], HS),
    "list + space": ("[happy, sad] ", ["happy", "sad]"], ["happy, sad"], HS),
    "python list literal": ("['happy', 'sad']", HS, HS, HS),
    "unquoted": ("[happy, sad]", HS, ["happy, sad"], HS),
    "bare": ("happy, sad", HS, U, HS),
    "single bare word": ("happy", ["happy"], U, ["happy"]),
    "Chinese comma": ("[happy，sad]", ["happy，sad"], ["happy，sad"], HS),
    "Chinese enumeration comma": ("[happy、sad]", ["happy、sad"], ["happy、sad"], HS),
    "semicolon": ("happy; sad", ["happy; sad"], U, HS),
    "newline": ("happy\nsad", ["happy\nsad"], U, HS),
    "numbered": ("1. happy\n2. sad", ["1. happy\n2. sad"], U, HS),
    "apostrophe inside double quotes": (
        '["don\'t care", "sad"]',
        ["don", "t care", "sad"],
        ["don", "t care", "sad"],
        ["don't care", "sad"],
    ),
    "curly apostrophe": (
        "[don’t care, sad]",
        ["don’t care", "sad"],
        ["don’t care, sad"],
        ["don't care", "sad"],
    ),
    "escaped quote": (
        r"['it\'s ok', 'sad']",
        ["it\\", "s ok", "sad"],
        ["it\\", "s ok", "sad"],
        ["it's ok", "sad"],
    ),
    "nested list string": (
        "[['happy', 'joyful'], ['sad']]",
        ["[", "happy", "joyful", "]", "[", "sad", "]"],
        E,
        ["happy", "joyful", "sad"],
    ),
    "nested list object": ((("happy",), ("sad",)), U, U, HS),
    "UPPERCASE": ("[HAPPY, Sad]", HS, ["happy, sad"], HS),
    "trailing period inside": ("[happy., sad.]", ["happy.", "sad."], ["happy., sad."], HS),
    "trailing period outside": ("[happy, sad].", ["happy", "sad]."], ["happy, sad"], HS),
    "trailing newline": ("[happy, sad]\n", ["happy", "sad]"], ["happy, sad"], HS),
    "and-joined": ("happy and sad", ["happy and sad"], U, HS),
    "phrase": (
        "[nervous excitement, sad]",
        ["nervous excitement", "sad"],
        ["nervous excitement, sad"],
        ["nervous excitement", "sad"],
    ),
    "double space phrase": (
        "[at  ease, sad]",
        ["at  ease", "sad"],
        ["at  ease, sad"],
        ["at ease", "sad"],
    ),
    "nbsp": ("[\xa0happy\xa0, sad]", HS, ["\xa0happy\xa0, sad"], HS),
    "zero width": ("[hap\u200bpy, sad]", ["hap\u200bpy", "sad"], ["hap\u200bpy, sad"], HS),
    "fullwidth": ("[ｈａｐｐｙ, sad]", ["ｈａｐｐｙ", "sad"], ["ｈａｐｐｙ, sad"], HS),
    "1-d ndarray": (("happy", "sad"), HS, U, HS),
    "object ndarray": (("happy", None), U, U, ["happy"]),
    "bytes": (b"[happy, sad]", U, U, U),
    "dict": (JsonObject([("openset", ("happy", "sad"))]), U, U, HS),
    "int": (3, U, U, U),
    "float": (3.5, U, U, U),
    "True": (True, U, U, U),
    "list with int": (("happy", 3), U, U, ["happy"]),
    "list with spaces": ((" happy ", "SAD"), HS, U, HS),
    "duplicates": (
        "[happy, happy, joyful, sad]",
        ["happy", "happy", "joyful", "sad"],
        ["happy, happy, joyful, sad"],
        ["happy", "joyful", "sad"],
    ),
    "neutral only": ("[neutral]", ["neutral"], ["neutral"], ["neutral"]),
    "literal nan": ("nan", ["nan"], U, E),
    "JSON object": (
        '{"openset": ["happy"]}',
        ["{", "openset", ": [", "happy", "]}"],
        ["happy"],
        ["happy"],
    ),
    "markdown bold": ("**happy**, sad", ["**happy**", "sad"], U, HS),
    "10k labels": (
        LONG,
        ["happy"] * 5000 + ["sad"] * 5000,
        [LONG[1:-1]],
        HS,
    ),
}


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_official_table(case: str) -> None:
    cell, *expected = TABLE[case]
    for parser, want in zip((AFFECTGPT, MER2024, OPEN), expected, strict=True):
        labels, status = parser.parse(cell)
        if isinstance(want, Status):
            assert (labels, status) == ((), want), parser.id
        else:
            assert (list(labels), status) == (want, Status.OK), parser.id


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("happy & sad", "happy|sad"),
        ("happy/sad", "happy|sad"),
        ("happy | sad", "happy|sad"),
        ("- happy\n- sad", "happy|sad"),
        ("* happy\n* sad", "happy|sad"),
        ("• happy\n• sad", "happy|sad"),
        ("1) happy 2) sad", "happy|sad"),
        ("Emotions: happy, sad", "happy|sad"),
        ("Answer: happy", "happy"),
        ("Primary emotion: happy\nSecondary emotion: sad", "happy|sad"),
        ("情绪：开心、难过", "开心|难过"),
        ("Here are the labels:\n- **Happy**: the voice is bright\n- **Sad**: slow", "happy|sad"),
        ("# Emotions\nhappy, sad", "happy|sad"),
        ('```json\n["happy", "sad"]\n```', "happy|sad"),
        ("```happy, sad```", "happy|sad"),
        ("`happy`, *sad*", "happy|sad"),
        ("The emotions are [happy, sad].", "happy|sad"),
        ("Answer: happy, sad\nExplanation: The speaker laughs a lot.", "happy|sad"),
        ('{"reason": "The tone is sad", "labels": ["sad"]}', "sad"),
        ("{'openset': ['happy', 'sad']}", "happy|sad"),
        ('[{"emotion": "happy", "score": 0.9}, {"emotion": "sad", "score": 0.2}]', "happy|sad"),
        ("happy: 0.9, sad (10%)", "happy|sad"),
        ("<think>He may be sad.</think>\n[happy]", "happy"),
        ("<answer>happy, sad</answer>", "happy|sad"),
        ("['happy' 'sad']", "happy|sad"),
        ("(happy, sad)", "happy|sad"),
        ("happy (because of the laugh), sad", "happy|sad"),
        ("happy 😊, sad", "happy|sad"),
        ("happy\\nsad", "happy|sad"),
        ("[happy, sad", "happy|sad"),
        ("happy, sad, and tired", "happy|sad|tired"),
        ("happy but tired", "happy|tired"),
        ("happy - sad", "happy|sad"),
        ("“happy”, ‘sad’", "happy|sad"),
        ("lack_of_concern", "lack of concern"),
        ("a sense of relief", "a sense of relief"),
        ("not happy", "not happy"),
        ("looking forward to", "looking forward to"),
        ("self-doubt", "self-doubt"),
        ("handsome, candid, Anderson, android", "handsome|candid|anderson|android"),
        ("[none, happy]", "happy"),
    ],
)
def test_open_reads_what_models_write(text: str, labels: str) -> None:
    assert OPEN.parse(text) == (tuple(labels.split("|")), Status.OK)


@pytest.mark.parametrize(
    "text",
    [
        "The speaker sounds happy and excited.",
        "He is happy, sad.",
        "I cannot determine the emotion",
        "Unable to identify emotions",
        "As an AI language model, I can't determine emotions.",
        "Not enough information",
        "there was a long pause before the answer came",
        "说话者听起来很开心而且非常激动。",
        "12345",
        "valence: positive",
    ],
)
def test_open_refuses_what_is_no_list(text: str) -> None:
    assert OPEN.parse(text) == ((), U)


@pytest.mark.parametrize(
    "text",
    ["none", "None.", "N/A", "null", "[[]]", "{}", "no emotion", "Emotions: []", " \n", "..."],
)
def test_open_empty(text: str) -> None:
    assert OPEN.parse(text) == ((), E)


KNOWN = frozenset("happy;sad;anger;angry;fear;excited;anxious;confused;at ease".split(";"))  # noqa: SIM905


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("The speaker sounds happy and excited.", "happy|excited"),
        ("The speaker is not angry, just sad.", "sad"),
        ("She isn't happy; she is sad.", "sad"),
        ("There is no sign of fear, the voice is confused.", "confused"),
        ("The speaker is sad rather than angry.", "sad"),
        ("The speaker is excited, without anger or fear.", "excited"),
        ("She is neither happy nor sad, she is anxious.", "anxious"),
        ("He is not only happy but also excited.", "happy|excited"),
        ("There is no fear, anger or sad undertone, but he is excited.", "excited"),
        ("He isn't very happy and sounds confused.", "confused"),
        ("He seems at ease and happy, happy indeed.", "at ease|happy"),
        ("The speaker doesn't seem happy.", ""),
        ("I cannot determine the emotion.", ""),
        ("[happy, sad]", "happy|sad"),
    ],
)
def test_extract(text: str, labels: str) -> None:
    parsed = get_parser("open+extract", known_words=KNOWN).parse(text)
    assert parsed.labels == tuple(labels.split("|") if labels else ())
    assert parsed.status == (Status.OK if labels else Status.UNPARSABLE)


def test_names() -> None:
    assert parser_names() == ["affectgpt", "mer2024", "open", "open+extract"]
    assert get_parser("affectgpt").id == "affectgpt-1"
    with pytest.raises(UnknownNameError, match="did you mean 'affectgpt'"):
        get_parser("affectgtp")
    with pytest.raises(InputError, match="known emotion words"):
        get_parser("open+extract")
    assert [status.label for status in (Status.OK, Status.OUT_OF_SET)] == ["ok", "out_of_set"]


@pytest.mark.parametrize(
    "text",
    [
        *("<think>" * 20_000, "'a," * 30_000, "[{" * 30_000, "." * 99_999 + "a"),
        *(" " * 99_999 + "1", "\\" * 99_999, "'\"" * 50_000, "a" + "(" * 99_999),
        *(":" * 99_999, "a b " * 30_000),
    ],
    ids=lambda text: text[:4],
)
def test_hostile_text_takes_no_long(text: str) -> None:
    import time

    start = time.process_time()
    get_parser("open+extract", known_words=KNOWN).parse(text)
    assert time.process_time() - start < 5  # quadratic patterns take minutes


HOSTILE = st.text(
    st.sampled_from("[](){}'\"’,;，、/|&.:*_-`#<>\\ \n\t\xa0\u200b\ufeff\ud800aéİΣKnotad12ｈ开😊")
    | st.characters(codec="utf-8"),
    max_size=40,
)
SCALARS = HOSTILE | st.none() | st.booleans() | st.integers() | st.floats()
CELLS: st.SearchStrategy[Cell] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.lists(st.tuples(st.sampled_from(["openset", "labels", "x"]), inner), max_size=3).map(
            JsonObject
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(CELLS)
def test_no_cell_raises_and_labels_are_clean(cell: Cell) -> None:
    for parser in (AFFECTGPT, MER2024, OPEN, get_parser("open+extract", known_words=KNOWN)):
        labels, status = parser.parse(cell)
        assert (status is Status.OK) == bool(labels)
        for label in labels:
            assert label
            if parser is not MER2024:
                assert label == label.strip()
            if parser.name.startswith("open"):
                assert label == unicodedata.normalize("NFKC", label) == label.lower()
    assert len(set(OPEN.parse(cell).labels)) == len(OPEN.parse(cell).labels)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["happy", "at ease", "don't care", "self-doubt", "joyful"])))
def test_open_reads_lists_written_by_json_and_python(labels: list[str]) -> None:
    import json

    expected = tuple(dict.fromkeys(labels))
    for text in (json.dumps(labels), repr(labels), "\n".join(f"- {x}" for x in labels)):
        assert OPEN.parse(text).labels == expected
    assert OPEN.parse(tuple(labels)).labels == expected
