"""What a run needs to be resumed after it was killed: saved atomically, checked when read.

A checkpoint is one safetensors file. Its metadata hold the facts, as JSON, and a SHA-256 of facts
and tensors. A new one replaces the last in one step, once it is on the disk: whenever the process
is killed, or the disk is full, there is a whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
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

_FORMAT = "checkpoint 3"
_MAX_HEADER = 2**26  # bytes
_MAX_REASON = 200  # characters


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Facts (plain JSON) and tensors (by flat names) of a run at one iteration."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def bytes(self) -> int:
        """Size of the tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def copied(self) -> Checkpoint:
        """The same with copies of the tensors, which the run does not change."""
        return Checkpoint(self.facts, {n: t.detach().clone() for n, t in self.tensors.items()})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to `path`, in place of the checkpoint before.

        Raises OutputError where that fails; the checkpoint before is still there then.
        """
        tensors, facts = _savable(self.tensors), json.dumps(self.facts)
        if len(facts) > _MAX_HEADER // 4:  # the header quotes them once more
            name, most = printable(os.fsdecode(path)), _MAX_HEADER // 4
            raise OutputError(
                f"{name}: its facts have {len(facts)} characters, and {most} can be read again; "
                f"nothing was written"
            )
        metadata = {"impasto": _FORMAT, "facts": facts, "sha256": _checksum(facts, tensors)}
        with AtomicFile(path, replaced=True) as draft:  # as safetensors does
            try:
                save_file(tensors, draft, metadata)
            except SafetensorError as error:  # a full disk, in the library's words
                raise OSError(str(error)) from error

    @staticmethod
    def exists(path: str | os.PathLike[str]) -> bool:
        """Whether there is a file to load."""
        return os.path.isfile(path)  # noqa: PTH113 (Path.is_file raises for a name too long)

    @staticmethod
    def remove(path: str | os.PathLike[str]) -> None:
        """Delete the file, which is of no use once the run is complete; a link to it stays."""
        with suppress(OSError):
            Path(os.path.realpath(path)).unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Read `path`; CheckpointError if there is no whole checkpoint.

        It is safe to read a stranger's file: nothing in it is executed, and it takes no more memory
        than it is long.
        """
        name = printable(os.fsdecode(path))
        try:
            return _read(Path(os.fsdecode(path)))
        except CheckpointError as error:
            raise CheckpointError(f"{name}: {error}; begin the run anew") from error
        except ValueError as error:  # a NUL in the name
            raise CheckpointError(f"{name}: {error}; expected the path of a checkpoint") from error


def _savable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, each with memory of its own; others are copied."""
    found: dict[str, Tensor] = {}
    owned = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        memory = plain.untyped_storage().data_ptr()
        found[name] = plain.clone() if memory in owned else plain
        owned.add(memory)
    return found


def _checksum(facts: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the facts, then of each tensor's name, type, shape and bytes, by name.

    Lines end at the first newline, and type and shape give the number of bytes: two contents never
    have the same encoding.
    """
    sha256 = hashlib.sha256(facts.encode("utf-8", "surrogatepass") + b"\n")
    for name in sorted(tensors):
        tensor = tensors[name]
        sha256.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode() + b"\n")
        sha256.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha256.hexdigest()


def _read(path: Path) -> Checkpoint:
    """The checkpoint at `path`; CheckpointError, with the reason alone, if it is not one."""
    try:
        _check_header(path)
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            facts = _facts(metadata)
            # copies, since mapped memory changes with the file
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (an open file is no mapping)
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
    """ValueError unless this is a file that begins with a header of plausible length."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for its other end
        raise ValueError("not a file")
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if not 0 < header <= min(_MAX_HEADER, found.st_size - 8):
        raise ValueError("cut short, or not a checkpoint")


def _facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The facts; CheckpointError for another format, ValueError for facts that are none."""
    if metadata.get("impasto") != _FORMAT:
        got = printable(metadata.get("impasto", "a file of another kind"))[:_MAX_REASON]
        raise CheckpointError(f"{got}, expected {_FORMAT}")
    facts = json.loads(metadata.get("facts", ""))
    if not isinstance(facts, dict):
        raise ValueError("its facts are not a JSON object")
    return facts


def _brief(error: Exception) -> str:
    return printable(error)[:_MAX_REASON]
