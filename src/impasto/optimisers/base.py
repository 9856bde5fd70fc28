"""What every optimiser takes and yields: a function with its gradient, and iterates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from impasto.optimisers.state import State, integer, load_integer

__all__ = ["Iterate", "Minimiser", "ValueAndGrad", "Valued", "until"]


class Valued(Protocol):
    """A function at a point: `loss`, a scalar tensor, and `gradient`, n entries of any shape."""

    @property
    def loss(self) -> Tensor:
        """The value, a scalar."""

    @property
    def gradient(self) -> Tensor:
        """Its gradient, n entries."""


ValueAndGrad = Callable[[Tensor], Valued]
"""A function of flat vectors (n,), evaluated together with its gradient."""


@dataclass(frozen=True, eq=False)
class Iterate:
    """A point `x` (n,), the function `at` it, and the index of the iteration that reached it."""

    iteration: int
    x: Tensor
    at: Valued

    @property
    def gradient(self) -> Tensor:
        """The gradient as a flat vector (n,)."""
        return self.at.gradient.reshape(-1)


class Minimiser(Iterator[Iterate], ABC):
    """Iterates of a minimisation: the start, then one per step, until no step descends.

    A subclass says in `advance` which iterate follows the last one. What this depends on besides
    the last iterate is its state, which it gives and takes by name in `extra_state` and
    `load_extra_state`. A minimiser made in the same way then continues to the last bit:

        other.load_state_dict(minimiser.last, minimiser.state_dict())

    Args:
        function: evaluated at vectors of the start's length and precision.
        x: the start, (n,).
    """

    def __init__(self, function: ValueAndGrad, x: Tensor) -> None:
        self.function = function
        self.origin = 0  # the iteration at which the state was empty
        self._start: Tensor | None = x  # until it is evaluated
        self._last: Iterate | None = None
        self._ended = self._interrupted = False

    @abstractmethod
    def advance(self, last: Iterate) -> Iterate | None:
        """The iterate that follows `last`; None where no step descends."""

    def extra_state(self) -> dict[str, Tensor]:
        """State that `advance` keeps from step to step: the tensors themselves, or views."""
        return {}

    def load_extra_state(self, iterate: Iterate, state: State) -> None:
        """Copy what `extra_state` gave at `iterate`; ValueError if it does not fit."""

    def on_start(self, iterate: Iterate) -> None:
        """Called at the iterate from which the state is empty, once it is known."""

    def evaluate(self, iteration: int, x: Tensor) -> Iterate:
        """The iterate of this index at x, (n,): one evaluation."""
        return Iterate(iteration, x, self.function(x))

    def __next__(self) -> Iterate:
        """The start, evaluated; then the iterate one step after the last.

        Raises ValueError after a step that an exception interrupted.
        """
        self._check_complete()
        if self._ended:
            raise StopIteration
        self._interrupted = True  # until the step returns
        reached = self._first() if self._last is None else self.advance(self._last)
        self._interrupted, self._ended = False, reached is None
        if reached is None:
            raise StopIteration
        self._start, self._last = None, reached
        return reached

    @property
    def last(self) -> Iterate | None:
        """The iterate reached or loaded; None before the start is evaluated."""
        return self._last

    def state_dict(self) -> dict[str, Tensor]:
        """What following iterates depend on besides the last: the tensors themselves, or views.

        Copy it if the minimiser goes on. Raises ValueError before the start is evaluated, and after
        a step that an exception interrupted: the state may be newer than the last iterate then.
        """
        self._check_complete()
        if self._last is None:
            raise ValueError("the minimiser has no state before its start is evaluated")
        own = {"origin": integer(self.origin), "ended": integer(self._ended)}
        return own | self.extra_state()

    def load_state_dict(self, iterate: Iterate, state: State) -> None:
        """Continue after `iterate` with a copy of the state that a minimiser had there.

        Raises ValueError if they do not fit this minimiser, or if it has begun.
        """
        self._check(iterate)
        self.origin = load_integer(state, "origin", iterate.iteration)
        self._ended = bool(load_integer(state, "ended", 1))
        self.load_extra_state(iterate, state)
        self._start, self._last = None, iterate

    def start_at(self, iterate: Iterate) -> None:
        """Start from `iterate` with empty state, without evaluating it again.

        Raises ValueError if it does not fit this minimiser, or if that has begun.
        """
        self._check(iterate)
        self.origin = iterate.iteration
        self.on_start(iterate)
        self._start, self._last = None, iterate

    def _first(self) -> Iterate:
        assert self._start is not None
        iterate = self.evaluate(0, self._start)
        self.on_start(iterate)
        return iterate

    def _check_complete(self) -> None:
        if self._interrupted:
            raise ValueError("a step was interrupted: the state may be newer than the last iterate")

    def _check(self, iterate: Iterate) -> None:
        """ValueError unless a minimiser like this one can continue from `iterate`."""
        if self._start is None:
            raise ValueError("the minimiser has begun; make another to start elsewhere")
        if iterate.iteration < 0:
            raise ValueError(f"the iterate's index is {iterate.iteration}; expected 0 or more")
        expected = (self._start.shape, self._start.dtype)
        for name, vector in (("iterate", iterate.x), ("gradient", iterate.gradient)):
            if (vector.shape, vector.dtype) != expected:
                got = f"{tuple(vector.shape)} of {vector.dtype}"
                raise ValueError(
                    f"the {name} is {got}; expected {tuple(expected[0])} of {expected[1]}"
                )


def until(
    minimiser: Minimiser,
    iterations: int,
    tolerance: float = 0.0,
    previous_loss: float | None = None,
) -> Iterator[Iterate]:
    """Iterates up to index `iterations`, or until the loss changes by at most a part `tolerance`.

    A fresh minimiser yields its start and `iterations` more; one with a loaded state counts on from
    there, and `previous_loss` is the loss one iterate before that state.

    The tolerance is relative because objectives range from 1e-2 to 1e14; 0 never stops. The first
    iteration does not count: L-BFGS takes it before it knows any curvature, and it is tiny.
    """
    iterate = minimiser.last
    while iterate is None or iterate.iteration < iterations:
        if tolerance > 0 and iterate:
            loss, counts = float(iterate.at.loss), iterate.iteration > 1
            if previous_loss is not None and counts and _close(loss, previous_loss, tolerance):
                return
            previous_loss = loss
        iterate = next(minimiser, None)
        if iterate is None:
            return
        yield iterate


def _close(a: float, b: float, tolerance: float) -> bool:
    return abs(a - b) <= tolerance * max(abs(a), abs(b))
