"""Audio language models as describers: all four architectures, with tiny random weights."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

sys.path.insert(0, str(Path(__file__).parent))
from audio_llm_kit import NAMES, SECONDS, tiny_extractor, tiny_model, tiny_tokenizer

from ovbench.errors import InputError, UnknownNameError
from ovbench.speech.audio_llm import AudioLlm
from ovbench.speech.audio_llm_describer import AudioLlmDescriber
from ovbench.speech.audio_llm_inputs import FAMILIES, RATE, chat_ids, family_of, left_padded
from ovbench.speech.audio_llm_prompts import Question, question_names, read_question
from ovbench.speech.describer import Clip
from ovbench.speech.files import write_descriptions
from ovbench.systems.hearing.audio_llms import open_audio_llm
from ovbench.systems.hearing.describers import open_describer
from ovbench.systems.hearing.known_llms import KNOWN

VOICE = read_question("voice")


@pytest.fixture(scope="module", params=NAMES)
def llm(request: pytest.FixtureRequest) -> AudioLlm:
    return tiny_llm(request.param)


def tiny_llm(name: str) -> AudioLlm:
    family = next(family for family in FAMILIES if family.name == name)
    model = tiny_model(name)
    if not hasattr(model.config, "vision_start_token_id"):
        model.config.vision_start_token_id = None
    return AudioLlm(family, model, tiny_tokenizer(), tiny_extractor(), name, "a" * 64)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Two tones and a noise of other lengths and rates; one of them in stereo."""
    folder = tmp_path_factory.mktemp("clips")
    draw = np.random.default_rng(0)
    sounds = [
        (np.sin(2 * np.pi * 180 * np.arange(20_000) / 16_000), 16_000),
        (np.sin(2 * np.pi * 420 * np.arange(9_000) / 8_000), 8_000),
        (draw.standard_normal((15_000, 2)), 16_000),
    ]
    for i, (samples, rate) in enumerate(sounds):
        soundfile.write(folder / f"{i}.wav", samples * 0.1, rate)
    return [Clip(str(i), str(folder / f"{i}.wav"), f"word {i}") for i in range(len(sounds))]


def describer(llm: AudioLlm, **options: Any) -> AudioLlmDescriber:
    return AudioLlmDescriber(llm, VOICE, **{"max_new_tokens": 6, **options})


def first_logits(llm: AudioLlm, clip: Clip, question: Question = VOICE) -> torch.Tensor:
    """What the model makes of the first token of its answer."""
    asked = AudioLlmDescriber(llm, question)
    heard = asked._listen(clip)
    prompts, audio = asked.inputs([heard])  # type: ignore[list-item]
    with torch.inference_mode():
        logits: torch.Tensor = llm.model(**left_padded(prompts, 0), **audio).logits[0, -1]
    return logits


def test_the_answer_depends_on_the_sound(llm: AudioLlm, clips: list[Clip]) -> None:
    """The same question about another clip is another input: audio is not left out in silence."""
    silent_words = [dataclasses.replace(clip, transcript="") for clip in clips]
    one, other, _ = (first_logits(llm, clip) for clip in silent_words)
    assert (one - other).abs().max() > 1e-2


def test_the_same_length_with_another_sound_is_another_input(llm: AudioLlm, tmp_path: Path) -> None:
    """So the difference is not one of the number of placeholders alone."""
    found = []
    for name, hertz in (("low", 120), ("high", 900)):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000) * 0.3, 16_000)
        found.append(first_logits(llm, Clip(name, str(path))))
    assert (found[0] - found[1]).abs().max() > 1e-2


def test_greedy_answers_repeat_and_do_not_depend_on_the_batch(
    llm: AudioLlm, clips: list[Clip]
) -> None:
    together = list(describer(llm, batch_size=3).describe(clips))
    alone = list(describer(llm, batch_size=1).describe(clips))
    again = list(describer(llm, batch_size=2).describe(clips))
    assert together == alone == again
    assert [one.id for one in together] == ["0", "1", "2"]
    assert len({one.description for one in together}) > 1


def with_ends(name: str, likely: bool) -> AudioLlm:
    """A model that ends its answer at once, or never."""
    llm = tiny_llm(name)
    head: Any = llm.model.get_output_embeddings()
    original, ends = head.forward, torch.tensor(llm.ends)
    head.forward = lambda hidden: original(hidden).index_fill(-1, ends, 1e4 if likely else -1e4)
    return llm


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_is_cut_off_says_so(name: str, clips: list[Clip]) -> None:
    llm = with_ends(name, likely=False)
    short = next(describer(llm, max_new_tokens=2).describe(clips[:1]))
    longer = next(describer(llm, max_new_tokens=6).describe(clips[:1]))
    assert short.status == longer.status == "truncated"
    assert len(longer.description) > len(short.description)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_of_nothing_is_counted_as_empty(name: str, clips: list[Clip]) -> None:
    llm = with_ends(name, likely=True)
    (found,) = describer(llm).describe(clips[:1])
    assert (found.status, found.description) == ("empty", "")
    assert found.describer == describer(llm).id


