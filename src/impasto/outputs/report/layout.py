"""Where things go on paper, in pixels from its top left corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from impasto.images import Picture

__all__ = ["CAPTION", "GAP", "MARGIN", "WIDTH", "Box", "Placed", "grid", "overview"]

WIDTH = 1600
MARGIN = 56
GAP = 24
CAPTION = 34  # a line of text under a picture
NAME = 150  # the width of "Initial canvas", which no narrow picture takes away
TALLEST = 1440  # of the result
COLUMNS = 5
CELL = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
TALLEST_CELL = 480
INPUTS = (0.2, 0.42)  # least and largest share of the width that content and style may take


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Placed:
    """A picture to be shown in a box of its shape, over lines of caption."""

    picture: Picture
    caption: tuple[str, ...]
    box: Box

    @property
    def bottom(self) -> int:
        """Where its caption ends."""
        return self.box.top + self.box.height + CAPTION * len(self.caption)


def overview(
    inputs: Sequence[tuple[str, Picture]], result: tuple[str, Picture], top: int
) -> list[Placed]:
    """The inputs in a column, and the result beside it just as tall, as far as shapes permit.

    With s the height of a picture 1 wide, a column w wide is w·Σs + c high, c being what captions
    and gaps take; the result, W - w wide, is (W - w)·s' high. Equal heights give w.
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
    """Of the column and of the result."""
    room = WIDTH - 2 * MARGIN
    if not slopes:
        return 0.0, min(room, TALLEST / slope)
    room -= GAP
    between = (CAPTION + GAP) * (len(slopes) - 1)
    column = (room - between / slope) / (1 + sum(slopes) / slope)
    column = min(max(column, INPUTS[0] * room), INPUTS[1] * room)
    column = min(column, (TALLEST - between) / sum(slopes))
    return column, min(room - max(column, NAME), TALLEST / slope)


def grid(pictures: Sequence[tuple[tuple[str, ...], Picture]], top: int) -> list[Placed]:
    """Rows of five, each as high as the highest picture."""
    slopes = [_slope(picture) for _, picture in pictures]
    height = min(TALLEST_CELL, round(CELL * max(slopes, default=0)))
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
