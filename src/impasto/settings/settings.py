"""Every knob of a run, once: name, default, range, unit and help.

Command-line options, recipe files and the record in a saved picture are generated from the fields
of `Settings`. Settings hold numbers and names; pictures, masks and weight files are arguments of
`impasto.Run`. Settings are frozen; derive others with `Settings.of(recipe, **overrides)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, ValidationError, model_validator

from impasto.errors import SettingsError
from impasto.settings.fields import explain
from impasto.settings.machine import MachineSettings
from impasto.settings.objective import ObjectiveSettings
from impasto.settings.optimiser import OptimiserSettings
from impasto.settings.picture import PictureSettings
from impasto.settings.recipes import recipe
from impasto.settings.variants import COLOUR_MODES

__all__ = ["DEFAULT_RECIPE", "FORMER", "Settings", "spread"]

DEFAULT_RECIPE = "standard"

FORMER = {"take": "select"}
"""Former name of a field -> its name now."""


class Settings(OptimiserSettings, MachineSettings, ObjectiveSettings, PictureSettings):
    """The settings of one run. The defaults are those of the recipe files' common ground."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        wolfe = self.optimiser == "lbfgs" and self.line_search in ("strong-wolfe", "more-thuente")
        if wolfe and self.clip != "none" and not self.evaluations:
            raise ValueError(
                f"line_search {self.line_search} does not support clip; use line_search armijo, or "
                f"set evaluations, so that the canvas is clipped at each restart"
            )
        if isinstance(self.clip, float) and self.clip <= 0:
            raise ValueError(f"clip is {self.clip}; expected none, gamut or a positive number")
        if self.colour_method != "auto":  # the modes are not loaded for their default
            self._check_method()
        if self.style_weights and not any(self.style_weights):
            raise ValueError("style_weights are all 0; expected a weight above 0 for one style")
        self._check_scales()
        return self

    def _check_method(self) -> None:
        methods = ("auto", *COLOUR_MODES.get(self.colour).methods)
        if self.colour_method not in methods:
            raise ValueError(
                f"colour_method is {self.colour_method!r}; with colour {self.colour} expected one "
                f"of {', '.join(methods)}"
            )

    def _check_scales(self) -> None:
        parts = None if self.scales == "auto" else self.scales
        if parts is not None and (list(parts[-1:]) != [1] or list(parts) != sorted(parts)):
            raise ValueError(f"scales is {parts}; expected auto, or rising parts of the size to 1")
        for name in ("iterations", "decay_every"):
            value = getattr(self, name)
            if value == () or (parts and isinstance(value, tuple) and len(value) != len(parts)):
                raise ValueError(f"{name} is {value}; expected one number, or one per scale")

    def replaced(self, **overrides: Any) -> Settings:  # noqa: ANN401 (fields, checked there)
        """These settings with some fields replaced; SettingsError if one does not fit.

        Values for each scale are spread over other `scales`, as `of` spreads a recipe's.
        """
        return self.checked(_spread_over(self.model_dump(), overrides))

    @classmethod
    def of(cls, name: str = DEFAULT_RECIPE, /, **overrides: Any) -> Settings:  # noqa: ANN401 (fields, checked here)
        """The recipe `name` with some fields replaced; SettingsError if one does not fit.

        A recipe's values for each scale are spread over other `scales`: the last one is repeated.
        """
        named = _spread_over(dict(recipe(name).settings), overrides)
        return cls.checked({**named, "recipe": name})

    @classmethod
    def checked(cls, fields: Mapping[str, Any]) -> Settings:
        """Settings from plain values; SettingsError names the first that does not fit.

        Former names of fields, in FORMER, are understood.
        """
        fields = {FORMER.get(name, name): value for name, value in fields.items()}
        try:
            return cls(**fields)
        except ValidationError as error:
            raise SettingsError(explain(error, fields, cls.model_fields)) from None
        except TypeError as error:  # names that are not text
            raise SettingsError(f"settings are given by name: {error}") from None

    @classmethod
    def pixel_fields(cls) -> tuple[str, ...]:
        """Names of the fields that can change the result's pixels, besides the iterations."""
        return tuple(
            name
            for name, field in cls.model_fields.items()
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra["pixels"]
        )

    def pixels(self) -> dict[str, Any]:
        """The fields that can change the result's pixels, besides the iterations, as plain JSON."""
        return self.model_dump(mode="json", include=set(self.pixel_fields()))


def spread(value: int | Sequence[int], count: int) -> tuple[int, ...]:
    """A value for each of so many scales: one number for all, or several, the last for the rest."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return (*values, *values[-1:] * count)[:count]


def _spread_over(fields: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the overrides; values per scale follow other scales unless overridden."""
    overrides = {FORMER.get(name, name): value for name, value in overrides.items()}
    if "scales" in overrides:
        scales = Settings.checked({"scales": overrides["scales"]}).scales
        for name in {"iterations", "decay_every"} & {*fields} if scales != "auto" else ():
            fields[name] = spread(fields[name], len(scales))
    return {**fields, **overrides}
