"""Networks by name: bundled, normalised, published originals; anything else is a weight file."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from impasto.encoder.weights.bundle import BUNDLED, Weights, bundled
from impasto.encoder.weights.formats.reading import read_weights
from impasto.encoder.weights.normalised import MEAN_ACTIVATIONS, rescaled
from impasto.encoder.weights.originals import ORIGINALS, read_original
from impasto.errors import SettingsError, printable

__all__ = ["ENCODERS", "KNOWN", "Known", "weights_of"]


@dataclass(frozen=True)
class Known:
    """A network that has a name: what it is, and how to get its weights."""

    about: str
    load: Callable[[], Weights]


def _normalised(network: str) -> Weights:
    weights = rescaled(bundled(network), MEAN_ACTIVATIONS[network])
    return replace(weights, name=f"{network}:normalised")


KNOWN = {
    **{
        name: Known("the Oxford network with an 8-bit codebook per layer", partial(bundled, name))
        for name in BUNDLED
    },
    **{
        f"{name}:normalised": Known(
            f"{name} with each layer scaled to a mean activation of 1", partial(_normalised, name)
        )
        for name in MEAN_ACTIVATIONS
    },
    **{
        name: Known(original.about, partial(read_original, name))
        for name, original in ORIGINALS.items()
    },
}
"""Every network that has a name."""

ENCODERS = tuple(KNOWN)


def weights_of(name: str) -> Weights:
    """The network that `name` stands for: one of ENCODERS, or else a path to a weight file.

    Shared by a process while few others have been asked for; a file that changes is read again.

    Raises SettingsError for what is neither, and WeightsError for an original that is not fetched
    and for a file that is not a network's.
    """
    if name in KNOWN:
        return _known(name)
    if not os.path.lexists(name):
        raise SettingsError(
            f"encoder is {printable(name)!r}; expected one of {', '.join(ENCODERS)}, "
            f"or a weight file"
        )
    path = Path(name).absolute()
    status = path.stat() if path.exists() else path.lstat()
    return _from_file(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4)
def _known(name: str) -> Weights:
    return KNOWN[name].load()


@functools.lru_cache(maxsize=2)
def _from_file(path: Path, changed: int, size: int) -> Weights:
    """What the file holds at the time and size given, which are but keys."""
    return read_weights(path)
