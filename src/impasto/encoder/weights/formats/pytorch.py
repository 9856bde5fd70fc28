"""PyTorch weights, `.pth` and `.safetensors`: `features.0.weight` or `conv1_1.weight`.

Weights are (out, in, h, w). The first naming is torchvision's, whose networks expect RGB scaled to
mean 0 and deviation 1; the second is that of conversions from Caffe.
"""

import pickle
import pickletools
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, is_zipfile

import torch
from safetensors import safe_open
from torch import Tensor

from impasto.encoder.weights.formats.contents import OIHW, Contents, Stored, open_zip
from impasto.errors import WeightsError
from impasto.images.spaces import CAFFE, IMAGENET

__all__ = ["open_pytorch", "open_safetensors"]

_KEY = re.compile(
    r"(?:module\.)?((?:features\.\d+|conv\d_\d)\.(?:weight|bias|running_mean|running_var))"
)
_KINDS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}

_OBJECTS = (
    "holds Python objects, which are not loaded, or is damaged; expected tensors only, "
    "such as torch.save(network.state_dict(), FILE) writes"
)
_ALLOWED = re.compile(
    r"collections OrderedDict|torch Size|torch \w+Storage"
    r"|torch\._utils _rebuild_(tensor|tensor_v2|parameter)|torch\.nn\.parameter Parameter"
)
_FORBIDDEN = {"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "BYTEARRAY8"}
_DESCRIPTION = 1 << 20  # bytes of pickles and headers, which describe tensors
_PICKLES = 5  # before the numbers in the older format


@contextmanager
def open_pytorch(path: Path) -> Iterator[Contents]:
    """A dictionary of tensors, as it is or within `state_dict`; anything else is not unpickled.

    A zip archive's tensors stay in the file until they are read.
    """
    packed = is_zipfile(path)
    _check_zip(path) if packed else _check_legacy(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that are refused anyway
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
    except pickle.UnpicklingError as error:
        raise WeightsError(_OBJECTS) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise WeightsError(f"holds a {type(state).__name__}; expected a dictionary of tensors")
    tensors = {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, Tensor)}
    yield _contents({name: _held(tensor) for name, tensor in tensors.items()})


@contextmanager
def open_safetensors(path: Path) -> Iterator[Contents]:
    """Tensors of which only the description is read at first."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > _DESCRIPTION:
        raise WeightsError(f"has a header of {size} bytes; expected at most {_DESCRIPTION}")
    with safe_open(path, framework="pt", device="cpu") as file:
        yield _contents({name: _described(file, name) for name in file.keys()})  # noqa: SIM118 (an open file is no mapping)


def _check_zip(path: Path) -> None:
    """WeightsError unless the archive holds its tensors as they are and describes no more."""
    with open_zip(path) as archive:
        members = archive.infolist()
        if any(member.compress_type != ZIP_STORED for member in members):
            raise WeightsError("is compressed; expected plain data, such as torch.save writes")
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise WeightsError("unpacks to more than it holds; take another copy")
        for member in members:
            if member.filename.endswith(".pkl"):
                with archive.open(member) as file:
                    _check_pickles(file, 1)


def _check_legacy(path: Path) -> None:
    with path.open("rb") as file:
        _check_pickles(file, _PICKLES)


def _check_pickles(file: BinaryIO | Any, count: int) -> None:  # noqa: ANN401 (a zip's member)
    """WeightsError for pickles that are too large, or that name anything but tensors.

    torch's `weights_only` allows more, such as `bytearray`, by which a few bytes take gigabytes.
    """
    pickles = BytesIO(file.read(_DESCRIPTION))
    try:
        for _ in range(count):
            for opcode, value, _ in pickletools.genops(pickles):
                unknown = opcode.name == "GLOBAL" and not _ALLOWED.fullmatch(str(value))
                if unknown or opcode.name in _FORBIDDEN:
                    raise WeightsError(_OBJECTS)
    except ValueError as error:  # ends before it should
        raise WeightsError(_OBJECTS) from error


def _contents(arrays: Mapping[str, Stored]) -> Contents:
    matches = {name: match[1] for name in arrays if (match := _KEY.fullmatch(name))}
    counted = any(key.startswith("features.") for key in matches.values())
    known = {key: arrays[name] for name, key in matches.items()}
    return Contents(known, OIHW, IMAGENET if counted else CAFFE, arrays)


def _held(tensor: Tensor) -> Stored:
    kind = str(tensor.dtype).removeprefix("torch.")
    return Stored(tuple(tensor.shape), kind, tensor.detach)


def _described(file: Any, name: str) -> Stored:  # noqa: ANN401 (an untyped handle)
    part = file.get_slice(name)
    kind = part.get_dtype()
    return Stored(tuple(part.get_shape()), _KINDS.get(kind, kind), partial(file.get_tensor, name))
