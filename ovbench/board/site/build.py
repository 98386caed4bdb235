"""A board to a folder of pages."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ovbench.board.export import export_table
from ovbench.board.site.compare import comparison_data
from ovbench.board.site.pages import HERE, Pages
from ovbench.board.site.plots import Plot, draw
from ovbench.board.site.views import TableView, TaskView, system_views, table_view, task_views
from ovbench.board.store import Board
from ovbench.board.submission import canonical_json
from ovbench.board.tables import tables
from ovbench.errors import InputError
from ovbench.io.folders import make_folder, settle, whole_folder
from ovbench.io.lock import locked
from ovbench.tasks.card import card_of, task_ids

_MARK = ".ovbench-site"
"""A file that says that a folder was written here, and may be written anew."""
_EXPORTS = (("Markdown", "md", "markdown"), ("LaTeX", "tex", "latex"), ("CSV", "csv", "csv"))
"""Name, suffix, and what :func:`ovbench.board.export.export_table` calls it."""
_FOLDERS = ("assets", "tasks", "tables", "compare", "systems", "records", "plots", "exports")


@dataclass(frozen=True)
class SiteReport:
    """What was written: the folder, and how many pages, tables, records, plots, files, bytes."""

    folder: Path
    pages: int
    tables: int
    records: int
    plots: int
    files: int
    size: int


def build(board: Board, out: str | Path) -> SiteReport:
    """Write the site of a board to ``out``, whole or not at all. Open ``out/index.html``.

    The same board gives the same bytes. A site that lies there already is replaced. Answers
    are scored, and ranked, only where the data folder holds their task, or the task ships.

    Raises
    ------
    InputError
        If the board has no records, ``out`` holds other files, or another process is writing it.
    MissingExtraError
        If the libraries of the extra ``report`` are not installed.
    OvbenchError
        If writing fails midway; a former site is left as it was.
    """
    folder = Path(out).resolve()
    if not board.entries:
        raise InputError("the leaderboard has no records", expected="at least one")
    if not folder.name:
        raise InputError(
            "the root of the file system cannot be replaced by a site",
            where=str(out),
            expected="a folder of its own",
            mend="name an empty folder or a new one",
        )
    make_folder(folder.parent)
    with locked(folder, beside=True):
        settle(folder)
        _check_replaceable(folder, str(out))
        return _built(board, folder)


def _built(board: Board, folder: Path) -> SiteReport:
    pages = Pages()
    with _without_collector(), whole_folder(folder, durable=False) as fresh:
        views = [table_view(table) for table in tables(board)]
        for name in _FOLDERS:
            (fresh / name).mkdir()
        (fresh / _MARK).write_text("written by ovbench leaderboard build; replaced as a whole\n")
        _copy_assets(fresh)
        plots = _write(fresh, board, views, pages)
        files = [path for path in fresh.rglob("*") if path.is_file()]
        return SiteReport(
            folder=folder,
            pages=sum(path.suffix == ".html" for path in files),
            tables=len(views),
            records=len(board.entries),
            plots=plots,
            files=len(files),
            size=sum(path.stat().st_size for path in files),
        )


@contextmanager
def _without_collector() -> Iterator[None]:
    """No search for reference cycles in the block.

    It would walk through all records and answers again and again, a fourth of the time on large
    boards, and there are no cycles to speak of.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _write(out: Path, board: Board, views: Sequence[TableView], pages: Pages) -> int:
    """All pages and files; how many plots there are among them."""
    tasks, systems = task_views(views), system_views(views)
    entries = {entry.id: entry for entry in board.entries}
    put = _Writer(out)
    put.text("index.html", pages.index(tasks, systems, len(entries)))
    for system in systems:
        put.text(system.page, pages.system(system))
    plots = 0
    for task in tasks:
        put.text(task.page, pages.task(task, _about(task)))
        for view in task.tables:
            plot = draw(view) if view.plotted else None
            plots += plot is not None
            _write_table(put, view, task, plot, pages)
            for line in view.lines:
                if line.row.record is not None:
                    entry = entries[line.row.id]
                    put.text(f"records/{entry.id}.html", pages.record(entry, view, line, task))
                    # sha256sum of the file begins with the id
                    put.text(f"records/{entry.id}.json", canonical_json(entry.record))
    return plots


def _write_table(
    put: _Writer, view: TableView, task: TaskView, plot: Plot | None, pages: Pages
) -> None:
    slug = view.table.slug
    put.text(f"tables/{slug}.html", pages.table(view, task, plot, list(_exports(put, view))))
    if plot is not None:
        put.text(f"plots/{slug}.svg", plot.svg)
        put.data(f"plots/{slug}.png", plot.png)
    if view.comparable:
        data = comparison_data(view)
        put.text(f"compare/{slug}.html", pages.compare(view, task, data.page))
        for name, script in data.scripts.items():
            put.text(f"compare/{name}.js", script)


def _exports(put: _Writer, view: TableView) -> Iterator[tuple[str, str]]:
    """Writes the table in other formats beside the pages; gives their names and files."""
    for name, suffix, form in _EXPORTS:
        file = f"{view.table.slug}.{suffix}"
        put.text(f"exports/{file}", export_table(view.table, form))
        yield name, file


def _about(task: TaskView) -> str:
    """What the task's card says in a line; nothing for data sets that only publications name."""
    if task.name not in task_ids():
        return ""
    card = card_of(task.name)
    return f"{card.views[task.name].title}. Licence: {card.licence}. {card.access}"


class _Writer:
    """Writes files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def text(self, name: str, text: str) -> None:
        self.data(name, text.encode("utf-8", "replace"))

    def data(self, name: str, data: bytes) -> None:
        (self._folder / name).write_bytes(data)


def _copy_assets(out: Path) -> None:
    for path in sorted((HERE / "assets").iterdir()):
        shutil.copyfile(path, out / "assets" / path.name)


def _check_replaceable(folder: Path, given: str) -> None:
    """Only an empty folder or an older site is replaced."""
    if folder.is_dir():
        names = {path.name for path in folder.iterdir()}
        if not names or _MARK in names:
            return
    elif not folder.exists():
        return
    raise InputError(
        "this is not a site that ovbench wrote, and it would be replaced as a whole",
        where=given,
        mend="name an empty folder or a new one",
    )
