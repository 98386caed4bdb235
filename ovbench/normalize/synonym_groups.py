"""MER2024's synonym groups: one grouping of labels per item, made by a language model.

The challenge of 2024 has no wheels. For each item a model was asked to group the gold and
predicted labels; the answers are kept as text, a nested list such as
``[['happy', 'joyful'], ['sad']]``. Every label stands for the first word of its group; a label in
no group stands for itself, so unknown words count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ovbench.errors import InputError
from ovbench.io.files import refuse_special
from ovbench.io.safe_pickle import load_npy, open_archive


def load_groups(path: str | Path) -> dict[str, dict[str, str]]:
    """Item → its groups, from MER2024's ``openset-synonym``: a folder or zip of ``<item>.npy``.

    Raises
    ------
    InputError
        If there is no such file or folder, it holds no ``.npy`` files or two for one item, or one
        of them holds no text or no grouping.
    """
    path = Path(path)
    groups: dict[str, dict[str, str]] = {}
    for where, text in _texts(path):
        item = PurePosixPath(where).name
        if item in groups:
            raise InputError(f"two files for the item {item!r}", where=str(path))
        if not isinstance(text, str):
            raise InputError(
                f"{item}.npy holds {type(text).__name__}", where=str(path), expected="one string"
            )
        groups[item] = parse_groups(text, where=f"{path}, {item}.npy")
    if not groups:
        raise InputError("no .npy files", where=str(path), expected="one <item>.npy per item")
    return groups


def _texts(path: Path) -> Iterator[tuple[str, object]]:
    """Name without ``.npy`` and value of each member of a folder or zip file."""
    if path.is_dir():
        for file in sorted(path.glob("*.npy")):
            try:
                data = refuse_special(file).read_bytes()
            except OSError as error:
                raise InputError(f"cannot be read ({error.strerror})", where=str(file)) from error
            yield file.stem, load_npy(data, str(file))
        return
    with open_archive(refuse_special(path), str(path)) as archive:
        for name in archive.names:
            yield name, archive.load(name)


def parse_groups(text: str, *, where: str | None = None) -> dict[str, str]:
    """Label → first word of its group, from the text of one item's grouping.

    The text is split as the official ``listlist_to_list`` does it: groups at square brackets,
    labels at quotes of either kind. Labels are neither lower-cased nor stripped; of a label in
    several groups the last one counts. An empty list gives an empty map.

    Raises
    ------
    InputError
        If there is text but no quoted label between brackets.
    """
    first: dict[str, str] = {}
    for group in _pieces(r"[\[\]]", text):
        labels = _pieces("['\"]", group)
        if labels:
            first |= dict.fromkeys(labels, labels[0])
    if not re.search(r"\[[^\[\]]*['\"]", text) and re.search(r"[^\s,\[\]]", text):
        raise InputError(
            f"{text!r:.80} is no grouping of labels",
            where=where,
            expected="a nested list of quoted labels such as [['happy', 'joyful'], ['sad']]",
        )
    return first


def _pieces(separators: str, text: str) -> list[str]:
    return [piece for piece in re.split(separators, text) if piece.strip() not in ("", ",")]


def group_sets(
    gold: Sequence[Sequence[str]],
    predictions: Sequence[Sequence[str]],
    groups: Sequence[Mapping[str, str]],
) -> NDArray[np.int32]:
    """Sizes of the sets of groups per item.

    Parameters
    ----------
    gold, predictions:
        Each item's labels, as parsed (they are lower-cased here, and not stripped).
    groups:
        Each item's map from :func:`parse_groups`.

    Returns
    -------
    Array of shape (items, 3), int32: |G∩P|, |G|, |P|.

    Example
    -------
    >>> group_sets([["Happy", "sad"]], [["joyful", "odd"]], [{"happy": "happy", "joyful": "happy"}])
    array([[1, 2, 2]], dtype=int32)
    """
    sizes = np.zeros((len(groups), 3), dtype=np.int32)
    for row, (g_labels, p_labels, first) in enumerate(zip(gold, predictions, groups, strict=True)):
        g = {first.get(label, label) for label in map(str.lower, g_labels)}
        p = {first.get(label, label) for label in map(str.lower, p_labels)}
        sizes[row] = len(g & p), len(g), len(p)
    return sizes
