"""The function that a canvas minimises: a list of terms, evaluated in three phases.

1. `measure`: features of the canvas -> what each feature term measures of them, such as Σf and Σffᵀ
   at each of its taps;
2. `compare`: measurements -> values, and gradients with respect to the measurements, by autograd on
   a few C x C matrices;
3. `pullback`: at each tap the sum of all terms' cotangents, such as content's 2·scale·(F - P) and
   style's f·(S + Sᵀ) + m, pulled back to the canvas; and the terms of the canvas itself.

Measurements of windows add up, and so do the gradients pulled back to each: the result is the
gradient of the whole, whatever the windows. One window needs one forward pass for both phases. Only
`compare` may wait for a device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Any

import torch
from torch import Tensor

from impasto.encoder import Cotangent, Encoder, Tape
from impasto.errors import SettingsError
from impasto.images.precision import neutral
from impasto.images.spaces import CAFFE, ColourSpace
from impasto.objective.measure import unchecked
from impasto.objective.terms.base import (
    AnyTerm,
    FeatureTerm,
    LocalTerm,
    PixelTerm,
    TapGradient,
    WindowedTerm,
)
from impasto.objective.tiles import Tile, Tiling, Window, windows_over

__all__ = ["CanvasFunction", "Comparison", "Evaluation", "Forward", "Measurement", "Objective"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The objective at a canvas.

    Attributes:
        loss: the sum of the terms, a scalar.
        terms: name -> value with its weight, a scalar; scalars stay on the device.
        gradient: (3, h, w) in the canvas's colour space.
    """

    loss: Tensor
    terms: Mapping[str, Tensor]
    gradient: Tensor


CanvasFunction = Callable[[Tensor], Evaluation]
"""A function of canvases (3, h, w), such as an objective, evaluated together with its gradient."""


@dataclass(frozen=True, eq=False)
class Forward:
    """A forward pass of one window: what the pullback needs."""

    tape: Tape
    tile: Tile


