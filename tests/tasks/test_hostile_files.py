"""Damaged files of every reader: each ends in one clear error, or is known to do no harm."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from merbench_files import rows

from ovbench.errors import InputError
from ovbench.tasks import MissingDataError
from ovbench.tasks.card import card_of
from ovbench.tasks.places import data_folder
from ovbench.tasks.readers import msp_podcast, peft_ser

LONG = 10_000_000


@dataclass(frozen=True)
class Text:
    """A file of lines, and what damage its last line takes.

    ``cut``, ``wide``: the last line cut off, and with other columns; ``long``: one of 10 MB that
    begins so. ``optional``: all can be read without the file. ``odd``: so it can with any bytes.
    """

    text: str
    cut: str
    wide: str
    long: str
    optional: bool = False
    odd: bool = False

    @property
    def content(self) -> bytes:
        return self.text.encode()

    def with_last(self, line: str) -> bytes:
        *before, _ = self.text.splitlines()
        return "\n".join([*before, line]).encode()

    @property
    def where(self) -> str:
        return f", line {len(self.text.splitlines())}"


def csv(text: str, *, optional: bool = False) -> Text:
    """A table whose last row loses columns, gets one, or ends in a cell of 10 MB."""
    last = text.splitlines()[-1]
    return Text(text, last.partition(",")[0], f"{last},x", f"{last}{'x' * LONG}", optional)


@dataclass(frozen=True)
class Labels:
    """A label file of MERBench's."""

    corpus: str
    items: dict[str, dict[str, object]]
    optional: bool = False

    @property
    def content(self) -> bytes:
        return self.saved(np.array(self.items, dtype=object))

    def saved(self, values: object) -> bytes:
        file = io.BytesIO()
        np.savez(file, **{f"{self.corpus}_corpus": values})
        return file.getvalue()


@dataclass(frozen=True)
class Case:
    """A data set that can be read, and what is read of it."""

    task: str
    split: str
    files: dict[str, Text | Labels]
    items: int = 1
    dirs: tuple[str, ...] = ()

    def write(self, root: Path) -> None:
        for name in self.dirs:
            (root / name).mkdir(parents=True)
        for name, file in self.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(file.content)


TURN = "[6.2901 - 8.2357]\tSes05F_impro01_F000\tneu\t[2.5, 2.5, 2.5]"
EVALUATION = Text(
    f"% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\nC-E2:\tNeutral;\t()\n{TURN}\n",
    cut=TURN[:40],
    wide=TURN.replace("\tneu", "\tx\tneu"),
    long=f"[6.2901 - 8.2357]\t{'x' * LONG}",
)
SAID = Text(
    "Ses05F_impro01_F000 [006.2901-008.2357]: Yes.\n",
    *("Ses05F_imp", "Ses05F_impro01_F000: Yes.", "Ses05F_impro01_F000 " + "x" * LONG),
    optional=True,
    odd=True,
)
SESSIONS = tuple(f"Session{n}/dialog/EmoEvaluation" for n in range(1, 5))
TURNS = """WORKER1; Neutral; Neutral,; A:3.0; V:3.0;
UTD-IMPROV-S01A-F05-S-FM01.avi; N; A:3.000000; V:3.500000; D:3.000000;
"""
IMPROV = Text(
    TURNS,
    cut="UTD-IMPROV-S01A-F0",
    wide="UTD-IMPROV-S01A-F05-S-FM01.avi; x; y; N;",
    long="UTD-IMPROV-" + "x" * LONG,
)
EMOBOX_ROW = '{"key": "cafe-a", "emo": "c", "wav": "downloads/a.wav"}'
ROWS = Text(
    f"{EMOBOX_ROW.replace('cafe-a', 'cafe-b')}\n{EMOBOX_ROW}\n",
    cut=EMOBOX_ROW[:30],
    wide='["cafe-a", "c"]',
    long=EMOBOX_ROW.replace("downloads", "x" * LONG),
)
LABEL_MAP = Text('{"c": "Angry"}\n', '{"c": "An', '["Angry"]', f'{{"c": "{"x" * LONG}"}}')
DESCRIBED = '{"id": "a", "description": "soft"}'
DESCRIPTIONS = Text(
    f"\n{DESCRIBED}\n", DESCRIBED[:25], '{"id": "a"}', DESCRIBED.replace("soft", "x" * LONG), True
)
SUBTITLES = csv("name,english\nz,No.\na,Yes.\n", optional=True)
SIX = Labels("whole", {"Ses05F_impro01_F000": {"emo": 2, "val": -10}})
VALUES = Labels("test", {"v_1": {"emo": 0, "val": 1.5}})
CLIPS = "video_id,clip_id,text,label,mode"

