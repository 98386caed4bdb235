"""``ovbench describe``: how voices sound, measured and put into words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from ovbench.cli import options as opt
from ovbench.cli.given import refuse
from ovbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ovbench.speech.describer import Clip, Describer
    from ovbench.speech.statistics import Statistics
    from ovbench.tasks import Task


Name = TypeVar("Name", bound=str)
LANGUAGES: tuple[Literal["en", "es"], ...] = ("en", "es")
"""In which descriptions are written."""
SEXES = ("female", "male")
_TOLD = 3
"""Clips of which a message says what is wrong, where it is so with all of them."""


def describe(
    context: typer.Context,
    audio: Annotated[
        list[str] | None,
        typer.Argument(metavar="AUDIO...", help="Files, folders, or patterns such as 'a/**/*.wav'"),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="Write descriptions here, one line a clip; the same command again goes on."
        ),
    ] = None,
    statistics: Annotated[
        str | None, typer.Option(help="What levels refer to: a file that --fit wrote.")
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(help="Fit such a file to these clips, which must be training data."),
    ] = None,
    language: Annotated[str, typer.Option(metavar="en|es", help="Of the sentences.")] = "en",
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="Describe a task's clips; ids are its items'."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of the task.")] = None,
    speaker_from: Annotated[
        str | None,
        typer.Option(help="Regular expression for the speaker in a file's path: '/([0-9]+)_'"),
    ] = None,
    sex: Annotated[
        str | None,
        typer.Option(metavar="female|male", help="Of all speakers, where it is one."),
    ] = None,
    describer: Annotated[
        str,
        typer.Option(
            help="prosody measures; qwen2-audio, qwen2.5-omni, audio-flamingo-3, voxtral or a "
            "folder: an audio language model."
        ),
    ] = "prosody",
    prompt: Annotated[
        str | None, typer.Option(help="What an audio language model is asked: a name or a file.")
    ] = None,
    device: opt.Device = "auto",
    json: opt.Json = None,
    data: opt.Data = None,
) -> None:
    """Describe how voices sound: each phrase beside the number that it says.

    Levels (high, fast) refer to statistics: of the speaker, the sex or the corpus where a fitted
    file knows them, else to constants. Clips that cannot be read are counted, and the rest goes on.

    \b
    Examples:
      ovbench describe clip.wav
      ovbench describe recordings/ --out descriptions.jsonl
      ovbench describe 'iemocap/**/*.wav' --fit voices.json --speaker-from '(Ses[0-9]+[FM])'
      ovbench describe clip.wav --statistics voices.json --language es --json -
      ovbench describe recordings/ --describer qwen2-audio --device cuda --out heard.jsonl
      ovbench describe --task meld --split train --fit voices.json --data ~/datasets
      ovbench describe --task meld --out ~/datasets/meld/descriptions.jsonl --statistics voices.json

    Exit codes: 0 described, 1 failed while running (memory or disk that ran out), 2 bad input, or
    not one clip could be read, 3 a damaged file, 130 stopped (what was done is kept).
    """
    spoken, voices = _one_of("language", language, LANGUAGES), _one_of("sex", sex, SEXES)
    clips, source = _clips(audio, task, split, speaker_from, voices, fitting=fit is not None)
    for option, target in (("--json", json), ("--fit", fit)):
        _check_no_sound(option, target)
    if fit is not None:
        refuse(
            context,
            ("out", "statistics", "describer", "language", "prompt", "device"),
            "--fit",
            expected="one step after the other: fit on training data, then describe",
        )
        _fit(clips, source, fit, json)
        return
    from ovbench.systems.hearing.describers import open_describer

    opened = open_describer(
        describer,
        statistics=_statistics(statistics),
        language=spoken or "en",
        prompt=prompt,
        device=device,
    )
    if out is not None:
        _write(opened, clips, out, json)
    else:
        _print(opened, clips, json)


def _check_no_sound(option: str, target: str | None) -> None:
    """Refuse to write over a clip by a slip of the hand."""
    from ovbench.speech.clips import SUFFIXES

    if target is not None and Path(target).suffix.lower() in SUFFIXES:
        raise InputError(
            f"{option} would write what is no sound into a sound file",
            where=target,
            expected="a name such as descriptions.json",
        )


def _one_of(option: str, given: str | None, known: Sequence[Name]) -> Name | None:
    """The one of these that is given, if any is. Raises UnknownNameError if it is another."""
    found = next((name for name in known if name == given), None)
    if given is not None and found is None:
        raise UnknownNameError(option, given, known)
    return found


def _clips(
    audio: list[str] | None,
    task: str | None,
    split: str | None,
    speaker_from: str | None,
    sex: str | None,
    *,
    fitting: bool,
) -> tuple[list[Clip], str]:
    """The clips that are meant, and what they are, in words."""
    from ovbench.speech.clips import find_clips

    if (task is None) == (not audio):
        raise InputError(
            "no audio is given" if task is None else "audio files and a --task are given",
            expected="ovbench describe AUDIO..., or ovbench describe --task ID",
        )
    if task is None:
        if split is not None:
            raise InputError("a --split is given without a --task")
        names = audio or []
        found = find_clips(names, speaker_from=speaker_from, sex=sex)
        return found, " ".join(names)
    from ovbench.tasks import load_task, trainable

    loaded = load_task(task, split)
    if fitting:
        trainable(loaded)
    return _of_task(loaded, sex), f"task {loaded.id}, {loaded.split}"


def _of_task(task: Task, sex: str | None) -> list[Clip]:
    from ovbench.cli.console import note
    from ovbench.speech.describer import Clip

    clips = [
        Clip(item.id, item.audio, item.transcript, item.speaker, sex)
        for item in task.items
        if item.audio
    ]
    if not clips:
        raise InputError(
            "none of its items has a clip on this machine",
            where=f"task {task.id}, {task.split}",
            mend="see what is missing with: ovbench doctor",
        )
    if len(clips) < len(task.items):
        note(f"{len(task.items) - len(clips)} of {len(task.items)} items have no clip here")
    return clips


def _statistics(path: str | None) -> Statistics | None:
    from ovbench.speech.statistics import read_statistics

    return None if path is None else read_statistics(path)


def _fit(clips: Sequence[Clip], source: str, path: str, json: str | None) -> None:
    from ovbench.cli.console import show, watched, write_json
    from ovbench.report.description import statistics_section
    from ovbench.speech.describer import measured_samples
    from ovbench.speech.statistics import fit_statistics, write_statistics

    with watched():
        samples = measured_samples(clips)
    fitted = fit_statistics(samples, source)
    write_statistics(path, fitted)
    if json is not None:
        write_json(json, fitted.to_json())
    if json != "-":
        show([statistics_section(fitted, path, len(clips) - len(samples))])


def _write(describer: Describer, clips: Sequence[Clip], out: str, json: str | None) -> None:
    from ovbench.cli.console import show, watched, write_json
    from ovbench.report.description import counts_section, descriptions_json
    from ovbench.speech.files import write_descriptions

    with watched():
        counts, anew = write_descriptions(out, describer, clips)
    if json is not None:
        write_json(json, descriptions_json(describer.id, counts, None, out, anew))
    _refuse_nothing(counts, f"the notes in {out} say what is wrong")
    if json != "-":
        show([counts_section(counts, describer.id, out, anew)])


def _print(describer: Describer, clips: Sequence[Clip], json: str | None) -> None:
    from collections import Counter

    from ovbench.cli.console import show, watched, write_json
    from ovbench.report.description import counts_section, description_section, descriptions_json
    from ovbench.speech.files import describe_all

    with watched():
        said = list(describe_all(describer, clips))
    counts = Counter[str](one.status for one in said)
    if json is not None:
        write_json(json, descriptions_json(describer.id, counts, said, None))
    _refuse_nothing(counts, " ".join(note for one in said[:_TOLD] for note in one.notes))
    if json != "-":
        show([*map(description_section, said), counts_section(counts, describer.id, None)])


def _refuse_nothing(counts: dict[str, int], why: str) -> None:
    """Raise where not one clip could be read."""
    if counts.get("unreadable", 0) == sum(counts.values()):
        raise InputError(
            f"none of {sum(counts.values())} clips could be read: {why.removesuffix('.')}"
        )
