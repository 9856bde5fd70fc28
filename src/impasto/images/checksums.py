"""SHA-256 of files and of pixel values."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["file_checksum", "values_checksum"]

_CHUNK = 1 << 20  # bytes


def file_checksum(path: str | PathLike[str], algorithm: str = "sha256") -> str:
    """Checksum of the content of a file, in hexadecimal digits; OSError if it cannot be read."""
    running = hashlib.new(algorithm, usedforsecurity=False)
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            running.update(chunk)
    return running.hexdigest()


def values_checksum(*tensors: Tensor | None) -> str:
    """SHA-256 of tensors of any shape and type, in hexadecimal digits.

    Covers the values, the shape and the type of each, and which of them are None. Neither strides
    nor the device matter.
    """
    sha256 = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            sha256.update(b"null\n")
            continue
        sha256.update(json.dumps([str(tensor.dtype), list(tensor.shape)]).encode() + b"\n")
        values = tensor.detach().cpu().contiguous().reshape(-1)
        sha256.update(values.view(torch.uint8).numpy().data)
    return sha256.hexdigest()
