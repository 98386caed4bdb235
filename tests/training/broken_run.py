"""A training run that is killed: ``python broken_run.py OUT STEP`` dies by SIGKILL after STEP."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore", FutureWarning)

import training_kit as kit  # noqa: E402

from ovbench.training.checkpoint import Progress  # noqa: E402
from ovbench.training.loop import fit  # noqa: E402
from ovbench.training.report import StepReport  # noqa: E402


def run(out: Path, *, resume: bool = False, on_step=None, **options) -> Progress:
    """LoRA-LAS with dropout, in the middle of whose second epoch the run is broken."""
    out.mkdir(exist_ok=True)
    model = kit.las(seed=3, lora_dropout=0.2)
    plan = kit.plan(out, model, seed=3, **{"steps": 12, "eval_every": 4} | options)
    train, dev = kit.texts(40, context=True), kit.texts(20, 1, context=True)
    accelerator = kit.accelerator()
    return fit(model, train, dev, plan, accelerator, resume=resume, on_step=on_step)


if __name__ == "__main__":

    def die(report: StepReport) -> None:
        if report.step == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

    run(Path(sys.argv[1]), on_step=die)
