"""Features of a network and their pullback, without autograd.

The weights are frozen, so the gradient with respect to the image needs no graph: the forward pass
keeps what each operation's derivative needs (the ReLUs' outputs and the poolings' choices), and the
pullback walks the same operations backwards. Pictures come in any colour space, by default sRGB in
[0, 1]; the encoder converts them to the one that its weights were trained on.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

import torch
from torch import Tensor

from impasto.encoder.borders import copied, zeros
from impasto.encoder.convolutions import Convolution, convolution, layout
from impasto.encoder.operations import Conv, Ends, Operation, Pool, Relu
from impasto.encoder.pooling import POOLINGS, mask_
from impasto.encoder.weights.bundle import Weights
from impasto.errors import ImageTooSmall, SettingsError
from impasto.images.spaces import SRGB, ColourSpace

__all__ = ["PADDINGS", "Cotangent", "Encoder", "Tape"]

Cotangent: TypeAlias = Callable[[Tensor | None], Tensor]
"""Adds the cotangent of a tap, (1, c, h, w), to what comes from deeper taps, if anything does.

It may write into its argument, and the pullback may write into what it returns. A function and not
a tensor, so that style's cotangents, some of the largest tensors of all, are made only when they
are needed, and without a copy of the sum.
"""


WHOLE = Ends()

PADDINGS = ("zero", "replicate", "replicate-all")


@dataclass(frozen=True, eq=False)
class Tape:
    """What `features` leaves for `pullback`: operations in order, and their residuals by name."""

    space: ColourSpace  # of the picture, and so of its gradient
    ends: Ends
    path: tuple[Operation, ...]
    residuals: dict[str, Any]  # of a ReLU its output; None where the pooling after it masks as well


class Encoder:
    """A frozen network: features of pictures, and the gradient of the picture from theirs.

    Args:
        weights: convolutions and the colours they expect; shared, copied only to another dtype.
        pooling: `max`, `avg` or `l2`.
        padding: `zero`, as the networks were trained; `replicate`, the picture's edge at the first
            operation and zeros at the others; `replicate-all`, the edge of what each is given.
        dtype: bfloat16, float32 or float64; features and cotangents have it too.
        device: where it computes.
        exact: float32 on a CPU is that of every other torch program to the last digit; otherwise
            it may be a fifth faster.

    Each argument is an attribute too, and so is `architecture`, that of the weights. Raises
    SettingsError for another `pooling` or `padding`.
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
        self._pool = POOLINGS[pooling]
        self._convolutions: dict[str, Convolution] = {}  # those used so far

    def features(
        self, image: Tensor, taps: Iterable[str], space: ColourSpace = SRGB, ends: Ends = WHOLE
    ) -> tuple[Tape, dict[str, Tensor]]:
        """Features of `image`, (3, h, w) in `space`, at `taps`: each (1, c, h', w').

        Where `ends` are cuts, features near them are left out or differ; see `Ends`. Raises
        SettingsError for an unknown tap and for a circle that is no multiple of the deepest tap's
        stride, ImageTooSmall where a tap has no position left.
        """
        wanted = set(taps)
        path = self.architecture.path(wanted)
        self._check_size(image, wanted, ends)
        features, residuals = dict[str, Tensor](), dict[str, Any]()
        with _isolated(self.device):
            x, rectified = self._enter(image, space), False
            for operation, following in zip_longest(path, path[1:]):
                name = operation.name
                match operation:
                    case Conv():  # with its ReLU at once, unless the tap before it is wanted
                        rectified = isinstance(following, Relu) and name not in wanted
                        x, edges = self._bordered(x, operation, ends), self._replicates(operation)
                        residuals[name] = (x.shape[-2], x.shape[-1])
                        margin = zeros(operation, ends, edges=edges)
                        x = self._convolution(operation)(x, margin, rectify=rectified)
                    case Relu():
                        x = x if rectified else x.relu()
                        masked_later = isinstance(following, Pool) and self._pool.masks
                        residuals[name] = None if masked_later and name not in wanted else x
                    case Pool():
                        x = self._bordered(x, operation, ends)
                        x, residuals[name] = self._pool.forward(
                            x, operation.kernel, operation.stride
                        )
                if name in wanted:
                    features[name] = x
        return Tape(space, ends, path, residuals), features

    def pullback(self, tape: Tape, cotangents: dict[str, Tensor] | dict[str, Cotangent]) -> Tensor:
        """Gradient with respect to the image, (3, h, w) in its space, float32 (or float64).

        `cotangents` are, by tap, the gradient with respect to its features, (1, c, h', w'), or a
        function that adds it. Empties both arguments, so that each part is freed once it is used:
        together with the gradients of the first layers they would be the peak of memory. Raises
        ValueError for a tape that is spent, or that has none of the cotangents' taps.
        """
        if not tape.residuals.keys() >= {each.name for each in tape.path}:
            raise ValueError("this tape is spent; take the features again")
        g: Tensor | None = None
        with _isolated(self.device):
            for operation in reversed(tape.path):
                name = operation.name
                if name in cotangents:
                    g = _added(g, cotangents.pop(name))
                if g is None:
                    continue
                g = self._pulled(g, operation, tape.residuals.pop(name), tape.ends)
            if g is None:
                names = ", ".join(each.name for each in tape.path)
                raise ValueError(f"no cotangent is on the tape, which has {names}")
            return self._leave(g, tape)

    def _pulled(self, g: Tensor, operation: Operation, residual: Any, ends: Ends) -> Tensor:  # noqa: ANN401 (what the operation left)
        """A cotangent of an operation's input, from that of its output and what it left."""
        edges = self._replicates(operation)
        match operation:
            case Conv():
                margin = zeros(operation, ends, edges=edges)
                g = self._convolution(operation).pullback(g, margin, residual)
            case Relu():
                return g if residual is None else mask_(g, residual)
            case Pool():
                g = self._pool.pullback(g, residual)
        return copied(operation, ends, edges=edges).folded(g, self._layout)

    def _bordered(self, x: Tensor, operation: Operation, ends: Ends) -> Tensor:
        """An operation's input with what is copied around it."""
        border = copied(operation, ends, edges=self._replicates(operation))
        return border.around(x, self._layout)

    def _replicates(self, operation: Operation) -> bool:
        first = operation.name == self.architecture.operations[0].name
        return self.padding == "replicate-all" or (self.padding == "replicate" and first)

    def _check_size(self, image: Tensor, wanted: set[str], ends: Ends) -> None:
        height, width = image.shape[-2:]
        stride = self.architecture.stride(self.architecture.deepest(wanted))
        for length, wraps in zip((height, width), ends.wraps, strict=True):
            if wraps and length % stride:
                raise SettingsError(f"a circle of {length} px; expected a multiple of {stride}")
        least = self.architecture.min_side(wanted)
        if min(height, width) < least:
            raise ImageTooSmall(
                f"image is {width}x{height} px, but {self.architecture.deepest(wanted)} "
                f"needs at least {least} px a side; use a larger picture, or a shallower layer"
            )

    def _convolution(self, operation: Conv) -> Convolution:
        name = operation.name
        if name not in self._convolutions:
            weight, bias = self.weights.layers[name]
            weight = weight.to(self.device, self.dtype, memory_format=self._layout)
            bias = bias.to(self.device, self.dtype)
            self._convolutions[name] = convolution(
                weight, bias, stride=operation.stride, exact=self.exact
            )
        return self._convolutions[name]

    def _enter(self, image: Tensor, space: ColourSpace) -> Tensor:
        """(3, h, w) in `space` -> (1, 3, h, w) in the weights' space."""
        accurate = torch.promote_types(self.dtype, torch.float32)
        x = space.convert(image.to(self.device, accurate), self.weights.input)
        x = x.unsqueeze(0).to(self.dtype)
        return x.contiguous(memory_format=self._layout)

    def _leave(self, g: Tensor, tape: Tape) -> Tensor:
        """Transpose of `_enter`: (1, 3, h, w) -> (3, h, w)."""
        g = g.to(torch.promote_types(self.dtype, torch.float32))
        return tape.space.convert_cotangent(g.squeeze(0), self.weights.input)


@contextmanager
def _isolated(device: torch.device) -> Iterator[None]:
    """Without autograd, and independent of the caller's inference mode and autocast."""
    with ExitStack() as state:
        state.enter_context(torch.inference_mode(mode=False))
        state.enter_context(torch.no_grad())
        if torch.is_autocast_enabled(device.type):
            state.enter_context(torch.autocast(device.type, enabled=False))
        yield


def _added(g: Tensor | None, cotangent: Tensor | Cotangent) -> Tensor:
    if isinstance(cotangent, Tensor):
        return cotangent.clone() if g is None else g.add_(cotangent)  # in place: g is ours
    return cotangent(g)