CASES = {
    "iemocap": Case(
        "iemocap-4class",
        "test",
        {
            "Session5/dialog/EmoEvaluation/Ses05F_impro01.txt": EVALUATION,
            "Session5/dialog/transcriptions/Ses05F_impro01.txt": SAID,
        },
        dirs=SESSIONS,
    ),
    "iemocap-merbench": Case(
        "iemocap-6class",
        "test",
        {
            "label_6way.npz": SIX,
            "transcription-engchi-polish.csv": csv(
                "name,chinese,english\nz,,No.\nSes05F_impro01_F000,,Yes.\n", optional=True
            ),
        },
    ),
    "msp-improv": Case("msp-improv", "test", {"Evalution.txt": IMPROV}),
    "msp-podcast": Case(
        "msp-podcast-1.11",
        "test1",
        {
            "labels_consensus.csv": csv(
                "FileName,EmoClass,SpkrID,Split_Set\nM_1.wav,N,1,Test1\nM_2.wav,N,2,Train\n"
            ),
            "Transcripts/M_1.txt": Text("So.\n", "S", "So,", "x" * LONG, optional=True, odd=True),
        },
    ),
    "crema-d": Case(
        "crema-d",
        "fold1-test",
        {
            "processedResults/summaryTable.csv": csv(
                '"","FileName","VoiceVote","MultiModalVote"\n"1","1001_IEO_HAP_LO","N","H"\n'
            )
        },
    ),
    "meld": Case(
        "meld",
        "test",
        {
            "test_sent_emo.csv": csv(
                "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
                "Oh.,Ross,joy,positive,0,0\n"
            )
        },
    ),
    "meld-merbench": Case(
        "meld", "test", {"label.npz": Labels("test", {"test_dia0_utt0": {"emo": 0, "val": -10}})}
    ),
    "mer2023": Case(
        "mer2023",
        "test1",
        {
            "test1-label.csv": csv("name,discrete,valence\nz,sad,-1\na,happy,1.5\n"),
            "subtitle_chieng.csv": SUBTITLES,
            "descriptions.jsonl": DESCRIPTIONS,
        },
        items=2,
    ),
    "mer2023-merbench": Case(
        "mer2023",
        "test1",
        {"label-6way.npz": Labels("test1", {"a": {"emo": "happy", "val": 1.0}})},
    ),
    "mer2025-words": Case(
        "mer2025-fg", "test", {"track2_test.csv": csv("name,openset\na,['sad']\n")}
    ),
    "ov-merd": Case(
        "ov-merd",
        "test",
        {
            "track2_train_ovmerd.csv": csv("name,openset\na,\"['sad', 'calm']\"\n"),
            "subtitle_chieng.csv": SUBTITLES,
            "descriptions.jsonl": DESCRIPTIONS,
        },
    ),
    "emobox": Case(
        "emobox-cafe",
        "fold1-test",
        {
            "data/cafe/fold_1/cafe_test_fold_1.jsonl": ROWS,
            "data/cafe/label_map.json": LABEL_MAP,
        },
        items=2,
    ),
    "emospeech": Case(
        "emospeech",
        "test",
        {"EmoSPeech_phase_2_test.csv": csv("id,label,transcription\na.mp3,joy,Sí.\n")},
    ),
    "sims": Case("sims", "test", {"label.csv": csv(f"{CLIPS}\nv,1,Yes.,0.4,test\n")}),
    "sims-own": Case(
        "sims",
        "test",
        {
            "metadata/sentiment/label_M.csv": csv("video_id,clip_id,label\nv,1,0.4\n"),
            "metadata/test_index.csv": Text("index\n0\n", cut="-", wide="0,1", long="0" * LONG),
        },
    ),
    "cmu-mosi": Case(
        "cmu-mosi",
        "test",
        {"label.npz": VALUES, "transcription.csv": csv("name,sentence\nv_1,Yes.\n", optional=True)},
    ),
}
FILES = {f"{name}:{path}": (case, path) for name, case in CASES.items() for path in case.files}
TEXTS = {name: (c, path) for name, (c, path) in FILES.items() if isinstance(c.files[path], Text)}
LABELS = {name: one for name, one in FILES.items() if name not in TEXTS}
TABLES = {name: one for name, one in TEXTS.items() if name.endswith(".csv")}
EACH_FILE = pytest.mark.parametrize(("case", "path"), FILES.values(), ids=FILES)
EACH_TEXT = pytest.mark.parametrize(("case", "path"), TEXTS.values(), ids=TEXTS)
EACH_TABLE = pytest.mark.parametrize(("case", "path"), TABLES.values(), ids=TABLES)
EACH_LABEL_FILE = pytest.mark.parametrize(("case", "path"), LABELS.values(), ids=LABELS)


