"""The pages of a board as HTML: links, escaping, determinism, size; no browser."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markupsafe import Markup
from rank_records import answered
from site_boards import (
    HOSTILE,
    LONG,
    board_of,
    hostile_board,
    large_board,
    record,
    small_board,
    tinyov_board,
)

from ovbench.board.record import Checkpoint, PredictionEntry
from ovbench.board.site import SiteReport, build
from ovbench.board.site.compare import _is_public, comparison_data, embedded
from ovbench.board.site.plots import pareto_front
from ovbench.board.site.text import linked, plain, slug
from ovbench.board.site.views import TableView, table_view
from ovbench.board.store import Board, Entry
from ovbench.board.submission import canonical_json
from ovbench.board.tables import tables
from ovbench.board.versus import pair_tests
from ovbench.errors import InputError
from ovbench.normalize.opening import open_normalizer
from ovbench.report import render
from ovbench.tasks import load_task
from ovbench.tasks.card import cards

VOID = {"meta", "link", "br", "input", "img", "rect"}
ADDRESSES = {"href", "src", "xlink:href", "action", "data", "srcset", "formaction"}


class Page(HTMLParser):
    """What a page holds: elements, ids, addresses, its text; and whether tags match."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == [], f"{path.name}: {self.open} never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute comes twice in {tag}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def ids(self) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get("id"))]

    @property
    def addresses(self) -> list[str]:
        return [
            value
            for _, attrs in self.tags
            for name, value in attrs.items()
            if name in ADDRESSES and value is not None
        ]


def pages(folder: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(folder.rglob("*.html"))}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SiteReport:
    return build(small_board(), tmp_path_factory.mktemp("small") / "site")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> SiteReport:
    return build(hostile_board(), tmp_path_factory.mktemp("hostile") / "site")


@pytest.fixture(scope="module")
def tinyov(tmp_path_factory: pytest.TempPathFactory) -> SiteReport:
    return build(tinyov_board(), tmp_path_factory.mktemp("tinyov") / "site")


def test_report_tells_what_lies_there(small: SiteReport) -> None:
    files = [path for path in small.folder.rglob("*") if path.is_file()]
    assert small.files == len(files)
    assert small.size == sum(path.stat().st_size for path in files)
    assert small.pages == len(list(small.folder.rglob("*.html")))
    assert (small.records, small.tables) == (8, 2)
    assert small.plots == len(list(small.folder.rglob("*.png"))) == 1


@pytest.mark.parametrize("site", ["small", "hostile", "tinyov"])
def test_every_internal_link_resolves(site: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(site).folder
    found = pages(folder)
    ids = {path: set(page.ids) for path, page in found.items()}
    for path, page in found.items():
        clicked = {attrs.get("href") for tag, attrs in page.tags if tag == "a"}
        assert max(Counter(page.ids).values(), default=1) == 1, "an id comes twice"
        for address in page.addresses:
            parts = urlsplit(address)
            if parts.scheme:
                assert parts.scheme in ("http", "https")
                assert address in clicked, "an address elsewhere is fetched by nothing"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.name}: {address}"
            assert folder in target.parents
            if parts.fragment and target.suffix == ".html":
                assert parts.fragment in ids[target], f"{path.name}: {address}"


@pytest.mark.parametrize("site", ["small", "hostile", "tinyov"])
def test_nothing_inline_runs(site: str, request: pytest.FixtureRequest) -> None:
    for path, page in pages(request.getfixturevalue(site).folder).items():
        policies = [
            a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
        ]
        assert len(policies) == 1
        assert "default-src 'none'" in str(policies[0])
        assert "unsafe" not in str(policies[0])
        for tag, attrs in page.tags:
            assert not [name for name in attrs if name.startswith("on") or name == "style"], (
                path.name
            )
            assert tag not in ("style", "iframe", "object", "embed", "base", "img")
            if tag == "script":
                assert "src" in attrs or attrs.get("type") == "application/json"


