"""How long a plan will take: its multiply-adds over the rate of this machine.

    seconds = Σ stages: iterations · evaluations · multiply-adds / rate

The rate is learned from the stages of real runs, and begins with a calibration.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from impasto.apps.studio.darkroom import Darkroom
from impasto.apps.studio.refusal import Refusal
from impasto.apps.studio.requests import JobRequest, Shelf
from impasto.errors import OutputError
from impasto.images.atomic import AtomicFile

__all__ = ["Forecast"]

_MEMORY = 0.7  # how much of a rate stays when a stage as long as _LONG is learned
_LONG = 20.0  # seconds


class Forecast:
    """Rates of this machine, kept in a file, and the plans whose time they tell."""

    def __init__(self, file: Path, darkroom: Darkroom) -> None:
        self._file, self._darkroom = file, darkroom
        self._rates = _read(file)  # multiply-adds a second, by what they were measured on
        self._calibration: asyncio.Task[None] | None = None

    async def plan(self, request: JobRequest, shelf: Shelf) -> dict[str, Any]:
        """The plan of a request; `seconds` is None until something is known of this machine.

        Each stage has `seconds` too, and `work`, its multiply-adds; `machine` says on what they are
        done. Raises Refusal 422 for what a run would refuse.
        """
        sizes = {p: _size(shelf, p) for p in request.pictures()}
        content = request.content and sizes[request.content]
        styles = [sizes[style] for style in request.styles]
        found: dict[str, Any] = await self._darkroom.call(
            "plan", request.recipe, request.settings, content, styles
        )
        if found["fits"]:
            await self._calibrated()
        rate = self.rate(found["machine"])
        for stage in found["stages"]:
            known = rate and "work" in stage
            stage["seconds"] = round(stage["work"] / rate, 2) if known else None
        seconds = [stage["seconds"] for stage in found["stages"]]
        return {**found, "seconds": None if None in seconds else round(sum(seconds), 1)}

    def rate(self, machine: str) -> float | None:
        """Multiply-adds a second; of the most similar that is known where this one is not."""
        if machine in self._rates or not self._rates:
            return self._rates.get(machine)
        wanted = machine.split()
        return max(self._rates.items(), key=lambda pair: _alike(pair[0].split(), wanted))[1]

    def learn(self, machine: str, work: float, seconds: float) -> None:
        """Take in that so many multiply-adds took so long; long stages say more than short ones."""
        if not (work > 0 and seconds > 0):
            return
        rate, before = work / seconds, self._rates.get(machine)
        if before is not None:
            kept = _MEMORY ** min(1.0, seconds / _LONG)
            rate = math.exp(kept * math.log(before) + (1 - kept) * math.log(rate))
        self._rates[machine] = rate
        self._save()

    async def _calibrated(self) -> None:
        """Measure this machine once, if nothing is known of it."""
        if self._rates:
            return
        if self._calibration is None:
            self._calibration = asyncio.create_task(self._calibrate())
        await asyncio.shield(self._calibration)

    async def _calibrate(self) -> None:
        try:
            found = await self._darkroom.call("calibrate")
        except Refusal:
            return
        self.learn(found["machine"], found["work"], found["seconds"])

    def _save(self) -> None:
        """Keep the rates for the next studio; a full disk does not matter here."""
        with suppress(OutputError), AtomicFile(self._file) as draft:
            draft.write_text(json.dumps(self._rates, indent=1), "utf-8")


def _size(shelf: Shelf, picture: str) -> tuple[int, int]:
    facts: Mapping[str, Any] = shelf.facts(picture)
    return facts["width"], facts["height"]


def _alike(one: list[str], other: list[str]) -> int:
    """How many words two machines have in common, the first counting most."""
    pairs = enumerate(zip(one, other, strict=False))
    return sum(8 >> place for place, (here, there) in pairs if here == there)


def _read(file: Path) -> dict[str, float]:
    """The rates of a file; none where it is missing or damaged."""
    try:
        rates = json.loads(file.read_text("utf-8"))
        return {str(name): float(rate) for name, rate in rates.items() if float(rate) > 0}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
