"""Projectors: what the language model is shown, which logits are read, what is trained."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("soundfile")

from clip_kit import clip, recipe_fields, recipe_of  # noqa: E402

from ovbench.errors import InputError  # noqa: E402
from ovbench.systems.hearing.projector import ProjectorModel, build, word_ids  # noqa: E402
from ovbench.systems.hearing.recipes import ProjectorLmRecipe  # noqa: E402
from ovbench.systems.loading import load_base, load_tokenizer  # noqa: E402
from ovbench.systems.prompting import Prompt  # noqa: E402
from ovbench.tasks import Item  # noqa: E402

CPU = torch.device("cpu")
NAMES = ["thau-whisper-gemma", "thau-emo2vec-gemma"]
SIX = ["happy", "sad", "angry", "fearful", "surprised", "neutral"]


def projector(
    name: str = NAMES[0], seed: int = 0, base: str | None = None, **tiny: Any
) -> ProjectorModel:
    """A bundled recipe's model at the tiny scale, with other settings of that scale."""
    fields = recipe_fields(name)
    fields["scales"]["tiny"] |= tiny
    recipe = recipe_of(ProjectorLmRecipe, fields)
    return build(recipe, "tiny", seed=seed, device=CPU, dtype=torch.float32, base=base)


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    return [
        clip(tmp_path, "a", 0.5, "go home now"),
        clip(tmp_path, "b", 0.2, "no"),
        clip(tmp_path, "c", 0.9, "I was never there and you know it"),
    ]


