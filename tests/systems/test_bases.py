"""Bases found, refused and counted."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ovbench.errors import InputError, UnknownNameError
from ovbench.systems.backbones import (
    find_shape,
    locate,
    needed_memory,
    shapes,
    weights_sha256,
)
from ovbench.systems.recipe import CausalLmRecipe

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from systems_kit import edit_json, load, save_adapter  # noqa: E402

from ovbench.systems import devices, loading  # noqa: E402
from ovbench.systems.loading import load_base  # noqa: E402
from ovbench.systems.parameters import count_parameters  # noqa: E402

Get = Callable[[str], CausalLmRecipe]


@pytest.fixture
def folder(base_folder: Path, tmp_path: Path) -> Path:
    """A copy of the base that may be damaged."""
    return Path(shutil.copytree(base_folder, tmp_path / "base"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestFinding:
    def test_weights_that_are_not_here(self) -> None:
        with pytest.raises(InputError) as caught:
            load_base("Qwen/Qwen2.5-7B-Instruct")
        message = str(caught.value)
        for part in ["not on this machine", "15.2 GB", "19 GB", "Apache-2.0", "--base FOLDER"]:
            assert part in message
        assert "hf download Qwen/Qwen2.5-7B-Instruct" in message

    def test_the_short_name_will_do(self) -> None:
        with pytest.raises(InputError, match=r"hf download Qwen/Qwen2\.5-7B-Instruct"):
            locate("qwen2.5-7b")

    @pytest.mark.parametrize("name", ["qwen2.5-8b", "./nowhere/at all", "tinyo"])
    def test_no_such_name(self, name: str) -> None:
        with pytest.raises(UnknownNameError, match="unknown base"):
            locate(name)

    def test_in_the_hubs_cache(self, base_folder: Path, cache: Path) -> None:
        repository = cache / "models--Some--Model"
        snapshot = repository / "snapshots" / ("a" * 40)
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("a" * 40)
        (repository / "blobs").mkdir()
        snapshot.mkdir(parents=True)
        for path in base_folder.iterdir():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            shutil.copy(path, repository / "blobs" / digest)
            (snapshot / path.name).symlink_to(repository / "blobs" / digest)
        assert locate("Some/Model") == snapshot
        assert weights_sha256(snapshot) == weights_sha256(base_folder)
        assert load_base("Some/Model", device="cpu").name == "Some/Model"

    def test_needs(self) -> None:
        assert needed_memory(7_615_616_512).startswith("15.2 GB of weights (bfloat16)")
        assert "a GPU with about 19 GB" in needed_memory(7_615_616_512)


class TestHash:
    def test_of_one_file(self, base_folder: Path) -> None:
        data = (base_folder / "model.safetensors").read_bytes()
        assert weights_sha256(base_folder) == hashlib.sha256(data).hexdigest()
        assert load(base_folder).sha256 == hashlib.sha256(data).hexdigest()

    def test_of_shards(self, folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        state = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        names = sorted(state)
        parts = {"model-00001-of-00002.safetensors": names[:5]}
        parts["model-00002-of-00002.safetensors"] = names[5:]
        for file, keys in parts.items():
            save_file({key: state[key] for key in keys}, folder / file, {"format": "pt"})
        index = {
            "metadata": {},
            "weight_map": {key: file for file, keys in parts.items() for key in keys},
        }
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        both = load(folder)
        for name, tensor in state.items():
            assert torch.equal(both.model.state_dict()[name], tensor)
        first = weights_sha256(folder)
        lines = "".join(
            f"{file} {hashlib.sha256((folder / file).read_bytes()).hexdigest()}\n"
            for file in sorted(parts)
        )
        assert first == hashlib.sha256(lines.encode()).hexdigest()
        (folder / "model-00002-of-00002.safetensors").unlink()
        assert "1 of 2 weight files are missing, first model-00002" in refusal(folder)


class TestRefusals:
    def test_pickled_weights(self, folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        assert "pickled (*.bin); expected *.safetensors" in refusal(folder)

    def test_no_weights(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        assert "there are no weights" in refusal(folder)

    def test_no_model(self, tmp_path: Path) -> None:
        assert "config.json" in refusal(tmp_path)

    @pytest.mark.parametrize("kept", [4, 300, -8])
    def test_cut_off(self, folder: Path, kept: int) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:kept])
        assert "damaged or cut off" in refusal(folder)

    def test_weights_that_are_missing(self, folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        path, name = folder / "model.safetensors", "model.layers.0.mlp.down_proj.weight"
        weights = load_file(path)
        kept = weights.pop(name)
        save_file(weights, path, {"format": "pt"})
        assert f"1 of the model's weights are not in its files, '{name}' first" in refusal(folder)
        save_file(weights | {"\x1b[31mred": kept}, path, {"format": "pt"})
        assert r"a tensor is called '\x1b[31mred'" in refusal(folder)

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            (
                {"num_hidden_layers": 10**9},
                "num_hidden_layers is 1000000000, and the weight files hold",
            ),
            ({"num_hidden_layers": 10**400}, "num_hidden_layers is 1000000000"),
            ({"vocab_size": 10**12}, "it describes a model of "),
            ({"intermediate_size": 2**40}, "it describes a model of "),
        ],
    )
    def test_a_larger_model_than_its_weights(
        self, folder: Path, change: dict[str, int], found: str
    ) -> None:
        """Told before memory is taken, which for these would be terabytes."""
        edit_json(folder / "config.json", **change)
        assert found in refusal(folder)

    @pytest.mark.parametrize("kind", [["qwen2"], None, 3])
    def test_no_model_type(self, folder: Path, kind: object) -> None:
        edit_json(folder / "config.json", model_type=kind)
        assert "is no causal language model of transformers" in refusal(folder)

    def test_code_of_its_own(self, folder: Path) -> None:
        ran = folder / "ran"
        (folder / "modeling_x.py").write_text(f"open({str(ran)!r}, 'w')\n")
        edit_json(
            folder / "config.json",
            model_type="x",
            auto_map={"AutoModelForCausalLM": "modeling_x.X", "AutoConfig": "modeling_x.C"},
        )
        assert "never runs a model's code" in refusal(folder)
        assert not ran.exists()

    def test_weights_of_other_sizes(self, folder: Path) -> None:
        edit_json(folder / "config.json", hidden_size=64)
        assert "cannot be loaded" in refusal(folder)

    def test_no_tokenizer(self, folder: Path) -> None:
        for path in folder.glob("tokenizer*"):
            path.unlink()
        assert "there is no tokenizer" in refusal(folder)

    def test_memory(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "memory_of", lambda device: 1000)
        assert "cpu has 0.0 GB" in refusal(folder)

    def test_devices_and_dtypes(self, folder: Path) -> None:
        with pytest.raises(UnknownNameError, match="unknown device"):
            load_base(folder, device="gpu")
        with pytest.raises(UnknownNameError, match="did you mean 'bfloat16'"):
            load_base(folder, dtype="bf16loat", device="cpu")
        if not torch.cuda.is_available():
            with pytest.raises(InputError, match="not available on this machine"):
                load_base(folder, device="cuda:1")


def test_it_is_what_it_says(folder: Path) -> None:
    base = load_base(folder, dtype="bfloat16", device="cpu")
    assert next(base.model.parameters()).dtype == base.dtype == torch.bfloat16
    assert base.device == torch.device("cpu")
    assert base.sha256 == weights_sha256(folder)
    assert not base.model.training


def test_auto_is_float32_on_the_cpu_and_bfloat16_on_cuda() -> None:
    assert devices.resolve_dtype("auto", torch.device("cpu")) == torch.float32
    assert devices.resolve_dtype("auto", torch.device("cuda")) == torch.bfloat16


def test_out_of_memory_is_told_from_other_errors() -> None:
    assert devices.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert devices.is_out_of_memory(caught.value)
    assert not devices.is_out_of_memory(RuntimeError("shape '[3]' is invalid"))


class TestCounts:
    @pytest.mark.parametrize("name", [name for name in shapes() if name != "tinyov"])
    def test_shapes_have_the_published_number_of_parameters(
        self, name: str, recipe_of: Get
    ) -> None:
        shape = shapes()[name]
        found = count_parameters(recipe_of("affectgpt-lora-r8"), name)
        assert found.base_parameters == shape.parameters
        for hub in shape.hub:
            assert find_shape(hub.upper()) == shape

    @pytest.mark.parametrize(
        ("name", "adapter", "context"),
        [
            ("affectgpt-lora-r8", 20_185_088, 0),
            ("affectgpt-lora-r16", 40_370_176, 0),
            ("rslora-r8", 20_185_088, 0),
            ("lora-plus-r8", 20_185_088, 0),
            ("pissa-r8", 20_185_088, 0),
            ("olora-r8", 20_185_088, 0),
            ("loran-r8", 20_185_088, 0),
            ("dora-r8", 21_575_680, 0),
            ("lora-las-r4", 10_092_544, 12_521_480),
            ("lora-las-r8", 20_185_088, 12_521_480),
            ("lora-las-r4-full", 10_092_544, 1_069_365_248),
            ("miss-r8", 8 * 28 * (3584 * 3 + 2 * 512 + 2 * 18944), 0),
        ],
    )
    def test_on_qwen_7b(self, name: str, adapter: int, context: int, recipe_of: Get) -> None:
        found = count_parameters(recipe_of(name), "Qwen/Qwen2.5-7B-Instruct")
        assert (found.adapter, found.context) == (adapter, context)
        assert found.base_parameters == 7_615_616_512
        assert found.percent == pytest.approx(100 * (adapter + context) / 7_615_616_512)
        doubled = 2 if name in ("pissa-r8", "olora-r8") else 1
        assert found.file_bytes == 4 * doubled * found.trainable
        assert found.base == "qwen2.5-7b"

    def test_as_published(self, recipe_of: Get) -> None:
        found = count_parameters(recipe_of("lora-las-r4-full"), "qwen2.5-7b")
        assert found.trainable == 1_079_457_792
        assert found.training_bytes / 2**30 == pytest.approx(16.1, abs=0.05)
        assert found.file_bytes / 2**30 == pytest.approx(4.0, abs=0.05)

    @pytest.mark.parametrize(
        ("projection", "rank", "context"),
        [
            ("shared_down", 4, 6_956_036),
            ("shared_down", 16, 23_652_368),
            ("tied", 8, 1_390_592 + 8 * 768 * 196),
            ("scalar", 8, 150_724),
        ],
    )
    def test_small_projections(
        self, projection: str, rank: int, context: int, recipe_of: Get
    ) -> None:
        recipe = recipe_of("lora-las-r8")
        changed = {"projection": projection, "projection_rank": rank}
        method = recipe.method.model_copy(update=changed)
        found = count_parameters(recipe.model_copy(update={"method": method}), "qwen2.5-7b")
        assert found.context == context

    def test_a_control_trains_no_projection(self, recipe_of: Get) -> None:
        recipe = recipe_of("lora-las-r4")
        method = recipe.method.model_copy(update={"control": "constant_s"})
        found = count_parameters(recipe.model_copy(update={"method": method}), "qwen2.5-0.5b")
        assert found.context == 0

    def test_a_folder(self, base_folder: Path, recipe_of: Get, tmp_path: Path) -> None:
        shutil.copy(base_folder / "config.json", tmp_path)
        found = count_parameters(recipe_of("affectgpt-lora-r8"), str(tmp_path))
        widths = 4 * 32 * 2 - 2 * 16 + 3 * (32 + 48)  # in + out of the seven targets
        assert found.adapter == 2 * 8 * widths
        assert found.base_parameters == sum(p.numel() for p in load(base_folder).model.parameters())

    def test_a_file_is_as_large_as_it_says(
        self, base_folder: Path, recipe_of: Get, tmp_path: Path
    ) -> None:
        from ovbench.systems.loading import build

        recipe = recipe_of("pissa-r8")
        base = load(base_folder)
        save_adapter(build(recipe, "tiny", base), tmp_path / "a", base)
        size = (tmp_path / "a" / "adapter_model.safetensors").stat().st_size
        told = count_parameters(recipe, str(base_folder)).file_bytes
        assert 0 < size - told < 8_000  # the header

    def test_refusals(self, tmp_path: Path, base_folder: Path, recipe_of: Get) -> None:
        recipe = recipe_of("affectgpt-lora-r8")
        with pytest.raises(UnknownNameError, match=r"did you mean 'qwen2\.5-7b'"):
            count_parameters(recipe, "qwen2.5-70b")
        shutil.copy(base_folder / "config.json", tmp_path)
        edit_json(tmp_path / "config.json", model_type="bert")
        with pytest.raises(InputError, match="has no linear module called q_proj"):
            count_parameters(recipe, str(tmp_path))
        edit_json(tmp_path / "config.json", model_type="nonesuch")
        with pytest.raises(InputError, match="nonesuch"):
            count_parameters(recipe, str(tmp_path))
