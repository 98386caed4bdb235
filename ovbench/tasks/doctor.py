"""What is found of the data sets, what is missing, and what is wrong with it.

Missing files are no fault: nobody has every data set. Damaged files, counts against the card, an id
twice in a split or in both train and test of one data set, and speakers in both where the data set
says otherwise are *wrong*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from ovbench.errors import OvbenchError
from ovbench.io.hashes import file_sha256
from ovbench.progress import track
from ovbench.tasks.card import Card, File, Split, View, card_named, cards
from ovbench.tasks.clips import fault
from ovbench.tasks.errors import MissingDataError, WrongCountError
from ovbench.tasks.finding import Finding, Level
from ovbench.tasks.load import Rows, read_split, view_of
from ovbench.tasks.overlap import SplitIds, between_data_sets, within_data_set
from ovbench.tasks.places import DataFolder, data_folder, data_root

FAULTS = (OvbenchError, OSError, ValueError, LookupError)
"""What reading a damaged file may end with."""
_SHOWN = 3
_TEXTS = {"transcript": "transcript", "clip": "audio", "description": "description"}
"""What an item may lack → its field."""


@dataclass(frozen=True)
class SplitCount:
    """What was read of a view's split.

    Attributes
    ----------
    view, split, role:
        Which.
    items:
        How many items were read; None where the split cannot be read.
    expected:
        How many the card says; None where it does not.
    classes:
        Canonical class → items, of class views.
    """

    view: str
    split: str
    role: str
    items: int | None
    expected: int | None
    classes: dict[str, int]


@dataclass(frozen=True)
class Report:
    """One data set as it lies on this machine.

    Attributes
    ----------
    id, title, access:
        Of its card.
    state:
        ``found``: every split can be read; ``partly``: some; ``damaged``: files are there, but none
        can be read; ``missing``: none of its files is there.
    folders, looked:
        The folders that exist, and those that were looked for.
    splits:
        Per view and split.
    findings:
        In the order: folders, files, splits, overlaps, the reader's own.
    """

    id: str
    title: str
    access: str
    state: str
    folders: tuple[str, ...]
    looked: tuple[str, ...]
    splits: tuple[SplitCount, ...]
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> bool:
        """Whether anything is wrong with it."""
        return any(finding.level == "wrong" for finding in self.findings)


def examine(data: str | Path | None = None, only: Sequence[str] | None = None) -> list[Report]:
    """Look through the data folder.

    Parameters
    ----------
    data:
        The data folder (:mod:`ovbench.tasks.places`).
    only:
        Ids of tasks or data sets; None: all. Overlaps between data sets are looked for among these.

    Raises
    ------
    UnknownNameError
        If there is no such task or data set.
    InputError
        If what is named as the data folder is no folder. Whatever is wrong below it is reported.
    """
    chosen = _chosen(only)
    data_root(data)
    looks = [_Look(card, data_folder(card, data)) for card in track(chosen, "data sets")]
    across = between_data_sets({look.card.id: look.ids for look in looks})
    return [look.report(across.get(look.card.id, ())) for look in looks]


def _chosen(only: Sequence[str] | None) -> list[Card]:
    """The cards of these tasks or data sets, in the cards' order."""
    every = list(cards().values())
    if not only:
        return every
    wanted = {card_named(name).id for name in only}
    return [card for card in every if card.id in wanted]