@pytest.fixture(autouse=True)
def _small_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msp_podcast, "_TURNS", {"1.11": {}})
    monkeypatch.setattr(msp_podcast, "_BETWEEN", {"1.11": (0, 9)})


def read(case: Case, root: Path) -> int:
    return len(rows(case.task, case.split, root))


def refused(case: Case, root: Path, path: str) -> str:
    """The message about that file: short, and for exit code 2."""
    with pytest.raises(InputError) as caught:
        read(case, root)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert Path(path).name in message
    assert len(message) < 1000
    return message


@pytest.mark.parametrize("name", CASES)
def test_unbroken_files_are_read(name: str, tmp_path: Path) -> None:
    CASES[name].write(tmp_path)
    assert read(CASES[name], tmp_path) == CASES[name].items


@EACH_FILE
def test_a_file_that_is_not_there(case: Case, path: str, tmp_path: Path) -> None:
    case.write(tmp_path)
    (tmp_path / path).unlink()
    if case.files[path].optional:
        assert read(case, tmp_path) == case.items
    elif case.task == "iemocap-4class":  # one dialogue of many: the card's counts tell
        assert read(case, tmp_path) == 0
    else:
        with pytest.raises(MissingDataError):
            read(case, tmp_path)


@EACH_FILE
def test_a_folder_in_its_place(case: Case, path: str, tmp_path: Path) -> None:
    case.write(tmp_path)
    (tmp_path / path).unlink()
    (tmp_path / path).mkdir()
    assert "directory" in refused(case, tmp_path, path)


@EACH_TEXT
def test_bytes_that_are_not_utf8(case: Case, path: str, tmp_path: Path) -> None:
    case.write(tmp_path)
    file = case.files[path]
    assert isinstance(file, Text)
    (tmp_path / path).write_bytes(file.content.rstrip() + b"\xff\n")
    if file.odd:
        assert read(case, tmp_path) == case.items
    else:
        message = refused(case, tmp_path, path)
        assert f"{file.where}: byte 0xff" in message
        assert "iconv" in message


@pytest.mark.parametrize("damage", ["cut", "wide", "long"])
@EACH_TEXT
def test_malformed_last_lines(case: Case, path: str, damage: str, tmp_path: Path) -> None:
    case.write(tmp_path)
    file = case.files[path]
    assert isinstance(file, Text)
    (tmp_path / path).write_bytes(file.with_last(getattr(file, damage)))
    if file.odd and damage != "long":
        assert read(case, tmp_path) == case.items
    else:
        message = refused(case, tmp_path, path)
        assert "expected" in message
        # A transcript and a label map are one thing each, a row of SIMS's index names no line.
        if not (file.odd or path.endswith(("label_map.json", "index.csv"))):
            assert file.where in message


