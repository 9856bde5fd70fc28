"""Paper to draw on, measured in pixels: a matplotlib figure that ignores its user's settings."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeAlias

from impasto.errors import optional
from impasto.images import resize
from impasto.outputs.report.layout import CAPTION, Box, Placed

__all__ = ["INK", "PALE", "Axes", "Figure", "figure"]

Axes: TypeAlias = Any  # matplotlib's, which is imported late

INK = "#1f2328"
PALE = 0.65  # opacity of what is less important
FONT = "DejaVu Sans"  # comes with matplotlib, so that every machine draws the same
LOOK = {
    "font.family": FONT,
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "svg.hashsalt": "impasto",  # equal drawings make equal files
}

_lock = Lock()  # matplotlib's settings belong to the whole process


@contextmanager
def figure(width: int, height: int, dpi: int) -> Iterator[Figure]:
    """A white sheet of `width` x `height` pixels, to be used inside the block; text is 8 pt.

    Use 96 or 144 dpi: by most others, some sizes divide and multiply to a pixel less.
    """
    with _lock, _matplotlib("style").context(["default", LOOK]):
        size = (width / dpi, height / dpi)
        figure = _matplotlib("figure").Figure(size, dpi, facecolor="white")
        yield Figure(figure, width, height, dpi)


def _matplotlib(part: str) -> Any:  # noqa: ANN401 (a module)
    return optional(f"matplotlib.{part}", "report", "drawing a report")


class Figure:
    """What `paper` gives; all places are in pixels from the top left corner."""

    def __init__(self, figure: Any, width: int, height: int, dpi: int) -> None:  # noqa: ANN401
        self._figure, self.width, self.height, self.dpi = figure, width, height, dpi

    def line(
        self, text: str, left: int, top: int, room: int, *, size: float = 8, **look: object
    ) -> None:
        """One line of text, cut where `room` ends; � for characters that the font lacks."""
        x, y = left / self.width, 1 - top / self.height
        text = _with_glyphs(text)
        shown = self._figure.text(x, y, text, va="top", size=size, parse_math=False, **look)
        while (width := shown.get_window_extent().width) > room:
            text = text[: int(len(text) * room / width) - 1]
            shown.set_text(f"{text}…")

    def picture(self, placed: Placed, room: int) -> None:
        """The picture, pixel by pixel, and its caption of `room` px: the first line, then pale."""
        box = placed.box
        levels = resize(placed.picture, (box.width, box.height)).levels(8)
        self._figure.figimage(levels, box.left, self.height - box.top - box.height, origin="upper")
        for index, line in enumerate(placed.caption):
            top = box.top + box.height + 8 + index * (CAPTION - 8)
            self.line(line, box.left, top, room, alpha=PALE if index else 1)

    def axes(self, box: Box) -> Axes:
        """Axes whose frame is the box; tick labels are outside."""
        up = self.height - box.top - box.height
        left, width = box.left / self.width, box.width / self.width
        return self._figure.add_axes((left, up / self.height, width, box.height / self.height))

    def png(self) -> bytes:
        """The paper as a PNG file."""
        stream = io.BytesIO()
        self._figure.savefig(stream, format="png", metadata={"Software": "impasto"})
        return stream.getvalue()

    def svg(self) -> str:
        """The drawing, without paper, as an SVG element inside HTML, in the HTML's text colour."""
        stream = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        self._figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
        _, start, rest = stream.getvalue().partition("<svg")  # after XML's declaration
        return re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", start + rest).replace(INK, "currentColor")


def _with_glyphs(text: str) -> str:
    fonts = _matplotlib("font_manager")
    glyphs = fonts.get_font(fonts.findfont(FONT)).get_charmap()
    return "".join(c if ord(c) in glyphs else "\N{REPLACEMENT CHARACTER}" for c in text)
