"""What CI installs: every package by version and hash, the versions those that were tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = ("ci.txt", "torch.txt")


def blocks(name: str) -> list[str]:
    text = (ROOT / "requirements" / name).read_text("utf-8")
    return re.split(r"\n(?=[^\s#])", text[re.search(r"^[^#\n]", text, re.MULTILINE).start() :])


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def constraints() -> dict[str, str]:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    pairs = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)$", text, re.MULTILINE)
    return {canonical(name): version for name, version in pairs}


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_has_a_version_and_hashes(name: str) -> None:
    for block in blocks(name):
        assert re.match(r"[A-Za-z0-9_.-]+==\S+ ", block), block[:80]
        hashes = re.findall(r"--hash=(\S+)", block)
        assert hashes, block[:80]
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)


def test_the_versions_are_those_that_were_tested() -> None:
    pins = dict(
        re.match(r"([A-Za-z0-9_.-]+)==(\S+)", block).groups()
        for name in FILES
        for block in blocks(name)
    )
    known = constraints()
    differing = {
        name: (version, known[canonical(name)])
        for name, version in pins.items()
        if known.get(canonical(name), version) != version
    }
    assert not differing, "run: python scripts/pin_requirements.py"
    assert {"numpy", "pydantic", "torch", "pytest", "ruff"} <= pins.keys()


def test_nothing_is_taken_from_elsewhere() -> None:
    for name in FILES:
        text = (ROOT / "requirements" / name).read_text("utf-8")
        assert "://" not in text
        assert not re.search(r"^\s*--(?!hash)", text, re.MULTILINE)
        assert " @ " not in text
