"""``ovbench describe``, as a user runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from sounds import silence, voice, write
from typer.testing import CliRunner

from ovbench.cli.describe import describe
from ovbench.errors import InputError
from ovbench.progress import reporting

app = typer.Typer(pretty_exceptions_enable=False)
app.command("describe")(describe)


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(done.exception, InputError), done.output
    assert done.exception.exit_code == 2
    return str(done.exception)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clips = tmp_path / "clips"
    clips.mkdir()
    for number in range(24):
        sound = voice(100 + 10 * number, 0.7) * (0.2 + number / 30)
        write(clips / f"spk{number % 2}_{number:02d}.wav", sound, subtype="PCM_16")
    return clips


def test_one_clip_is_printed_phrase_by_phrase(tmp_path: Path) -> None:
    out = run(write(tmp_path / "high.wav", voice(300, 1.0)))
    assert "a very high pitch" in out
    assert "300" in out
    assert "Hz" in out
    assert "The speaker has" in out


def test_the_record_as_json(tmp_path: Path) -> None:
    path = write(tmp_path / "high.wav", voice(300, 1.0))
    told = json.loads(run(path, "--json", "-", "--language", "es"))
    assert told["counts"] == {"ok": 1}
    clip = told["clips"][0]
    assert clip["description"].startswith("La persona que habla tiene un tono muy agudo")
    assert clip["measures"]["pitch"] == pytest.approx(300, rel=0.01)
    assert clip["statistics"]["kind"] == "builtin"
    assert clip["describer"] == told["describer"]


def test_a_folder_into_a_file_with_damaged_clips(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.wav").write_bytes(b"RIFF")
    write(folder / "still.wav", silence(1.0))
    out = tmp_path / "descriptions.jsonl"
    told = json.loads(run(folder, "--out", out, "--json", "-"))
    assert told["counts"] == {"ok": 24, "silent": 1, "unreadable": 1}
    first = out.read_bytes()
    lines = [json.loads(line) for line in first.splitlines()]
    assert sorted(line["id"] for line in lines)[0] == "bad"
    text = run(folder, "--out", out)
    assert "unreadable" in text
    assert "24" in text
    assert sorted(out.read_bytes().splitlines()) == sorted(first.splitlines())


def test_lines_that_are_written_again_are_counted(tmp_path: Path) -> None:
    path, out = write(tmp_path / "a.wav", voice(150, 1.0)), tmp_path / "d.jsonl"
    text = run(path, "--out", out)
    assert "notes on what is wrong" not in text
    assert "did not count" not in text
    write(path, voice(300, 1.0))
    text = run(path, "--out", out)
    assert "lines that did not count: 1 of another clip" in text
    assert f"{out.name}.before" in "".join(text.split())
    (line,) = map(json.loads, out.read_bytes().splitlines())
    assert line["measures"]["pitch"] == pytest.approx(300, rel=0.01)
    told = json.loads(run(path, "--out", out, "--language", "es", "--json", "-"))
    assert sum(told["anew"].values()) == 1


def test_names_of_what_there_is(tmp_path: Path) -> None:
    assert "unknown language 'xx' (known: en, es)" in refused("a.wav", "--language", "xx")
    assert "unknown sex 'x' (known: female, male)" in refused("a.wav", "--sex", "x")


def test_broken_mp3_is_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, voice(150, 4.0), 16_000)
    good = path.read_bytes()
    path.write_bytes(good[:700] + bytes(3000) + good[700:900])
    assert "cannot be decoded" in refused(path)
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_channels_that_cancel_out_are_no_silence(tmp_path: Path) -> None:
    one = voice(150, 1.0)
    path = write(tmp_path / "a.wav", np.stack([one, -one], axis=1))
    (clip,) = json.loads(run(path, "--json", "-"))["clips"]
    assert clip["status"] == "ok"
    assert clip["notes"] == ["its channels cancel out: measured from channel 1 alone"]
    alone = json.loads(run(write(tmp_path / "b.wav", one), "--json", "-"))["clips"][0]
    assert clip["measures"] == alone["measures"]
    # One channel that nobody spoke into cancels nothing out: the mean is what is measured.
    quiet = 10 ** (-58 / 20) * one / np.sqrt(np.mean(one**2))
    path = write(tmp_path / "c.wav", np.stack([quiet, 0 * quiet], axis=1))
    assert json.loads(run(path, "--json", "-"))["clips"][0]["status"] == "silent"


def test_nothing_that_can_be_read_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    done = CliRunner().invoke(app, [str(tmp_path / "bad.wav"), str(tmp_path / "gone.wav")])
    assert done.stdout == ""
    message = str(done.exception)
    assert "none of 2 clips could be read" in message
    assert f"{tmp_path / 'gone.wav'}: is not there; expected a sound file." in message
    out = tmp_path / "d.jsonl"
    assert "none of 1 clips" in refused(tmp_path / "bad.wav", "--out", out)
    assert json.loads(out.read_bytes())["status"] == "unreadable"


def test_fitting_and_using_statistics(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.wav").write_bytes(b"RIFF")
    voices = tmp_path / "voices.json"
    text = run(folder, "--fit", voices, "--speaker-from", r"/(spk\d)_")
    assert "24 clips" in text
    assert "1 more could not be read" in text
    fitted = json.loads(voices.read_bytes())
    assert fitted["corpus"]["pitch"][0] == pytest.approx(123, abs=2)
    assert fitted["speakers"] == {}
    before = json.loads(run(folder / "spk0_10.wav", "--json", "-"))
    after = json.loads(run(folder / "spk0_10.wav", "--json", "-", "--statistics", voices))
    assert before["describer"] != after["describer"]
    assert after["clips"][0]["statistics"]["kind"] == "corpus"
    assert after["clips"][0]["phrases"][0]["text"] == "a moderate pitch"


def test_the_sex_chooses_the_constants(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", voice(200, 1.0))
    for sex, text in (("male", "a very high pitch"), ("female", "a moderate pitch")):
        told = json.loads(run(path, "--sex", sex, "--json", "-"))
        assert told["clips"][0]["phrases"][0]["text"] == text


def test_a_file_is_not_mixed(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    run(folder / "spk0_00.wav", "--out", out)
    message = refused(folder / "spk1_01.wav", "--out", out, "--language", "es")
    assert "Name another file with --out" in message


def test_files_that_are_no_statistics(tmp_path: Path) -> None:
    path, file = write(tmp_path / "a.wav", voice(150, 1.0)), tmp_path / "voices.json"
    for text, why in (
        ("{", "it is not JSON"),
        ('{"clips": 3}', "'source' is missing"),
        ('{"source": "x", "clips": 3, "more": 1}', "'more' is unknown"),
        (
            '{"source": "x", "clips": 3, "corpus": {"pitch": [3, 2, 1, 0]}}',
            "corpus.pitch: four numbers in rising order are needed",
        ),
    ):
        file.write_text(text, "utf-8")
        done = CliRunner().invoke(app, [str(path), "--statistics", str(file)])
        assert f"no statistics of voices ({why})" in str(done.exception)


def test_statistics_are_never_fitted_to_a_test_split() -> None:
    assert "test split" in refused("--task", "tinyov", "--split", "test", "--fit", "x.json")


def test_a_task_without_clips() -> None:
    assert "none of its items has a clip" in refused("--task", "tinyov", "--split", "train")


def test_what_does_not_go_together(tmp_path: Path) -> None:
    assert "no audio is given" in refused()
    assert "audio files and a --task" in refused("a.wav", "--task", "tinyov")
    assert "without a --task" in refused("a.wav", "--split", "train")
    for option in ("--out", "--statistics"):
        assert f"{option} does not go with --fit" in refused("a.wav", "--fit", "x", option, "y")
    path = write(tmp_path / "a.wav", voice(150, 1.0))
    before = Path(path).read_bytes()
    for option in ("--json", "--fit"):
        assert f"{option} would write what is no sound" in refused(path, option, path)
    assert Path(path).read_bytes() == before
    assert "did you mean" in refused(path, "--describer", "prosdy")


def test_progress_is_reported(folder: Path, tmp_path: Path) -> None:
    seen = []

    def reporter(items, what, total):
        for item in items:
            seen.append((what, total))
            yield item

    from ovbench.speech.clips import find_clips
    from ovbench.speech.describer import Prosody
    from ovbench.speech.files import write_descriptions
    from ovbench.speech.statistics import builtin

    with reporting(reporter):
        write_descriptions(tmp_path / "d", Prosody(builtin()), find_clips([str(folder)]))
    assert seen == [("clips", 24)] * 24
