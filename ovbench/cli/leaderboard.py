"""``ovbench leaderboard``: make, check and add records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ovbench.cli import leaderboard_pages
from ovbench.cli import options as opt
from ovbench.cli.given import refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ovbench.board.record import Record, Selection

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

app.command("build")(leaderboard_pages.build)
app.command("export")(leaderboard_pages.export)


Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Submissions.")]


@app.callback()
def leaderboard() -> None:
    """Make, check and add records of results; build pages and tables from them.

    \b
    Examples:
      ovbench leaderboard record runs/lora-las-r4/tinyov --out mine.json
      ovbench leaderboard check mine.json
      ovbench leaderboard add mine.json
      ovbench leaderboard build --out site
    """


@app.command("check")
def check(
    files: Files,
    data: opt.Data = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse what could not be recomputed, too.")
    ] = False,
    json: opt.Json = None,
) -> None:
    """Check submissions: form, ids, and every figure, computed again from the predictions.

    Where a task's gold is not on this machine, or no predictions ride along, a record is told to be
    not recomputed; with --strict it is refused.

    \b
    Examples:
      ovbench leaderboard check mine.json
      ovbench leaderboard check leaderboards/measured/*.json --strict
      ovbench leaderboard check meld.json --data ~/datasets --json -

    Exit codes: 0 nothing is wrong, 1 failed while running (memory or disk that ran out), 2
    something is wrong, or was not recomputed under --strict, 3 a damaged file, 130 stopped.
    """
    from ovbench.board.check import check_submission
    from ovbench.board.told import checked_json, checked_section, not_recomputed, refuse
    from ovbench.cli.console import note, show, watched, write_json
    from ovbench.progress import track

    with watched():
        found = [check_submission(file) for file in track(files, "checking")]
    if json is not None:
        write_json(json, checked_json(found))
    if json != "-" and any(one.records for one in found):
        show([checked_section(found)])
    problems = [(one.file, problem) for one in found for problem in one.problems]
    for file, left in not_recomputed(found):
        if strict:
            problems.append((file, left))
        else:
            note(f"warning: {file}: {left}")
    refuse(problems)


@app.command("add")
def add(
    files: Files, board: leaderboard_pages.Board = leaderboard_pages.BOARD, data: opt.Data = None
) -> None:
    """Check submissions and put them on a leaderboard: all of them, or none.

    A submission keeps its file's name; a name that is taken, or a record that is there already, is
    refused.

    \b
    Examples:
      ovbench leaderboard add mine.json
      ovbench leaderboard add a.json b.json --board ~/my-leaderboards
    """
    from ovbench.board.store import add as add_files
    from ovbench.board.told import not_recomputed
    from ovbench.cli.console import note, watched

    with watched():
        added = add_files(files, board)
    for file, left in not_recomputed([one.checked for one in added]):
        note(f"warning: {file}: {left}")
    for one in added:
        for sentence in one.same_answers:
            note(f"warning: {one.checked.file}: {sentence}")
        typer.echo(one.file)


@app.command("record")
def record(
    context: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Folders of finished runs (ovbench eval)."),
    ] = None,
    out: Annotated[str, typer.Option("--out", help="The submission to write, or - .")] = "-",
    predictions: Annotated[
        str | None, typer.Option(help="In place of runs: a file of predictions made elsewhere.")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", "-t", help="Task that the predictions answer.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of the task.")] = None,
    system: Annotated[str | None, typer.Option(help="What made the predictions.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Where the predictions can be had: an address, a paper.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(help="What else tells the system apart, as modality=A,T; repeatable."),
    ] = None,
    oracle: Annotated[
        bool, typer.Option("--oracle", help="The system saw gold: an upper bound, unranked.")
    ] = False,
    selection: Annotated[
        Literal["fixed", "dev", "test-best", "unknown"] | None,
        typer.Option(help="How the checkpoint was chosen. Default: as the run tells."),
    ] = None,
    remark: Annotated[
        str | None, typer.Option("--note", help="What a reader of the figures must know.")
    ] = None,
    draws: Annotated[
        int, typer.Option(min=0, max=100_000, help="Bootstrap draws, for predictions; 0: none.")
    ] = 10_000,
    data: opt.Data = None,
) -> None:
    """Make a submission, from finished runs or from a file of predictions.

    A run gives a record for each protocol of its task, with what it was made of and what it cost;
    of its command line the folders of this machine are left out. Predictions made elsewhere are
    scored here, and the record says so.

    \b
    Examples:
      ovbench leaderboard record runs/lora-las-r4/tinyov --out mine.json
      ovbench leaderboard record runs/mine/meld runs/mine/sims --selection dev --out mine.json
      ovbench leaderboard record --predictions preds.jsonl --task tinyov \\
        --system "My system" --source https://example.org/preds.jsonl --out mine.json
    """
    from ovbench.board.submission import submission_text
    from ovbench.cli.console import watched, write_json
    from ovbench.errors import InputError

    if (predictions is None) == (not runs):
        raise InputError(
            "neither runs nor predictions are given" if not runs else "both are given",
            expected="folders of runs, or --predictions FILE",
        )
    if predictions is None:
        refuse(
            context,
            ("task", "split", "system", "source", "setting", "oracle", "draws"),
            "folders of runs",
            expected="it with --predictions alone",
            mend="leave it out: a run tells it itself",
        )
    with watched():
        if predictions is None:
            records = _of_runs(runs or [], selection, remark)
        else:
            from ovbench.board.make import record_of_predictions
            from ovbench.scoring import Options

            records = record_of_predictions(
                predictions,
                _given(task, "--task"),
                system=_given(system, "--system"),
                source=_given(source, "--source"),
                split=split,
                selection=selection or "unknown",
                oracle=oracle,
                setting=_settings(setting or []),
                note=remark,
                options=Options(draws=draws),
            )
    write_json(out, submission_text(records))


def _of_runs(
    runs: Sequence[str], selection: Selection | None, remark: str | None
) -> tuple[Record, ...]:
    from ovbench.board.make import record_of_run

    return tuple(
        found for run in runs for found in record_of_run(run, selection=selection, note=remark)
    )


def _given(value: str | None, option: str) -> str:
    from ovbench.errors import InputError

    if not value:
        raise InputError(f"{option} is missing", expected="it, with --predictions")
    return value


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    """``modality=A,T`` → a setting."""
    from ovbench.errors import InputError

    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value) or name in found:
            raise InputError(f"--setting {pair}", expected="each name once, as modality=A,T")
        found[name] = value
    return found
