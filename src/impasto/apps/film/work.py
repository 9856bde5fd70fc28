"""The work folder of a film: a lossless file for each painted frame, and a line about each.

    work/
      film.json                  identity: settings and checksums of the sources
      frames.jsonl               one line a frame, appended when its file is whole
      shared/                    leases and lines of processes that share the film
      000123.png                 a frame, 16 bits a channel
      canvases/000123.safetensors  float32 state, of the few frames that painting goes on from

A frame is done when there are its line and its file, and the checksum in the line is the file's. So
a process may be killed at any byte: what is not done is painted again.

Who removes a film removes the header before the lines and `shared`, so that processes which share
it never find frames missing that another one has removed.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.apps.film.entries import MANIFEST, SHARED, Entry, Manifests, manifest
from impasto.apps.small_files import create, read, read_whole
from impasto.errors import OutputError, brief, shown
from impasto.images import AtomicFile, file_checksum
from impasto.images.encode import write_levels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

__all__ = ["HEADER", "Canvas", "Work"]

HEADER, CANVASES = "film.json", "canvases"


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

    Those of one machine may append to one manifest, each line in one write; a `part` has a manifest
    of its own, for processes on several machines. Lines are read from all of them.

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
        self._lines, self._manifests = manifest(self.folder / MANIFEST), Manifests(self.folder)
        self._guard: Callable[[], object] = lambda: None
        self._verified: dict[int, Entry] = {}
        with self._os_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._identify(json.loads(json.dumps(dict(identity))))

    def part(self, span: range, name: str, guard: Callable[[], object]) -> Work:
        """The same folder for a process that has the frames `span`, with a manifest of that name.

        `guard` is called before anything is written, and raises where they are another's by now.
        """
        part = copy(self)
        part._span, part._guard = span, guard
        part._lines = manifest(self.shared / name)
        return part

    @property
    def shared(self) -> Path:
        """The folder of leases and of manifests of parts; it need not exist."""
        return self.folder / SHARED

    @property
    def is_there(self) -> bool:
        """Whether nobody has removed it."""
        header = self.folder / HEADER
        # a server that fails to read it for once does not end a film
        return read(header) is not None or os.path.lexists(header)

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
        self._guard()
        with self._os_errors():
            write_levels(levels, self.file(index))
            entry = Entry(index, time, file_checksum(self.file(index)), **facts)
        self._lines.append(asdict(entry))
        self._verified[index] = entry
        return entry

    def read(self, index: int) -> np.ndarray:
        """A frame that is done: (h, w, 3) uint16, sRGB; ImageError if its file is not readable."""
        from impasto.images import read as read_picture

        return read_picture(self.file(index)).levels(16)

    def entries(self) -> dict[int, Entry]:
        """The last line of each frame, by index, whether its file is there or not."""
        found = self._manifests.lines(self._span)
        return {index: found[index][-1] for index in sorted(found)}

    def done(self, index: int) -> Entry | None:
        """The line of a frame whose file is whole; None if it is to be painted."""
        if index not in self._verified:
            self._verify([index])
        return self._verified.get(index)

    def missing(self, indices: Iterable[int]) -> list[int]:
        """Those of the frames that are to be painted, in their order."""
        indices = list(indices)
        self._verify(indices)
        return [index for index in indices if index not in self._verified]

    def keep_canvas(
        self, index: int, canvas: Canvas, needed: Collection[int] | None = None
    ) -> None:
        """Keep the canvas of a frame, exactly.

        Of the canvases of our span only `needed`, indices of frames, stay with it; None: all.
        Raises OutputError where it cannot be written.
        """
        from safetensors.torch import save

        self._guard()
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
        for draft in self.folder.glob(".*.tmp"):  # of processes that were killed, elsewhere too
            draft.unlink(missing_ok=True)
        for name in (HEADER, MANIFEST):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.shared.rename(self.folder / f".{SHARED}.{secrets.token_hex(8)}")
        for gone in self.folder.glob(f".{SHARED}.*"):
            shutil.rmtree(gone, ignore_errors=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _canvas(self, index: int) -> Path:
        return self.folder / CANVASES / f"{index:06d}.safetensors"

    def _identify(self, identity: dict[str, Any]) -> None:
        """Write the header, or compare it with the one that is there."""
        header, name = self.folder / HEADER, shown(self.folder)
        # another process may write the header meanwhile
        if not header.exists() and self._holds_others() and not header.exists():
            raise OutputError(f"{name}: holds other files; choose an empty or a new folder")
        if not header.exists() and create(header, identity):
            return
        there = read_whole(header)
        if there != identity:
            raise OutputError(
                f"{name}: holds another film ({_difference(there, identity)}); "
                f"choose another folder, or remove this one"
            )

    def _holds_others(self) -> bool:
        """Whether there are files that no film has left that was being removed."""
        ours = (MANIFEST, SHARED)
        names = (file.name for file in self.folder.iterdir())
        return any(name not in ours and not name.startswith(".") for name in names)

    def _verify(self, indices: Iterable[int]) -> None:
        """Note the frames of those whose files are as one of their lines says."""
        lines = self._manifests.lines(self._span)
        for index in indices:
            if index not in self._verified and index in lines:
                with suppress(OSError):
                    checksum = file_checksum(self.file(index))
                    for entry in lines[index]:
                        if checksum == entry.sha256:
                            self._verified[index] = entry

    @contextmanager
    def _os_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{shown(self.folder)}: {error.strerror or error}; a film keeps its frames there"
            ) from error


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
