"""Features of a VGG network and their pullback, without autograd.

The weights are frozen, so the gradient with respect to the image needs no graph: the forward pass
keeps what each layer's derivative needs (the ReLU outputs and the poolings' choices), and the
pullback walks the same taps backwards. Pictures enter in any colour space, by default sRGB in
[0, 1]; the encoder brings them into the one that its weights were trained on.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor

from impasto.colour import SRGB, ColourSpace
from impasto.encoder.architecture import Architecture
from impasto.encoder.weights import Weights
from impasto.errors import ImageTooSmall, SettingsError

__all__ = ["PADDINGS", "POOLINGS", "Encoder", "Tape"]


class Pooling(NamedTuple):
    """A 2x2 pooling of stride 2; an odd last row or column is left out."""

    forward: Callable[[Tensor], tuple[Tensor, Any]]  # input -> output, what the pullback needs
    pullback: Callable[[Tensor, Tensor, Any], Tensor]  # cotangent, input, that -> cotangent


def _max(x: Tensor) -> tuple[Tensor, Tensor]:
    y, places = F.max_pool2d(x, 2, return_indices=True)
    return y, places


def _max_pullback(g: Tensor, x: Tensor, places: Tensor) -> Tensor:
    window = ([2, 2], [2, 2], [0, 0], [1, 1], False)
    pulled: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(g, x, *window, places)
    return pulled


def _average(x: Tensor) -> tuple[Tensor, None]:
    return F.avg_pool2d(x, 2), None


def _average_pullback(g: Tensor, x: Tensor, _: None) -> Tensor:
    window = ([2, 2], [2, 2], [0, 0], False, False, None)
    pulled: Tensor = torch.ops.aten.avg_pool2d_backward(g, x, *window)
    return pulled


def _l2(x: Tensor) -> tuple[Tensor, Tensor]:
    y = F.avg_pool2d(x * x, 2).sqrt_()
    return y, y


def _l2_pullback(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    # d y/d x = x / 4y; where y is 0 all of x is, and 0 is the derivative that fits a ReLU's
    ratio = torch.where(y > 0, g / y, 0)
    return _average_pullback(ratio, x, None).mul_(x)


POOLINGS = {
    "max": Pooling(_max, _max_pullback),
    "avg": Pooling(_average, _average_pullback),
    "l2": Pooling(_l2, _l2_pullback),  # root mean square of the four
}


def _unpad(g: Tensor) -> Tensor:
    """Transpose of replicate padding by one: each border is added to the pixel it copies."""
    g[..., 1, :] += g[..., 0, :]
    g[..., -2, :] += g[..., -1, :]
    g[..., 1] += g[..., 0]
    g[..., -2] += g[..., -1]
    return g[..., 1:-1, 1:-1]


def _layout(dtype: torch.dtype) -> torch.memory_format:
    """Channels last for bfloat16, where matrix units want it; as torch's default otherwise.

    With the default layout float32 features equal those of every other torch program to the bit,
    and so do the choices of ReLU and max pooling, on which a gradient's last digits hang.
    """
    return torch.channels_last if dtype == torch.bfloat16 else torch.contiguous_format


PADDINGS = ("zero", "replicate")


@dataclass(frozen=True, eq=False)
class Tape:
    """What `features` leaves for `pullback`: taps in order of evaluation and their residuals."""

    space: ColourSpace  # of the picture, and so of its gradient
    path: tuple[str, ...]
    residuals: Mapping[str, Any]  # relu -> its output; pool -> (input, what its pullback needs)


class Encoder:
    """A frozen VGG network.

    Args:
        weights: convolutions, float32, shared and not copied in float32.
        pooling: `max`, `avg` or `l2`.
        padding: of the first layer, `zero` (the mean colour) or `replicate`; the rest pad zeros.
        dtype: bfloat16, float32 or float64; features and cotangents have it too.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        pooling: str = "max",
        padding: str = "zero",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if pooling not in POOLINGS:
            raise SettingsError(f"pooling is {pooling!r}; expected one of {', '.join(POOLINGS)}")
        if padding not in PADDINGS:
            raise SettingsError(f"padding is {padding!r}; expected one of {', '.join(PADDINGS)}")
        self.architecture: Architecture = weights.architecture
        self.dtype, self.device = dtype, torch.device(device)
        self._layout = _layout(dtype)
        self._input = weights.input
        self._pooling = POOLINGS[pooling]
        self._replicate = padding == "replicate"
        self._layers = {name: self._placed(*layer) for name, layer in weights.layers.items()}

    @torch.no_grad()
    def features(
        self, image: Tensor, taps: Iterable[str], space: ColourSpace = SRGB
    ) -> tuple[Tape, dict[str, Tensor]]:
        """Features of `image`, (3, h, w) in `space`, at `taps`: each (1, c, h', w').

        Raises SettingsError for an unknown tap, ImageTooSmall where one has no position left.
        """
        wanted = set(taps)
        path = self._path(wanted)
        self._check_size(image, wanted)
        x = self._enter(image, space)
        features: dict[str, Tensor] = {}
        residuals: dict[str, Any] = {}
        for name in path:
            match name[:4]:
                case "conv":
                    x = self._convolve(name, x)
                case "relu":
                    tapped_before = name.replace("relu", "conv") in wanted
                    x = x.relu() if tapped_before else x.relu_()  # in place: ours alone
                    residuals[name] = x
                case "pool":
                    y, choice = self._pooling.forward(x)
                    residuals[name] = (x, choice)
                    x = y
            if name in wanted:
                features[name] = x
        return Tape(space, path, residuals), features

    @torch.no_grad()
    def pullback(self, tape: Tape, cotangents: Mapping[str, Tensor]) -> Tensor:
        """Gradient with respect to the image, (3, h, w) in its space, float32 (or float64).

        `cotangents` are the gradients with respect to features at taps on the tape.
        """
        g: Tensor | None = None
        for name in reversed(tape.path):
            if name in cotangents:
                g = cotangents[name] if g is None else g + cotangents[name]
            if g is None:
                continue
            match name[:4]:
                case "conv":
                    g = self._convolve_pullback(name, g)
                case "relu":
                    g = torch.ops.aten.threshold_backward(g, tape.residuals[name], 0)
                case "pool":
                    g = self._pooling.pullback(g, *tape.residuals[name])
        if g is None:
            raise ValueError(f"no cotangent is on the tape, which has {', '.join(tape.path)}")
        return self._leave(g, tape.space)

    def _path(self, wanted: set[str]) -> tuple[str, ...]:
        last = self.architecture.deepest(wanted)
        return (*takewhile(lambda name: name != last, self.architecture.taps), last)

    def _check_size(self, image: Tensor, wanted: set[str]) -> None:
        height, width = image.shape[-2:]
        least = self.architecture.least_side(wanted)
        if min(height, width) < least:
            raise ImageTooSmall(
                f"image is {width}x{height} px, but {self.architecture.deepest(wanted)} "
                f"needs at least {least} px a side; use a larger picture, or a shallower layer"
            )

    def _placed(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        weight = weight.to(self.device, self.dtype, memory_format=self._layout)
        return weight, bias.to(self.device, self.dtype)

    def _enter(self, image: Tensor, space: ColourSpace) -> Tensor:
        accurate = torch.promote_types(self.dtype, torch.float32)
        x = space.convert(image.to(self.device, accurate), self._input)
        x = x.unsqueeze(0).to(self.dtype)
        if self._replicate:
            x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return x.contiguous(memory_format=self._layout)

    def _leave(self, g: Tensor, space: ColourSpace) -> Tensor:
        g = g.to(torch.promote_types(self.dtype, torch.float32))
        g = _unpad(g) if self._replicate else g
        return space.pull_convert(g.squeeze(0), self._input)

    def _margin(self, name: str) -> int:
        return 0 if self._replicate and name == "conv1_1" else 1

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, *self._layers[name], padding=self._margin(name))

    def _convolve_pullback(self, name: str, g: Tensor) -> Tensor:
        return F.conv_transpose2d(g, self._layers[name][0], padding=self._margin(name))
