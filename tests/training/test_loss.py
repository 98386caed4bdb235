"""The loss and its gradient, against references that compute everything, in float64."""

from __future__ import annotations

import pytest
import torch
import training_kit as kit
from torch import nn

from ovbench.errors import InputError
from ovbench.training.collate import IGNORED, collate
from ovbench.training.evaluate import evaluate
from ovbench.training.loop import check_context
from ovbench.training.loss import completion_loss, loss_and_hits
from ovbench.training.processes import DeviceBatch
from ovbench.training.step import Stepper


def stir(model: nn.Module, std: float = 0.1) -> nn.Module:
    """Adapters that do something: B starts at zero."""
    torch.manual_seed(7)
    for parameter in model.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=std)
    return model


def reference(model: nn.Module, data, indices) -> tuple[float, int]:
    """One item at a time, without padding, every logit, log softmax written out, in float64."""
    model = model.double()
    total, hits = 0.0, 0
    for i in indices:
        tokens = torch.from_numpy(data.tokens[i])[None]
        extra = (
            {} if data.context is None else {"label_context": torch.from_numpy(data.context[[i]])}
        )
        with torch.no_grad():
            logits = model(input_ids=tokens, **extra).logits[0]
        logs = logits - logits.exp().sum(-1, keepdim=True).log()
        for at in range(data.prompt_lengths[i], tokens.shape[1]):
            total -= float(logs[at - 1, tokens[0, at]])
            hits += int(logs[at - 1].argmax() == tokens[0, at])
    model.float()
    return total, hits


@pytest.mark.parametrize("kind", ["lora", "las"])
def test_loss_and_hits_are_those_of_the_reference(kind: str) -> None:
    data = kit.texts(12, context=kind == "las")
    model = stir(getattr(kit, kind)()).eval()
    with torch.no_grad():
        loss, hits = loss_and_hits(model, collate(data, range(12)))
    expected, expected_hits = reference(model, data, range(12))
    assert float(loss) == pytest.approx(expected, rel=2e-6)
    assert int(hits) == expected_hits


def test_the_gradient_is_that_of_the_whole_computation() -> None:
    """Selecting positions before the head changes no gradient: against transformers' own loss."""
    data = kit.texts(8)
    batch = collate(data, range(8))
    model = stir(kit.lora()).double().eval()
    completion_loss(model, batch).backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    labels = batch.labels.masked_fill(batch.attention_mask == 0, IGNORED)
    output = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=labels)
    (output.loss * batch.targets).backward()
    assert len(found) == 12
    for name, gradient in found.items():
        assert torch.allclose(gradient, model.get_parameter(name).grad, rtol=1e-4, atol=1e-6)


class KeepsAll(nn.Module):
    """A model that knows nothing of ``logits_to_keep``."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, logits_to_keep: object, **inputs: object) -> object:
        return self.inner(**inputs)


def test_a_model_that_cannot_select_gives_the_same_loss() -> None:
    batch = collate(kit.texts(6), range(6))
    model = stir(kit.lora()).eval()
    with torch.no_grad():
        kept, selected = completion_loss(KeepsAll(model), batch), completion_loss(model, batch)
    assert float(kept) == pytest.approx(float(selected), rel=1e-6)


def stepper(model: nn.Module, data, size: int, clip: float | None = None) -> Stepper:
    accelerator = kit.accelerator()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = accelerator.prepare_optimizer(torch.optim.AdamW(parameters))
    device_batch = DeviceBatch(size, accelerator)
    return Stepper(model, data, optimizer, accelerator, device_batch, clip)


def gradient(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("size", [8, 5, 1])
def test_accumulated_parts_are_one_batch_token_for_token(size: int) -> None:
    """Items have 2 to 6 target tokens: means of means would not pass."""
    data, batch = kit.texts(32), range(32)
    model = stir(kit.lora()).train()
    whole = stepper(model, data, 32).gradients(batch, "s", bool)
    expected = gradient(model).clone()
    parts = stepper(model, data, size).gradients(batch, "s", bool)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    assert parts.norm == pytest.approx(whole.norm, rel=1e-5)
    assert torch.allclose(gradient(model), expected, rtol=1e-3, atol=1e-7)
    assert (parts.tokens, parts.targets) == (whole.tokens, whole.targets)
    assert parts.positions <= whole.positions
    nll, _ = reference(model, data, batch)
    assert whole.loss == pytest.approx(nll / data.targets(batch), rel=1e-5)


def test_clipping_bounds_the_norm_and_reports_it_before() -> None:
    data = kit.texts(8)
    model = stir(kit.lora())
    free = stepper(model, data, 8).gradients(range(8), "s", bool)
    assert float(gradient(model).norm()) == pytest.approx(free.norm, rel=1e-5)
    clipped = stepper(model, data, 8, clip=free.norm / 3).gradients(range(8), "s", bool)
    assert clipped.norm == pytest.approx(free.norm, rel=1e-5)
    assert float(gradient(model).norm()) == pytest.approx(free.norm / 3, rel=1e-3)


def test_dropout_depends_on_the_step_alone() -> None:
    data = kit.texts(8)
    model = kit.lora(lora_dropout=0.5).train()
    stir(model)
    step = stepper(model, data, 8)
    losses = [step.gradients(range(8), name, bool).loss for name in ("1", "2", "1")]
    assert losses[0] == losses[2] != losses[1]


@pytest.mark.parametrize("size", [40, 7])
def test_dev_figures_do_not_depend_on_batches(size: int) -> None:
    data = kit.texts(40, 1)
    model = stir(kit.lora(lora_dropout=0.5)).train()
    accelerator = kit.accelerator()
    point = evaluate(model, data, accelerator, DeviceBatch(size, accelerator), 3)
    assert model.training
    nll, hits = reference(model.eval(), data, range(40))
    targets = data.targets(range(40))
    assert point.loss == pytest.approx(nll / targets, rel=1e-6)
    assert point.accuracy == hits / targets
    assert point.step == 3


def test_contexts_go_to_las_models_and_to_no_others() -> None:
    plain, with_context = kit.texts(4), kit.texts(4, context=True)
    check_context(kit.lora(), plain)
    check_context(kit.las(), with_context)
    with pytest.raises(InputError, match="a model that does not use them"):
        check_context(kit.lora(), plain, with_context)
    with pytest.raises(InputError, match="trained without label contexts"):
        check_context(kit.las(), with_context, plain)


def test_every_item_meets_its_own_context() -> None:
    """A wide sine term makes another context another loss; batching must not mix rows."""
    data = kit.texts(6, context=True)
    model = stir(kit.las(amplitude=0.5, omega=3.0, projection="full"), std=0.6).eval()

    @torch.no_grad()
    def loss(indices: list[int]) -> float:
        return float(completion_loss(model, collate(data, indices)))

    apart = sum(loss([i]) for i in range(6))
    assert loss([5, 3, 1, 0, 2, 4]) == pytest.approx(apart, rel=1e-5)
    assert data.context is not None
    data.context[:] = data.context[[1, 2, 3, 4, 5, 0]]
    assert abs(loss([5, 3, 1, 0, 2, 4]) - apart) > 1e-3 * apart
