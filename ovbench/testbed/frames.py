"""Sentence frames of TinyOV. No two splits share one; the words that fill them are shared.

``DESCRIPTIONS`` have a slot for each feature of a voice (:data:`ovbench.testbed.world.FEATURES`),
``TRANSCRIPTS`` one for a topic's cue phrase and one for an aside; ``TOPIC_PAIRS`` speak of two.
"""

# ruff: noqa: E501 (a frame is read best on one line)
from __future__ import annotations

from typing import Literal

Split = Literal["train", "dev", "test"]
"""The parts of TinyOV."""

DESCRIPTIONS: dict[Split, tuple[str, ...]] = {
    "train": (
        "{who} speaks with {pitch} pitch and {energy} volume at a {rate} pace, the tone {quality}, with {pauses} pauses.",
        "The pitch is {pitch}, the volume {energy}, the pace {rate}; the tone sounds {quality} and pauses are {pauses}.",
        "A {quality} tone, {pitch} in pitch, {energy} in volume; {who} keeps a {rate} pace and {pauses} pauses.",
        "{who} has a {quality} tone, a {rate} pace and {pauses} pauses, {energy} in volume and {pitch} in pitch.",
        "At a {rate} pace and {energy} volume, {who} sounds {quality}; the pitch is {pitch}, the pauses are {pauses}.",
        "{pauses} pauses, a {pitch} pitch and a {energy} volume mark the {quality} tone; the pace is {rate}.",
        "We hear {pitch} pitch, {pauses} pauses, a {rate} pace, {energy} volume, and a tone that is {quality}.",
        "The tone of {who} is {quality}, the volume {energy}, the pitch {pitch}, the pace {rate}, the pauses {pauses}.",
        "Volume: {energy}. Pitch: {pitch}. Pace: {rate}. Tone: {quality}. Pauses: {pauses}.",
        "{who} talks with {energy} volume; {rate} pace, {pauses} pauses, {pitch} pitch and {quality} tone throughout.",
    ),
    "dev": (
        "With {pauses} pauses and {pitch} pitch, {who} keeps a {quality} tone, {energy} volume and a {rate} pace.",
        "Here the pace is {rate} and the tone {quality}; {pitch} pitch, {energy} volume and {pauses} pauses follow.",
        "{energy} volume and {quality} tone come first, then {pitch} pitch, {pauses} pauses and a {rate} pace.",
        "{who} sounds {quality}, with {rate} pace, {pitch} pitch, {energy} volume and {pauses} pauses in between.",
    ),
    "test": (
        "This is a {quality} tone from {who}: {energy} volume, {rate} pace, {pitch} pitch, {pauses} pauses.",
        "{who} uses a {rate} pace, {pitch} pitch and {pauses} pauses; the volume stays {energy}, the tone {quality}.",
        "Both the pitch, which is {pitch}, and the tone, {quality}, go with {energy} volume, {rate} pace and {pauses} pauses.",
        "One notes {pauses} pauses, {energy} volume and a {quality} tone, with {pitch} pitch at a {rate} pace.",
    ),
}  # fmt: skip

TRANSCRIPTS: dict[Split, tuple[str, ...]] = {
    "train": (
        "I keep thinking about {cue}, {tag}.",
        "{tag}, so this is about {cue} again.",
        "Did you hear about {cue}? {tag}.",
        "{cue}, yes, {tag}, I was there.",
        "We talked of {cue} all morning, {tag}.",
        "{tag}, nobody told me of {cue}.",
        "Look, {cue}, {tag}, I can hardly say it.",
        "And then came {cue}, {tag}.",
        "It was {cue} that did it, {tag}.",
        "{tag}, I never expected {cue} to matter.",
    ),
    "dev": (
        "Today it is all {cue}, {tag}, believe me.",
        "{tag}, you should have seen {cue}.",
        "With {cue} now, {tag}, I must sit down.",
        "Tell them about {cue}, {tag}.",
    ),
    "test": (
        "So much for {cue}, {tag}, here we are.",
        "{tag}, there was {cue} this time.",
        "My mind is on {cue} tonight, {tag}.",
        "After {cue}, {tag}, what can I say.",
    ),
}

TOPIC_PAIRS: dict[Split, tuple[str, ...]] = {
    "train": (
        "First {cue} and then {other}, {tag}.",
        "{tag}, it is {cue} and also {other}.",
        "Between {cue} and {other}, {tag}.",
        "I said {cue}, {tag}, and now {other}.",
        "You know of {cue}, but {other}, {tag}.",
    ),
    "dev": (
        "{tag}, {cue} today, {other} tomorrow.",
        "They mentioned {cue} next to {other}, {tag}.",
    ),
    "test": (
        "{cue} was one thing, {tag}, {other} another.",
        "{tag}, what with {cue} plus {other}.",
    ),
}

SPEAKERS = ("the speaker", "the caller", "a woman", "a man", "a student", "the neighbour")
"""Who is heard; tells nothing."""
