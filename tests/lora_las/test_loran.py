"""LoRAN: the formula on the weight, its gradients, and exact merging."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from las_models import COMMON, adapted, base_model, batch, gradients, stir
from peft import LoraConfig, PeftModel, convert_to_lora, get_peft_model
from torch import Tensor, nn

from ovbench.lora_las import LasError, LoranConfig
from ovbench.lora_las.loran import _LoranLinear


def inputs() -> dict[str, Tensor]:
    found = batch()
    del found["label_context"]
    return found


def logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(**inputs()).logits


def test_layer_equals_the_formula() -> None:
    model = adapted(LoranConfig(**COMMON, amplitude=0.3, omega=20.0), torch.float64).double()
    layer = model.base_model.model.model.layers[1].mlp.gate_proj
    h = torch.randn(2, 3, 16, dtype=torch.float64)
    w0, a, b = (
        p.detach().numpy()
        for p in (
            layer.base_layer.weight,
            layer.lora_A["default"].weight,
            layer.lora_B["default"].weight,
        )
    )
    ba = b @ a
    expected = h.numpy() @ (w0 + 2.0 * (ba + 0.3 * ba * np.sin(20.0 * ba))).T
    with torch.no_grad():
        np.testing.assert_allclose(layer(h).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_gradcheck() -> None:
    shapes = [(2, 3, 5), (2, 5), (4, 2)]
    arguments = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    assert torch.autograd.gradcheck(lambda *a: _LoranLinear.apply(*a, (0.4, 3.0)), arguments)


def test_fresh_adapter_is_the_identity_and_zero_amplitude_is_lora() -> None:
    fresh = get_peft_model(base_model(), LoranConfig(**COMMON)).eval()
    assert torch.equal(logits(fresh), logits(base_model()))
    plain, loran = adapted(LoraConfig(**COMMON)), adapted(LoranConfig(**COMMON, amplitude=0.0))
    torch.testing.assert_close(logits(loran), logits(plain), rtol=1e-5, atol=1e-5)
    expected, found = gradients(plain, inputs()), gradients(loran, inputs())
    assert expected
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("safe", [False, True])
def test_merging_and_taking_out_again(safe: bool) -> None:
    model = adapted(LoranConfig(**COMMON))
    base, adapted_logits = logits(base_model()), logits(model)
    assert (adapted_logits - base).abs().max() > 0.1
    model.merge_adapter(safe_merge=safe)
    torch.testing.assert_close(logits(model), adapted_logits, rtol=1e-4, atol=1e-4)
    model.unmerge_adapter()
    torch.testing.assert_close(logits(model), adapted_logits, rtol=1e-4, atol=1e-4)
    with model.disable_adapter():
        torch.testing.assert_close(logits(model), base, rtol=1e-4, atol=1e-4)
    merged = model.merge_and_unload(safe_merge=safe)
    assert not any("lora" in name for name, _ in merged.named_modules())
    torch.testing.assert_close(logits(merged), adapted_logits, rtol=1e-4, atol=1e-4)


def test_merged_weight_is_the_formula() -> None:
    model = adapted(LoranConfig(**COMMON, amplitude=0.3, omega=20.0))
    layer = model.base_model.model.model.layers[0].self_attn.o_proj
    before = layer.base_layer.weight.detach().clone()
    ba = (layer.lora_B["default"].weight @ layer.lora_A["default"].weight).detach()
    merged = model.merge_and_unload().model.layers[0].self_attn.o_proj.weight
    expected = before + 2.0 * (ba + 0.3 * ba * torch.sin(20.0 * ba))
    torch.testing.assert_close(merged, expected, rtol=1e-5, atol=1e-6)


def test_saved_adapter_loads_exactly(tmp_path: Path) -> None:
    model = adapted(LoranConfig(**COMMON))
    model.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(base_model(), tmp_path)
    assert torch.equal(logits(model), logits(loaded))
    assert isinstance(loaded.peft_config["default"], LoranConfig)
    model.load_adapter(tmp_path, "other")
    model.set_adapter("other")
    assert torch.equal(logits(model), logits(loaded))
    model.delete_adapter("default")
    assert torch.equal(logits(model), logits(loaded))


def test_sixteen_bit_base_and_dropout() -> None:
    model = adapted(LoranConfig(**COMMON, lora_dropout=0.5), torch.bfloat16)
    out = model(**inputs()).logits
    assert out.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(**inputs()).logits, out, rtol=0.1, atol=0.2)
    assert gradients(model.train(), inputs())


def test_copies_are_independent() -> None:
    model = adapted(LoranConfig(**COMMON))
    twin, before = copy.deepcopy(model), logits(model)
    stir(twin, seed=8)
    assert torch.equal(before, logits(model))
    assert not torch.equal(before, logits(twin))


def test_refusals() -> None:
    model = adapted(LoranConfig(**COMMON))
    with pytest.raises(TypeError, match="do not support LoRA conversion"):
        convert_to_lora(model, rank=2)
    with pytest.raises(LasError, match="f is not linear"):
        model.add_weighted_adapter(["default"], [1.0], "both")
    with pytest.raises(LasError, match="LoRAN adapts linear layers only"):
        get_peft_model(base_model(), LoranConfig(target_modules=["embed_tokens"]))
    for changes in ({"amplitude": -1.0}, {"omega": math.inf}, {"use_dora": True}):
        with pytest.raises(LasError):
            LoranConfig(**COMMON, **changes)
