"""Types of the fields of Settings: how text becomes their values, and how a misfit is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from impasto.settings.registry import Registry
from impasto.settings.variants import (
    COLOUR_MODES,
    EFFECTS,
    ENCODERS,
    INITS,
    LINE_SEARCHES,
    OPTIMISERS,
    STYLE_LOSSES,
)

__all__ = [
    "Beta",
    "ColourMode",
    "Counts",
    "Device",
    "Effect",
    "EncoderName",
    "Factors",
    "Init",
    "Layers",
    "LineSearch",
    "Optimiser",
    "Scales",
    "Side",
    "Size",
    "StyleLoss",
    "Tile",
    "Weight",
    "Weights",
    "explain",
    "knob",
    "several",
]

_LONGEST_VALUE = 100  # characters of a value that an error message repeats


def _layers(value: object) -> object:
    """`relu4_2,relu3_1=0.5` or a list of names -> {name: weight}; a weight left out is 1."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        return value
    pairs = [str(item).partition("=") for item in value]
    return {name.strip(): weight if equals else 1.0 for name, equals, weight in pairs}


def _several(value: object) -> object:
    """`0.5,1` -> its numbers as a tuple; anything but text as it is."""
    return tuple(value.split(",")) if isinstance(value, str) else value


def _auto_or_several(value: object) -> object:
    """`auto` -> itself; else as `_several`."""
    return value if value == "auto" else _several(value)


def _one_or_several(value: object) -> object:
    """`900x600` or `500,300` -> its numbers as a tuple; a number alone as it is."""
    text = value.replace("x", ",") if isinstance(value, str) else ""
    return _several(text) if "," in text else value


def _card(name: str) -> str:
    """A graphics card by its number among those that torch finds."""
    if not re.fullmatch(r"cuda:(0|[1-9]\d{0,3})", name):
        raise ValueError("expected cuda:N for the graphics card of that number")
    return name


Side = Annotated[int, Field(ge=1, le=1_000_000)]
Longest = Annotated[int, Field(ge=0, le=1_000_000)]
Size = Annotated[Longest | tuple[Side, Side], BeforeValidator(_one_or_several)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Counts = Annotated[Count | tuple[Count, ...], BeforeValidator(_one_or_several)]
Part = Annotated[float, Field(gt=0, le=1)]
Scales = Annotated[Literal["auto"] | tuple[Part, ...], BeforeValidator(_auto_or_several)]
Tile = Literal["auto", "off"] | Annotated[int, Field(ge=1, le=1_000_000)]
Device = Literal["auto", "cpu", "cuda", "mps"] | Annotated[str, AfterValidator(_card)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Layers = Annotated[dict[str, Annotated[float, Field(ge=0)]], BeforeValidator(_layers)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Weights = Annotated[tuple[Weight, ...], BeforeValidator(_several)]
Factor = Annotated[float, Field(gt=0, le=16)]
Factors = Annotated[Factor | tuple[Factor, ...], BeforeValidator(_one_or_several)]
several = BeforeValidator(_several)


def _named(registry: Registry[Any]) -> Any:  # noqa: ANN401 (a type)
    """The type of a name in a registry; its choices are the registry's names."""

    def check(name: str) -> str:
        if name not in registry:
            raise ValueError(f"expected one of {', '.join(registry.names())}")
        return name

    return Annotated[str, AfterValidator(check), registry]


Init = _named(INITS)
ColourMode = _named(COLOUR_MODES)
StyleLoss = _named(STYLE_LOSSES)
Optimiser = _named(OPTIMISERS)
LineSearch = _named(LINE_SEARCHES)
Effect = _named(EFFECTS)
EncoderName = _named(ENCODERS)


def knob(group: str, text: str, *, pixels: bool = True, **constraints: Any) -> Any:  # noqa: ANN401 (pydantic's own constraints and field)
    """A field with its help; `pixels` tells whether it can change the result's pixels."""
    extra: dict[str, Any] = {"group": group, "pixels": pixels}
    return Field(description=text, json_schema_extra=extra, **constraints)


def explain(error: ValidationError, given: Mapping[str, Any], known: Iterable[str]) -> str:
    """What was given for the first field that does not fit, and what is expected of it."""
    errors = error.errors()
    field = str(errors[0]["loc"][0]) if errors[0]["loc"] else ""
    if not field:
        return errors[0]["msg"].removeprefix("Value error, ")
    if errors[0]["type"] == "extra_forbidden":
        return f"{field} is no setting; expected one of {', '.join(known)}"
    branches = [e for e in errors if e["loc"][0] == field]  # several, where types are alternatives
    deepest = max(branches, key=lambda e: len(e["loc"]))
    reasons = [_reason(e) for e in branches if len(e["loc"]) == len(deepest["loc"])]
    expected = " or ".join(dict.fromkeys(reasons))
    if field.endswith("_layers") and len(deepest["loc"]) > 1:
        return f"{field}[{deepest['loc'][1]}] is {_brief(deepest['input'])}; expected {expected}"
    return f"{field} is {_brief(given[field])}; expected {expected}"


def _brief(value: object) -> str:
    """A value as an error message repeats it: of bounded length."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _reason(error: Any) -> str:  # noqa: ANN401 (pydantic's ErrorDetails)
    message = str(error["msg"]).removeprefix("Value error, expected ")
    return message.removeprefix("Input should be ").partition(", unable to")[0]
