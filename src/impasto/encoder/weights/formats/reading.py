"""From a weight file to a network: recognised by content, checked, converted to our layout."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from impasto.encoder.architecture import ARCHITECTURES, Architecture
from impasto.encoder.operations import Conv
from impasto.encoder.weights.bundle import BUNDLED, Weights, bundled
from impasto.encoder.weights.compare import SAME
from impasto.encoder.weights.folding import EPSILON, Norm, folded
from impasto.encoder.weights.formats.contents import LIMIT, Contents, open_zip
from impasto.encoder.weights.formats.description import Description, description_of
from impasto.encoder.weights.formats.keras import open_keras
from impasto.encoder.weights.formats.matconvnet import open_matconvnet
from impasto.encoder.weights.formats.matlab import MATLAB_5
from impasto.encoder.weights.formats.npz import open_npz
from impasto.encoder.weights.formats.pytorch import open_pytorch, open_safetensors
from impasto.errors import ImpastoError, WeightsError, printable
from impasto.images.checksums import file_checksum
from impasto.images.spaces import CAFFE, CAFFE_RGB, ColourSpace

__all__ = ["read_weights"]


@dataclass(frozen=True)
class Format:
    """A kind of file, and the function that finds its convolutions."""

    name: str
    open: Callable[[Path], AbstractContextManager[Contents]]


MATCONVNET = Format("MatConvNet .mat", open_matconvnet)
NPZ = Format("NumPy .npz", open_npz)
KERAS = Format("Keras .h5", open_keras)
PYTORCH = Format("PyTorch .pth", open_pytorch)
SAFETENSORS = Format(".safetensors", open_safetensors)
FORMATS = (MATCONVNET, NPZ, KERAS, PYTORCH, SAFETENSORS)

_HDF5, _ZIP, _PICKLE = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x80"
_HEAD = 128  # bytes that tell a format


def read_weights(path: str | os.PathLike[str], net: Architecture | None = None) -> Weights:
    """The convolutions of a network in a weight file of another program, as float32.

    The format is recognised by the file's content, the network by its layers unless `net` is given
    or a description is beside the file, and the colours by the first layer. Batch normalisation is
    folded into the convolution before it. Links are followed. Nothing in the file is executed, and
    memory is bounded by what the network needs.

    Raises WeightsError, in one line, for any other file, and ExtraMissing where the format needs a
    library that is not installed.
    """
    file = Path(path)
    try:
        return _read(file, net)
    except WeightsError as error:
        raise WeightsError(f"{printable(file)}: {error}") from error
    except ImpastoError:
        raise
    except Exception as error:  # of a library, on a damaged file
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        reason = printable(said or type(error).__name__)[:200]
        raise WeightsError(
            f"{printable(file)}: cannot be read ({reason}); expected a whole {_formats()}"
        ) from error


def _read(file: Path, net: Architecture | None) -> Weights:
    _check_size(file)
    described = None if net else description_of(file)
    with _format(file).open(file) as contents:
        if described:
            return _described(file, contents, described)
        net, keys = _network(contents, net)
        norms = {name: norm for name, key in keys.items() if (norm := _norm_after(contents, key))}
        layers = {n: _layer(contents, conv, keys[n], norms) for n, conv in net.convolutions.items()}
    weights = Weights(net, layers, contents.input, file_checksum(file), printable(file.name))
    return replace(weights, input=_colours(weights))


def _described(file: Path, contents: Contents, said: Description) -> Weights:
    """The network of a description, from arrays by the names that it gives."""
    if not contents.others:
        raise WeightsError("described, but only .safetensors and .pth files can be")
    named = replace(contents, arrays=contents.others)
    net = said.architecture
    layers = {n: _layer(named, c, said.keys[n], said.norms) for n, c in net.convolutions.items()}
    return Weights(net, layers, said.input, file_checksum(file), printable(file.name))


def _check_size(file: Path) -> None:
    size = file.stat().st_size
    if file.is_dir():
        raise WeightsError("a folder; expected a weight file")
    if not file.is_file():
        raise WeightsError("not a regular file; expected a weight file")
    if not 0 < size <= LIMIT:
        raise WeightsError(f"has {size} bytes; expected a weight file of at most {LIMIT >> 30} GB")


def _format(file: Path) -> Format:
    """The format by the first bytes; a file's name says nothing."""
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    if head.startswith(b"MATLAB 7.3"):
        raise WeightsError("a MATLAB 7.3 file; save it with -v7 and try again")
    if head[124:128] == MATLAB_5:
        return MATCONVNET
    if head.startswith(_HDF5):
        return KERAS
    if head.startswith(_ZIP):
        with open_zip(file) as archive:
            return NPZ if any(name.endswith(".npy") for name in archive.namelist()) else PYTORCH
    if head.startswith(_PICKLE):
        return PYTORCH
    if head[8:9] == b"{":
        return SAFETENSORS
    raise WeightsError(f"not a weight file; expected a {_formats()}")


