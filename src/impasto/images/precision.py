"""What arithmetic a device has, and torch's state around a computation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

__all__ = ["has_float64", "in_float64", "neutral"]


def has_float64(device: torch.device) -> bool:
    """Whether tensors on the device may be float64; on MPS they may not."""
    return device.type != "mps"


def in_float64(x: Tensor) -> Tensor:
    """The values of a tensor of any shape in float64, on the CPU where its device has none."""
    return (x if has_float64(x.device) else x.cpu()).double()


@contextmanager
def neutral() -> Iterator[None]:
    """In this Python thread, gradients, inference mode and autocast off; the CPU as the default.

    Default dtype and deterministic mode belong to the whole process, so they stay as they are, and
    the package's results do not depend on them.
    """
    with ExitStack() as state:
        state.enter_context(torch.inference_mode(False))
        state.enter_context(torch.no_grad())
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                state.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            state.enter_context(torch.device("cpu"))
        yield
