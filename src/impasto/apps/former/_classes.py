"""Classes under their old names, with the methods that were renamed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from impasto.images import Picture
from impasto.outputs.report import RunHistory, write_report
from impasto.outputs.timelapse import Timelapse
from impasto.run.events import Step
from impasto.settings.variants import EFFECTS

__all__ = ["FINISHES", "Film", "Story"]


class Story(RunHistory):
    """`RunHistory`, with `moments` for `snapshots`, `note` for `record`, and `write`."""

    def __init__(
        self, content: Picture | None, style: Picture | None, *, moments: int = 10
    ) -> None:
        super().__init__(content, style, snapshots=moments)

    def note(self, step: Step) -> None:
        """Record a step."""
        self.record(step)

    def write(
        self,
        path: str | os.PathLike[str],
        result: Picture,
        *,
        title: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the report; see `write_report`."""
        write_report(self, path, result, title=title, facts=facts)


class Film(Timelapse):
    """`Timelapse`, with `note` for `record`."""

    def note(self, step: Step) -> None:
        """Record a step."""
        self.record(step)


FINISHES = {name: EFFECTS.get(name) for name in EFFECTS.names()}
