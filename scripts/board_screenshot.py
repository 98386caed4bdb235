"""Draws ``docs/images/leaderboard.png``: a leaderboard's page as Chromium shows it.

Run: ``python scripts/board_screenshot.py [--board leaderboards] [--task tinyov]
[--out docs/images/leaderboard.png]``

Needs Chromium with its chromedriver, selenium (extra ``dev``) and the extra ``report``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from ovbench.board.site import build
from ovbench.board.store import read_board
from ovbench.board.tables import tables

WIDTH, HEIGHT = 1200, 820
MOST_BYTES = 300_000


def shoot(page: Path, out: Path, profile: str) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(page.as_uri())
        out.parent.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(out))
    finally:
        browser.quit()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--board", type=Path, default=Path("leaderboards"))
    parser.add_argument("--task", default="tinyov")
    parser.add_argument("--out", type=Path, default=Path("docs/images/leaderboard.png"))
    given = parser.parse_args()
    board = read_board(given.board)
    of_task = [table for table in tables(board) if table.task == given.task and table.signature]
    if not of_task:
        print(f"{given.board} has no measured table of {given.task}")
        return 2
    largest = min(of_task, key=lambda table: (-len(table.rows), table.slug))
    with tempfile.TemporaryDirectory() as folder:
        report = build(board, Path(folder) / "site")
        shoot(report.folder / "tables" / f"{largest.slug}.html", given.out, f"{folder}/profile")
    size = given.out.stat().st_size
    print(f"{given.out}: {size:,} bytes, {largest.title}")
    return int(size > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
