"""Checksums of files of any size."""

import hashlib
from pathlib import Path

__all__ = ["digest"]

_CHUNK = 1 << 20  # bytes


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of the file's content in hexadecimal; OSError if it cannot be read."""
    running = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            running.update(chunk)
    return running.hexdigest()