@dataclass(frozen=True, eq=False)
class Measurement:
    """What the measuring phase leaves.

    Attributes:
        sums: term -> what it measured of the whole canvas.
        kept: forward passes by the index of their window; the pullback consumes them.
    """

    sums: dict[str, Any]
    kept: dict[int, Forward]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Values of feature terms by name, and gradients with respect to their measurements."""

    values: dict[str, Tensor]
    gradients: dict[str, Any]


class Objective:
    """The sum of terms of a canvas, with its gradient.

    Args:
        encoder: the frozen network.
        terms: in the order in which they are added up; each has a name of its own.
        space: the canvas's colour space.
        tiling: how the canvas is cut into windows.
        check: called before each window in both passes; what it raises, such as
            `impasto.errors.Cancelled`, ends the evaluation.
        total: adds up what was measured, by term, over the processes that share the canvas.

    Raises SettingsError for two terms of one name, and for an object that is no term.
    """

    def __init__(
        self,
        encoder: Encoder,
        terms: Sequence[AnyTerm],
        *,
        space: ColourSpace = CAFFE,
        tiling: Tiling = Tiling(),  # noqa: B008 (frozen)
        check: Callable[[], object] = unchecked,
        total: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ) -> None:
        self._encoder, self._space, self._check, self._total = encoder, space, check, total
        self.architecture = encoder.architecture
        self.names = _names(terms)
        self.taps = tuple(dict.fromkeys(tap for term in terms for tap in getattr(term, "taps", ())))
        self._terms = tuple(terms)
        self._tile(tiling)

    def __call__(self, canvas: Tensor) -> Evaluation:
        """Loss, terms and gradient at `canvas`, (3, h, w) in the canvas's colour space."""
        measurement = self.measure(canvas)
        comparison = self.compare(measurement)
        measurement.sums.clear()  # features of the whole canvas, for some losses
        return self.pullback(canvas, measurement, comparison)

    @neutral()
    def measure(self, canvas: Tensor) -> Measurement:
        """The first pass over the windows of a canvas (3, h, w); keeps the last `tapes` of it."""
        found, parts = Measurement({}, {}), self._windows(canvas)
        first_kept = len(parts) - max(1, self.tiling.tapes)
        for index, window in enumerate(parts if self._measured else ()):
            self._check()
            forward = self._forward(canvas, window, index)
            for term in self._measured:
                part = term.measure(forward.tile)
                before = found.sums.get(term.name)
                found.sums[term.name] = part if before is None else before + part
            if index >= first_kept:
                found.kept[index] = forward
            del forward  # before the next
        return found

    @neutral()
    def compare(self, measurement: Measurement) -> Comparison:
        """Values of the terms that were measured, and their gradients."""
        found, sums = Comparison({}, {}), self._total(measurement.sums)
        for term in self._measured:
            value, gradient = term.compare(sums[term.name])
            found.values[term.name], found.gradients[term.name] = value.detach(), gradient
        return found

    @neutral()
    def pullback(
        self, canvas: Tensor, measurement: Measurement, comparison: Comparison
    ) -> Evaluation:
        """The second pass over the windows of a canvas (3, h, w), the kept ones first."""
        gradient, parts = torch.zeros_like(canvas), self._windows(canvas)
        values = {term.name: term.add(canvas, gradient) for term in self._pixel}
        values |= comparison.values
        for index, window in reversed([*enumerate(parts)]):
            self._check()
            forward = measurement.kept.pop(index, None) or self._forward(canvas, window, index)
            tile, slopes = forward.tile, list[Mapping[str, TapGradient]]()
            for term in self._featured:
                if isinstance(term, LocalTerm):
                    part, slope = term.value_and_cotangents(tile)
                    before = values.get(term.name)
                    values[term.name] = part if before is None else before + part
                else:
                    slope = term.cotangents(tile, comparison.gradients[term.name])
                slopes.append(slope)
            cotangents = self._cotangents(tile, slopes)
            tile.features.clear()  # each is freed as soon as the pullback has consumed it
            window.add(self._encoder.pullback(forward.tape, cotangents), gradient)
        return self._evaluation(values, gradient)

    @property
    def compared(self) -> frozenset[str]:
        """The terms whose value is known from what all processes measured."""
        return frozenset(term.name for term in self._measured)

    def retiled(self, tiling: Tiling) -> Objective:
        """The same objective, the canvas cut in another way."""
        other = copy(self)
        other._tile(tiling)
        return other

    def _tile(self, tiling: Tiling) -> None:
        """Set the tiling, and hand its windows to the terms that keep something for each."""
        self.tiling = tiling
        self._terms = tuple(
            term.for_windows(tiling, self.taps) if isinstance(term, WindowedTerm) else term
            for term in self._terms
        )
        self._pixel = [term for term in self._terms if isinstance(term, PixelTerm)]
        self._featured = [t for t in self._terms if not isinstance(t, PixelTerm) and t.taps]
        self._measured = [term for term in self._featured if isinstance(term, FeatureTerm)]

    def _windows(self, canvas: Tensor) -> tuple[Window, ...]:
        t = self.tiling
        return windows_over(canvas, self.architecture, self.taps, t.tile, t.wraps, t.strip)

    def _forward(self, canvas: Tensor, window: Window, index: int) -> Forward:
        part = window.of(canvas)
        tape, features = self._encoder.features(part, self.taps, self._space, window.ends)
        return Forward(tape, Tile(window, index, features))

    def _cotangents(
        self, tile: Tile, slopes: Sequence[Mapping[str, TapGradient]]
    ) -> dict[str, Cotangent]:
        """At each tap a function that adds all terms' gradients with respect to its features."""
        return {
            tap: partial(
                _add, tile.window, tap, tile.features[tap], [s[tap] for s in slopes if tap in s]
            )
            for tap in self.taps
        }

    def _evaluation(self, values: Mapping[str, Tensor], gradient: Tensor) -> Evaluation:
        zero = gradient.new_zeros(())
        ordered = [values.get(name, zero) for name in self.names]
        loss = reduce(add, ordered) if ordered else zero
        terms = {name: zero + value for name, value in zip(self.names, ordered, strict=True)}
        return Evaluation(loss, terms, gradient)


def _add(
    window: Window, tap: str, features: Tensor, slopes: Sequence[TapGradient], above: Tensor | None
) -> Tensor:
    """The gradient with respect to features (1, c, h, w): `above`, from deeper taps, and slopes."""
    gradient = torch.zeros_like(features) if above is None else above
    core = window.core(tap, gradient)  # in place: the pullback hands `above` over
    packed: Tensor | None = None
    for slope in slopes:
        if isinstance(slope, Tensor):
            core.add_(slope)
        else:
            packed = window.packed(tap, features) if packed is None else packed
            slope(core, packed)
    return gradient


def _names(terms: Sequence[AnyTerm]) -> tuple[str, ...]:
    """The terms' names; SettingsError unless each object is a term with a name of its own."""
    for term in terms:
        if not isinstance(term, (FeatureTerm, LocalTerm, PixelTerm)):
            raise SettingsError(
                f"{type(term).__name__} is no term; expected the methods of FeatureTerm, LocalTerm "
                f"or PixelTerm"
            )
    names = tuple(term.name for term in terms)
    double = [name for name in names if names.count(name) > 1]
    if double:
        raise SettingsError(f"two terms are called {double[0]!r}; give each a name of its own")
    return names
