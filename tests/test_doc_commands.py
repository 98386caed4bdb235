"""Every command of the documents is run, in the order in which a reader would run them.

Each page has a folder of its own, with the files that its commands name. A command that is neither
run in the default run nor marked slow stands in a table below with the reason, and a table entry
that no page has is an error; what stands in no table is run.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ovbench.tasks import load_task
from ovbench.testbed.speech import clips, render, wav

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
sys.path.insert(0, str(REPOSITORY / "scripts"))
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

LEFT_OUT = {
    "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt '.[models]'"
    " && .venv/bin/ovbench eval --model lora-las-r4": "installs; .ci/run runs it",
    "python3 -m venv .venv-test && .venv-test/bin/pip install -q -c constraints.txt -e '.[dev]'"
    " && .venv-test/bin/pytest -n 2 --dist loadfile": "installs; .ci/run runs it",
    "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt ."
    " && .venv/bin/ovbench score ovbench/sample/careful.jsonl --gold ovbench/sample/gold.jsonl"
    " --against ovbench/sample/chatty.jsonl --errors 3": "installs; its last part is run",
    "python3 -m venv .venv && . .venv/bin/activate": "installs, as .ci/run does",
    "pip install -q -c constraints.txt '.[models]'": "installs, as .ci/run does",
    "hf download Qwen/Qwen2.5-7B-Instruct --local-dir Qwen2.5-7B-Instruct": "downloads 15 GB",
    "ovbench train --model lora-las-r4 --scale paper --base Qwen2.5-7B-Instruct": "needs these",
    "ovbench tasks fetch meld --into datasets/meld": "downloads",
    "hf download Qwen/Qwen2-Audio-7B-Instruct": "downloads 17 GB",
    "ovbench describe --task meld --describer qwen2-audio --prompt voice-and-words"
    " --out meld.jsonl": "needs these",
    "OMP_NUM_THREADS=1 python scripts/tinyov_page.py --out comparison": "takes hours",
    "OMP_NUM_THREADS=1 python scripts/tinyspeech_page.py --out comparison-speech": "takes hours",
    "OMP_NUM_THREADS=1 python scripts/las_search.py --out search --seeds 5 --jobs 2"
    " --markdown docs/results/las-search.md": "takes hours",
    "pip install 'ovbench[vllm]'": "installs",
    "ovbench eval --model affectgpt-lora-r8 --scale paper --backend vllm": "needs a GPU and vLLM",
    "accelerate launch --multi_gpu --num_processes 8 -m ovbench eval --model lora-las-r4"
    " --scale paper": "needs eight GPUs",
    "ovbench eval --model lora-las-r4 --scale paper --workers 8": "needs eight GPUs",
    'pip install "ovbench[parquet,ray]"': "installs",
    "export RAY_ADDRESS=head-node:6379": "names a cluster",
    "ovbench score predictions/ --gold gold/ --engine ray": "tests/scoring/test_stream_ray.py",
    "pip install atheris": "installs",
    "python tests/fuzz/run.py --minutes 60": "takes an hour",
    "python tests/fuzz/run.py --minutes 5 --doors npz parquet sound": "tests/fuzz runs less",
    "python scripts/pin_requirements.py": "needs the package index",
    "pip install --require-hashes --no-deps -r requirements/ci.txt"
    " -r requirements/torch.txt": "installs",
    "pip install --no-deps -e .": "installs",
    "pip install pip-audit": "installs",
    "pip-audit --require-hashes --disable-pip -r requirements/ci.txt"
    " -r requirements/torch.txt": "needs the network",
    "pip install cyclonedx-bom": "installs",
    "cyclonedx-py requirements requirements/ci.txt --pyproject pyproject.toml --mc-type library"
    " --output-reproducible -o ovbench.cdx.json": "needs what the line above installs",
    "python scripts/coverage_check.py": "runs tests; .ci/run does it",
    "pip install mutmut": "installs",
    "nice python scripts/mutation.py --folder ../mutants": "takes an hour",
    "nice python scripts/mutation.py --folder ../mutants rings bits": "needs mutmut",
    "python tests/faults/harness.py --kills 50": "takes an hour and a half; the slow tests run it",
}
"""Command → why no test runs it as it stands. Its options are checked all the same."""

SLOW = {
    "ovbench eval --model lora-las-r4,affectgpt-lora-r8,frequent-k --tasks tinyov,tinyov-6class",
    "ovbench eval --model lora-las-r4,affectgpt-lora-r8",
    "ovbench eval --model lora-las-r4 --output-path a",
    "ovbench eval --model lora-las-r4 --output-path b",
    "ovbench train --model dora-r8 --seed 3",
    "ovbench compare affectgpt-lora-r8 lora-las-r4 --seeds 5 --plot comparison.svg",
    "ovbench compare affectgpt-lora-r8 lora-las-r8 --seeds 5",
    "ovbench las-report runs/lora-las-r4/tinyov",
    "ovbench leak-test runs/lora-las-r4/tinyov",
    "ovbench params --model lora-las-r4,lora-las-r4-full --base qwen2.5-7b",
    "ovbench params --model lora-las-r4,lora-las-r4-full",
    "ovbench eval --model prosody-lora-las-r8 --tasks tinyspeech",
    "ovbench train --model peft-ser-whisper-tiny-lora",
    "ovbench eval --model peft-ser-whisper-tiny-lora --tasks tinyspeech-6class",
    "ovbench compare prosody-affectgpt-lora-r8 peft-ser-whisper-tiny-lora single-layer-fusion"
    " --task tinyspeech,tinyspeech-6class --seeds 2",
    "ovbench sweep --model thau-gemma-lora --grid lora_r=16,32,64 lora_alpha=32,64 --seed 42"
    " --plot heat.svg",
    "ovbench describe --task tinyspeech --split train --fit voices.json",
    "ovbench describe --task tinyspeech --statistics voices.json --out fitted.jsonl",
    "ovbench train --model my-lora.toml",
    "ovbench eval --model my-lora.toml",
}
"""Trainings and evaluations, and what needs them; the page then runs from the top."""

OFFICIAL = {
    "AffectGPT/emotion_wheel": "emotion_wheel/affectgpt-2025",
    "MERTools/MER2026/emotion_wheel": "emotion_wheel/mer2026",
    "check-openset.csv": "ov-merd/check-openset.csv",
    "meld-process/label.npz": "merbench/meld-process/label.npz",
    "cmumosi-process/label.npz": "merbench/cmumosi-process/label.npz",
    "test_sent_emo.csv": "meld/test_sent_emo.csv",
}
"""Names in the documents → files of the field, which belong to their authors."""
SYSTEMS = {
    "check-openset.csv": "ov-mer/SALMONN/output-reason-7b-nosubtitle-addsub-eng-openset.npz",
    "meld-process": "affectgpt-outputs/results-meld/checkpoint_000030_loss_0.602-openset.npz",
    "cmumosi-process": "affectgpt-outputs/results-cmumosi/"
    "checkpoint_000040_loss_0.569-openset-sentiment.npz",
}
"""Part of a command → the real predictions that ``x-openset.npz`` stands for in it."""
OFFICIAL_PROTOCOLS = re.compile(r"affectgpt-2025|mer2026|AffectGPT/|MERTools/|-process/|check-open")


def pages() -> list[Path]:
    """Every page that a reader may take commands from."""
    found = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    return [page for page in found if commands(page)]


def commands(page: Path) -> list[str]:
    """The command lines of a page's ``sh`` blocks: continued lines joined, comments dropped."""
    blocks = [body for kind, body in BLOCK.findall(page.read_text("utf-8")) if kind == "sh"]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    bare = (re.sub(r"\s+", " ", re.sub(r"(^|\s)#.*", "", line)).strip() for line in lines)
    return [line for line in bare if line]


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


