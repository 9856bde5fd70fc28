"""What a report tells of a film, from its clip, its sources and the lines of its frames."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.apps.film.clip import Clip
from impasto.apps.film.entries import Entry
from impasto.apps.film.sources import Sources
from impasto.images import MAX_PIXELS, Picture, Source, pictures_in, read
from impasto.images.levels import planes
from impasto.images.names import located
from impasto.run.sizes import canvas_size
from impasto.settings import FilmSettings, Settings

__all__ = ["FilmStory", "story_of"]


@dataclass(frozen=True, eq=False)
class FilmStory:
    """A film that is painted.

    Attributes:
        title: one line.
        inputs: pictures by name: the clip's first frame, styles.
        entries: of the frames, in order; at least one.
        weights: for each style that comes and goes, its weight at each frame.
        settings: plain values by name.
        size: (width, height) of the film, pixels.
    """

    title: str
    inputs: Mapping[str, Picture]
    entries: Sequence[Entry]
    weights: Mapping[str, Sequence[float]]
    settings: Mapping[str, Any]
    size: tuple[int, int]


def story_of(
    clip: Clip,
    sources: Sources,
    settings: Settings,
    film: FilmSettings,
    entries: Sequence[Entry],
) -> FilmStory:
    """The story of these frames, in order, at least one; ImageError for a style that vanished."""
    names, keys = list(_names(sources.styles)), sources.keys
    rows = [keys.at(entry.time) for entry in entries] if keys else []
    first = next(clip.frames(entries[0].index))
    inputs = {f"Clip, frame {first.index}": Picture(planes(first.pixels))}
    for name, style in zip(names, sources.styles, strict=True):
        inputs[name] = read(_first_of(style), sources.arguments.get("max_pixels", MAX_PIXELS))
    return FilmStory(
        f"{clip.path.name} in the style of {', '.join(names)}",
        inputs,
        entries,
        {name: [row[n] for row in rows] for n, name in enumerate(names) if rows},
        {**settings.model_dump(), **film.model_dump()},
        canvas_size(settings, clip.size),
    )


def _names(styles: Sequence[Source]) -> Iterator[str]:
    """The name of each style: of its file, or its number."""
    known = set[str]()
    for number, style in enumerate(styles, 1):
        named = isinstance(style, (str, os.PathLike))
        name = Path(os.fsdecode(located(style))).name if named else f"style {number}"
        yield f"{name}, style {number}" if name in known else name
        known.add(name)


def _first_of(style: Source) -> Source:
    """A style's picture; of a folder, the first of its pictures."""
    source = located(style)
    if isinstance(source, (str, os.PathLike)) and Path(os.fsdecode(source)).is_dir():
        return pictures_in(os.fsdecode(source))[0]
    return source  # type: ignore[no-any-return]  # any source
