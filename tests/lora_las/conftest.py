"""Set-up shared by the tests of the tuners."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """PEFT still reads an attribute that transformers 5 deprecates; not ours to mend."""
    ignore = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(ignore)