ALL = {command for page in pages() for command in commands(page)}


def test_no_table_names_a_command_that_is_gone() -> None:
    assert not (set(LEFT_OUT) | SLOW) - ALL


def test_commands_stand_in_blocks_that_are_read() -> None:
    """No command hides in a block of another kind, or in one without a kind."""
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        for kind, body in BLOCK.findall(page.read_text("utf-8")):
            assert kind not in {"", "bash", "console", "shell"}, f"{name(page)}: {body}"
            assert kind == "sh" or not re.search(r"^\$? ?ovbench ", body, re.MULTILINE), name(page)


def test_the_set_up_commands_are_run_by_ci() -> None:
    ci = (REPOSITORY / ".ci" / "run").read_text("utf-8")
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    assert "sed -n '/<!-- test command -->/,/```$/p' README.md" in ci
    assert "<!-- test command -->\n```sh\n" in readme
    main = re.search(r'grep -m 1 "(.*?)" README.md', ci)
    assert main
    assert re.search(main[1], readme, re.MULTILINE)


def test_the_third_set_up_command_ends_in_one_that_is_run() -> None:
    third = next(line for line in LEFT_OUT if "its last part is run" in LEFT_OUT[line])
    last = third.rpartition("&& .venv/bin/")[2]
    assert last in commands(REPOSITORY / "docs" / "tutorial.md")


