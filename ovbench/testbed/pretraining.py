"""Text for the backbone: the words of TinyOV's world, and never what an item is called.

Voices, topics and asides are drawn independently of each other and of every emotion word, so the
text holds nothing of the table that TinyOV asks for (which voice about which topic is which
emotion). What it does teach: which wordings mean the same level of a feature, which cue phrase
belongs to which topic, which emotion words go together, and the layout of a prompt, whose answer
is a random list here.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from ovbench.testbed.frames import DESCRIPTIONS, SPEAKERS, TOPIC_PAIRS, TRANSCRIPTS
from ovbench.testbed.world import FAMILIES, FEATURES, LEVELS, TAGS, TOPICS, VOICES, Family

NOUNS = {
    "pitch": "pitch",
    "energy": "volume",
    "rate": "pace",
    "quality": "tone",
    "pauses": "pauses",
}
"""Feature → the noun that descriptions use for it."""


def _scenes() -> dict[tuple[str, str], str]:
    """A made-up name for every voice about every topic; it says nothing of emotions."""
    names = [a + b + c + d for a in "bdgk" for b in "aiou" for c in "lnrt" for d in "aeo"]
    Random("tinyov-scenes").shuffle(names)  # noqa: S311
    pairs = [(voice, topic) for voice in VOICES for topic in TOPICS]
    return dict(zip(pairs, names, strict=False))


SCENES = _scenes()
_PHRASES = (
    "{x} {noun}", "the {noun} {be} {x}", "{noun} which {be} {x}", "{noun}, {x}", "{x} in {noun}",
    "the {x} {noun}", "{noun} that {be} {x}", "{noun}: {x}", "{noun} {be} {x}", "{x} as to {noun}",
)  # fmt: skip
_JOINS = (", ", "; ", " and ", " with ", ". ", ", then ", ", also ", " next to ")
_LEADS = (
    "so", "I say", "listen", "it is", "here is", "no, not", "they saw", "she asked about",
    "remember", "I dreamt of", "all because of", "one word:", "please,", "again", "we had",
    "he wrote", "everyone knows", "this morning", "at last", "last night", "I was told of", "since",
)  # fmt: skip
_TAILS = (
    "", "", "you see", "I mean it", "and that is all", "right here", "at the door", "for an hour",
    "in front of me", "as always", "for once", "I suppose", "we left", "ask him", "it goes on",
)  # fmt: skip


def pretraining_text(seed: int, n: int, start: int = 0) -> Iterator[str]:
    """Documents ``start`` to ``start + n - 1`` of the endless text with that seed."""
    for number in range(start, start + n):
        rng = Random(f"tinyov-text/{seed}/{number}")  # noqa: S311
        yield rng.choices(_KINDS, _WEIGHTS)[0](rng)


def vocabulary() -> list[str]:
    """Every frame, cue, aside and label of the world, sorted: what a tokenizer must know."""
    texts = {word for family in FAMILIES for word in all_words(family)}
    texts.update(phrase for phrases in (*TOPICS.values(), *TAGS.values()) for phrase in phrases)
    texts.update(word for levels in LEVELS.values() for words in levels.values() for word in words)
    texts.update(SCENES.values())
    for frames in (*DESCRIPTIONS.values(), *TRANSCRIPTS.values(), *TOPIC_PAIRS.values()):
        texts.update(_bare(frame) for frame in frames)
    return sorted(texts)


def all_words(family: Family) -> tuple[str, ...]:
    """The family's labels of every split."""
    return (*family.words, family.only_dev, family.only_test)


def _bare(frame: str) -> str:
    names = ("who", *FEATURES, "cue", "other", "tag")
    return frame.format_map(dict.fromkeys(names, ""))


def _voice(rng: Random) -> tuple[str, str, dict[str, str]]:
    """A description of a voice, that voice, and its level of each feature, some of them stray."""
    voice = rng.choice(list(VOICES))
    levels = dict(zip(FEATURES, VOICES[voice], strict=True))
    for feature in FEATURES:
        if rng.random() < 0.25:
            levels[feature] = rng.choice(list(LEVELS[feature]))
    words = {feature: rng.choice(LEVELS[feature][level]) for feature, level in levels.items()}
    who = rng.choice(SPEAKERS)
    if rng.random() < 0.3:
        text = rng.choice(DESCRIPTIONS["train"]).format_map({"who": who, **words})
        return _capital(text), voice, levels
    order = list(FEATURES)
    rng.shuffle(order)
    text = rng.choice((f"{who}: ", f"{who} has ", "", f"from {who}, ", "there is "))
    for index, feature in enumerate(order):
        be = "are" if feature == "pauses" else "is"
        text += rng.choice(_JOINS) if index else ""
        text += rng.choice(_PHRASES).format(x=words[feature], noun=NOUNS[feature], be=be)
    return _capital(text + "."), voice, levels


