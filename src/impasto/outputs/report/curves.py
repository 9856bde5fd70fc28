"""The losses of a run as curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import isfinite, nan

from impasto.outputs.report.figure import INK, Axes, Figure
from impasto.outputs.report.history import RunHistory
from impasto.outputs.report.layout import Box
from impasto.run.events import Step

__all__ = ["draw_curves"]

COLOURS = ("#2b7bba", "#dd5c26", "#2a9d78", "#9467bd", "#b8860b")  # of the terms, in their order
FEW = 30  # steps; each gets a dot if there are no more
NEAR = 0.08  # of the width; of scales nearer to each other only the first has a label
LABELS = (44, 34, 30)  # points at the left, below and above, for tick labels and legend


def draw_curves(figure: Figure, history: RunHistory, box: Box) -> None:
    """The total loss and its terms over the iterations, on a logarithmic scale, inside the box.

    The terms are those of the steps. Thin vertical lines mark changes of scale; curves break there,
    because the objective is another one. A term whose loss is always 0 is left out.
    """
    left, below, above = (round(points * figure.dpi / 72) for points in LABELS)
    inner = Box(box.left + left, box.top + above, box.width - left, box.height - above - below)
    axes, several = figure.axes(inner), len(history.scales) > 1
    _draw_frame(axes, max([1, *(step.done for step in history.steps)]))
    _draw_losses(axes, history.steps)
    if several:
        _draw_scales(axes, history.steps)
    lift = (13 if several else 3) * figure.dpi / 72 / inner.height  # above the names of the scales
    named = axes.get_legend_handles_labels()
    axes.legend(*named, loc="lower left", bbox_to_anchor=(0, 1 + lift), ncols=6, borderpad=0)


def _draw_frame(axes: Axes, iterations: int) -> None:
    axes.set_yscale("log")
    axes.set_xlim(0, iterations)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("iteration")
    axes.set_ylabel("weighted loss")
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.6)


def _draw_losses(axes: Axes, steps: Sequence[Step]) -> None:
    dots = "o" if len(steps) <= FEW else None
    halo = {"color": INK, "alpha": 0.3, "linewidth": 3.5, "solid_capstyle": "butt"}
    alone = "o" if len(steps) == 1 else None
    _draw(axes, "total", steps, (step.loss for step in steps), marker=alone, **halo)
    names = dict.fromkeys(name for step in steps for name in step.terms)
    for index, name in enumerate(names):
        losses = (step.terms.get(name, 0) for step in steps)
        line = {"color": COLOURS[index % len(COLOURS)], "linewidth": 1.3, "markersize": 3}
        _draw(axes, name, steps, losses, marker=dots, **line)


def _draw(
    axes: Axes, name: str, steps: Sequence[Step], losses: Iterable[float], **style: object
) -> None:
    """One curve, with gaps where the scale changes or the loss is not positive."""
    points: list[tuple[int, float]] = []
    scale = 0
    for step, loss in zip(steps, losses, strict=True):
        if step.scale != scale:
            points.append((step.done, nan))
            scale = step.scale
        points.append((step.done, loss if loss > 0 else nan))
    iterations, heights = zip(*points, strict=True)
    if any(map(isfinite, heights)):
        axes.plot(iterations, heights, label=name, clip_on=False, **style)


def _draw_scales(axes: Axes, steps: Sequence[Step]) -> None:
    """A line at each change of scale, with the new scale above it."""
    starts = [steps[0], *(step for before, step in pairwise(steps) if step.scale != before.scale)]
    style = {"xytext": (0, 3), "textcoords": "offset points", "fontsize": 7, "alpha": 0.7}
    free = 0.0  # the iteration from which on there is space for a label
    for step in starts:
        if step.done:
            axes.axvline(step.done, color=INK, alpha=0.5, linewidth=0.7)
        if step.done >= free:
            place = (step.done, 1)
            axes.annotate(f"{step.scale} px", place, xycoords=("data", "axes fraction"), **style)
            free = step.done + NEAR * steps[-1].done
