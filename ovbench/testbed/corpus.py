"""TinyOV's items: a hidden state, what is heard and said of it, and what annotators call it.

Every item has its own ``random.Random``, seeded by a string, so an item depends on nothing but the
knobs, its split and its number: any platform, any number of items, any order gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from ovbench.errors import InputError
from ovbench.testbed.frames import DESCRIPTIONS, SPEAKERS, TOPIC_PAIRS, TRANSCRIPTS, Split
from ovbench.testbed.world import FAMILIES, FEATURES, LEVELS, TAGS, TOPICS, VOICES, Family

SIZES: dict[Split, int] = {"train": 4000, "dev": 332, "test": 332}
"""Items of each split, as OV-MERD's test set has 332."""

MOST_LABELS = 9
"""Labels of an item, as in OV-MERD: 1 to 9."""


@dataclass(frozen=True)
class Knobs:
    """How hard the world is. The defaults are TinyOV as it ships.

    ``ambiguity`` (0..1): the chance that one feature of the voice, or the aside, is another
    family's. ``noise`` (0..1): the chance that an annotator's word is a slip into a family of the
    same voice or topic. ``blend`` (0..1): the chance that a second emotion is present.
    ``annotators``: how many people label an item, at least 1.
    """

    seed: int = 0
    ambiguity: float = 0.25
    noise: float = 0.04
    blend: float = 0.35
    annotators: int = 3

    def __post_init__(self) -> None:
        for name in ("ambiguity", "noise", "blend"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}", expected="a share from 0 to 1")
        if self.annotators < 1:
            raise InputError(f"annotators is {self.annotators}", expected="at least 1")


@dataclass(frozen=True, slots=True)
class Example:
    """One item with its gold. ``labels`` hold 1 to 9 words; ``valence`` is in -3..3."""

    id: str
    description: str
    transcript: str
    labels: tuple[str, ...]
    category: str
    valence: float


@dataclass(frozen=True, slots=True)
class State:
    """What the speaker feels: families, the strongest first, and what each is about."""

    families: tuple[Family, ...]
    topics: tuple[str, ...]


def generate(
    split: Split, n: int | None = None, knobs: Knobs = Knobs(), *, panel: int = 0
) -> list[Example]:
    """The first ``n`` items of a split (default: ``SIZES``), the same on every machine.

    ``panel`` numbers independent groups of annotators of the same items: panel 0 gives the gold
    labels, another one is the human ceiling.

    Raises
    ------
    ovbench.InputError
        If ``split`` is not train, dev or test, or ``n`` is negative.
    """
    if split not in SIZES:
        raise InputError(f"split {split!r}", expected="train, dev or test")
    if n is not None and n < 0:
        raise InputError(f"{n} items of TinyOV", expected="a number from 0")
    return [_example(split, i, knobs, panel) for i in range(SIZES[split] if n is None else n)]


def _example(split: Split, number: int, knobs: Knobs, panel: int) -> Example:
    name = _name(split, number, knobs)
    rng = Random(name)  # noqa: S311
    state = _state(rng, knobs)
    description = _description(rng, split, state, knobs)
    transcript = _transcript(rng, split, state, knobs)
    votes = Random(f"{name}/panel{panel}")  # noqa: S311
    person = Random(f"{name}/valence")  # noqa: S311
    labels = _labels(votes, split, state, knobs)
    return Example(
        f"{split}_{number:04d}",
        description,
        transcript,
        labels,
        state.families[0].category,
        _valence(person, state),
    )


def _name(split: Split, number: int, knobs: Knobs) -> str:
    """What an item's random numbers are seeded by."""
    return f"tinyov/{knobs.seed}/{split}/{number}"


def _state(rng: Random, knobs: Knobs) -> State:
    first = rng.choices(FAMILIES, [family.weight for family in FAMILIES])[0]
    topic = rng.choice(first.topics)
    families, topics = [first], [topic]
    while len(families) < 3 and rng.random() < (knobs.blend if len(families) == 1 else 0.2):
        near = [f for f in neighbours(first, topic) if f not in families]
        families.append(rng.choices(near, [f.weight for f in near])[0])
        topics.append(topic if topic in families[-1].topics else rng.choice(families[-1].topics))
    return State(tuple(families), tuple(topics))


