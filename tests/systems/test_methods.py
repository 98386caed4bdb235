"""Adapters made, saved and opened again, on a random base of two layers."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from ovbench.errors import InputError, OvbenchError
from ovbench.systems import load_recipe, recipe_names
from ovbench.systems.recipe import CausalLmRecipe

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from peft import PeftModel  # noqa: E402
from peft.tuners.lora.layer import LoraLayer  # noqa: E402
from systems_kit import edit_json, load, save_adapter  # noqa: E402

from ovbench.lora_las import parameter_counts  # noqa: E402
from ovbench.systems.loading import Base, build  # noqa: E402
from ovbench.systems.methods import adapter_state, attach, peft_config, start_state  # noqa: E402
from ovbench.systems.origin import Origin  # noqa: E402
from ovbench.systems.saved import adapter_sha256, open_adapter  # noqa: E402

NAMES = [n for n in recipe_names() if isinstance(load_recipe(n), CausalLmRecipe)]
DIM = 6
Get = Callable[[str], CausalLmRecipe]


def made(recipe: CausalLmRecipe, base: Base, seed: int = 0) -> PeftModel:
    dim = DIM if recipe.method.name == "las" else None
    return build(recipe, "tiny", base, seed, label_dim=dim, context_schema="s" if dim else None)


def inputs(model: PeftModel) -> dict[str, torch.Tensor]:
    found = {"input_ids": torch.tensor([[3, 4, 5, 6, 7], [9, 8, 7, 6, 5]])}
    if "LAS" in str(model.active_peft_config.peft_type):
        found["label_context"] = torch.linspace(-1, 1, 2 * DIM).view(2, DIM)
    return found


def logits(model: PeftModel) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(**inputs(model)).logits


def train_a_little(model: PeftModel) -> None:
    """Move every trainable weight, as training would, without its cost."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data += 0.05 * noise


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_adapter_changes_nothing(name: str, base: Base, recipe_of: Get) -> None:
    ids = torch.tensor([[3, 4, 5, 6, 7], [9, 8, 7, 6, 5]])
    with torch.inference_mode():
        before = base.model(ids).logits
    after = logits(made(recipe_of(name), base))
    assert (after - before).abs().max() < 2e-5


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_opened_it_is_the_same(
    name: str, base: Base, base_folder: Path, recipe_of: Get, tmp_path: Path
) -> None:
    recipe = recipe_of(name)
    model = made(recipe, base)
    fresh = logits(model)
    train_a_little(model)
    wanted = logits(model)
    assert (wanted - fresh).abs().max() > 0.01
    save_adapter(model, tmp_path / "adapter", base)
    # The raw difference of PiSSA is worked out in fp32 from two large products.
    close = 1e-4 if name in ("pissa-r8", "olora-r8") else 0.0
    opened = open_adapter(recipe, tmp_path / "adapter", load(base_folder))
    assert (logits(opened.model) - wanted).abs().max() <= close
    assert opened.base_known
    assert not any(p.requires_grad for p in opened.model.parameters())


