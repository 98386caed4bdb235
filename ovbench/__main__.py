"""``python -m ovbench``."""

from ovbench.cli.app import main

if __name__ == "__main__":
    main()
