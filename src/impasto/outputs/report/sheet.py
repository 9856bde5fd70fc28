"""A history as one PNG sheet: pictures above, curves below."""

from __future__ import annotations

from collections.abc import Mapping

from impasto.errors import printable
from impasto.images import Picture
from impasto.outputs.report.curves import draw_curves
from impasto.outputs.report.figure import PALE, figure
from impasto.outputs.report.history import RunHistory
from impasto.outputs.report.layout import CELL, GAP, MARGIN, WIDTH, Box, grid, overview
from impasto.outputs.report.words import captions, summary

__all__ = ["sheet"]

DPI = 144
HEAD = 116  # height of title and summary, pixels
CURVES = 640
INNER = WIDTH - 2 * MARGIN


def sheet(history: RunHistory, result: Picture, title: str, facts: Mapping[str, str]) -> bytes:
    """A PNG, 1600 px wide, without the `facts`.

    It has the inputs and the result beside them, the snapshots in rows of five, and the curves. The
    initial canvas takes the place of a missing content or style.
    """
    placed = overview(_inputs(history), ("Result", result), MARGIN + HEAD)
    snapshots = [(captions(s.step, history.scales), s.picture) for s in history.snapshots]
    placed += grid(snapshots, max(one.bottom for one in placed) + GAP)
    top = max(one.bottom for one in placed) + GAP
    curves = Box(MARGIN, top, INNER, CURVES if history.steps else 0)
    with figure(WIDTH, top + curves.height + MARGIN // 2, DPI) as drawing:
        drawing.line(printable(title) or "impasto", MARGIN, MARGIN, INNER, size=15, weight="bold")
        told = summary(history.steps, history.scales)
        drawing.line(told, MARGIN, MARGIN + HEAD // 2, INNER, alpha=PALE)
        for one in placed:
            drawing.picture(one, width=max(CELL, one.box.width))
        if history.steps:
            draw_curves(drawing, history, curves)
        return drawing.png()


def _inputs(history: RunHistory) -> list[tuple[str, Picture]]:
    start = history.start.picture if history.start else None
    named = (("Content", history.content), ("Style", history.style), ("Initial canvas", start))
    return [(name, picture) for name, picture in named if picture is not None][:2]