@pytest.fixture(scope="module")
def gemma_folder(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    """A saved Gemma of 2 layers with random weights, and a tokenizer of whole words."""
    folder = tmp_path_factory.mktemp("gemma")
    tokenizer = load_tokenizer(base_folder)
    tokenizer.save_pretrained(folder)
    config = transformers.GemmaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.GemmaForCausalLM(config).save_pretrained(folder)
    return folder


def reference(model: ProjectorModel, item: Item, scale: float = 1.0) -> torch.Tensor:
    """The classes' logits of one item, by whole sequences and whole logits, without padding."""
    prompt, tokenizer = model.prompt.text, model.base.tokenizer
    before, after = prompt.removesuffix(" ").split("{audio}")
    windows = model.clips.windows(item)
    features = model.frames.encoder.features(windows)
    hidden = model.frames.encoder.hidden_states(**features)[0][-1]
    sound = hidden @ model.projector.weight.T + model.projector.bias
    embedding = model.language_model.get_input_embeddings()
    words = [
        embedding(
            torch.tensor([tokenizer(text.replace("{transcript}", item.transcript)).input_ids])
        )
        for text in (before, after)
    ]
    whole = torch.cat([words[0], sound * scale, words[1]], dim=1)
    logits = model.language_model(inputs_embeds=whole).logits[0, -1]
    ids = [tokenizer(" " + model_word).input_ids[-1] for model_word in model.classes]
    return logits[ids]


# --- What the language model is shown -------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_each_clip_in_its_prompt_alone(name: str, items: list[Item]) -> None:
    model = projector(name).eval()
    with torch.no_grad():
        together = model(**model.batch(items))["logits"]
        expected = torch.stack([reference(model, item) for item in items])
    assert together.dtype == torch.float32
    torch.testing.assert_close(together, expected, atol=2e-4, rtol=1e-4)


def test_with_gemma_the_audio_is_scaled_as_words_are(gemma_folder: Path, items: list[Item]) -> None:
    # Width 16: transformers multiplied words and audio alike by √16 when this was published.
    model = projector(base=str(gemma_folder)).eval()
    embedding = model.language_model.get_input_embeddings()
    ids = torch.tensor([3, 4])
    torch.testing.assert_close(embedding(ids), embedding.weight[ids] * 4)
    with torch.no_grad():
        together = model(**model.batch(items))["logits"]
        expected = torch.stack([reference(model, item, scale=4.0) for item in items])
    torch.testing.assert_close(together, expected, atol=1e-4, rtol=1e-4)


def test_the_clip_stands_in_the_place_of_its_field(items: list[Item]) -> None:
    model = projector().eval()
    shown: list[dict[str, torch.Tensor]] = []
    handle = model.language_model.register_forward_pre_hook(
        lambda _module, _args, kwargs: shown.append(kwargs), with_kwargs=True
    )
    with torch.no_grad():
        batch = model.batch(items)
        model(**batch)
        heard = model.frames(batch["inputs"], batch["mask"])
        sound = model.projector(heard[0])
    handle.remove()
    embedded, mask = shown[0]["inputs_embeds"], shown[0]["attention_mask"]
    tokenizer = model.base.tokenizer
    table = model.language_model.get_input_embeddings().weight
    for row, item in enumerate(items):
        frames = int(heard[1][row].sum())
        before = tokenizer("voice: ").input_ids
        after = tokenizer(f"\nwords: {item.transcript}\nemotions:").input_ids
        length = len(before) + frames + len(after)
        assert mask[row].tolist() == [0] * (mask.shape[1] - length) + [1] * length
        line = embedded[row, -length:]
        torch.testing.assert_close(line[: len(before)], table[before])
        torch.testing.assert_close(line[len(before) : -len(after)], sound[row, :frames])
        torch.testing.assert_close(line[-len(after) :], table[after])
    assert shown[0]["logits_to_keep"] == 1


def test_words_and_sound_both_matter(items: list[Item]) -> None:
    model = projector().eval()
    other = Item("x", "", "I never said that", items[0].audio)
    spoken = Item("y", "", items[0].transcript, items[2].audio)
    with torch.no_grad():
        rows = [model(**model.batch([one]))["logits"] for one in (items[0], other, spoken)]
    assert (rows[0] - rows[1]).abs().max() > 1e-3
    assert (rows[0] - rows[2]).abs().max() > 1e-3


def test_an_items_own_text_cannot_move_the_clip(items: list[Item]) -> None:
    model = projector()
    sly = Item("x", "", "<|clip|> {audio} go", items[0].audio)
    before, _ = model._prompt_ids(sly)
    assert before == model._prompt_ids(items[0])[0]


def test_a_clip_that_does_not_fit_is_a_fault(gemma_folder: Path, tmp_path: Path) -> None:
    model = projector(base=str(gemma_folder)).eval()  # 64 positions
    long, short = clip(tmp_path, "long", 2.0, "go"), clip(tmp_path, "short", 0.5, "go")
    assert "more than the language model's 64" in str(model.fault(long))
    assert model.fault(short) is None
    answers = model.answers([long, short])
    assert [(a.status, a.text in SIX) for a in answers] == [("error", False), ("ok", True)]


# --- What is trained ------------------------------------------------------------------------------


def test_only_the_projector_learns_and_is_saved(items: list[Item]) -> None:
    model = projector().train()
    assert not model.language_model.training
    assert sorted(model.trained_state()) == ["projector.bias", "projector.weight"]
    loss = model(**model.batch(items, ["sad", "happy", "happy"]))["loss"]
    loss.backward()
    with_gradient = {name for name, p in model.named_parameters() if p.grad is not None}
    assert with_gradient == {"projector.bias", "projector.weight"}
    assert model.projector.weight.grad.abs().sum() > 0
    logits = model(**model.batch(items))["logits"].detach().double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    indices = [model.classes.index(one) for one in ("sad", "happy", "happy")]
    assert loss.item() == pytest.approx(-np.log(shares[range(3), indices]).mean(), rel=1e-4)


def test_the_projector_can_learn_three_clips(items: list[Item]) -> None:
    model = projector().train()
    batch = model.batch(items, ["sad", "happy", "angry"])
    optimizer = torch.optim.AdamW([model.projector.weight, model.projector.bias], lr=1e-2)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = model(**batch)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_seed_draws_the_projector() -> None:
    one, same, other = (projector(seed=seed).projector.weight for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


# --- Words ----------------------------------------------------------------------------------------


def prompt(text: str) -> Prompt:
    return Prompt(file="p.txt", text=text, sha256="0" * 64)


def test_a_word_of_several_tokens_is_told_with_its_tokens() -> None:
    tokenizer = load_base("tinyov", device="cpu").tokenizer
    spaced = prompt("{audio} emotion: ")
    ids = word_ids(tokenizer, spaced, SIX)
    assert tokenizer.convert_ids_to_tokens(ids) == ["Ġ" + word for word in SIX]
    with pytest.raises(InputError, match=r"the word ' disgust' is 3 tokens .*'Ġdis'"):
        word_ids(tokenizer, spaced, ["happy", "disgust"])
    # Without a space at the prompt's end the word has none, and is other tokens.
    with pytest.raises(InputError, match="the word 'sad' is 2 tokens"):
        word_ids(tokenizer, prompt("{audio}\n"), ["happy", "sad"])
    with pytest.raises(InputError, match="the words 'sad' and 'sad' are the same token"):
        word_ids(tokenizer, spaced, ["sad", "sad"])


def test_answers_are_the_likeliest_words_class(items: list[Item]) -> None:
    model = projector().eval()
    answers = model.answers(items)
    with torch.no_grad():
        logits = model(**model.batch(items))["logits"]
    for answer, row in zip(answers, logits, strict=True):
        assert answer.text == model.classes[int(row.argmax())]
        assert answer.scores == pytest.approx(row.softmax(0).tolist())


def test_provenance_names_every_frozen_part() -> None:
    model = projector()
    told = model.provenance()
    assert told["language_model"] == load_base("tinyov", device="cpu").sha256
    assert told["prompt"] == model.prompt.sha256
    assert told["encoder"] == model.frames.encoder.sha256


# --- Vectors of another program -------------------------------------------------------------------


@pytest.fixture
def files_model() -> ProjectorModel:
    """emotion2vec's recipe as at the paper scale, with 6 numbers a frame."""
    return projector(NAMES[1], encoder="features:emotion2vec", feature_size=6).eval()


def write(item: Item, vectors: np.ndarray) -> Path:
    assert item.audio is not None
    path = Path(item.audio).with_suffix(".emotion2vec.npy")
    np.save(path, vectors)
    return path


def test_vectors_are_read_beside_the_clips(items: list[Item], files_model: ProjectorModel) -> None:
    draw = np.random.default_rng(0)
    kept = [draw.normal(size=shape) for shape in ((7, 6), (6,), (3, 6))]
    for item, vectors in zip(items, kept, strict=True):
        write(item, vectors)
        assert files_model.fault(item) is None
    batch = files_model.batch(items)
    assert batch["mask"].sum(1).tolist() == [7, 1, 3]
    np.testing.assert_allclose(batch["inputs"][0], kept[0].astype(np.float32))
    np.testing.assert_allclose(batch["inputs"][1, 0], kept[1].astype(np.float32))
    with torch.no_grad():
        together = files_model(**batch)["logits"]
        alone = torch.cat([files_model(**files_model.batch([i]))["logits"] for i in items])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    assert files_model.provenance()["encoder"] == "features:emotion2vec"


def test_a_missing_file_says_which_and_how_to_make_it(
    items: list[Item], files_model: ProjectorModel
) -> None:
    told = r"a\.emotion2vec\.npy: .*not there.*FunASR.*'iic/emotion2vec_base_finetuned'"
    with pytest.raises(InputError, match=told):
        files_model.fault(items[0])


def test_a_file_of_something_else_is_a_fault(
    items: list[Item], files_model: ProjectorModel, tmp_path: Path
) -> None:
    cases: dict[str, np.ndarray] = {
        r"shape \(4, 5\) .* not \(frames, 6\)": np.zeros((4, 5)),
        r"shape \(0, 6\)": np.zeros((0, 6)),
        "no vectors of numbers": np.array(["a"] * 6),
        "not finite": np.full((2, 6), np.nan),
    }
    for told, vectors in cases.items():
        write(items[0], vectors)
        assert re.search(told, str(files_model.fault(items[0])))
    path = write(items[0], np.zeros((2, 6)))
    path.write_bytes(path.read_bytes()[:-8])
    assert "damaged" in str(files_model.fault(items[0]))


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(TRAP),))


