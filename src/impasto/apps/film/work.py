"""The work folder of a film: a lossless file for each painted frame, and a line about each.

    work/
      film.json                  identity: settings and checksums of the sources
      frames.jsonl               one line a frame, appended when its file is whole
      000123.png                 a frame, 16 bits a channel
      canvases/000123.safetensors  float32 state, of the few frames that painting goes on from

A frame is done when there are its line and its file, and the checksum in the line is the file's. So
a process may be killed at any byte: what is not done is painted again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from impasto.apps.lines import Lines
from impasto.errors import OutputError, brief, shown
from impasto.images import AtomicFile, file_checksum
from impasto.images.encode import write_levels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

__all__ = ["Canvas", "Entry", "Kind", "Work"]

HEADER, MANIFEST, CANVASES = "film.json", "frames.jsonl", "canvases"


Kind = Literal["first", "held", "between"]


@dataclass(frozen=True)
class Entry:
    """How a frame was painted: a line of the manifest.

    Attributes:
        index: the frame's number, from 0.
        time: when it is shown, seconds from the clip's first frame.
        sha256: checksum of its file.
        kind: how it was made: "first" of its shot, a still; "held" by frames painted before; or
            filled in "between" two that are painted.
        shot: number of its shot, from 0.
        iterations, loss: of the canvas that became the frame; the loss is None without iterations.
        e_warp: mean squared difference from the warped frame that was painted before it, of
            reliable pixels, in levels from 0 to 1; None for the first frame of a shot.
        reliable: the part of its pixels that the flow explains, from 0 to 1; None likewise.
        seconds: how long it took.
        notes: one line each.
    """

    index: int
    time: float
    sha256: str
    kind: Kind = "held"
    shot: int = 0
    iterations: int = 0
    loss: float | None = None
    e_warp: float | None = None
    reliable: float | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Canvas:
    """What painting goes on from.

    Attributes:
        pixels: (3, h, w) float32, sRGB, of any range.
        settled: (h, w) float32 in [0, 1], how far each pixel is painted.
    """

    pixels: Tensor
    settled: Tensor

    @classmethod
    def of(cls, pixels: Tensor) -> Canvas:
        """A canvas that is painted everywhere."""
        return cls(pixels, pixels.new_ones(pixels.shape[1:]))


class Work:
    """A folder of painted frames, to which processes that paint other frames may add too.

    All of them append to one manifest, each line in one write: that is whole on local file systems.
    Where two computers share a folder without such writes, a line may be lost; its frame counts as
    not painted and is painted again, to the same bytes.

    Args:
        folder: the work folder; it is made, with the folders above it.
        identity: plain values by name: settings, checksums of the sources. A folder of another
            identity is refused.
        span: the frames that this process paints; canvases of others are left alone.

    Raises OutputError where the folder belongs to another film or to other files, or cannot be
    written.
    """

    def __init__(
        self, folder: str | os.PathLike[str], identity: Mapping[str, Any], span: range | None = None
    ) -> None:
        self.folder, self._span = Path(os.fsdecode(folder)), span
        self._lines = Lines(
            self.folder / MANIFEST, "a film must read it, and add a line for each frame"
        )
        self._verified: dict[int, Entry] = {}
        with self._os_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._identify(json.loads(json.dumps(dict(identity))))

    def file(self, index: int) -> Path:
        """The file of a frame, whether it is there or not."""
        return self.folder / f"{index:06d}.png"

    def write(
        self,
        index: int,
        time: float,
        levels: np.ndarray,
        **facts: Any,  # noqa: ANN401 (fields of Entry)
    ) -> Entry:
        """Write a frame (h, w, 3) uint16, sRGB, then its line; `facts` are fields of `Entry`.

        Raises OutputError where that fails, as at a full disk; frames before it stay.
        """
        if levels.dtype != np.uint16 or levels.ndim != 3 or levels.shape[2] != 3:
            raise ValueError(f"levels: {levels.dtype} {levels.shape}; expected uint16 (h, w, 3)")
        with self._os_errors():
            write_levels(levels, self.file(index))
            entry = Entry(index, time, file_checksum(self.file(index)), **facts)
        self._lines.append(asdict(entry))
        self._verified[index] = entry
        return entry

    def read(self, index: int) -> np.ndarray:
        """A frame that is done: (h, w, 3) uint16, sRGB; ImageError if its file is not readable."""
        from impasto.images import read

        return read(self.file(index)).levels(16)

    def entries(self) -> dict[int, Entry]:
        """The last line of each frame, by index, whether its file is there or not."""
        found = (_entry(values) for values in self._lines)
        return dict(sorted((entry.index, entry) for entry in found if entry))

    def done(self, index: int) -> Entry | None:
        """The line of a frame whose file is whole; None if it is to be painted."""
        if index not in self._verified:
            self._verify(self.entries(), [index])
        return self._verified.get(index)

    def missing(self, indices: Iterable[int]) -> list[int]:
        """Those of the frames that are to be painted, in their order."""
        indices = list(indices)
        self._verify(self.entries(), indices)
        return [index for index in indices if index not in self._verified]

    def keep_canvas(
        self, index: int, canvas: Canvas, needed: Collection[int] | None = None
    ) -> None:
        """Keep the canvas of a frame, exactly.

        Of the canvases of our span only `needed`, indices of frames, stay with it; None: all.
        Raises OutputError where it cannot be written.
        """
        from safetensors.torch import save

        with self._os_errors():
            (self.folder / CANVASES).mkdir(exist_ok=True)
            with AtomicFile(self._canvas(index)) as file:
                planes = {"canvas": canvas.pixels, "settled": canvas.settled}
                file.write_bytes(
                    save({n: x.detach().cpu().contiguous() for n, x in planes.items()})
                )
            if needed is not None:
                self.prune({index, *needed})

    def canvas(self, index: int) -> Canvas | None:
        """The canvas that was kept of a frame; None if there is none."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            planes = load(self._canvas(index).read_bytes())
            return Canvas(planes["canvas"], planes["settled"])
        except (OSError, KeyError, SafetensorError):
            return None

    def prune(self, needed: Collection[int]) -> None:
        """Remove the canvases of our span that are not of the frames `needed`."""
        for file in (self.folder / CANVASES).glob("*.safetensors"):
            index = int(file.stem) if file.stem.isdecimal() else -1
            ours = self._span is None or index in self._span
            if ours and index >= 0 and index not in needed:
                with suppress(OSError):
                    file.unlink()

    def remove(self) -> None:
        """Remove the files of the film, and the folder unless it holds others'."""
        for index in {*self.entries(), *_numbered(self.folder)}:
            self.file(index).unlink(missing_ok=True)
        shutil.rmtree(self.folder / CANVASES, ignore_errors=True)
        for name in (MANIFEST, HEADER):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _canvas(self, index: int) -> Path:
        return self.folder / CANVASES / f"{index:06d}.safetensors"

    def _identify(self, identity: dict[str, Any]) -> None:
        """Write the header, or compare it with the one that is there."""
        header, name = self.folder / HEADER, shown(self.folder)
        if not header.exists():
            if any(not file.name.startswith(".") for file in self.folder.iterdir()):
                raise OutputError(f"{name}: holds other files; choose an empty or a new folder")
            with AtomicFile(header) as file:
                file.write_text(json.dumps(identity, indent=1), "utf-8")
            return
        try:
            there = json.loads(header.read_bytes())
        except (ValueError, RecursionError):
            there = None
        if there != identity:
            raise OutputError(
                f"{name}: holds another film ({_difference(there, identity)}); "
                f"choose another folder, or remove this one"
            )

    def _verify(self, entries: Mapping[int, Entry], indices: Iterable[int]) -> None:
        """Note the frames of those whose files are as their lines say."""
        for index in indices:
            entry = entries.get(index)
            if index not in self._verified and entry is not None:
                with suppress(OSError):
                    if file_checksum(self.file(index)) == entry.sha256:
                        self._verified[index] = entry

    @contextmanager
    def _os_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{shown(self.folder)}: {error.strerror or error}; a film keeps its frames there"
            ) from error


