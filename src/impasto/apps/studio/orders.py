"""What passes between the studio and the painter's process: plain, picklable values.

studio ── Work, Adjust, End, Watch, Quit ──> painter
studio <── Told ── painter
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from impasto.errors import ImageError
from impasto.images.held import Encoded

__all__ = ["Adjust", "End", "How", "Kept", "Order", "Quit", "Told", "Watch", "Work"]

How = Literal["pause", "stop", "discard", "quit"]


@dataclass(frozen=True)
class Kept:
    """A picture of the library: its file, and the name that it was uploaded under."""

    path: Path
    name: str

    def read(self) -> Encoded:
        """The file under its name, which errors and the result's record then have; ImageError."""
        try:
            return Encoded(self.name, self.path.read_bytes())
        except OSError as error:
            raise ImageError(f"{self.name}: {error.strerror}; it was there before") from error


@dataclass(frozen=True)
class Work:
    """A job to paint, or to go on with.

    Attributes:
        job: its id.
        folder: its folder.
        recipe, settings: settings to start from, and those that differ.
        extra: iterations added at the last scale.
        shape: (width, height) of the picture after which the result is shaped, pixels.
        content, styles, protect, content_masks: pictures and masks.
        start: folder of the job from whose canvas it starts.
        version: number of the settings; the answer names it.
        only_result: write the result of what is painted, and paint nothing.
    """

    job: str
    folder: Path
    recipe: str
    settings: Mapping[str, Any]
    shape: tuple[int, int]
    content: Kept | None
    styles: tuple[Kept, ...] = ()
    protect: Kept | None = None
    content_masks: tuple[Kept, ...] = ()
    start: Path | None = None
    extra: int = 0
    version: int = 0
    only_result: bool = False


@dataclass(frozen=True)
class Adjust:
    """Go on with the job that is painted, from its canvas, with other settings."""

    work: Work


@dataclass(frozen=True)
class End:
    """End the job that is painted."""

    job: str
    how: How


@dataclass(frozen=True)
class Watch:
    """Who looks at previews.

    Attributes:
        side: longest side that somebody looks at, pixels; 0 for no previews.
        viewers: how many pull each of them.
    """

    side: int = 0
    viewers: int = 0


@dataclass(frozen=True)
class Quit:
    """End, and save what is painted."""


Order = Work | Adjust | End | Watch | Quit


@dataclass(frozen=True)
class Told:
    """Something that happened to a job.

    `kind` is ready, opened, stage, step, timed, notice, preview, result, ended or died; `facts` are
    plain values.
    """

    kind: str
    job: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
