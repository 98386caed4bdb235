"""BERT by name, and speech recognition: real classes, tiny weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402
from systems_kit import edit_json  # noqa: E402

from ovbench.errors import InputError  # noqa: E402
from ovbench.systems.hearing.recognizer import open_recognizer  # noqa: E402
from ovbench.systems.hearing.text_encoder import TextEncoder, open_text_encoder  # noqa: E402


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved BERT with random weights and a WordPiece tokenizer, as the hub has it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "go", "home", "now", "##s", "i", "am"]
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.BertForMaskedLM(config).save_pretrained(folder)
    return folder


def test_the_tiny_one_is_the_same_every_time_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = open_text_encoder("tinybert")
    assert torch.equal(torch.rand(3), expected)
    two = open_text_encoder("tinybert")
    assert isinstance(one.model, transformers.BertModel)
    assert one.sha256 == two.sha256
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, two.model.state_dict()[name])


def test_padding_does_not_change_what_a_text_is_read_as() -> None:
    encoder = open_text_encoder("tinybert")
    texts = ["go home", "", "why would anyone leave so early in the morning"]
    with torch.no_grad():
        together = encoder.features(texts)
        states = encoder.states(**together)
        for row, text in enumerate(texts):
            alone = encoder.features([text])
            n = alone["input_ids"].shape[1]
            assert n >= 1
            assert together["attention_mask"][row].tolist()[:n] == [1] * n
            assert not together["attention_mask"][row, n:].any()
            torch.testing.assert_close(states[row, :n], encoder.states(**alone)[0])


def test_a_saved_bert_is_read_as_transformers_reads_it(bert_folder: Path) -> None:
    encoder = open_text_encoder(str(bert_folder))
    file = bert_folder / "model.safetensors"
    assert encoder.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    features = encoder.features(["Go HOMES now", "I am"])
    assert features["input_ids"].tolist() == [[2, 4, 5, 7, 6, 3], [2, 8, 9, 3, 0, 0]]
    theirs = transformers.BertModel.from_pretrained(bert_folder).eval()
    with torch.no_grad():
        expected = theirs(input_ids=torch.tensor([[2, 8, 9, 3]])).last_hidden_state
        found = encoder.states(**features)[1:, :4]
    torch.testing.assert_close(found, expected)


def test_a_long_text_is_cut_off(bert_folder: Path) -> None:
    encoder = open_text_encoder(str(bert_folder))
    features = encoder.features(["go home now i am go home now i am"])
    assert features["input_ids"].tolist() == [[2, 4, 5, 6, 8, 9, 4, 3]]


def test_what_is_no_bert_is_refused(base_folder: Path, bert_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model type is 'qwen2'"):
        open_text_encoder(str(base_folder))
    for path in bert_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(bert_folder / "model.safetensors")
    weights.pop("bert.embeddings.word_embeddings.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"lack embeddings\.word_embeddings\.weight"):
        open_text_encoder(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{")
    with pytest.raises(InputError, match="damaged or cut off"):
        open_text_encoder(str(tmp_path))


def test_missing_weights_say_how_to_get_them() -> None:
    with pytest.raises(InputError, match="hf download nobody/no-bert"):
        open_text_encoder("nobody/no-bert")


# --- Speech recognition ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asr_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wav2vec 2.0 with CTC, random weights, normalising over time as wav2vec2-large-960h does."""
    folder = tmp_path_factory.mktemp("asr")
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", "A", "B", "C"]
    (folder / "vocab.json").write_text(json.dumps({c: i for i, c in enumerate(letters)}))
    transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    config = transformers.Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = transformers.Wav2Vec2ForCTC(config)
        torch.nn.init.normal_(model.lm_head.weight, std=2.0)
        model.save_pretrained(folder)
    return folder


def test_the_recognizer_takes_each_frames_likeliest_letter(asr_folder: Path) -> None:
    recognizer = open_recognizer(str(asr_folder))
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    text = recognizer.transcribe(samples)

    model = transformers.Wav2Vec2ForCTC.from_pretrained(asr_folder).eval()
    scaled = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.no_grad():
        ids = model(torch.from_numpy(scaled)[None]).logits.argmax(-1)[0].tolist()
    merged = [one for i, one in enumerate(ids) if i == 0 or one != ids[i - 1]]
    letters = {1: "<s>", 2: "</s>", 3: "<unk>", 4: " ", 5: "A", 6: "B", 7: "C"}
    expected = "".join(letters.get(one, "") for one in merged).strip()
    assert " ".join(text.split()) == " ".join(expected.split())
    assert text


def test_another_model_is_no_recognizer(asr_folder: Path, tmp_path: Path) -> None:
    for path in asr_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    edit_json(tmp_path / "config.json", architectures=["Wav2Vec2Model"])
    with pytest.raises(InputError, match=r"no wav2vec 2\.0 with CTC"):
        open_recognizer(str(tmp_path))


def test_a_text_encoder_is_what_it_says(bert_folder: Path) -> None:
    encoder = open_text_encoder(str(bert_folder), "cpu", torch.bfloat16)
    assert isinstance(encoder, TextEncoder)
    assert (encoder.size, encoder.longest, encoder.name) == (16, 8, str(bert_folder))
    assert encoder.states(**encoder.features(["go"])).dtype == torch.float32
