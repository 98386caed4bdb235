"""The choices of a scoring run that are not the protocol's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ovbench.errors import UnknownNameError

OnMissing = Literal["error", "wrong", "skip"]
Keep = Literal["first", "last"]
Ci = Literal["bootstrap", "wald"]


@dataclass(frozen=True)
class Options:
    """How to read the files and what to print beside the score.

    Attributes
    ----------
    on_missing:
        Gold items without a prediction: an error, scored as wrong, or left out.
    keep:
        Which of several predictions with one id counts; ``None`` makes duplicates an error.
    extract:
        Look for known emotion words in answers that are sentences.
    id_column, label_column:
        Columns of the predictions; found by their usual names when not given.
    gold_id_column, gold_label_column:
        The same for the gold.
    split:
        Which split of a MERBench label file is the gold.
    classes:
        Class names of a gold that stores integers, and the classes of a closed set.
    groups:
        Synonym groups of MER2024 (a zip or a folder of ``.npy``).
    lemmatizer:
        Stage 1 of the open normalizer (``table``, ``nltk``).
    synonyms:
        Stage 2 of the open normalizer (``lexicon``, ``wn:LEXICON``, ``sentence:PATH``).
    draws, seed, confidence:
        The bootstrap and the permutation tests; ``draws=0`` leaves intervals out.
    cluster_by:
        Column of the gold whose values (dialogues, speakers) are resampled as a whole.
    by:
        Column of the gold; the scores are repeated for each of its values.
    folds:
        Column of the gold that says which fold an item is in: the means over folds are given beside
        the pooled scores.
    ci:
        ``wald`` puts the normal-approximation interval of a proportion beside the bootstrap's.
    errors:
        How many of the items with the largest disagreement to list.
    floors:
        Whether to score the trivial answers.

    Raises
    ------
    UnknownNameError
        For an ``on_missing``, ``keep`` or ``ci`` that there is not.
    """

    on_missing: OnMissing = "error"
    keep: Keep | None = None
    extract: bool = False
    id_column: str | None = None
    label_column: str | None = None
    gold_id_column: str | None = None
    gold_label_column: str | None = None
    split: str | None = None
    classes: str | None = None
    groups: str | None = None
    lemmatizer: str = "table"
    synonyms: str = "lexicon"
    draws: int = 10_000
    seed: int = 0
    confidence: float = 0.95
    cluster_by: str | None = None
    by: str | None = None
    folds: str | None = None
    ci: Ci = "bootstrap"
    errors: int = 0
    floors: bool = True

    def __post_init__(self) -> None:
        asked = (("on_missing", OnMissing), ("keep", Keep), ("ci", Ci))
        for name, kind in asked:
            value, known = getattr(self, name), get_args(kind)
            if value not in known and not (name == "keep" and value is None):
                raise UnknownNameError(name, str(value), known)
