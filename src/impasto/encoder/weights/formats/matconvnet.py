"""MatConvNet networks (`imagenet-vgg-verydeep-19.mat`): weights (w, h, in, out), RGB, own mean."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from impasto.encoder.weights.formats.contents import WHIO, Contents, Stored
from impasto.encoder.weights.formats.matlab import Value, read_matlab
from impasto.errors import WeightsError
from impasto.images.spaces import CAFFE_RGB, ColourSpace

__all__ = ["open_matconvnet"]

_CONVOLUTION = re.compile(r"conv\d_\d")
_NUMBERS = 10**6  # in averageImage; published ones have 224 x 224 x 3


@contextmanager
def open_matconvnet(path: Path) -> Iterator[Contents]:
    """Each layer has a name, and {W, b} as `weights`; older files have `filters` and `biases`."""
    variables = read_matlab(path, ("layers", "meta", "normalization"))
    arrays: dict[str, Stored] = {}
    for layer in _listed(variables.get("layers")):
        name = _field(layer, "name")
        if isinstance(name, str) and _CONVOLUTION.fullmatch(name):
            weight, bias = _pair(layer)
            arrays |= {f"{name}.weight": weight, f"{name}.bias": _flat(bias)}
    yield Contents(arrays, WHIO, _colours(variables))


def _listed(value: Value) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _field(value: Any, *names: str) -> Any:  # noqa: ANN401 (of any kind)
    """The value at `names`, each within the one before; None if there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _pair(layer: Any) -> tuple[Stored, Stored]:  # noqa: ANN401 (of any kind)
    pair = _field(layer, "weights") or [_field(layer, "filters"), _field(layer, "biases")]
    match pair:
        case [Stored() as weight, Stored() as bias]:
            return weight, bias
    raise WeightsError(f"{_field(layer, 'name')} has no pair of weights and biases")


def _flat(vector: Stored) -> Stored:
    return Stored((prod(vector.shape),), vector.kind, lambda: vector.read().flatten())


def _colours(variables: dict[str, Value]) -> ColourSpace:
    """RGB, 0 to 255, minus the mean colour that the file gives, (h, w, 3) or 3 numbers."""
    path = ("normalization", "averageImage")
    image = _field(variables, *path) or _field(variables, "meta", *path)
    if not isinstance(image, Stored):
        return CAFFE_RGB
    if (image.shape[-1] != 3 and prod(image.shape) != 3) or prod(image.shape) > _NUMBERS:
        raise WeightsError(
            f"averageImage is {image.shape}; expected (h, w, 3) or 3 numbers, at most {_NUMBERS}"
        )
    red, green, blue = image.read().double().reshape(-1, 3).mean(0).tolist()
    if not all(0 <= channel <= 255 for channel in (red, green, blue)):
        raise WeightsError(f"averageImage is {red:g}, {green:g}, {blue:g}; expected 0 to 255")
    return ColourSpace("matconvnet", CAFFE_RGB.order, CAFFE_RGB.gain, (-red, -green, -blue))
