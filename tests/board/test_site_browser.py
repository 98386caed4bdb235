"""The pages in headless Chromium, from the file system: ``pytest -m browser``."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from site_boards import HOSTILE, hostile_board, large_board, small_board, tinyov_board

from ovbench.board.site import SiteReport, build
from ovbench.board.site.text import plain
from ovbench.board.store import Board
from ovbench.board.tables import tables

pytestmark = pytest.mark.browser
AXE = (Path(__file__).parent / "assets" / "axe.min.js").read_text("utf-8")
DESKTOP, PHONE = (1200, 900), (360, 740)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium with a profile of its own, which logs its console and every request."""
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("there is no chromium with its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    found.set_window_size(*DESKTOP)
    yield found
    found.quit()


def site(board: Callable[[], Board]) -> Callable[[pytest.TempPathFactory], SiteReport]:
    @pytest.fixture(scope="module")
    def built(tmp_path_factory: pytest.TempPathFactory) -> SiteReport:
        return build(board(), tmp_path_factory.mktemp("board") / "site")

    return built


small, hostile, tinyov = site(small_board), site(hostile_board), site(tinyov_board)


def visit(browser: Any, path: Path, fragment: str = "") -> None:
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(path.as_uri() + fragment)


def assert_quiet(browser: Any) -> None:
    """No console message, and nothing asked for but files."""
    assert browser.get_log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        one["params"]["request"]["url"]
        for one in asked
        if one["method"] == "Network.requestWillBeSent"
    ]
    assert addresses
    assert all(address.startswith("file://") for address in addresses), addresses


def table_pages(report: SiteReport) -> list[Path]:
    return sorted((report.folder / "tables").glob("*.html"))


def kinds_of_page(report: SiteReport) -> list[Path]:
    """One page of each kind."""
    folders = ("tasks", "tables", "compare", "systems", "records")
    first = [next(iter(sorted((report.folder / name).glob("*.html"))), None) for name in folders]
    return [report.folder / "index.html", *(path for path in first if path)]


def ranked_page(report: SiteReport, board: Board) -> Path:
    table = next(table for table in tables(board) if table.signature)
    return report.folder / "tables" / f"{table.slug}.html"


def column(browser: Any, head: str, group: int = 0) -> list[str]:
    """What one column of a group of rows shows, from top to bottom."""
    found: list[str] = browser.execute_script(
        """
        const heads = Array.from(document.querySelectorAll('#board thead th'));
        const at = heads.findIndex(one => one.textContent.trim() === arguments[0]);
        const bodies = Array.from(document.querySelectorAll('#board tbody:not(.group)'));
        return Array.from(bodies[arguments[1]].rows).filter(row => !row.hidden)
          .map(row => (row.cells[at].querySelector('a, bdi') || row.cells[at]).textContent.trim());
        """,
        head,
        group,
    )
    return found


def head_button(browser: Any, head: str) -> Any:
    (found,) = [
        one
        for one in browser.find_elements("css selector", "#board thead button")
        if one.text == head
    ]
    return found


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("board", ["small", "hostile", "tinyov"])
def test_pages_load_without_errors_or_requests(
    browser: Any, board: str, request: pytest.FixtureRequest
) -> None:
    report = request.getfixturevalue(board)
    for path in kinds_of_page(report):
        visit(browser, path)
        assert browser.find_element("css selector", "h1").text
        assert_quiet(browser)


def test_sorts_by_click(browser: Any, small: SiteReport) -> None:
    visit(browser, ranked_page(small, small_board()))
    assert column(browser, "System") == ["oracle", "echo", "gamma", "alpha", "beta"]
    head_button(browser, "f1").click()
    until(lambda: column(browser, "System")[0] == "oracle")
    assert column(browser, "f1") == ["95.00", "90.00", "70.00", "61.00", "55.00"]
    head_button(browser, "f1").click()
    until(lambda: column(browser, "System")[0] == "beta")
    assert column(browser, "f1") == ["55.00", "61.00", "70.00", "90.00", "95.00"]
    head_button(browser, "Trainable parameters").click()
    until(lambda: column(browser, "System")[0] == "gamma")
    assert column(browser, "Trainable parameters")[-1] == "–"
    head_button(browser, "System").click()
    until(lambda: column(browser, "System") == ["alpha", "beta", "echo", "gamma", "oracle"])
    assert_quiet(browser)


