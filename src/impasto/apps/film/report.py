"""A film told afterwards: one HTML page with frames, curves, settings and notes.

All of it is in the work folder, so that the report of a film that was interrupted is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from impasto.apps.film.curves import draw_film_curves
from impasto.apps.film.entries import Entry
from impasto.apps.film.story import FilmStory
from impasto.errors import printable
from impasto.images import AtomicFile, Picture, check_place, read
from impasto.outputs.report.figure import figure
from impasto.outputs.report.history import preview
from impasto.outputs.report.layout import Box
from impasto.outputs.report.page import embedded, rendered
from impasto.outputs.report.words import brief, duration
from impasto.outputs.report.writing import require

__all__ = ["check_report", "write_report"]

SHOWN = 24  # frames of the contact sheet
LONGEST = 384  # px a side of each
PANEL, DPI, WIDTH = 190, 96, 1000  # pixels of a curve's height; of the page
MAX_NOTES = 200


def check_report(path: str | os.PathLike[str]) -> None:
    """Raise now what would fail later: OutputError for the place, ExtraMissing for a library."""
    require(check_place(path, [".html"]))


def write_report(path: str | os.PathLike[str], story: FilmStory, folder: Path) -> None:
    """Write the page, atomically, with frames from `folder`; OutputError where that fails."""
    chosen = contact(story.entries, SHOWN)
    frames = [(_small(read(folder / f"{e.index:06d}.png")), *_caption(e)) for e in chosen]
    template = files("impasto.apps.film").joinpath("report.html").read_text("utf-8")
    page = rendered(
        template,
        story.title,
        summary(story.entries, story.size),
        {name: str(value) for name, value in story.settings.items()},
        inputs={printable(name): _small(picture) for name, picture in story.inputs.items()},
        frames=frames,
        curves=_curves(story),
        notes=list(notes(story.entries)),
    )
    with AtomicFile(path) as file:
        file.write_bytes(page)


def contact(entries: Sequence[Entry], most: int) -> list[Entry]:
    """So many entries: the first of each shot, and others at even distances."""
    if len(entries) <= most:
        return list(entries)
    starts = [0, *(n for n in range(1, len(entries)) if entries[n - 1].shot != entries[n].shot)]
    kept = {starts[n * len(starts) // most] for n in range(most)}
    even = (n * (len(entries) - 1) // (most - 1) for n in range(most))
    for index in sorted(even, key=lambda n: -min(abs(n - other) for other in kept)):
        if len(kept) < most:
            kept.add(index)
    return [entries[index] for index in sorted(kept)]


def summary(entries: Sequence[Entry], size: tuple[int, int]) -> str:
    """One line on a film: frames, shots, size, time, loss."""
    shots = len({entry.shot for entry in entries})
    seconds = sum(entry.seconds for entry in entries)
    losses = [entry.loss for entry in entries if entry.loss is not None]
    mean = f", mean loss {brief(sum(losses) / len(losses))}" if losses else ""
    frames = f"{len(entries)} frame{'s' if len(entries) != 1 else ''}"
    in_shots = f"{shots} shot{'s' if shots != 1 else ''}"
    width, height = size
    return f"{frames} in {in_shots} at {width} × {height} px in {duration(seconds)}{mean}"


def notes(entries: Sequence[Entry]) -> Iterator[str]:
    """What there is to say of frames, one line each; a count of those beyond the first ones."""
    lines = [f"frame {entry.index}: {printable(note)}" for entry in entries for note in entry.notes]
    yield from lines[:MAX_NOTES]
    if len(lines) > MAX_NOTES:
        yield f"… and {len(lines) - MAX_NOTES} more"


def _caption(entry: Entry) -> tuple[str, str]:
    """Two lines: frame and time; shot and loss."""
    minutes, seconds = divmod(entry.time, 60)
    loss = "" if entry.loss is None else f" · loss {brief(entry.loss)}"
    return f"frame {entry.index} · {minutes:.0f}:{seconds:05.2f}", f"shot {entry.shot + 1}{loss}"


def _small(picture: Picture) -> dict[str, Any]:
    return embedded(preview(picture, LONGEST))


def _curves(story: FilmStory) -> str:
    box = Box(0, 0, WIDTH, PANEL * (3 if story.weights else 2))
    with figure(box.width, box.height, DPI) as drawing:
        draw_film_curves(drawing, story.entries, story.weights, box)
        return drawing.svg()
