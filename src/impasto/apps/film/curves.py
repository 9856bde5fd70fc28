"""A film's loss and steadiness, frame after frame, as curves; and which styles hold when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import isfinite, nan

from impasto.apps.film.entries import Entry
from impasto.outputs.report.figure import INK, Axes, Figure
from impasto.outputs.report.layout import Box

__all__ = ["draw_film_curves"]

COLOURS = ("#2b7bba", "#dd5c26", "#2a9d78", "#9467bd", "#b8860b")
MARGINS = (52, 18, 26, 30)  # points at the left, above, between and below
NEAR = 0.06  # of the width; of cuts nearer to each other only the first has a label
FEW = 40  # frames; each gets a dot if there are no more


def draw_film_curves(
    figure: Figure, entries: Sequence[Entry], weights: Mapping[str, Sequence[float]], box: Box
) -> None:
    """Loss and E_warp on logarithmic scales, and weights of styles, over the frames.

    Args:
        figure: to be drawn in, inside the box.
        entries: of the frames, in order.
        weights: for each style, by name, its weight at each frame; empty where none changes.
        box: in pixels; each panel takes an equal part of its height.

    Thin vertical lines mark cuts, where curves break.
    """
    left, above, between, below = (round(points * figure.dpi / 72) for points in MARGINS)
    panels: list[Callable[[Axes], None]] = [
        lambda axes: _draw(axes, entries, "loss", COLOURS[0]),
        lambda axes: _draw(axes, entries, "e_warp", COLOURS[1]),
    ]
    if weights:
        panels.append(lambda axes: _draw_weights(axes, entries, weights))
    free = box.height - above - below - between * (len(panels) - 1)
    height = free // len(panels)
    for number, draw in enumerate(panels):
        top = box.top + above + number * (height + between)
        axes = figure.axes(Box(box.left + left, top, box.width - left, height))
        draw(axes)
        _frame(axes, entries, last=number == len(panels) - 1)
        _mark_cuts(axes, entries, named=number == 0)


def _frame(axes: Axes, entries: Sequence[Entry], *, last: bool) -> None:
    first, end = entries[0].index, entries[-1].index
    axes.set_xlim(first - 0.5, end + 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.6)
    if last:
        axes.set_xlabel("frame")
    else:
        axes.tick_params(labelbottom=False)


NAMES = {"loss": "loss", "e_warp": "E_warp"}


def _draw(axes: Axes, entries: Sequence[Entry], name: str, colour: str) -> None:
    """One curve with gaps at cuts, and where a value is absent or not positive.

    Frames between two that are painted have no loss and leave no gap.
    """
    entries = [e for e in entries if e.kind != "between" or getattr(e, name) is not None]
    places: list[float] = []
    values: list[float] = []
    for before, entry in pairwise([None, *entries]):
        assert entry is not None
        if before is not None and before.shot != entry.shot:
            places, values = [*places, entry.index - 0.5], [*values, nan]
        value = getattr(entry, name)
        places.append(entry.index)
        values.append(value if isinstance(value, (int, float)) and value > 0 else nan)
    axes.set_ylabel(NAMES[name])
    if any(map(isfinite, values)):
        axes.set_yscale("log")
        dots = "o" if len(entries) <= FEW else None
        axes.plot(places, values, color=colour, linewidth=1.3, marker=dots, markersize=3)


def _draw_weights(
    axes: Axes, entries: Sequence[Entry], weights: Mapping[str, Sequence[float]]
) -> None:
    """The weight of each style, 0 to 1."""
    places = [entry.index for entry in entries]
    for number, (name, values) in enumerate(weights.items()):
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(places, values, color=colour, linewidth=1.3, label=name)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("weight of style")
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.5), borderpad=0)


def _mark_cuts(axes: Axes, entries: Sequence[Entry], *, named: bool) -> None:
    """A line before each shot but the first; above the first panel its number, counted from 1."""
    style = {"xytext": (0, 3), "textcoords": "offset points", "fontsize": 7, "alpha": 0.7}
    free = float("-inf")
    for before, entry in pairwise([None, *entries]):
        assert entry is not None
        if before is not None and before.shot == entry.shot:
            continue
        if before is not None:
            axes.axvline(entry.index - 0.5, color=INK, alpha=0.5, linewidth=0.7)
        if named and entry.index >= free:
            place = (entry.index - 0.5, 1)
            text = f"shot {entry.shot + 1}"
            axes.annotate(text, place, xycoords=("data", "axes fraction"), **style)
            free = entry.index + NEAR * len(entries)