def test_hostile_text_is_text(hostile: SiteReport) -> None:
    found = pages(hostile.folder)
    whole = "".join(page.text for path, page in found.items() if path.parent.name == "records")
    for text in HOSTILE:
        assert str(plain(text)) in whole
    for path in hostile.folder.rglob("*"):
        name = path.relative_to(hostile.folder).as_posix()
        assert re.fullmatch(r"[A-Za-z0-9./-]+", name), name
        if path.suffix in (".html", ".svg", ".js") and path.parent.name != "assets":
            written = path.read_text("utf-8")
            assert "<script>window" not in written
            assert "<img" not in written
            assert not re.search(r"(href|src)=.?javascript:", written, re.IGNORECASE)
            assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00") & set(
                written
            )


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://example.org/a?b=1&c=2.", ["https://example.org/a?b=1&c=2"]),
        ("HTTP://Example.org", ["HTTP://Example.org"]),
        ("javascript:alert(1)//http://", []),
        ("javascript://example.org/%0aalert(1)", []),
        ("data:text/html,<script>", []),
        ("https://known.org@elsewhere.example/", []),
        ("https:///nowhere", []),
        ("http://[::bad", []),
        ('https://e.org/"onmouseover="x', ["https://e.org/"]),
        ("two http://a.example, http://b.example", ["http://a.example", "http://b.example"]),
        ("arXiv 2406.07162", []),
    ],
)
def test_only_web_addresses_are_links(tmp_path: Path, text: str, links: list[str]) -> None:
    path = tmp_path / "x.html"
    path.write_text(str(linked(text)), "utf-8")
    page = Page(path)
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == links
    assert page.text == text
    assert {tag for tag, _ in page.tags} <= {"a"}


@pytest.mark.parametrize("mark", list("\x00\x1b\u200e\u200f\u2028\u2029\u202e\u2066\ud800"))
def test_what_acts_unseen_is_marked_as_in_exports(mark: str) -> None:
    assert plain(f"a{mark}b") == render.plain(f"a{mark}b") == "a\ufffdb"
    assert plain("a\nb") == "a\nb"
    assert plain(Markup("a\u200fb")) == "a\u200fb"
    assert plain(3) == 3


def test_no_page_says_that_others_runs_took_place_here(small: SiteReport) -> None:
    for path in small.folder.rglob("*.html"):
        assert "run here" not in path.read_text("utf-8")
    first = (small.folder / "index.html").read_text("utf-8")
    assert "run with ovbench by whoever submitted it" in first


def test_file_names_are_slugs() -> None:
    names = [slug(text) for text in (*HOSTILE, "", "..", "/", "a/b", "A/B", "ÄÖÜ", "con", "\ud800")]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"([a-z0-9-]{1,48}-)?[0-9a-f]{12}", name) for name in names)


def test_embedded_json_cannot_end_its_element() -> None:
    value = {text: [text, "</SCRIPT>", "<!--", "\u2028", "é", "&amp;"] for text in HOSTILE}
    text = embedded(value)
    assert isinstance(text, Markup)
    assert not set("<>&") & set(text)
    assert text.isascii()
    assert json.loads(text) == value


def test_same_board_same_bytes(tmp_path: Path) -> None:
    board = small_board()
    turned = Board(tuple(reversed(board.entries)))
    one, two = build(board, tmp_path / "one"), build(turned, tmp_path / "two")
    assert digests(one.folder) == digests(two.folder)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_site_is_replaced_as_a_whole_and_nothing_else_is(tmp_path: Path) -> None:
    out = tmp_path / "site"
    build(board_of([record("gone", 0.5)]), out)
    gone = {path.name for path in (out / "records").iterdir()}
    build(small_board(), out)
    assert not gone & {path.name for path in (out / "records").iterdir()}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not a site that ovbench wrote"):
        build(small_board(), mine)
    with pytest.raises(InputError, match="not a site that ovbench wrote"):
        build(small_board(), mine / "thesis.tex")
    assert (mine / "thesis.tex").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "site"]


