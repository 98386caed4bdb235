"""Every way in for somebody else's file: how it is opened, what a valid one looks like, mutations.

A door is opened with the path of its file, which lies in a folder that ``around`` has filled with
whatever else has to be there. What goes in by a door is also looked at as the score would: cells
are parsed, records are checked, tables make a normalizer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fuzz_mutations as m
import fuzz_seeds as seeds

from ovbench.errors import OvbenchError

Seeds = Callable[[], list[bytes]]


@dataclass(frozen=True)
class Door:
    """One way in.

    Attributes
    ----------
    file:
        The name that the input gets, below a folder of its own.
    around:
        What puts the other files there, once.
    torch:
        Whether it needs PyTorch, which takes seconds to import.
    most:
        Bytes of the longest input that is made: fewer where the time goes with the length.
    """

    name: str
    file: str
    open: Callable[[Path], object]
    seeds: Seeds
    mutate: m.Mutation
    around: Callable[[Path], object] | None = None
    torch: bool = False
    most: int = 200_000


def all_of(*calls: Callable[[], object]) -> None:
    """Make every call, whatever others refuse; then raise the last refusal."""
    refused: OvbenchError | None = None
    for call in calls:
        try:
            call()
        except OvbenchError as error:
            refused = error
    if refused is not None:
        raise refused


@cache
def _parsers() -> list[Any]:
    from ovbench.io.labels import get_parser, parser_names

    words = frozenset({"happy", "sad", "angry", "calm", "not happy", "high spirits"})
    return [get_parser(name, known_words=words) for name in parser_names()]


def records(path: Path) -> None:
    """Predictions and gold, by every parser of labels."""
    from ovbench.io.labels import parse_cells
    from ovbench.io.read import read_records

    def labels() -> None:
        found = read_records(path)
        for parser in _parsers():
            parse_cells(found.cells, parser)

    def gold() -> None:
        read_records(path, role="gold", want="sentiment", classes="meld")

    all_of(labels, gold)


def score(path: Path) -> None:
    """The whole way to a result, against a gold of the same ids."""
    from ovbench.scoring import Options, score_files

    options = Options(draws=10, on_missing="wrong", keep="first", floors=False)
    score_files(str(path), dict(seeds.ITEMS), "ew-open-1", options).to_json()


def cell(path: Path) -> None:
    from ovbench.io.labels import parse_cells

    text = path.read_bytes().decode("utf-8", "replace")
    for parser in _parsers():
        parse_cells([text, (text, text[:9])], parser)


def groups(path: Path) -> None:
    from ovbench.normalize.synonym_groups import load_groups

    load_groups(path)


def recipe(path: Path) -> None:
    from ovbench.systems.recipe import read_recipe
    from ovbench.systems.registry import _name_in

    # What ``load_recipe`` does beside it is to read the bundled recipes, each time anew.
    all_of(lambda: _name_in(path), lambda: read_recipe(path).digest())


def _prompts(folder: Path) -> None:
    from ovbench.systems.registry import bundled_folder

    (folder / "prompts").mkdir(exist_ok=True)
    for prompt in (bundled_folder() / "prompts").iterdir():
        (folder / "prompts" / prompt.name).write_bytes(prompt.read_bytes())


def protocol(path: Path) -> None:
    from ovbench.protocols import load_protocol

    load_protocol(path)


def submission(path: Path) -> None:
    """Checked; and put on a board of its own."""
    from ovbench.board.check import check_submission
    from ovbench.board.store import add

    board = path.parent.parent / "out" / "board"
    added = ()
    try:
        check_submission(path).demand()
        added = add([path], board)
    finally:
        for one in added:
            one.file.unlink()


def board(path: Path) -> None:
    """A board with the file on it, and its pages."""
    from ovbench.board.store import read_board

    read_board(path.parent.parent)


def sound(path: Path) -> None:
    from ovbench.speech.audio import audio_info, read_audio

    all_of(
        lambda: audio_info(path),
        lambda: read_audio(path, rate=16_000, max_seconds=30.0),
        lambda: read_audio(path),
    )


def described(path: Path) -> None:
    from ovbench.speech.describe import describe
    from ovbench.speech.statistics import builtin
    from ovbench.tasks.clips import fault

    fault(path)
    describe(path, id="x", statistics=builtin())


def run_folder(path: Path) -> None:
    from ovbench.runs.records import RunRecord
    from ovbench.runs.store import RUN, open_run, read_record, read_run

    def resumed() -> None:
        record = read_record(path.parent / RUN, RunRecord)
        with open_run(path.parent, record, seeds.ITEMS) as store:
            store.cost()

    all_of(lambda: read_run(path.parent), resumed)


def _run(folder: Path) -> None:
    (folder / "run.json").write_bytes(seeds.run_files()[0])
    (folder / "predictions.jsonl").write_bytes(seeds.prediction_lines()[0])
    (folder / "cost.json").write_bytes(seeds.costs()[0])


def result(path: Path) -> None:
    from ovbench.scoring.run import error_of_result

    error_of_result(str(path))


@cache
def _results() -> list[bytes]:
    from ovbench.scoring import Options, score_files

    gold = dict(seeds.ITEMS)
    return [score_files(gold, gold, "ew-open-1", Options(draws=10)).to_json().encode()]


def samples(path: Path) -> None:
    from ovbench.scoring import Options
    from ovbench.scoring.run import score_samples

    score_samples(path, Options(draws=10))


@cache
def _samples() -> list[bytes]:
    import tempfile

    from ovbench.scoring import Options, score_files

    gold = dict(seeds.ITEMS)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "s.jsonl")
        for protocol_id in ("ew-open-1",):
            score_files(gold, gold, protocol_id, Options(draws=0), samples=str(path))
        return [path.read_bytes()]


def described_file(path: Path) -> None:
    """A file of descriptions that is gone on with."""
    from ovbench.speech.describe import Description
    from ovbench.speech.describer import Clip
    from ovbench.speech.files import write_descriptions

    class Silent:
        id = "x@1"

        def describe(self, items: Any) -> Any:
            return (
                Description(id=one.id, description="", status="unreadable", language="en")
                for one in items
            )

    write_descriptions(path, Silent(), [Clip("a", "absent.wav"), Clip("b", "absent.wav")])


def statistics(path: Path) -> None:
    from ovbench.speech.statistics import read_statistics

    read_statistics(path).reference("pitch", None, "male")


def answer(path: Path) -> None:
    from ovbench.systems.external.contract import ContractError, read_answer

    try:
        read_answer(path.read_bytes(), "program", ["a"])
    except ContractError:
        return  # stops a run with exit code 1, as a program that fails does


def tables(path: Path) -> None:
    from ovbench.normalize.opening import official_normalizer
    from ovbench.normalize.tables import add_tables

    stored = add_tables(path)
    try:
        official_normalizer(stored.name)
    finally:
        stored.path.unlink()


def stored_tables(path: Path) -> None:
    from ovbench.normalize.tables import list_tables

    before = os.environ["OVBENCH_HOME"]
    os.environ["OVBENCH_HOME"] = str(path.parent.parent)
    try:
        list_tables()
    finally:
        os.environ["OVBENCH_HOME"] = before


def workbook(path: Path) -> None:
    from ovbench.normalize.table_files import _read_wheel, _wheel_maps

    _wheel_maps(_read_wheel(path))


def forms(path: Path) -> None:
    from ovbench.normalize.table_files import _read_forms

    _read_forms(path)


def configuration(path: Path) -> None:
    from ovbench.tasks.card import card_of
    from ovbench.tasks.places import data_folder

    before = os.environ["OVBENCH_HOME"]
    os.environ["OVBENCH_HOME"] = str(path.parent)
    try:
        data_folder(card_of("meld"))
    finally:
        os.environ["OVBENCH_HOME"] = before


def _task(name: str, split: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        from ovbench.tasks.card import card_of
        from ovbench.tasks.load import read_view
        from ovbench.tasks.places import DataFolder

        card = card_of(name)
        folder = path.parent
        while folder.parent.name != "in":
            folder = folder.parent
        read_view(card, card.views[name], split, DataFolder(card, (folder,), (folder,)))

    return read


def frames(path: Path) -> None:
    import torch

    from ovbench.systems.hearing.frames import FileFrames
    from ovbench.tasks import Item

    FileFrames("emotion2vec", 768, torch.device("cpu")).fault(
        Item("a", "", "", str(path.with_name("a.wav")))
    )


def state(path: Path) -> None:
    from ovbench.training.checkpoint import load_state

    load_state(path.parent.parent)


def speech_state(path: Path) -> None:
    from ovbench.training.speech_state import load_state

    load_state(path.parent.parent)


def report(path: Path) -> None:
    from ovbench.training.speech_report import read_any_report

    read_any_report(path)


def backbone(path: Path) -> None:
    from ovbench.systems.loading import load_base

    load_base(str(path.parent), device="cpu")


def tokenizer(path: Path) -> None:
    from ovbench.systems.loading import load_tokenizer

    load_tokenizer(path.parent)


def _lazy(name: str, *arguments: Any) -> Callable[..., Any]:
    """A function of ``fuzz_torch_seeds``, imported when it is called."""

    def call(*more: Any) -> Any:
        import fuzz_torch_seeds

        return getattr(fuzz_torch_seeds, name)(*arguments, *more)

    return call


def _write(name: str, make: Seeds) -> Callable[[Path], object]:
    def put(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(make()[0])

    return put


_JSON = m.either(m.json_value, m.plain, m.text)
_LINES = m.either(m.json_lines, m.plain, m.text)
_CSV = m.either(m.cells, m.plain, m.text)
_TOML = m.either(m.toml, m.plain, m.text)
_NPZ = m.zipped(m.npy)
_ADAPTER, _SPEECH = _lazy("copy_adapter"), _lazy("speech_folder")

DOORS = {
    door.name: door
    for door in (
        Door("npz", "p.npz", records, seeds.npz, _NPZ),
        Door("npy", "p.npy", records, seeds.npy, m.npy),
        Door("jsonl", "p.jsonl", records, seeds.jsonl, _LINES),
        Door("json", "p.json", records, seeds.json_files, _JSON),
        Door("csv", "p.csv", records, seeds.csv, _CSV),
        Door("unnamed", "p", records, lambda: seeds.jsonl() + seeds.csv(), m.either(_LINES, _CSV)),
        Door("parquet", "p.parquet", records, seeds.parquet, m.footed),
        Door("cell", "cell.txt", cell, seeds.cells, _CSV, most=6_000),
        Door("score", "p.jsonl", score, seeds.jsonl, _LINES),
        Door("groups", "g.zip", groups, seeds.synonym_groups, _NPZ),
        Door("recipe", "r.toml", recipe, seeds.recipes, _TOML, _prompts),
        Door("protocol", "p.toml", protocol, seeds.protocols, _TOML),
        Door("submission", "s.json", submission, seeds.submissions, _JSON),
        Door("submission-lines", "s.jsonl", submission, seeds.submission_lines, _LINES),
        Door("board", "measured/s.json", board, seeds.submissions, _JSON),
        Door("sound", "clip.wav", sound, seeds.sounds, m.riff),
        Door("described", "clip.wav", described, seeds.sounds, m.riff),
        Door("run", "run.json", run_folder, seeds.run_files, _JSON, _run),
        Door("predictions", "predictions.jsonl", run_folder, seeds.prediction_lines, _LINES, _run),
        Door("cost", "cost.json", run_folder, seeds.costs, _JSON, _run),
        Door("result", "result.json", result, _results, _JSON),
        Door("samples", "s.jsonl", samples, _samples, _LINES),
        Door("descriptions", "d.jsonl", described_file, seeds.descriptions, _LINES),
        Door("statistics", "s.json", statistics, seeds.statistics, _JSON),
        Door("answer", "line.json", answer, seeds.answers, _JSON),
        Door("tables", "wheel_mapping.npz", tables, seeds.table_archives, _NPZ),
        Door(
            "stored-tables",
            "tables/tables-05755a9b.json",
            stored_tables,
            seeds.stored_tables,
            _JSON,
        ),
        Door("workbook", "wheel1.xlsx", workbook, seeds.workbooks, m.zipped(m.plain)),
        Door("forms", "format.csv", forms, seeds.form_tables, _CSV),
        Door("configuration", "config.toml", configuration, seeds.configurations, _TOML),
        Door(
            "emobox-map",
            "emodb/label_map.json",
            _task("emobox-emodb", "fold1-test"),
            seeds.label_maps,
            _JSON,
            _write("emodb/fold_1/emodb_test_fold_1.jsonl", seeds.emobox_lines),
        ),
        Door(
            "emobox-lines",
            "emodb/fold_1/emodb_test_fold_1.jsonl",
            _task("emobox-emodb", "fold1-test"),
            seeds.emobox_lines,
            _LINES,
            _write("emodb/label_map.json", seeds.label_maps),
        ),
        Door("meld", "test_sent_emo.csv", _task("meld", "test"), seeds.meld_tables, _CSV),
        Door("merbench", "label.npz", _task("meld", "test"), seeds.merbench, _NPZ),
        Door("frames", "a.emotion2vec.npy", frames, seeds.vectors, m.npy, torch=True),
        Door(
            "adapter-config",
            "adapter_config.json",
            _lazy("open_adapter"),
            _lazy("seed_of", "adapter_config.json"),
            _JSON,
            _ADAPTER,
            torch=True,
        ),
        Door(
            "adapter-weights",
            "adapter_model.safetensors",
            _lazy("open_adapter"),
            _lazy("seed_of", "adapter_model.safetensors"),
            m.headed,
            _ADAPTER,
            torch=True,
        ),
        Door(
            "adapter-base",
            "base.json",
            _lazy("open_adapter"),
            _lazy("seed_of", "base.json"),
            _JSON,
            _ADAPTER,
            torch=True,
        ),
        Door(
            "released",
            "c.pt",
            _lazy("import_released"),
            _lazy("checkpoints"),
            m.zipped(m.pickled),
            torch=True,
        ),
        Door(
            "released-tensors",
            "c.safetensors",
            _lazy("import_released"),
            _lazy("checkpoint_tensors"),
            m.headed,
            torch=True,
        ),
        Door(
            "speech-model",
            "model.json",
            _lazy("open_speech"),
            _lazy("speech_records"),
            _JSON,
            _SPEECH,
            torch=True,
        ),
        Door(
            "state",
            "last/step-1/state.json",
            state,
            _lazy("training_states"),
            _JSON,
            _write("last/step-1/tensors.safetensors", _lazy("tensors")),
            torch=True,
        ),
        Door(
            "speech-state",
            "last/step-1/state.json",
            speech_state,
            _lazy("speech_states"),
            _JSON,
            _write("last/step-1/tensors.safetensors", _lazy("tensors")),
            torch=True,
        ),
        Door("report", "training.json", report, seeds.reports, _JSON),
        Door(
            "base-config",
            "config.json",
            backbone,
            _lazy("model_configs"),
            _JSON,
            _lazy("copy_backbone"),
            torch=True,
        ),
        Door(
            "base-weights",
            "model.safetensors",
            backbone,
            _lazy("small_weights"),
            m.headed,
            _lazy("copy_small_backbone"),
            torch=True,
        ),
        Door(
            "tokenizer",
            "tokenizer_config.json",
            tokenizer,
            _lazy("backbone_seed", "tokenizer_config.json"),
            _JSON,
            _lazy("copy_backbone"),
            torch=True,
        ),
    )
}
