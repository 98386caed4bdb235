"""Train the adapters that ship with ovbench, one per recipe at the tiny scale, and put them there.

    python scripts/bundle_adapters.py --out bundle                   # all
    python scripts/bundle_adapters.py --out bundle lora-las-r4       # some

The seed is 0. Tensors are stored as float16 (they are float32 again when loaded), beside PEFT's
configuration, the hash of the base, and the report of the training. A training that is in the
folder already is not done again; that of ``ovbench compare`` is one: ``--out comparison/seed-0``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ovbench.io.folders import whole_folder
from ovbench.systems import CausalLmRecipe, load_recipe, recipe_names
from ovbench.systems.describing import STATISTICS
from ovbench.systems.registry import load_tunable
from ovbench.testbed.bundled import adapter_folder
from ovbench.training.report import REPORT_FILE
from ovbench.training.train import train

WEIGHTS = "adapter_model.safetensors"
MOST_BYTES = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="recipes; default: all that are trained")
    parser.add_argument("--out", type=Path, required=True, help="folder of the trainings")
    given = parser.parse_args()
    tunable = [n for n in recipe_names() if isinstance(load_recipe(n), CausalLmRecipe)]
    for name in given.names or tunable:
        recipe = load_tunable(name)
        folder = given.out / recipe.name / "train"
        train(recipe, "tiny", 0, folder, resume=True)
        size = bundle(folder, adapter_folder(recipe.name))
        print(f"{recipe.name}: {size:,} bytes", flush=True)
        if size > MOST_BYTES:
            sys.exit(f"{recipe.name} is larger than {MOST_BYTES:,} bytes")


def bundle(training: Path, target: Path) -> int:
    """Copy a trained adapter with half the bytes; returns the size of its weights."""
    tensors = load_file(training / "adapter" / WEIGHTS)
    halved = {name: tensor.to(torch.float16) for name, tensor in tensors.items()}
    with whole_folder(target) as fresh:
        for name in ("adapter_config.json", "base.json", STATISTICS):
            if (training / "adapter" / name).exists() or name != STATISTICS:
                shutil.copy(training / "adapter" / name, fresh)
        shutil.copy(training / REPORT_FILE, fresh)
        save_file(halved, fresh / WEIGHTS, metadata={"format": "pt"})
    return (target / WEIGHTS).stat().st_size


if __name__ == "__main__":
    main()
