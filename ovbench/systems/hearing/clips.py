"""From an item to 16 kHz samples: the length policy, faults in words, augmentation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ovbench.speech.audio import AudioError, audio_info, read_audio
from ovbench.systems.answers import item_seed
from ovbench.systems.hearing.recipes import AudioPolicy, Augmentation
from ovbench.tasks import Item

Samples = NDArray[np.float32]

RATE = 16_000
"""Samples per second that every encoder is given."""
SHORTEST = 400
"""Samples (25 ms) without which an encoder has no frame."""
KEPT_BYTES = 256 * 2**20
"""Decoded clips that are kept, so that the next epoch need not read them again."""


class Clips:
    """The clips of items as a model takes them.

    Parameters
    ----------
    policy:
        How long clips are dealt with.
    augment:
        What changes a training clip.
    seed:
        Of the changes; they also depend on :attr:`epoch` and on the item's id, on nothing else.

    Attributes
    ----------
    epoch:
        Passes over the train split that are done; the trainer sets it, in the attribute ``clips``
        of a model that has one.
    """

    def __init__(
        self, policy: AudioPolicy, augment: Augmentation | None = None, seed: int = 0
    ) -> None:
        self._policy, self._augment, self._seed = policy, augment or Augmentation(), seed
        self.epoch = 0
        self._kept: OrderedDict[str, Samples | str] = OrderedDict()
        self._bytes = 0

    def fault(self, item: Item) -> str | None:
        """Why an item has no clip for the model, as a clause: ``lasts 14.2 s, more than 10``."""
        found = self._samples(item)
        return found if isinstance(found, str) else None

    def windows(self, item: Item, *, augmented: bool = False) -> list[Samples]:
        """The stretches of an item that a model is shown, float32, each :data:`SHORTEST` or more.

        One, but under the policy ``window``. Raises :class:`ValueError` for an item with a
        :meth:`fault`.
        """
        found = self._samples(item)
        if isinstance(found, str):
            raise ValueError(f"{item.id} {found}")
        size = round(self._policy.max_seconds * RATE)
        pieces = [found[at : at + size] for at in range(0, len(found), size)]
        if len(pieces) > 1 and len(pieces[-1]) < SHORTEST:
            pieces.pop()
        if not augmented:
            return pieces
        draw = np.random.default_rng(item_seed(self._seed, f"{self.epoch} {item.id}"))
        return [augment(piece, self._augment, draw) for piece in pieces]

    def lengths(self, items: Sequence[Item]) -> str | None:
        """What becomes of the clips that are longer than the policy shows, in words; None: none is.

        By what their headers say; a clip that cannot be opened is not among them.
        """
        longest = self._policy.max_seconds
        longer = sum(_lasts(item.audio) > longest for item in items if item.audio)
        if not longer:
            return None
        what = {
            "crop": "cropped to their beginning",
            "window": "heard in windows",
            "reject": "rejected, which counts as an error",
        }[self._policy.longer]
        return f"{longer} of {len(items)} clips are longer than {longest:g} s: {what}"

    def _samples(self, item: Item) -> Samples | str:
        """The clip, or its fault; the least recently used are let go of."""
        path = item.audio
        if path is None:
            return "has no audio file"
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        found = self._kept[path] = self._read(path)
        self._bytes += _size(found)
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])
        return found

    def _read(self, path: str) -> Samples | str:
        longest = self._policy.max_seconds
        try:
            seconds = audio_info(path).seconds
            if self._policy.longer == "reject" and seconds > longest:
                return f"lasts {seconds:.3g} s, more than {longest:g}"
            cropped = longest if self._policy.longer == "crop" else None
            samples = read_audio(path, rate=RATE, max_seconds=cropped).samples
        except AudioError as error:
            return f"has an unreadable audio file ({error.found})"
        if len(samples) < SHORTEST:
            return f"lasts {len(samples) / RATE:.3f} s, less than the {SHORTEST / RATE} of a frame"
        # Resampling may round a cropped or a just accepted clip up by a sample.
        return samples if self._policy.longer == "window" else samples[: round(longest * RATE)]


def _lasts(path: str) -> float:
    """Seconds, 0 for a clip that cannot be opened."""
    try:
        return audio_info(path).seconds
    except AudioError:
        return 0.0


def augment(clip: Samples, how: Augmentation, draw: np.random.Generator) -> Samples:
    """A copy with white noise, and then with one stretch silenced, as ``how`` says.

    The silence begins and ends with a straight fade of 10 ms, or of a tenth of it where that is
    shorter, as in PEFT-SER's training (audiomentations' TimeMask with ``fade``).
    """
    changed = clip.copy()
    if how.noise_snr is not None:
        ratio = 10 ** (draw.uniform(*how.noise_snr) / 20)
        level = float(np.sqrt(np.mean(np.square(clip, dtype=np.float64)))) / ratio
        changed += draw.normal(size=len(clip)).astype(np.float32) * np.float32(level)
    if how.time_mask is not None:
        length = round(len(clip) * draw.uniform(*how.time_mask))
        start = int(draw.integers(len(clip) - length + 1))
        edge = min(RATE // 100, length // 10)
        silence = np.zeros(length, np.float32)
        silence[:edge] = np.linspace(1, 0, edge)
        silence[length - edge :] = np.linspace(0, 1, edge)
        changed[start : start + length] *= silence
    return changed


def _size(found: Samples | str) -> int:
    return 0 if isinstance(found, str) else found.nbytes