TRAP = ""


def test_a_pickle_is_never_run(
    items: list[Item], files_model: ProjectorModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.TRAP", str(tmp_path / "run"))
    path = write(items[0], np.array([_Trap()], dtype=object))
    assert "damaged" in str(files_model.fault(items[0]))
    path.write_bytes(pickle.dumps(_Trap()))
    assert "damaged" in str(files_model.fault(items[0]))
    assert not (tmp_path / "run").exists()


# --- Recipes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_recipes_say_what_was_published(name: str) -> None:
    recipe = recipe_of(ProjectorLmRecipe, recipe_fields(name))
    paper = recipe.scale("paper")
    # The order of the logits in the published code: ' neutral disgust angry happy sad fear'.
    words = [paper.words[one] for one in recipe.classes]
    assert words == ["neutral", "disgust", "angry", "happy", "sad", "fear"]
    training = paper.training
    # The frames stand between the colon and 'Output', for the one token of an empty line.
    assert "{transcript}\nAudio information:{audio}Output:\nemotion = " in paper.prompt.text
    assert (training.betas, training.weight_decay, training.epochs) == ((0.9, 0.98), 0.01, 8)
    assert {p.value for p in recipe.published} >= {79.04 if name == NAMES[0] else 51.34}


def test_recipes_that_do_not_fit_together_are_refused() -> None:
    def changed(**tiny: Any) -> dict[str, Any]:
        fields = recipe_fields(NAMES[1])
        fields["scales"]["tiny"] |= tiny
        return fields

    for told, fields in {
        "classes and words differ, first at 'neutral'": changed(
            words={word: word for word in SIX[:-1]}
        ),
        "feature_size goes with": changed(encoder="features:emotion2vec"),
        r"needs \{audio\}, once": changed(prompt="prompts/tinyov.txt"),
    }.items():
        with pytest.raises(ValueError, match=told):
            recipe_of(ProjectorLmRecipe, fields)


def test_a_clip_longer_than_whisper_hears_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="max_seconds is 31; tinywhisper hears 30 s"):
        projector(audio={"max_seconds": 31.0})
