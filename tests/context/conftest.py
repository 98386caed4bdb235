from __future__ import annotations

import pytest
from stub_encoder import StubEncoder

from ovbench.context import builder


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> StubEncoder:
    """Every context is opened with the stub encoder."""
    encoder = StubEncoder()
    monkeypatch.setattr(builder, "open_encoder", lambda name: encoder)
    return encoder
