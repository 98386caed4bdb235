"""The cache of generated answers as a person reads it."""

from __future__ import annotations

from datetime import UTC, datetime

from ovbench.report.sections import Section, size_text
from ovbench.runs.cache_upkeep import CacheReport


def cache_section(found: CacheReport) -> Section:
    """What the cache holds of each recipe."""
    rows = tuple(
        (
            share.recipe,
            f"{share.answers:,}",
            f"{share.entries:,}",
            size_text(share.size),
            datetime.fromtimestamp(share.used, UTC).strftime("%Y-%m-%d"),
        )
        for share in found.recipes
    )
    columns = ("recipe", "answers", "entries", "size", "last used (UTC)")
    notes = (f"{found.folder}: {size_text(found.size)}",)
    return Section("Generated answers", columns, rows, notes)
