"""The official mapping against a reference written from the rules alone, and published figures."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ovbench.normalize.normalizer import UNKNOWN, Normalizer
from ovbench.normalize.official import build_normalizer, compare
from ovbench.normalize.table_content import OfficialTables
from ovbench.normalize.table_files import read_folder, read_npz

VERSIONS = ("affectgpt-2025", "mer2026")
WHEELS = [f"wheel{number}" for number in range(1, 6)]


# --- a slow reference: nothing of ovbench is used in it ------------------------------------------


def sheet(path: Path) -> Iterator[dict[str, str]]:
    """Rows of the first sheet by the header's names, read from the XML itself."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as book:
        strings = [
            "".join(node.text or "" for node in item.iter(f"{space}t"))
            for item in ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        ]
        rows = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml")).iter(f"{space}row")
        header: dict[str, str] = {}
        for row in rows:
            cells = {}
            for cell in row.iter(f"{space}c"):
                value = cell.find(f"{space}v")
                if value is not None and cell.get("t") == "s":
                    cells[re.sub(r"\d", "", cell.get("r", ""))] = strings[int(value.text or "")]
            if not header:
                header = cells
            else:
                yield {name: cells.get(column, "") for column, name in header.items()}


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


class Reference:
    """Dicts of sets from the files of one folder, and the three cases over them."""

    def __init__(self, folder: Path) -> None:
        self.forms: dict[str, set[str]] = {}
        with (folder / "format.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for form in [row["name"], *words(row["format"])]:
                    self.forms.setdefault(form, set()).add(row["name"])
        self.raws: dict[str, set[str]] = {}
        for row in sheet(folder / "synonym.xlsx"):
            for run in range(1, 9):
                word = row[f"word_run{run}"].strip().lower()
                for raw in [word, *words(row[f"synonym_run{run}"].lower())]:
                    self.raws.setdefault(raw, set()).add(word)
        self.wheels = {wheel: self.wheel(folder / f"{wheel}.xlsx") for wheel in WHEELS}

    @staticmethod
    def wheel(path: Path) -> dict[str, dict[str, str]]:
        filled, above = [], ["", "", ""]
        for row in sheet(path):
            cells = [row[f"level{level}"].strip().lower() for level in (1, 2, 3)]
            above = [cell or old for cell, old in zip(cells, above, strict=True)]
            filled.append(tuple(above))
        maps: dict[str, dict[str, str]] = {"level1": {}, "level2": {}}
        for first, second, third in filled:
            maps["level1"] |= {first: first, second: first, third: first}
        for first in dict.fromkeys(row[0] for row in filled):
            maps["level2"][first] = sorted(row[1] for row in filled if row[0] == first)[0]
            for _, second, third in [row for row in filled if row[0] == first]:
                maps["level2"] |= {second: second, third: second}
        return maps

    def cluster(self, label: str, ring: str) -> str | None:
        if label not in self.forms:
            return None
        case1 = sorted(self.forms[label])[0]
        if ring == "case1/words":
            return case1
        if ring == "case2/words":
            return sorted(self.raws[case1])[0]
        wheel, level = ring.split("/")
        reached = {word for raw in self.forms[label] for word in self.raws[raw]}
        for word in sorted(reached):
            if word in self.wheels[wheel][level]:
                return self.wheels[wheel][level][word]
        return None


def string_to_list(text: str) -> list[str]:
    text = text[1:] if text[:1] == "[" else text
    text = text[:-1] if text[-1:] == "]" else text
    return [part.strip().lower() for part in re.split("['\",]", text) if part.strip()]


# --- fixtures ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tables(shared_data: Path) -> dict[str, OfficialTables]:
    return {name: read_folder(shared_data / "emotion_wheel" / name) for name in VERSIONS}


@pytest.fixture(scope="session")
def references(shared_data: Path) -> dict[str, Reference]:
    return {name: Reference(shared_data / "emotion_wheel" / name) for name in VERSIONS}


def clusters(normalizer: Normalizer, labels: list[str]) -> list[dict[str, str | None]]:
    """Per label: ring → name of its cluster."""
    mapped = normalizer.map(labels)
    return [
        {
            ring.key: None if code == UNKNOWN else ring.clusters[code]
            for ring, code in zip(mapped.rings, row, strict=True)
        }
        for row in mapped.codes.tolist()
    ]


# --- the tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "forms"), [("affectgpt-2025", 7386), ("mer2026", 7356)])
def test_published_tables_have_the_documented_sizes(
    tables: dict[str, OfficialTables], name: str, forms: int
) -> None:
    found = tables[name]
    assert found.name == name
    assert (len(found.forms), len(found.synonyms), len(found.wheel_words)) == (forms, 1255, 253)
    sizes = {wheel: len(levels["level1"]) for wheel, levels in found.wheels.items()}
    assert sizes == {"wheel1": 114, "wheel2": 126, "wheel3": 78, "wheel4": 102, "wheel5": 77}


def test_npz_and_folder_of_the_same_version_are_the_same_tables(
    tables: dict[str, OfficialTables], shared_data: Path
) -> None:
    pickled = read_npz(shared_data / "emotion_wheel/mer2026/wheel_mapping.npz")
    folder = tables["mer2026"]
    assert (pickled.forms, pickled.synonyms) == (folder.forms, folder.synonyms)
    assert (pickled.wheels, pickled.hash) == (folder.wheels, folder.hash)


def test_level1_clusters_are_the_documented_ones(tables: dict[str, OfficialTables]) -> None:
    rings = {ring.key: ring.clusters for ring in build_normalizer(tables["affectgpt-2025"]).rings}
    documented = """wheel1: disgusted, happy, mad, sad, scared, surprised
        wheel2: angry, bad, disgusted, fearful, happy, sad, surprised
        wheel3: joyful, mad, peaceful, powerful, sad, scared
        wheel4: anger, disgust, fear, genius, joy, sad
        wheel5: joyful, mad, peaceful, powerful, sad, scared"""
    for line in documented.splitlines():
        wheel, names = line.strip().split(": ")
        assert rings[f"{wheel}/level1"] == tuple(names.split(", "))


# --- the mapping ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VERSIONS)
def test_every_form_lands_where_the_reference_says(
    tables: dict[str, OfficialTables], references: dict[str, Reference], name: str
) -> None:
    reference, normalizer = references[name], build_normalizer(tables[name])
    labels = [*reference.forms, "neutral", "", "no such word"]
    assert set(tables[name].forms) == set(reference.forms)
    wrong = [
        (label, ring, cluster)
        for label, row in zip(labels, clusters(normalizer, labels), strict=True)
        for ring, cluster in row.items()
        if cluster != reference.cluster(label, ring)
    ]
    assert wrong == []


def test_fear_means_joy_in_2025_and_fear_in_2026(tables: dict[str, OfficialTables]) -> None:
    rings = [f"{wheel}/level1" for wheel in WHEELS]
    old, new = (clusters(build_normalizer(tables[name]), ["fear"])[0] for name in VERSIONS)
    assert [old[ring] for ring in rings] == ["scared", "happy", "joyful", "genius", "joyful"]
    assert [new[ring] for ring in rings] == ["scared", "fearful", "scared", "fear", "scared"]
    trace = build_normalizer(tables["affectgpt-2025"]).trace("fear")
    wheel2 = [ring.key for ring in trace.rings].index("wheel2/level1")
    assert trace.placements[wheel2].word == "courageous"
    assert {c.lemma for c in trace.candidates if c.word == "courageous"} == {"fearless"}


@pytest.mark.parametrize(
    ("ring", "astray", "on_wheel"),
    [
        ("wheel1/level1", 12, 114),
        ("wheel1/level2", 24, 114),
        ("wheel2/level1", 16, 126),
        ("wheel2/level2", 31, 126),
        ("wheel3/level1", 6, 78),
        ("wheel3/level2", 18, 78),
        ("wheel4/level1", 12, 102),
        ("wheel4/level2", 32, 102),
        ("wheel5/level1", 6, 77),
        ("wheel5/level2", 21, 77),
    ],
)
def test_wheel_words_that_leave_their_own_cluster(
    tables: dict[str, OfficialTables], ring: str, astray: int, on_wheel: int
) -> None:
    found = tables["affectgpt-2025"]
    wheel, level = ring.split("/")
    own = found.wheels[wheel][level]
    placed = clusters(build_normalizer(found), list(own))
    moved = [w for w, row in zip(own, placed, strict=True) if row[ring] != own[w]]
    assert (len(moved), len(own)) == (astray, on_wheel)


def test_documented_examples_of_the_tie_break(tables: dict[str, OfficialTables]) -> None:
    examples = [
        ("frustrated", "wheel1 wheel2 wheel4", "sad"),
        ("embarrassed", "wheel1 wheel3 wheel5", "sad"),
        ("excited", "wheel2", "happy"),
        ("excited", "wheel1", "surprised"),
        ("joyful", "wheel5", "powerful"),
        ("happy", "wheel5", "powerful"),
        ("tense", "wheel4", "fear"),
        ("surprise", "wheel3", "powerful"),
        ("surprise", "wheel4", "fear"),
        ("surprise", "wheel5", None),
    ]
    normalizer = build_normalizer(tables["affectgpt-2025"])
    for label, wheels, cluster in examples:
        row = clusters(normalizer, [label])[0]
        assert {row[f"{wheel}/level1"] for wheel in wheels.split()} == {cluster}, label


def test_the_versions_differ_in_sixty_labels(tables: dict[str, OfficialTables]) -> None:
    old, new = (tables[name] for name in VERSIONS)
    assert old.synonyms == new.synonyms
    assert old.wheels == new.wheels
    assert len(old.forms.keys() - new.forms.keys()) == 30
    assert sum(old.forms[form] != new.forms[form] for form in new.forms) == 34
    changes = {change.label: change.rings for change in compare(old, new)}
    assert len(changes) == 60
    assert ("wheel2/level1", "happy", "fearful") in changes["fear"]
    assert all(after is None for _, _, after in changes["helping"])
    assert compare(old, old) == []


# --- the published figures -----------------------------------------------------------------------

FIGURES = """
case1                331 0.29120389 0.33388721 0.25819666 0.29120389 0.33388721 0.25819666
case2                331 0.32804875 0.35659617 0.30373328 0.32804875 0.35659617 0.30373328
case3_wheel1_level1  327 0.56399734 0.57543323 0.55300714 0.56399734 0.57543323 0.55300714
case3_wheel2_level1  328 0.57511916 0.59375000 0.55762195 0.57728380 0.59629065 0.55945122
case3_wheel3_level1  324 0.55397117 0.54140947 0.56712963 0.55450922 0.54243827 0.56712963
case3_wheel4_level1  327 0.54696559 0.55632008 0.53792049 0.54824859 0.55733945 0.53944954
case3_wheel5_level1  316 0.52847628 0.53006329 0.52689873 0.52900003 0.53111814 0.52689873
case3_wheel1_level2  327 0.41983366 0.46544343 0.38236493 0.42045458 0.46697248 0.38236493
case3_wheel2_level2  328 0.42127717 0.46493902 0.38511179 0.42243918 0.46747967 0.38531504
case3_wheel3_level2  324 0.44518847 0.44248971 0.44792034 0.44429261 0.44197531 0.44663433
case3_wheel4_level2  327 0.41911918 0.43358818 0.40558468 0.41966279 0.43358818 0.40660405
case3_wheel5_level2  316 0.41701326 0.43064346 0.40421941 0.41606387 0.43011603 0.40290084
mean_level1            - 0.55370591 0.55939521 0.54851559 0.55460780 0.56052395 0.54918725
mean_level2            - 0.42448635 0.44742076 0.40504023 0.42458260 0.44802633 0.40476384
"""
HEADLINES = {
    "affectgpt-2025": {"mer2025": 0.48909613, "ov-mer": 0.45918449},
    "mer2026": {"mer2025": 0.48959520, "ov-mer": 0.45960039},
}


def ring_of(metric: str) -> str:
    return metric.removeprefix("case3_").replace("_", "/") if "_" in metric else f"{metric}/words"


def openset(path: Path) -> dict[str, list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["name"]: string_to_list(row["openset"]) for row in csv.DictReader(file)}


def slow_scores(
    gold: dict[str, list[str]],
    predictions: dict[str, list[str]],
    cluster: Callable[[str], str | None],
) -> tuple[int, tuple[float, float, float]]:
    """Items counted, and F, P, R of one ring."""
    precisions, recalls = [], []
    for name, labels in gold.items():
        g = {cluster(label) for label in labels} - {None}
        p = {cluster(label) for label in predictions[name]} - {None}
        if g:
            precisions.append(len(g & p) / len(p) if p else 0)
            recalls.append(len(g & p) / len(g))
    mean_p, mean_r = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return len(precisions), (2 * mean_p * mean_r / (mean_p + mean_r), mean_p, mean_r)


@pytest.mark.parametrize("version", [0, 1], ids=VERSIONS)
def test_ov_merd_figures(
    tables: dict[str, OfficialTables], shared_data: Path, version: int
) -> None:
    gold = openset(shared_data / "ov-merd/check-openset.csv")
    predictions = openset(shared_data / "ov-merd/predict-openset.csv")
    labels = sorted({label for side in (gold, predictions) for ls in side.values() for label in ls})
    normalizer = build_normalizer(tables[VERSIONS[version]])
    placed = dict(zip(labels, clusters(normalizer, labels), strict=True))
    found: dict[str, tuple[float, ...]] = {}
    for line in FIGURES.split("\n")[1:-1]:
        metric, n, *figures = line.split()
        if metric.startswith("mean"):
            level = metric.removeprefix("mean_")
            wheels = [found[f"case3_{wheel}_{level}"] for wheel in WHEELS]
            found[metric] = tuple(sum(column) / 5 for column in zip(*wheels, strict=True))
        else:
            ring = ring_of(metric)
            counted, found[metric] = slow_scores(gold, predictions, lambda x, r=ring: placed[x][r])
            assert counted == int(n)
        expected = [float(figure) for figure in figures[3 * version : 3 * version + 3]]
        assert found[metric] == pytest.approx(expected, abs=1e-8), metric
    headlines = HEADLINES[VERSIONS[version]]
    mer2025 = (found.pop("mean_level1")[0] + found.pop("mean_level2")[0]) / 2
    assert mer2025 == pytest.approx(headlines["mer2025"], abs=1e-8)
    assert sum(scores[0] for scores in found.values()) / 12 == pytest.approx(
        headlines["ov-mer"], abs=1e-8
    )
