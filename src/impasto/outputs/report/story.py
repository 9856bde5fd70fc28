"""What a report tells, collected while the run goes on: every loss and a few pictures."""

from __future__ import annotations

from dataclasses import dataclass

from impasto.images import Picture, fit
from impasto.outputs.timelapse.pace import Pace
from impasto.run.events import Step

__all__ = ["PREVIEW", "RunHistory", "Snapshot", "preview"]

PREVIEW = 512  # longest side in pixels of the pictures that are kept


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A step, without its canvas, and its picture of at most `PREVIEW` px a side."""

    step: Step
    picture: Picture


class RunHistory:
    """The losses of all steps of a run, its initial canvas, and its picture at a few `moments`.

    Args:
        content, style: what the run starts from; None where it has no such picture.
        moments: how many pictures to keep, evenly spaced over the planned run.
    """

    def __init__(
        self, content: Picture | None, style: Picture | None, *, moments: int = 10
    ) -> None:
        self.content, self.style = content, style
        self.steps: list[Step] = []
        self.start: Snapshot | None = None
        self.moments: list[Snapshot] = []
        self._pace = Pace(moments)

    def note(self, step: Step) -> None:
        """Remember a step; to be called for each, while it has its canvas."""
        bare = step.bare()
        self.steps.append(bare)
        if not self._pace.due(step):
            return
        moment = Snapshot(bare, preview(step.picture()))
        if self.start is None:
            self.start = moment
        else:
            self.moments.append(moment)

    @property
    def scales(self) -> list[int]:
        """The canvas's longest sides in pixels, in the order in which the run came to them."""
        return list(dict.fromkeys(step.scale for step in self.steps))


def preview(picture: Picture, longest: int = PREVIEW) -> Picture:
    """The picture at no more than `longest` px a side."""
    return fit(picture, min(longest, max(picture.size)))