_FIELDS = tuple(field.name for field in fields(Entry))


def _entry(values: Mapping[str, Any]) -> Entry | None:
    """The entry that a line holds; None for anything else, whoever wrote it."""
    try:
        entry = Entry(**{name: values[name] for name in _FIELDS if name in values})
        notes = tuple(map(str, entry.notes))
    except TypeError:
        return None
    whole = type(entry.index) is int and entry.index >= 0 and isinstance(entry.sha256, str)
    return Entry(**{**asdict(entry), "notes": notes}) if whole else None


def _numbered(folder: Path) -> list[int]:
    """Numbers of the files in a folder that have the name of a frame."""
    stems = (file.stem for file in folder.glob("*.png"))
    return [int(stem) for stem in stems if stem.isdecimal() and f"{int(stem):06d}" == stem]


def _difference(there: object, here: object, place: str = "") -> str:
    """Where two plain values first differ: "settings.size is 256 there and 512 here"."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(key for key in here if key not in there)]:
            if there.get(key, _ABSENT) != here.get(key, _ABSENT):
                inner = f"{place}.{key}" if place else str(key)
                return _difference(there.get(key, _ABSENT), here.get(key, _ABSENT), inner)
    texts = ["absent" if v is _ABSENT else brief(json.dumps(v))[:80] for v in (there, here)]
    return f"{place or 'its header'} is {texts[0]} there and {texts[1]} here"


_ABSENT = object()
