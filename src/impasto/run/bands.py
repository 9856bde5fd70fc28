"""The picture of a canvas that processes share, in bands of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from impasto.hardware.device import Hardware
from impasto.hardware.oom import memory_guard
from impasto.images import Picture
from impasto.images.precision import neutral
from impasto.objective.strips import Strip
from impasto.run.events import Step
from impasto.run.share import Share

__all__ = ["at_first", "bands_of"]

_PIXELS = 2**20  # of a band, about


def bands_of(
    step: Step, share: Share, hardware: Hardware, alpha: Tensor | None
) -> Iterator[Picture]:
    """The rows of each process in turn, at the first one; each makes its own when it is asked.

    The others get none. `alpha` is (h, w) in [0, 1]. Raises OutOfMemory.
    """
    width, rank = step.size[0], share.ranks.rank
    count = max(1, _PIXELS // width)
    for owner, strip in enumerate(share.strips):
        for first in range(strip.start, strip.stop, count):
            rows = slice(first, min(first + count, strip.stop))
            with hardware.computing(), memory_guard("the picture"):
                own = _band(step, rows, strip) if owner == rank else None
                pixels = share.to_first(own, owner, (3, rows.stop - rows.start, width))
            if pixels is not None:
                yield Picture(pixels, None if alpha is None else alpha[rows])


def at_first(share: Share, make: Callable[[], Picture]) -> Iterator[Picture]:
    """What all processes make together, as one band at the first and none at the others."""
    picture = make()
    if share.ranks.rank == 0:
        yield picture


def _band(step: Step, rows: slice, strip: Strip) -> Tensor:
    """The picture of some rows of a canvas of which a strip's own are here, (3, n, w) float32."""
    assert step.canvas is not None
    here = slice(rows.start - strip.start, rows.stop - strip.start)
    with neutral():
        return step.postprocess.rows(here)(step.space.to_srgb(step.canvas[:, here])).float().cpu()
