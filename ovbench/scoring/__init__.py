"""Predictions + gold + protocol → result."""

from ovbench.scoring.options import Options
from ovbench.scoring.run import (
    difference_error,
    error_of_result,
    floors_of,
    score_files,
    score_samples,
)

__all__ = [
    "Options",
    "difference_error",
    "error_of_result",
    "floors_of",
    "score_files",
    "score_samples",
]
