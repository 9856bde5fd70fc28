"""What a report tells, collected while the run goes on: every loss and a few pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from impasto.images import Picture, fit
from impasto.report.pace import Pace
from impasto.step import Step

__all__ = ["PREVIEW", "Moment", "Story", "preview"]

PREVIEW = 512  # longest side in pixels of the pictures that are kept


@dataclass(frozen=True, eq=False)
class Moment:
    """A step, without its canvas, and its picture of at most `PREVIEW` px a side."""

    step: Step
    picture: Picture


class Story:
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
        self.start: Moment | None = None
        self.moments: list[Moment] = []
        self._pace = Pace(moments)

    def note(self, step: Step) -> None:
        """Remember a step; to be called for each, while it has its canvas."""
        bare = step.bare()
        self.steps.append(bare)
        if not self._pace.due(step):
            return
        moment = Moment(bare, preview(step.picture()))
        if self.start is None:
            self.start = moment
        else:
            self.moments.append(moment)

    @property
    def scales(self) -> list[int]:
        """The canvas's longest sides in pixels, in the order in which the run came to them."""
        return list(dict.fromkeys(step.scale for step in self.steps))

    def write(
        self,
        path: str | os.PathLike[str],
        result: Picture,
        *,
        title: str = "",
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Write the report that the path's ending names, all of it or nothing.

        `.png` is a sheet of pictures and curves; `.html` a page, which also has the result at its
        full size and a table of `facts`, such as the settings.

        Raises OutputError where it cannot be written, ExtraMissing for a library it needs.
        """
        from impasto.report.writing import write  # writing needs Story, so not at the top

        write(self, path, result, title, facts or {})


def preview(picture: Picture, longest: int = PREVIEW) -> Picture:
    """The picture at no more than `longest` px a side."""
    return fit(picture, min(longest, max(picture.size)))
