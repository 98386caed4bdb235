"""The base of every record in this room."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A record: no field may change, and none may be made up."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def to_json(self) -> str:
        """The record as JSON text with one trailing newline."""
        return self.model_dump_json(indent=2) + "\n"
