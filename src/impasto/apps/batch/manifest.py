"""The record of a batch: a line for each pair that was begun, however it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from impasto.apps.batch.stores import Place, StoredLines, Url
from impasto.apps.lines import Lines

__all__ = ["Entry", "Manifest"]


@dataclass(frozen=True)
class Entry:
    """How a pair ended: a line of the manifest.

    Attributes:
        index: the pair's number, from 0.
        content, style: its files as they were given.
        output: the result's name within the output folder, with "/".
        content_sha256, style_sha256: checksums; None where a file could not be read, and of one in
            a store.
        status: "done", "failed", or "skipped" for a pair that was done before, which no manifest
            holds.
        settings: the fields of Settings.
        started: when painting began, ISO 8601 in UTC.
        seconds: how long it took.
        iterations, loss, terms: of the canvas that became the picture; None if the pair failed.
        error: why it failed, in one line.
        inputs: checksums of the files that all pairs share, such as masks, by role; and the
            versions of `content` and `style` in a store, which have no checksum.
        worker: who painted it, of several that share a batch: host and process.
        raised: the error that ends the whole batch; in no manifest.
    """

    index: int
    content: str
    style: str
    output: str
    content_sha256: str | None
    style_sha256: str | None
    status: str
    settings: Mapping[str, Any]
    started: str
    seconds: float
    iterations: int | None = None
    loss: float | None = None
    terms: Mapping[str, float] | None = None
    error: str | None = None
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    worker: str | None = None
    raised: BaseException | None = field(default=None, compare=False, repr=False)

    def line(self) -> dict[str, Any]:
        """Plain values by name, as in the manifest."""
        return {name: value for name, value in vars(self).items() if name != "raised"}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Entry | None:
        """The entry that a line holds; None for anything else, whoever wrote it."""
        try:
            entry = cls(**{name: record[name] for name in _FIELDS if name in record})
        except TypeError:
            return None
        return entry if isinstance(entry.output, str) else None


_FIELDS = tuple(entry.name for entry in fields(Entry) if entry.name != "raised")


class Manifest:
    """A file of JSON lines, to which any number of processes of one machine may append.

    In a store one process at a time may.
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        self._lines = (
            StoredLines(path)
            if isinstance(path, Url)
            else Lines(path, "a batch must read it, and add a line for each pair")
        )

    def append(self, entry: Entry) -> None:
        """Add a line; OutputError where that fails.

        It is on the disk when this returns, but in a store it may wait for `flush`.
        """
        self._lines.append(entry.line())

    def touch(self) -> None:
        """Make it if there is none; OutputError where it cannot be written."""
        self._lines.touch()

    def flush(self) -> None:
        """Write what waits; OutputError where that fails."""
        self._lines.flush()

    def latest(self) -> dict[str, Entry]:
        """The last entry of each output; lines that are no entries are ignored."""
        return {entry.output: entry for entry in map(Entry.of, self._lines) if entry}

    def compact(self, ended: Sequence[Entry], check: Callable[[], object]) -> None:
        """Replace it by one with a line for each output, at its end `ended` in their order.

        `check` prevents it by raising, at the last moment. Raises OutputError where it fails.
        """
        own = {entry.output for entry in ended}
        latest = {line.get("output"): line for line in self._lines if Entry.of(line)}
        others = [line for output, line in latest.items() if output not in own]
        self._lines.rewrite([*others, *(entry.line() for entry in ended)], check)
