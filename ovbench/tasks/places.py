"""Where the user's data sets lie.

The data folder is, in this order: what the caller names (``--data``), ``OVBENCH_DATA``, and
``data = "…"`` in the user's ``config.toml``, in which ``[folders]`` may also name the folder of a
single data set (``meld = "…"``). Below the data folder every data set is looked for under its usual
names (``places`` of its card), there and one folder down (``merbench/meld-process``), and in the
data folder itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ovbench.errors import InputError
from ovbench.io.home import config_home, expanded
from ovbench.io.toml import toml_fields, toml_text
from ovbench.tasks.card import Card, cards
from ovbench.tasks.errors import MissingDataError

VARIABLE = "OVBENCH_DATA"


@dataclass(frozen=True)
class DataFolder:
    """The folders that hold a data set's files, the likeliest first.

    Attributes
    ----------
    card:
        Of the data set.
    folders:
        Those that exist.
    looked:
        Those that were looked for.
    root:
        The data folder; None where none is named.
    """

    card: Card
    folders: tuple[Path, ...]
    looked: tuple[Path, ...]
    root: Path | None = None

    def find(self, *patterns: str) -> Path | None:
        """The first file or folder that one of the patterns (globs) names, earlier ones first."""
        for pattern in patterns:
            for folder in self.folders:
                found = sorted(folder.glob(pattern))
                if found:
                    return found[0]
        return None

    def need(self, *patterns: str) -> Path:
        """The same.

        Raises
        ------
        MissingDataError
            If there is none.
        """
        found = self.find(*patterns)
        if found is None:
            raise self.missing(*patterns)
        return found

    def holds_any(self) -> bool:
        """Whether any of the card's files is there; of each data set that it puts together."""
        if self.card.corpora:
            return all(folder.holds_any() for folder in self.corpora())
        return any(self.find(file.path) is not None for file in self.card.files)

    def corpora(self) -> list[DataFolder]:
        """Where the data sets may be that it puts together, in their order."""
        return [data_folder(cards()[name], self.root) for name in self.card.corpora]

    def missing(self, *patterns: str) -> MissingDataError:
        """The error that says that none of these files is there."""
        return MissingDataError(self.card.title, patterns, self.looked, self.card.access)


def data_root(given: str | Path | None = None) -> Path | None:
    """The data folder, if one is named anywhere.

    Raises
    ------
    InputError
        If the one that is named is no folder, or the user's configuration cannot be read.
    """
    told = {
        "--data": given,
        VARIABLE: os.environ.get(VARIABLE),
        str(config_file()): _config().get("data"),
    }
    for where, path in told.items():
        if path:
            return checked_folder(str(path), where)
    return None


def checked_folder(path: str, where: str) -> Path:
    """A data folder that somebody named.

    Raises
    ------
    InputError
        If it is no folder; ``where`` says who named it.
    """
    folder = expanded(path)
    # An empty path would be the working directory.
    if not path or not _is_folder(folder):
        raise InputError(
            f"{path!r} is no folder", where=where, expected="the folder that holds your data sets"
        )
    return folder


def data_folder(card: Card, given: str | Path | None = None) -> DataFolder:
    """Where a data set's files may be. Raises as :func:`data_root`."""
    looked: list[Path] = []
    folders = _config().get("folders", {})
    own = folders.get(card.id) if isinstance(folders, dict) else None
    if own:
        looked.append(expanded(str(own)))
    root = data_root(given)
    if root is not None:
        looked += [root / place for place in card.places]
        below = _folders_in(root)
        looked += [path for place in card.places for one in below if (path := one / place).is_dir()]
        looked.append(root)
    return DataFolder(card, tuple(path for path in looked if _is_folder(path)), tuple(looked), root)


def _is_folder(path: Path) -> bool:
    """Whether it is one; a name too long for any file is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _folders_in(root: Path) -> list[Path]:
    """The folders right below one, sorted; none where it cannot be listed."""
    try:
        with os.scandir(root) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except OSError:
        return []


def config_file() -> Path:
    """The user's configuration: in ``OVBENCH_HOME``, or in the user's folder for such files."""
    return config_home() / "config.toml"


def _config() -> dict[str, object]:
    path = config_file()
    return toml_fields(toml_text(path), str(path)) if path.exists() else {}
