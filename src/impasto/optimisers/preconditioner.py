"""A change of variables that evens out an objective's curvature over spatial frequencies.

A network's filters answer to edges: an objective of features bends more strongly along fine detail
than along coarse forms, and a quasi-Newton method spends its first pairs on learning that. In the
variables v, with x = P v and P falling with frequency as f^-power, it does not have to: P Pᵀ is the
first inverse Hessian.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from impasto.optimisers.parts import WHOLE, Parts
from impasto.optimisers.turning import Turning

__all__ = ["Preconditioner"]


class Preconditioner:
    """Fourier coefficients v of a canvas x, divided by P(f) = max(f, 1)^-power.

    f counts cycles along the longer side; P is scaled to 1 in root mean square. Coefficients that
    stand for two, themselves and their conjugates, are multiplied by √2: at power 0 the map keeps
    lengths and angles. Canvases (3·h·w,) and variables (entries,) are flat vectors. Channels are
    transformed one at a time, because a canvas may be as large as memory allows. The weights are
    computed in float64 on the CPU, whatever the device has.

    Where processes share a canvas, each transforms its own rows, and then its own columns of these
    transforms, which are its variables: the map is that of the whole canvas. Each transform moves
    the canvas between the processes once.

    Args:
        like: a canvas (3, h, w), or own rows of one, for shape, precision and device.
        power: how fast P falls; the first step falls as f^(-2·power).
        rows: how many rows each process has; by default this one has all.
        parts: of vectors that processes share.
    """

    def __init__(
        self, like: Tensor, power: float, *, rows: Sequence[int] = (), parts: Parts = WHOLE
    ) -> None:
        self._shape, width = like.shape, like.shape[2]
        self._turning = Turning(rows or like.shape[1:2], width // 2 + 1, parts.ranks)
        height, own = self._turning.height, self._turning.columns
        across = torch.arange(own.start, own.stop, dtype=torch.float64, device="cpu") / width
        stands_for = 1.0 + ((across > 0) & (across < 0.5)).double()  # coefficients
        down = torch.fft.fftfreq(height, dtype=torch.float64, device="cpu")
        fall = torch.hypot(down[:, None], across)  # (h, w // 2 + 1), or own columns
        fall.mul_(max(height, width)).clamp_(min=1).pow_(-power)
        square = parts.total(torch.einsum("hw,hw,w->", fall, fall, stands_for))
        mean_square = square / (height * width)
        fall.div_(mean_square.sqrt())
        self._up = _for_both_parts(stands_for.sqrt() / fall, like)
        self._down = _for_both_parts(fall.mul_(stands_for.sqrt()), like)

    @property
    def entries(self) -> int:
        """The number of variables, slightly more than a canvas has values."""
        return self._shape[0] * self._up.numel()

    def variables(self, x: Tensor) -> Tensor:
        """The variables v of a canvas, (3·h·w,) -> (entries,)."""
        return self._transform(x, self._up)

    def canvas(self, v: Tensor) -> Tensor:
        """The canvas P v, (entries,) -> (3·h·w,)."""
        x = v.new_empty(self._shape)
        for plane, part in zip(x, v.view(len(x), *self._up.shape), strict=True):
            transformed = torch.view_as_complex(part / self._up)
            columns = _along_columns(torch.fft.ifft, transformed)
            rows = self._turning.by_rows(columns)
            torch.fft.irfft(rows, n=plane.shape[1], norm="ortho", out=plane)
        return x.flatten()

    def pullback(self, gradient: Tensor) -> Tensor:
        """Gradient with respect to v, from that with respect to x: (3·h·w,) -> (entries,)."""
        return self._transform(gradient, self._down)

    def _transform(self, x: Tensor, weights: Tensor) -> Tensor:
        planes = x.view(self._shape)
        v = x.new_empty(len(planes), *weights.shape)
        for part, plane in zip(v, planes, strict=True):
            columns = self._turning.by_columns(torch.fft.rfft(plane, norm="ortho"))
            transformed = _along_columns(torch.fft.fft, columns)
            torch.mul(torch.view_as_real(transformed), weights, out=part)
        return v.flatten()


def _along_columns(transform: Callable[..., Tensor], matrix: Tensor) -> Tensor:
    """The transform of each column; of none where more processes than columns share a canvas."""
    return transform(matrix, dim=0, norm="ortho") if matrix.numel() else matrix


def _for_both_parts(weights: Tensor, like: Tensor) -> Tensor:
    """(h, w) -> (h, w, 2), for real and imaginary parts: far faster than to broadcast (h, w).

    In the precision of `like` before it goes to its device, which may lack float64.
    """
    weights = weights.to(like.dtype).to(like.device)
    return weights[..., None].expand(*weights.shape, 2).contiguous()