def test_what_cannot_be_heard_is_not_asked_about(clips: list[Clip], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "zero.wav", np.zeros(16_000), 16_000)
    soundfile.write(tmp_path / "blink.wav", np.full(100, 0.1), 16_000)
    (tmp_path / "no.wav").write_bytes(b"RIFF, they say")
    long = np.sin(np.arange(3 * SECONDS * 16_000)) * 0.1
    soundfile.write(tmp_path / "long.wav", long, 16_000)
    names = ["zero", "blink", "no", "gone", "long"]
    asked = [Clip(name, str(tmp_path / f"{name}.wav")) for name in names]
    llm = tiny_llm("qwen2_audio")
    found = list(describer(llm, longer="reject").describe([clips[0], *asked, clips[1]]))
    assert [one.status for one in found[1:-1]] == [
        "silent", "too_short", "unreadable", "unreadable", "too_long",
    ]  # fmt: skip
    assert all(one.description == "" and one.notes for one in found[1:-1])
    assert found[0] == next(describer(llm).describe(clips[:1])).model_copy(
        update={"describer": found[0].describer}
    )
    (cropped,) = describer(llm, longer="crop").describe([asked[-1]])
    assert cropped.notes == (f"the first {SECONDS} s of {3 * SECONDS:.1f} s were heard",)
    assert cropped.seconds == pytest.approx(3 * SECONDS)


def test_the_whole_of_a_long_clip_is_heard_by_those_with_windows(tmp_path: Path) -> None:
    """Audio Flamingo 3 and Voxtral go on after a window; what is there changes the answer."""
    quiet, loud = (np.sin(np.arange(5 * 16_000) / 9) * 0.1 for _ in range(2))
    loud[-8_000:] *= 5
    for name, samples in (("quiet", quiet), ("loud", loud)):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16_000)
    asked = [Clip(name, str(tmp_path / f"{name}.wav")) for name in ("quiet", "loud")]
    for family in ("audioflamingo3", "voxtral"):
        one, other = (first_logits(tiny_llm(family), clip) for clip in asked)
        assert (one - other).abs().max() > 1e-3, family


def test_control_tokens_in_a_transcript_are_text(clips: list[Clip]) -> None:
    llm = tiny_llm("qwen2_audio")
    question = read_question("voice-and-words")
    asked = question.render("<|im_end|> {audio} <|AUDIO|> {prompt}\nand {transcript}")
    ids = chat_ids(llm.family, llm.tokenizer, asked, 3)
    control = llm.tokenizer.convert_tokens_to_ids
    assert ids.count(control("<|AUDIO|>")) == 3
    assert ids.count(control("<|im_end|>")) == 2  # of the template
    assert "<|im_end|> {audio} <|AUDIO|> {prompt} and {transcript}" in llm.tokenizer.decode(ids)


def test_the_words_are_shown_where_the_question_has_a_place(clips: list[Clip]) -> None:
    llm = tiny_llm("voxtral")
    reading = read_question("voice-and-words")
    assert reading.reads
    assert not VOICE.reads
    other = dataclasses.replace(clips[0], transcript="something else")
    assert torch.equal(first_logits(llm, clips[0]), first_logits(llm, other))
    assert not torch.equal(first_logits(llm, clips[0], reading), first_logits(llm, other, reading))


def test_the_id_tells_model_weights_question_and_decoding() -> None:
    llm = tiny_llm("qwen2_audio")
    asked = AudioLlmDescriber(llm, VOICE)
    assert asked.id.startswith(f"qwen2_audio@{'a' * 12}+voice@")
    changed = [
        AudioLlmDescriber(dataclasses.replace(llm, sha256="b" * 64), VOICE),
        AudioLlmDescriber(llm, read_question("voice-and-words")),
        AudioLlmDescriber(llm, Question("voice", VOICE.text + "!", "c" * 64)),
        AudioLlmDescriber(llm, VOICE, max_new_tokens=8),
        AudioLlmDescriber(llm, VOICE, max_seconds=1.0),
        AudioLlmDescriber(llm, VOICE, longer="reject"),
    ]
    assert len({asked.id, *(one.id for one in changed)}) == len(changed) + 1
    assert AudioLlmDescriber(llm, VOICE, batch_size=9).id == asked.id


def test_more_than_it_can_hear_is_refused() -> None:
    with pytest.raises(InputError, match=r"between 0\.1 and 2 s"):
        describer(tiny_llm("qwen2_audio"), max_seconds=3.0)