@pytest.mark.parametrize("name", ["pissa-r8", "olora-r8"])
def test_conversion_agrees_with_pefts_own(
    name: str, base: Base, recipe_of: Get, tmp_path: Path
) -> None:
    model = made(recipe_of(name), base)
    config = model.active_peft_config
    start, config.init_lora_weights = config.init_lora_weights, True
    model.save_pretrained(tmp_path / "start")
    config.init_lora_weights = start
    train_a_little(model)
    save_adapter(model, tmp_path / "ours", base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(
            tmp_path / "theirs", path_initial_model_for_weight_conversion=str(tmp_path / "start")
        )
    from safetensors.torch import load_file

    ours = load_file(tmp_path / "ours" / "adapter_model.safetensors")
    theirs = load_file(tmp_path / "theirs" / "adapter_model.safetensors")
    assert ours.keys() == theirs.keys()
    for key, tensor in ours.items():
        assert torch.equal(tensor, theirs[key])
    saved = json.loads((tmp_path / "ours" / "adapter_config.json").read_text())
    assert (saved["r"], saved["lora_alpha"], saved["init_lora_weights"]) == (16, 32, True)


def test_only_methods_that_change_the_base_keep_a_start(base: Base, recipe_of: Get) -> None:
    assert start_state(made(recipe_of("affectgpt-lora-r8"), base)) is None


def test_the_start_is_not_trained(base: Base, recipe_of: Get) -> None:
    model = made(recipe_of("pissa-r8"), base)
    before = {name: t.clone() for name, t in (start_state(model) or {}).items()}
    train_a_little(model)
    after = start_state(model) or {}
    assert before
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not torch.equal(next(iter(after.values())), adapter_state(model)[next(iter(after))])


def test_seeds(base_folder: Path, recipe_of: Get) -> None:
    def factors(name: str, seed: int) -> dict[str, torch.Tensor]:
        return adapter_state(made(recipe_of(name), load(base_folder), seed))

    torch.manual_seed(5)
    one = factors("lora-las-r4", 3)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)  # the caller's random numbers are untouched
    again, other = factors("lora-las-r4", 3), factors("lora-las-r4", 4)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    lora, las = factors("affectgpt-lora-r8", 3), factors("lora-las-r8", 3)
    assert all(torch.equal(lora[name], las[name]) for name in lora if "lora_A" in name)


def test_settings_reach_peft(recipe_of: Get) -> None:
    dora = peft_config(recipe_of("dora-r8").method, dropout=0.25)
    assert dora.use_dora
    assert dora.lora_dropout == 0.25
    assert peft_config(recipe_of("miss-r8").method, dropout=0.25).miss_dropout == 0.25
    assert peft_config(recipe_of("rslora-r8").method).use_rslora
    assert peft_config(recipe_of("pissa-r8").method).init_lora_weights == "pissa"
    wide = peft_config(recipe_of("lora-las-r4-wide").method, label_dim=9, context_schema="x")
    assert (wide.amplitude, wide.omega, wide.label_dim, wide.context_schema) == (0.5, 3.0, 9, "x")
    full = peft_config(recipe_of("lora-las-r4-full").method, label_dim=9)
    assert (full.projection, full.amplitude, full.omega) == ("full", 2e-4, 1e4)
    loran = peft_config(recipe_of("loran-r8").method)
    assert (str(loran.peft_type), loran.amplitude) == ("LORAN", 5e-5)


def test_rslora_is_scaled_by_the_root(base: Base, recipe_of: Get) -> None:
    model = made(recipe_of("rslora-r8"), base)
    layers = [m for m in model.modules() if isinstance(m, LoraLayer)]
    assert len(layers) == 14
    assert {layer.scaling["default"] for layer in layers} == {16 / 8**0.5}


def test_las_needs_the_length_of_a_context(base: Base, recipe_of: Get) -> None:
    with pytest.raises(InputError, match="label_dim"):
        build(recipe_of("lora-las-r4"), "tiny", base)


def test_full_projection_counts(base: Base, recipe_of: Get) -> None:
    counts = parameter_counts(made(recipe_of("lora-las-r4-full"), base))
    widths = 2 * (32 + 16 + 16 + 32 + 48 + 48 + 32)  # outputs of all targets, two layers
    assert counts.context == (DIM + 1) * widths


def test_a_target_that_the_base_lacks(base: Base, recipe_of: Get) -> None:
    method = recipe_of("dora-r8").method.model_copy(update={"target_modules": ("q_proj", "Wqkv")})
    with pytest.raises(InputError) as caught:
        attach(base.model, method)
    message = str(caught.value)
    assert "no linear module called Wqkv" in message
    assert "down_proj, gate_proj, k_proj" in message


def test_a_rank_that_does_not_fit(base: Base, recipe_of: Get) -> None:
    method = recipe_of("pissa-r8").method.model_copy(update={"r": 17})
    with pytest.raises(InputError, match="rank 17 does not fit k_proj of 32 × 16"):
        attach(base.model, method)