class _Look:
    """Looks through one data set; keeps ids and speakers of its splits, but no items."""

    def __init__(self, card: Card, folder: DataFolder) -> None:
        self.card, self.folder = card, folder
        self.findings: list[Finding] = []
        self.counts: list[SplitCount] = []
        self.ids: list[SplitIds] = []
        self._faults: dict[str, str | None] = {}
        """Clip → what is wrong with it."""
        self._items: set[tuple[str, str]] = set()
        """Part and id of every item."""
        self._without: dict[str, dict[tuple[str, str], str]] = {called: {} for called in _TEXTS}
        """What may lack → the items that lack it, each with its split."""
        self._others: dict[str, list[str]] = {}
        """Part → why its splits are not those of the files: they may be another release's."""
        self._missing: dict[tuple[str, ...], list[str]] = {}
        """Files → the splits that cannot be read without one of them."""
        self._unreadable: dict[str, list[str]] = {}
        """Fault → the splits that cannot be read for it: one file often holds all of them."""
        self.any_file = self._look_for_files()
        for part in dict.fromkeys(view.part for view in card.views.values()):
            self._read_part(part)
        self._gather()
        self.findings += within_data_set(self.ids)
        if self.here:
            self._ask_reader()

    @property
    def here(self) -> bool:
        """Whether anything of it is on this machine."""
        return self.any_file or bool(self.ids)

    def report(self, across: Iterable[Finding]) -> Report:
        """All that was found, with what concerns other data sets too."""
        card, folder = self.card, self.folder
        read = [count.items is not None for count in self.counts]
        damaged = any(finding.level == "wrong" for finding in self.findings)
        state = "found" if all(read) else "partly" if any(read) or not damaged else "damaged"
        findings = [*self.findings, *across]
        if not self.here:
            state = "missing"
            findings = [Finding("missing", "none of its files is there")]
        return Report(
            id=card.id,
            title=card.title,
            access=card.access,
            state=state,
            folders=tuple(map(str, folder.folders)),
            looked=tuple(map(str, folder.looked)),
            splits=tuple(self.counts),
            findings=tuple(dict.fromkeys(findings)),
        )

    def _say(self, level: Level, text: str) -> None:
        self.findings.append(Finding(level, text))

    def _attempt(self, part: str, what: str, read: Callable[[], Rows]) -> Rows | None:
        """What can be read; otherwise None, and why in the findings."""
        try:
            return read()
        except MissingDataError as error:
            self._missing.setdefault(error.files, []).append(what)
        except WrongCountError as error:
            self._others.setdefault(part, []).append(f"{what}: {error}")
        except OvbenchError as error:
            self._unreadable.setdefault(str(error), []).append(what)
        except FAULTS as error:
            fault_told = f"cannot be read ({type(error).__name__}: {error})"
            self._unreadable.setdefault(fault_told, []).append(what)
        return None

    def _look_for_files(self) -> bool:
        """Look for the card's files; whether there is any."""
        found = False
        for file in self.card.files:
            try:
                path = self.folder.find(file.path)
                if path is None:
                    continue
                found = True
                self._say("ok", f"{file.path} is there: {path}")
                if _differs(file, path):
                    self._say("note", f"{path} is not the public file: its sha256 differs")
            except OSError as error:
                self._say("wrong", f"{file.path}: cannot be read ({error.strerror or error})")
        for corpus in self.folder.corpora():
            if corpus.holds_any():
                found = True
                self._say("ok", f"{corpus.card.id}, a part of it, is there")
            else:
                self._say("missing", f"{corpus.card.id}, a part of it, is not there")
        return found

    def _gather(self) -> None:
        """What holds for several splits, a finding each."""
        for files, splits in self._missing.items():
            way = self._way(files)
            names = " or ".join(files)
            self._say("missing", f"{', '.join(splits)} cannot be read: {names} is not there{way}")
        for why, splits in self._unreadable.items():
            self._say("wrong", f"{_some(splits)}: {why}")
        for texts in self._others.values():
            # A note where the files are those of another part: nobody has every release.
            self._say("note" if self.ids else "wrong", texts[0])
        for called, without in self._without.items():
            if len(without) == len(self._items) > 0:
                self._say("note", f"no item has a {called}")
            elif without:
                splits = list(dict.fromkeys(without.values()))
                share = f"{len(without)} of {len(self._items)} items"
                self._say("note", f"{share} have no {called} ({_some(splits)})")

    def _way(self, files: Sequence[str]) -> str:
        """How to get one of the files, where it is public."""
        public = any(file.url and file.path in files for file in self.card.files)
        return f" (ovbench tasks fetch {self.card.id} gets it)" if public else ""

    def _read_part(self, part: str) -> None:
        views = {name: view for name, view in self.card.views.items() if view.part == part}
        for split in dict.fromkeys(s for name in views for s in self.card.splits_of(name)):
            what = self._called(views, split)
            rows = self._attempt(
                part, what, partial(read_split, self.card, part, split, self.folder)
            )
            if rows is not None:
                self.findings += _of_ids(what, rows)
                if self.card.places:  # what ships is as it is
                    self.findings += self._of_clips(what, rows)
                    self._note_lacks(part, what, rows)
            for name, view in views.items():
                about = self.card.splits_of(name).get(split)
                if about is not None:
                    self._count(name, view, split, about, rows)

    def _called(self, views: Iterable[str], split: str) -> str:
        """The split's name, with the views it is a split of where others have one of that name."""
        having = [name for name in self.card.views if split in self.card.splits_of(name)]
        own = [name for name in having if name in views]
        return split if own == having else f"{split} of {', '.join(own)}"

    def _count(self, name: str, view: View, split: str, about: Split, rows: Rows | None) -> None:
        """Compare a view's split with what the card says of it."""
        if rows is None:
            self.counts.append(SplitCount(name, split, about.role, None, about.items, {}))
            return
        kept, _ = view_of(view, rows)
        found = Counter(gold.category for _, gold in kept if view.answers == "class")
        classes = {str(category): n for category, n in sorted(found.items())}
        self.counts.append(SplitCount(name, split, about.role, len(kept), about.items, classes))
        self.findings += _of_counts(f"{name}, {split}", len(kept), classes, about)
        who = SplitIds(
            view.part,
            split,
            about.role,
            about.fold,
            view.speakers or self.card.speakers,
            frozenset(item.id for item, _ in rows),
            frozenset(item.speaker for item, _ in rows if item.speaker),
        )
        if who not in self.ids:
            self.ids.append(who)

    def _note_lacks(self, part: str, what: str, rows: Rows) -> None:
        """Remember which items have no transcript, clip or description."""
        self._items.update((part, item.id) for item, _ in rows)
        for called, field in _TEXTS.items():
            without = self._without[called]
            for item, _ in rows:
                if not getattr(item, field):
                    without.setdefault((part, item.id), what)

    def _of_clips(self, what: str, rows: Rows) -> Iterator[Finding]:
        """Clips that are broken; each clip is looked at once, in however many splits it is."""
        clips = [(item.id, item.audio) for item, _ in rows if item.audio]
        broken = []
        for name, path in track(clips, f"clips of {what}", len(clips)):
            if path not in self._faults:
                self._faults[path] = fault(path)
            if (why := self._faults[path]) is not None:
                broken.append(f"{name} {why}")
        if broken:
            yield Finding("wrong", f"{what}: {_told('broken clip', broken)}")
        elif clips:
            yield Finding("ok", f"{what}: {len(clips)} clips begin as they should")

    def _ask_reader(self) -> None:
        """The checks that the reader has of its own, if any."""
        reader = import_module(f"ovbench.tasks.readers.{self.card.reader}")
        own = getattr(reader, "examine", None)
        if own is None:
            return
        for part in dict.fromkeys(view.part for view in self.card.views.values()):
            try:
                self.findings += own(self.folder, part)
            except MissingDataError:
                continue  # told already, where the split was read
            except FAULTS as error:
                self._say("wrong", f"{part or 'files'}: {error}")


