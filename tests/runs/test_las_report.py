"""What the LAS report says, where the answer is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from run_fakes import fake_task, text_of
from run_models import Characters, contexts, las_model, lora_model, render

from ovbench.errors import InputError
from ovbench.lora_las import altered
from ovbench.runs.las_report import LasReport, las_report
from ovbench.training.collate import collate
from ovbench.training.encode import Encoded, Pair, encode
from ovbench.training.loss import completion_logits

ITEMS = fake_task(7).items
CONTROLS = {"las_off", "context_swap", "constant_s", "random_phase", "rounding", "adapter_off"}


@pytest.fixture(scope="module")
def data() -> Encoded:
    pairs = [Pair(item.id, render(item), text_of(item)) for item in ITEMS]
    return encode(pairs, Characters(), 200, contexts(ITEMS))  # type: ignore[arg-type]


def report(model, data: Encoded, batch_size: int = 3) -> LasReport:  # type: ignore[no-untyped-def]
    return las_report(model, data, system="las", task="fake-task", batch_size=batch_size)


def test_amplitude_zero_is_plain_lora(data: Encoded) -> None:
    """Nothing that the term is made of can change a bit; the base alone still differs."""
    found = report(las_model(amplitude=0.0), data)
    assert set(found.changes) == CONTROLS
    assert found.outputs_changed == 0.0
    for name in ("las_off", "context_swap", "constant_s", "random_phase"):
        change = found.changes[name]
        assert (change.logits_changed, change.max_abs, change.kl, change.flips) == (0, 0, 0, 0)
    assert found.changes["adapter_off"].mean_abs > 1e-3
    assert found.changes["rounding"].logits_changed > 0
    assert found.changes["rounding"].mean_abs < 1e-6


def test_a_wide_term_is_far_above_rounding(data: Encoded) -> None:
    found = report(las_model(), data)
    rounding = found.changes["rounding"].mean_abs
    for name in ("las_off", "context_swap", "constant_s", "random_phase"):
        assert found.changes[name].mean_abs > 100 * rounding
        assert found.changes[name].kl > 0
    assert found.outputs_changed > 0.9
    assert set(found.outputs_changed_by_module) == {"q_proj", "v_proj", "down_proj"}
    assert found.positions == sum(len(text_of(item)) + 1 for item in ITEMS)


def test_published_constants_are_inert(data: Encoded) -> None:
    """Real in fp32, but a ten-thousandth of what the adapter does; no control is told apart."""
    found = report(las_model(amplitude=2e-4, omega=1e4), data)
    off, adapter = found.changes["las_off"], found.changes["adapter_off"]
    assert off.logits_changed > 0.5
    assert off.mean_abs < adapter.mean_abs * 1e-3
    assert off.flips == 0
    for name in ("context_swap", "constant_s", "random_phase"):
        assert 0.2 < found.changes[name].mean_abs / off.mean_abs < 5


def test_the_numbers_against_a_slow_loop(data: Encoded) -> None:
    model = las_model()
    found = report(model, data).changes["context_swap"]
    deltas, kls, flips, changed = [], [], [], []
    for row in range(len(data)):
        one = collate(data, [row])
        with torch.no_grad():
            own, _ = completion_logits(model, one)
            other_row = torch.from_numpy(np.array(data.context))[row - 1 : row or None]
            swapped = model(
                input_ids=one.input_ids, attention_mask=one.attention_mask, label_context=other_row
            ).logits[0, data.prompt_lengths[row] - 1 : -1]
        p, q = own.double().softmax(-1), swapped.double().softmax(-1)
        deltas += (own - swapped).abs().flatten().tolist()
        kls += (p * (p.log() - q.log())).sum(-1).tolist()
        flips += (own.argmax(-1) != swapped.argmax(-1)).tolist()
        changed += (own != swapped).flatten().tolist()
    assert found.mean_abs == pytest.approx(np.mean(deltas), rel=1e-4)
    assert found.max_abs == pytest.approx(np.max(deltas), rel=1e-4)
    assert found.kl == pytest.approx(np.mean(kls), rel=1e-3)
    assert found.flips == pytest.approx(np.mean(flips))
    assert found.logits_changed == pytest.approx(np.mean(changed), abs=0.01)


def test_the_batch_size_does_not_matter(data: Encoded) -> None:
    model = las_model()
    one, seven = report(model, data, 1), report(model, data, 7)
    for name in CONTROLS - {"rounding"}:
        a, b = one.changes[name], seven.changes[name]
        assert a.mean_abs == pytest.approx(b.mean_abs, rel=1e-3)
        assert a.flips == b.flips


def test_the_model_is_left_as_it_was(data: Encoded) -> None:
    model = las_model()
    batch = collate(data, [0, 1])
    with torch.no_grad():
        before = completion_logits(model, batch)[0]
        report(model, data)
        assert torch.equal(completion_logits(model, batch)[0], before)
        with pytest.raises(ZeroDivisionError), altered(model, amplitude=0.0):
            raise ZeroDivisionError
        assert torch.equal(completion_logits(model, batch)[0], before)


def test_only_las_runs(data: Encoded) -> None:
    with pytest.raises(InputError, match="not a LoRA-LAS run"):
        report(lora_model(), data)
