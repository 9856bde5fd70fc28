"""The published full-precision networks: source, place and checksum of each file."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from platformdirs import user_cache_path

from impasto.encoder.weights.bundle import Weights
from impasto.encoder.weights.formats.reading import read_weights
from impasto.errors import WeightsError, printable
from impasto.images.checksums import file_checksum

__all__ = ["ORIGINALS", "Original", "cache_folder", "original", "read_original"]

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_NOTOP = "weights_tf_dim_ordering_tf_kernels_notop.h5"
_TORCH = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class Original:
    """A weight file as its publisher gives it.

    `size` is in bytes; `checksum` is `sha256:…`, or `md5:…` where only that is published.
    """

    name: str
    url: str
    size: int
    checksum: str

    @property
    def path(self) -> Path:
        """Place of the fetched file."""
        return cache_folder() / self.url.rpartition("/")[2]

    def fault(self, path: Path) -> str | None:
        """How the file at `path` differs from the published one; None if it does not.

        Raises WeightsError if it cannot be read.
        """
        algorithm, _, expected = self.checksum.partition(":")
        try:
            actual = file_checksum(path, algorithm)
        except OSError as error:
            raise WeightsError(f"{printable(path)}: cannot be read ({error.strerror})") from error
        if actual == expected:
            return None
        return f"{algorithm.upper()} is {actual}, expected {expected}"

    def check(self) -> None:
        """Raise WeightsError unless the fetched file is the published one, byte for byte."""
        if fault := self.fault(self.path):
            raise WeightsError(
                f"{printable(self.path)}: not the published file ({fault}); "
                f"remove it, then impasto weights fetch {self.name}"
            )


ORIGINALS = {
    original.name: original
    for original in (
        Original(
            "vgg19:keras",
            f"{_KERAS}/vgg19/vgg19_{_NOTOP}",
            80_134_624,
            "md5:253f8cb515780f3b799900260a226db6",
        ),
        Original(
            "vgg16:keras",
            f"{_KERAS}/vgg16/vgg16_{_NOTOP}",
            58_889_256,
            "sha256:bfe5187d0a272bed55ba430631598124cff8e880b98d38c9e56c8d66032abdc1",
        ),
        Original(
            "vgg19:torchvision",
            f"{_TORCH}/vgg19-dcbb9e9d.pth",
            574_673_361,
            "sha256:dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        ),
        Original(
            "vgg16:torchvision",
            f"{_TORCH}/vgg16-397923af.pth",
            553_433_881,
            "sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        ),
    )
}


def cache_folder() -> Path:
    """The folder of fetched weights: in `$IMPASTO_CACHE` if set, else in the user's cache."""
    root = os.environ.get("IMPASTO_CACHE")
    return (Path(root) if root else user_cache_path("impasto", appauthor=False)) / "weights"


def original(name: str) -> Original:
    """The original called `name`; WeightsError lists the names for an unknown one."""
    if name not in ORIGINALS:
        raise WeightsError(
            f"{printable(name)}: no such original; expected one of {', '.join(ORIGINALS)}"
        )
    return ORIGINALS[name]


def read_original(name: str) -> Weights:
    """The fetched original `name`, its checksum verified; WeightsError says how to get it."""
    source = original(name)
    if not source.path.is_file():
        raise WeightsError(
            f"{name}: not fetched yet; impasto weights fetch {name}, or put {source.url} "
            f"into {printable(source.path.parent)}"
        )
    source.check()
    return replace(read_weights(source.path), name=name)
