"""The sentence encoder, on a model of random weights that is made here."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from ovbench.context import ContextSettings, open_context
from ovbench.context.sentence import SentenceEncoder
from ovbench.errors import InputError, MissingExtraError
from ovbench.normalize.sentence_model import weights_hash
from ovbench.tasks import Item

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "low", "shaky", "voice", "loud", ","]
TEXTS = ["a low voice", "a shaky , low , shaky voice", "loud", ""]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT of one layer and mean pooling."""
    pytest.importorskip("sentence_transformers")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    base = tmp_path_factory.mktemp("bert")
    (base / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    BertTokenizerFast(vocab=str(base / "vocab.txt")).save_pretrained(base)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(base)
    folder = tmp_path_factory.mktemp("sentence") / "tiny"
    SentenceTransformer(str(base), device="cpu").save(str(folder))  # mean pooling by default
    return folder


def test_embeddings_have_length_one_and_do_not_depend_on_their_neighbours(model: Path) -> None:
    encoder = SentenceEncoder(str(model))
    whole = encoder.encode([*TEXTS, TEXTS[0]])
    assert whole.dtype == np.float32
    assert whole.shape == (5, encoder.dim) == (5, 16)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    assert whole[4].tobytes() == whole[0].tobytes() != whole[1].tobytes()
    for row, text in zip(whole, TEXTS, strict=False):
        assert encoder.encode([text])[0].tobytes() == row.tobytes()
    assert encoder.encode([]).shape == (0, 16)


def test_a_recipe_names_it_by_its_path(model: Path) -> None:
    builder = open_context(ContextSettings(encoder=f"sentence:{model}"))
    assert builder.schema == f"sentence@{weights_hash(model)[:16]}"
    context = builder.build([Item("i", "a low voice", "w")])
    assert context is not None
    assert context.tobytes() == SentenceEncoder(str(model)).encode(["a low voice"]).tobytes()


def test_the_id_changes_with_the_weights_and_not_with_the_card(model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(model, tmp_path / "tiny"))
    assert weights_hash(copy) == weights_hash(model)
    (copy / "README.md").write_text("another card")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "config.json").write_text("{}")
    (copy / ".cache.json").write_text("{}")
    (copy / "pytorch_model.bin").write_text("the same weights in another format")
    assert weights_hash(copy) == weights_hash(model)
    tensors = next(copy.rglob("*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"\1")
    assert weights_hash(copy) != weights_hash(model)


def test_what_cannot_be_loaded_is_said_so(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sentence-transformers model"):
        SentenceEncoder(str(tmp_path))
    with pytest.raises(InputError, match="hf download nobody/has-this-model-here"):
        SentenceEncoder("nobody/has-this-model-here")
    broken = Path(shutil.copytree(model, tmp_path / "broken"))
    tensors = next(broken.rglob("*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:50])
    with pytest.raises(InputError, match="cannot be loaded"):
        SentenceEncoder(str(broken))
    kind = {"idx": 0, "name": "0", "path": "", "type": "mine.Own"}
    (broken / "modules.json").write_text(json.dumps([kind]))
    with pytest.raises(InputError, match="needs code of its own"):
        SentenceEncoder(str(broken))


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ovbench\[models\]'"):
        SentenceEncoder("anywhere")
