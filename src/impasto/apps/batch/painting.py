"""A batch: pair after pair painted, recorded, and passed over where that was done before."""

from __future__ import annotations

import functools
import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from impasto.apps.batch.layout import Job, Layout, made
from impasto.apps.batch.manifest import Entry, Manifest
from impasto.apps.batch.pairs import Pair
from impasto.errors import Diverged, ImageError, OutOfMemory, OutputError
from impasto.hardware.allocator import tuned_malloc
from impasto.images import MAX_PIXELS
from impasto.images.checksums import file_checksum
from impasto.objective import StyleCache
from impasto.outputs.session import paint
from impasto.run import Result, Run
from impasto.run.events import Event, Step
from impasto.run.inputs import check_layers
from impasto.settings import Settings

__all__ = ["Batch"]

OWN = (ImageError, OutputError, OutOfMemory, Diverged)
"""What one pair may fail of; anything else would befall the others too."""

STYLES = 64  # measured and remembered at least
_SCALES = 16  # more than runs have

Show = Callable[[Event], object]


class Batch:
    """Pairs to paint; iterate over it for an Entry per pair.

    Args:
        pairs: what to paint, in this order.
        settings: how.
        layout: where to.
        max_pixels: refuse pictures larger than this before decoding them.
        overwrite: paint again what was done before, too.

    A pair that fails of its own is recorded, and the next begun. Whatever else ends the batch,
    KeyboardInterrupt too, is recorded and raised. No result stays in memory.

    Raises SettingsError or OutputError for names that do not do; see `Layout.jobs`.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        settings: Settings,
        layout: Layout,
        *,
        max_pixels: int = MAX_PIXELS,
        overwrite: bool = False,
    ) -> None:
        self.settings, self.layout = settings, layout
        self.jobs = layout.jobs(pairs, settings)
        self.manifest = Manifest(layout.manifest)
        self._max_pixels, self._overwrite = max_pixels, overwrite
        self._cache = StyleCache(max(STYLES, _recurring(pairs) * _SCALES))

    def __len__(self) -> int:
        """How many pairs there are."""
        return len(self.jobs)

    def __iter__(self) -> Iterator[Entry]:
        """Paint them; see `entries`."""
        return self.entries()

    def entries(self, show: Show = lambda _: None) -> Iterator[Entry]:
        """Paint pair after pair, show each event, and tell what became of each pair.

        Raises OutputError if the folder or its manifest cannot be written, SettingsError or
        WeightsError for a network or layers that there are not.
        """
        check_layers(self.settings)
        self.layout.prepare(self.jobs, self.settings)
        latest = {} if self._overwrite else self.manifest.latest()
        checksum = functools.cache(_checksum)
        for job in self.jobs:
            begun = self._begun(job, checksum(job.pair.content), checksum(job.pair.style))
            done = _is_done(job, begun, latest.get(job.name))
            entry = begun if done else self._painted(job, begun, show)
            if entry.error:
                gc.collect()  # a failed run's arrays hang on its error, in a cycle
            yield entry

    def _begun(self, job: Job, content: str | None, style: str | None) -> Entry:
        """The entry of a pair with which nothing was done yet, but for its files' checksums."""
        return Entry(
            index=job.index,
            content=str(job.pair.content),
            style=str(job.pair.style),
            output=job.name,
            content_sha256=content,
            style_sha256=style,
            status="skipped",
            settings=self.settings.model_dump(mode="json"),
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=0.0,
        )

    def _painted(self, job: Job, begun: Entry, show: Show) -> Entry:
        """Paint, and append to the manifest what came of it."""
        clock = time.perf_counter()

        def ended(status: str, **facts: Any) -> Entry:  # noqa: ANN401 (fields of Entry)
            seconds = round(time.perf_counter() - clock, 3)
            entry = replace(begun, status=status, seconds=seconds, **facts)
            self.manifest.append(entry)
            return entry

        try:
            result = self._result(job, show)
        except OWN as error:
            return ended("failed", error=_told(error))
        except BaseException as error:
            ended("failed", error=_told(error))
            raise
        step = _kept(result)
        return ended("done", iterations=result.steps[-1].done, loss=step.loss, terms=step.terms)

    def _result(self, job: Job, show: Show) -> Result:
        """Paint and write all files; KeyboardInterrupt once what there is of a run is saved."""
        content, style = job.pair.content, job.pair.style
        arguments: dict[str, Any] = {"max_pixels": self._max_pixels, "cache": self._cache}
        run = Run(content, style, self.settings, **arguments, **self.layout.sources)
        made(job.request.target.path.parent)
        with tuned_malloc() as suit:

            def follow(event: Any) -> None:  # noqa: ANN401 (events of a run)
                suit(event)
                show(event)

            outcome = paint(run, job.request, follow)
        if outcome.result is None or outcome.interrupted:
            raise KeyboardInterrupt
        return outcome.result


def _is_done(job: Job, begun: Entry, known: Entry | None) -> bool:
    """Whether the manifest has the pair as done, of the same files by the same settings."""
    if known is None or known.status != "done":
        return False
    told = [(e.settings, e.content_sha256, e.style_sha256) for e in (begun, known)]
    # Path.is_file would raise for a name that is too long
    return told[0] == told[1] and os.path.isfile(job.request.target.path)  # noqa: PTH113


def _kept(result: Result) -> Step:
    """The step whose canvas became the picture: the last, or the best at the last scale."""
    if result.settings.select == "last":
        return result.steps[-1]
    first = max(n for n, step in enumerate(result.steps) if step.iteration == 0)
    return min(result.steps[first:], key=lambda step: step.loss)


def _told(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = " ".join(str(error).split())
    return text if isinstance(error, OWN) else f"{type(error).__name__}: {text}"


def _recurring(pairs: Sequence[Pair]) -> int:
    """How many paintings are in several pairs."""
    return sum(count > 1 for count in Counter(pair.style for pair in pairs).values())


def _checksum(path: Path) -> str | None:
    """SHA-256 in hexadecimal digits; None for what is no readable file: painting it says why."""
    try:
        # Opening a pipe would wait for its other end.
        return file_checksum(path) if path.is_file() else None
    except OSError:
        return None
