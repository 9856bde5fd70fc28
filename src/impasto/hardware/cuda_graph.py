"""One evaluation as a CUDA graph: launched whole, with no Python between its kernels."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from impasto.objective import Evaluation

__all__ = ["captured"]

ValueAndGrad = Callable[[Tensor], Evaluation]

_WARM_UPS = 3  # cuDNN chooses its algorithms, and memory is taken, before anything is recorded


def captured(evaluate: ValueAndGrad, like: Tensor) -> ValueAndGrad:
    """The same function of vectors like this one; on CUDA recorded once and then replayed.

    Recording takes four evaluations. Where CUDA cannot do it there is a warning, and the function
    runs as it is.
    """
    if not like.is_cuda:
        return evaluate
    try:
        return _Graph(evaluate, like)
    except RuntimeError as error:
        warnings.warn(f"no CUDA graph, which costs some speed: {error}", stacklevel=2)
        return evaluate


class _Graph:
    """A recorded evaluation: input and outputs have fixed places, and are copied to and from."""

    def __init__(self, evaluate: ValueAndGrad, like: Tensor) -> None:
        self._x = like.clone()
        aside = torch.cuda.Stream(like.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(like.device))
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                evaluate(self._x)
        torch.cuda.current_stream(like.device).wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._at = evaluate(self._x)

    def __call__(self, x: Tensor) -> Evaluation:
        self._x.copy_(x)
        self._graph.replay()
        terms = {name: term.clone() for name, term in self._at.terms.items()}
        return Evaluation(self._at.loss.clone(), terms, self._at.gradient.clone())
