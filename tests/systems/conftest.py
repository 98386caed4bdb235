"""A base of two random layers with a tokenizer of whole words: small enough to be made in tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from systems_kit import load

from ovbench.systems import load_recipe
from ovbench.systems.recipe import CausalLmRecipe
from ovbench.tasks import Item

if TYPE_CHECKING:
    from ovbench.systems.loading import Base

WORDS = (
    "voice words emotions high low fast slow loud soft shaky flat pitch energy the a I you we "
    "never always here there go home leave it was is not why how angry happy sad afraid calm "
    "surprised tired proud bored hopeful : , . ' ? positive negative neutral"
)


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Qwen2 of 2 layers with random weights, and its tokenizer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("base")
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<eos>", "<unk>", *WORDS.split()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.Fuse()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    ).save_pretrained(folder)
    config = transformers.Qwen2Config(
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
        transformers.Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def base(base_folder: Path) -> Base:
    """The base, loaded anew for each test (an adapter changes it)."""
    return load(base_folder)


@pytest.fixture
def items() -> list[Item]:
    """Five items of different lengths."""
    return [
        Item("a", "high pitch , fast", "why is it not here ?"),
        Item("b", "low", "go home"),
        Item(
            "c", "soft voice , slow , flat energy , shaky", "I was never there , you always leave"
        ),
        Item("d", "loud", "the words"),
        Item("e", "shaky voice", "how was it ?"),
    ]


@pytest.fixture
def recipe_text() -> str:
    """The bundled LoRA-LAS recipe as TOML."""
    from ovbench.systems.registry import bundled_folder

    return (bundled_folder() / "lora-las-r4.toml").read_text("utf-8")


@pytest.fixture
def recipe_of(tmp_path: Path) -> Callable[[str], CausalLmRecipe]:
    """A bundled recipe by name, as a causal language model."""

    def get(name: str) -> CausalLmRecipe:
        recipe = load_recipe(name)
        assert isinstance(recipe, CausalLmRecipe)
        return recipe

    return get
