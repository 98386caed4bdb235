"""Kills commands at random moments, has them go on, and compares: ``python harness.py --kills 50``.

It ends with one line for each command, and with exit code 1 where something was not as it must be.

Half of the moments are points of time, spread evenly over the whole run, imports included; half
are file operations (a file opened, made, renamed, removed), before one of which the process dies.
A run is killed one to five times before it may end.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fault_commands import COMMANDS
from fault_kit import Command, Place, Unbroken, fresh, kill, same, unbroken

MOST = 5
"""Times that one run is killed before it may end."""


@dataclass
class Tally:
    """What happened to one command.

    Attributes
    ----------
    kills:
        How many hit, by what the folder held then.
    by_clock, by_operation:
        How the moments were chosen.
    runs, equal:
        Runs that were resumed to their end, and how many of them ended with the files of the
        unbroken one.
    leftovers:
        Files beside those.
    wrong:
        What was not as it must be.
    """

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    by_clock: int = 0
    by_operation: int = 0
    runs: int = 0
    equal: int = 0
    leftovers: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.runs} runs, {self.kills.total()} kills, {self.equal} equal "
            f"results, {self.leftovers} leftovers"
        )

    def details(self) -> str:
        """When it was killed, and what was wrong."""
        phases = ", ".join(f"{phase} {n}" for phase, n in sorted(self.kills.items()))
        lines = [
            str(self),
            f"  killed: {phases} ({self.by_clock} by the clock, {self.by_operation} at file "
            "operations)",
            *(f"  WRONG: {one}" for one in self.wrong),
        ]
        return "\n".join(lines)


def kill_and_resume(
    command: Command,
    place: Place,
    kills: int,
    seed: int,
    told: Callable[[Tally], None] | None = None,
) -> Tally:
    """Kill a command so many times, at moments that follow from the seed.

    ``told`` is called after every run.
    """
    reference = unbroken(command, place)
    tally, draw = Tally(command.name), random.Random(f"{seed} {command.name}")
    moments = _moments(reference, kills, draw)
    while tally.kills.total() < kills:
        folder = fresh(command, place, f"killed-{tally.runs}")
        for time in range(draw.randint(1, MOST)):
            if tally.kills.total() == kills:
                break
            if not _killed(command, place, folder, time > 0, next(moments), tally):
                break
        _resume(command, place, folder, reference, tally)
        if told:
            told(tally)
        shutil.rmtree(folder)
    return tally


def _moments(reference: Unbroken, kills: int, draw: random.Random) -> Iterator[tuple[str, float]]:
    """Kinds and moments without end; in as many as are asked for, each part of a run comes once."""
    while True:
        shares: list[tuple[str, float]] = []
        for kind, count in (("clock", kills - kills // 2), ("operation", kills // 2)):
            shares += [(kind, (n + draw.random()) / count) for n in range(count)]
        draw.shuffle(shares)
        for kind, share in shares:
            whole = reference.seconds if kind == "clock" else reference.operations
            yield kind, share * whole


def _killed(
    command: Command,
    place: Place,
    folder: Path,
    resume: bool,
    moment: tuple[str, float],
    tally: Tally,
) -> bool:
    """Whether the process was killed; it may have ended before its moment came."""
    kind, at = moment
    if kind == "clock":
        hit = kill(command.start(place, folder, resume=resume), at)
    else:
        strike = {"FAULTS_UNDER": str(folder.resolve()), "FAULTS_AT": str(int(at) + 1)}
        hit = kill(command.start(place, folder, resume=resume, **strike), 600)
    if not hit:
        return False
    tally.by_clock += kind == "clock"
    tally.by_operation += kind == "operation"
    tally.kills[command.phase(folder)] += 1
    try:
        command.check(folder)
    except (AssertionError, ValueError) as error:
        tally.wrong.append(f"after a kill at {kind} {at:.2f}: {error!r}")
    return True


def _resume(
    command: Command, place: Place, folder: Path, reference: Unbroken, tally: Tally
) -> None:
    found = command.run(place, folder, resume=True)
    tally.runs += 1
    if found.code != 0:
        tally.wrong.append(f"run {tally.runs} was not resumed: {found.said.strip()}")
        return
    content = command.content(folder)
    left = content.keys() - reference.content.keys()
    differing = [name for name in same(content, reference.content) if name not in left]
    if differing:
        tally.wrong.append(f"run {tally.runs} differs in {', '.join(differing)}")
    if left:
        tally.wrong.append(f"run {tally.runs} left {', '.join(sorted(left))}")
    tally.equal += not differing
    tally.leftovers += len(left)


def _progress(tally: Tally) -> None:
    print(tally, *tally.wrong, sep="; ", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), metavar="COMMAND")
    options = parser.parse_args()
    tallies = []
    for name in options.commands:
        with tempfile.TemporaryDirectory() as folder:
            place = Place(Path(folder))
            command = COMMANDS[name](place)
            tallies.append(kill_and_resume(command, place, options.kills, options.seed, _progress))
        print(tallies[-1].details(), flush=True)
    print(*tallies, sep="\n")
    raise SystemExit(any(tally.wrong for tally in tallies))


if __name__ == "__main__":
    main()
