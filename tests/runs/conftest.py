"""A base of two random layers with a tokenizer of whole words, and tasks without files."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_fakes import fake_load

RENAMED = "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"
"""PEFT asks transformers for a property that transformers 5 has renamed."""
WORDS = """voice words emotions a word happy sad angry worried calm surprised tired : , .
0 1 2 3 4 5 6 7 8 9 10""".split()  # noqa: SIM905


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "runs":
            item.add_marker(pytest.mark.filterwarnings(RENAMED))


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Qwen2 of two layers with random weights, and its tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("base")
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<eos>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    ).save_pretrained(folder)
    config = Qwen2Config(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        eos_token_id=1,
        pad_token_id=0,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def fake_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task is a small fake one."""
    for module in ("recipe", "opened", "reopen", "compare", "replicate", "costs"):
        monkeypatch.setattr(f"ovbench.runs.{module}.load_task", fake_load)
