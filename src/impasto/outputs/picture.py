"""The picture itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from impasto.outputs.base import Option, Output, Size

if TYPE_CHECKING:
    from impasto.run import Result

__all__ = ["PictureOutput"]


class PictureOutput(Output):
    """The result, written when the run ends."""

    options = (
        Option(
            "output",
            Path,
            "The result: .png .jpg .webp .tiff .avif; left out, the recipe names it.",
            metavar="FILE",
            short="-o",
        ),
        Option("bits", int, "Depth of PNG and TIFF: 8 or 16.", minimum=8, maximum=16),
        Option("quality", int, "Of JPEG, WebP, AVIF.", minimum=1, maximum=100),
    )
    resumable = True

    def check(self, size: Size | None) -> None:
        """OutputError where a picture of `size` (w, h), if known, cannot be written."""
        self.target.check(self.path, size)

    def finish(self, result: Result | None) -> None:
        """Write the picture; OutputError where that fails."""
        if result:
            self.target.save(result.image)
