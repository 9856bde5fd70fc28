"""What an optimiser may know about a run besides its function, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from impasto.images.spaces import colour_space
from impasto.objective.ranks import Ranks
from impasto.optimisers.base import Minimiser, ValueAndGrad
from impasto.optimisers.box import Box
from impasto.settings import Settings

__all__ = ["MemoryUse", "Optimiser", "Problem"]


@dataclass(frozen=True)
class Problem:
    """One scale of a run, as an optimiser sees it.

    Attributes:
        settings: of the run, with the history that the memory plan grants.
        size: (width, height) of the canvas, whose vectors have 3·h·w entries, channel by channel.
        iterations: how many are planned at this scale.
        decay_every: iterations between two decays of the learning rate; 0 for never.
        dtype, device: where the network computes; vectors are in float32 or better.
        rows: how many rows of the canvas each process has that shares it; vectors are those of this
            process's rows then. Empty where the canvas is not shared.
        ranks: these processes.
    """

    settings: Settings
    size: tuple[int, int]
    iterations: int
    decay_every: int
    dtype: torch.dtype
    device: torch.device
    rows: tuple[int, ...] = ()
    ranks: Ranks | None = None

    @property
    def vector_bytes(self) -> int:
        """Bytes of one vector, such as the canvas or its gradient, or this process's part of it."""
        width, height = self.size
        if self.ranks is not None:
            height = self.rows[self.ranks.rank]
        return 3 * width * height * max(4, self.dtype.itemsize)

    @property
    def level(self) -> float:
        """The length of one level of 255 in units of the canvas's colour space."""
        return colour_space(self.settings.space).gain[1] / 255

    @property
    def bounded(self) -> bool:
        """Whether the canvas has to stay in a box."""
        return self.settings.clip != "none"

    def box(self, like: Tensor) -> Box | None:
        """The bounds of each channel, in the precision of `like` (n,); None for a free canvas."""
        clip = self.settings.clip
        if clip == "none":
            return None
        if clip == "gamut":
            space = colour_space(self.settings.space)
            return Box(like.new_tensor(space.low), like.new_tensor(space.high))
        limit = like.new_full((3,), clip)
        return Box(-limit, limit)

    def with_step(self, factor: float) -> Problem:
        """The same problem with the learning rate multiplied by `factor`."""
        rate = self.settings.learning_rate * factor
        return replace(self, settings=self.settings.model_copy(update={"learning_rate": rate}))


@dataclass(frozen=True)
class MemoryUse:
    """Bytes that a minimiser holds at most, its last iterate and gradient included.

    Attributes:
        evaluating: while the function is evaluated.
        between: between evaluations.
    """

    evaluating: int
    between: int


@dataclass(frozen=True)
class Optimiser:
    """An entry of `impasto.settings.variants.OPTIMISERS`.

    Attributes:
        start: (function, x, problem) -> its minimiser from the canvas x, (3·h·w,), inside the box.
        memory: problem -> bytes that this minimiser holds. The memory plan calls it before anything
            is allocated, with fewer pairs in `problem.settings.history` if memory is short.
    """

    start: Callable[[ValueAndGrad, Tensor, Problem], Minimiser]
    memory: Callable[[Problem], MemoryUse]
