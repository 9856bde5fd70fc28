"""What to do: every knob once, the schedule of scales, and named settings."""

from impasto.settings.film import FilmSettings
from impasto.settings.recipes import Recipe, recipe, recipes
from impasto.settings.schedule import Stage, most_iterations, schedule
from impasto.settings.settings import DEFAULT_RECIPE, FORMER, Settings, spread

__all__ = [
    "DEFAULT_RECIPE",
    "FORMER",
    "FilmSettings",
    "Recipe",
    "Settings",
    "Stage",
    "most_iterations",
    "recipe",
    "recipes",
    "schedule",
    "spread",
]
