"""``python -m ovbench``, and the command ``ovbench``."""

from __future__ import annotations

from ovbench.cli.stopping import stoppable


def main() -> None:
    """Run the command line; Ctrl-C is answered while it is being imported, too."""
    with stoppable():
        from ovbench.cli.app import main as run

        run()


if __name__ == "__main__":
    main()
