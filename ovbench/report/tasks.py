"""Tasks, data sets' cards and what was found of them, as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from ovbench.report.sections import DASH, Section
from ovbench.tasks.card import Card, Split
from ovbench.tasks.doctor import Report, SplitCount

_STATES = {
    "found": "found",
    "partly": "partly there",
    "damaged": "there, but cannot be read",
    "missing": DASH,
}
_ORDER = ("wrong", "missing", "note")
_FEW_SPLITS = 4
"""A view with more has folds."""
_MANY_FINDINGS = 20
"""Of one data set: more are not printed."""


def task_list(cards: Iterable[Card], here: Iterable[str]) -> Section:
    """Every task on one line.

    Parameters
    ----------
    here:
        Ids of the data sets of which something is on this machine.
    """
    there = set(here)
    rows = []
    for card in cards:
        for name, view in card.views.items():
            split = card.splits_of(name)[view.split]
            items = DASH if split.items is None else str(split.items)
            found = "ships" if not card.places else "found" if card.id in there else DASH
            size, protocols = f"{view.split} {items}", _listed(view.protocols)
            rows.append((name, view.title, view.answers, size, protocols, found))
    notes = (
        "everything about one: ovbench tasks show ID",
        "whether its files are as they should be: ovbench doctor --data DIR",
    )
    columns = ("id", "what", "answers", "items", "protocols", "here")
    return Section("Tasks", columns, tuple(sorted(rows)), notes)


def tasks_json(cards: Iterable[Card], here: Iterable[str]) -> str:
    """``{"tasks": [...]}``: one entry per task, with its default split."""
    there = set(here)
    found = [
        {
            "id": name,
            "data_set": card.id,
            "title": view.title,
            "answers": view.answers,
            "split": view.split,
            "items": card.splits_of(name)[view.split].items,
            "splits": {split: about.role for split, about in card.splits_of(name).items()},
            "protocols": list(view.protocols),
            "here": not card.places or card.id in there,
        }
        for card in cards
        for name, view in card.views.items()
    ]
    return _json({"tasks": sorted(found, key=lambda task: str(task["id"]))})


def task_card(card: Card) -> Iterator[Section]:
    """A data set's card, in sections."""
    about = [("licence", card.licence), ("access", card.access)]
    about += [("home page", card.homepage)] if card.homepage else []
    about += [("description", " ".join(card.description.split())), ("citation", card.citation)]
    about += [("an item holds", line) for line in card.contents]
    yield Section(f"{card.id}: {card.title}", ("", "what"), tuple(about), card.notes)
    yield Section(
        "Views: one task each",
        ("task", "what", "answers", "default split", "protocols", "to know"),
        tuple(
            (n, v.title, v.answers, v.split, _listed(v.protocols), "\n".join(v.notes) or DASH)
            for n, v in card.views.items()
        ),
        ("the first protocol is the headline; what each is: ovbench protocols show ID",),
    )
    for splits, names in _split_tables(card):
        yield _splits(splits, names)
    if card.files:
        yield _files(card)
    if card.labels:
        yield Section("Labels", ("in the data set", "canonical"), tuple(card.labels.items()))
    if card.traps:
        rows = tuple((str(number), trap) for number, trap in enumerate(card.traps, 1))
        yield Section("Traps", ("", "what has gone wrong for others"), rows)


def card_json(card: Card) -> str:
    """The card's fields."""
    return _json(card.model_dump(mode="json"))


def _split_tables(card: Card) -> Iterator[tuple[dict[str, Split], list[str]]]:
    """Each different set of splits, with the views that have it."""
    found: list[tuple[dict[str, Split], list[str]]] = []
    for name in card.views:
        splits = card.splits_of(name)
        same = next((names for known, names in found if known == splits), None)
        if same is None:
            found.append((splits, [name]))
        else:
            same.append(name)
    yield from found


