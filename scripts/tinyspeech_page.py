"""Write docs/results/tinyspeech.md and its plot: all kinds of systems on the same clips.

    OMP_NUM_THREADS=1 python scripts/tinyspeech_page.py --out comparison-speech

Trains and evaluates what is not in the folder yet (an hour or two on two cores), then writes the
page.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ovbench.io.atomic import write_text
from ovbench.report import render
from ovbench.report.comparison import comparison_sections
from ovbench.report.plot import write_plot
from ovbench.runs.comparison import Comparison, Row
from ovbench.runs.replicate import compare_recipes

FIRST = "prosody-affectgpt-lora-r8"
SYSTEMS = {
    FIRST: "measured prosody in words and the transcript, to a language model with LoRA",
    "prosody-lora-las-r4": "the same, with LoRA-LAS",
    "affectgpt-lora-r8": "the transcript alone, to a language model with LoRA",
    "pipeline-prosody-rules": "measured prosody, a language model's caption, labels by rules",
    "peft-ser-whisper-tiny-lora": "PEFT-SER: Whisper's architecture, LoRA, a head of convolutions",
    "peft-ser-wavlm-base-plus-lora": "PEFT-SER: WavLM's architecture, LoRA, the same head",
    "thau-gemma-lora": "THAU-UPM: the transcript, to a language model that answers with one word",
    "thau-whisper-gemma": "THAU-UPM: speech frames through a linear map into a language model",
    "thau-qwen2-audio-lora": "THAU-UPM: an audio language model that answers with one word",
    "single-layer-fusion": "speech and text in one gated fusion layer",
    "cmgi-fusion": "speech and text in cross-modal gated interaction",
    "majority": "the most frequent label",
    "frequent-k": "the k most frequent labels",
}
TASKS = ("tinyspeech", "tinyspeech-6class")
PAGE = Path("docs/results/tinyspeech.md")

INTRO = """\
# From sound: all kinds of systems on the same clips

Measured here, by the command below, on the {items} test clips of TinySpeech: generated speech-like
sounds with a transcript, two to four seconds each. The open view asks for emotion words (WF, HiT
against the annotators' words), the closed one for one of six classes (HiT, UA). Each system is
trained under {seeds} seeds on the same 600 clips, those that answer words on the annotators' words,
the others on the classes. UA wants the name of one class as the whole answer, which those trained
on words rarely give; HiT takes an answer that has the class among its words.

A difference counts where it is larger than what another batch order makes, and told from chance
over items and over seeds, for all rows together. {seeds} seeds are few for that: the test over them
has {freedom} degrees of freedom, so large differences may remain untold.

At this scale the speech and text encoders are **tiny and untrained**: the real architectures with
weights from a fixed seed. What the published systems owe to pre-training they do not have here, so
this page shows that every kind runs on the same work and is scored by the same rules, and **nothing
here ranks the published systems**. Their own figures, and what of them could not be reproduced, are
in `ovbench show model NAME` and on the [leaderboard](../how-to/submit.md).

```sh
OMP_NUM_THREADS=1 python scripts/tinyspeech_page.py --out comparison-speech   # writes this page
```

| system | what it is |
|---|---|
{systems}

![Scores of all systems](tinyspeech.svg)

## What differs from {first} by more than noise

{verdict}

"""


def verdict(comparison: Comparison) -> str:
    """In words: which rows are above or below the first by more than chance and batch order."""
    lines = []
    for metric in comparison.metrics:
        rows = [row for row in comparison.rows[1:] if row.kind != "constant"]
        told = {True: [], False: [], None: []}  # type: dict[bool | None, list[str]]
        for row in rows:
            difference = row.differences[metric.title].difference
            key = difference > 0 if row.above_noise[metric.title] else None
            told[key].append(_said(row, metric.title))
        lines += [
            f"**{metric.title}** (points; noise floor "
            f"{100 * comparison.noise[metric.title].floor:.2f})",
            "",
            f"- above: {'; '.join(told[True]) or 'none'}",
            f"- below: {'; '.join(told[False]) or 'none'}",
            f"- not told from it: {'; '.join(told[None]) or 'none'}",
            f"- {_trivial(comparison, metric.title)}",
            "",
        ]
    return "\n".join(lines)


def _trivial(comparison: Comparison, title: str) -> str:
    """The best answer that listens to nothing, beside the first row."""
    constants = [row for row in comparison.rows if row.kind == "constant"]
    best = max(constants, key=lambda row: row.scores[title].mean)
    first = comparison.rows[0].scores[title].mean
    listens = f"(the first system: {100 * first:.2f})"
    return f"best trivial answer: {best.name} {100 * best.scores[title].mean:.2f} {listens}"


def _said(row: Row, title: str) -> str:
    found = row.differences[title]
    p = "" if found.p_holm is None else f", p {found.p_holm:.3f}"
    return f"{row.name} {100 * found.difference:+.2f}{p}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of trainings and runs")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    found = compare_recipes(list(SYSTEMS), seeds=given.seeds, out=given.out, tasks=TASKS)
    write_plot(found, str(PAGE.with_suffix(".svg")))
    intro = INTRO.format(
        items=found.items,
        seeds=given.seeds,
        freedom=given.seeds - 1,
        first=FIRST,
        systems="\n".join(f"| `{name}` | {what} |" for name, what in SYSTEMS.items()),
        verdict=verdict(found),
    )
    write_text(PAGE, intro + render.markdown(comparison_sections(found)))
    write_text(PAGE.with_suffix(".json"), found.to_json())
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
