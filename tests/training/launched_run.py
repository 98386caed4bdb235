"""A training run for ``accelerate launch``: ``launched_run.py OUT [--resume | --stop-at STEP]``."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore", FutureWarning)

import training_kit as kit  # noqa: E402

from ovbench.errors import InterruptedRunError  # noqa: E402
from ovbench.training.loop import fit  # noqa: E402
from ovbench.training.report import StepReport  # noqa: E402


def run(out: Path, resume: bool = False, stop_at: int | None = None) -> None:
    """Batches of 32 with a ragged last one; a file per process that saved an adapter."""
    accelerator = kit.accelerator()
    rank = accelerator.process_index
    model = kit.lora(seed=rank)  # the main process's first weights are to win
    step = 0

    def save(folder: Path) -> None:
        (out / f"saved-by-{rank}").touch()
        kit.save_as_peft(model, folder)

    def note(report: StepReport) -> None:
        nonlocal step
        step = report.step
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)  # one process is told; all must stop

    plan = kit.plan(out, model, batch_size=32, save_adapter=save)
    try:
        progress = fit(
            model, kit.texts(65), kit.texts(21, 1), plan, accelerator, resume=resume, on_step=note
        )
    except InterruptedRunError as error:
        (out / f"stopped-{rank}").write_text(str(error))
        return
    figures = {
        "processes": accelerator.num_processes,
        "step": progress.step,
        "tokens": progress.tokens,
        "device_batch": progress.device_batch,
        "curve": [point.loss for point in progress.curve],
        "reported": step,
    }
    (out / f"figures-{rank}.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    where, *options = sys.argv[1:]
    stop = int(options[1]) if options[:1] == ["--stop-at"] else None
    run(Path(where), resume="--resume" in options, stop_at=stop)
