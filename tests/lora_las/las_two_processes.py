"""Run by torchrun: each of two processes trains on half a batch; gradients equal the whole's."""

from __future__ import annotations

import sys
import warnings

import torch
import torch.distributed as dist
from las_models import adapted, batch, gradients, las_config
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor


def main(strategy: str) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    whole = batch(rows=4)
    expected = gradients(adapted(las_config()).train(), whole)

    model = adapted(las_config()).train()
    model.gradient_checkpointing_enable()
    wrapped: nn.Module = model
    if strategy == "ddp":
        wrapped = nn.parallel.DistributedDataParallel(model)
    else:
        mesh = dist.init_device_mesh("cpu", (2,))
        for layer in model.base_model.model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    half = {name: value[2 * rank : 2 * rank + 2] for name, value in whole.items()}
    wrapped(**half, labels=half["input_ids"]).loss.backward()

    found: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        grad = parameter.grad
        if grad is not None:
            found[name] = grad.full_tensor() if isinstance(grad, DTensor) else grad
    assert set(found) == set(expected)
    for name, grad in expected.items():
        torch.testing.assert_close(found[name], grad, rtol=1e-3, atol=1e-4, msg=name)
    print("same gradients", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
