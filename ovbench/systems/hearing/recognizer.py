"""Speech recognition for systems that read what they hear: wav2vec 2.0 with CTC, greedy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from ovbench.errors import InputError
from ovbench.systems.backbones import read_config, weights_sha256
from ovbench.systems.broken import told_of
from ovbench.systems.hearing.clips import RATE
from ovbench.systems.hearing.pretrained import load_pretrained
from ovbench.systems.hearing.weights import locate_part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Recognizer:
    """A CTC model in memory.

    Attributes
    ----------
    model, extractor, tokenizer:
        The model, in evaluation mode, what makes its input, and what makes text of its output.
    name:
        As it was asked for.
    sha256:
        Of its weights.
    """

    model: Wav2Vec2ForCTC
    extractor: Wav2Vec2FeatureExtractor
    tokenizer: Wav2Vec2CTCTokenizer
    name: str
    sha256: str

    @torch.no_grad()
    def transcribe(self, samples: NDArray[np.float32]) -> str:
        """What is said in a clip of (n,) samples at 16 kHz: the likeliest letter of each frame.

        Clips are heard one by one: with padding beside them, models of this family that normalise
        over time would read something else.
        """
        heard = self.extractor(samples, sampling_rate=RATE, return_tensors="pt")
        values = heard["input_values"].to(self.model.device, self.model.dtype)
        letters = self.model(values).logits.argmax(dim=-1)[0]
        return str(self.tokenizer.decode(letters)).strip()


def open_recognizer(
    name: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Recognizer:
    """A CTC model from this machine.

    Parameters
    ----------
    name:
        A folder, or a name on the model hub that has been downloaded before.
    device, dtype:
        Where its weights go, and as what.

    Raises
    ------
    InputError
        If the weights are not here, are damaged, or are not those of wav2vec 2.0 with CTC.
    """
    folder = locate_part(name)
    _check_kind(folder)
    what = "the speech recognizer"
    model = load_pretrained(Wav2Vec2ForCTC, folder, what, dtype)
    with told_of(what, folder):
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    torch.nn.Module.to(model, device)
    return Recognizer(model, extractor, tokenizer, name, weights_sha256(folder))


def _check_kind(folder: Path) -> None:
    config = read_config(folder)
    if config.get("model_type") != "wav2vec2" or "Wav2Vec2ForCTC" not in (
        config.get("architectures") or ()
    ):
        raise InputError(
            "the speech recognizer is no wav2vec 2.0 with CTC",
            where=str(folder / "config.json"),
            expected="model_type wav2vec2, architecture Wav2Vec2ForCTC",
        )
