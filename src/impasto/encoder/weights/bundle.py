"""The weights of a network, and the bundled ones: checked, and decoded once per process.

A bundled file holds, per layer, an 8-bit codebook: `conv1_1.index` (uint8, out x in x 3 x 3),
`conv1_1.table` (float32, 256 values) and `conv1_1.bias` (float32, out), with weight =
table[index]. The networks are the original Oxford release ("caffe"): they expect BGR, 0 to 255,
minus the mean colour of ImageNet.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from impasto.encoder.architecture import Architecture, architecture
from impasto.errors import SettingsError, WeightsError
from impasto.images.checksums import file_checksum, values_checksum
from impasto.images.spaces import CAFFE, ColourSpace

__all__ = ["BUNDLED", "Weights", "bundled", "bundled_file", "read_codebook"]

BUNDLED = {
    "vgg19": "2165a7a1556e635e2a51a459b9fa5bf90a9b88f97f9a8ba2221814237b454f53",
    "vgg16": "c7867cd08fa418f049f6705b6f0cc1808155b29511ebd5debf637a903fa8cdd0",
}
"""Name of each bundled network -> SHA-256 of its file."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A network's convolutions and the pictures it was trained on.

    Networks are equal when their digests are. Tensors are shared, not copied: do not change them.

    Attributes:
        architecture: the network's operations.
        layers: name of each convolution -> weight (out, in, k, k) and bias (out,), finite.
        input: colour space that the first layer expects.
        sha256: of the file that the weights come from, for records; None without one.
        name: of the network, for records.
    """

    architecture: Architecture
    layers: Mapping[str, tuple[Tensor, Tensor]]
    input: ColourSpace = CAFFE
    sha256: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        """Check every layer against the architecture; WeightsError names the first that differs."""
        for name, conv in self.architecture.convolutions.items():
            if name not in self.layers:
                raise WeightsError(f"{self.architecture.name}: the weights have no layer {name}")
            weight, bias = self.layers[name]
            if weight.shape != conv.shape or bias.shape != (conv.outward,):
                raise WeightsError(
                    f"{self.architecture.name}: {name} has weight {tuple(weight.shape)} and bias "
                    f"{tuple(bias.shape)}; expected {conv.shape} and {(conv.outward,)}"
                )
            if not (_finite(weight) and _finite(bias)):
                raise WeightsError(
                    f"{self.architecture.name}: {name} holds infinities or values that are no "
                    f"numbers; take another copy of the weights"
                )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that features depend on, in hexadecimal digits."""
        parts = (part for name in self.architecture.convolutions for part in self.layers[name])
        described = f"{self.architecture!r} {self.input!r} {values_checksum(*parts)}"
        return hashlib.sha256(described.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Whether `other` is the same network, to the bit."""
        if not isinstance(other, Weights):
            return NotImplemented
        return self is other or self.digest == other.digest

    def __hash__(self) -> int:
        """Of the architecture alone, so that equal networks are found without a digest of each."""
        return hash((self.architecture, self.input))


def _finite(values: Tensor) -> bool:
    """Whether all are finite, by the smallest and the largest: far faster than testing each."""
    return bool(torch.stack(torch.aminmax(values)).isfinite().all())


@functools.cache
def bundled(name: str) -> Weights:
    """The bundled network `name`; loaded once per process and shared.

    Raises SettingsError for an unknown name, WeightsError for a file with another checksum.
    """
    path = bundled_file(name)
    return read_codebook(path, architecture(name), BUNDLED[name], name)


def bundled_file(name: str) -> Path:
    """The file of the bundled network `name`; SettingsError lists the names for an unknown one."""
    if name not in BUNDLED:
        raise SettingsError(f"encoder is {name!r}; expected one of {', '.join(BUNDLED)}")
    return Path(str(resources.files(__package__))) / "data" / f"{name}.safetensors"


def read_codebook(path: Path, net: Architecture, sha256: str, name: str | None = None) -> Weights:
    """Weights of `net`, named `name`, from a codebook file; WeightsError for another SHA-256."""
    _check(path, sha256)
    try:
        with safe_open(path, framework="pt", device="cpu") as arrays:
            layers = {layer: _decoded(arrays, layer) for layer in net.convolutions}
    except (SafetensorError, KeyError, IndexError) as error:
        raise WeightsError(f"{path}: not the codebook of {net.name} ({error})") from error
    return Weights(net, layers, sha256=sha256, name=name)


def _check(path: Path, expected: str) -> None:
    try:
        actual = file_checksum(path)
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({error.strerror}); reinstall impasto"
        ) from error
    if actual != expected:
        raise WeightsError(
            f"{path}: damaged (SHA-256 is {actual}, expected {expected}); reinstall impasto"
        )


def _decoded(arrays: Any, name: str) -> tuple[Tensor, Tensor]:  # noqa: ANN401 (an untyped handle)
    index, table = arrays.get_tensor(f"{name}.index"), arrays.get_tensor(f"{name}.table")
    # index_select over a flat int32 view is several times faster than table[index.long()]
    weight = table.index_select(0, index.flatten().to(torch.int32)).view(index.shape)
    return weight, arrays.get_tensor(f"{name}.bias")
