"""A program that stands in for models that run elsewhere, at the scale ``tiny``.

``python -m ovbench.systems.external.stand_in --answer text`` keeps the contract of external systems
and knows nothing: it answers with the emotion words of the transcript, and without one with a word
for how loud and how high the voice is. It shows that a recipe, the contract and an evaluation run;
its scores say nothing of the model that it stands for.
"""

from __future__ import annotations

import argparse
import json
import sys

from ovbench.speech.audio import AudioError
from ovbench.speech.measures import measure
from ovbench.speech.statistics import BUILTIN
from ovbench.systems.pipeline.extractor import extract


def answer(line: str, form: str) -> str:
    """The answer to one line, as a line without its end.

    ``form``: ``text``, words between commas; ``labels``, one class.
    """
    item = json.loads(line)
    words = list(extract(item.get("transcript") or ""))
    if not words and item.get("audio"):
        try:
            words = [heard(item["audio"])]
        except AudioError:
            return json.dumps({"id": item["id"], "status": "error"})
    if form == "labels":
        return json.dumps({"id": item["id"], "labels": words[:1]})
    return json.dumps({"id": item["id"], "text": ", ".join(words), "tokens": len(words)})


def heard(clip: str) -> str:
    """A word for a voice: by its level and its pitch alone."""
    values = measure(clip).values
    pitch, loudness = values["pitch"], values["loudness"]
    high = pitch is not None and pitch > BUILTIN["pitch"][2]
    if loudness is not None and loudness > BUILTIN["loudness"][2]:
        return "happy" if high else "angry"
    if loudness is not None and loudness < BUILTIN["loudness"][1]:
        return "fearful" if high else "sad"
    return "surprised" if high else "neutral"


def main() -> None:
    """Answer line by line until the input ends."""
    parser = argparse.ArgumentParser(prog="stand_in", description=__doc__)
    parser.add_argument("--answer", choices=("text", "labels"), default="text", help="its form")
    form = parser.parse_args().answer
    for line in sys.stdin:
        sys.stdout.write(answer(line, form) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
