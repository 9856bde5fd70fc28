"""An objective of a canvas of which each process has some rows.

Every process evaluates the windows over its own rows. What windows measure adds up over processes
as it does over windows, so that one sum of all measurements is all that a comparison needs. Rows
around its own come from the processes that own them, and the gradient with respect to these rows
goes back there and is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from impasto.objective.objective import CanvasFunction, Evaluation, Objective
from impasto.objective.ranks import Ranks
from impasto.objective.strips import Strip

__all__ = ["Halos", "added_up", "sharded"]


class Halos:
    """Moves rows between the strips of a canvas."""

    def __init__(self, strips: Sequence[Strip], ranks: Ranks) -> None:
        self._strips, self._ranks, self._own = strips, ranks, strips[ranks.rank]

    def widened(self, own: Tensor) -> Tensor:
        """Own rows (c, rows, w) -> those of the strip, (c, bottom - top, w)."""
        here = self._own
        outgoing = [own[:, _moved(here.shared(s), here.start)] for s in self._strips]
        return torch.cat(self._swap(outgoing, [s.shared(here) for s in self._strips]), 1)

    def folded(self, gradient: Tensor) -> Tensor:
        """Transpose of `widened`: (c, bottom - top, w) -> (c, rows, w), summed in order of rank."""
        here = self._own
        outgoing = [gradient[:, _moved(s.shared(here), here.top)] for s in self._strips]
        places = [here.shared(s) for s in self._strips]
        own = gradient.new_zeros(len(gradient), here.rows, gradient.shape[2])
        for place, part in zip(places, self._swap(outgoing, places), strict=True):
            own[:, _moved(place, here.start)] += part
        return own

    def _swap(self, outgoing: Sequence[Tensor], places: Sequence[slice]) -> list[Tensor]:
        channels, _, width = outgoing[0].shape
        shapes = [(channels, place.stop - place.start, width) for place in places]
        return self._ranks.swap([part.contiguous() for part in outgoing], shapes)


def sharded(objective: Objective, strips: Sequence[Strip], ranks: Ranks) -> CanvasFunction:
    """The function of own rows (3, rows, w) whose value is that of the whole canvas.

    The objective is that of this process's strip, with `added_up` as its total. Values are summed
    in float64, so that they, and all that is decided by them, are the same everywhere.
    """
    halos = Halos(strips, ranks)

    def evaluated(own: Tensor) -> Evaluation:
        at = objective(halos.widened(own))
        parts = [  # the whole of what is compared is known everywhere, and counts once
            torch.zeros_like(value) if ranks.rank and name in objective.compared else value
            for name, value in at.terms.items()
        ]
        gradient = halos.folded(at.gradient)
        if not parts:
            return replace(at, gradient=gradient)
        total = ranks.total(torch.stack([part.double() for part in parts]))
        terms = dict(zip(at.terms, total.to(at.loss.dtype).unbind(), strict=True))
        return Evaluation(total.sum().to(at.loss.dtype), terms, gradient)

    return evaluated


def added_up(ranks: Ranks) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The function that adds up what feature terms measured over all processes, in one sum."""
    return partial(_added_up, ranks)


def _added_up(ranks: Ranks, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Term -> key -> statistic; `measured` is of this process's windows."""
    statistics = [statistic for sums in measured.values() for statistic in sums.values()]
    parts = [part for statistic in statistics for part in statistic.sums()]
    if not parts:
        return dict(measured)
    flat: Tensor = ranks.total(torch.cat([part.flatten().double() for part in parts]))
    found = iter(
        whole.view(part.shape).to(part)
        for whole, part in zip(torch.split(flat, [p.numel() for p in parts]), parts, strict=True)
    )
    return {
        name: type(sums)(
            {
                key: statistic.with_sums([next(found) for _ in statistic.sums()])
                for key, statistic in sums.items()
            }
        )
        for name, sums in measured.items()
    }


def _moved(rows: slice, start: int) -> slice:
    """Rows of the picture as rows of what begins at `start`."""
    return slice(rows.start - start, rows.stop - start)
