"""The checkpoint of processes that share a canvas: a part of each, and an index that names them.

    painting.checkpoint                   the index, a few lines of JSON
    painting.checkpoint.4f0c….0           the part of process 0: a checkpoint of its rows
    painting.checkpoint.4f0c….1           that of process 1

Parts of one moment have one number in their names. The index is replaced in one step when all of
them are on the disk, and then those of the moment before are deleted: whenever processes end, the
index names parts that are whole and belong together.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import CheckpointError, OutputError, printable
from impasto.images import AtomicFile
from impasto.objective.ranks import Ranks, gathered
from impasto.run.checkpoint import Checkpoint
from impasto.run.redivision import redivided
from impasto.run.share import Share

__all__ = ["SharedCheckpoint", "remove_shared", "save_shared"]

_FORMAT = "shared checkpoint 1"
_LONGEST = 2**24  # bytes of an index
_MOST = 4096  # processes


@dataclass(frozen=True)
class SharedCheckpoint:
    """A checkpoint that several processes wrote, or one.

    Attributes:
        stage: the index of the stage that the run was at.
        rows: how many rows of the canvas each process had.
        parts: the file of each, or the checkpoint of the one.
    """

    stage: int
    rows: tuple[int, ...]
    parts: tuple[Path | Checkpoint, ...]

    @staticmethod
    def is_index(path: Path) -> bool:
        """Whether a file begins as an index does, and not as the checkpoint of one process."""
        try:
            with path.open("rb") as file:
                return file.read(1) == b"{"
        except OSError:
            return False

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SharedCheckpoint:
        """Read an index, or the checkpoint of one process; CheckpointError if it is neither."""
        place, name = Path(path), printable(os.fsdecode(path))
        if not cls.is_index(place):
            return cls.of(Checkpoint.load(place))
        try:
            with place.open("rb") as file:
                index = json.loads(file.read(_LONGEST))
            stage, rows, mark = int(index["stage"]), index["rows"], str(index["moment"])
            rows = tuple(map(int, rows))
        except (OSError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{name}: damaged ({error!r}); begin the run anew") from error
        known = index.get("impasto") == _FORMAT and 0 < len(rows) <= _MOST
        if not known or stage < 0 or not re.fullmatch("[0-9a-f]{12}", mark):
            raise CheckpointError(f"{name}: expected a {_FORMAT}; begin the run anew")
        return cls(stage, rows, tuple(_part(place, mark, n) for n in range(len(rows))))

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> SharedCheckpoint:
        """That of one process; CheckpointError if it lacks what is needed."""
        try:
            rows = checkpoint.tensors["gradient"].shape[1]
            return cls(int(checkpoint.facts["stage"]), (rows,), (checkpoint,))
        except (LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"the checkpoint lacks {error!r}; begin anew") from error

    def fits(self, share: Share) -> bool:
        """Whether as many processes had the same rows."""
        return self.rows == share.rows

    def divided(self, share: Share, *, spectral: bool) -> Checkpoint:
        """The part of this process; `spectral` as in `redivided`. Raises CheckpointError."""
        if self.fits(share):
            return self._loaded(share.ranks.rank)
        if sum(self.rows) != sum(share.rows):
            raise CheckpointError("the checkpoint's canvas has another height; begin anew")
        try:
            how = self.rows, share.rows, share.ranks.rank
            return redivided(self._each(), *how, spectral=spectral)
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint's parts do not fit ({error!r})") from error

    def _each(self) -> Iterator[Checkpoint]:
        return map(self._loaded, range(len(self.parts)))

    def _loaded(self, rank: int) -> Checkpoint:
        part = self.parts[rank]
        return part if isinstance(part, Checkpoint) else Checkpoint.load(part)


def save_shared(checkpoint: Checkpoint, path: Path, share: Share) -> None:
    """Save the part of each process, then the index; collective.

    Raises OutputError, at each process, where that fails; the checkpoint before is still there.
    """
    ranks, failure = share.ranks, None
    drawn = gathered(ranks, float(secrets.randbits(48)))[0]
    mark = f"{int(drawn):012x}"
    try:
        checkpoint.save(_part(path, mark, ranks.rank))
    except Exception as error:  # whatever it is, the others wait for an answer
        failure = _as_output_error(error, path)
    saved = gathered(ranks, float(failure is None))
    if all(saved) and ranks.rank == 0:
        facts = checkpoint.facts
        index = {"stage": facts["stage"], "iteration": facts["iteration"], "rows": share.rows}
        text = json.dumps({"impasto": _FORMAT, "moment": mark, **index, "run": facts["run"]})
        try:
            with AtomicFile(path) as draft:
                draft.write_text(text, "utf-8")
        except OutputError as error:
            failure = error
    written = all(gathered(ranks, float(failure is None)))
    if not written:
        _part(path, mark, ranks.rank).unlink(missing_ok=True)
        raise failure or OutputError(
            f"{printable(path)}: process {saved.index(0.0) if 0.0 in saved else 0} could not "
            f"write its part"
        )
    if ranks.rank == 0:
        _remove_parts(path, mark)


def _as_output_error(error: Exception, path: Path) -> OutputError:
    """An error of saving, told as what it is: a file that cannot be written."""
    return error if isinstance(error, OutputError) else OutputError(f"{printable(path)}: {error!r}")


def remove_shared(path: Path, ranks: Ranks) -> None:
    """Delete index and parts, which are of no use once the run is complete."""
    if ranks.rank == 0:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        _remove_parts(path, "")


def _part(path: Path, mark: str, rank: int) -> Path:
    return path.with_name(f"{path.name}.{mark}.{rank}")


def _remove_parts(path: Path, kept: str) -> None:
    """Delete the parts of other moments, also those that processes left when they were killed."""
    parts = re.compile(re.escape(path.name) + r"\.([0-9a-f]{12})\.[0-9]+")
    with suppress(OSError):
        for file in path.parent.iterdir():
            found = parts.fullmatch(file.name)
            if found and found[1] != kept:
                file.unlink(missing_ok=True)
