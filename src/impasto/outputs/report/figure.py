"""A matplotlib figure measured in pixels, independent of the user's matplotlib settings."""

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
PALE = 0.65  # opacity of less important text
FONT = "DejaVu Sans"  # comes with matplotlib, so that every machine draws the same
STYLE = {
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
    """A white figure of `width` x `height` pixels, to be used inside the block; text is 8 pt.

    Use 96 or 144 dpi; most others round some sizes to a pixel less.
    """
    with _lock, _matplotlib("style").context(["default", STYLE]):
        size = (width / dpi, height / dpi)
        figure = _matplotlib("figure").Figure(size, dpi, facecolor="white")
        yield Figure(figure, width, height, dpi)


def _matplotlib(part: str) -> Any:  # noqa: ANN401 (a module)
    return optional(f"matplotlib.{part}", "report", "drawing a report")


class Figure:
    """What `figure` yields; all places are in pixels from the top left corner."""

    def __init__(self, figure: Any, width: int, height: int, dpi: int) -> None:  # noqa: ANN401 (of matplotlib)
        self._figure, self.width, self.height, self.dpi = figure, width, height, dpi

    def line(
        self, text: str, left: int, top: int, width: int, *, size: float = 8, **style: object
    ) -> None:
        """One line of text, cut to `width` px; � stands for characters that the font lacks."""
        x, y = left / self.width, 1 - top / self.height
        text = _with_glyphs(text)
        shown = self._figure.text(x, y, text, va="top", size=size, parse_math=False, **style)
        while (taken := shown.get_window_extent().width) > width:
            text = text[: int(len(text) * width / taken) - 1]
            shown.set_text(f"{text}…")

    def picture(self, placed: Placed, width: int) -> None:
        """The picture, pixel by pixel, and its caption of `width` px, pale after the first line."""
        box = placed.box
        levels = resize(placed.picture, (box.width, box.height)).levels(8)
        self._figure.figimage(levels, box.left, self.height - box.top - box.height, origin="upper")
        for index, line in enumerate(placed.caption):
            top = box.top + box.height + 8 + index * (CAPTION - 8)
            self.line(line, box.left, top, width, alpha=PALE if index else 1)

    def axes(self, box: Box) -> Axes:
        """Axes whose frame is the box; tick labels are outside."""
        up = self.height - box.top - box.height
        left, width = box.left / self.width, box.width / self.width
        return self._figure.add_axes((left, up / self.height, width, box.height / self.height))

    def png(self) -> bytes:
        """The figure as a PNG file."""
        stream = io.BytesIO()
        self._figure.savefig(stream, format="png", metadata={"Software": "impasto"})
        return stream.getvalue()

    def svg(self) -> str:
        """The drawing as an SVG element for HTML, without background, in the page's text colour."""
        stream = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        self._figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
        _, start, rest = stream.getvalue().partition("<svg")  # without the XML declaration
        return re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", start + rest).replace(INK, "currentColor")


def _with_glyphs(text: str) -> str:
    fonts = _matplotlib("font_manager")
    glyphs = fonts.get_font(fonts.findfont(FONT)).get_charmap()
    return "".join(c if ord(c) in glyphs else "\N{REPLACEMENT CHARACTER}" for c in text)
