"""Speech encoders: Whisper, WavLM, wav2vec 2.0 (MMS) and HuBERT, and what each is shown of a clip.

An encoder takes clips of any lengths together and gives each the vectors that it would give it
alone: filters and attention leave the padding out. Weights come from safetensors files on this
machine, and no code that comes with a model is run. ``tinywhisper``, ``tinywavlm``, ``tinymms`` and
``tinyhubert`` are small models of the real classes with random weights from a fixed seed: untrained
encoders, for the tiny scale and for tests.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import (
    HubertConfig,
    HubertModel,
    PreTrainedConfig,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ovbench.errors import InputError, UnknownNameError
from ovbench.systems.backbones import read_config, read_json, weights_sha256
from ovbench.systems.devices import resolve_device, resolve_dtype
from ovbench.systems.hearing.clips import RATE
from ovbench.systems.hearing.pretrained import load_pretrained
from ovbench.systems.hearing.weights import locate_part

Family = Literal["whisper", "wavlm", "wav2vec2", "hubert"]
Clip = NDArray[np.float32]
"""Samples of a clip at 16 kHz."""
_SEED = 20_240_601
_CLASSES: dict[str, type[PreTrainedModel]] = {
    "whisper": WhisperModel,
    "wavlm": WavLMModel,
    "wav2vec2": Wav2Vec2Model,
    "hubert": HubertModel,
}
"""By the ``model_type`` of a configuration."""


class SpeechEncoder(nn.Module):
    """A speech encoder: frozen and in evaluation mode, as it is made.

    :meth:`train` leaves it so, and with it there is no dropout, layer drop or masking of features
    within it, in training neither. Adapters are put on :attr:`model` from outside. Who trains the
    encoder itself, as a fusion with ``train_encoders`` does, unfreezes :attr:`model` and sets that
    one's mode: then there is dropout within its layers in training, but no layer drop and no
    masking of features, which :meth:`hidden_states` leaves out.

    Parameters
    ----------
    model:
        ``WhisperEncoder``, ``WavLMModel``, ``Wav2Vec2Model`` or ``HubertModel``.
    name:
        As it was asked for.
    sha256:
        Of its weights.
    normalize:
        Whether clips are brought to mean 0 and variance 1 (WavLM large, MMS, HuBERT large).
    """

    def __init__(self, model: PreTrainedModel, *, name: str, sha256: str, normalize: bool) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)
        config: Any = model.config
        self.name, self.sha256 = name, sha256
        self.family = cast(Family, config.model_type)
        self.size: int = config.d_model if self.family == "whisper" else config.hidden_size
        """Numbers per frame."""
        self._extractor = (
            WhisperFeatureExtractor(feature_size=config.num_mel_bins)  # type: ignore[no-untyped-call]
            if self.family == "whisper"
            else None
        )
        self._normalize = normalize
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Back to evaluation mode, whatever is asked for; :attr:`model` has a mode of its own."""
        return super().train(False)

    @property
    def blocks(self) -> nn.ModuleList:
        """The Transformer layers."""
        encoder: Any = self.model if self.family == "whisper" else self.model.encoder
        return cast(nn.ModuleList, encoder.layers)

    @property
    def layers(self) -> int:
        """How many Transformer layers it has; :meth:`hidden_states` gives one more."""
        return len(self.blocks)

    @property
    def max_seconds(self) -> float | None:
        """Longest clip that it takes: Whisper's table of positions ends after 30 s."""
        if self.family != "whisper":
            return None
        positions: int = cast(Any, self.model.config).max_source_positions
        return positions / 50

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.model.device

    def features(self, clips: Sequence[Clip]) -> dict[str, Tensor]:
        """What :meth:`hidden_states` takes.

        Parameters
        ----------
        clips:
            16 kHz mono, float32, each of at least 400 samples (25 ms).

        Returns
        -------
        ``inputs``, float32: Whisper's log-Mel features (items, bins, frames), without padding to
        30 s; else samples (items, samples). ``mask``, bool (items, frames or samples): what is
        no padding. Each clip's features are made of it alone.
        """
        if self._extractor is not None:
            made = [self._extractor([c], **_ALONE).input_features[0] for c in clips]
        elif self._normalize:
            made = [(clip - clip.mean()) / np.sqrt(clip.var() + 1e-7) for clip in clips]
        else:
            made = list(clips)
        lengths = [one.shape[-1] for one in made]
        inputs = np.zeros((len(made), *made[0].shape[:-1], max(lengths)), np.float32)
        for row, one in zip(inputs, made, strict=True):
            row[..., : one.shape[-1]] = one
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        return {
            "inputs": torch.from_numpy(inputs).to(self.device),
            "mask": mask.to(self.device),
        }

    def hidden_states(
        self, inputs: Tensor, mask: Tensor, prompts: Tensor | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """The vectors before the first layer and after each, in the model's dtype.

        The last is taken after the closing layer norm where the model has one, as
        ``output_hidden_states`` did in the transformers release (4.30) that PEFT-SER needs; newer
        releases give it without.

        Parameters
        ----------
        inputs, mask:
            Of :meth:`features`.
        prompts:
            Vectors (layers, length, size) put in front of each layer's input and taken out of its
            output.

        Returns
        -------
        ``layers + 1`` tensors (items, frames, size), and the mask of their frames, bool.
        """
        if self.family == "whisper":
            hidden, frames = self._whisper_frames(inputs, mask)
        else:
            hidden, frames = self._wav_frames(inputs, mask)
        length = 0 if prompts is None else prompts.shape[1]
        attended = self._attended(frames, length, hidden.dtype)
        states = [hidden]
        extra: dict[str, Any] = {}
        for index, block in enumerate(self.blocks):
            if prompts is not None:
                front = prompts[index].to(hidden.dtype).expand(len(hidden), -1, -1)
                hidden = torch.cat([front, hidden], dim=1)
            with _quiet():
                found = block(hidden, attention_mask=attended, **extra)
            if isinstance(found, tuple):  # WavLM: the first layer's bias of positions serves all
                found, extra["position_bias"] = found
            hidden = found[:, length:]
            states.append(hidden)
        closing = self._closing_norm
        if closing is not None:
            states[-1] = closing(hidden)
        return tuple(states), frames

    def _whisper_frames(self, mels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Two convolutions, the second of stride 2, and as many positions as there are frames.

        The first one's output over padding is put to 0, which the second has at a clip's end.
        """
        model: Any = self.model
        hidden = gelu(model.conv1(mels.to(model.conv1.weight.dtype)))
        hidden = gelu(model.conv2(hidden * mask[:, None])).transpose(1, 2)
        frames = mask[:, ::2]
        return hidden + model.embed_positions.weight[: hidden.shape[1]], frames

    def _wav_frames(self, samples: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        model: Any = self.model
        samples = samples.to(model.dtype)
        lengths = mask.sum(1)
        if model.config.feat_extract_norm == "group":  # a norm over time, which padding would shift
            each = [
                model.feature_extractor(one[None, :length])[0].T
                for one, length in zip(samples, lengths.tolist(), strict=True)
            ]
            found = nn.utils.rnn.pad_sequence(each, batch_first=True)
        else:
            found = model.feature_extractor(samples).transpose(1, 2)
        counts = model._get_feat_extract_output_lengths(lengths)
        frames = torch.arange(found.shape[1], device=found.device) < counts[:, None]
        projected = model.feature_projection(found)
        hidden = projected[0] if isinstance(projected, tuple) else projected
        hidden = hidden * frames[..., None]
        encoder = model.encoder
        hidden = hidden + encoder.pos_conv_embed(hidden)
        return (hidden if self.norm_first else encoder.layer_norm(hidden)), frames

    @property
    def norm_first(self) -> bool:
        """Whether layers begin with their norms, and one more closes the encoder."""
        return self.family == "whisper" or bool(cast(Any, self.model.config).do_stable_layer_norm)

    @property
    def _closing_norm(self) -> nn.Module | None:
        if not self.norm_first:
            return None
        encoder: Any = self.model if self.family == "whisper" else self.model.encoder
        return cast(nn.Module, encoder.layer_norm)

    def _attended(self, frames: Tensor, prompts: int, dtype: torch.dtype) -> Tensor | None:
        """The mask as the family's layers take it; none where nothing is padding."""
        if bool(frames.all()):
            return None
        mask = torch.cat([frames.new_ones(len(frames), prompts), frames], dim=1)
        if self.family == "wavlm":
            return mask
        hidden = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
        return hidden.masked_fill(~mask, torch.finfo(dtype).min)[:, None, None, :]


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch warns that WavLM's two masks, of padding and of positions, differ in their types."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
        yield


_ALONE: dict[str, Any] = {
    "sampling_rate": RATE,
    "padding": "longest",
    "truncation": False,
    "return_tensors": "np",
}


def open_speech_encoder(
    name: str | Path, device: torch.device | str = "cpu", dtype: torch.dtype | str = "float32"
) -> SpeechEncoder:
    """A speech encoder from this machine.

    Parameters
    ----------
    name:
        ``tinywhisper``, ``tinywavlm``, ``tinymms``, ``tinyhubert``; a folder; or a name on the
        model hub that has been downloaded before.
    device, dtype:
        Where it goes, and the dtype of its weights.

    Raises
    ------
    InputError
        If the weights are not here (the message says how to get them), are pickled or damaged, or
        are of another architecture.
    UnknownNameError
        If it is no folder, and no name that the hub could have.
    """
    where = resolve_device(device) if isinstance(device, str) else device
    kind = resolve_dtype(dtype, where) if isinstance(dtype, str) else dtype
    name = str(name)
    encoder = _tiny(name) if name in TINY else _from_files(name)
    return encoder.to(device=where, dtype=kind)


def _from_files(name: str) -> SpeechEncoder:
    folder = _locate(name)
    config = read_config(folder)
    if config.get("model_type") not in _CLASSES:
        raise InputError(
            f"the model type {config.get('model_type')!r} is no speech encoder that ovbench loads",
            where=str(folder / "config.json"),
            expected=", ".join(_CLASSES),
        )
    kind: Any = _CLASSES[config["model_type"]]
    model: Any = load_pretrained(kind, folder, "the speech encoder", torch.float32)
    return SpeechEncoder(
        model.encoder if config["model_type"] == "whisper" else model,
        name=name,
        sha256=weights_sha256(folder),
        normalize=_normalizes(folder, config),
    )


def _normalizes(folder: Path, config: dict[str, Any]) -> bool:
    """As the model's own processor does; without its file, as the large models were trained."""
    path = folder / "preprocessor_config.json"
    told = read_json(path).get("do_normalize") if path.exists() else None
    return bool(config.get("feat_extract_norm") == "layer" if told is None else told)


def _locate(name: str) -> Path:
    if "/" not in name and not Path(name).is_dir():
        raise UnknownNameError(
            "speech encoder", name, TINY, mend="give a folder, or a name like openai/whisper-tiny"
        )
    try:
        return locate_part(name)
    except InputError as error:
        if "pickled" not in error.found:
            raise
        raise InputError(
            error.found, where=error.where, expected=error.expected, mend=_CONVERT
        ) from None


_CONVERT = (
    'convert them once, in that folder, with: python -c "import torch; from safetensors.torch '
    "import save_file; weights = torch.load('pytorch_model.bin', weights_only=True); save_file({"
    "name: w.clone() for name, w in weights.items()}, 'model.safetensors', {'format': 'pt'})\""
)

_WAV: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "vocab_size": 32,
}
_LARGE: dict[str, Any] = {
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
}
TINY: dict[str, PreTrainedConfig] = {
    # Weights of 1/sqrt(64): of the usual .02, sound would drown in the positions.
    "tinywhisper": WhisperConfig(
        d_model=64,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=128,
        init_std=0.125,
    ),
    "tinywavlm": WavLMConfig(**_WAV),
    "tinymms": Wav2Vec2Config(**_WAV, **_LARGE),
    "tinyhubert": HubertConfig(**_WAV, **_LARGE),
}
"""Small encoders by name: WavLM in its base form, MMS and HuBERT in their large one."""


def _tiny(name: str) -> SpeechEncoder:
    """Random weights of a fixed seed, whatever the caller's random state, which stays as it is."""
    config = TINY[name]
    kind: Any = WhisperEncoder if config.model_type == "whisper" else _CLASSES[config.model_type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model: PreTrainedModel = kind(config)
    found = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        found.update(key.encode())
        found.update(tensor.contiguous().numpy().tobytes())
    layered = getattr(config, "feat_extract_norm", None) == "layer"
    return SpeechEncoder(model, name=name, sha256=found.hexdigest(), normalize=layered)