@pytest.mark.parametrize(
    "command",
    [line for line in LEFT_OUT if re.search(r"ovbench |\.py\b", line)],
    ids=lambda c: c[-40:],
)
def test_commands_left_out_still_have_their_options(command: str) -> None:
    """The last part of each: its program's help, or its script's text, names every option."""
    from docs_reference import command_paths, help_of

    words = command.rpartition("&& ")[2].split()
    script = next((word for word in words if word.endswith(".py")), None)
    if script:
        told = (REPOSITORY / script).read_text("utf-8")
    else:
        begin = next(at for at, word in enumerate(words) if word.endswith("ovbench"))
        after = tuple(words[begin + 1 :])
        path = max((p for p in command_paths() if after[: len(p)] == p), key=len)
        told = help_of(path)
    own = words if script else after
    for option in (word for word in own if word.startswith("--")):
        assert option in told


@pytest.mark.slow
@pytest.mark.parametrize("page", pages(), ids=name)
def test_quick_commands_of_a_page(page: Path, tmp_path: Path, subtests: pytest.Subtests) -> None:
    """All but the slow ones, which nothing quick may need."""
    run_page(page, tmp_path, subtests, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in pages() if SLOW & set(commands(page))], ids=name)
def test_all_commands_of_a_page(page: Path, tmp_path: Path, subtests: pytest.Subtests) -> None:
    run_page(page, tmp_path, subtests, slow=True)


def run_page(page: Path, folder: Path, subtests: pytest.Subtests, *, slow: bool) -> None:
    lay_out(folder)
    variables = os.environ | environment(folder)
    for command in commands(page):
        if command in LEFT_OUT or (command in SLOW and not slow):
            continue
        with subtests.test(command):
            if OFFICIAL_PROTOCOLS.search(command):
                if not SHARED_DATA.is_dir():
                    pytest.skip("needs the authors' files (../shared/data, not distributed)")
                lay_out_official(folder, command)
            run(command, folder, variables)


def run(command: str, folder: Path, variables: dict[str, str]) -> str:
    """What a command line prints, which must end with exit code 0."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=7200,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def environment(folder: Path) -> dict[str, str]:
    """This Python's commands first, a home of its own, and no network."""
    here = str(Path(sys.executable).parent)
    return {
        "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "OVBENCH_HOME": str(folder / "home" / "ovbench"),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "100",
        "OMP_NUM_THREADS": "1",
    }


