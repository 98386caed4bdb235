from __future__ import annotations

import csv
import io
import re
import sys

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries
from huggingface_hub.repocard_data import ModelCardData, model_index_to_eval_results
from rank_records import HOSTILE, answered, board, record

from ovbench.board.export import MODEL_INDEX, export_table, hugging_face, section_of
from ovbench.board.record import Origin, Record, ScoreEntry
from ovbench.board.tables import Table, tables
from ovbench.errors import InputError, MissingExtraError, UnknownNameError

UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def hostile_record(text: str, **more: object) -> Record:
    """Every text of a record is the hostile one."""
    one = record(text, 0.5, 0.1, task=text, protocol=text, **more)  # type: ignore[arg-type]
    return one.model_copy(
        update={
            "scores": {**one.scores, text: ScoreEntry(value=0.25)},
            "floors": {text: {"f1": 0.1}},
            "origin": Origin(kind="measured", note=text, source=text, evidence=text),
            "signature": text,
            "system": one.system.model_copy(update={"setting": {text: text}}),
        }
    )


def table_of(*records: Record) -> Table:
    (table,) = tables(board(*records))
    return table


def test_the_cells_of_a_table() -> None:
    table = table_of(
        record("a", 0.6, 0.05, kind="published", floors={"majority": {"f1": 0.123}}),
        record("b", 0.58, 0.05, kind="published"),
        record("best", 0.9, 0.01, kind="published", oracle=True),
    )
    section = section_of(table)
    columns = ("rank", "system", "f1", "interval", "from", "source", "remark", "record")
    assert section.columns == columns
    rows = [row[:7] for row in section.rows]
    unranked = "not ranked: oracle context"
    assert rows == [
        ("1–2", "a", "60.00", "[55.00, 65.00]", "published", "a paper", ""),
        ("1–2", "b", "58.00", "[53.00, 63.00]", "published", "a paper", ""),
        ("–", "best", "90.00", "[89.00, 91.00]", "published", "a paper", unranked),
        ("–", "majority", "12.30", "–", "floor", "–", ""),
    ]


def test_our_own_figures_come_with_their_signature() -> None:
    section = section_of(table_of(record("a", 0.6, 0.05)))
    assert section.columns == ("system", "f1", "interval", "from", "remark", "record")
    assert section.rows[0][4] == "not ranked: its answers could not be scored here"
    assert section.notes[-1] == "signature: one|v:1"


def test_published_figures_come_with_their_source() -> None:
    one = record("a", 0.6, kind="published")
    section = section_of(table_of(one))
    row = dict(zip(section.columns, section.rows[0], strict=True))
    assert row["source"] == "a paper"
    assert row["remark"] == "not ranked: no interval and no predictions"
    assert "interval" not in section.columns


