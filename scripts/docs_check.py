"""Look for what a built docs site would load from elsewhere: python scripts/docs_check.py site.

Links that a reader may click are no matter; scripts, styles, fonts, pictures and frames are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=["']?(?P<src>(?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon))[^>]*?\bhref=["']?(?P<link>(?:https?:)?//[^"'\s>]+)"""
    r"""|url\(\s*["']?(?P<url>(?:https?:)?//[^"')]+)"""
    r"""|@import\s+["'](?P<at>(?:https?:)?//[^"']+)""",
    re.IGNORECASE,
)


def loaded(text: str) -> Iterator[str]:
    """Addresses that a page or style sheet with this text would load by itself."""
    for match in LOADED.finditer(text):
        yield next(address for address in match.groups() if address)


def main(site: Path) -> int:
    files = [path for path in site.rglob("*") if path.suffix in {".html", ".css"}]
    if not files:
        print(f"no page in {site}", file=sys.stderr)
        return 2
    found = [
        f"{path.relative_to(site)}: {address}"
        for path in sorted(files)
        for address in loaded(path.read_text("utf-8"))
    ]
    print("\n".join(found) or f"{len(files)} files load nothing from elsewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
