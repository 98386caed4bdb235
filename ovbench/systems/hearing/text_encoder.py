"""BERT, which reads what is said: by name, from this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from transformers import BertConfig, BertModel, PreTrainedTokenizerBase

from ovbench.errors import InputError
from ovbench.systems.backbones import TINY, locate, read_config, weights_sha256
from ovbench.systems.hearing.pretrained import load_pretrained
from ovbench.systems.hearing.weights import locate_part
from ovbench.systems.loading import load_tokenizer

TINY_TEXT = "tinybert"
_TINY_SIZE, _TINY_SEED = 32, 20240


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder in memory.

    Attributes
    ----------
    model:
        The encoder, its weights frozen, in evaluation mode.
    tokenizer:
        With a padding token.
    name:
        As it was asked for.
    size:
        Numbers per token of its last layer.
    longest:
        Tokens beyond which a text is cut off.
    sha256:
        Of its weights.
    """

    model: BertModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    size: int
    longest: int
    sha256: str

    def features(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask``, (texts, tokens), int64, padded on the right.

        No text is without a token: BERT's own have its [CLS] and [SEP], and where the tokenizer
        adds none, an empty text is the end-of-sequence token.
        """
        rows = []
        for text in texts:
            ids = self.tokenizer(text, truncation=True, max_length=self.longest)["input_ids"]
            rows.append(torch.tensor(ids or [self.tokenizer.eos_token_id]))
        padded = torch.nn.utils.rnn.pad_sequence(
            rows, batch_first=True, padding_value=int(self.tokenizer.pad_token_id)
        )
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
        device = self.model.device
        return {"input_ids": padded.to(device), "attention_mask": mask.to(device)}

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The last hidden states, (texts, tokens, size), float32."""
        found = self.model(input_ids=input_ids, attention_mask=attention_mask)
        states: Tensor = found.last_hidden_state
        return states.float()


def open_text_encoder(
    name: str, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> TextEncoder:
    """A text encoder from this machine.

    Parameters
    ----------
    name:
        ``tinybert`` (the architecture at a width of 32, untrained: weights drawn from a fixed seed,
        with TinyOV's tokenizer), a folder, or a name on the model hub that has been downloaded.
    device, dtype:
        Where its weights go, and as what.

    Raises
    ------
    InputError
        If the weights are not here, are damaged, or are not BERT's.
    """
    if name == TINY_TEXT:
        return _tiny(device, dtype)
    folder = locate_part(name)
    _check_kind(folder)
    tokenizer = load_tokenizer(folder)
    if tokenizer.pad_token_id is None:
        raise InputError("the tokenizer has no padding token", where=str(folder))
    model = load_pretrained(BertModel, folder, "the text encoder", dtype, add_pooling_layer=False)
    return _opened(model, tokenizer, name, weights_sha256(folder), device)


def _check_kind(folder: Path) -> None:
    kind = read_config(folder).get("model_type")
    if kind != "bert":
        raise InputError(
            f"the text encoder's model type is {kind!r}",
            where=str(folder / "config.json"),
            expected="bert, or tinybert by name",
        )


def _tiny(device: torch.device | str, dtype: torch.dtype) -> TextEncoder:
    tokenizer = load_tokenizer(locate(TINY))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=_TINY_SIZE,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * _TINY_SIZE,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_TINY_SEED)
        model = BertModel(config, add_pooling_layer=False)
    sha256 = hashlib.sha256(save(dict(model.state_dict()))).hexdigest()
    torch.nn.Module.to(model, dtype)
    return _opened(model, tokenizer, TINY_TEXT, sha256, device)


def _opened(
    model: BertModel,
    tokenizer: PreTrainedTokenizerBase,
    name: str,
    sha256: str,
    device: torch.device | str,
) -> TextEncoder:
    torch.nn.Module.to(model, device)
    torch.nn.Module.eval(model)
    return TextEncoder(
        model=model.requires_grad_(False),
        tokenizer=tokenizer,
        name=name,
        size=int(model.config.hidden_size),
        longest=int(model.config.max_position_embeddings),
        sha256=sha256,
    )
