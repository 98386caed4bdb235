"""Work that ends badly, for a process of its own; it imports next to nothing."""

from __future__ import annotations

import os

from ovbench.errors import InputError


def fail(what: str) -> None:
    raise InputError(what)


def die(code: int) -> None:
    os._exit(code)
