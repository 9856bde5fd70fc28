"""Pictures of a run on the disk, for reports and films of runs that are resumed."""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import suppress
from pathlib import Path

from impasto.errors import ImpastoError, OutputError, printable
from impasto.images import Picture, read
from impasto.run.events import Step

__all__ = ["KeptPictures"]

_QUALITY = 92  # of JPEG


class KeptPictures:
    """JPEG files of some steps, in a hidden folder beside an unfinished file.

    Each is named by iteration, scale and loss, to the last bit: a picture is found only for a step
    of the same run. A file has no more of them than its film has frames or its report snapshots.

    Args:
        path: the unfinished file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        place = Path(os.path.realpath(path))
        # the name is cut, because a folder takes 255 bytes and a character may be four
        digest = hashlib.sha256(os.fsencode(place.name)).hexdigest()[:8]
        self.folder = place.with_name(f".{place.name[:40]}.{digest}.kept")

    def add(self, step: Step, picture: Picture) -> None:
        """Keep the picture of a step; OutputError where that fails."""
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{printable(self.folder)}: {error.strerror}") from error
        if self.folder.is_symlink():  # to files that are not ours
            raise OutputError(f"{printable(self.folder)}: is a link; expected a folder")
        picture.save(self.folder / _name(step), quality=_QUALITY)

    def get(self, step: Step) -> Picture | None:
        """The picture of a step; None if there is none, or if it is damaged."""
        file = self.folder / _name(step)
        try:
            return read(file) if file.is_file() else None
        except ImpastoError:
            return None

    def remove(self) -> None:
        """Delete all of them, and the folder, unless other files are in it."""
        if self.folder.is_symlink():
            return
        with suppress(OSError):
            for pattern in ("[0-9]*-*.jpg", ".[0-9]*.tmp"):  # and of a process that was killed
                for file in self.folder.glob(pattern):
                    file.unlink()
            self.folder.rmdir()


def _name(step: Step) -> str:
    return f"{step.done:07d}-{step.scale}-{struct.pack('>d', step.loss).hex()}.jpg"
