"""Keras weights (`…_notop.h5`): HDF5, `block1_conv1` (h, w, in, out), BGR minus the mean colour.

Layers stand at the top or below `model_weights`. Old names are `block1_conv1_W_1:0` and
`block1_conv1_b_1:0`, new ones `block1_conv1/kernel:0` and `block1_conv1/bias:0`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from torch import Tensor

from impasto.encoder.weights.formats.contents import HWIO, Contents, Stored, from_numpy
from impasto.errors import WeightsError, optional
from impasto.images.spaces import CAFFE

__all__ = ["open_keras"]

_GROUP = re.compile(r"model_weights|block\d_conv\d(?:_\d+)?")
_LAYER = re.compile(r"block(\d)_conv(\d)")
_WEIGHT = re.compile(r"(?:block\d_conv\d_W(?:_\d+)?|kernel)(?::0)?")
_BIAS = re.compile(r"(?:block\d_conv\d_b(?:_\d+)?|bias)(?::0)?")
_LINKS = 10_000  # in a group
_DEPTH = 3  # model_weights / block1_conv1 / block1_conv1


def _h5py() -> Any:  # noqa: ANN401 (an optional library)
    return optional("h5py", "formats", "reading a Keras weight file")


@contextmanager
def open_keras(path: Path) -> Iterator[Contents]:
    """Arrays of the file itself: links inside it are not followed, and no other file is opened."""
    with _h5py().File(path, "r") as file:
        yield Contents(dict(_arrays(file)), HWIO, CAFFE)


def _arrays(group: Any, layer: str = "", depth: int = 0) -> Iterator[tuple[str, Stored]]:  # noqa: ANN401 (of an optional library)
    """Arrays in a group and below it; `layer` is the convolution that the group belongs to."""
    for place, name in enumerate(group):
        if place >= _LINKS:
            raise WeightsError(f"has more than {_LINKS} entries in a group; not a network's file")
        if not isinstance(group.get(name, getlink=True), _h5py().HardLink):
            continue
        item = group[name]
        if isinstance(item, _h5py().Dataset):
            if layer and (part := _part(name)):
                yield f"{layer}.{part}", _stored(item)
        elif depth < _DEPTH and _GROUP.fullmatch(name):
            inner = _LAYER.match(name)
            own = f"conv{inner[1]}_{inner[2]}" if inner else layer
            yield from _arrays(item, own, depth + 1)


def _part(name: str) -> str | None:
    if _WEIGHT.fullmatch(name):
        return "weight"
    return "bias" if _BIAS.fullmatch(name) else None


def _stored(dataset: Any) -> Stored:  # noqa: ANN401 (of an optional library)
    return Stored(tuple(dataset.shape or ()), dataset.dtype.name, lambda: _read(dataset))


def _read(dataset: Any) -> Tensor:  # noqa: ANN401 (of an optional library)
    """The array, which must lie in the file as it is: not elsewhere, nor compressed."""
    if dataset.is_virtual or dataset.external or dataset.id.get_create_plist().get_nfilters():
        raise WeightsError(
            f"{dataset.name} is compressed or kept in another file; "
            f"expected plain data, such as h5repack -f NONE writes"
        )
    if dataset.chunks and prod(dataset.chunks) > prod(dataset.shape):
        raise WeightsError(f"{dataset.name} is kept in chunks larger than itself; not a weight")
    return from_numpy(dataset[()])