def test_questions_are_files_known_by_hash(tmp_path: Path) -> None:
    assert question_names() == ("voice", "voice-and-words")
    own = tmp_path / "mine.txt"
    own.write_text("Describe {mood}", "utf-8")
    with pytest.raises(UnknownNameError, match="prompt field 'mood'"):
        read_question(own)
    own.write_text("Describe {transcript}\n", "utf-8")
    found = read_question(own)
    assert (found.name, found.text, found.reads) == ("mine", "Describe {transcript}", True)
    with pytest.raises(UnknownNameError, match="did you mean 'voice'"):
        read_question("voise")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder per family, as the model hub has them."""
    found = {}
    for name in NAMES:
        folder = found[name] = tmp_path_factory.mktemp(name)
        tiny_model(name).save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
        tiny_extractor().save_pretrained(folder)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_opened_by_what_its_config_says(
    name: str, saved: dict[str, Path], clips: list[Clip]
) -> None:
    opened = open_audio_llm(saved[name], device="cpu", dtype="float32")
    assert opened.family.name == name
    assert opened.longest == SECONDS * opened.family.windows
    assert opened.tokenizer.convert_tokens_to_ids("<eos>") in opened.ends
    assert torch.equal(first_logits(opened, clips[0]), first_logits(tiny_llm(name), clips[0]))


def test_the_thinker_is_taken_out_of_a_whole_qwen_omni(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    """As it is published: with a talker, whose weights are left where they are."""
    from safetensors.torch import load_file, save_file

    folder = saved["qwen2_5_omni"]
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text("utf-8"))
    whole = {"model_type": "qwen2_5_omni", "thinker_config": config}
    (tmp_path / "config.json").write_text(json.dumps(whole), "utf-8")
    thinker = load_file(folder / "model.safetensors")
    state = {f"thinker.{name}": tensor for name, tensor in thinker.items()}
    state["talker.model.norm.weight"] = torch.zeros(1)
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    opened = open_audio_llm(tmp_path, device="cpu", dtype="float32").model.state_dict()
    for name, tensor in tiny_model("qwen2_5_omni").state_dict().items():
        assert torch.equal(opened[name], tensor), name


def test_weights_that_are_not_all_there_are_refused(saved: dict[str, Path], tmp_path: Path) -> None:
    """transformers would draw the missing ones at random."""
    from safetensors.torch import load_file, save_file

    folder = saved["qwen2_audio"]
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    state.pop(sorted(state)[0])
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="lack"):
        open_audio_llm(tmp_path, device="cpu")


def test_a_folder_without_a_feature_extractor_says_so(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    for file in saved["voxtral"].iterdir():
        if file.name != "preprocessor_config.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="feature extractor"):
        open_audio_llm(tmp_path, device="cpu")


def test_other_architectures_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'qwen2'.*qwen2_audio, qwen2_5_omni"):
        family_of({"model_type": "qwen2"}, "config.json")


@pytest.mark.parametrize("name", KNOWN)
def test_missing_weights_are_one_error_with_the_next_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as told:
        open_describer(name)
    text = str(told.value)
    assert f"the weights of {KNOWN[name].hub} are not on this machine" in text
    assert f"{KNOWN[name].gigabytes:g} GB" in text
    assert KNOWN[name].download in text


def test_describers_by_name() -> None:
    assert open_describer("prosody").id.startswith("prosody@")
    with pytest.raises(UnknownNameError, match="did you mean 'qwen2-audio'"):
        open_describer("qwen2-audoi")
    with pytest.raises(UnknownNameError, match="did you mean 'prosody'"):
        open_describer("prosdy")
    with pytest.raises(InputError, match="no packaged prompt in 'es'"):
        open_describer("tinyqwen2audio", language="es")
    with pytest.raises(InputError, match="prosody"):
        open_describer("prosody", prompt="voice")


def test_the_tiny_model_describes_and_its_lines_are_json(clips: list[Clip]) -> None:
    found = open_describer("tinyqwen2audio", max_new_tokens=4, device="cpu")
    lines = [json.loads(one.line()) for one in found.describe(clips[:2])]
    assert [line["id"] for line in lines] == ["0", "1"]
    assert {line["status"] for line in lines} <= {"ok", "empty", "truncated"}
    assert found.id.startswith("tinyqwen2audio@")
    assert RATE == 16_000


def test_a_file_is_gone_on_with_by_the_same_describer_alone(
    clips: list[Clip], tmp_path: Path
) -> None:
    llm, asked = tiny_llm("voxtral"), tmp_path / "descriptions.jsonl"
    write_descriptions(asked, describer(llm), clips[:1])
    first = asked.read_bytes()
    counts = write_descriptions(asked, describer(llm), clips).counts
    assert asked.read_bytes().startswith(first)
    assert sum(counts.values()) == len(clips) == len(asked.read_bytes().splitlines())
    whole = tmp_path / "whole.jsonl"
    write_descriptions(whole, describer(llm, batch_size=1), clips)
    assert whole.read_bytes() == asked.read_bytes()
    with pytest.raises(InputError, match="was written by voxtral@"):
        write_descriptions(asked, describer(llm, max_new_tokens=7), clips[:1])
