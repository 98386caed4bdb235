"""Which column holds the ids and which the labels: the field's usual names, or the user's."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ovbench.errors import InputError

Role = Literal["prediction", "gold"]
Want = Literal["labels", "class", "sentiment", "value"]

# Each list runs from the most to the least telling name; names on one line are equally good, so
# two of them in one file are ambiguous. Compared in lower case, '-' and ' ' as '_'.
_IDS = (
    "name names id ids key sample_id utt_id utterance_id segment_id item_id clip_id uid",
    "filename filenames file_name file_names file files",
    "sample utt clip segment item",
    "video_id wav audio path",
)
_PREDICTED = (
    "prediction predictions pred preds predicted predicted_labels pred_labels prediction_labels",
)
_GOLD = ("gold gt ground_truth groundtruth gold_labels gt_labels reference references target",)
_LISTS = ("openset open_set fileitems", "ovlabel ovlabels ov_label ov_labels", "labels", "label")
_CLASSES = ("emotions emotion", "emo emos emoclass", "class category")
_ANSWERS = ("answer answers", "response responses", "output outputs", "completion", "text_output")
_SENTIMENTS = ("sentiment sentiments", "polarity")
_VALUES = ("val valence value", "score")
_MOST_LISTED = 20
"""Names that a message lists."""


def _label_names(role: Role, want: Want) -> tuple[str, ...]:
    """The usual names of the label column, best first."""
    lists: tuple[str, ...] = (*_LISTS, *_CLASSES)
    if want == "class":
        lists = ("labels label", *_CLASSES, *_LISTS[:2])
    roles = (*_PREDICTED, *lists, *_ANSWERS, *_GOLD)
    if role == "gold":
        roles = (*_GOLD, *lists, *_PREDICTED, *_ANSWERS)
    if want == "sentiment":
        return (*_SENTIMENTS, *_VALUES, *roles)
    if want == "value":
        return (*_VALUES, *_SENTIMENTS, *roles)
    return (*roles, *_SENTIMENTS)


@dataclass(frozen=True)
class Wanted:
    """What the caller of :func:`~ovbench.io.read.read_records` asked for."""

    role: Role = "prediction"
    want: Want = "labels"
    id_column: str | None = None
    label_column: str | None = None
    extra: tuple[str, ...] = ()
    split: str | None = None
    classes: str | None = None

    @property
    def id_option(self) -> str:
        """The option that names the column of ids, of this file."""
        return "--gold-id-column" if self.role == "gold" else "--id-column"

    @property
    def label_option(self) -> str:
        """The option that names the column of labels, of this file."""
        return "--gold-label-column" if self.role == "gold" else "--label-column"


class Columns(NamedTuple):
    """The columns' names as they stand in the file; ``extra`` maps what was asked to what is."""

    id: str
    label: str
    extra: dict[str, str]


def choose_columns(header: Sequence[str], wanted: Wanted, where: str) -> Columns:
    """Pick the columns of a table with this header.

    Raises
    ------
    InputError
        If a column that was asked for is absent, or the usual names find none, or several that are
        equally good.
    """
    name = id_column(header, wanted, where)
    return Columns(name, label_column(header, wanted, where), extra_columns(header, wanted, where))


def id_column(header: Sequence[str], wanted: Wanted, where: str) -> str:
    """The column of ids."""
    if wanted.id_column is not None:
        return find_column(wanted.id_column, header, where, wanted.id_option)
    return _usual(header, _IDS, where, "ids", wanted.id_option)


def label_column(header: Sequence[str], wanted: Wanted, where: str) -> str:
    """The column of labels."""
    if wanted.label_column is not None:
        return find_column(wanted.label_column, header, where, wanted.label_option)
    what = {"sentiment": "sentiments", "value": "values"}.get(wanted.want, "labels")
    names = _label_names(wanted.role, wanted.want)
    return _usual(header, names, where, what, wanted.label_option)


def extra_columns(header: Sequence[str], wanted: Wanted, where: str) -> dict[str, str]:
    """The further columns that were asked for, by the name they were asked by."""
    return {name: find_column(name, header, where, None) for name in wanted.extra}


def find_column(name: str, header: Sequence[str], where: str, option: str | None) -> str:
    """The column called ``name``, exactly or else but for case, '-', '_' and spaces."""
    if name in header:
        return name
    same = [column for column in header if _key(column) == _key(name)]
    if len(same) == 1:
        return same[0]
    near = difflib.get_close_matches(name.lower(), [c.lower() for c in header], n=2, cutoff=0.5)
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    raise InputError(
        f"there is no column {name!r}{hint}",
        where=where,
        expected=f"one of: {listing(header)}",
        mend=f"give the column's name with {option}" if option else None,
    )


def _usual(header: Sequence[str], tiers: Sequence[str], where: str, what: str, option: str) -> str:
    by_key: dict[str, list[str]] = {}
    for column in header:
        by_key.setdefault(_key(column), []).append(column)
    for tier in tiers:
        found = [column for name in tier.split() for column in by_key.get(name, ())]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"several columns may hold the {what}: {listing(found)}",
                where=where,
                mend=f"name the column with {option}",
            )
    raise InputError(
        f"no column has a usual name for {what}; the columns are: {listing(header)}",
        where=where,
        expected=f"a column such as {', '.join(' '.join(tiers).split()[:6])}",
        mend=f"name the column with {option}",
    )


def listing(names: Sequence[str]) -> str:
    """Names for a message, the first of many."""
    shown = ", ".join(repr(name) for name in names[:_MOST_LISTED])
    more = len(names) - _MOST_LISTED
    return shown + (f" and {more} more" if more > 0 else "")


def _key(column: str) -> str:
    return column.strip().lower().replace("-", "_").replace(" ", "_")
