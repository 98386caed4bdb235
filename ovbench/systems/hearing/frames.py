"""Vectors of a clip for a projector: from a frozen encoder, or from files of another program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ovbench.errors import InputError
from ovbench.systems.hearing.clips import RATE, Clips
from ovbench.systems.hearing.encoders import SpeechEncoder
from ovbench.systems.hearing.windows import windows_of
from ovbench.tasks import Item

Vectors = NDArray[np.float32]
_UNREADABLE = (OSError, ValueError, TypeError, EOFError, MemoryError, SyntaxError, TokenError)
"""What a header that is no header raises, too: NumPy reads it as Python."""
FEATURES = "features:"
"""Begins the name of an encoder that is another program."""


class FrameBatch(NamedTuple):
    """What several items are heard as.

    Attributes
    ----------
    inputs, mask:
        For the source's ``forward``, a row per window.
    owners:
        Index of each row's item.
    seconds:
        (items, rows): how long each row lasts, 0 where it is another item's.
    """

    inputs: Tensor
    mask: Tensor
    owners: list[int]
    seconds: Tensor


class Frames(nn.Module, ABC):
    """Where vectors come from: ``size`` numbers per frame."""

    size: int

    @abstractmethod
    def fault(self, item: Item) -> str | None:
        """Why an item has no vectors, as a clause."""

    @abstractmethod
    def longest(self, item: Item) -> int:
        """An upper bound of the frames in any row of an item without a :meth:`fault`."""

    @abstractmethod
    def collect(self, items: Sequence[Item], *, augmented: bool) -> FrameBatch:
        """The rows of items that have no :meth:`fault`."""

    @abstractmethod
    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (rows, frames, size), float32, and the mask (rows, frames) of what is heard."""

    @abstractmethod
    def identity(self) -> str:
        """The sha256 of the encoder's weights, or the name of the files."""


class EncoderFrames(Frames):
    """The last hidden states of a frozen encoder, over a clip's own length."""

    def __init__(self, encoder: SpeechEncoder, clips: Clips) -> None:
        super().__init__()
        self.encoder, self.clips, self.size = encoder, clips, encoder.size

    def fault(self, item: Item) -> str | None:
        """As the clip's."""
        return self.clips.fault(item)

    def longest(self, item: Item) -> int:
        """A frame for each 20 ms, which every encoder here has at most, and one."""
        windows = self.clips.windows(item)
        return max(len(one) for one in windows) * 50 // RATE + 1

    def collect(self, items: Sequence[Item], *, augmented: bool) -> FrameBatch:
        """A row for each window."""
        found = windows_of(self.clips, items, augmented=augmented)
        features = self.encoder.features(found.samples)
        seconds = found.seconds.to(self.encoder.device)
        return FrameBatch(features["inputs"], features["mask"], found.owners, seconds)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The last hidden states."""
        with torch.no_grad():
            states, heard = self.encoder.hidden_states(inputs, mask)
        return states[-1].float(), heard

    def identity(self) -> str:
        """The sha256 of the encoder's weights."""
        return self.encoder.sha256


class FileFrames(Frames):
    """Vectors beside the audio, ``<clip's stem>.<name>.npy``: (frames, size), or (size,) as one.

    A clip's vectors are taken as they are: whole, whatever the audio policy, never augmented.

    Raises
    ------
    InputError
        From :meth:`fault`, where a clip's file is not there: the program has not run yet.
    """

    def __init__(self, name: str, size: int, device: torch.device) -> None:
        super().__init__()
        self.name, self.size, self.device = name, size, device

    def fault(self, item: Item) -> str | None:
        """What is wrong with the file, or that there is no clip that it could belong to."""
        found = self._vectors(item)
        return found if isinstance(found, str) else None

    def longest(self, item: Item) -> int:
        """As many as there are."""
        return len(self._vectors(item))

    def collect(self, items: Sequence[Item], *, augmented: bool) -> FrameBatch:
        """A row for each item."""
        rows = []
        for item in items:
            found = self._vectors(item)
            if isinstance(found, str):
                raise ValueError(f"{item.id} {found}")
            rows.append(torch.from_numpy(found))
        lengths = torch.tensor([len(row) for row in rows])
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = torch.arange(padded.shape[1]) < lengths[:, None]
        device = self.device
        seconds = torch.eye(len(rows), device=device)
        return FrameBatch(padded.to(device), mask.to(device), list(range(len(rows))), seconds)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors themselves."""
        return inputs, mask

    def identity(self) -> str:
        """``features:emotion2vec``: nobody knows here by which weights they were made."""
        return FEATURES + self.name

    def _vectors(self, item: Item) -> Vectors | str:
        if item.audio is None:
            return "has no audio file"
        path = _vectors_of(item.audio, self.name)
        try:
            with path.open("rb") as file:
                found = np.lib.format.read_array(file, allow_pickle=False)
        except FileNotFoundError:
            raise _not_there(
                "a clip's vectors are not there", str(path), self.name, self.size
            ) from None
        except _UNREADABLE as error:
            return f"has a damaged file of vectors, {path.name} ({error})"
        if found.dtype.kind != "f":
            return f"has no vectors of numbers in {path.name}"
        rows = found[None] if found.ndim == 1 else found
        if rows.ndim != 2 or rows.shape[1] != self.size or not len(rows):
            return f"has vectors of shape {found.shape} in {path.name}, not (frames, {self.size})"
        if not np.isfinite(rows).all():
            return f"has numbers in {path.name} that are not finite"
        return np.ascontiguousarray(rows, np.float32)


def require_vectors(name: str, size: int, items: Sequence[Item]) -> None:
    """Go on if every clip has its file of vectors.

    Raises
    ------
    InputError
        If files are missing, or there is no clip that they could belong to.
    """
    paths = [_vectors_of(item.audio, name) for item in items if item.audio]
    absent = [path for path in paths if not path.is_file()]
    if absent:
        found = f"{len(absent)} of {len(paths)} clips have no vectors of {name}"
        raise _not_there(found, f"{absent[0]}, the first of them", name, size)
    if not paths:
        raise _not_there(f"there are no clips with vectors of {name}", None, name, size)


def _vectors_of(clip: str, name: str) -> Path:
    return Path(clip).with_suffix(f".{name}.npy")


def _not_there(found: str, where: str | None, name: str, size: int) -> InputError:
    program = "the program that makes them"
    if name.startswith("emotion2vec"):
        # Of nine classes, as the one that thau-emo2vec-gemma's authors took.
        program = (
            "FunASR: AutoModel(model='iic/emotion2vec_base_finetuned').generate(CLIP, "
            "granularity='frame', extract_embedding=True)[0]['feats'], and numpy.save"
        )
    return InputError(
        found,
        where=where,
        expected=f"an array (frames, {size}) beside each clip",
        mend=f"write them with {program}",
    )
