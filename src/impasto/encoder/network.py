"""Features of a VGG network and their pullback, without autograd.

The weights are frozen, so the gradient with respect to the image needs no graph: the forward pass
keeps what each layer's derivative needs (the ReLUs' outputs and the poolings' choices), and the
pullback walks the same taps backwards. Pictures enter in any colour space, by default sRGB in
[0, 1]; the encoder brings them into the one that its weights were trained on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from impasto.encoder.bits import mask_
from impasto.encoder.convolution import Convolution, Margin, convolution, layout
from impasto.encoder.pooling import POOLINGS
from impasto.encoder.weights.bundle import Weights
from impasto.errors import ImageTooSmall, SettingsError
from impasto.images.spaces import SRGB, ColourSpace

__all__ = ["PADDINGS", "Cotangent", "Encoder", "Ends", "Tape"]

Cotangent = Callable[[Tensor | None], Tensor]
"""Adds a gradient with respect to features to what comes from above, if anything does.

It may write into what it is given, and what it returns is the pullback's to overwrite. A function,
not a tensor, so that style's gradients, some of the largest tensors of all, are not made before
they are needed, nor beside the sum.
"""


class Ends(NamedTuple):
    """Which ends of a picture were cut from a larger one: (top, bottom) and (left, right)."""

    rows: tuple[bool, bool] = (False, False)
    columns: tuple[bool, bool] = (False, False)

    @property
    def margin(self) -> Margin:
        """What surrounds each convolution's input: nothing along an axis cut at both ends.

        Features then shrink to what has been looked at whole. Along an axis cut at one end they do
        not, and those nearer to the cut than they look are of no use.
        """
        return (0 if all(self.rows) else 1), (0 if all(self.columns) else 1)


WHOLE = Ends()


def _unpad(g: Tensor, margin: Margin) -> Tensor:
    """Transpose of replicate padding: each border is added to the pixel it copies."""
    if margin[0]:
        g[..., 1, :] += g[..., 0, :]
        g[..., -2, :] += g[..., -1, :]
        g = g[..., 1:-1, :]
    if margin[1]:
        g[..., 1] += g[..., 0]
        g[..., -2] += g[..., -1]
        g = g[..., 1:-1]
    return g


def _added(g: Tensor | None, cotangent: Tensor | Cotangent) -> Tensor:
    if isinstance(cotangent, Tensor):
        return cotangent.clone() if g is None else g.add_(cotangent)  # in place: g is ours
    return cotangent(g)


PADDINGS = ("zero", "replicate")


@dataclass(frozen=True, eq=False)
class Tape:
    """What `features` leaves for `pullback`: taps in order of evaluation and their residuals."""

    space: ColourSpace  # of the picture, and so of its gradient
    margin: Margin
    path: tuple[str, ...]
    residuals: dict[str, Any]  # of a ReLU its output, None where the pooling after it masks as well


class Encoder:
    """A frozen VGG network.

    Args:
        weights: convolutions and the colours they expect; shared, copied only to another dtype.
        pooling: `max`, `avg` or `l2`.
        padding: of the first layer, `zero` (the mean colour) or `replicate`; the rest pad zeros.
        dtype: bfloat16, float32 or float64; features and cotangents have it too.
        exact: float32 on a CPU is that of every other torch program to the last digit; otherwise
            it may be a fifth faster.

    Each argument is an attribute too, and so is `architecture`, that of the weights.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        pooling: str = "max",
        padding: str = "zero",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        exact: bool = True,
    ) -> None:
        if pooling not in POOLINGS:
            raise SettingsError(f"pooling is {pooling!r}; expected one of {', '.join(POOLINGS)}")
        if padding not in PADDINGS:
            raise SettingsError(f"padding is {padding!r}; expected one of {', '.join(PADDINGS)}")
        self.weights, self.architecture = weights, weights.architecture
        self.pooling, self.padding = pooling, padding
        self.dtype, self.device, self.exact = dtype, torch.device(device), exact
        self._layout = layout(dtype, exact=exact)
        self._input = weights.input
        self._pooling = POOLINGS[pooling]
        self._replicate = padding == "replicate"
        self._convolutions: dict[str, Convolution] = {}  # those used so far

    @torch.no_grad()
    def features(
        self, image: Tensor, taps: Iterable[str], space: ColourSpace = SRGB, ends: Ends = WHOLE
    ) -> tuple[Tape, dict[str, Tensor]]:
        """Features of `image`, (3, h, w) in `space`, at `taps`: each (1, c, h', w').

        Where `ends` are cuts, features near them are left out or of no use; see `Ends`. Raises
        SettingsError for an unknown tap, ImageTooSmall where one has no position left.
        """
        wanted = set(taps)
        path = self.architecture.path(wanted)
        self._check_size(image, wanted)
        x = self._enter(image, space, ends.margin)
        features: dict[str, Tensor] = {}
        residuals: dict[str, Any] = {}
        for name, following in pairwise((*path, "end")):
            match name[:4]:
                case "conv":  # with its ReLU at once, unless someone wants to see it without
                    margin = self._margin(name, ends.margin)
                    x = self._convolution(name)(x, margin, rectify=name not in wanted)
                case "relu":
                    x = x.relu() if name.replace("relu", "conv") in wanted else x
                    masked_later = following[:4] == "pool" and self._pooling.masks
                    residuals[name] = None if masked_later and name not in wanted else x
                case "pool":
                    x, residuals[name] = self._pooling.forward(x)
            if name in wanted:
                features[name] = x
        return Tape(space, ends.margin, path, residuals), features

    @torch.no_grad()
    def pullback(self, tape: Tape, cotangents: dict[str, Tensor] | dict[str, Cotangent]) -> Tensor:
        """Gradient with respect to the image, (3, h, w) in its space, float32 (or float64).

        `cotangents` are the gradients with respect to features at taps on the tape, or functions
        that add them. Both arguments are spent: each part is let go once it has been used, for
        together with the gradients of the first layers they would be the peak of memory. Raises
        ValueError for a tape that is spent, or has none of the cotangents' taps.
        """
        if not tape.residuals.keys() >= {name for name in tape.path if name[:4] != "conv"}:
            raise ValueError("this tape is spent; take the features again")
        g: Tensor | None = None
        for name in reversed(tape.path):
            if name in cotangents:
                g = _added(g, cotangents.pop(name))
            if g is None:
                continue
            match name[:4]:
                case "conv":
                    g = self._convolution(name).pullback(g, self._margin(name, tape.margin))
                case "relu":
                    y = tape.residuals.pop(name)
                    g = g if y is None else mask_(g, y)
                case "pool":
                    g = self._pooling.pullback(g, tape.residuals.pop(name))
        if g is None:
            raise ValueError(f"no cotangent is on the tape, which has {', '.join(tape.path)}")
        return self._leave(g, tape)

    def _margin(self, name: str, margin: Margin) -> Margin:
        """What surrounds the input of the convolution `name`; replicated pixels already do."""
        return (0, 0) if self._replicate and name == "conv1_1" else margin

    def _check_size(self, image: Tensor, wanted: set[str]) -> None:
        height, width = image.shape[-2:]
        least = self.architecture.least_side(wanted)
        if min(height, width) < least:
            raise ImageTooSmall(
                f"image is {width}x{height} px, but {self.architecture.deepest(wanted)} "
                f"needs at least {least} px a side; use a larger picture, or a shallower layer"
            )

    def _convolution(self, name: str) -> Convolution:
        if name not in self._convolutions:
            weight, bias = self.weights.layers[name]
            weight = weight.to(self.device, self.dtype, memory_format=self._layout)
            bias = bias.to(self.device, self.dtype)
            self._convolutions[name] = convolution(weight, bias, exact=self.exact)
        return self._convolutions[name]

    def _enter(self, image: Tensor, space: ColourSpace, margin: Margin) -> Tensor:
        accurate = torch.promote_types(self.dtype, torch.float32)
        x = space.convert(image.to(self.device, accurate), self._input)
        x = x.unsqueeze(0).to(self.dtype)
        if self._replicate:
            down, across = margin
            x = F.pad(x, (across, across, down, down), mode="replicate")
        return x.contiguous(memory_format=self._layout)

    def _leave(self, g: Tensor, tape: Tape) -> Tensor:
        g = g.to(torch.promote_types(self.dtype, torch.float32))
        g = _unpad(g, tape.margin) if self._replicate else g
        return tape.space.pull_convert(g.squeeze(0), self._input)
