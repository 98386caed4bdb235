"""What trained an adapter, as ``base.json`` beside its weights says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovbench.errors import InputError
from ovbench.systems.backbones import read_json

if TYPE_CHECKING:
    from ovbench.context import Provenance
    from ovbench.systems.recipe import CausalLmRecipe

BASE = "base.json"
VOCABULARY = "vocabulary"
"""Field of it: the words, by hash, of which contexts are prototypes."""


@dataclass(frozen=True)
class Origin:
    """A recipe at a scale.

    ``vocabulary``: SHA-256 over the words of which its contexts are prototypes, if they are.
    """

    recipe: CausalLmRecipe
    scale: str
    vocabulary: str | None = None

    def fields(self) -> dict[str, Any]:
        """What of it an adapter is bound to, as JSON has it.

        The encoder of contexts is not among it: it may be a path, and the adapter's configuration
        has its id with its data by hash (``context_schema``).
        """
        method, context = self.recipe.method, self.recipe.context_at(self.scale)
        told = context.model_dump(include={"source", "shuffled"})
        if context.source == "prototypes":
            told["temperature"] = context.temperature
        found: dict[str, Any] = {"method": {"name": method.name, "r": method.r}, "context": told}
        if self.recipe.describer is not None:
            found["describer"] = self.recipe.describer.model_dump()
        if context.source == "prototypes" and self.vocabulary is not None:
            found[VOCABULARY] = self.vocabulary
        return found


def check_origin(origin: Origin, folder: Path) -> None:
    """Go on if an adapter was trained by this, as far as its configuration does not tell.

    LoRA+ and PiSSA are saved as plain LoRA. Adapters made elsewhere, and those of earlier versions,
    do not say what trained them.

    Raises
    ------
    InputError
        If it says another method, or other contexts.
    """
    path = folder / BASE
    record = read_json(path) if path.exists() else {}
    for part, wanted in origin.fields().items():
        found = record.get(part, wanted)
        if found != wanted:
            raise InputError(
                f"this adapter is not one of {origin.recipe.name}: it was trained with {part} "
                f"{_listed(found)}",
                where=str(folder),
                expected=f"{part} {_listed(wanted)}, as the recipe trains it",
                mend="take the recipe that it was trained by, or train it again by this one",
            )


def check_vocabulary(folder: Path, contexts: Provenance, task: str) -> None:
    """Go on if contexts are prototypes of the words that the adapter was trained with.

    Adapters made elsewhere, and those of earlier versions, do not say which these were. ``task``:
    whose train split has the words of ``contexts``, for the message.

    Raises
    ------
    InputError
        If they are others.
    """
    path = folder / BASE
    record = read_json(path) if path.exists() else {}
    found = record.get(VOCABULARY, contexts.vocabulary)
    if found != contexts.vocabulary:
        raise InputError(
            f"the adapter was trained with prototypes of another vocabulary ({str(found)[:12]}) "
            f"than the {contexts.vocabulary_size} words of {task}'s train split "
            f"({str(contexts.vocabulary)[:12]})",
            where=str(folder),
            expected="a task with the labels that it was trained on",
            mend="evaluate it on that task, or train it again on this one",
        )


def _listed(fields: object) -> str:
    """``source description, shuffled False``."""
    if not isinstance(fields, dict):
        return str(fields)
    return ", ".join(f"{name} {value}" for name, value in fields.items())
