"""Settings of Hypothesis for these tests, and for scripts/mutation.py, which runs them often."""

from __future__ import annotations

from hypothesis import Phase, settings

# That a machine is busy is no failure.
settings.register_profile("default", deadline=None)
# The same examples each time, so that a mutant's fate is no matter of luck; a failing example
# needs no simplest form where nobody reads it.
settings.register_profile(
    "mutation",
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
