"""Loss and token accuracy on the dev split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ovbench.training.buckets import shares
from ovbench.training.collate import collate
from ovbench.training.encode import Encoded
from ovbench.training.loss import loss_and_hits
from ovbench.training.processes import DeviceBatch, summed
from ovbench.training.report import DevPoint

if TYPE_CHECKING:
    from accelerate import Accelerator


def evaluate(
    model: nn.Module,
    data: Encoded,
    accelerator: Accelerator,
    device_batch: DeviceBatch,
    step: int,
) -> DevPoint:
    """Mean loss per completion token and token accuracy over ``data``, the same in all processes.

    Every token counts once, whatever the batches and processes; the items are divided over
    the processes. The model is put in evaluation mode for the duration.
    """
    longest_first = sorted(range(len(data)), key=lambda i: -len(data.tokens[i]))
    rank, processes = accelerator.process_index, accelerator.num_processes

    @torch.no_grad()
    def own_share(size: int) -> list[float]:
        sums = [0.0, 0.0]
        for part in shares(longest_first, size, rank, processes):
            batch = collate(data, part).to(accelerator.device)
            with accelerator.autocast():
                loss, hits = loss_and_hits(model, batch)
            sums = [sums[0] + float(loss), sums[1] + float(hits)]
        return sums

    training = model.training
    model.eval()
    try:
        loss, hits = summed(device_batch.attempt(own_share), accelerator)
    finally:
        model.train(training)
    targets = data.targets(range(len(data)))
    return DevPoint(step=step, loss=loss / targets, accuracy=hits / targets)
