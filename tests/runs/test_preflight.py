"""The preflight: every failure that it looks for, made on purpose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from run_fakes import fake_task
from run_models import las_model, lora_model, system_of

from ovbench.errors import OvbenchError
from ovbench.runs.preflight import Preflight, preflight, spread
from ovbench.systems.probing import ModelProbe

ITEMS = fake_task(7).items


def check(model, name: str = "tiny", batch_size: int = 8, leak: bool = False) -> Preflight:  # type: ignore[no-untyped-def]
    system = system_of(model, name, leak)
    return preflight(system, ModelProbe(system), ITEMS, batch_size)


def test_a_trained_las_adapter_passes() -> None:
    found = check(las_model(), "las")
    assert found.adapter_effect > 0.01
    assert found.batch_invariant
    assert (found.context_layers, found.context_layers_reached) == (6, 6)
    assert found.context_effect is not None
    assert found.context_effect > 0
    assert (found.base_dtype, found.context_dtype) == ("float32", "float32")
    assert found.warnings == ()
    assert found.batch_dependent is None
    line = found.line()
    assert line.startswith("preflight: adapter moves logits by up to ")
    assert "context reaches 6/6 layers" in line
    assert "computed in float32" in line
    assert "\n" not in line
    assert Preflight.model_validate_json(found.to_json()) == found


def test_a_lora_adapter_has_no_context_to_check() -> None:
    found = check(lora_model(), "lora")
    assert found.context_layers is None
    assert "context" not in found.line()


@pytest.mark.parametrize("make", [las_model, lora_model])
def test_an_adapter_that_does_nothing_is_an_error(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(
        OvbenchError, match=r"'idle' does nothing.*Train it again with ovbench train"
    ):
        check(make(trained=False), "idle")


def test_logits_that_are_no_numbers() -> None:
    model = lora_model()
    with torch.no_grad():
        next(p for n, p in model.named_parameters() if "lora_B" in n).fill_(float("nan"))
    with pytest.raises(OvbenchError, match="not all finite numbers"):
        check(model, "nan")


def test_a_batch_that_matters_is_told() -> None:
    found = check(lora_model(), "leaky", leak=True)
    assert not found.batch_invariant
    assert found.batch_dependent == 8
    assert "the batch size (8) is part of the signature" in found.warnings[0]
    assert "OTHER answers" in found.line()
    alone = check(lora_model(), "leaky", 1, leak=True)
    assert alone.batch_invariant, "a batch of one has no company"


def test_a_context_that_reaches_no_layer_is_an_error() -> None:
    model = las_model()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_las_proj" in name and name.endswith("weight"):
                parameter.zero_()
    with pytest.raises(OvbenchError, match="reaches no layer"):
        check(model, "deaf")


def test_a_context_that_reaches_some_layers_is_a_warning() -> None:
    model = las_model()
    first = next(p for n, p in model.named_parameters() if "lora_las_proj" in n)
    with torch.no_grad():
        first.zero_()
    found = check(model, "deaf")
    assert found.context_layers_reached == 5
    assert "only 5 of the 6 layers" in found.warnings[0]


def test_a_control_keeps_the_context_out_on_purpose() -> None:
    found = check(las_model(control="constant_s"), "control")
    assert found.context_layers is None
    assert found.context_dtype == "float32"


def test_published_constants_in_sixteen_bits() -> None:
    """The logits do not move, but the context does reach the layers, and in fp32."""
    model = las_model(amplitude=2e-4, omega=1e4)
    model.get_base_model().to(torch.bfloat16)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    found = check(model, "las")
    assert found.context_layers_reached == 6
    assert (found.base_dtype, found.context_dtype) == ("bfloat16", "float32")
    (warning,) = found.warnings
    assert "its amplitude, 0.0002, is less than half a unit in the last place (0.004)" in warning
    # Half an amplitude of 1 is far above rounding, in any dtype.
    wide = las_model()
    wide.get_base_model().to(torch.bfloat16)
    for name, parameter in wide.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    assert not any("amplitude" in warning for warning in check(wide, "wide").warnings)


def test_the_probe_spans_short_and_long_items() -> None:
    def length(item) -> int:  # type: ignore[no-untyped-def]
        return len(item.description) + len(item.transcript)

    chosen = spread(ITEMS, 4)
    lengths = [length(item) for item in ITEMS]
    assert len({item.id for item in chosen}) == 4
    assert length(chosen[0]) == min(lengths)
    assert length(chosen[-1]) == max(lengths)
    assert list(spread(ITEMS[:2], 4)) == sorted(ITEMS[:2], key=length)
    assert np.all(np.diff([length(item) for item in chosen]) >= 0)
