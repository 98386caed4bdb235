"""A process that opens doors with input after input, within limits, and writes what it found.

``--replay`` opens the files that are named; else inputs are made from seeds, corpus and mutations
for ``--seconds``. Where atheris is installed and asked for (``--guided``), libFuzzer chooses which
inputs to go on from, by the lines of ovbench (and of the interpreter's parsers) that they reach;
the mutations stay ours, since plain bytes hardly get past a checksum.

Findings are lines of JSON on standard output. The input that is being tried lies in ``--now``, so
that whoever started the process knows what ended it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections import Counter
from contextlib import ExitStack, nullcontext
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
_WATCHED = ["ovbench", "pickle", "_pydecimal", "tomllib", "zipfile", "csv"]
_MOST_SHOWN = 1 << 20
_MOST_KEPT = 300
"""Inputs that mutations go on from, where nothing guides them."""


def tell(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


class Session:
    """One door, opened again and again."""

    def __init__(self, door: Any, guard: Any, inside: Path, now: Path | None) -> None:
        self.door, self.guard, self.now = door, guard, now
        self.file = inside / door.name / door.file
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if door.around is not None:
            door.around(inside / door.name)
        self.counts: Counter[str] = Counter()
        self.told = time.monotonic()
        self.seen: set[str] = set()

    def tell_counts(self, every: float = 0.0) -> None:
        """Tell how many inputs there were since the last time, if that is so many seconds ago."""
        if time.monotonic() - self.told >= every:
            tell(door=self.door.name, counts=self.counts)
            self.counts.clear()
            self.told = time.monotonic()

    def try_one(self, data: bytes, label: str = "") -> str | None:
        """Open the door with ``data``; tells what is wrong, once for each kind of finding."""
        from fuzz_guard import judge, signature

        if self.now is not None:
            self.now.write_bytes(data)
        self.file.unlink(missing_ok=True)
        self.file.write_bytes(data)
        start = time.monotonic()
        finding: str | None = judge(self.guard, lambda: self.door.open(self.file))
        if finding is not None and "memory" in finding.lower():
            gc.collect()  # what earlier inputs left is none of this one's doing
            finding = judge(self.guard, lambda: self.door.open(self.file))
        self.counts["tried"] += 1
        self.counts["milliseconds"] += round(1000 * (time.monotonic() - start))
        if finding is not None:
            self.counts["found"] += 1
            key = signature(finding)
            if key not in self.seen or label:
                self.seen.add(key)
                shown = data[:_MOST_SHOWN].hex()
                tell(door=self.door.name, finding=finding, key=key, label=label, data=shown)
        return finding


def corpus_of(door: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / door).glob("*"))]


def blind(session: Session, inputs: list[bytes], rng: Random, seconds: float) -> None:
    """Mutations of mutations, without a guide."""
    end = time.monotonic() + seconds
    pool = list(inputs)
    for data in inputs:
        session.try_one(data)
    while time.monotonic() < end:
        data = rng.choice(pool)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            data = session.door.mutate(data, rng)[: session.door.most]
        if session.try_one(data) is None and rng.random() < 0.05 and len(data) < 20_000:
            pool.append(data)
            if len(pool) > _MOST_KEPT:
                pool[rng.randrange(len(inputs), len(pool))] = pool.pop()


def guided(session: Session, folder: Path, seconds: float, seed: int, close: Any) -> None:
    """libFuzzer's loop, ended by us: itself it heeds the time only once all kept inputs are read.

    It would also end the process without a further word, whence ``close``.
    """
    import atheris

    end = time.monotonic() + seconds

    def mutate(data: bytes, most: int, number: int) -> bytes:
        rng = Random(number)
        if rng.random() < 0.15:
            return atheris.Mutate(data, len(data))
        return session.door.mutate(data, rng)[:most]

    def one(data: bytes) -> None:
        session.try_one(data)
        session.tell_counts(every=1.0)  # should an input end the process
        if time.monotonic() > end:
            session.tell_counts()
            close()
            sys.stdout.flush()
            os._exit(0)

    options = [f"-seed={seed}", "-timeout=0", "-verbosity=0", "-rss_limit_mb=0"]
    options += [f"-max_len={session.door.most}", "-print_final_stats=0", "-handle_alrm=0"]
    atheris.Setup([sys.argv[0], *options, str(folder)], one, custom_mutator=mutate)
    atheris.Fuzz()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("doors", nargs="*")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", type=Path, help="folder for the inputs that libFuzzer keeps")
    parser.add_argument("--now", type=Path)
    parser.add_argument("--replay", action="store_true")
    parser.add_argument("--items", nargs="*", default=[], help="of fuzz_items, by name")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    sys.path.insert(0, str(HERE))
    watched: Any = nullcontext()
    if given.guided:
        import atheris

        watched = atheris.instrument_imports(include=_WATCHED)
    with ExitStack() as stack:
        with watched:
            from fuzz_doors import DOORS
            from fuzz_guard import Guard, limit_memory, sandbox
            from fuzz_items import ITEMS

            inside, out = stack.enter_context(sandbox())
            asked = {name: ITEMS[name] for name in given.items}
            names = dict.fromkeys([*given.doors, *(item.door for item in asked.values())])
            doors = [DOORS[name] for name in names]
            items = {name: (item.door, item.make()) for name, item in asked.items()}
            made = {door.name: door.seeds() for door in doors}
            guard = Guard(inside, out)
            sessions = [Session(door, guard, inside, given.now) for door in doors]
            for session in sessions:  # whatever is imported late is imported now, unwatched
                try:
                    session.file.write_bytes(made[session.door.name][0])
                    session.door.open(session.file)
                except Exception as error:  # told by the first input below
                    print(f"{session.door.name}: {error}", file=sys.stderr)
        limit_memory()
        for session in sessions:
            for name, (door, data) in items.items():
                if door == session.door.name:
                    start = time.monotonic()
                    session.try_one(data, name)
                    tell(item=name, seconds=round(time.monotonic() - start, 2), size=len(data))
            if not given.items:
                run(session, made[session.door.name], given, stack.close)


def run(session: Session, made: list[bytes], given: argparse.Namespace, close: Any) -> None:
    name = session.door.name
    if given.replay:
        for path in sorted((CORPUS / name).glob("*")):
            session.try_one(path.read_bytes(), path.name)
        for number, data in enumerate(made):
            session.try_one(data, f"seed {number}")
    elif given.guided:
        given.guided.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate([*made, *corpus_of(name)]):
            (given.guided / f"seed-{number}").write_bytes(data)
        guided(session, given.guided, given.seconds, given.seed, close)
    else:
        rng = Random(given.seed)
        blind(session, [*made, *corpus_of(name)], rng, given.seconds)
    session.tell_counts()


if __name__ == "__main__":
    main()
