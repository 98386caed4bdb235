from __future__ import annotations

import pytest

# PEFT 0.21 asks a base for a property that transformers 5 has renamed.
RENAMED = "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/training/" in item.path.as_posix():
            item.add_marker(pytest.mark.filterwarnings(RENAMED))
