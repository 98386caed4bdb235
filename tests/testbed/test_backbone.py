from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovbench.testbed import bundled
from ovbench.testbed.corpus import generate
from ovbench.testbed.pretraining import all_words
from ovbench.testbed.world import FAMILIES

torch = pytest.importorskip("torch", reason="needs the extra `models`")
transformers = pytest.importorskip("transformers", reason="needs the extra `models`")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.PreTrainedTokenizerFast.from_pretrained(bundled.backbone_folder())


@pytest.fixture(scope="module")
def model():
    return transformers.AutoModelForCausalLM.from_pretrained(
        bundled.backbone_folder(), dtype=torch.float32
    ).eval()


def test_sizes() -> None:
    sizes = {path.name: path.stat().st_size for path in bundled.backbone_folder().iterdir()}
    assert set(sizes) == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    }
    assert sum(sizes.values()) <= 6_000_000


def test_architecture(model) -> None:
    assert model.config.model_type == "qwen2"
    assert 2e6 <= sum(p.numel() for p in model.parameters()) <= 5e6
    assert model.config.tie_word_embeddings
    assert all(torch.isfinite(p).all() for p in model.parameters())


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_survives_the_tokenizer(tokenizer, text: str) -> None:
    for special in ("<pad>", "<eos>"):
        if special in text:
            return
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_words_of_the_world_are_single_tokens(tokenizer) -> None:
    labels = [word for family in FAMILIES for word in all_words(family)]
    split = [word for word in labels if len(tokenizer(f" {word}").input_ids) > 1]
    assert len(split) <= 8
    words = {word for item in generate("test", 100) for word in item.transcript.split()[1:]}
    counts = [len(tokenizer(f" {word}").input_ids) for word in words if word.isalpha()]
    assert sum(count == 1 for count in counts) > 0.9 * len(counts)


def test_left_padding_and_end_marks(tokenizer) -> None:
    batch = tokenizer(["voice", "voice: a low tone"], padding=True)
    assert batch.input_ids[0][0] == tokenizer.pad_token_id
    assert batch.attention_mask[0][0] == 0
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in tokenizer("voice").input_ids


def test_padding_does_not_change_the_logits(tokenizer, model) -> None:
    short, long = "words: The exam, well.", "voice: A low tone.\nwords: The exam, well.\nemotions:"
    with torch.no_grad():
        alone = model(**tokenizer(short, return_tensors="pt")).logits[0, -1]
        batch = tokenizer([short, long], padding=True, return_tensors="pt")
        positions = (batch.attention_mask.cumsum(1) - 1).clamp(min=0)
        padded = model(**batch, position_ids=positions).logits[0, -1]
    torch.testing.assert_close(alone, padded, rtol=1e-4, atol=1e-4)


def test_the_backbone_knows_the_layout_and_the_words(tokenizer, model) -> None:
    """After the prompt it writes emotion words and stops: only which ones it does not know."""
    known = {word for family in FAMILIES for word in all_words(family)}
    items = generate("dev", 16)
    texts = [f"voice: {i.description}\nwords: {i.transcript}\nemotions:" for i in items]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    out = model.generate(**batch, max_new_tokens=32, do_sample=False)
    answers = tokenizer.batch_decode(out[:, batch.input_ids.shape[1] :], skip_special_tokens=True)
    words = [word.strip() for answer in answers for word in answer.split(",")]
    assert sum(word in known for word in words) > 0.9 * len(words)
    assert sum(tokenizer.eos_token_id in row.tolist() for row in out) >= 12


def test_record_names_how_it_was_made() -> None:
    record = json.loads((bundled.backbone_folder() / "training.json").read_text("utf-8"))
    assert {"seed", "steps", "losses", "torch", "transformers", "parameters"} <= set(record)
    first, last = record["losses"][0][1], record["losses"][-1][1]
    assert last < first / 3


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch):
    """Twenty steps of the script on a toy, with further arguments."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    script = importlib.import_module("build_backbone")

    def run(out: Path, *more: str) -> Path:
        toy = ["--steps", "20", "--small", "--batch", "2", "--length", "64", "--threads", "1"]
        monkeypatch.setattr(sys, "argv", ["build_backbone.py", "--out", str(out), *toy, *more])
        script.main()
        return out

    return run


def test_a_resumed_training_gives_the_same_bits(tmp_path: Path, build) -> None:
    build(tmp_path / "whole")
    build(tmp_path / "broken", "--stop-at", "9")
    assert not (tmp_path / "broken" / "model.safetensors").exists()
    build(tmp_path / "broken", "--resume")
    whole, broken = (tmp_path / name / "model.safetensors" for name in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()
    record = json.loads((tmp_path / "broken" / "training.json").read_text("utf-8"))
    assert record["steps"] == 20


def test_shipped_tokenizer_is_what_the_script_builds(tmp_path: Path, build) -> None:
    build(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (bundled.backbone_folder() / name).read_bytes()