def _speech(rng: Random) -> tuple[str, list[str], str]:
    """A transcript about one or two random topics, those topics, and the kind of its aside."""
    topics = rng.sample(list(TOPICS), 2 if rng.random() < 0.3 else 1)
    cues = [rng.choice(TOPICS[topic]) for topic in topics]
    kind = rng.choice(list(TAGS))
    tag = rng.choice(TAGS[kind])
    if rng.random() < 0.3:
        frames = (TRANSCRIPTS if len(cues) == 1 else TOPIC_PAIRS)["train"]
        slots = {"cue": cues[0], "other": cues[-1], "tag": tag}
        return _capital(rng.choice(frames).format_map(slots)), topics, kind
    parts = [f"{rng.choice(_LEADS)} {cue} {rng.choice(_TAILS)}".strip() for cue in cues]
    parts.insert(rng.randrange(len(parts) + 1), tag)
    return _capital(", ".join(parts) + rng.choice((".", ".", "?", "!"))), topics, kind


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _summary(levels: dict[str, str]) -> str:
    return ", ".join(f"{levels[feature]} {NOUNS[feature]}" for feature in FEATURES)


def _scene(rng: Random) -> str:
    """Voice and words; then what was heard, in plain terms, asked for in one of several ways."""
    text, voice, levels = _voice(rng)
    words, topics, aside = _speech(rng)
    about = ", ".join(topics)
    asked = rng.choice(
        (
            f"notes: {voice}, {about}, {aside}, {_summary(levels)}",
            f"topic: {about}",
            f"style: {voice}",
            f"scene: {SCENES[voice, topics[0]]}, {voice}, {about}, {aside}",
            f"scene: {SCENES[voice, topics[0]]}, {voice}, {about}, {aside}",
        )
    )
    return f"voice: {text}\nwords: {words}\n{asked}"


def _prompt(rng: Random) -> str:
    """The layout of a prompt; its answer is drawn without a look at the item."""
    return f"voice: {_voice(rng)[0]}\nwords: {_speech(rng)[0]}\nemotions: {_list(rng)}"


def _list(rng: Random) -> str:
    families = rng.choices(FAMILIES, [f.weight for f in FAMILIES], k=2 if rng.random() < 0.4 else 1)
    found: list[str] = []
    for family in dict.fromkeys(families):
        words = all_words(family)
        count = rng.randint(1, 4)
        found += rng.choices(words, [1 / (rank + 1) for rank in range(len(words))], k=count)
    return ", ".join(dict.fromkeys(found))


def _synonyms(rng: Random) -> str:
    words = list(all_words(rng.choice(FAMILIES)))
    rng.shuffle(words)
    return f"emotions: {', '.join(words[: rng.randint(2, len(words))])}"


def _dictionary(rng: Random) -> str:
    family = rng.choice(FAMILIES)
    one, two = rng.sample(all_words(family), 2)
    tone = ("unpleasant", "mixed", "pleasant")[(family.valence > 0) - (family.valence < 0) + 1]
    force = "strong" if family.arousal >= 0.6 else "mild"
    return rng.choice(
        (
            f"{one} is close to {two}.",
            f"{one}: {tone}, {force}, like {two}.",
            f"who is {one} is {two}, and feels something {tone}.",
        )
    )


def _copy(rng: Random) -> str:
    words = rng.sample(_ALL_WORDS, rng.randint(3, 7))
    text = " ".join(words)
    return rng.choice((f"copy: {text}\ncopy: {text}", f"list: {text}\nlast: {words[-1]}"))


_ALL_WORDS = sorted({word.strip(".,;:?") for text in vocabulary() for word in text.split()} - {""})
_KINDS = (_scene, _prompt, _synonyms, _dictionary, _copy)
_WEIGHTS = (72, 12, 6, 7, 3)