def test_sorts_by_keyboard(browser: Any, small: SiteReport) -> None:
    from selenium.webdriver.common.keys import Keys

    visit(browser, ranked_page(small, small_board()))
    reached = ""
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        active = browser.switch_to.active_element
        reached = active.text
        if active.tag_name == "button" and reached == "f1":
            break
    assert reached == "f1"
    head = browser.execute_script("return document.activeElement.closest('th')")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: column(browser, "System")[0] == "oracle")
    assert head.get_attribute("aria-sort") == "descending"
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    until(lambda: column(browser, "System")[0] == "beta")
    assert head.get_attribute("aria-sort") == "ascending"
    assert browser.find_element("css selector", "[role=status]").text == "Sorted by f1, ascending"
    assert browser.switch_to.active_element.text == "f1"


def test_filters(browser: Any, small: SiteReport, tinyov: SiteReport) -> None:
    from selenium.webdriver.common.keys import Keys

    visit(browser, ranked_page(small, small_board()))
    status = browser.find_element("css selector", "[role=status]")
    assert status.text == "7 of 7 rows"
    words = browser.find_element("name", "words")
    words.send_keys("ALPH")
    until(lambda: status.text == "1 of 7 rows")
    assert column(browser, "System") == ["alpha"]
    words.send_keys(Keys.CONTROL, "a")
    words.send_keys(Keys.DELETE)
    until(lambda: status.text == "7 of 7 rows")
    browser.find_element("css selector", "input[value=measured]").send_keys(Keys.SPACE)
    until(lambda: status.text == "2 of 7 rows")
    assert column(browser, "System", 1) == ["delta"]
    browser.find_element("css selector", "button[type=reset]").click()
    until(lambda: status.text == "7 of 7 rows")
    visit(browser, ranked_page(tinyov, tinyov_board()))
    status = browser.find_element("css selector", "[role=status]")
    assert status.text == "4 of 4 rows"
    browser.find_element("name", "ranked").click()
    until(lambda: status.text == "3 of 4 rows")
    best = ["system 2", "system 1", "system 0"]
    assert column(browser, "System") == best
    head_button(browser, "f1").click()
    until(lambda: status.text.startswith("Sorted"))
    head_button(browser, "f1").click()
    until(lambda: column(browser, "System") == best[::-1])
    rows = browser.find_elements("css selector", "#board tr[id^=row-]")
    assert sum(row.is_displayed() for row in rows) == 3, "sorting undoes no filter"


def test_compares_two_systems(browser: Any, tinyov: SiteReport) -> None:
    from selenium.webdriver.support.ui import Select

    (path,) = (tinyov.folder / "compare").glob("*.html")
    visit(browser, path)
    out = browser.find_element("id", "out")
    until(lambda: out.get_attribute("data-pair"))
    titles = [one.text for one in out.find_elements("css selector", "h2")]
    assert titles[0] == "Scores"
    assert any(title.startswith("Clusters of wheel1/level1") for title in titles)
    assert any("items where they differ most" in title for title in titles)
    a, b = (Select(browser.find_element("id", name)) for name in ("a", "b"))
    assert (a.first_selected_option.text, b.first_selected_option.text) == ("system 2", "system 1")
    first = out.get_attribute("data-pair")
    b.select_by_visible_text("system 0")
    until(lambda: out.get_attribute("data-pair") != first)
    scores = {e.record.system.name: e.record.scores["f1"].value for e in tinyov_board().entries}
    difference = 100 * (scores["system 2"] - scores["system 0"])
    assert f"{difference:+.2f}" in out.text
    pair = out.get_attribute("data-pair").split()
    assert browser.current_url.endswith(f"#a={pair[0]}&b={pair[1]}")
    browser.find_element("id", "swap").click()
    until(lambda: out.get_attribute("data-pair").split() == pair[::-1])
    assert f"{-difference:+.2f}" in out.text
    details = out.find_element("css selector", "details")
    details.find_element("css selector", "summary").click()
    until(lambda: "wheel1/level1: " in details.text)
    Select(browser.find_element("id", "ring")).select_by_visible_text("wheel2/level1")
    until(lambda: "Clusters of wheel2/level1" in out.text)
    assert "window.hacked" in out.text, "what the parser leaves of a hostile label is shown"
    assert browser.execute_script("return window.hacked") is None
    assert_quiet(browser)
    browser.get(path.as_uri() + f"#a={pair[1]}&b={pair[0]}")
    browser.refresh()
    out = browser.find_element("id", "out")
    until(lambda: out.get_attribute("data-pair") == f"{pair[1]} {pair[0]}")