def lay_out(folder: Path) -> None:
    """The files that the documents' commands name, made from the sample that ships."""
    sample = folder / "ovbench" / "sample"
    shutil.copytree(REPOSITORY / "ovbench" / "sample", sample)
    (folder / "home").mkdir()
    careful, chatty = sample / "careful.jsonl", sample / "chatty.jsonl"
    for target in ("preds.jsonl", "a.jsonl"):
        shutil.copy(careful, folder / target)
    for target in ("other.jsonl", "b.jsonl"):
        shutil.copy(chatty, folder / target)
    with gzip.open(folder / "predictions.jsonl.gz", "wb") as packed:
        packed.write(careful.read_bytes())
    rows = [json.loads(line) for line in (sample / "gold.jsonl").read_text().splitlines()]
    lines = ["id,labels,dialogue,speaker"]
    for number, row in enumerate(rows):
        speaker = "AB"[number % 2]
        lines.append(f'{row["id"]},"{", ".join(row["labels"])}",{row["dialogue"]},{speaker}')
    (folder / "gold.csv").write_text("\n".join(lines) + "\n")
    (folder / "clip.wav").write_bytes(wav(render(clips("test", 1)[0])))
    lay_out_tables(folder, rows)
    for target, make in MADE.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).write_text(make())


def lay_out_tables(folder: Path, rows: list[dict[str, object]]) -> None:
    """A table of gold and one of predictions, each a folder with two parts."""
    polars = pytest.importorskip("polars")
    for target in ("gold", "predictions"):
        (folder / target).mkdir()
        for part in range(2):
            table = polars.DataFrame(
                {
                    "id": [row["id"] for row in rows[part::2]],
                    "labels": [row["labels"] for row in rows[part::2]],
                }
            )
            table.write_parquet(folder / target / f"part-{part}.parquet")


def lay_out_official(folder: Path, command: str) -> None:
    """The authors' files under the names that the documents give them."""
    for target, source in OFFICIAL.items():
        link(SHARED_DATA / source, folder / target)
    for part, source in SYSTEMS.items():
        if part in command:
            for target in re.findall(r"\S+-openset(?:-sentiment)?\.npz", command):
                (folder / target).unlink(missing_ok=True)
                link(SHARED_DATA / source, folder / target)
    if "mer2026" in command:
        run(
            "ovbench tables add MERTools/MER2026/emotion_wheel",
            folder,
            os.environ | environment(folder),
        )


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.symlink_to(source.resolve())


def block_of(page: str, kind: str, number: int = 0) -> str:
    found = [body for k, body in BLOCK.findall((REPOSITORY / page).read_text("utf-8")) if k == kind]
    return found[number]


def tinyov_answers() -> str:
    """The same answer to every item of TinyOV's test split."""
    ids = [item.id for item in load_task("tinyov").items]
    return "".join(json.dumps({"id": name, "prediction": "sad, tired"}) + "\n" for name in ids)


def folds_and_classes() -> tuple[str, str]:
    """Gold of three classes in five folds, and answers of which every fourth is wrong."""
    classes = ("angry", "happy", "neutral")
    gold, said = ["id,label,fold"], ["id,label"]
    for number in range(100):
        right, other = classes[number % 3], classes[(number + 1) % 3]
        gold.append(f"clip-{number},{right},{number % 5}")
        said.append(f"clip-{number},{right if number % 4 else other}")
    return "\n".join(gold) + "\n", "\n".join(said) + "\n"


MADE: dict[str, Callable[[], str]] = {
    "answers.jsonl": tinyov_answers,
    "folds.csv": lambda: folds_and_classes()[0],
    "classes.csv": lambda: folds_and_classes()[1],
    "my-lora.toml": lambda: block_of("docs/how-to/add-my-model.md", "toml"),
    "my-prompt.txt": lambda: block_of("docs/how-to/add-my-model.md", "text"),
    "my-program.toml": lambda: block_of("docs/how-to/external-system.md", "toml"),
    "wrapper.py": lambda: block_of("docs/how-to/external-system.md", "python"),
}
"""Files that a page tells its reader to write or to bring → what they hold."""
