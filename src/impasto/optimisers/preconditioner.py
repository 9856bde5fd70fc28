"""A change of variables that evens out how strongly an objective bends at each spatial frequency.

A network's filters answer to edges: along fine detail an objective of features bends more strongly
than along coarse forms, and a quasi-Newton method spends its first pairs on learning that. In the
variables v, with x = P v and P falling as f^-power, it need not: P Pᵀ is its first inverse Hessian.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Spectrum"]


class Spectrum:
    """Fourier coefficients v of a picture x (c, h, w), divided by P(f) = max(f, 1)^-power.

    f counts cycles along the longer side; P is scaled to 1 in root mean square. Coefficients that
    stand for two, themselves and their conjugates, are multiplied by √2: at power 0 the map keeps
    lengths and angles. Pictures and variables are flat vectors here; one channel is transformed at
    a time, for a picture may be as large as memory allows.
    """

    def __init__(self, like: Tensor, power: float) -> None:
        self._shape = like.shape
        height, width = like.shape[-2:]
        across = torch.arange(width // 2 + 1, dtype=torch.float64) / width
        stands_for = 1.0 + ((across > 0) & (across < 0.5)).double()  # coefficients
        down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
        fall = torch.hypot(down, across)
        fall.mul_(max(height, width)).clamp_(min=1).pow_(-power)
        mean_square = torch.einsum("hw,hw,w->", fall, fall, stands_for) / (height * width)
        fall.div_(mean_square.sqrt())
        self._up = _for_both_parts(stands_for.sqrt() / fall, like)
        self._down = _for_both_parts(fall.mul_(stands_for.sqrt()), like)

    @property
    def entries(self) -> int:
        """How many variables there are: some more than a picture has values."""
        return self._shape[0] * self._up.numel()

    def variables(self, x: Tensor) -> Tensor:
        """The v of a picture."""
        return self._transformed(x, self._up)

    def canvas(self, v: Tensor) -> Tensor:
        """The picture that v stands for."""
        x = v.new_empty(self._shape)
        for plane, part in zip(x, v.view(len(x), *self._up.shape), strict=True):
            transformed = torch.view_as_complex(part / self._up)
            torch.fft.irfft2(transformed, s=plane.shape, norm="ortho", out=plane)
        return x.flatten()

    def pull(self, gradient: Tensor) -> Tensor:
        """Gradient with respect to v, from that with respect to the picture."""
        return self._transformed(gradient, self._down)

    def _transformed(self, x: Tensor, weights: Tensor) -> Tensor:
        planes = x.view(self._shape)
        v = x.new_empty(len(planes), *weights.shape)
        for part, plane in zip(v, planes, strict=True):
            transformed = torch.fft.rfft2(plane, norm="ortho")
            torch.mul(torch.view_as_real(transformed), weights, out=part)
        return v.flatten()


def _for_both_parts(weights: Tensor, like: Tensor) -> Tensor:
    """(h, w) -> (h, w, 2), for real parts and imaginary: far faster than to multiply by (h, w)."""
    return weights.to(like)[..., None].expand(*weights.shape, 2).contiguous()
