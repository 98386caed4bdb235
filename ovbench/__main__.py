"""``python -m ovbench``, and the command ``ovbench``."""

from __future__ import annotations

import gc

from ovbench.cli.ending import end
from ovbench.cli.stopping import stoppable


def main() -> None:
    """Run the command line; Ctrl-C is answered while it is being imported, too."""
    # What start-up makes stays: looking through it for garbage takes a fifth of the time. Work
    # turns this on again (ovbench.cli.starting.begin_work).
    gc.disable()
    with stoppable():
        from ovbench.cli.app import main as run

        run()


def command() -> None:
    """Run the command line as a process of its own, which ends with it."""
    try:
        main()
    except SystemExit as done:
        if not isinstance(done.code, int | None):
            raise
        end(done.code or 0)
    end(0)


if __name__ == "__main__":
    command()
