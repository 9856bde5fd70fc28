"""What one scale of a run takes of memory, phase by phase, and what its evaluations cost.

The network's part follows from the operations it does (`impasto.hardware.cost`), the optimiser says
its own; the allocator's and the process's are measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import ceil

import torch

from impasto.encoder import Architecture, Encoder, weights_of
from impasto.encoder.layers import layout
from impasto.hardware.cost import Cut, Network
from impasto.objective.style_losses import declaration, find_style_loss
from impasto.objective.tiles import Tiling
from impasto.optimisers import MemoryUse, Optimiser, Problem
from impasto.settings import Settings
from impasto.settings.variants import OPTIMISERS

__all__ = ["Demand"]

Size = tuple[int, int]

MB = 10**6

# Measured by the kernel's VmRSS and VmHWM (Linux, x86, 2 threads, torch 2.x) in fresh processes:
_PROCESS = 330 * MB  # python, torch and the package after a run of 64 px, without any weights
_LIBRARIES = 30 * MB  # oneDNN's kernels and scratch memory, from the first evaluation on
_PACKED = 45 * MB  # the same where it keeps weights in its own order: what that leaves behind
_KEPT = 2**20  # pixels up to which `impasto.hardware.allocator` keeps what is freed
_GAPS = 2.1  # what an evaluation then takes, over what is alive at most (1.9 to 2.4)
_SMALL_BLOCKS = 200 * MB  # those of at most 4 MB share a heap


@dataclass(frozen=True)
class Demand:
    """What one scale of a run takes, whatever the plan.

    Attributes:
        settings: of the run.
        size: the canvas's (w, h).
        style_size: the painting's (w, h), as it is measured; None without one.
        dtype, device: where the network computes.
        extra_bytes: whatever the process holds beside pictures of these sizes.
        encoder: the network; None for the one that the settings describe.
    """

    settings: Settings
    size: Size
    style_size: Size | None
    dtype: torch.dtype
    device: torch.device
    extra_bytes: int
    encoder: Encoder | None = None

    def shrunk(self, factor: float) -> Demand:
        """The same run of smaller pictures."""
        size, style = (_times(s, factor) if s else None for s in (self.size, self.style_size))
        assert size is not None
        return replace(self, size=size, style_size=style)

    def peak(self, tiling: Tiling, history: int) -> int:
        """The most memory that any phase takes, bytes."""
        return max(self._fixed + phase for phase in self._phases(tiling, history))

    def _phases(self, tiling: Tiling, history: int) -> Iterator[int]:
        """Bytes in use, beside what is there all along, in each phase of a scale in turn."""
        cut, canvas, painting = self._cut(tiling.tile), self._canvas, self._painting
        pictures = canvas + painting
        yield pictures + 2 * max(canvas, painting)  # brought to size: planes, and their stack
        yield pictures + 3 * canvas  # the first canvas: from another space, by its parts
        yield pictures + canvas + self._around(self._style_cut(tiling.tile).look.forward)
        contents = cut.contents if tiling.keep_content else 0
        if self.network.content:
            yield pictures + canvas + contents + self._around(cut.target.forward)
        optimiser = self._optimiser(history)
        kept = 3 if self.settings.average else 2  # first canvas, best canvas, average
        looking = self._around(self._looking(cut, tiling), evaluating=True) + self._gathered
        yield kept * canvas + contents + optimiser.evaluating + looking
        yield kept * canvas + contents + optimiser.between

    def _looking(self, cut: Cut, tiling: Tiling) -> int:
        """What an evaluation takes for its windows: looks, their tapes, content's features anew."""
        look, content, style = cut.look, self.network.content, self.network.style
        tapes = cut.tapes(min(tiling.tapes, cut.count)) if style else look.tape
        most = max(look.forward, look.backward) + tapes - look.tape
        if tiling.keep_content or not content:
            return most
        anew = cut.target.forward + tapes
        return max(most + sum(look.cores[tap] for tap in content), anew)

    @cached_property
    def _gathered(self) -> int:
        """What the style loss's statistic takes beyond matrices, such as all features, bytes."""
        net, (width, height) = self.network.architecture, self.size
        shapes = [
            (net.channels(tap), (width >> net.level(tap)) * (height >> net.level(tap)))
            for tap in self.network.style
        ]
        statistic = declaration(find_style_loss(self.settings.style_loss)).statistic
        return statistic.extra_bytes(shapes, self.dtype.itemsize)

    def cost(self, tiling: Tiling) -> float:
        """Multiply-adds of an evaluation, relative to one window looked at once.

        Forwards, backwards, and for style forwards again where no tape was kept.
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
        """How many windows there are of a tile."""
        return max(1, self._cut(tile).count)

    def _cut(self, tile: int | None) -> Cut:
        return _cut(self.network, self.size, tile)

    def _style_cut(self, tile: int | None) -> Cut:
        network = self.network.measuring(self.network.style)
        return _cut(network, self.style_size or self.size, tile)

    @property
    def _canvas(self) -> int:
        """Bytes of one canvas, gradient, or picture of its size."""
        return _bytes(self.size, self.dtype)

    @property
    def _painting(self) -> int:
        return _bytes(self.style_size, self.dtype) if self.style_size else 0

    @cached_property
    def network(self) -> Network:
        """The network as the settings look at it."""
        s = self.settings
        content, style = (
            tuple(tap for tap, part in layers.items() if weight * part)
            for weight, layers in (
                (s.content_weight, s.content_layers),
                (s.style_weight, s.style_layers),
            )
        )
        net, pooling, exact = self._encoder
        last = layout(self.dtype, exact=exact) == torch.channels_last
        return Network(net, content, style, pooling, self.dtype, last)

    @property
    def _encoder(self) -> tuple[Architecture, str, bool]:
        """Architecture, pooling and exactness of the network."""
        if self.encoder:
            return self.encoder.architecture, self.encoder.pooling, self.encoder.exact
        s = self.settings
        return weights_of(s.encoder).architecture, s.pooling, s.precision == "fp32"

    @cached_property
    def _fixed(self) -> int:
        """What there is all along: the process, the weights as read and as used, pictures."""
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
        """What the optimiser holds if it keeps so many curvature pairs, at the longest scale."""
        s = self.settings
        most = max(s.iterations) if isinstance(s.iterations, tuple) else s.iterations
        granted = s.model_copy(update={"history": history})
        problem = Problem(granted, self.size, most, 0, self.dtype, self.device)
        optimiser: Optimiser = OPTIMISERS.get(s.optimiser)
        return optimiser.memory(problem)

    def _around(self, alive: int, evaluating: bool = False) -> int:
        """What the allocator makes of looks that have so many bytes alive at most."""
        if self.device.type != "cpu":
            return alive
        width, height = self.size
        if evaluating and width * height <= _KEPT:
            return int(alive * _GAPS)
        return alive + min(_SMALL_BLOCKS, alive // 2)


@lru_cache(maxsize=1024)
def _cut(network: Network, size: Size, tile: int | None) -> Cut:
    return Cut.of(network, size, tile)


def _bytes(size: Size, dtype: torch.dtype) -> int:
    """Of a picture of (w, h) in float32 or better."""
    return 3 * size[0] * size[1] * max(4, dtype.itemsize)


def _times(size: Size, factor: float) -> Size:
    width, height = (max(1, ceil(side * factor)) for side in size)
    return width, height