def _of_counts(
    what: str, items: int, classes: Mapping[str, int], about: Split
) -> Iterator[Finding]:
    """Numbers of items against the card's."""
    if about.items is None:
        yield Finding("ok", f"{what}: {items} items")
    elif items == about.items:
        yield Finding("ok", f"{what}: {items} items, as its card says")
    else:
        yield Finding("wrong", f"{what}: {items} items in place of {about.items}")
    if about.classes:
        for name in sorted({*about.classes, *classes}):
            found, known = classes.get(name, 0), about.classes.get(name, 0)
            if classes and found != known:
                yield Finding("wrong", f"{what}: {found} items are {name} in place of {known}")


def _of_ids(what: str, rows: Rows) -> Iterator[Finding]:
    """Ids that come twice."""
    times = Counter(item.id for item, _ in rows)
    twice = [name for name, count in times.items() if count > 1]
    if twice:
        yield Finding("wrong", f"{what}: {_told('repeated id', twice)}")


def _some(splits: Sequence[str]) -> str:
    """``train, dev, test, …``."""
    return ", ".join(splits[:_SHOWN]) + (", …" if len(splits) > _SHOWN else "")


def _told(what: str, names: Sequence[str]) -> str:
    """``5 broken clips: a is empty; b is empty; c is empty; …``."""
    shown = "; ".join(names[:_SHOWN]) + ("; …" if len(names) > _SHOWN else "")
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}: {shown}"


def _differs(file: File, path: Path) -> bool:
    """Whether a public file is another than the one whose hash the card gives."""
    return file.sha256 is not None and file_sha256(path) != file.sha256
