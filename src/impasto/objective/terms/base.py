"""The terms of an objective: protocols that a new term follows, and what its factory is given.

An objective is a list of terms. A *feature term* depends on the network's features at its taps:

- `FeatureTerm` compares what is measured of the whole canvas, such as Gram matrices. Measurements
  of tiles add up; the comparison is small; its gradient is applied tile by tile.
- `LocalTerm` is a sum over positions, such as content's, and needs no measurement first.

A *pixel term* (`PixelTerm`) depends on the canvas alone. Every term's name appears in
`Evaluation.terms`, in traces and in reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from impasto.encoder import Encoder
from impasto.images.spaces import ColourSpace
from impasto.objective.tiles import Tile, Tiling

__all__ = [
    "AnyTerm",
    "FeatureTerm",
    "LocalTerm",
    "PixelTerm",
    "TapGradient",
    "TermContext",
    "TermFactory",
    "WindowedTerm",
]

TapGradient = Tensor | Callable[[Tensor, Tensor], object]
"""A gradient with respect to the features of a tile's core at a tap, (1, c, h, w).

Either the tensor, or a function that is given the gradient so far and the features, both of that
shape, and adds to the former in place. A function makes its gradient only when it is needed, which
saves memory.
"""


@runtime_checkable
class FeatureTerm(Protocol):
    """A term of what is measured of the features of the whole canvas."""

    @property
    def name(self) -> str:
        """What traces and reports call it; one name, one term."""

    @property
    def taps(self) -> Sequence[str]:
        """The taps whose features it measures; none for a term without weight."""

    def measure(self, tile: Tile) -> Any:  # noqa: ANN401 (of the term's own kind)
        """What is measured of one tile: a tensor, or anything else that `+` adds up over tiles.

        On CUDA the measurement is recorded as a graph: it may not wait for the device, so no
        `.item()` and no `if` on a tensor.
        """

    def compare(self, measured: Any) -> tuple[Tensor, Any]:  # noqa: ANN401 (of the term's own kind)
        """The term's value, a scalar, and its gradient with respect to the measurement.

        `measured` is the sum over all tiles. The gradient is whatever `cotangents` takes: a tensor,
        or tuples, lists, dictionaries or dataclasses of tensors (and None). It may wait for the
        device.
        """

    def cotangents(self, tile: Tile, gradient: Any) -> Mapping[str, TapGradient]:  # noqa: ANN401 (of the term's own kind)
        """The gradient with respect to a tile's core at each tap that has one.

        May not wait for the device, as `measure`.
        """


@runtime_checkable
class LocalTerm(Protocol):
    """A term that is a sum over positions: each tile has a part of the value."""

    @property
    def name(self) -> str:
        """What traces and reports call it; one name, one term."""

    @property
    def taps(self) -> Sequence[str]:
        """The taps of its features; none for a term without weight."""

    def value_and_cotangents(self, tile: Tile) -> tuple[Tensor, Mapping[str, TapGradient]]:
        """A tile's part of the value, a scalar, and the gradient with respect to its cores.

        May not wait for the device.
        """


@runtime_checkable
class PixelTerm(Protocol):
    """A term of the canvas itself."""

    @property
    def name(self) -> str:
        """What traces and reports call it; one name, one term."""

    def add(self, canvas: Tensor, gradient: Tensor) -> Tensor:
        """The term's value at a canvas, a scalar; its gradient is added to `gradient` in place.

        Both are (3, h, w) in the canvas's colour space. May not wait for the device.
        """


@runtime_checkable
class WindowedTerm(Protocol):
    """A term that keeps something for each window; the objective tells it the windows."""

    def for_windows(self, tiling: Tiling, taps: tuple[str, ...]) -> Any:  # noqa: ANN401 (its own type)
        """The same term for the windows of a tiling; `taps` are those of all terms together."""


AnyTerm = FeatureTerm | LocalTerm | PixelTerm


@dataclass(frozen=True, eq=False)
class TermContext:
    """What a term can be made from, at one scale of a run.

    Attributes:
        encoder: the network; its `device` and `dtype` are those of features. Canvases are on the
            same device, in float32 or better.
        space: the canvas's colour space.
        size: the canvas's (width, height), pixels.
        content: the sRGB content picture, (3, h, w) in [0, 1], if there is one.
        tiling: how the canvas is cut into windows.
        style: makes a style term of a part of the canvas from its map (h, w) in [0, 1], its name,
            and its weight in parts of what the run's own style weighs there.
    """

    encoder: Encoder
    space: ColourSpace
    size: tuple[int, int]
    content: Tensor | None
    tiling: Tiling
    style: Callable[[Tensor, str, float], FeatureTerm]


TermFactory = Callable[[TermContext], AnyTerm]
"""Makes a term for each scale of a run: `Run(terms=[factory])`.

The memory plan of a run does not count what such terms take.
"""
