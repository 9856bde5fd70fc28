"""What a report tells, recorded while the run goes on: every loss and a few pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from impasto.images import Picture, fit
from impasto.outputs.sampler import EvenSampler
from impasto.run.events import Step

__all__ = ["BYTES", "PREVIEW", "RunHistory", "Snapshot", "preview"]

PREVIEW = 512  # longest side of a snapshot, in pixels
INPUT = 1024  # of content and style
SNAPSHOTS = 10
BYTES = 12 * ((SNAPSHOTS + 1) * PREVIEW**2 + 2 * INPUT**2)
"""The most memory that a history with so many snapshots takes: three float32 a pixel."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A step, without its canvas, and its picture of at most `PREVIEW` px a side."""

    step: Step
    picture: Picture


class RunHistory:
    """The losses of all steps of a run, its initial canvas, and a few snapshots.

    Args:
        content, style: what the run starts from, None where it has no such picture. They are kept
            at no more than `INPUT` px a side.
        snapshots: number of pictures to keep, evenly spaced over the planned run.
    """

    def __init__(
        self, content: Picture | None, style: Picture | None, *, snapshots: int = SNAPSHOTS
    ) -> None:
        self.content = content and preview(content, INPUT)
        self.style = style and preview(style, INPUT)
        self.steps: list[Step] = []
        self.start: Snapshot | None = None
        self.snapshots: list[Snapshot] = []
        self._sampler = EvenSampler(snapshots)

    def record(self, step: Step) -> Snapshot | None:
        """Add a step of the run, while it has its canvas, and return its snapshot if it gets one.

        To be called for each step.
        """
        bare = self._add(step)
        return self._shoot(bare, step.preview(PREVIEW)) if self._sampler.due(step) else None

    def replay(self, steps: Iterable[Step], pictures: Callable[[Step], Picture | None]) -> None:
        """Add the steps before a run was resumed, and snapshots from those `pictures` there are."""
        due = False
        for step in steps:
            bare = self._add(step)
            due = self._sampler.due(step) or due
            if due and (picture := pictures(step)):
                self._shoot(bare, picture)
                due = False

    def _add(self, step: Step) -> Step:
        self.steps.append(step.bare())
        return self.steps[-1]

    def _shoot(self, step: Step, picture: Picture) -> Snapshot:
        snapshot = Snapshot(step, picture)
        if len(self.steps) == 1:
            self.start = snapshot
        else:
            self.snapshots.append(snapshot)
        return snapshot

    @property
    def scales(self) -> list[int]:
        """The canvas's longest sides in pixels, in the order of the run."""
        return list(dict.fromkeys(step.scale for step in self.steps))


def preview(picture: Picture, longest: int = PREVIEW) -> Picture:
    """The picture, reduced to at most `longest` px a side."""
    return fit(picture, min(longest, max(picture.size)))
