"""The picture itself."""

from __future__ import annotations

from collections.abc import Iterator
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
            "The result: .png .jpg .webp .tiff .avif, or - for standard output; by default a new "
            "name.",
            metavar="FILE",
            short="-o",
        ),
        Option(
            "format",
            str,
            "Of a picture on standard output: png, jpg, webp, tiff, avif.",
            metavar="NAME",
        ),
        Option("bits", int, "Depth of PNG and TIFF: 8 or 16.", minimum=8, maximum=16),
        Option("quality", int, "Of JPEG, WebP, AVIF.", minimum=1, maximum=100),
        Option(
            "metadata",
            str,
            "What stays of the photograph's: keep (time, artist, copyright, resolution), all "
            "(the place too), none.",
            metavar="keep|all|none",
            choices=("keep", "all", "none"),
        ),
        Option(
            "record",
            str,
            "How much of our own record it has: none, short (settings alone), full (files, "
            "checksums and versions too).",
            metavar="none|short|full",
            choices=("none", "short", "full"),
        ),
    )
    resumable = True

    def paths(self, iterations: int) -> Iterator[Path]:
        """The file; none for a stream."""
        if self.target.stream is None:
            yield self.path

    def check(self, size: Size | None) -> None:
        """OutputError where a picture of `size` (w, h), if known, cannot be written."""
        self.target.check(None if self.target.stream else self.path, size)

    def finish(self, result: Result | None) -> None:
        """Write the picture; OutputError where that fails."""
        if result:
            self.target.save(result.image)