class TestOpening:
    @pytest.fixture
    def folder(self, base: Base, recipe_of: Get, tmp_path: Path) -> Path:
        save_adapter(made(recipe_of("affectgpt-lora-r8"), base), tmp_path / "a", base)
        return tmp_path / "a"

    @staticmethod
    def refusal(recipe: CausalLmRecipe | None, folder: Path, base_folder: Path) -> str:
        with pytest.raises(InputError) as caught:
            open_adapter(recipe, folder, load(base_folder))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_another_base(self, folder: Path, base_folder: Path, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        other = tmp_path / "other"
        shutil.copytree(base_folder, other)
        weights = load_file(other / "model.safetensors")
        weights["model.norm.weight"] += 1
        save_file(weights, other / "model.safetensors", {"format": "pt"})
        message = self.refusal(None, folder, other)
        assert "trained on" in message
        assert "take the base it was trained on".capitalize() in message

    def test_from_elsewhere(self, folder: Path, base_folder: Path) -> None:
        (folder / "base.json").unlink()
        assert not open_adapter(None, folder, load(base_folder)).base_known

    def test_what_trained_it(
        self, base: Base, base_folder: Path, recipe_of: Get, tmp_path: Path
    ) -> None:
        """LoRA+ is saved as plain LoRA, and contexts leave no trace in the configuration."""
        plain, plus = recipe_of("affectgpt-lora-r8"), recipe_of("lora-plus-r8")
        las = recipe_of("lora-las-r4")
        save_adapter(made(plain, base), tmp_path / "a", base, Origin(plain, "tiny"))
        without = tmp_path / "without"
        shutil.copytree(tmp_path / "a", without)
        record = json.loads((without / "base.json").read_text())
        assert record.pop("method") == {"name": "lora", "r": 8}
        assert record.pop("context") == {"source": "none", "shuffled": False}
        (without / "base.json").write_text(json.dumps(record))
        opened = [open_adapter(plain, f, load(base_folder)) for f in (tmp_path / "a", without)]
        assert opened[0].sha256 == opened[1].sha256 == adapter_sha256(without)
        assert open_adapter(plus, without, load(base_folder)).base_known  # it does not say
        message = self.refusal(plus, tmp_path / "a", base_folder)
        assert "trained with method name lora, r 8; expected method name lora_plus, r 8" in message
        fresh = load(base_folder)
        save_adapter(made(las, fresh), tmp_path / "b", fresh, Origin(las, "tiny"))
        assert open_adapter(las, tmp_path / "b", load(base_folder)).base_known
        for changed, told in (
            ({"shuffled": True}, "expected context source description, shuffled True"),
            ({"source": "prototypes"}, "context source prototypes, shuffled False, temperature 10"),
        ):
            context = las.context.model_copy(update=changed)
            other = las.model_copy(update={"context": context})
            assert told in self.refusal(other, tmp_path / "b", base_folder)

    def test_another_recipe(self, folder: Path, base_folder: Path, recipe_of: Get) -> None:
        assert "its r is 8; expected r 16" in self.refusal(
            recipe_of("affectgpt-lora-r16"), folder, base_folder
        )
        assert "its use_dora is False" in self.refusal(recipe_of("dora-r8"), folder, base_folder)
        assert "its method is LORA; expected method LORA_LAS" in self.refusal(
            recipe_of("lora-las-r4"), folder, base_folder
        )

    @pytest.mark.parametrize("kept", [0, 5, 200, -10])
    def test_cut_off(self, folder: Path, base_folder: Path, kept: int) -> None:
        path = folder / "adapter_model.safetensors"
        path.write_bytes(path.read_bytes()[:kept])
        assert "damaged or cut off" in self.refusal(None, folder, base_folder)

    def test_pickled(self, folder: Path, base_folder: Path) -> None:
        (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
        assert "pickled" in self.refusal(None, folder, base_folder)

    def test_no_adapter(self, tmp_path: Path, base_folder: Path) -> None:
        assert "expected an adapter's folder" in self.refusal(None, tmp_path, base_folder)

    def test_unknown_type(self, folder: Path, base_folder: Path) -> None:
        edit_json(folder / "adapter_config.json", peft_type="LORA_LASS")
        message = self.refusal(None, folder, base_folder)
        assert "unknown adapter type 'LORA_LASS' (did you mean 'LORA_LAS'?)" in message

    def test_broken_configuration(self, folder: Path, base_folder: Path) -> None:
        path = folder / "adapter_config.json"
        text = path.read_text()
        path.write_text(text[:40])
        assert "is cut off or not JSON" in self.refusal(None, folder, base_folder)
        path.write_text(text)
        edit_json(path, from_the_future=1)
        assert "from_the_future" in self.refusal(None, folder, base_folder)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("target_modules", "(.+)+!"),
            ("target_modules", "["),
            ("exclude_modules", "(.+)+!"),
            ("rank_pattern", {"(.+)+!": 4}),
            ("alpha_pattern", {"[": 4}),
            ("layers_pattern", "(.+)+!"),
        ],
    )
    def test_patterns(self, folder: Path, base_folder: Path, field: str, value: object) -> None:
        """One can be made that never ends."""
        edit_json(folder / "adapter_config.json", **{field: value})
        message = self.refusal(None, folder, base_folder)
        assert field in message
        assert "names" in message

    def test_raw_pissa(self, folder: Path, base_folder: Path) -> None:
        edit_json(folder / "adapter_config.json", init_lora_weights="pissa_niter_4")
        assert "saved as it trained (pissa_niter_4)" in self.refusal(None, folder, base_folder)

    def test_weights_that_do_not_fit(self, folder: Path, base_folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        path = folder / "adapter_model.safetensors"
        state = load_file(path)
        first = sorted(state)[0]
        save_file({k: t for k, t in state.items() if k != first}, path)
        assert f"lacks {first}" in self.refusal(None, folder, base_folder)
        save_file(state | {first: state[first][:, :3].contiguous()}, path)
        assert "is (8, 3)" in self.refusal(None, folder, base_folder)
        save_file(state | {"stray": state[first].clone()}, path)
        assert "stray" in self.refusal(None, folder, base_folder)


class TestSaving:
    def test_files_are_always_the_same(self, base: Base, recipe_of: Get, tmp_path: Path) -> None:
        model = made(recipe_of("lora-las-r4"), base)
        for name in ("one", "two"):
            save_adapter(model, tmp_path / name, base)
        for file in (tmp_path / "one").iterdir():
            assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
        assert len(list((tmp_path / "one").iterdir())) == 3

    def test_no_path_of_this_machine_is_saved(
        self, base: Base, base_folder: Path, recipe_of: Get, tmp_path: Path
    ) -> None:
        from dataclasses import replace

        save_adapter(made(recipe_of("dora-r8"), base), tmp_path / "a", replace(base, name="mine"))
        text = (tmp_path / "a" / "adapter_config.json").read_text()
        assert json.loads(text)["base_model_name_or_path"] == "mine"
        assert str(base_folder) not in text

    def test_a_failure_leaves_what_was_there(
        self, base: Base, recipe_of: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ovbench.systems import saved

        model = made(recipe_of("affectgpt-lora-r8"), base)
        save_adapter(model, tmp_path / "a", base)
        before = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        train_a_little(model)
        monkeypatch.setattr(saved, "save_file", full)
        with pytest.raises(OvbenchError, match="No space left on device"):
            save_adapter(model, tmp_path / "a", base)
        assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == before
        assert [p.name for p in tmp_path.iterdir()] == ["a"]

    def test_peft_reads_it(
        self, base: Base, base_folder: Path, recipe_of: Get, tmp_path: Path
    ) -> None:
        model = made(recipe_of("affectgpt-lora-r8"), base)
        train_a_little(model)
        save_adapter(model, tmp_path / "a", base)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = PeftModel.from_pretrained(load(base_folder).model, tmp_path / "a")
        assert torch.equal(logits(theirs), logits(model))
