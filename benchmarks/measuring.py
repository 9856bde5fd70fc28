"""Measurements in alternation, their spread, and Markdown tables with ratios."""

import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import torch

from impasto.errors import version_of
from impasto.hardware.device import choose_threads, describe_cpu

__all__ = [
    "SPREAD",
    "Spread",
    "alternated",
    "apart",
    "compared",
    "heading",
    "say",
    "seconds",
    "table",
]

SPREAD = ["min", "median", "max", "ratio of min", "of medians"]
"""The columns that `compared` fills, after the name."""


@dataclass(frozen=True)
class Spread:
    """Least, median and greatest of repeated measurements."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(min(values), statistics.median(values), max(values))

    def cells(self, digits: int = 3) -> list[str]:
        """The three as table cells, to so many significant digits."""
        return [_number(value, digits) for value in (self.least, self.median, self.most)]

    def over(self, base: "Spread") -> list[str]:
        """Ratios of the minima and of the medians, as table cells."""
        return [f"{self.least / base.least:.2f}", f"{self.median / base.median:.2f}"]


def _number(value: float, digits: int) -> str:
    """So many significant digits, never with an exponent where the digits can be written out."""
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".rstrip(".")


def alternated(
    subjects: Mapping[str, Callable[[], float]], repeats: int, warm_up: int = 0
) -> dict[str, list[float]]:
    """What each subject returns, `repeats` times, taken in turn: A, B, A, B, …

    So a machine that slows down or has other work slows all of them alike. The first `warm_up`
    rounds are not counted.
    """
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(warm_up + repeats):
        for name, measure in subjects.items():
            value = measure()
            if turn >= warm_up:
                taken[name].append(value)
    return taken


def apart(work: Callable[..., None], *arguments: object) -> Any:
    """What `work` sends through the pipe that is its last argument, from a fresh process."""
    fresh = multiprocessing.get_context("spawn")
    receiving, sending = fresh.Pipe(duplex=False)
    process = fresh.Process(target=work, args=(*arguments, sending))
    process.start()
    sending.close()
    with receiving:
        answer = receiving.recv()
    process.join()
    return answer


def seconds(work: Callable[[], object]) -> Callable[[], float]:
    """A measurement: how long one call of `work` takes."""

    def measure() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return measure


def compared(taken: Mapping[str, Sequence[float]], base: str) -> list[list[str]]:
    """A table row a subject: name, least, median, most, and the ratios to `base`."""
    spreads = {name: Spread.of(values) for name, values in taken.items()}
    return [[name, *s.cells(), *s.over(spreads[base])] for name, s in spreads.items()]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An aligned Markdown table: the first column to the left, numbers to the right."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    aligned = [
        [line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]
        for line in [lines[0], rule, *lines[1:]]
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in aligned) + "\n"


def heading(title: str, *notes: str, threads: int = 0) -> str:
    """What was measured where: machine, versions, date, and whatever `notes` add."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    cores, used = choose_threads(0).value, choose_threads(threads).value
    versions = f"python {platform.python_version()}, torch {torch.__version__}"
    facts = [
        f"{describe_cpu()}, {cores} cores, {used} torch threads",
        f"{versions}, impasto {version_of('impasto')}",
        *notes,
        now,
    ]
    return "\n".join([f"## {title}", "", *(f"- {fact}" for fact in facts), ""])


def say(text: str) -> None:
    """Tell a person who waits, on stderr, so that stdout remains the report."""
    print(text, file=sys.stderr, flush=True)