def _splits(splits: dict[str, Split], names: Sequence[str]) -> Section:
    rows = tuple(
        (
            name,
            split.role,
            DASH if split.items is None else str(split.items),
            _counts(split.classes),
        )
        for name, split in splits.items()
    )
    return Section(f"Splits of {', '.join(names)}", ("split", "for", "items", "classes"), rows)


def _files(card: Card) -> Section:
    rows = tuple(
        (file.path, file.holds, "yes" if file.needed else "no", file.url or DASH)
        for file in card.files
    )
    notes = [f"looked for in the data folder, and below it in: {_listed(card.places)}"]
    if any(file.url for file in card.files):
        notes.append(f"the public ones are fetched by: ovbench tasks fetch {card.id} --into DIR")
    return Section("Files", ("file", "holds", "needed", "public at"), rows, tuple(notes))


def fetched_section(card: Card, files: Iterable[object]) -> Section:
    """Where fetched files lie."""
    note = f"check them with: ovbench doctor {card.id}"
    return Section(f"{card.id}: fetched", ("file",), tuple((str(f),) for f in files), (note,))


def doctor_sections(reports: Sequence[Report], data: str | None) -> Iterator[Section]:
    """What was found, what is wrong or to know, and where to ask for what is missing."""
    where = "no data folder is named: use --data DIR, OVBENCH_DATA, or data in config.toml"
    yield Section(
        "Data sets",
        ("data set", "state", "items by task and split", "wrong", "notes"),
        tuple(_summary(report) for report in reports),
        (f"data folder: {data}" if data else where,),
    )
    for report in reports:
        rows = [(str(f.level), f.text) for f in report.findings if f.level != "ok"]
        if rows and report.state != "missing":
            more = len(rows) - _MANY_FINDINGS
            notes = (f"{more} more are in the report that --json writes",) if more > 0 else ()
            rows = sorted(rows, key=lambda row: _ORDER.index(row[0]))[:_MANY_FINDINGS]
            yield Section(f"{report.id}: {report.title}", ("", "found"), tuple(rows), notes)
    missing = [report for report in reports if report.state == "missing"]
    if missing:
        ways = tuple((report.id, report.access) for report in missing)
        note = "what exactly is looked for, and where: ovbench tasks show ID"
        yield Section("Not here: how to get them", ("data set", "access"), ways, (note,))


def doctor_json(reports: Sequence[Report], data: str | None) -> str:
    """``{"data": …, "wrong": …, "data_sets": [...]}``."""
    found = [asdict(report) for report in reports]
    return _json({"data": data, "wrong": any(r.wrong for r in reports), "data_sets": found})


def _summary(report: Report) -> tuple[str, ...]:
    if report.state == "missing":
        return (report.id, DASH, DASH, DASH, DASH)
    levels = [finding.level for finding in report.findings]
    counts = "\n".join(_by_view(report.splits))
    wrong, notes = levels.count("wrong"), levels.count("note")
    return (report.id, _STATES[report.state], counts, str(wrong or DASH), str(notes or DASH))


def _by_view(splits: Sequence[SplitCount]) -> Iterator[str]:
    """``meld: train 9989, dev –, test 2610``, per view; ``≠`` marks a number against the card.

    Of many splits (folds), those that are not as the card says, and how many there are.
    """
    for view in dict.fromkeys(split.view for split in splits):
        own = [one for one in splits if one.view == view]
        told = own
        if len(own) > _FEW_SPLITS:
            told = [one for one in own if one.items is None or _against(one)][:_FEW_SPLITS]
        shown = ", ".join(_size(one) for one in told)
        more = f"{len(own)} splits" + (", of them: " if shown else "") if told is not own else ""
        yield f"{view}: {more}{shown}"


def _against(one: SplitCount) -> bool:
    """Whether a split has another number of items than its card says."""
    return one.expected is not None and one.items not in (None, one.expected)


def _size(one: SplitCount) -> str:
    shown = DASH if one.items is None else str(one.items)
    return f"{one.split} {shown}" + (f" ≠ {one.expected}" if _against(one) else "")


def _counts(classes: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in classes.items()) or DASH


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
