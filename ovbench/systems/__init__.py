"""Systems: recipes by name, and what makes predictions from items."""

from __future__ import annotations

from ovbench.systems.external.recipe import ExternalRecipe
from ovbench.systems.pipeline.recipe import PipelineRecipe
from ovbench.systems.recipe import (
    TRAINABLE,
    CausalLmRecipe,
    ConstantRecipe,
    Recipe,
    Trainable,
)
from ovbench.systems.registry import load_recipe, recipe_names

__all__ = [
    "TRAINABLE",
    "CausalLmRecipe",
    "ConstantRecipe",
    "ExternalRecipe",
    "PipelineRecipe",
    "Recipe",
    "Trainable",
    "load_recipe",
    "recipe_names",
]
