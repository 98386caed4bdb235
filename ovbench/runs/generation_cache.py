"""Answers by content, shared between runs: what was generated once is not generated again.

An entry holds the answers to one batch. Its key is a SHA-256 over everything that can change a byte
of them: the system's record (recipe, base and adapter by hash, prompt, context, decoding, dtype,
kind of device, backend), seed, versions of the libraries, and what the model is shown of every item
in the batch. The batch belongs to it because its longest prompt sets the padding of the others,
which may move the last bits: with the cache or without, a run ends with the same bytes.

Every entry is a file, written whole or not at all, so that any number of processes may use one
cache. Its first line is the SHA-256 of the rest: what is damaged is not used, and is written anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from ovbench.errors import OvbenchError
from ovbench.io.atomic import write_bytes
from ovbench.io.cache import cache_home
from ovbench.io.hashes import file_sha256
from ovbench.runs.preflight import MOST_ITEMS, Preflight, spread
from ovbench.systems.answers import Answer

if TYPE_CHECKING:
    from ovbench.runs.records import RunSettings, SystemRecord
    from ovbench.tasks import Item, Task

SCHEMA = "ovbench.answers/1"
"""Of keys and entries; another one where code changes what answers are."""
FOLDER = "generations"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ANSWERS: TypeAdapter[tuple[Answer, ...]] = TypeAdapter(tuple[Answer, ...])
_TEXT_ONLY = ("causal_lm",)
"""Kinds of systems that never open a clip."""


@dataclass(frozen=True)
class Kept:
    """The answers to a batch, in its order.

    ``largest_batch``: what batches had been halved to when they were made, for want of memory.
    """

    answers: tuple[Answer, ...]
    largest_batch: int | None = None


class AnswerCache:
    """The cache in a folder, by default the user's; it need not be there.

    ``fault`` is why something could not be kept, once that has happened: a run goes on without.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_home() / FOLDER
        self.fault: str | None = None

    def of(
        self, settings: RunSettings, task: Task, fingerprint: str | None = None
    ) -> RunAnswers | None:
        """The part for a run; None where not all that answers is known by hash.

        ``fingerprint``: hash of what else changes answers, beyond the record.
        """
        about = settings.system
        if not _known_by_hash(about):
            return None
        told = about.model_dump(exclude={"name", "training_seed"})
        identity = {
            **told,
            "schema": SCHEMA,
            "device": re.sub(r":\d+", "", about.device or ""),
            "machine": platform.machine(),
            "beside": fingerprint,
            "seed": settings.seed,
            "versions": settings.versions,
            "answers": task.answers,
            # A context may be exchanged with another item's, or made from gold.
            "task": settings.task_digest if about.context else None,
        }
        hears = about.kind not in _TEXT_ONLY
        return RunAnswers(self, self.folder / about.name, identity, hears, settings.batch_size)


class RunAnswers:
    """The cache's part for one run; :meth:`AnswerCache.of` makes one."""

    def __init__(
        self,
        cache: AnswerCache,
        folder: Path,
        identity: Mapping[str, Any],
        hears: bool,
        batch_size: int,
    ) -> None:
        self._cache, self._folder, self._hears, self._size = cache, folder, hears, batch_size
        self._identity = _sha256(identity)
        self._items: dict[str, str] = {}

    def known(self, batch: Sequence[Item]) -> Kept | None:
        """The answers to a batch; None where they are not there, or not whole."""
        key = self._key("answers", batch)
        entry = _read(self._path(key, len(batch)), key)
        try:
            kept = Kept(_ANSWERS.validate_python(entry["answers"]), entry["largest_batch"])
        except (KeyError, PydanticError):
            return None
        return kept if [one.id for one in kept.answers] == [item.id for item in batch] else None

    def keep(self, batch: Sequence[Item], kept: Kept) -> None:
        """Keep the answers to a batch, where each item has one."""
        if [one.id for one in kept.answers] == [item.id for item in batch]:
            key = self._key("answers", batch)
            entry = {"answers": [asdict(one) for one in kept.answers]}
            self._write(key, len(batch), {**entry, "largest_batch": kept.largest_batch})

    def preflight(self, items: Sequence[Item]) -> Preflight | None:
        """What the checks before such a run found."""
        key = self._key("preflight", self._probed(items))
        try:
            return Preflight.model_validate(_read(self._path(key, 0), key)["preflight"])
        except (KeyError, PydanticError):
            return None

    def keep_preflight(self, items: Sequence[Item], found: Preflight) -> None:
        """Keep what they found."""
        key = self._key("preflight", self._probed(items))
        self._write(key, 0, {"preflight": found.model_dump(mode="json")})

    def _probed(self, items: Sequence[Item]) -> list[Item]:
        return spread(items, min(MOST_ITEMS, max(2, self._size)))

    def _key(self, what: str, items: Sequence[Item]) -> str:
        size = self._size if what == "preflight" else None
        return _sha256([self._identity, what, size, [self._item(item) for item in items]])

    def _item(self, item: Item) -> str:
        if item.id not in self._items:
            clip = _clip_sha256(item.audio) if self._hears and item.audio else None
            shown = [item.id, item.description, item.transcript, item.speaker, clip]
            self._items[item.id] = _sha256(shown)
        return self._items[item.id]

    def _path(self, key: str, answers: int) -> Path:
        return self._folder / key[:2] / f"{key}-{answers}.json"

    def _write(self, key: str, answers: int, entry: Mapping[str, Any]) -> None:
        path = self._path(key, answers)
        data = json.dumps({"key": key, **entry}).encode()
        head = hashlib.sha256(data).hexdigest().encode() + b"\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, head + data, durable=False)
        except (OSError, OvbenchError) as error:  # no run fails for want of a cache
            self._cache.fault = str(error)


def _read(path: Path, key: str) -> dict[str, Any]:
    """An entry; nothing where it is absent, damaged, or another's."""
    try:
        head, _, data = path.read_bytes().partition(b"\n")
    except OSError:
        return {}
    if hashlib.sha256(data).hexdigest().encode() != head:
        return {}
    with suppress(ValueError):
        entry = json.loads(data)
        if isinstance(entry, dict) and entry.get("key") == key:
            with suppress(OSError):
                os.utime(path)  # so that pruning knows what is in use
            return entry
    return {}


def _known_by_hash(about: SystemRecord) -> bool:
    """Whether weights answer, all of which have a hash: no program, and no file of features."""
    parts = about.parts.values()
    weights = about.adapter is not None or bool(parts)
    return weights and about.command is None and all(map(_SHA256.fullmatch, parts))


def _clip_sha256(path: str) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
