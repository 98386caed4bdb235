from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_records import HOSTILE, answered, board, record

from ovbench.board.ranking import NO_EVIDENCE, NOT_SCORED, ORACLE
from ovbench.board.record import Record, ScoreEntry
from ovbench.board.store import Board
from ovbench.board.tables import FLOOR, Table, tables


def only(*records: object) -> Table:
    (table,) = tables(board(*records))  # type: ignore[arg-type]
    return table


def test_what_is_not_scored_alike_is_not_in_one_table() -> None:
    one = record("a", 0.5, 0.1)
    other_gold = record("a2", 0.5, 0.1)
    other_gold = other_gold.model_copy(
        update={"task": other_gold.task.model_copy(update={"digest": "1" * 64})}
    )
    found = tables(
        board(
            one,
            record("b", 0.5, 0.1),
            record("c", 0.5, 0.1, signature="two|v:1"),
            record("d", 0.5, 0.1, task="elsewhere"),
            record("e", 0.5, kind="published"),
            other_gold,
        )
    )
    assert sorted(len(table.rows) for table in found) == [1, 1, 1, 1, 2]
    assert len({table.slug for table in found}) == 5
    published = next(table for table in found if table.signature is None)
    assert published.rows[0].provenance == "published"
    assert published.rows[0].why_unranked == NO_EVIDENCE


def test_a_failed_item_a_batch_size_and_a_version_do_not_split_a_table() -> None:
    one, failed, other = answered(0.9, 1), answered(0.2, 2), answered(0.5, 3)
    signature = str(one.signature)
    assert "|missing:wrong|" in signature
    whole = signature.replace("|missing:wrong|", "|missing:error|")
    before, _, version = whole.rpartition("|v:")
    records = [
        one.model_copy(update={"signature": whole}),
        failed,
        other.model_copy(update={"signature": f"{before}|batch:8|v:0.0.{version}"}),
    ]
    table = only(*records)
    assert [row.rank for row in table.rows] == [(1, 1), (2, 2), (3, 3)]
    assert table.signature == before.replace("|missing:error", "")
    alike = only(records[0], records[0].model_copy(update={"system": failed.system}))
    assert alike.signature == whole
    assert alike.slug == table.slug
    skipped = failed.model_copy(update={"signature": signature.replace(":wrong|", ":skip|")})
    assert len(tables(board(one, skipped))) == 2


def test_rows_are_ranked_then_unranked_then_floors() -> None:
    floors = {"majority": {"f1": 0.2}, "all-labels": {"f1": 0.3}}

    def named(one: Record, name: str, **more: object) -> Record:
        system = one.system.model_copy(update={"name": name, **more})
        return one.model_copy(update={"system": system, "floors": floors})

    unfit = answered(0.95, 4).model_copy(update={"predictions": answered(0.95, 4).predictions * 2})
    table = only(
        named(answered(0.4, 1), "low"),
        named(answered(1.0, 2), "oracle", oracle=True),
        named(answered(0.6, 3), "high"),
        named(unfit, "twice"),
    )
    assert [row.name for row in table.rows] == [
        "high", "low", "oracle", "twice", "all-labels", "majority",
    ]  # fmt: skip
    assert [row.rank is None for row in table.rows] == [False, False, True, True, True, True]
    assert [row.why_unranked for row in table.rows[2:]] == [ORACLE, NOT_SCORED, FLOOR, FLOOR]
    assert table.rows[-1].record is None
    assert table.rows[-1].id == table.rows[-1].file == ""
    assert table.items == 332


def test_of_a_floor_with_several_values_the_hardest_is_shown() -> None:
    table = only(
        record("a", 0.5, 0.1, floors={"shuffled": {"f1": 0.2}, "majority": {"f1": 0.1}}),
        record("b", 0.6, 0.1, floors={"shuffled": {"f1": 0.25}, "majority": {"f1": 0.1}}),
    )
    floors = {row.name: row.values["f1"].value for row in table.rows if row.provenance == FLOOR}
    assert floors == {"shuffled": 0.25, "majority": 0.1}
    assert [note for note in table.notes if "floor" in note] == [
        "floor shuffled: records give 2 values; the hardest to beat is shown"
    ]


def test_claims_without_answers_change_neither_headline_nor_floors() -> None:
    honest = answered(0.5, 1)
    claim = honest.model_copy(
        update={
            "headline": "precision",
            "floors": {"majority": {"f1": 0.99}, "made up": {"f1": 1.0}},
            "predictions": (),
        }
    )
    others = [
        claim.model_copy(update={"system": claim.system.model_copy(update={"name": name})})
        for name in "abc"
    ]
    floors = {"majority": {"f1": 0.1}}
    table = only(honest.model_copy(update={"floors": floors}), *others)
    assert table.headline == "f1"
    told = {row.name: row.values["f1"].value for row in table.rows if row.provenance == FLOOR}
    assert told == {"majority": 0.1}
    assert only(*others).headline == "precision"
    # Nor do records whose answers do not give their score, or are none of the task's items.
    lying = [
        one.model_copy(update={"predictions": given, "scores": {"precision": ScoreEntry(value=1)}})
        for given in (honest.predictions, honest.predictions[:1] * 2)
        for one in others
    ]
    table = only(honest.model_copy(update={"floors": floors}), *lying)
    assert table.headline == "f1"
    told = {row.name: row.values["f1"].value for row in table.rows if row.provenance == FLOOR}
    assert told == {"majority": 0.1}


