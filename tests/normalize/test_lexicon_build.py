"""The build script: the same bytes again, and a wordnet of another form."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ovbench.normalize.lexicon.store import FOLDER, load_lexicon

REPOSITORY = Path(__file__).resolve().parents[2]
WORDNET = Path("/usr/share/wordnet")


def build(source: str, output: Path, seed: str = "0") -> str:
    script = REPOSITORY / "scripts" / "build_lexicon.py"
    command = [sys.executable, str(script), "--source", source, "--output", str(output)]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.slow
def test_building_again_gives_the_shipped_bytes(tmp_path: Path) -> None:
    pytest.importorskip("nltk")
    for needed in ("data.noun", "index.sense"):
        if not (WORDNET / needed).is_file():
            pytest.skip(f"no {WORDNET / needed} (Debian: wordnet-base, wordnet-sense-index)")
    assert build(f"wndb:{WORDNET}", tmp_path / "again.tsv", seed="1") == ""
    assert (tmp_path / "again.tsv").read_bytes() == (FOLDER / "open-1.tsv").read_bytes()


def test_a_source_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert "expected wndb:FOLDER or wn:FILE" in build("wn:/nowhere.xml", tmp_path / "x.tsv")
    assert "expected wndb:FOLDER or wn:FILE" in build(str(tmp_path), tmp_path / "x.tsv")
    assert not (tmp_path / "x.tsv").exists()


def wn_lmf() -> str:
    """Anger, its adjective and verb, an antonym, an irregular form; fear apart from them."""
    entries = {
        ("anger", "n", "1"): [("derivation", "angry-a-2"), ("derivation", "anger-v-3")],
        ("angry", "a", "2"): [("derivation", "anger-n-1")],
        ("calm", "a", "5"): [("antonym", "angry-a-2")],
        ("anger", "v", "3"): [],
        ("wrath", "n", "1"): [],
        ("fear", "n", "4"): [],
        ("fright", "n", "4"): [],
        ("angel", "n", "6"): [],
    }
    xml = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<!DOCTYPE LexicalResource SYSTEM "http://globalwordnet.github.io/schemas/WN-LMF-1.1.dtd">',
        '<LexicalResource xmlns:dc="https://globalwordnet.github.io/schemas/dc/">',
        '<Lexicon id="tiny" label="Tiny" language="en" email="x" version="1" license="none">',
    ]
    for (lemma, pos, synset), relations in entries.items():
        forms = '<Form writtenForm="angrier"/>' if lemma == "angry" else ""
        links = "".join(
            f'<SenseRelation relType="{relation}" target="tiny-{target}"/>'
            for relation, target in relations
        )
        xml.append(
            f'<LexicalEntry id="tiny-{lemma}-{pos}">'
            f'<Lemma writtenForm="{lemma}" partOfSpeech="{pos}"/>{forms}'
            f'<Sense id="tiny-{lemma}-{pos}-{synset}" synset="tiny-{synset}">{links}</Sense>'
            "</LexicalEntry>"
        )
    files = {
        "1": ("n", "noun.feeling", "a strong emotion of the angry"),
        "2": ("a", "adj.all", "feeling or showing anger"),
        "3": ("v", "verb.emotion", "make angry"),
        "4": ("n", "noun.feeling", "an emotion before danger"),
        "5": ("a", "adj.all", "not agitated"),
        "6": ("n", "noun.person", "a spiritual being"),
    }
    for key, (pos, file, gloss) in files.items():
        xml.append(
            f'<Synset id="tiny-{key}" ili="" partOfSpeech="{pos}" lexfile="{file}">'
            f"<Definition>{gloss}</Definition></Synset>"
        )
    return "\n".join([*xml, "</Lexicon></LexicalResource>"])


def test_a_wn_lmf_file_builds_a_lexicon(tmp_path: Path) -> None:
    pytest.importorskip("wn")
    pytest.importorskip("scipy")
    source, output = tmp_path / "tiny.xml", tmp_path / "tiny.tsv"
    source.write_text(wn_lmf(), encoding="utf-8")
    assert build(f"wn:{source}", output) == ""
    lexicon = load_lexicon(output)
    assert "built by scripts/build_lexicon.py from Tiny 1." in output.read_text(encoding="utf-8")
    # what has nothing to do with a feeling stays out
    assert lexicon.known("wrath", "n")
    assert not lexicon.known("angel", "n")
    nearest = {key: lexicon.nearest(*key.split("/"))[0][0] for key in ("wrath/n", "fright/n")}
    assert nearest == {"wrath/n": "anger", "fright/n": "fear"}
    assert "fear" not in dict(lexicon.nearest("wrath", "n"))
    assert lexicon.irregular == {"angrier/a": ("angry",)}
    assert lexicon.antonyms == {"calm/a": ("angry/a",)}
    # "angel" is one edit from "anger": a word, not a slip
    assert "angel" in lexicon.lookalikes
    assert build(f"wn:{source}", tmp_path / "again.tsv", seed="7") == ""
    assert (tmp_path / "again.tsv").read_bytes() == output.read_bytes()
