"""What a negation reaches in an English sentence that says how somebody sounds.

Tokens are folded words and single marks (``.``, ``,``, a line end …). The parser ``open+extract``
has simpler rules of its own, which stay as they are under its version.
"""

from __future__ import annotations

from collections.abc import Sequence

from ovbench.io.labels.base import words

_NEGATORS = words(
    "not no never without neither nor cannot none hardly barely scarcely rarely lack lacks lacked "
    "lacking devoid unlike unlikely excludes excluding denies nothing"
)
_NEGATING_PAIRS = words(
    "rather_than instead_of absence_of free_of free_from far_from anything_but mistaken_for "
    "opposed_to ruled_out rules_out ruling_out fails_to failed_to"
)
_NOUNS = words("lack lacking absence without no")
_TELLS = words("suggests suggest suggesting indicates indicating conveys conveying reveals points")
"""They end what a negated noun covers: *a lack of joy suggests sadness*."""
_NOT_NEGATING = words("only just merely simply doubt without less exception wonder surprise")
"""After a negator, they leave what follows as it is: *not only angry*, *not without fear*."""
_KEPT_BACK = words(
    "hide hides hid hidden hiding conceal conceals concealed concealing contain contains contained "
    "containing suppress suppresses suppressed mask masks masked masking disguise disguised "
    "restrain restrained control controlled controlling veiled hold held help stop"
)
"""What is not or barely kept back is there: *cannot hide her anger*, *barely contained rage*."""
_REACH_OF_KEPT_BACK = 3
_CLAUSE_ENDS = words(
    ". ; : ! ? ( ) but however although though yet instead because while whereas nevertheless"
) | {"\n"}
_SUBJECTS = words("i he she they it there this that the speaker voice")
_VERBS = words(
    "is are was were seems seem sounds sound appears appear feels feel looks shows show expresses "
    "conveys suggests indicates reveals remains becomes has have"
)
_GRADES = words("rather quite more very mostly mainly only deeply")
"""After *and* they begin a statement of its own: *not angry and rather calm*."""
_LIST_WORDS = 3
"""Words of the longest part of a list that one negation covers."""
_LOOK_AHEAD = 40
"""Tokens of the longest list that is looked through."""

_ADVERBS = words(
    "completely entirely largely notably also clearly simply totally quite almost virtually "
    "noticeably conspicuously mostly wholly both all"
)
_ABSENT = words("absent lacking missing nonexistent non-existent unlikely negligible nowhere")
_PERCEIVED = words(
    "present evident detected detectable apparent found heard audible noticeable expressed shown "
    "observed indicated discernible perceptible visible obvious there conveyed suggested felt"
)


def has_negation(tokens: Sequence[str]) -> bool:
    """Whether any token or pair of tokens negates something."""
    return any(_negates(tokens, at) for at in range(len(tokens)))


def negated(tokens: Sequence[str]) -> list[bool]:
    """For each token, whether a negation before it reaches it: up to the end of its clause."""
    result: list[bool] = []
    by: str | None = None
    for at, word in enumerate(tokens):
        if _ends_clause(tokens, at) or (by in _NOUNS and word in _TELLS):
            by = None
        result.append(by is not None)
        if _negates(tokens, at):
            by = word if _holds(tokens, at) else None
    return result


def waved_off(tokens: Sequence[str], at: int, named: Sequence[bool]) -> bool:
    """Whether what follows says that the emotion at ``at`` is not there: *anger is absent*.

    ``named``: for each token, whether it is an emotion word; *anger and fear are absent* is said of
    both.
    """
    left = at + 1
    end = min(len(tokens), at + _LOOK_AHEAD)
    while left < end and (named[left] or tokens[left] in (",", "and", "or", "nor")):
        left += 1
    rest = list(tokens[left : left + 6])
    denied = False
    while rest and (rest[0] in _VERBS | _ADVERBS | {"be", "been", "to", "can"} or _denies(rest[0])):
        denied |= _denies(rest.pop(0))
    if not rest:
        return False
    ruled_out = rest[:2] == ["ruled", "out"]
    return rest[0] in _PERCEIVED if denied else rest[0] in _ABSENT or ruled_out


def _denies(word: str) -> bool:
    return word in ("not", "cannot", "never", "hardly", "barely") or word.endswith("n't")


def _negates(tokens: Sequence[str], at: int) -> bool:
    word = tokens[at]
    pair = f"{word}_{tokens[at + 1]}" if at + 1 < len(tokens) else ""
    if word == "than":
        return "more" in tokens[max(at - 4, 0) : at]
    return word in _NEGATORS or word.endswith("n't") or pair in _NEGATING_PAIRS


def _holds(tokens: Sequence[str], at: int) -> bool:
    """Whether the negation at ``at`` negates what follows it."""
    following = tokens[at + 1 : at + 1 + _REACH_OF_KEPT_BACK]
    if following and following[0] in _NOT_NEGATING:
        return False
    if at and tokens[at] == "without" and tokens[at - 1] == "not":
        return False
    return _KEPT_BACK.isdisjoint(following)


def _ends_clause(tokens: Sequence[str], at: int) -> bool:
    word, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
    if word == ",":
        return not _list_goes_on(tokens, at)
    if word == "and":
        return following in _VERBS | _SUBJECTS | _GRADES
    if word == "but" and at and tokens[at - 1] == "anything":
        return False
    return word in _CLAUSE_ENDS


def _list_goes_on(tokens: Sequence[str], comma: int) -> bool:
    """Whether a comma stands in a list of short parts that ends in *or* or *nor*."""
    length = 0
    for word in tokens[comma + 1 : comma + _LOOK_AHEAD]:
        if word in ("or", "nor"):
            return length <= _LIST_WORDS
        if word in _CLAUSE_ENDS or word in _VERBS or length > _LIST_WORDS:
            return False
        length = 0 if word == "," else length + 1
    return False
