"""``ovbench import-peft-ser``: a released PEFT-SER checkpoint in ovbench's form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ovbench.cli import options as opt


def import_peft_ser(
    checkpoints: Annotated[
        list[str],
        typer.Argument(
            help="The two released files, the head's X.pt and LoRA's X_lora.pt; or one that holds "
            "both. *.pt or *.safetensors."
        ),
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="The recipe it fits: peft-ser-…-lora, or a TOML file."),
    ],
    scale: opt.Scale = "paper",
    base: opt.Base = None,
    output_path: Annotated[
        str | None,
        typer.Option("--output-path", "-o", help="Folder. Default: runs/NAME/train."),
    ] = None,
) -> None:
    """Bring a model that PEFT-SER's authors released into ovbench's form.

    The files are read as plain tensors: no code in them is run. Frozen weights, if there are any,
    are compared with the encoder's, and a name that is not understood is refused.

    \b
    Examples:
      ovbench import-peft-ser whisper_tiny_lora_16_conv_output.pt \\
        whisper_tiny_lora_16_conv_output_lora.pt --model peft-ser-whisper-tiny-lora
      ovbench eval --model peft-ser-whisper-tiny-lora --scale paper
    """
    from ovbench.cli.console import needs_models
    from ovbench.errors import InputError
    from ovbench.runs.place import train_folder
    from ovbench.systems.hearing.recipes import SpeechClassifierRecipe
    from ovbench.systems.registry import load_recipe

    recipe: object = load_recipe(model)
    if not isinstance(recipe, SpeechClassifierRecipe):
        raise InputError(
            f"{model} is no speech classifier", expected="a recipe such as peft-ser-mms-lora"
        )
    out = Path(output_path) if output_path else train_folder(opt.RUNS, recipe.name, scale)
    if out.is_dir() and any(out.iterdir()):
        raise InputError(
            "the folder is not empty",
            where=str(out),
            expected="a folder of its own, so that no report of another model stands beside it",
            mend="name another one with --output-path",
        )
    with needs_models("ovbench import-peft-ser"):
        from ovbench.systems.hearing.importing import import_peft_ser as imported

        found = imported(
            [Path(one) for one in checkpoints], recipe, scale, out / "adapter", base=base
        )
    named = "" if output_path is None else f" --adapter {out}"
    typer.echo(
        f"{found.folder}: {found.taken} tensors taken, {found.checked} of the frozen encoder are "
        f"the same, {found.left_out} have no part in it\n"
        f"evaluate: ovbench eval --model {model} --scale {scale}{named}"
    )