def test_compares_answers_where_gold_may_not_be_handed_on(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ovbench.board.site.compare._is_public", lambda task: False)
    report = build(tinyov_board(2), tmp_path / "site")
    visit(browser, report.folder / "compare" / ranked_page(report, tinyov_board(2)).name)
    out = browser.find_element("id", "out")
    until(lambda: "whose answers differ" in out.text)
    assert "may not be handed on" in out.text
    heads = [one.text for one in out.find_elements("css selector", "table:last-of-type th button")]
    assert heads[-3:] == ["Item", "Answer of A", "Answer of B"]
    assert "Gold" not in heads
    assert_quiet(browser)


def test_compares_scores_where_there_are_no_predictions(browser: Any, small: SiteReport) -> None:
    path = small.folder / "compare" / ranked_page(small, small_board()).name
    visit(browser, path)
    until(lambda: "Clusters and items are not compared" in browser.find_element("id", "out").text)
    assert_quiet(browser)


def test_every_link_of_the_browser_resolves(browser: Any, hostile: SiteReport) -> None:
    for path in kinds_of_page(hostile):
        visit(browser, path)
        for address in browser.execute_script(
            "return Array.from(document.querySelectorAll('[href]')).map(one =>"
            " typeof one.href === 'string' ? one.href : new URL(one.href.baseVal, location).href)"
        ):
            assert address.startswith(("file://", "https://", "http://")), address
            if address.startswith("file://"):
                from urllib.parse import unquote, urlsplit

                assert Path(unquote(urlsplit(address).path)).is_file(), address


def test_hostile_text_does_nothing(browser: Any, hostile: SiteReport) -> None:
    for path in sorted(hostile.folder.rglob("*.html")):
        visit(browser, path)
        assert browser.execute_script("return window.hacked") is None, path.name
        assert browser.execute_script("return document.images.length + document.forms.length") < 3
        assert_quiet(browser)
    shown = set()
    for path in sorted((hostile.folder / "records").glob("*.html")):
        visit(browser, path)
        shown |= {
            text
            for text in HOSTILE
            if str(plain(text)) in browser.page_source
            or str(plain(text))
            in browser.find_element("css selector", "body").get_attribute("textContent")
        }
    assert shown == set(HOSTILE)


def test_the_policy_stops_what_escaping_would_let_through(browser: Any, small: SiteReport) -> None:
    visit(browser, small.folder / "index.html")
    browser.execute_script(
        """
        const code = document.createElement('script');
        code.textContent = 'window.hacked = 1';
        document.body.append(code);
        const image = document.createElement('img');
        image.setAttribute('onerror', 'window.hacked = 2');
        image.src = 'https://example.org/x.png';
        document.body.append(image);
        fetch('https://example.org/').catch(() => { window.refused = true; });
        """
    )
    until(lambda: browser.execute_script("return window.refused"))
    time.sleep(0.2)
    assert browser.execute_script("return window.hacked") is None
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    assert not [
        one
        for one in asked
        if one["method"] == "Network.responseReceived"
        and not one["params"]["response"]["url"].startswith("file://")
    ]
    browser.get_log("browser")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("board", ["small", "hostile", "tinyov"])
def test_no_serious_finding_of_axe(
    browser: Any, board: str, theme: str, request: pytest.FixtureRequest
) -> None:
    report = request.getfixturevalue(board)
    emulate(browser, theme)
    for path in kinds_of_page(report):
        visit(browser, path)
        if path.parent.name == "compare":
            until(lambda: browser.find_element("id", "out").get_attribute("data-pair"))
        scheme = browser.execute_script(
            "return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'"
        )
        assert scheme == theme
        assert [one for one in axe(browser) if one[0] in ("serious", "critical")] == [], path.name
    emulate(browser, "")


def test_axe_finds_what_is_wrong(browser: Any, small: SiteReport) -> None:
    visit(browser, small.folder / "index.html")
    browser.execute_script(
        "const box = document.createElement('input'); document.getElementById('main').append(box)"
    )
    assert "label" in {finding[1] for finding in axe(browser)}


def axe(browser: Any) -> list[tuple[str, str, list[str]]]:
    """Impact, rule and the first places of every violation."""
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE})
    found: list[tuple[str, str, list[str]]] = browser.execute_async_script(
        "const done = arguments[0]; axe.run(document).then(r => done(r.violations.map(v =>"
        " [v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html + ' ' + n.failureSummary)])));"
    )
    return found


