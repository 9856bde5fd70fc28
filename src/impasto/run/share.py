"""A run that several processes share: each has some rows of every canvas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from impasto.encoder import Architecture
from impasto.errors import SettingsError
from impasto.images.circles import Wraps, interpolated
from impasto.objective import CanvasFunction, Objective
from impasto.objective.ranks import Ranks, gathered
from impasto.objective.shards import added_up, sharded
from impasto.objective.strips import Strip, divided
from impasto.objective.style_losses import declaration, find_style_loss
from impasto.objective.tiles import Tiling
from impasto.optimisers.turning import even_parts
from impasto.run.events import Stage, Step
from impasto.settings import Settings

__all__ = ["Share", "check_shareable", "resized_rows", "share_of", "shortest", "strips_of"]

_CUBIC: dict[str, Any] = {"mode": "bicubic", "antialias": True}


@dataclass(frozen=True, eq=False)
class Share:
    """The part of the canvases of one size that is this process's."""

    ranks: Ranks
    strips: tuple[Strip, ...]
    network: Architecture
    style_taps: tuple[str, ...]

    @property
    def strip(self) -> Strip:
        """The rows of this process."""
        return self.strips[self.ranks.rank]

    @property
    def rows(self) -> tuple[int, ...]:
        """How many rows each process has."""
        return tuple(strip.rows for strip in self.strips)

    def whole(self, own: Tensor) -> Tensor:
        """Own rows of planes (c, rows, w) -> all rows, (c, h, w), at every process."""
        channels, _, width = own.shape
        shapes = [(channels, rows, width) for rows in self.rows]
        return torch.cat(self.ranks.swap([own.contiguous()] * self.ranks.count, shapes), 1)

    def to_first(self, own: Tensor | None, owner: int, shape: Sequence[int]) -> Tensor | None:
        """A float32 tensor (c, rows, w) of one process, the `owner`, at the first; else None.

        Collective, unless the first is the owner.
        """
        ranks = self.ranks
        if owner == 0:
            return own
        nothing = torch.empty(0)
        outgoing = [nothing] * ranks.count
        shapes: list[tuple[int, ...]] = [(0,)] * ranks.count
        if ranks.rank == owner:
            assert own is not None
            outgoing[0] = own.cpu().contiguous()
        if ranks.rank == 0:
            shapes[owner] = tuple(shape)
        found = ranks.swap(outgoing, shapes)
        return found[owner] if ranks.rank == 0 else None

    def of_styles(self, heights: Sequence[int]) -> tuple[Strip | None, ...]:
        """The rows of style pictures of these heights that this process measures.

        None for one that has too few rows: each process measures all of it.
        """
        count, rank = self.ranks.count, self.ranks.rank
        found = (divided(height, count, self.network, self.style_taps) for height in heights)
        return tuple(strips[rank] if strips else None for strips in found)

    def tiling(self, tiling: Tiling) -> Tiling:
        """The same windows, over the rows of this process."""
        return replace(tiling, strip=self.strip)

    def function(self, objective: Objective) -> CanvasFunction:
        """The function of own rows (3, rows, w) that all processes evaluate together."""
        return sharded(objective, self.strips, self.ranks)

    @property
    def summed(self) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """Adds up over all processes what the terms of an objective measured."""
        return added_up(self.ranks)

    def gathered(self, step: Step) -> Step:
        """A step with the whole canvas, and what it is postprocessed with; collective."""
        shown, canvas = step.postprocess, step.canvas
        content, protect = shown.content, shown.protect
        shown = replace(
            shown,
            content=None if content is None else self.whole(content),
            protect=None if protect is None else self.whole(protect[None])[0],
            _small={},
        )
        return replace(
            step, canvas=None if canvas is None else self.whole(canvas), postprocess=shown
        )


def resized_rows(own: Tensor, before: Share, after: Share, width: int, wraps: Wraps) -> Tensor:
    """Own rows of a picture, (c, rows, w), as own rows of it at another size: (c, rows', width).

    It is what `resized` makes of the whole: each process resizes its rows along them, then some
    columns, of which it gets all rows.
    """
    ranks, rank = before.ranks, before.ranks.rank
    wide = interpolated(own, (own.shape[1], width), (False, wraps[1]), **_CUBIC)
    columns = even_parts(width, ranks.count)
    outgoing = [part.contiguous() for part in torch.split(wide, columns, 2)]
    shapes = [(len(own), rows, columns[rank]) for rows in before.rows]
    whole = torch.cat(ranks.swap(outgoing, shapes), 1)
    del wide, outgoing
    if columns[rank]:
        whole = interpolated(whole, (sum(after.rows), columns[rank]), (False, False), **_CUBIC)
    else:
        whole = whole.new_empty(len(own), sum(after.rows), 0)
    outgoing = [part.contiguous() for part in torch.split(whole, list(after.rows), 1)]
    shapes = [(len(own), after.strip.rows, count) for count in columns]
    return torch.cat(ranks.swap(outgoing, shapes), 2)


def share_of(
    ranks: Ranks | None, height: int, net: Architecture, settings: Settings
) -> Share | None:
    """The part of canvases of so many rows that is this process's; None for a run of one.

    Raises SettingsError where a process would have none.
    """
    if ranks is None:
        return None
    strips = strips_of(ranks.count, height, net, settings)
    return Share(ranks, strips, net, tuple(settings.style_taps))


def strips_of(count: int, height: int, net: Architecture, settings: Settings) -> tuple[Strip, ...]:
    """The strips of so many processes of a canvas of so many rows.

    Raises SettingsError where a process would have none.
    """
    taps = [*settings.content_taps, *settings.style_taps]
    strips = divided(height, count, net, taps)
    if strips is None:
        cells = net.positions(net.deepest(taps), height) if taps else height
        raise SettingsError(
            f"{count} processes share a canvas of {height} rows, which has room for {cells}; "
            f"raise smallest, or start fewer"
        )
    return strips


def check_shareable(
    settings: Settings,
    net: Architecture,
    stages: Sequence[Stage],
    terms: Sequence[object],
    ranks: Ranks,
) -> None:
    """SettingsError for what processes cannot share."""
    if terms:
        raise SettingsError("terms of your own see all of a canvas; leave distributed out")
    if settings.wraps[0]:
        raise SettingsError(
            f"seamless is {settings.seamless!r}; processes share rows that are no circle: choose x "
            f"or none, or leave distributed out"
        )
    loss = find_style_loss(settings.style_loss, settings.style_normalisation)
    if settings.style_weight and not hasattr(declaration(loss).statistic, "sums"):
        raise SettingsError(
            f"style_loss is {settings.style_loss!r}, which compares features one by one, and they "
            f"do not add up over processes; choose another, or leave distributed out"
        )
    for stage in stages:
        share_of(ranks, stage.size[1], net, settings)


def shortest(ranks: Ranks | None, history: int) -> int:
    """The history that all processes can keep."""
    return history if ranks is None else round(min(gathered(ranks, history)))
