"""Systems: recipes by name, and what makes predictions from items."""

from __future__ import annotations

from ovbench.systems.recipe import CausalLmRecipe, ConstantRecipe, Recipe
from ovbench.systems.registry import load_recipe, recipe_names

__all__ = ["CausalLmRecipe", "ConstantRecipe", "Recipe", "load_recipe", "recipe_names"]
