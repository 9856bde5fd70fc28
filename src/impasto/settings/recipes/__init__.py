"""Named settings, one TOML file each: published systems to the constant, and our own presets.

A file has `summary` (one line), `about` (what it is and where it is from), a table `settings` with
fields of `impasto.Settings`, and where the system writes more than its result a table `files`.
"""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from impasto.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Recipe", "recipe", "recipes"]


_OWN = ("standard", "draft", "fine", "print", "photoreal")  # presets; the others are published


@dataclass(frozen=True)
class Recipe:
    """Settings by name, with what a reader wants to know about them."""

    name: str
    summary: str
    about: str
    settings: Mapping[str, Any]
    files: Mapping[str, str | int]


@functools.cache
def recipes() -> dict[str, Recipe]:
    """Every recipe there is, by name, our own first."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".toml")]
    found = [_parsed(file.name.removesuffix(".toml"), file.read_text("utf-8")) for file in files]
    own = {name: place for place, name in enumerate(_OWN)}
    return {r.name: r for r in sorted(found, key=lambda r: (own.get(r.name, len(own)), r.name))}


def recipe(name: str) -> Recipe:
    """The recipe called `name`; SettingsError lists those there are."""
    if name not in recipes():
        raise SettingsError(f"recipe is {name!r}; expected one of {', '.join(recipes())}")
    return recipes()[name]


def _parsed(name: str, text: str) -> Recipe:
    table = tomllib.loads(text)
    return Recipe(
        name, table["summary"], table["about"].strip(), table["settings"], table.get("files", {})
    )
