"""What every optimiser here consumes and yields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from impasto.optimisers.state import Memory

__all__ = ["Box", "Iterate", "Minimiser", "ValueAndGrad", "Valued", "until"]


class Valued(Protocol):
    """A function's value (a scalar tensor) and gradient (as many entries as the point) there."""

    @property
    def loss(self) -> Tensor: ...  # noqa: D102

    @property
    def gradient(self) -> Tensor: ...  # noqa: D102


ValueAndGrad = Callable[[Tensor], Valued]


@dataclass(frozen=True, eq=False)
class Iterate:
    """A point (flat, n entries), what the function is there, and the iterations it took."""

    iteration: int
    x: Tensor
    at: Valued

    @property
    def gradient(self) -> Tensor:
        """The gradient as a flat vector."""
        return self.at.gradient.reshape(-1)


class Minimiser(Iterator[Iterate], ABC):
    """Iterates from a start, which is the first of them; ends where no step descends.

    `last` and `memory()` are all that the iterates to come depend on. A descent made in the same
    way goes on from them bit for bit:

        other.resume(descent.last, descent.memory())

    Whoever keeps a memory while the descent goes on must copy it.
    """

    def __init__(self, x: Tensor) -> None:
        self._start: Tensor | None = x  # until it is evaluated
        self._last: Iterate | None = None
        self._since = 0  # the iteration that the memory goes back to
        self._ended = False

    def __next__(self) -> Iterate:
        """The start, evaluated; then the iterate one step after the last."""
        reached = None if self._ended else self._next()
        if reached is None:
            self._ended = True
            raise StopIteration
        return self._settled(reached)

    @property
    def last(self) -> Iterate | None:
        """The iterate reached, or resumed from; None before the start was evaluated."""
        return self._last

    def memory(self) -> dict[str, Tensor]:
        """What following iterates depend on besides the last: the tensors themselves, or views.

        Raises ValueError before the start was evaluated, when there is nothing to resume from.
        """
        if self._last is None:
            raise ValueError("a descent that has not begun has nothing to remember")
        return self._memory()

    def resume(self, iterate: Iterate, memory: Memory) -> None:
        """Go on after `iterate` with what was remembered there; the memory is copied.

        Raises ValueError if they are not those of such a descent, or this one has begun.
        """
        self._check(iterate)
        self._recall(iterate, memory)
        self._settled(iterate)

    def start_at(self, iterate: Iterate) -> None:
        """Go on after `iterate` with nothing remembered, as after a start, and evaluate it not.

        Raises ValueError if it is not an iterate of such a descent, or this one has begun.
        """
        self._check(iterate)
        self._forget_before(iterate)
        self._settled(iterate)

    @abstractmethod
    def _first(self, x: Tensor) -> Iterate:
        """The start."""

    @abstractmethod
    def _after(self, last: Iterate) -> Iterate | None:
        """One step further; None where none descends."""

    @abstractmethod
    def _memory(self) -> dict[str, Tensor]:
        """See `memory`."""

    @abstractmethod
    def _recall(self, iterate: Iterate, memory: Memory) -> None:
        """Take what is needed out of a memory that was kept at `iterate`."""

    def _forget_before(self, iterate: Iterate) -> None:
        """Count steps from here."""
        self._since = iterate.iteration

    def _next(self) -> Iterate | None:
        if self._last is not None:
            return self._after(self._last)
        assert self._start is not None
        return self._first(self._start)

    def _settled(self, iterate: Iterate) -> Iterate:
        self._start, self._last = None, iterate
        return iterate

    def _check(self, iterate: Iterate) -> None:
        """ValueError unless this is where a descent like this one may be taken up."""
        if self._start is None:
            raise ValueError("a descent that has begun cannot begin elsewhere; make another")
        if iterate.iteration < 0:
            raise ValueError(f"the iterate's number is {iterate.iteration}; expected 0 or more")
        expected = (self._start.shape, self._start.dtype)
        for what, vector in (("iterate", iterate.x), ("gradient", iterate.gradient)):
            if (vector.shape, vector.dtype) != expected:
                got = f"{tuple(vector.shape)} of {vector.dtype}"
                raise ValueError(
                    f"the {what} is {got}; expected {tuple(expected[0])} of {expected[1]}"
                )


@dataclass(frozen=True, eq=False)
class Box:
    """Bounds on a flat vector of equal groups (a picture's channels): low and high per group."""

    low: Tensor
    high: Tensor

    def project(self, x: Tensor) -> Tensor:
        """The nearest point of the box, as a new vector."""
        grouped = x.view(len(self.low), -1)
        return grouped.clamp(self.low[:, None], self.high[:, None]).view(-1)

    def confine(self, x: Tensor) -> Tensor:
        """The nearest point of the box, in place."""
        x.view(len(self.low), -1).clamp_(self.low[:, None], self.high[:, None])
        return x

    def free(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Mask of the entries that descent can move: not those at a bound and pushed outward."""
        grouped, slope = x.view(len(self.low), -1), gradient.view(len(self.low), -1)
        stuck_low = (grouped <= self.low[:, None]) & (slope > 0)
        stuck_high = (grouped >= self.high[:, None]) & (slope < 0)
        return ~(stuck_low | stuck_high).view(-1)


def until(
    descent: Minimiser, iterations: int, tolerance: float = 0.0, before: float | None = None
) -> Iterator[Iterate]:
    """Iterates up to number `iterations`, fewer if the loss's relative change falls to `tolerance`.

    From a fresh descent these are the start and `iterations` more. One that was resumed goes on
    counting; `before` is the loss of the iterate before the one it was resumed at, which may have
    been the last.

    There is no absolute tolerance: objectives here span 1e-2 to 1e14. The first iteration does not
    count, for L-BFGS takes it blindly and tiny. A tolerance of 0 never stops.
    """
    iterate = descent.last
    while iterate is None or iterate.iteration < iterations:
        if tolerance > 0 and iterate:
            loss = float(iterate.at.loss)
            if before is not None and iterate.iteration > 1 and _close(loss, before, tolerance):
                return
            before = loss
        iterate = next(descent, None)
        if iterate is None:
            return
        yield iterate


def _close(a: float, b: float, tolerance: float) -> bool:
    return abs(a - b) <= tolerance * max(abs(a), abs(b))
