"""Context encoders by name. An encoder's module is imported when it is asked for."""

from __future__ import annotations

from functools import cache

from ovbench.context.encoder import Encoder
from ovbench.errors import UnknownNameError


@cache
def open_encoder(name: str) -> Encoder:
    """The encoder of that name: ``clusters``, ``clusters:DIM`` or ``sentence:PATH``.

    Raises
    ------
    UnknownNameError
        For any other name.
    MissingExtraError, InputError
        If what a sentence encoder needs is not installed, or there is no model at PATH.
    """
    if name == "clusters":
        from ovbench.context.clusters import ClusterEncoder

        return ClusterEncoder()
    kind, _, path = name.partition(":")
    if kind == "clusters" and path.isdecimal():
        from ovbench.context.projected import MOST, ProjectedEncoder

        if 1 <= int(path) <= MOST:
            return ProjectedEncoder(open_encoder("clusters"), int(path))
    if kind == "sentence" and path:
        from ovbench.context.sentence import SentenceEncoder

        return SentenceEncoder(path)
    known = ["clusters", "clusters:DIM (1 to 256)", "sentence:PATH"]
    raise UnknownNameError("context encoder", name, known)
