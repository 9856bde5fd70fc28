"""Networks by name: bundled, normalised, published originals, and those that others register.

A named network is a function without arguments that returns its `Weights`; the first line of its
docstring says what it is. `ENCODERS.register(name, function)` adds one, and so does an entry point
of the group `impasto.encoders`.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from impasto.encoder.cache import Cache
from impasto.encoder.weights.bundle import Weights, bundled
from impasto.encoder.weights.formats.description import described_by
from impasto.encoder.weights.formats.reading import read_weights
from impasto.encoder.weights.normalised import MEAN_ACTIVATIONS, rescaled
from impasto.encoder.weights.originals import read_original
from impasto.errors import SettingsError, WeightsError, printable
from impasto.images.checksums import file_checksum
from impasto.settings.registry import Registry
from impasto.settings.variants import ENCODERS as _ENCODERS

__all__ = ["ENCODERS", "WEIGHTS_CACHE", "weights_of"]

ENCODERS: Registry[Callable[[], Weights]] = _ENCODERS
"""Every network that has a name, and the function that loads it."""

WEIGHTS_CACHE: Cache[Weights] = Cache(4)
"""The networks used last: named ones by their function, files by the SHA-256 of their content."""


def weights_of(source: str | os.PathLike[str] | Weights) -> Weights:
    """The network that `source` stands for: Weights, a name of ENCODERS, or a weight file.

    A `str` that is a registered name is never taken for a path; a `Path` always is one. A file is
    read again when its content changes.

    Raises SettingsError for a `str` that is neither a name nor a file, and WeightsError for an
    original that is not fetched and for a file that does not hold a network.
    """
    if isinstance(source, Weights):
        return source
    if isinstance(source, str) and source in ENCODERS:
        return _named(source)
    if isinstance(source, str) and not os.path.lexists(source):
        raise SettingsError(
            f"encoder is {printable(source)[:200]!r}; expected one of "
            f"{', '.join(ENCODERS.names())}, or a weight file"
        )
    return _from_file(Path(source))


def _named(name: str) -> Weights:
    load = ENCODERS.get(name)

    def named() -> Weights:
        weights = load()
        return weights if weights.name else replace(weights, name=name)

    return WEIGHTS_CACHE.get((load, name), named)


def _from_file(path: Path) -> Weights:
    if not path.is_file():
        return read_weights(path)  # raises, and says what is there
    try:
        content, beside = file_checksum(path), described_by(path)
        description = file_checksum(beside) if beside else None
    except OSError as error:
        raise WeightsError(f"{printable(path)}: cannot be read ({error.strerror})") from error

    def unchanged() -> Weights:
        weights = read_weights(path)
        if weights.sha256 != content:
            raise WeightsError(f"{printable(path)}: changed while it was read; try again")
        return weights

    return WEIGHTS_CACHE.get((content, path.name, description), unchanged)


def vgg19() -> Weights:
    """The Oxford network with an 8-bit codebook per layer."""
    return bundled("vgg19")


def vgg16() -> Weights:
    """The Oxford network with an 8-bit codebook per layer."""
    return bundled("vgg16")


def vgg19_normalised() -> Weights:
    """vgg19 with each layer scaled to a mean activation of 1."""
    return _normalised("vgg19")


def vgg16_normalised() -> Weights:
    """vgg16 with each layer scaled to a mean activation of 1."""
    return _normalised("vgg16")


def vgg19_keras() -> Weights:
    """The Oxford network in full precision, converted by Keras."""
    return read_original("vgg19:keras")


def vgg16_keras() -> Weights:
    """The Oxford network in full precision, converted by Keras."""
    return read_original("vgg16:keras")


def vgg19_torchvision() -> Weights:
    """Another training of the same architecture, by torchvision."""
    return read_original("vgg19:torchvision")


def vgg16_torchvision() -> Weights:
    """Another training of the same architecture, by torchvision."""
    return read_original("vgg16:torchvision")


def _normalised(network: str) -> Weights:
    weights = rescaled(bundled(network), MEAN_ACTIVATIONS[network])
    return replace(weights, name=f"{network}:normalised")
