"""The base of every record in this room."""

from __future__ import annotations

from ovbench.frozen import Frozen as _Frozen


class Frozen(_Frozen):
    """A record that is written to a file of its own."""

    def to_json(self) -> str:
        """The record as JSON text with one trailing newline."""
        return self.model_dump_json(indent=2) + "\n"
