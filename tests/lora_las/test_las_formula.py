"""The branch computes the published formula and its gradients, in fp32 or more, on any input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from las_models import (
    COMMON,
    LABEL_DIM,
    adapted,
    batch,
    gradients,
    las_config,
    plain_formula,
    set_context,
    stir,
)
from peft import LoraConfig, get_peft_model
from torch import Tensor

from ovbench.lora_las import LasError, altered, context_parameters, elementwise
from ovbench.lora_las.elementwise import Constants
from ovbench.lora_las.function import las_branch
from ovbench.lora_las.precision import full_linear, full_precision, linear_full

PROJECTIONS = ["full", "shared_down", "tied", "scalar"]


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_model_equals_the_formula_in_fp64(projection: str) -> None:
    model = adapted(las_config(projection=projection), torch.float64).double()
    inputs = batch()
    plain, leaves = plain_formula(model)
    context = inputs.pop("label_context").double()
    set_context(plain, context)
    expected = plain(**inputs, labels=inputs["input_ids"])
    expected.loss.backward()
    inputs["label_context"] = context
    found = gradients(model, inputs)
    with torch.no_grad():
        torch.testing.assert_close(model(**inputs).logits, expected.logits, rtol=0, atol=1e-12)
    assert set(found) == set(leaves)
    for name, leaf in leaves.items():
        torch.testing.assert_close(found[name], leaf.grad, rtol=1e-9, atol=1e-12, msg=name)


def test_published_constants_equal_the_formula_within_fp32() -> None:
    config = las_config(amplitude=2e-4, omega=1e4)
    single, double = adapted(config), adapted(config, torch.float64).double()
    inputs = batch()
    with torch.no_grad():
        found = single(**inputs).logits
        inputs["label_context"] = inputs["label_context"].double()
        expected = double(**inputs).logits
    # the phase is hundreds of radians: the term itself, 2e-4·|x|, bounds what fp32 can lose
    assert (found - expected).abs().max() < 2e-3
    assert (found - expected).abs().max() > 0


def branch_arguments(scale_shape: tuple[int, ...], phase: bool) -> list[Tensor | None]:
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        return values.requires_grad_()

    arguments = [draw(2, 3, 4), draw(2, 3, 5), draw(2, 5), draw(4, 2), draw(*scale_shape)]
    return [*arguments, draw(4).detach() if phase else None]


@pytest.mark.parametrize("phase", [False, True])
@pytest.mark.parametrize("scale_shape", [(2, 1, 4), (2, 1, 1), (1, 1, 1)])
def test_gradcheck(
    scale_shape: tuple[int, ...], phase: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elementwise, "CPU_BLOCK", 5)  # blocks of one token
    constants = Constants(0.7, 3.0, 0.01, 1.5)
    arguments = branch_arguments(scale_shape, phase)
    assert torch.autograd.gradcheck(lambda *a: las_branch(*a, constants), arguments)


@pytest.mark.parametrize("limit", [1, 7, 40, 100, 10_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_blocks_do_not_change_the_result(
    limit: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    z, base, grad = (torch.randn(3, 5, 11) for _ in range(3))
    base, grad, omega_s = base.to(dtype), grad.to(dtype), torch.rand(3, 1, 11) * 50
    constants = Constants(0.5, 50.0, 0.01, 1.7)
    expected = elementwise.apply_traced(z, base, omega_s, None, constants)
    by_z, by_s = elementwise.gradient_traced(z, grad, omega_s, None, constants, True)
    monkeypatch.setattr(elementwise, "CPU_BLOCK", limit)
    found = elementwise.apply(z.clone(), base, omega_s, None, constants)
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {}
    torch.testing.assert_close(found, expected, **tolerance)
    assert found.dtype == dtype
    found_z, found_s = elementwise.gradient(z.clone(), grad, omega_s, None, constants, True)
    torch.testing.assert_close(found_z, by_z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found_s, by_s, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("phase", [False, True])
@pytest.mark.parametrize("wants_scale", [False, True])
def test_the_compiler_s_formulas_are_those_that_are_differentiated(
    phase: bool, wants_scale: bool
) -> None:
    generator = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    z, base, grad, s = draw(2, 3, 4), draw(2, 3, 4), draw(2, 3, 4), draw(2, 1, 4)
    phases = draw(4) if phase else None
    k = Constants(0.7, 3.0, 0.01, 1.5)
    z.requires_grad_()
    s.requires_grad_()
    traced = elementwise.apply_traced(z, base, k.omega * s, phases, k)
    theta = k.omega * s * z + (0 if phases is None else phases)
    leaky = torch.where(z > 0, z, k.negative_slope * z)
    torch.testing.assert_close(
        traced, base + k.scaling * (z + k.amplitude * leaky * torch.sin(theta)), rtol=0, atol=1e-12
    )
    by_z, by_s = torch.autograd.grad(traced, (z, s), grad)
    with torch.no_grad():
        found = elementwise.gradient_traced(z, grad, k.omega * s, phases, k, wants_scale)
        in_place = elementwise.gradient(z.clone(), grad, k.omega * s, phases, k, wants_scale)
    for found_z, found_s in (found, in_place):
        torch.testing.assert_close(found_z, by_z, rtol=0, atol=1e-12)
        assert (found_s is not None) == wants_scale
        if found_s is not None:
            torch.testing.assert_close(found_s, by_s, rtol=0, atol=1e-12)


def test_layers_take_one_token_or_a_grid_of_them_per_row() -> None:
    model, inputs = adapted(las_config(target_modules=["up_proj"])), batch()
    layer = model.base_model.model.model.layers[0].mlp.up_proj
    hidden = torch.randn(3, 2, 4, 16, generator=torch.Generator().manual_seed(1))
    snapshot = model.base_model._snapshot(inputs["label_context"], (), {}, expand=1)
    with model.base_model.las_state.using(snapshot), torch.no_grad():
        expected = layer(hidden.reshape(3, 8, 16))
        torch.testing.assert_close(layer(hidden), expected.reshape(3, 2, 4, -1))
        one = layer(hidden[:, 0, 0])
        assert one.shape == (3, expected.shape[-1])
        torch.testing.assert_close(one, expected[:, 0])


@pytest.mark.parametrize("alpha", [6, 10])
def test_amplitude_zero_is_lora_bitwise(alpha: int) -> None:
    inputs = batch(rows=6, length=40)
    plain = adapted(LoraConfig(**{**COMMON, "lora_alpha": alpha}))
    las = adapted(las_config(amplitude=0.0, lora_alpha=alpha))
    lora_inputs = {name: value for name, value in inputs.items() if name != "label_context"}
    with torch.no_grad():
        assert torch.equal(las(**inputs).logits, plain(**lora_inputs).logits)
    expected = gradients(plain, lora_inputs)
    found = gradients(las, inputs)
    assert expected
    assert all(torch.equal(found[name], grad) for name, grad in expected.items())
    assert all(not found[name].any() for name in set(found) - set(expected))


def test_same_seed_gives_lora_and_las_the_same_a() -> None:
    def factors(config: LoraConfig) -> dict[str, Tensor]:
        from las_models import base_model

        base = base_model()
        torch.manual_seed(5)
        model = get_peft_model(base, config)
        return {n: p for n, p in model.named_parameters() if "lora_A" in n}

    plain, las = factors(LoraConfig(**COMMON)), factors(las_config(projection="full"))
    assert plain
    assert all(torch.equal(las[name], value) for name, value in plain.items())


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_fresh_adapter_is_the_identity(projection: str) -> None:
    from las_models import base_model

    model = get_peft_model(base_model(), las_config(projection=projection)).eval()
    inputs = batch()
    with torch.no_grad():
        logits = model(**inputs).logits
        with model.disable_adapter():
            assert torch.equal(logits, model(**inputs).logits)
    grads = gradients(model, inputs)
    contexts = {id(p) for p in context_parameters(model)}
    of_context = [grads[n] for n, p in model.named_parameters() if id(p) in contexts]
    assert of_context
    assert not any(grad.any() for grad in of_context)
    assert any(grad.any() for name, grad in grads.items() if "lora_B" in name)


def test_gradient_reaches_the_context() -> None:
    model, inputs = adapted(las_config()), batch()
    inputs["label_context"].requires_grad_()
    gradients(model, inputs)
    assert inputs["label_context"].grad is not None
    assert inputs["label_context"].grad.abs().min() > 0


def test_dropout_touches_the_branch_alone_and_only_in_training() -> None:
    model, inputs = adapted(las_config(lora_dropout=0.5)), batch()
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, model(**inputs).logits)
        model.train()
        assert not torch.equal(model(**inputs).logits, model(**inputs).logits)
        with model.disable_adapter():
            assert torch.equal(model(**inputs).logits, model(**inputs).logits)


# --- precision ------------------------------------------------------------------------------


def half_arguments() -> list[Any]:
    generator = torch.Generator().manual_seed(1)
    shapes = [(2, 6, 24), (2, 6, 16), (4, 16), (24, 4), (2, 1, 24)]
    base, hidden, a, b, logits = (torch.randn(s, generator=generator) for s in shapes)
    return [base.bfloat16(), hidden.bfloat16(), a * 0.1, b * 0.1, logits, None]


def test_sixteen_bit_bases_are_served_in_fp32_and_rounded_once() -> None:
    constants = Constants(2e-4, 1e4, 0.01, 2.0)
    base, hidden, *rest = half_arguments()
    found = las_branch(base, hidden, *rest, constants)
    exact = las_branch(base.float(), hidden.float(), *rest, constants)
    assert torch.equal(found, exact.bfloat16())


def test_autocast_reaches_neither_branch_nor_gradients() -> None:
    model, inputs = adapted(las_config()), batch()
    tuner = model.base_model
    layer = tuner.model.model.layers[0].mlp.down_proj
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 5, 24, generator=generator, requires_grad=True)

    def run(autocast: bool) -> list[Tensor]:
        model.zero_grad()
        hidden.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = forward()
        out.square().sum().backward()
        found = [out.detach(), hidden.grad]
        return found + [p.grad for p in model.parameters() if p.grad is not None]

    def forward() -> Tensor:
        snapshot = tuner._snapshot(inputs["label_context"], (), {}, expand=1)
        with tuner.las_state.using(snapshot):
            variant = layer.lora_variant["default"]
            return variant.forward(layer, "default", hidden, torch.zeros(3, 5, 16))

    expected, found = run(autocast=False), run(autocast=True)
    assert len(expected) == 8  # out, h, A, B, W, b, and the shared projection's two
    assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True))
    assert {tensor.dtype for tensor in found} == {torch.float32}


def test_reduced_precision_products_are_not_used_and_the_setting_returns() -> None:
    generator = torch.Generator().manual_seed(1)
    hidden, a = (
        torch.randn(2, 64, 256, generator=generator),
        torch.randn(8, 256, generator=generator),
    )
    rest = (
        torch.randn(256, 8, generator=generator),
        torch.randn(2, 1, 256, generator=generator),
        None,
    )
    constants = Constants(2e-4, 1e4, 0.01, 2.0)

    def run() -> tuple[Tensor, Tensor]:
        weight = a.clone().requires_grad_()
        out = las_branch(torch.zeros(2, 64, 256), hidden, weight, *rest, constants)
        out.square().sum().backward()
        assert weight.grad is not None
        return out.detach(), weight.grad

    expected = run()
    cpu, before = torch.backends.mkldnn.matmul, torch.backends.mkldnn.matmul.fp32_precision
    cpu.fp32_precision = "bf16"
    try:
        found = run()
        assert cpu.fp32_precision == "bf16"
    finally:
        cpu.fp32_precision = before
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


@pytest.mark.parametrize("setting", ["tf32", "ieee"])
def test_tf32_is_off_within_and_as_before_after(setting: str) -> None:
    cuda = torch.backends.cuda.matmul
    before, cuda.fp32_precision = cuda.fp32_precision, setting
    try:
        with full_precision(torch.device("cuda")):
            assert cuda.fp32_precision == "ieee"
        assert cuda.fp32_precision == setting
        with pytest.raises(KeyError), full_precision(torch.device("cuda")):
            raise KeyError
        assert cuda.fp32_precision == setting
    finally:
        cuda.fp32_precision = before


def test_projections_are_in_full_precision_both_ways() -> None:
    generator = torch.Generator().manual_seed(1)
    x, weight = (torch.randn(64, 256, generator=generator, requires_grad=True) for _ in range(2))

    def run() -> list[Tensor]:
        x.grad = weight.grad = None
        out = full_linear(x, weight)
        out.square().sum().backward()
        return [out.detach(), x.grad, weight.grad]

    expected = run()
    torch.testing.assert_close(expected[0], (x @ weight.T).detach())
    cpu, before = torch.backends.mkldnn.matmul, torch.backends.mkldnn.matmul.fp32_precision
    cpu.fp32_precision = "bf16"
    try:
        with torch.autocast("cpu", torch.bfloat16):
            found = run()
    finally:
        cpu.fp32_precision = before
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_compiled_product_is_a_sound_operator() -> None:
    x, weight = torch.randn(2, 3, 5), torch.randn(4, 5)
    torch.library.opcheck(linear_full, (x, weight))
    assert torch.equal(linear_full(x, weight), x @ weight.T)


# --- controls -------------------------------------------------------------------------------


def logits(model: torch.nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return model(**inputs).logits


def test_constant_s_is_a_half_and_needs_no_context() -> None:
    model, inputs = adapted(las_config(projection="full")), batch()
    with altered(model, control="constant_s"):
        found = logits(model, inputs)
        inputs["label_context"] = -inputs["label_context"]
        assert torch.equal(found, logits(model, inputs))
        context = inputs.pop("label_context")
        assert torch.equal(found, logits(model, inputs))
    for parameter in context_parameters(model):
        parameter.data.zero_()  # sigmoid(0) = 1/2
    torch.testing.assert_close(found, logits(model, {**inputs, "label_context": context}))


def test_random_phase_is_fixed_by_its_seed_and_blind_to_the_context() -> None:
    model, inputs = adapted(las_config()), batch()
    first = logits(model, inputs)
    with altered(model, control="random_phase"):
        found = logits(model, inputs)
        swapped = {**inputs, "label_context": inputs["label_context"].flip(0)}
        assert torch.equal(found, logits(model, swapped))
        with altered(model, control_seed=1):
            assert not torch.equal(found, logits(model, inputs))
        assert torch.equal(found, logits(model, inputs))
    assert not torch.equal(found, first)
    assert torch.equal(first, logits(model, inputs))
    fresh = adapted(las_config(control="random_phase"))
    assert torch.equal(found, logits(fresh, inputs))


@pytest.mark.parametrize("control", ["constant_s", "random_phase"])
def test_controls_train_without_their_projections(control: str) -> None:
    model, inputs = adapted(las_config(control=control)), batch()
    assert context_parameters(model)
    assert not any(parameter.requires_grad for parameter in context_parameters(model))
    grads = gradients(model, inputs)
    assert set(grads) == {name for name, p in model.named_parameters() if p.requires_grad}
    model.set_adapter("default")
    assert not any(parameter.requires_grad for parameter in context_parameters(model))


def test_context_matters_at_the_wide_setting() -> None:
    model, inputs = adapted(las_config()), batch()
    swapped = {**inputs, "label_context": inputs["label_context"].flip(0)}
    assert (logits(model, inputs) - logits(model, swapped)).abs().max() > 1e-4


def test_missing_context_as_zeros() -> None:
    model, inputs = adapted(las_config(missing_context="zeros")), batch()
    inputs["label_context"] = torch.zeros(3, LABEL_DIM)
    expected = logits(model, inputs)
    del inputs["label_context"]
    assert torch.equal(expected, logits(model, inputs))
    ids = inputs["input_ids"]
    assert model.generate(input_ids=ids, max_new_tokens=2, do_sample=False).shape == (3, 7)
    with torch.no_grad():
        embedded = model.get_input_embeddings()(ids)
        torch.testing.assert_close(expected, model(inputs_embeds=embedded).logits)
        torch.testing.assert_close(expected, model(ids).logits)
    with pytest.raises(LasError, match="the number of rows is unknown"):
        model(attention_mask=inputs["attention_mask"])


def test_what_cannot_be_altered() -> None:
    model, inputs = adapted(las_config()), batch()
    before = logits(model, inputs)
    for settings, words in (
        ({"projection": "tied"}, "projection cannot change in a built model"),
        ({"omega": -1.0}, "omega above 0"),
        ({"amplitude": 0.9, "r": 8}, "r cannot change"),
    ):
        with pytest.raises(LasError, match=words), altered(model, **settings):
            pass
        assert torch.equal(before, logits(model, inputs))
    with pytest.raises(LasError, match="no LoRA-LAS adapter"), altered(torch.nn.Linear(2, 2)):
        pass

    def fail() -> None:
        with altered(model, amplitude=0.9):
            assert not torch.equal(before, logits(model, inputs))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.equal(before, logits(model, inputs)), "an exception leaves the settings as before"


def test_stir_is_the_same_for_the_same_seed() -> None:
    """The comparisons above rest on it."""
    model = adapted(las_config())
    before = logits(model, batch())
    stir(model)
    assert torch.equal(before, logits(model, batch()))