def test_empty_board_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no records"):
        build(Board(()), tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_record_file_has_the_hash_that_it_is_named_by(small: SiteReport) -> None:
    for entry in small_board().entries:
        data = (small.folder / "records" / f"{entry.id}.json").read_bytes()
        assert hashlib.sha256(data).hexdigest()[:12] == entry.id
        assert type(entry.record).model_validate_json(data) == entry.record
        assert canonical_json(entry.record).encode() == data


def rows_of(folder: Path, slug_of_table: str) -> list[str]:
    text = (folder / "tables" / f"{slug_of_table}.html").read_text("utf-8")
    return re.findall(r'<tr id="row-.*?</tr>', text, re.DOTALL)


def test_table_page_shows_every_row_and_links_every_number(small: SiteReport) -> None:
    for table in tables(small_board()):
        rows = rows_of(small.folder, table.slug)
        assert len(rows) == len(table.rows)
        for row in table.rows:
            (html,) = [one for one in rows if f">{row.name}</bdi>" in one]
            assert f'data-kind="{row.provenance}"' in html
            assert ('data-ranked="1"' in html) == (row.rank is not None)
            if row.why_unranked:
                assert row.why_unranked in html
            for score in row.values.values():
                link = re.search(rf'<a href="([^"]+)">{100 * score.value:.2f}</a>', html)
                assert link is not None
                assert link[1].startswith("../records/")
                assert row.id in link[1]


def test_every_row_has_every_column(small: SiteReport, tmp_path: Path) -> None:
    copied = board_of(
        [record("p", 0.5, kind="published", floors={"chance": {"f1": 0.2}}), record("q", 0.4)]
    )
    for report in (small, build(copied, tmp_path / "site")):
        for path in (report.folder / "tables").iterdir():
            text = path.read_text("utf-8")
            heads = text[text.index("<thead>") : text.index("</thead>")].count("<th ")
            rows = re.findall(r'<tr id="row-.*?</tr>', text, re.DOTALL)
            assert rows
            assert {len(re.findall(r"<t[dh][ >]", row)) for row in rows} == {heads}
            assert {int(n) for n in re.findall(r'colspan="(\d+)"', text)} <= {heads}


def test_published_rows_tell_their_source(small: SiteReport) -> None:
    table = next(table for table in tables(small_board()) if not table.signature)
    assert all("example.org/paper.pdf" in row for row in rows_of(small.folder, table.slug))


def test_unranked_rows_say_why(small: SiteReport) -> None:
    table = next(table for table in tables(small_board()) if table.signature)
    html = {
        name: row
        for row in rows_of(small.folder, table.slug)
        for name in ("echo", "oracle")
        if f">{name}<" in row
    }
    assert "unranked: checkpoint chosen on test" in html["echo"]
    assert "unranked: oracle context" in html["oracle"]


def test_rows_are_grouped_by_provenance(small: SiteReport) -> None:
    table = next(table for table in tables(small_board()) if table.signature)
    kinds = [re.search(r'data-kind="(\w+)"', row)[1] for row in rows_of(small.folder, table.slug)]  # type: ignore[index]
    assert kinds == sorted(kinds, key=["measured", "recomputed", "published", "floor"].index)
    assert Counter(kinds) == {"measured": 5, "recomputed": 1, "floor": 1}


def view_of(board: Board) -> TableView:
    (table,) = tables(board)
    return table_view(table)


def test_bars_stay_on_their_axis() -> None:
    view = view_of(board_of([record(f"s{n}", 0.2 + 0.1 * n, half=0.03 * n) for n in range(6)]))
    assert view.axis == (pytest.approx(0.2), pytest.approx(0.85))
    for line in view.lines:
        if line.row.record is None:
            assert line.bar is None, "a floor of 0.12 is beyond the axis"
            continue
        assert line.bar is not None
        assert 0 <= line.bar.at <= 98.4
        if line.bar.width is not None:
            assert 0 <= line.bar.left <= line.bar.left + line.bar.width <= 100.01
    last = next(line for line in view.lines if line.row.name == "s5")
    assert last.bar is not None
    assert last.bar.left == pytest.approx(100 * (0.55 - 0.2) / 0.65, abs=0.01)


def test_pareto_front_against_all_pairs() -> None:
    dealt = random.Random(7)
    board = board_of(
        [
            record(
                f"system {place}",
                dealt.uniform(0.2, 0.8),
                kind="published",
                parameters=dealt.choice([None, 10 ** dealt.randint(3, 9) + place]),
            )
            for place in range(60)
        ]
    )
    view = view_of(board)
    ranked = [line for line in view.lines if line.parameters and line.row.rank]
    best = {
        line.row.id
        for line in ranked
        if not any(
            (other.parameters <= line.parameters and other.headline.value > line.headline.value)  # type: ignore[operator, union-attr]
            or (other.parameters < line.parameters and other.headline.value >= line.headline.value)  # type: ignore[operator, union-attr]
            for other in ranked
        )
    }
    assert best
    assert {line.row.id for line in pareto_front(list(view.lines_drawn), True)} == best


def test_front_keeps_out_the_unranked() -> None:
    board = board_of(
        [
            record("fair", 0.5, kind="published", parameters=100),
            record("unproven", 0.9, kind="published", parameters=10, half=None),
            record(
                "chosen",
                0.9,
                kind="published",
                parameters=10,
                checkpoint=Checkpoint(selection="test-best"),
            ),
        ]
    )
    lines = list(view_of(board).lines_drawn)
    assert len(lines) == 3
    assert [line.row.name for line in pareto_front(lines, True)] == ["fair"]


class SlowCounts:
    """What the comparison tells of TinyOV, by sets of clusters for one item after another."""

    def __init__(self) -> None:
        self._normalizer = open_normalizer()
        self._keys = [ring.key for ring in self._normalizer.rings]
        self._trace = cache(self._normalizer.trace)
        self.gold = {name: one.labels for name, one in load_task("tinyov").gold.items()}

    def clusters(self, labels: Iterable[str], ring: str) -> set[str]:
        place = self._keys.index(ring)
        found = {self._trace(label).cluster(place) for label in labels}
        return {cluster for cluster in found if cluster is not None}

    def counted(
        self, labels: dict[str, tuple[str, ...]], ring: str
    ) -> tuple[Counter[str], Counter[str]]:
        """Items that name a cluster, and those where gold does too."""
        named, both = Counter[str](), Counter[str]()
        for name, wanted in self.gold.items():
            if there := self.clusters(wanted, ring):
                named.update(self.clusters(labels[name], ring))
                both.update(self.clusters(labels[name], ring) & there)
        return named, both

    def score(self, name: str, labels: tuple[str, ...], rings: list[str]) -> float | None:
        """Mean F1 over the rings where gold has a cluster."""
        pairs = [(self.clusters(self.gold[name], r), self.clusters(labels, r)) for r in rings]
        each = [2 * len(g & p) / (len(g) + len(p)) for g, p in pairs if g]
        return sum(each) / len(each) if each else None


def test_comparison_against_a_slow_reference() -> None:
    board, slow = tinyov_board(), SlowCounts()
    data = comparison_data(view_of(board))
    items = json.loads(data.page)["items"]
    assert items["ids"] == list(slow.gold)
    for name, codes in zip(items["ids"], items["gold"], strict=True):
        # (The parser open-1 reads the word "empty" as no answer.)
        assert {items["labels"][code] for code in codes} == set(slow.gold[name]) - {"empty"}
    rings = [ring["name"] for ring in items["rings"]]
    for ring in items["rings"]:
        support = Counter(
            cluster
            for labels in slow.gold.values()
            for cluster in slow.clusters(labels, ring["name"])
        )
        assert ring["gold"] == [support[cluster] for cluster in ring["clusters"]]
        assert set(support) <= set(ring["clusters"])
    for entry in board.entries:
        told = answers(data.scripts[entry.id])
        labels = {  # as the parser left them
            name: tuple(items["labels"][code] for code in codes)
            for name, codes in zip(items["ids"], told["labels"], strict=True)
        }
        for ring in items["rings"]:
            counts = told["counts"][ring["name"]]
            named, both = slow.counted(labels, ring["name"])
            for place, cluster in enumerate(ring["clusters"]):
                assert at(counts["named"], place) == named[cluster]
                assert at(counts["both"], place) == both[cluster]
        wanted = [slow.score(name, labels[name], rings) for name in items["ids"]]
        assert told["scores"] == pytest.approx(wanted, abs=1e-4)


def answers(script: str) -> dict[str, dict[str, dict[str, list[int]]]]:
    """What the browser reads from a system's script: the second argument, a string of JSON."""
    inner = script.removeprefix("ovbenchAnswers(").removesuffix(");\n")
    called = json.loads(f"[{inner}]")
    read: dict[str, dict[str, dict[str, list[int]]]] = json.loads(called[1])
    return read


def at(counts: list[int], place: int) -> int:
    return counts[place] if place < len(counts) else 0


def test_comparison_tests_are_those_of_all_pairs() -> None:
    from ovbench.board.items import answers_to

    board = tinyov_board()
    view = view_of(board)
    data = comparison_data(view)
    ids = json.loads(data.page)["items"]["systems"]
    record_of = {line.row.id: line.row.record for line in view.lines if line.row.record}
    tests = pair_tests(answers_to([record_of[name] for name in ids]), "f1")
    for i, name in enumerate(ids):
        for j, (low, high, p) in enumerate(answers(data.scripts[name])["tests"]):  # type: ignore[misc]
            if i != j:
                assert (low, high, p) == pytest.approx(
                    (tests.low[i, j], tests.high[i, j], tests.p[i, j]), abs=1e-6
                )


def test_gold_is_printed_only_of_what_ships() -> None:
    """Every file of MELD's tables can be fetched; PEFT-SER's card has no file of its own."""
    public = {name for name, card in cards().items() if all(map(_is_public, card.views))}
    hidden = {name for name, card in cards().items() if not any(map(_is_public, card.views))}
    assert public == {"tinyov", "tinyspeech"}
    assert hidden == set(cards()) - public


@pytest.mark.parametrize(
    ("name", "protocol"), [("tinyov", "ew-open-1"), ("tinyov-6class", "closed-set")]
)
def test_gold_that_may_not_be_handed_on_is_not_printed(
    name: str, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither as it is, nor as an item's score of 1, nor by the order of labels or clusters."""
    gold = load_task(name).gold
    right = [one.labels if name == "tinyov" else (str(one.category),) for one in gold.values()]
    records = []
    for seed, word in enumerate(("sad", "happy")):
        labels = [right[place] if place % 50 == seed else (word,) for place in range(len(gold))]
        given = tuple(
            PredictionEntry(id=item, labels=said) for item, said in zip(gold, labels, strict=True)
        )
        records.append(answered(0.02, seed, name=name, protocol=protocol, predictions=given))
    view = view_of(board_of(records))
    shown = comparison_data(view)
    page = json.loads(shown.page)["items"]
    assert page["gold"]
    assert 1 in answers(shown.scripts[page["systems"][0]])["scores"]
    monkeypatch.setattr("ovbench.board.site.compare._is_public", lambda task: False)
    hidden = comparison_data(view)
    page = json.loads(hidden.page)["items"]
    assert page["gold"] is None
    assert [answers(script)["scores"] for script in hidden.scripts.values()] == [None, None]
    order = [next(r for r in view.lines if r.row.id == name).row.record for name in page["systems"]]
    said = [label for one in order for entry in one.predictions for label in entry.labels]
    assert page["labels"] == list(dict.fromkeys(said))  # none that gold alone has
    assert len(page["places"]) == len(page["labels"])
    if name == "tinyov-6class":
        (ring,) = page["rings"]
        assert ring["clusters"] == sorted(ring["clusters"])


def test_pages_stay_small(hostile: SiteReport, tmp_path: Path) -> None:
    longest = max(path.stat().st_size for path in hostile.folder.rglob("*.html"))
    assert longest < 200_000
    report = build(large_board(100, tables=2), tmp_path / "site")
    for path in (report.folder / "tables").iterdir():
        assert path.stat().st_size < 10_000 + 50 * 2_500


def test_long_names_are_whole_on_their_record(hostile: SiteReport) -> None:
    found = [p for p in pages(hostile.folder).values() if LONG in p.text]
    assert found


def test_entries_that_are_alike_but_for_their_file(tmp_path: Path) -> None:
    one = record("same", 0.5)
    board = Board(
        (Entry("0" * 12, one, "measured/a.json"), Entry("1" * 12, one, "measured/b.json"))
    )
    report = build(board, tmp_path / "site")
    assert len(list((report.folder / "records").glob("*.html"))) == 2
