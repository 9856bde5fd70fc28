"""A change of variables that evens out how strongly an objective bends at each spatial frequency.

A network's filters answer to edges: along fine detail an objective of features bends more strongly
than along coarse forms, and a quasi-Newton method spends its first pairs on learning that. In the
variables v, with x = P v and P falling as f^-power, it need not: P² is its first inverse Hessian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from impasto.optimisers.iterates import Descent, Evaluate, Iterate, Valued
from impasto.optimisers.memories import Memory, beneath, recalled, within

__all__ = ["Spectrum", "preconditioned"]


class Spectrum:
    """Fourier coefficients v of a picture x (c, h, w), divided by P(f) = max(f, 1)^-power.

    f counts cycles along the longer side; P is scaled to 1 in root mean square. Coefficients that
    stand for two, themselves and their conjugates, are multiplied by √2: at power 0 the map keeps
    lengths and angles.
    """

    def __init__(self, like: Tensor, power: float) -> None:
        self._shape = like.shape
        height, width = like.shape[-2:]
        across = torch.arange(width // 2 + 1, dtype=torch.float64) / width
        down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
        fall = (max(height, width) * torch.hypot(down, across)).clamp(min=1) ** -power
        stands_for = 1.0 + ((across > 0) & (across < 0.5)).double()  # coefficients
        mean_square = (fall.square() * stands_for).sum() / (height * width)
        self._weight, self._fall = stands_for.sqrt().to(like), (fall / mean_square.sqrt()).to(like)

    def variables(self, x: Tensor) -> Tensor:
        """A flat v for a picture of any shape with as many entries."""
        v = self._transformed(x) * (self._weight / self._fall)
        return torch.view_as_real(v).flatten()

    def canvas(self, v: Tensor) -> Tensor:
        """The picture, flat, that v stands for."""
        v = torch.view_as_complex(v.view(*self._shape[:-1], -1, 2)) * (self._fall / self._weight)
        x: Tensor = torch.fft.irfft2(v, s=self._shape[-2:], norm="ortho")
        return x.flatten()

    def pull(self, gradient: Tensor) -> Tensor:
        """Gradient with respect to v, flat, from that with respect to the picture."""
        v = self._transformed(gradient) * (self._weight * self._fall)
        return torch.view_as_real(v).flatten()

    def _transformed(self, x: Tensor) -> Tensor:
        v: Tensor = torch.fft.rfft2(x.view(self._shape), norm="ortho")
        return v


@dataclass(frozen=True, eq=False)
class _Seen:
    """The function in the variables v: what `Valued` asks for, and the canvas it was seen at."""

    loss: Tensor
    gradient: Tensor
    x: Tensor
    at: Valued


class _InVariables:
    """A function of canvases as one of the variables v."""

    def __init__(self, evaluate: Evaluate, x: Tensor, spectrum: Spectrum) -> None:
        self._evaluate, self._spectrum = evaluate, spectrum
        self._start: tuple[Tensor, Tensor] | None = (spectrum.variables(x), x)

    @property
    def start(self) -> Tensor:
        """The variables of the start."""
        assert self._start is not None
        return self._start[0]

    def __call__(self, v: Tensor) -> _Seen:
        canvas = self._canvas(v)
        return self.seen(canvas, self._evaluate(canvas))

    def seen(self, canvas: Tensor, at: Valued) -> _Seen:
        """What the function is at a canvas where it is known."""
        return _Seen(at.loss, self._spectrum.pull(at.gradient), canvas, at)

    def variables(self, canvas: Tensor) -> Tensor:
        """The v that stands for a canvas, to rounding."""
        return self._spectrum.variables(canvas)

    def leave_start(self) -> None:
        """Let go of the start."""
        self._start = None

    def _canvas(self, v: Tensor) -> Tensor:
        """The canvas that v stands for; the start's to the last digit."""
        if self._start is not None and v is self._start[0]:
            return self._start[1]
        return self._spectrum.canvas(v)


def preconditioned(
    descend: Callable[[Evaluate, Tensor], Descent],
    evaluate: Evaluate,
    x: Tensor,
    spectrum: Spectrum,
) -> Descent:
    """Iterates of a minimiser that works in the spectrum's variables, as canvases."""
    function = _InVariables(evaluate, x, spectrum)
    return _Preconditioned(x, function, descend(function, function.start))


@final
class _Preconditioned(Descent):
    """See `preconditioned`. It remembers v, which a canvas gives to rounding only."""

    def __init__(self, x: Tensor, function: _InVariables, descent: Descent) -> None:
        super().__init__(x)
        self._function, self._descent = function, descent

    def _first(self, x: Tensor) -> Iterate:
        return _canvas(next(self._descent))

    def _after(self, last: Iterate) -> Iterate | None:
        self._function.leave_start()
        reached = next(self._descent, None)
        return _canvas(reached) if reached else None

    def _memory(self) -> dict[str, Tensor]:
        assert self._descent.last is not None
        return {"variables": self._descent.last.x, **beneath("inner", self._descent.memory())}

    def _recall(self, iterate: Iterate, memory: Memory) -> None:
        start = self._function.start
        v = recalled(memory, "variables", start.shape, start.dtype)
        self._descent.resume(self._inner(iterate, v.to(start.device)), within("inner", memory))

    def _forget_before(self, iterate: Iterate) -> None:
        self._descent.start_at(self._inner(iterate, self._function.variables(iterate.x)))

    def _inner(self, iterate: Iterate, v: Tensor) -> Iterate:
        """The same iterate to the minimiser within."""
        return Iterate(iterate.iteration, v, self._function.seen(iterate.x, iterate.at))


def _canvas(iterate: Iterate) -> Iterate:
    """The iterate as it is seen from without."""
    assert isinstance(iterate.at, _Seen)
    return Iterate(iterate.iteration, iterate.at.x, iterate.at.at)