def emulate(browser: Any, theme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features if theme else []})


def test_theme_button(browser: Any, small: SiteReport) -> None:
    emulate(browser, "light")
    visit(browser, small.folder / "index.html")
    paper = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(paper) == "rgb(255, 255, 255)"
    browser.find_element("id", "theme").click()
    assert browser.execute_script(paper) == "rgb(20, 24, 29)"
    visit(browser, table_pages(small)[0])
    assert browser.execute_script(paper) == "rgb(20, 24, 29)", "the choice is kept"
    button = browser.find_element("id", "theme")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert browser.execute_script(paper) == "rgb(255, 255, 255)"
    browser.execute_script("localStorage.clear()")
    emulate(browser, "")


@pytest.mark.parametrize("board", ["small", "hostile", "tinyov"])
def test_no_page_is_wider_than_a_phone(
    browser: Any, board: str, request: pytest.FixtureRequest
) -> None:
    report = request.getfixturevalue(board)
    metrics = {"width": PHONE[0], "height": PHONE[1], "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for path in kinds_of_page(report):
            visit(browser, path)
            if path.parent.name == "compare":
                until(lambda: browser.find_element("id", "out").get_attribute("data-pair"))
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= PHONE[0], path.name
            assert browser.execute_script("return innerWidth") == PHONE[0], path.name
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_prints(browser: Any, small: SiteReport) -> None:
    visit(browser, ranked_page(small, small_board()))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not browser.find_element("css selector", "form.filters").is_displayed()
    assert browser.find_element("id", "board").is_displayed()
    emulate(browser, "")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert len(printed["data"]) > 10_000


@pytest.mark.slow
def test_sorts_two_thousand_rows(browser: Any, tmp_path: Path) -> None:
    report = build(large_board(), tmp_path / "site")
    (path,) = table_pages(report)
    visit(browser, path)
    browser.set_script_timeout(60)
    times = [sort_time(browser, 2) for _ in range(5)]
    print(f"\n2,000 rows sorted and laid out in {sorted(times)[2]:.0f} ms (median of 5: {times})")
    for group in (0, 1):
        shown = [float(text) for text in column(browser, "f1", group)]
        assert len(shown) > 800
        assert shown in (sorted(shown), sorted(shown, reverse=True))
    assert_quiet(browser)


def sort_time(browser: Any, at: int) -> float:
    """Milliseconds from the click on a head to the sorted table, laid out."""
    found: float = browser.execute_async_script(
        """
        const done = arguments[1], table = document.getElementById('board');
        const button = table.tHead.rows[0].cells[arguments[0]].querySelector('button');
        table.addEventListener('sort-end', () => {
          table.getBoundingClientRect();
          const end = performance.now();
          done(end - begin);
        }, { once: true });
        const begin = performance.now();
        button.click();
        """,
        at,
    )
    return found
