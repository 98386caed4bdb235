"""How the docs site is built: sphinx-build -W --keep-going docs site."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ovbench import __version__

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

project = "ovbench"
author = "The ovbench developers"
project_copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["conf.py"]
nitpicky = True
# Names of other packages have no pages here, and nothing is fetched to find theirs.
nitpick_ignore_regex = [(r"py:.*", r"(?!ovbench\.).*")]

myst_heading_anchors = 4
# The tables that ovbench writes as Markdown have headings of the third level.
suppress_warnings = ["myst.header"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# By their names, not by what they stand for.
autodoc_type_aliases = {name: name for name in ("Gold", "Protocol", "Recipe", "Source")}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"ovbench {release}"
html_show_sourcelink = False
html_copy_source = False


def fill_in(app: object, page: str, source: list[str]) -> None:
    """Put the generated parts of the reference where a page asks for them."""
    from docs_reference import filled

    source[0] = filled(source[0])


def generated_pages(app: Any, env: Any, added: object, changed: object, gone: object) -> list[str]:
    """Pages of the reference are made anew in every build: the code may have changed."""
    return [page for page in env.found_docs if page.startswith("reference/")]


def without_fields(
    app: object,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str, str] | None:
    """Leave out the signatures of pydantic models: they repeat the fields."""
    return ("", "") if isinstance(obj, type) and issubclass(obj, BaseModel) else None


def absolute_values(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """``|x|`` in a docstring is an absolute value, not a substitution."""
    lines[:] = [re.sub(r"(?<!`)\|(\w)\|", r"\\|\1\\|", line) for line in lines]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("env-get-outdated", generated_pages)
    app.connect("source-read", fill_in)
    app.connect("autodoc-process-signature", without_fields)
    app.connect("autodoc-process-docstring", absolute_values)