def neighbours(family: Family, topic: str) -> list[Family]:
    """The other families that share the voice of ``family``, or ``topic``, in the world's order."""
    return [
        other
        for other in FAMILIES
        if other is not family and (other.voice == family.voice or topic in other.topics)
    ]


def heard(split: Split, number: int, knobs: Knobs = Knobs()) -> tuple[str, ...]:
    """The voice of an item: its level of each feature, in the order of ``FEATURES``.

    What the item's description says in words, for whoever makes sound of it.
    """
    rng = Random(_name(split, number, knobs))  # noqa: S311
    state = _state(rng, knobs)
    rng.choice(SPEAKERS)  # drawn before the levels
    return tuple(level for _, level, _ in _levels(rng, state, knobs))


def _description(rng: Random, split: Split, state: State, knobs: Knobs) -> str:
    slots = {"who": rng.choice(SPEAKERS)}
    slots |= {feature: word for feature, _, word in _levels(rng, state, knobs)}
    return _sentence(rng.choice(DESCRIPTIONS[split]), slots)


def _levels(rng: Random, state: State, knobs: Knobs) -> list[tuple[str, str, str]]:
    """Feature, level and the word for it; some levels are another voice's."""
    voices = [VOICES[family.voice] for family in state.families]
    others = sorted(VOICES)
    found = []
    for index, feature in enumerate(FEATURES):
        voice = rng.choices(voices, (3, 2, 1)[: len(voices)])[0]
        if rng.random() < knobs.ambiguity:
            voice = VOICES[rng.choice(others)]
        found.append((feature, voice[index], rng.choice(LEVELS[feature][voice[index]])))
    return found


def _transcript(rng: Random, split: Split, state: State, knobs: Knobs) -> str:
    tag = state.families[0].tag
    if rng.random() < knobs.ambiguity:
        tag = rng.choice(sorted(TAGS))
    slots = {"tag": rng.choice(TAGS[tag]), "cue": rng.choice(TOPICS[state.topics[0]])}
    second = next((t for t in state.topics if t != state.topics[0]), None)
    if second is None:
        return _sentence(rng.choice(TRANSCRIPTS[split]), slots)
    slots["other"] = rng.choice(TOPICS[second])
    return _sentence(rng.choice(TOPIC_PAIRS[split]), slots)


def _sentence(frame: str, slots: dict[str, str]) -> str:
    text = frame.format_map(slots)
    return text[0].upper() + text[1:]


def _labels(rng: Random, split: Split, state: State, knobs: Knobs) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    for _ in range(knobs.annotators):
        for strength, (family, topic) in enumerate(zip(state.families, state.topics, strict=True)):
            if rng.random() > (0.95, 0.65, 0.5)[strength]:
                continue
            named = family
            if rng.random() < knobs.noise:
                named = rng.choice(neighbours(family, topic))
            for word in _words(rng, split, named):
                seen[word] = seen.get(word, 0) + 1
    if not seen:
        seen = {_words(rng, split, state.families[0])[0]: 1}
    return tuple(sorted(seen, key=lambda word: -seen[word])[:MOST_LABELS])


def _words(rng: Random, split: Split, family: Family) -> Sequence[str]:
    """One or two of the family's words: the first of its list often, the last rarely."""
    words = list(family.words)
    if split != "train":
        words.insert(3, family.only_dev if split == "dev" else family.only_test)
    weights = [1 / (rank + 1) for rank in range(len(words))]
    count = 2 if rng.random() < 0.3 else 1
    return list(dict.fromkeys(rng.choices(words, weights, k=count)))


def _valence(rng: Random, state: State) -> float:
    """Mean of the families' valences, the first counted twice, moved by a person's error."""
    values = [state.families[0].valence, *(family.valence for family in state.families)]
    if not any(values):
        return 0.0
    steps = round(5 * sum(values) / len(values)) + rng.choice((-2, -1, 0, 0, 1, 2))
    return max(-15, min(15, steps)) / 5
