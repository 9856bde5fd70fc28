"""A change of variables that evens out how strongly an objective bends at each spatial frequency.

A network's filters answer to edges: along fine detail an objective of features bends more strongly
than along coarse forms, and a quasi-Newton method spends its first pairs on learning that. In the
variables v, with x = P v and P falling as f^-power, it need not: P² is its first inverse Hessian.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.optimisers.iterates import Evaluate, Iterate, Valued

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


def preconditioned(
    descend: Callable[[Evaluate, Tensor], Iterator[Iterate]],
    evaluate: Evaluate,
    x: Tensor,
    spectrum: Spectrum,
) -> Iterator[Iterate]:
    """Iterates of a minimiser that works in the spectrum's variables, as canvases."""
    start = spectrum.variables(x)

    def seen(v: Tensor) -> _Seen:
        canvas = x if v is start else spectrum.canvas(v)  # the start to the last digit
        at = evaluate(canvas)
        return _Seen(at.loss, spectrum.pull(at.gradient), canvas, at)

    for iterate in descend(seen, start):
        assert isinstance(iterate.at, _Seen)
        yield Iterate(iterate.iteration, iterate.at.x, iterate.at.at)