def _formats() -> str:
    *others, last = (kind.name for kind in FORMATS)
    return f"{', '.join(others)} or {last} file"


def _network(contents: Contents, net: Architecture | None) -> tuple[Architecture, dict[str, str]]:
    """The network with the layers of the file, and for each layer its name in the file."""
    held = {name.rpartition(".")[0] for name in contents.arrays}
    normed = {name for name in held if f"{name}.running_mean" in contents.arrays}
    held, counted = held - normed, any(name.startswith("features.") for name in held)
    tables = {
        each: {
            name: _counted(each, name, normed=bool(normed)) if counted else name
            for name in each.convolutions
        }
        for each in ([net] if net else ARCHITECTURES.values())
    }
    closest, keys = min(
        tables.items(), key=lambda entry: len(held.symmetric_difference(entry[1].values()))
    )
    if not held:
        raise WeightsError(
            "holds no convolution of a VGG network by a name that is known; another chain of "
            "convolutions takes a description beside it, NAME.toml, and one that branches, such as "
            "a ResNet, is not supported"
        )
    if lacking := [key for key in keys.values() if key not in held]:
        raise WeightsError(f"lacks {', '.join(lacking[:3])} of {closest.name}; take another file")
    if surplus := sorted(held.difference(keys.values())):
        raise WeightsError(
            f"has {', '.join(surplus[:3])}, which {closest.name} does not; take another file"
        )
    return closest, keys


def _counted(net: Architecture, name: str, *, normed: bool) -> str:
    """Torchvision counts convolutions, their normalisations, ReLUs and poolings from 0."""
    before = [*net.convolutions].index(name) if normed else 0
    return f"features.{net.taps.index(name) + before}"


def _norm_after(contents: Contents, key: str) -> tuple[str, float] | None:
    """Name and ε of the normalisation that torchvision counts after a convolution, if any."""
    stem, _, number = key.rpartition(".")
    after = f"{stem}.{int(number) + 1}" if number.isdigit() else key
    return (after, EPSILON) if f"{after}.running_mean" in contents.arrays else None


def _layer(
    contents: Contents, conv: Conv, key: str, norms: Mapping[str, tuple[str, float]]
) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution; `norms` have those that a normalisation follows."""
    weight = contents.array(f"{key}.weight", contents.stored_shape(conv.shape))
    weight, channels = weight.permute(contents.axes).contiguous(), (conv.outward,)
    if conv.name not in norms:
        return weight, contents.array(f"{key}.bias", channels)
    norm, epsilon = norms[conv.name]
    parts = ("weight", "bias", "running_mean", "running_var")
    found = [contents.array(f"{norm}.{part}", channels) for part in parts]
    if not (found[3] + epsilon > 0).all():
        raise WeightsError(f"{norm}.running_var is not above 0; take another copy of the weights")
    biased = f"{key}.bias" in contents.arrays  # most leave it to the normalisation
    bias = contents.array(f"{key}.bias", channels) if biased else weight.new_zeros(channels)
    gain, shift, mean, variance = found
    return folded(weight, bias, Norm(gain, shift, mean, variance, epsilon))


def _colours(weights: Weights) -> ColourSpace:
    """The colours that a network expects.

    Conversions of the Oxford networks differ in the order of channels, whatever their format. Their
    first layer shows the order: in one of the two it equals the bundled network's. Any other
    network expects what is usual in its format. A mean colour from the file stays.
    """
    name, tap = weights.architecture.name, weights.architecture.taps[0]
    first = weights.layers[tap][0]
    known = bundled(name).layers[tap][0] if name in BUNDLED else first.new_empty(0)
    if known.shape != first.shape:
        return weights.input
    for space, ordered in ((CAFFE, first), (CAFFE_RGB, first.flip(1))):
        if (ordered - known).norm() < SAME * known.norm():
            same = (weights.input.order, weights.input.gain) == (space.order, space.gain)
            return weights.input if same else space
    return weights.input
