"""Everything that is missing before a start, told in one message instead of one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ovbench.errors import InputError, UnknownNameError


class MissingPartsError(InputError):
    """Several things are missing at once; the message numbers them, a line each.

    Attributes
    ----------
    parts:
        The error of each.
    """

    def __init__(self, what: str, parts: Sequence[InputError]) -> None:
        lines = "".join(f"\n  {number}. {part}" for number, part in enumerate(parts, 1))
        super().__init__(f"{what} cannot start; {len(parts)} things are missing:{lines}"[:-1])
        self.parts = tuple(parts)


class Missing:
    """Collects what is missing for ``what`` (``lora-las-r4 at scale paper``)."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.found: dict[str, InputError] = {}
        """By message, so that nothing is told twice."""

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keep an error of the block for :meth:`tell`; a name that nobody knows is told at once."""
        try:
            yield
        except UnknownNameError:
            raise
        except MissingPartsError as error:
            self.found |= {str(part): part for part in error.parts}
        except InputError as error:
            self.found[str(error)] = error

    def tell(self) -> None:
        """Go on if nothing is missing.

        Raises
        ------
        InputError
            The one error that was noted.
        MissingPartsError
            If there were several.
        """
        parts = list(self.found.values())
        if len(parts) == 1:
            raise parts[0]
        if parts:
            raise MissingPartsError(self.what, parts)
