"""PyTorch weights, `.pth` and `.safetensors`: `features.0.weight` or `conv1_1.weight`.

Weights are (out, in, h, w). The first naming is torchvision's, whose networks expect RGB scaled to
mean 0 and deviation 1; the second is that of conversions from Caffe.
"""

import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from impasto.encoder.weights.formats.contents import OIHW, Contents, Stored
from impasto.errors import WeightsError
from impasto.images.spaces import CAFFE, IMAGENET

__all__ = ["open_pytorch", "open_safetensors"]

_KEY = re.compile(r"(?:module\.)?((?:features\.\d+|conv\d_\d)\.(?:weight|bias))")
_KINDS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}


@contextmanager
def open_pytorch(path: Path) -> Iterator[Contents]:
    """A dictionary of tensors, as it is or within `state_dict`; anything else is not unpickled."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that are refused anyway
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            "holds Python objects, which are not loaded, or is damaged; expected tensors only, "
            "such as torch.save(network.state_dict(), FILE) writes"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise WeightsError(f"holds a {type(state).__name__}; expected a dictionary of tensors")
    tensors = {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, Tensor)}
    yield _contents({name: _held(tensor) for name, tensor in tensors.items()})


@contextmanager
def open_safetensors(path: Path) -> Iterator[Contents]:
    """Tensors of which only the description is read at first."""
    with safe_open(path, framework="pt") as file:
        yield _contents({name: _described(file, name) for name in file.keys()})  # noqa: SIM118


def _contents(arrays: Mapping[str, Stored]) -> Contents:
    if any(name.endswith("running_mean") for name in arrays):
        raise WeightsError(
            "a network with batch normalisation; expected one without, such as vgg19"
        )
    matches = {name: match[1] for name in arrays if (match := _KEY.fullmatch(name))}
    counted = any(key.startswith("features.") for key in matches.values())
    known = {key: arrays[name] for name, key in matches.items()}
    return Contents(known, OIHW, IMAGENET if counted else CAFFE)


def _held(tensor: Tensor) -> Stored:
    kind = str(tensor.dtype).removeprefix("torch.")
    return Stored(tuple(tensor.shape), kind, lambda: tensor.detach().to_dense())


def _described(file: Any, name: str) -> Stored:  # noqa: ANN401 (an untyped handle)
    part = file.get_slice(name)
    kind = part.get_dtype()
    return Stored(tuple(part.get_shape()), _KINDS.get(kind, kind), partial(file.get_tensor, name))