def test_scores_may_be_called_like_columns() -> None:
    names = ("rank", "system", "from", "record")
    scores = {name: ScoreEntry(value=0.5, low=0.4, high=0.6) for name in ("f1", *names)}
    one = record("a", kind="published", scores=scores)
    section = section_of(table_of(one))
    assert [section.columns.count(name) for name in names] == [2, 2, 2, 2]
    assert all(len(row) == len(section.columns) for row in section.rows)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_of_hostile_text(text: str) -> None:
    table = table_of(hostile_record(text))
    out = export_table(table, "markdown")
    assert not UNSEEN.search(out)
    lines = out.split("\n")
    pipes = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", ln)) for ln in lines if ln.startswith("| ")}
    assert len(pipes) == 1  # every row has as many cells
    assert sum(line.startswith("| ") for line in lines) == 4  # head, rule, record, floor
    unescaped = re.sub(r"\\.", "", out.replace("<br>", ""))
    assert not re.search(r"[<>`$\[\]~&]", unescaped)


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_of_hostile_text(text: str) -> None:
    out = export_table(table_of(hostile_record(text)), "latex")
    assert not UNSEEN.search(out)
    known = {
        "begin", "end", "caption", "toprule", "midrule", "bottomrule", "par", "footnotesize",
        "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar",
        "rightarrow",
    }  # fmt: skip
    assert set(re.findall(r"\\([a-zA-Z]+)", out)) <= known
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", out):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert not re.search(r"\\\\\s*[\[*]", out)  # no argument for a line's end
    body = out[out.index(r"\midrule") : out.index(r"\bottomrule")]
    cells = [len(re.findall(r"(?<!\\)&", line)) for line in body.split("\n") if "&" in line]
    assert len(set(cells)) == 1
    assert "%" not in re.sub(r"\\%", "", out)


@pytest.mark.parametrize("text", HOSTILE)
def test_csv_of_hostile_text(text: str) -> None:
    out = export_table(table_of(hostile_record(text)), "csv")
    assert not UNSEEN.search(out)
    for row in csv.reader(io.StringIO(out)):
        for cell in row:
            assert not re.match(r"[\s'\"]*[=+@＝＋＠]|\s*-(?!\d)", cell.removeprefix("'")) or (
                cell.startswith("'")
            )


def test_an_unknown_format() -> None:
    with pytest.raises(UnknownNameError, match="markdown"):
        export_table(table_of(record("a", 0.5, 0.1)), "markdwn")


def entry_of(one: Record):  # type: ignore[no-untyped-def]
    return board(one).entries[0]


def test_hugging_face_reads_what_is_written() -> None:
    one = answered(0.5, 1)
    files = hugging_face(entry_of(one), "owner/tinyov")
    assert list(files) == [".eval_results/tinyov-ew-open-1.yaml", MODEL_INDEX]
    (result,) = parse_eval_result_entries(
        yaml.safe_load(files[".eval_results/tinyov-ew-open-1.yaml"])
    )
    assert (result.dataset_id, result.task_id) == ("owner/tinyov", "tinyov")
    assert result.value == round(100 * one.scores["f1"].value, 2)
    assert result.notes is not None
    assert str(one.signature) in result.notes
    index = yaml.safe_load(files[MODEL_INDEX])
    name, results = model_index_to_eval_results(index["model-index"])
    assert name == one.system.name
    assert [r.metric_type for r in results] == list(one.scores)
    assert {r.dataset_split for r in results} == {"test"}
    assert all(r.dataset_type == "owner/tinyov" for r in results)
    ModelCardData(model_name=name, eval_results=results)  # raises where a field is missing


@pytest.mark.parametrize("text", [*HOSTILE, "éμ漢", "no", "1e3", "null", "~"])
def test_hostile_text_stays_text_in_yaml(text: str) -> None:
    files = hugging_face(entry_of(hostile_record(text)))
    for name in files:
        assert re.fullmatch(r"(\.eval_results/)?[a-z0-9-]+\.yaml", name)
    results, index = map(yaml.safe_load, files.values())
    assert set(results[0]) <= {"dataset", "value", "source", "notes"}
    assert results[0]["value"] == 50.0
    model = index["model-index"][0]
    assert isinstance(model["name"], str)
    assert len(model["name"]) == len(text)
    assert [metric["value"] for metric in model["results"][0]["metrics"]] == [50.0, 25.0]
    assert "source" not in results[0]


def test_only_addresses_are_sources() -> None:
    for source, kept in (
        ("https://example.org/paper", True),
        ("javascript:alert(1)", False),
        ("see https://example.org", False),
        ("https://example.org/a b", False),
    ):
        one = record("a", 0.5, kind="published")
        one = one.model_copy(update={"origin": Origin(kind="published", source=source)})
        result = yaml.safe_load(next(iter(hugging_face(entry_of(one)).values())))[0]
        assert result.get("source") == ({"url": source} if kept else None)


def test_what_must_be_told_is_told() -> None:
    one = record("a", 0.5, 0.1, oracle=True, selection="test-best")
    for text in hugging_face(entry_of(one)).values():
        flat = " ".join(text.split())
        assert "oracle context: an upper bound" in flat
        assert "checkpoint chosen on test" in flat


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b/c", "a/b\n", "https://x/y"])
def test_no_id_of_a_data_set(name: str) -> None:
    with pytest.raises(InputError, match="organisation/name"):
        hugging_face(entry_of(record("a", 0.5, 0.1)), name)


def test_without_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r"ovbench\[report\]"):
        hugging_face(entry_of(record("a", 0.5, 0.1)))
