"""NumPy archives (`vgg16_weights.npz`): `conv1_1_W` (h, w, in, out) and `conv1_1_b`, RGB."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from torch import Tensor

from impasto.encoder.weights.formats.contents import HWIO, Contents, Stored, from_numpy, open_zip
from impasto.errors import WeightsError
from impasto.images.spaces import CAFFE_RGB

__all__ = ["open_npz"]

_MEMBER = re.compile(r"(conv\d_\d)_([Wb])\.npy")
_PARTS = {"W": "weight", "b": "bias"}
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DESCRIPTION = 1 << 14  # bytes that hold an array's header


@contextmanager
def open_npz(path: Path) -> Iterator[Contents]:
    """Convolutions only: fully connected layers stay in the file, and objects are not unpickled."""
    with open_zip(path) as archive:
        members = filter(None, map(_MEMBER.fullmatch, archive.namelist()))
        arrays = {f"{m[1]}.{_PARTS[m[2]]}": _stored(archive, m[0]) for m in members}
        yield Contents(arrays, HWIO, CAFFE_RGB)


def _stored(archive: ZipFile, member: str) -> Stored:
    """An array whose header is read, and no more than a header can need."""
    with archive.open(member) as file:
        head = BytesIO(file.read(_DESCRIPTION))
    version = np.lib.format.read_magic(head)
    if version not in _HEADERS:
        raise WeightsError(f"{member} is of version {version}; expected 1.0 or 2.0")
    shape, _, kind = _HEADERS[version](head)
    return Stored(tuple(shape), kind.name, lambda: _read(archive, member))


def _read(archive: ZipFile, member: str) -> Tensor:
    with archive.open(member) as file:
        return from_numpy(np.lib.format.read_array(file, allow_pickle=False))