@EACH_TABLE
def test_quotes_that_are_not_closed(case: Case, path: str, tmp_path: Path) -> None:
    """The rest of the table would be one cell."""
    case.write(tmp_path)
    file = tmp_path / path
    file.write_bytes(file.read_bytes() + b'"x\n' + b"a,b\n" * 3)
    assert "unexpected end of data" in refused(case, tmp_path, path)


def damaged(labels: Labels) -> Iterator[bytes]:
    """Cut off, empty, text, a list, lists in place of labels, half a surrogate pair as an id."""
    whole = labels.content
    yield whole[: len(whole) // 2]
    yield b""
    yield b"name,label\n"
    yield labels.saved(np.array([1.0, 2.0]))
    yield labels.saved(np.array({"a": [1, 2]}, dtype=object))
    yield labels.saved(np.array({"\ud800": {"emo": 0, "val": 0.0}}, dtype=object))


@EACH_LABEL_FILE
def test_label_files(case: Case, path: str, tmp_path: Path) -> None:
    labels = case.files[path]
    assert isinstance(labels, Labels)
    for content in damaged(labels):
        shutil.rmtree(tmp_path, ignore_errors=True)
        case.write(tmp_path)
        (tmp_path / path).write_bytes(content)
        refused(case, tmp_path, path)


@pytest.mark.parametrize(
    ("case", "place"),
    [
        (CASES["iemocap"], "Session2/dialog/EmoEvaluation"),
        (CASES["iemocap"], "Session5/dialog/transcriptions"),
        (Case("crema-d", "fold1-test", {}), "AudioWAV"),
    ],
    ids=["EmoEvaluation", "transcriptions", "AudioWAV"],
)
def test_a_file_in_place_of_a_folder(case: Case, place: str, tmp_path: Path) -> None:
    case.write(tmp_path)
    shutil.rmtree(tmp_path / place, ignore_errors=True)
    (tmp_path / place).touch()
    assert "this is no folder" in refused(case, tmp_path, place)


def test_one_of_several_data_sets(tmp_path: Path) -> None:
    """What PEFT-SER puts together: the damaged file is told before the data sets that lack."""
    root = tmp_path / "IEMOCAP"
    CASES["iemocap"].write(root)
    path = root / "Session5/dialog/EmoEvaluation/Ses05F_impro01.txt"
    path.write_bytes(EVALUATION.with_last(EVALUATION.cut))
    with pytest.raises(InputError, match=r"Ses05F_impro01\.txt, line 4: no turn"):
        peft_ser.read(data_folder(card_of("peft-ser"), tmp_path), "", "test")


def test_columns_that_come_twice(tmp_path: Path) -> None:
    (tmp_path / "ovlabel.csv").write_text("name,openset,openset\na,['sad'],['calm']\n")
    with pytest.raises(InputError, match="line 1: 2 columns 'openset'"):
        rows("ov-merd-plus", "test", tmp_path)


def test_an_index_of_thousands_of_digits(tmp_path: Path) -> None:
    case = CASES["sims-own"]
    case.write(tmp_path)
    (tmp_path / "metadata/test_index.csv").write_text("index\n" + "9" * 5000 + "\n")
    assert "the index '999" in refused(case, tmp_path, "test_index.csv")


@pytest.mark.parametrize("text", [r'{"id": "\ud800", "description": "x"}', "[" * 50_000])
def test_json_that_no_file_can_hold(text: str, tmp_path: Path) -> None:
    case = CASES["ov-merd"]
    case.write(tmp_path)
    (tmp_path / "descriptions.jsonl").write_text(text)
    assert "line 1: not a description" in refused(case, tmp_path, "descriptions.jsonl")
