"""The settings that the page may change, as a list that it makes its controls from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from impasto.apps.studio.requests import ALLOWED
from impasto.settings import Settings, recipes
from impasto.settings.registry import Registry

__all__ = ["PRESETS", "presets", "schema"]

PRESETS = ("draft", "standard", "fine", "print")
"""Recipes that paint, from the fastest on; the others are photoreal and published systems."""

_LIMITS = {
    "minimum": "min",
    "maximum": "max",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}


def presets() -> dict[str, list[dict[str, str]]]:
    """`presets` and `recipes` with a summary each."""
    known = recipes()
    own = [{"name": name, "summary": known[name].summary} for name in PRESETS]
    others = [
        {"name": r.name, "summary": r.summary} for r in known.values() if r.name not in PRESETS
    ]
    return {"presets": own, "recipes": others}


def schema(described: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every allowed setting, in order.

    Each has `name`, `group`, `help`, `type` (number, integer, choice, text, layers), what of
    `choices`, `min`, `max`, `above` and `below` there is, and `defaults` by recipe. `also` says
    what other form its value may have: `number`, `numbers` (one for each scale or style, as text
    with commas), or `WxH`.

    `described` is what only torch knows: `layers` by network and `methods` by colour mode.
    """
    properties = Settings.model_json_schema()["properties"]
    defaults = {name: Settings.of(name).model_dump(mode="json") for name in recipes()}
    fields = []
    for group, names in ALLOWED.items():
        for name in names:
            facts = properties[name]
            field = {"name": name, "group": group, "help": facts["description"]}
            field |= _type(name, facts, described)
            field["defaults"] = {recipe: given[name] for recipe, given in defaults.items()}
            fields.append(field)
    return fields


def _type(name: str, facts: Mapping[str, Any], described: Mapping[str, Any]) -> dict[str, Any]:
    """The type of a field and its limits."""
    if name == "colour_method":
        methods = described["methods"]
        every = dict.fromkeys(["auto", *(m for of in methods.values() for m in of)])
        return {"type": "choice", "choices": [*every], "by": {"colour": methods}}
    if facts.get("type") == "object":
        return {"type": "layers", "choices": described["layers"], "min": 0}
    registry = _registry(Settings, name)
    if registry is not None:
        return {"type": "choice", "choices": list(registry.names())}
    forms = facts.get("anyOf", [facts])
    words = [word for form in forms for word in form.get("enum", [form.get("const")]) if word]
    plain = next((f for f in forms if f.get("type") in ("number", "integer")), None)
    listed = next((f for f in forms if f.get("type") == "array"), None)
    limits = {_LIMITS[key]: value for key, value in (plain or {}).items() if key in _LIMITS}
    if words:
        also = {"also": "number" if plain else "numbers"} if len(forms) > 1 else {}
        return {
            "type": "choice" if plain or not listed else "text",
            "choices": words,
            **also,
            **limits,
        }
    if plain and listed:
        return {"type": plain["type"], "also": "WxH" if name == "size" else "numbers", **limits}
    if plain:
        return {"type": plain["type"], **limits}
    return {"type": "text", "also": "numbers"}


def _registry(model: type[BaseModel], name: str) -> Registry[Any] | None:
    """The registry whose names are a field's values."""
    return next((m for m in model.model_fields[name].metadata if isinstance(m, Registry)), None)
