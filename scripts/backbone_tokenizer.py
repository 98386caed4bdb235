"""The tokenizer of the TinyOV backbone: byte-level BPE over the words of the generated world."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from ovbench.io.atomic import write_text
from ovbench.testbed.pretraining import pretraining_text, vocabulary

PAD, EOS = "<pad>", "<eos>"
MOST_TOKENS = 2560


def build(seed: int) -> PreTrainedTokenizerFast:
    """A tokenizer in which nearly every word of the world is one token and any text has bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MOST_TOKENS,
        special_tokens=[PAD, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    words = vocabulary()
    texts = [*words, *(f" {word}" for word in words), *pretraining_text(seed, 2000)]
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )


def save(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    # The class name that every version of transformers knows, not only the one that wrote this.
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config.pop("backend", None)
    write_text(path, json.dumps(config, indent=1) + "\n")
