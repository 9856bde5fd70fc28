"""Places of pictures on a sheet, in pixels from its top left corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from impasto.images import Picture

__all__ = ["CAPTION", "GAP", "MARGIN", "WIDTH", "Box", "Placed", "grid", "overview"]

WIDTH = 1600
MARGIN = 56
GAP = 24
CAPTION = 34  # a line of text under a picture
NAME = 150  # width of the caption "Initial canvas", also under a narrower picture
MAX_HEIGHT = 1440  # of the result
COLUMNS = 5
CELL = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
MAX_CELL_HEIGHT = 480
INPUTS = (0.2, 0.42)  # minimal and maximal share of the width for content and style


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Placed:
    """A picture in a box of its shape, above the lines of its caption."""

    picture: Picture
    caption: tuple[str, ...]
    box: Box

    @property
    def bottom(self) -> int:
        """The lower end of its caption."""
        return self.box.top + self.box.height + CAPTION * len(self.caption)


def overview(
    inputs: Sequence[tuple[str, Picture]], result: tuple[str, Picture], top: int
) -> list[Placed]:
    """The inputs in a column, and the result beside it, equally tall if their shapes permit.

    With s the height of a picture of width 1, a column of width w is w·Σs + c high, where c is the
    height of captions and gaps; the result of width W - w is (W - w)·s' high. Equal heights give w.
    """
    column, large = _widths([_slope(picture) for _, picture in inputs], _slope(result[1]))
    beside = max(round(column), NAME) + GAP if inputs else 0
    left = (WIDTH - beside - round(large)) // 2
    placed, y = [], top
    for name, picture in inputs:
        placed.append(_placed(picture, (name,), left, y, column))
        y = placed[-1].bottom + GAP
    return [*placed, _placed(result[1], (result[0],), left + beside, top, large)]


def _widths(slopes: Sequence[float], slope: float) -> tuple[float, float]:
    """Widths of the column and of the result."""
    width = WIDTH - 2 * MARGIN
    if not slopes:
        return 0.0, min(width, MAX_HEIGHT / slope)
    width -= GAP
    between = (CAPTION + GAP) * (len(slopes) - 1)
    column = (width - between / slope) / (1 + sum(slopes) / slope)
    column = min(max(column, INPUTS[0] * width), INPUTS[1] * width)
    column = min(column, (MAX_HEIGHT - between) / sum(slopes))
    return column, min(width - max(column, NAME), MAX_HEIGHT / slope)


def grid(pictures: Sequence[tuple[tuple[str, ...], Picture]], top: int) -> list[Placed]:
    """Pictures in rows of five, each row as high as the highest picture."""
    slopes = [_slope(picture) for _, picture in pictures]
    height = min(MAX_CELL_HEIGHT, round(CELL * max(slopes, default=0)))
    placed = []
    for index, (caption, picture) in enumerate(pictures):
        row, column = divmod(index, COLUMNS)
        y = top + row * (height + CAPTION * len(caption) + GAP)
        width = min(CELL, height / slopes[index])
        placed.append(_placed(picture, caption, MARGIN + column * (CELL + GAP), y, width))
    return placed


def _slope(picture: Picture) -> float:
    return picture.height / picture.width


def _placed(
    picture: Picture, caption: tuple[str, ...], left: int, top: int, width: float
) -> Placed:
    height = max(1, round(width * _slope(picture)))
    return Placed(picture, caption, Box(left, top, max(1, round(width)), height))
