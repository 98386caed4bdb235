"""The leaderboard as a static site that opens from the file system."""

from ovbench.board.site.build import SiteReport, build

__all__ = ["SiteReport", "build"]
