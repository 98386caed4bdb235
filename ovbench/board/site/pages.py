"""Templates to pages. Whatever is printed is escaped; what is missing is an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ovbench import __version__
from ovbench.board.site.fields import sections
from ovbench.board.site.plots import Plot
from ovbench.board.site.text import count, plain, shortened, slug
from ovbench.board.site.views import Line, SystemView, TableView, TaskView
from ovbench.board.store import Entry
from ovbench.errors import MissingExtraError
from ovbench.report.sections import percent

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""Nothing is fetched but the site's own scripts, style sheet and images; nothing inline runs."""
PREDICTIONS_SHOWN = 50


class Pages:
    """Renders pages.

    Raises
    ------
    MissingExtraError
        If Jinja2 is not installed.
    """

    def __init__(self) -> None:
        self._environment = _environment()

    def index(self, tasks: Sequence[TaskView], systems: Sequence[SystemView], records: int) -> str:
        """The first page."""
        return self._page(
            "index", "Leaderboards", "", (), tasks=tasks, systems=systems, records=records
        )

    def task(self, task: TaskView, about: str) -> str:
        """A task and its tables."""
        return self._page("task", task.name, "../", _trail(), task=task, about=about)

    def table(
        self, view: TableView, task: TaskView, plot: Plot | None, exports: Sequence[tuple[str, str]]
    ) -> str:
        """A table."""
        return self._page(
            "table",
            view.table.title,
            "../",
            _trail((task.name, task.page)),
            view=view,
            table=view.table,
            plot=Markup(plot.svg) if plot else "",  # noqa: S704 - names are escaped in the drawing
            plot_caption=plot.caption if plot else "",
            exports=exports,
        )

    def compare(self, view: TableView, task: TaskView, data: Markup) -> str:
        """Two systems side by side; ``data`` comes from :func:`embedded`."""
        title = f"Two systems on {view.table.title}"
        trail = _trail((task.name, task.page), (view.table.title, f"tables/{view.table.slug}.html"))
        return self._page("compare", title, "../", trail, view=view, table=view.table, data=data)

    def system(self, system: SystemView) -> str:
        """A system and its records."""
        kinds = sorted({line.row.provenance for _, line in system.lines})
        facts = list(_facts(system))
        return self._page(
            "system", system.name, "../", _trail(), system=system, kinds=kinds, facts=facts
        )

    def record(self, entry: Entry, view: TableView, line: Line, task: TaskView) -> str:
        """A record with all its fields."""
        return self._page(
            "record",
            f"{line.row.name}: record {entry.id}",
            "../",
            _trail((task.name, task.page), (view.table.title, f"tables/{view.table.slug}.html")),
            entry=entry,
            record=entry.record,
            view=view,
            line=line,
            sections=sections(entry.record, entry.file),
            shown=PREDICTIONS_SHOWN,
        )

    def _page(
        self,
        template: str,
        title: str,
        root: str,
        trail: Sequence[tuple[str, str]],
        **values: object,
    ) -> str:
        found = self._environment.get_template(f"{template}.html")
        return found.render(title=title, root=root, trail=trail, **values)


def _trail(*steps: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (("Leaderboards", "index.html"), *steps)


def _facts(system: SystemView) -> Iterator[tuple[str, list[str]]]:
    """What the records say of the system itself; every value that any of them has."""
    entries = [line.row.record.system for _, line in system.lines if line.row.record]
    for name in ("kind", "backbone", "scale", "context_source", "recipe", "base"):
        values = sorted({str(getattr(one, name)) for one in entries if getattr(one, name)})
        if values:
            yield name.replace("_", " "), values


def _environment() -> Environment:
    try:
        import jinja2
    except ModuleNotFoundError:
        raise MissingExtraError("writing a leaderboard's pages", "report") from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=plain,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters: dict[str, Any] = {
        "points": percent,
        "whole": count,
        "anchor": slug,
        "shortened": shortened,
    }
    environment.filters.update(filters)
    environment.globals.update(policy=POLICY, version=__version__)
    return environment
