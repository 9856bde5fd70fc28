"""Settings of a film: how one frame follows another."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from impasto.errors import SettingsError
from impasto.settings.fields import explain, knob, several

__all__ = ["FilmSettings"]

Distance = Annotated[int, Field(ge=1, le=64)]
Distances = Annotated[tuple[Distance, ...], several]


class FilmSettings(BaseModel):
    """How the frames of a film follow one another; how each is painted is in `Settings`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steadiness: float = knob(
        "Film",
        "how firmly a frame keeps what was painted before it, 0 to 1; 0 only begins with it",
        default=0.5,
        ge=0,
        le=1,
    )
    references: Distances = knob(
        "Film",
        "distances in frames of the canvases that hold a frame, N,N,…; the nearest that shows a "
        "place counts there",
        default=(1, 2, 4, 8),
        min_length=1,
        max_length=8,
    )
    frame_iterations: int = knob(
        "Film",
        "maximum iterations of a frame in which nothing is new; half as many more for each that "
        "--every leaves out",
        default=16,
        ge=1,
        le=10_000,
    )
    open_iterations: int = knob(
        "Film",
        "how many more where everything is new, and in proportion; as many, of one frame or "
        "several, paint what comes into sight before it is held",
        default=20,
        ge=0,
        le=10_000,
    )
    least_iterations: int = knob(
        "Film",
        "minimum iterations of a frame in which something is new",
        default=2,
        ge=0,
        le=10_000,
    )
    drift: float = knob(
        "Film",
        "a frame ends early when its loss is within this part of that of the shot's first frame",
        default=0.06,
        ge=0,
        le=10,
    )

    every: int = knob(
        "Film",
        "paint every Nth frame of a shot, and its last; fill the others from the two beside them",
        default=1,
        ge=1,
        le=16,
    )
    between_iterations: int = knob(
        "Film",
        "maximum iterations of a frame that is filled, where its neighbours show all of it",
        default=0,
        ge=0,
        le=10_000,
    )
    loop: bool = knob("Film", "the last frame leads to the first", default=False)

    @classmethod
    def of(cls, **fields: Any) -> FilmSettings:  # noqa: ANN401 (checked here)
        """The defaults with some fields replaced; SettingsError names one that does not fit."""
        try:
            return cls(**fields)
        except ValidationError as error:
            raise SettingsError(explain(error, fields, cls.model_fields)) from None
