"""What a run needs to go on after it was killed: saved whole or not at all, checked when read.

A checkpoint is one safetensors file. Its metadata hold the facts, as JSON, and a SHA-256 of facts
and tensors. The one before it stays beside it as `NAME.previous`, so that whatever happens to a
file, and whenever a run is killed, there is one to go on from.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from impasto.errors import CheckpointError, OutputError, printable
from impasto.images import AtomicFile

__all__ = ["Checkpoint"]

_FORMAT = "checkpoint 1"
_LARGEST_HEADER = 2**26  # bytes: room for the facts of tens of thousands of steps
_LONGEST_REASON = 200  # characters


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Facts (plain JSON) and tensors (by flat names) of a run at one iteration."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def bytes(self) -> int:
        """What the tensors take."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def copied(self) -> Checkpoint:
        """The same with tensors of its own, which the run leaves alone."""
        return Checkpoint(self.facts, {n: t.detach().clone() for n, t in self.tensors.items()})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to `path`; what was there becomes `NAME.previous`.

        Raises OutputError where that fails, and leaves what was there.
        """
        tensors, facts = _savable(self.tensors), json.dumps(self.facts)
        if len(facts) > _LARGEST_HEADER // 4:  # the header quotes them once more
            raise ValueError(f"facts of {len(facts)} characters are too long for a checkpoint")
        metadata = {"impasto": _FORMAT, "facts": facts, "sha256": _checksum(facts, tensors)}
        target = _target(path)
        with AtomicFile(target) as draft:
            _write(draft, tensors, metadata)
            aside = _aside(target)
        if aside:
            _move(aside, _previous(target))

    @staticmethod
    def exists(path: str | os.PathLike[str]) -> bool:
        """Whether there is a file to load, be it the one before."""
        target = _target(path)
        return target.is_file() or _previous(target).is_file()

    @staticmethod
    def remove(path: str | os.PathLike[str]) -> None:
        """Delete the file and the one before, which nobody needs once a run has ended."""
        target = _target(path)
        for file in (target, _previous(target)):
            with suppress(OSError):
                file.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Read `path`, or with a warning `NAME.previous` where it is missing or damaged.

        Raises CheckpointError if neither is whole. Files of strangers do no harm: nothing in them
        is run, and they take no more memory than they are long.
        """
        name = printable(os.fsdecode(path))
        try:
            target = _target(path)
            return _read(target)
        except CheckpointError as error:
            damage = error
        except ValueError as error:
            raise CheckpointError(f"{name}: {error}; expected the path of a checkpoint") from error
        previous = _previous(target)
        try:
            found = _read(previous)
        except CheckpointError as error:
            raise CheckpointError(
                f"{name}: {damage}, and {printable(previous.name)}: {error}; begin the run anew"
            ) from error
        instead = f"going on from {printable(previous.name)}, the checkpoint before"
        warnings.warn(f"{name}: {damage}; {instead}", stacklevel=2)
        return found


def _target(path: str | os.PathLike[str]) -> Path:
    """The file itself where `path` is a link, so that both lie side by side."""
    return Path(os.path.realpath(os.fsdecode(path)))


def _previous(target: Path) -> Path:
    return target.with_name(f"{target.name}.previous")


def _savable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, each with memory of its own; copied only where it is not so."""
    found: dict[str, Tensor] = {}
    owned = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        memory = plain.untyped_storage().data_ptr()
        found[name] = plain.clone() if memory in owned else plain
        owned.add(memory)
    return found


def _write(draft: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """The file, on the disk and not only in its cache."""
    try:
        save_file(tensors, draft, metadata)
    except SafetensorError as error:  # a full disk, in the library's words
        raise OSError(str(error)) from error
    with draft.open("r+b") as file:
        os.fsync(file.fileno())


def _aside(target: Path) -> Path | None:
    """A second name for the file at `target`, which keeps it when another takes its place.

    Where the file system knows no links it is renamed to `NAME.previous` at once, and for a moment
    that is all there is.
    """
    if not target.is_file():
        return None
    aside = target.with_name(f"{target.name}.previous.tmp")
    aside.unlink(missing_ok=True)  # of a run killed at this very place
    try:
        os.link(target, aside)
    except OSError:
        target.replace(_previous(target))
        return None
    return aside


def _move(aside: Path, previous: Path) -> None:
    try:
        aside.replace(previous)
    except OSError as error:
        name = printable(previous)
        raise OutputError(f"{name}: {error.strerror}; the checkpoint before is not kept") from error


def _checksum(facts: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the facts, then of each tensor's name, type, shape and bytes, by name.

    Lines end at the first newline, and type and shape give the number of bytes: no two contents
    read the same.
    """
    sha256 = hashlib.sha256(facts.encode("utf-8", "surrogatepass") + b"\n")
    for name in sorted(tensors):
        tensor = tensors[name]
        sha256.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode() + b"\n")
        sha256.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha256.hexdigest()


def _read(path: Path) -> Checkpoint:
    """The checkpoint at `path`; CheckpointError, with nothing but the reason, if it is not one."""
    try:
        _check_header(path)
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            facts = _facts(metadata)
            # copies, for what is mapped changes with the file
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise CheckpointError(printable(error.strerror or error)) from error
    except (SafetensorError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise CheckpointError(f"damaged ({_brief(error)})") from error
    except RuntimeError as error:  # torch's refusals, JSON that is nested too deeply
        raise CheckpointError(f"not readable ({_brief(error)})") from error
    if _checksum(metadata["facts"], tensors) != metadata.get("sha256"):
        raise CheckpointError("damaged (its checksum does not fit)")
    return Checkpoint(facts, tensors)


def _check_header(path: Path) -> None:
    """ValueError unless this is a file that begins with a header of sensible length."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # to open a pipe would wait for its other end
        raise ValueError("not a file")
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if not 0 < header <= min(_LARGEST_HEADER, found.st_size - 8):
        raise ValueError("cut short, or not a checkpoint")


def _facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The facts; ValueError where there are none, or of another format."""
    if metadata.get("impasto") != _FORMAT:
        got = metadata.get("impasto", "a file of another kind")
        raise ValueError(f"{got}, expected {_FORMAT}")
    facts = json.loads(metadata.get("facts", ""))
    if not isinstance(facts, dict):
        raise ValueError("its facts are not a JSON object")
    return facts


def _brief(error: Exception) -> str:
    return printable(error)[:_LONGEST_REASON]
