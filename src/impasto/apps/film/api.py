"""A whole film in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

from impasto.apps.film.clip import Clip
from impasto.apps.film.events import FrameDone
from impasto.apps.film.run import FilmResult, FilmRun
from impasto.errors import SettingsError
from impasto.images import Source
from impasto.run.api import run_arguments
from impasto.settings import DEFAULT_RECIPE, FilmSettings, Settings

__all__ = ["film"]


def film(
    clip: str | os.PathLike[str] | Clip,
    styles: Source | Sequence[Source] | Mapping[Any, Any],
    output: str | os.PathLike[str],
    recipe: str = DEFAULT_RECIPE,
    *,
    film: FilmSettings | None = None,
    on_frame: Callable[[FrameDone], object] | None = None,
    **overrides: Any,  # noqa: ANN401 (fields of Settings and FilmSettings, arguments of FilmRun)
) -> FilmResult:
    """Paint a clip in the style of `styles`, write the film to `output`, and return its FilmResult.

    `overrides` are fields of Settings, such as `size=384`, and of FilmSettings, such as
    `steadiness=0.8`; arguments of FilmRun, such as `frames="0:25"`; and of Run: `protect`,
    `content_masks`, `style_masks`, `encoder`, `init`. `on_frame` gets every FrameDone; the same
    call goes on after an error that it raises. Raises subclasses of ImpastoError for whatever the
    caller can mend.
    """
    if on_frame is not None and not callable(on_frame):
        raise SettingsError(f"on_frame is {on_frame!r}; expected a function of a FrameDone")
    sources = run_arguments(overrides, depth=3)
    of_frames = _taken(overrides, FilmSettings)
    of_pictures = _taken(overrides, Settings)
    run = FilmRun(
        clip,
        styles,
        output,
        Settings.of(recipe, **of_pictures),
        FilmSettings.of(**{**(film or FilmSettings()).model_dump(), **of_frames}),
        **overrides,
        **sources,
    )
    with closing(iter(run)) as frames:  # an error of `on_frame` ends the work on the shot
        for frame in frames:
            if on_frame:
                on_frame(frame)
    return run.write()


def _taken(overrides: dict[str, Any], model: type[Settings | FilmSettings]) -> dict[str, Any]:
    """The overrides that are fields of a model, taken out of the mapping."""
    names = [name for name in overrides if name in model.model_fields]
    return {name: overrides.pop(name) for name in names}
