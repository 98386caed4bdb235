"""Items with clips become items with descriptions, each clip once per machine.

What a describer says of a clip is kept in the user's cache by content: SHA-256 over the clip's
bytes and what else the describer is shown, below the describer's id. Every entry is one file,
written whole or not at all, so processes may describe the same clips at the same time.

Levels (*high*, *fast*) refer to statistics. A recipe's are those of its train split; training keeps
them beside the adapter, and whoever uses the adapter reads them there. No test clip enters them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError as PydanticError

from ovbench.errors import InputError, MissingExtraError
from ovbench.io.atomic import write_bytes
from ovbench.io.cache import cache_folder
from ovbench.progress import track
from ovbench.tasks import Item, Task

if TYPE_CHECKING:
    from ovbench.speech.describe import Description
    from ovbench.speech.describer import Clip, Describer
    from ovbench.speech.statistics import Statistics
    from ovbench.systems.settings import DescriberSettings

STATISTICS = "statistics.json"
"""In an adapter's folder: what the levels of its descriptions refer to."""
TRAIN, BUILT_IN = "train", "built-in"


@dataclass(frozen=True)
class ItemDescriber:
    """A describer of a recipe's items; :func:`fit_describer` or :func:`saved_describer` opens one.

    Attributes
    ----------
    describer:
        What listens.
    statistics:
        What its levels refer to, where it has such.
    """

    describer: Describer
    statistics: Statistics | None

    @property
    def id(self) -> str:
        """Name, and a hash of settings and statistics: all that decides what it says."""
        return self.describer.id

    def task(self, task: Task, only: Sequence[Item] | None = None) -> Task:
        """The task with its clips described; a note says by whom, and what became of them.

        Items that have a description keep it, and those without a clip stay without. A clip that
        cannot be described is counted, and its item has whatever the describer says of it.
        ``only``: the items that are listened to; without, all.

        Raises
        ------
        MissingExtraError
            If reading sound, or the describer, needs what is not installed.
        InputError, OvbenchError
            If the cache cannot be written to.
        """
        among = task.items if only is None else only
        items = [item for item in among if item.audio and not item.description]
        if not items:
            return task
        heard = self.heard(items, f"describing clips of {task.id}")
        told = {item.id: said for item, said in zip(items, heard, strict=True)}
        whole = [
            replace(item, description=told[item.id].description) if item.id in told else item
            for item in task.items
        ]
        counts = Counter(said.status for said in told.values())
        statuses = ", ".join(f"{counts[status]} {status}" for status in sorted(counts))
        return task.described(whole, f"clips were described by {self.id} ({statuses})")

    def save(self, folder: Path) -> None:
        """Write the statistics, if there are any, beside an adapter; OSError if that fails."""
        if self.statistics is not None:
            text = self.statistics.to_json()
            (folder / STATISTICS).write_text(text, "utf-8")

    def heard(self, items: Sequence[Item], what: str) -> Iterator[Description]:
        """What is said of each item, in their order; what is not in the cache is put there.

        ``what``: what progress is called. Raises as :meth:`task`.
        """
        clips = [clip_of(item) for item in items]
        places = [_place(clip, self.id) for clip in clips]
        known = [_kept(place) for place in places]
        missing = [clip for clip, found in zip(clips, known, strict=True) if found is None]
        fresh = iter(track(self.describer.describe(missing), what, len(missing)))
        for place, found in zip(places, known, strict=True):
            if found is None:
                found = next(fresh)
                if place is not None:
                    write_bytes(place, found.model_dump_json().encode(), durable=False)
            yield found


def clip_of(item: Item) -> Clip:
    """What a describer is shown of an item.

    Not who speaks: the people of a test set are new, so levels refer to all speakers together, in
    training too.
    """
    from ovbench.speech.describer import Clip

    return Clip(item.id, str(item.audio), item.transcript)


def check_describer(settings: DescriberSettings) -> None:
    """Go on if sound can be read here, and an audio language model's weights are here.

    Raises
    ------
    MissingExtraError
        If sound cannot be read.
    InputError
        If weights are missing; the message says how to get them.
    """
    if any(find_spec(name) is None for name in ("soundfile", "soxr")):
        raise MissingExtraError(f"describer {settings.name!r}", "speech")
    from ovbench.systems.hearing.known_llms import TINY_LLM, locate_llm

    if settings.name not in ("prosody", TINY_LLM):
        locate_llm(settings.name)


def fit_describer(settings: DescriberSettings, train: Task) -> ItemDescriber:
    """The describer of a recipe that is trained, its statistics those of the train split.

    Raises
    ------
    InputError
        If statistics are to be fitted to another split than one to train on, or their file cannot
        be read.
    UnknownNameError, MissingExtraError
        As :func:`ovbench.systems.hearing.describers.open_describer`.
    """
    if settings.name != "prosody" or settings.statistics != TRAIN:
        return _opened(settings, _named(settings))
    if train.role != "train":
        raise InputError(
            f"statistics of voices were to be fitted to {train.id}/{train.split}",
            expected="a train split; dev and test clips are never looked at",
        )
    return _opened(settings, _fitted(train))


def saved_describer(settings: DescriberSettings, folder: Path) -> ItemDescriber:
    """The describer of a trained recipe, with the statistics that are kept beside its adapter.

    Raises as :func:`fit_describer`; InputError also where the statistics are not there.
    """
    if settings.name != "prosody" or settings.statistics != TRAIN:
        return _opened(settings, _named(settings))
    from ovbench.speech.statistics import read_statistics

    path = folder / STATISTICS
    if not path.is_file():
        raise InputError(
            "is not there",
            where=str(path),
            expected="the statistics that the adapter's descriptions refer to",
            mend="train the adapter again, or copy its whole folder",
        )
    return _opened(settings, read_statistics(path))


def _named(settings: DescriberSettings) -> Statistics | None:
    """Statistics that a file holds; None: the built-in ones, or a describer without any."""
    if settings.name != "prosody" or settings.statistics == BUILT_IN:
        return None
    from ovbench.speech.statistics import read_statistics

    return read_statistics(settings.statistics)


def _opened(settings: DescriberSettings, statistics: Statistics | None) -> ItemDescriber:
    from ovbench.systems.hearing.describers import open_describer

    opened = open_describer(settings.name, statistics=statistics, language=settings.language)
    return ItemDescriber(opened, statistics)


def _fitted(train: Task) -> Statistics:
    """Statistics of a train split's clips, measured once per machine: measures are kept too."""
    from ovbench.speech.describer import Prosody
    from ovbench.speech.statistics import Sample, builtin, fit_statistics

    plain = ItemDescriber(Prosody(builtin()), None)
    items = [item for item in train.items if item.audio]
    heard = plain.heard(items, f"measuring clips of {train.id}")
    return fit_statistics([Sample(said.measures) for said in heard], f"{train.id}, {train.split}")


def _place(clip: Clip, describer: str) -> Path | None:
    """Where what is said of a clip is kept; None where the clip cannot be read."""
    content = clip.content()
    if content is None:
        return None
    shown = json.dumps([content, *clip.beside()])
    name = hashlib.sha256(shown.encode()).hexdigest()
    folder = cache_folder("descriptions", re.sub(r"[^\w.@+-]", "_", describer), name[:2])
    return folder / f"{name}.json"


def _kept(place: Path | None) -> Description | None:
    """What the cache holds; None where it holds nothing, or nothing whole."""
    from ovbench.speech.describe import Description

    if place is None:
        return None
    try:
        return Description.model_validate_json(place.read_bytes())
    except (OSError, PydanticError):
        return None