@pytest.mark.parametrize(
    ("headline", "higher"),
    [
        ("MAE", False), ("mae_valence", False), ("word_error_rate", False), ("error_rate", False),
        ("val_loss", False), ("WER (%)", False), ("accuracy (standard error in brackets)", True),
        ("accuracy [standard error]", True), ("macro_f1", True), ("terror_detection", True),
        ("glossary", True),
    ],
)  # fmt: skip
def test_lower_is_better_for_errors(headline: str, higher: bool) -> None:
    records = [
        record(
            name,
            kind="published",
            scores={
                headline: ScoreEntry(value=v, low=v - 0.01, high=v + 0.01),
                "f1": ScoreEntry(value=0.1),
            },
        ).model_copy(update={"headline": headline, "protocol": "accuracy, error in brackets"})
        for name, v in (("more", 0.9), ("less", 0.5))
    ]
    table = only(*records)
    assert table.higher_is_better is higher
    names = ["more", "less"] if higher else ["less", "more"]
    assert [(row.name, row.rank) for row in table.rows] == list(
        zip(names, [(1, 1), (2, 2)], strict=True)
    )


def test_names_tell_rows_apart() -> None:
    table = only(
        record("lora", 0.5, 0.1, seed=1),
        record("lora", 0.6, 0.1, seed=2),
        record("lora", 0.7, 0.1, seed=2, setting={"modality": "A,T"}),
        record("dora", 0.8, 0.1, seed=3),
    )
    assert [row.name for row in table.rows] == [
        "dora", "lora (modality A,T)", "lora, seed 2", "lora, seed 1",
    ]  # fmt: skip


def test_columns_begin_with_the_headline() -> None:
    few = {name: ScoreEntry(value=0.5) for name in ("recall", "f1")}
    more = {name: ScoreEntry(value=0.5) for name in ("precision", "f1", "hit")}
    assert only(record("a", scores=few), record("b", scores=more)).columns == (
        "f1", "precision", "hit", "recall",
    )  # fmt: skip


def test_averages_over_the_first_level_are_shown_where_they_tell_something() -> None:
    half, less = ScoreEntry(value=0.5), ScoreEntry(value=0.4)
    assert only(record("a", scores={"f1": half, "f1_level1": half})).columns == ("f1",)
    both = ("f1", "f1_level1")
    assert only(record("a", scores={"f1": half, "f1_level1": less})).columns == both
    assert only(record("a", scores={"f1_level1": half, "f1": less})).columns == both


def test_published_figures_are_counted_by_source() -> None:
    table = only(record("a", 0.5, kind="published"), record("b", 0.6, kind="published"))
    assert table.notes[0].startswith("copied from 1 source;")


def test_a_table_keeps_its_slug_when_others_come() -> None:
    one = record("a", 0.5, 0.1)
    alone = only(one).slug
    both = tables(board(one, record("b", 0.5, 0.1, signature="two")))
    assert alone in {table.slug for table in both}


def test_slugs_of_hostile_names_are_plain_and_differ() -> None:
    found = tables(
        board(*(record("a", 0.5, 0.1, task=t, protocol=t, signature=t) for t in HOSTILE))
    )
    slugs = [table.slug for table in found]
    assert len(set(slugs)) == len(HOSTILE)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", slug) for slug in slugs)


def test_answers_are_kept_for_whoever_needs_them() -> None:
    two = only(answered(0.5, 1), answered(0.4, 2))
    assert two.answers is not None
    assert set(two.answered) == {row.id for row in two.rows}
    for system, name in enumerate(two.answered):
        row = next(row for row in two.rows if row.id == name)
        own = two.answers.finish(two.answers.values(system).sum(0).astype(float))["f1"]
        assert float(own) == row.values["f1"].value


@settings(max_examples=15, deadline=None)
@given(st.randoms())
def test_order_of_records_does_not_matter(draw: object) -> None:
    given = board(
        *(record(f"s{i}", 0.5 + i / 40, 0.05, floors={"m": {"f1": i / 50}}) for i in range(6)),
        *(record(f"s{i}", 0.5, 0.05) for i in range(3)),
        *(record(name, 0.5, kind="published") for name in HOSTILE[:4]),
        record("same", 0.5, 0.05, seed=1),
        record("same", 0.5, 0.05, seed=2),
    )
    entries = [replace(entry) for entry in given.entries]
    draw.shuffle(entries)  # type: ignore[attr-defined]
    assert tables(Board(tuple(entries))) == tables(given)
