"""Protocols: every shipped one loads, and every field that scores stands in the signature."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from ovbench import score
from ovbench.errors import InputError, UnknownNameError
from ovbench.protocols import Protocol, load_protocol, protocol_ids, signature
from ovbench.protocols.schema import PROTOCOL
from ovbench.protocols.signature import compress_rings

EXPECTED = {
    "closed-set", "closed-set-calm-neutral-1", "closed-set-iemocap4-1", "closed-set-macro-f1-1",
    "ew-affectgpt-2025", "ew-mer2025", "ew-mer2026", "ew-open-1", "ew-ov-mer",
    "group-mer2024", "hit-affectgpt-2025", "hit-mer2026", "hit-open-1", "sentiment-affectgpt",
    "sentiment-has0", "sentiment-non0",
}  # fmt: skip


def test_the_promised_protocols_ship() -> None:
    assert set(protocol_ids()) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_protocol_loads_and_round_trips(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.id == name
    assert PROTOCOL.validate_json(protocol.model_dump_json()) == protocol
    card = protocol.card
    assert all((card.definition, card.formula, card.edge_rules, card.flaws, card.source))


def other_values(protocol: Protocol, name: str) -> list[Any]:
    """Values of a field other than the one it has."""
    now = getattr(protocol, name)
    annotation = type(protocol).model_fields[name].annotation
    if isinstance(now, Mapping):
        return [dict(now) | {"bored": "sad"}, *([{}] if now else [])]
    if get_origin(annotation) is Literal:
        return [value for value in get_args(annotation) if value != now]
    return [now[:-1]] if isinstance(now, tuple) else [f"{now}-other"]


def changes() -> list[Any]:
    cases = []
    for name in sorted(EXPECTED):
        protocol = load_protocol(name)
        for field in protocol.scoring_fields():
            cases += [
                pytest.param(protocol, field, value, id=f"{name}-{field}-{value!s:.20}")
                for value in other_values(protocol, field)
            ]
    return cases


@pytest.mark.parametrize(("protocol", "field", "value"), changes())
def test_changing_any_field_changes_the_signature(
    protocol: Protocol, field: str, value: Any
) -> None:
    changed = protocol.model_copy(update={field: value})
    assert signature(changed, {"n": 3}) != signature(protocol, {"n": 3})


def test_signatures_of_the_shipped_protocols_differ_beyond_their_names() -> None:
    """Or the same scores have another headline, which changes none of them."""
    bodies = set()
    for protocol in map(load_protocol, EXPECTED):
        bodies.add((protocol.headline, signature(protocol, {}).split("|", 1)[1]))
    assert len(bodies) == len(EXPECTED)


def test_a_protocol_without_merges_keeps_the_signature_it_had() -> None:
    found = signature(load_protocol("closed-set"), {"n": 3}).rpartition("|v:")[0]
    assert found == "closed-set|metric:closed-set|parser:open|names:canonical|n:3"
    merged = signature(load_protocol("closed-set-iemocap4-1"), {"n": 3})
    assert "|merges:excited=happy|" in merged


def test_merges_count_in_gold_and_in_answers() -> None:
    gold = {"a": "exc", "b": "happy", "c": "sad", "d": "calm"}
    said = {"a": "joy", "b": "excited, happy", "c": "excitement", "d": "neutral"}
    accuracy = {
        name: score(said, gold, name, draws=0, floors=False).scores["accuracy"]
        for name in ("closed-set", "closed-set-iemocap4-1", "closed-set-calm-neutral-1")
    }
    assert accuracy == {
        "closed-set": 0,
        "closed-set-iemocap4-1": 0.5,
        "closed-set-calm-neutral-1": 0.25,
    }
    named = score(said, gold, "closed-set-iemocap4-1", classes="happy,excited,sad,calm", draws=0)
    assert named.confusion is not None
    assert named.confusion.rows == ("happy", "sad", "calm")


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        ('{ excited = "happy", happy = "calm" }', "merged itself"),
        ('{ exc = "happy" }', "'exc' is not a canonical name.*expected 'excited'"),
        ('{ excited = "joy" }', "'joy' is not a canonical name.*expected 'happy'"),
    ],
)
def test_merges_that_would_do_something_else(tmp_path: Path, merges: str, message: str) -> None:
    own = own_protocol(tmp_path, "closed-set-iemocap4-1", '{ excited = "happy" }', merges)
    with pytest.raises(InputError, match=message):
        score({"a": "happy"}, {"a": "happy"}, load_protocol(own), draws=0)


def test_merges_need_canonical_names(tmp_path: Path) -> None:
    own = own_protocol(tmp_path, "closed-set-iemocap4-1", '"canonical"', '"exact"')
    with pytest.raises(InputError, match="merges are of canonical names"):
        load_protocol(own)


def own_protocol(folder: Path, like: str, old: str, new: str) -> Path:
    """A file as the shipped one, with another id and ``new`` in place of ``old``."""
    shipped = Path(__file__).parents[1] / "ovbench" / "protocols" / "data" / f"{like}.toml"
    text = shipped.read_text("utf-8").replace(f'id = "{like}"', 'id = "mine-1"')
    assert old in text
    (folder / "mine.toml").write_text(text.replace(old, new), "utf-8")
    return folder / "mine.toml"


@pytest.mark.parametrize(
    ("like", "headline"), [("hit-open-1", "mscore"), ("hit-affectgpt-2025", "precision")]
)
def test_a_headline_that_the_protocol_does_not_count(
    tmp_path: Path, like: str, headline: str
) -> None:
    own = own_protocol(tmp_path, like, 'headline = "hit_rate"', f'headline = "{headline}"')
    with pytest.raises(InputError, match=f"there is no {headline}"):
        load_protocol(own)


def test_a_value_cannot_smuggle_a_separator_into_the_signature() -> None:
    protocol = load_protocol("ew-open-1")
    assert "|n:9" not in signature(protocol, {"parser": "x|n:9", "n": 3})


@pytest.mark.parametrize(
    ("rings", "text"),
    [
        (["wheel1/level1", "wheel2/level1"], "wheel1-2/level1"),
        (["wheel1/level1", "wheel3/level1"], "wheel1/level1,wheel3/level1"),
        (["wheel2/level1", "wheel2/level2"], "wheel2/level1,wheel2/level2"),
        (["case1/words", "wheel1/level1"], "case1/words,wheel1/level1"),
        (["wheel2/level1", "wheel1/level1"], "wheel2/level1,wheel1/level1"),
    ],
)
def test_runs_of_wheels_are_shortened(rings: list[str], text: str) -> None:
    assert compress_rings(rings) == text


def test_an_unknown_protocol_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="ew-affectgpt-2025") as caught:
        load_protocol("ew-affectgpt")
    assert caught.value.exit_code == 2


def test_a_protocol_of_ones_own(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "ovbench/protocols/data/ew-open-1.toml").read_text("utf-8")
    own = tmp_path / "mine.toml"
    own.write_text(text.replace('id = "ew-open-1"', 'id = "mine-1"'), "utf-8")
    assert load_protocol(own).id == "mine-1"
    own.write_text(text.replace("undefined", "undefned"), "utf-8")
    with pytest.raises(InputError, match="undefined"):
        load_protocol(own)
    own.write_text("id = ", "utf-8")
    with pytest.raises(InputError, match="not a TOML file"):
        load_protocol(own)
    with pytest.raises(InputError, match="No such file"):
        load_protocol(tmp_path / "absent.toml")
