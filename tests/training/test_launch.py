"""Two processes on one machine, as ``accelerate launch`` starts them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from launched_run import run
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("launched_run.py")

pytestmark = pytest.mark.slow


def launch(out: Path, *options: str) -> str:
    """Start the script, or ``ovbench`` where options begin with ``-m``; what it printed."""
    out.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # --multi_gpu starts the processes, on a machine without GPUs too; --cpu would start one.
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    command += ["--dynamo_backend", "no", "--main_process_port", str(port)]
    command += options if options[:1] == ("-m",) else [str(SCRIPT), str(out), *options]
    ended = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def adapter(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "adapter" / "adapter_model.safetensors")


def test_two_processes_of_16_are_one_of_32(tmp_path: Path) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"
    alone.mkdir()
    run(alone)
    launch(both)
    one = json.loads((alone / "figures-0.json").read_text())
    two = [json.loads((both / f"figures-{rank}.json").read_text()) for rank in (0, 1)]
    assert (one["processes"], one["device_batch"], one["reported"]) == (1, 32, 12)
    assert [(t["processes"], t["device_batch"]) for t in two] == [(2, 16)] * 2
    assert [t["reported"] for t in two] == [12, 0]  # the main process alone reports
    assert two[0]["curve"] == two[1]["curve"] == pytest.approx(one["curve"], rel=1e-5)
    assert two[0]["tokens"] == one["tokens"]
    for name, tensor in adapter(alone).items():
        assert torch.allclose(tensor, adapter(both)[name], rtol=1e-3, atol=2e-5)
    assert [p.name for p in both.glob("saved-by-*")] == ["saved-by-0"]


def test_a_stop_told_to_one_process_stops_both_and_resumes(tmp_path: Path) -> None:
    steady, broken = tmp_path / "steady", tmp_path / "broken"
    launch(steady)
    launch(broken, "--stop-at", "6")
    said = [(broken / f"stopped-{rank}").read_text() for rank in (0, 1)]
    assert said[0] == said[1]
    assert "after step 7 of 12" in said[0]
    launch(broken, "--resume")
    first, second = adapter(steady), adapter(broken)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_command_trains_on_two_processes_and_prints_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--model", "lora-las-r4", "--steps", "2", "--json", "-", "-o", str(out / "train"))
    report = json.loads(launch(out, "-m", "ovbench", "train", *options, "--device", "cpu"))
    assert (report["processes"], report["effective_batch"], report["steps"]) == (2, 16, 2)
    assert report["trainable_parameters"] > 0
    assert adapter(out / "train")
