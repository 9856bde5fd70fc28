"""Memory that one stage of a run takes, phase by phase, and the cost of its evaluations.

The network's part follows from its operations (`impasto.hardware.cost`), and the optimiser tells
its own. The parts of the allocator and of the process are constants, measured once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import ceil, prod

import torch

from impasto.encoder import Architecture, Encoder, weights_of
from impasto.encoder.convolutions import layout
from impasto.hardware.cost import Network
from impasto.hardware.cut import Cut
from impasto.objective.style_losses import declaration, find_style_loss
from impasto.objective.tiles import Tiling
from impasto.optimisers import MemoryUse, Optimiser, Problem
from impasto.settings import Settings
from impasto.settings.variants import OPTIMISERS

__all__ = ["Demand"]

Size = tuple[int, int]

MB = 10**6

# Measured by the kernel's VmRSS and VmHWM (Linux, x86, 2 threads, torch 2.x) in new processes:
_PROCESS = 330 * MB  # Python, torch and the package after a run of 64 px, without weights
_LIBRARIES = 30 * MB  # oneDNN's kernels and scratch memory, from the first evaluation on
_PACKED = 45 * MB  # left over when oneDNN arranges weights in its own order
_KEPT = 2**20  # pixels up to which `impasto.hardware.allocator` keeps freed memory
_GAPS = 2.1  # memory of an evaluation with kept memory, over the bytes in use (1.9 to 2.4)
_SMALL_BLOCKS = 200 * MB  # the heap that blocks of at most 4 MB share


@dataclass(frozen=True)
class Demand:
    """One stage of a run, of which `peak` and `cost` tell what a plan takes.

    Attributes:
        settings: of the run.
        size: (w, h) of the canvas, pixels.
        style_size: (w, h) of the style as it is measured, pixels; None without a style.
        dtype, device: of the network's features.
        extra_bytes: bytes that the process holds besides pictures of these sizes.
        encoder: the network; None for the one that the settings name.
    """

    settings: Settings
    size: Size
    style_size: Size | None
    dtype: torch.dtype
    device: torch.device
    extra_bytes: int
    encoder: Encoder | None = None

    def shrunk(self, factor: float) -> Demand:
        """The same stage with all sides multiplied by a factor."""
        size, style = (_times(s, factor) if s else None for s in (self.size, self.style_size))
        assert size is not None
        return replace(self, size=size, style_size=style)

    def peak(self, tiling: Tiling, history: int) -> int:
        """Maximum of bytes in use over all phases, with so many curvature pairs in the history."""
        return max(self._fixed + phase for phase in self._phases(tiling, history))

    @property
    def beginning(self) -> int:
        """Maximum of bytes in use until there is a first canvas."""
        return self._fixed + max(self._first_phases())

    def _first_phases(self) -> Iterator[int]:
        canvas, style = self._canvas, self._style
        pictures = canvas + style
        yield pictures + 2 * max(canvas, style)  # resizing: planes, and their stack
        yield pictures + 3 * canvas  # the first canvas, converted from another colour space

    def _phases(self, tiling: Tiling, history: int) -> Iterator[int]:
        """Bytes in use in each phase of a stage, without the fixed ones."""
        cut, canvas, style = self._cut(tiling.tile), self._canvas, self._style
        pictures = canvas + style
        yield from self._first_phases()
        yield pictures + canvas + self._allocated(self._style_cut(tiling.tile).largest.forward)
        contents = cut.contents if tiling.keep_content else 0
        if self.network.content:
            yield pictures + canvas + contents + self._allocated(cut.target.forward)
        optimiser = self._optimiser(history)
        kept = 3 if self.settings.average else 2  # first canvas, best canvas, average
        kept += bool(self.settings.legibility)  # the photograph's lightness, and where it counts
        features = self._allocated(self._windows_bytes(cut, tiling), evaluating=True)
        statistics = self._statistics
        yield kept * canvas + contents + optimiser.evaluating + features + statistics
        yield kept * canvas + contents + optimiser.between

    def _windows_bytes(self, cut: Cut, tiling: Tiling) -> int:
        """Bytes in use while an evaluation computes its windows, with the tapes that are kept."""
        window, content, style = cut.largest, self.network.content, self.network.style
        tapes = cut.tapes(min(tiling.tapes, cut.count)) if style else window.tape
        passes = max(window.forward, window.backward) + tapes - window.tape
        if tiling.keep_content or not content:
            return passes
        again = cut.target.forward + tapes  # content's features, measured in each evaluation
        return max(passes + sum(window.cores[tap] for tap in content), again)

    @cached_property
    def _statistics(self) -> int:
        """Bytes that the style loss's statistic holds besides matrices, such as all features."""
        net = self.network.architecture
        shapes = [
            (net.channels(tap), prod(net.positions(tap, side) for side in self.size))
            for tap in self.network.style
        ]
        statistic = declaration(find_style_loss(self.settings.style_loss)).statistic
        return statistic.extra_bytes(shapes, self.dtype.itemsize)

    def cost(self, tiling: Tiling) -> float:
        """Multiply-adds of an evaluation, over those of one that computes the canvas in one window.

        A forward pass and a pullback, and another forward pass of windows whose tape is not kept.
        """
        cut, whole = self._cut(tiling.tile), self._cut(None)
        if not self.network.taps:
            return 1.0
        passes = 2 * cut.forward()
        if self.network.style:
            passes += cut.forward() - cut.forward(min(cut.count, max(1, tiling.tapes)))
        if self.network.content and not tiling.keep_content:
            passes += cut.forward_content()
        return passes / (2 * whole.forward())

    def windows(self, tile: int | None) -> int:
        """Number of windows for a tile of so many pixels, at least 1."""
        return max(1, self._cut(tile).count)

    def _cut(self, tile: int | None) -> Cut:
        return _cut(self.network, self.size, tile)

    def _style_cut(self, tile: int | None) -> Cut:
        network = replace(self.network.measuring(self.network.style), wraps=(False, False))
        return _cut(network, self.style_size or self.size, tile)

    @property
    def _canvas(self) -> int:
        """Bytes of one canvas, gradient, or picture of its size."""
        return _bytes(self.size, self.dtype)

    @property
    def _style(self) -> int:
        """Bytes of the style at the size at which it is measured."""
        return _bytes(self.style_size, self.dtype) if self.style_size else 0

    @cached_property
    def network(self) -> Network:
        """The network, and the taps whose weight is not 0."""
        s = self.settings
        content, style = tuple(s.content_taps), tuple(s.style_taps)
        net, pooling, exact = self._encoder
        last = layout(self.dtype, exact=exact) == torch.channels_last
        padding = self.encoder.padding if self.encoder else s.padding
        edges = padding == "replicate-all" or any(s.wraps)
        return Network(net, content, style, pooling, self.dtype, last, edges, s.wraps)

    @property
    def _encoder(self) -> tuple[Architecture, str, bool]:
        """Architecture, pooling, and whether float32 is exact."""
        if self.encoder:
            return self.encoder.architecture, self.encoder.pooling, self.encoder.exact
        s = self.settings
        return weights_of(s.encoder).architecture, s.pooling, s.precision == "fp32"

    @cached_property
    def _fixed(self) -> int:
        """Bytes in use in every phase: process, weights as read and as packed, extra bytes."""
        network, exact = self.network, self._encoder[2]
        table = network.architecture.convolutions
        sizes = {name: conv.multiplications for name, conv in table.items()}
        used = sum(sizes[name] for name in network.path if name in sizes) * self.dtype.itemsize
        copies = 2 if network.channels_last else int(not exact)  # packed, forwards and back
        if self.device.type == "cuda":
            return used + _LIBRARIES
        packed = _PACKED if copies == 2 else 0
        process = _PROCESS + _LIBRARIES + packed + 4 * sum(sizes.values())
        return process + copies * used + self.extra_bytes

    def _optimiser(self, history: int) -> MemoryUse:
        """Bytes of the optimiser with so many curvature pairs, at the stage of most iterations."""
        s = self.settings
        iterations = max(s.iterations) if isinstance(s.iterations, tuple) else s.iterations
        granted = s.model_copy(update={"history": history})
        problem = Problem(granted, self.size, iterations, 0, self.dtype, self.device)
        optimiser: Optimiser = OPTIMISERS.get(s.optimiser)
        return optimiser.memory(problem)

    def _allocated(self, used: int, evaluating: bool = False) -> int:
        """Bytes that the allocator takes from the system for so many bytes in use."""
        if self.device.type != "cpu":
            return used
        width, height = self.size
        if evaluating and width * height <= _KEPT:
            return int(used * _GAPS)
        return used + min(_SMALL_BLOCKS, used // 2)


@lru_cache(maxsize=1024)
def _cut(network: Network, size: Size, tile: int | None) -> Cut:
    return Cut.of(network, size, tile)


def _bytes(size: Size, dtype: torch.dtype) -> int:
    """Bytes of a picture of (w, h), in float32 or better."""
    return 3 * size[0] * size[1] * max(4, dtype.itemsize)


def _times(size: Size, factor: float) -> Size:
    width, height = (max(1, ceil(side * factor)) for side in size)
    return width, height
