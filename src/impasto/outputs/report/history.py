"""What a report tells, recorded while the run goes on: every loss and a few pictures."""

from __future__ import annotations

from dataclasses import dataclass

from impasto.images import Picture, fit
from impasto.outputs.timelapse.pace import Pace
from impasto.run.events import Step

__all__ = ["PREVIEW", "RunHistory", "Snapshot", "preview"]

PREVIEW = 512  # longest side of the pictures that are kept, in pixels


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A step, without its canvas, and its picture of at most `PREVIEW` px a side."""

    step: Step
    picture: Picture


class RunHistory:
    """The losses of all steps of a run, its initial canvas, and a few snapshots.

    Args:
        content, style: what the run starts from; None where it has no such picture.
        snapshots: number of pictures to keep, evenly spaced over the planned run.
    """

    def __init__(
        self, content: Picture | None, style: Picture | None, *, snapshots: int = 10
    ) -> None:
        self.content, self.style = content, style
        self.steps: list[Step] = []
        self.start: Snapshot | None = None
        self.snapshots: list[Snapshot] = []
        self._pace = Pace(snapshots)

    def record(self, step: Step) -> None:
        """Add a step of the run, while it has its canvas; to be called for each."""
        bare = step.bare()
        self.steps.append(bare)
        if not self._pace.due(step):
            return
        snapshot = Snapshot(bare, preview(step.picture()))
        if self.start is None:
            self.start = snapshot
        else:
            self.snapshots.append(snapshot)

    @property
    def scales(self) -> list[int]:
        """The canvas's longest sides in pixels, in the order of the run."""
        return list(dict.fromkeys(step.scale for step in self.steps))


def preview(picture: Picture, longest: int = PREVIEW) -> Picture:
    """The picture, reduced to at most `longest` px a side."""
    return fit(picture, min(longest, max(picture.size)))
