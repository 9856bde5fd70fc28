"""The state of a minimiser as named tensors: written, and validated when it is read back.

State may come from an untrusted file. Every `load_…` function raises ValueError that names the
tensor which is missing or does not fit.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = [
    "State",
    "integer",
    "integers",
    "load_integer",
    "load_integers",
    "load_rows",
    "load_tensor",
    "with_prefix",
    "without_prefix",
]

State = Mapping[str, Tensor]


def with_prefix(prefix: str, state: State) -> dict[str, Tensor]:
    """The same tensors, of any shape, each named `prefix.name`."""
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def without_prefix(prefix: str, state: State) -> dict[str, Tensor]:
    """The tensors, of any shape, named `prefix.name`, by name: `with_prefix` undone."""
    start = f"{prefix}."
    return {name[len(start) :]: part for name, part in state.items() if name.startswith(start)}


def integer(value: int) -> Tensor:
    """An integer as a tensor (), int64 on the CPU."""
    return torch.tensor(value, dtype=torch.int64, device="cpu")


def integers(values: Sequence[int]) -> Tensor:
    """Integers as a tensor (count,), int64 on the CPU."""
    return torch.tensor(values, dtype=torch.int64, device="cpu")


def load_tensor(state: State, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """The tensor called `name`, of any shape; ValueError unless it has `shape` and `dtype`."""
    tensor = _named(state, name)
    if tuple(tensor.shape) != tuple(shape) or tensor.dtype != dtype:
        got, expected = _description(tensor.shape, tensor.dtype), _description(shape, dtype)
        raise ValueError(f"the state's {name} is {got}; expected {expected}")
    return tensor


def load_integer(state: State, name: str, maximum: int) -> int:
    """The integer called `name`, a scalar; ValueError unless it is in 0 … `maximum`."""
    value = int(load_tensor(state, name, (), torch.int64))
    if not 0 <= value <= maximum:
        raise ValueError(f"the state's {name} is {value}; expected 0 to {maximum}")
    return value


def load_integers(state: State, name: str) -> list[int]:
    """The integers (n,) called `name`; ValueError if they are none."""
    count = _named(state, name).numel()
    found: list[int] = load_tensor(state, name, (count,), torch.int64).tolist()
    return found


def load_rows(state: State, name: str, length: int) -> list[int]:
    """The indices (n,) called `name`; ValueError unless all are in 0 … `length` - 1."""
    rows = load_integers(state, name)
    if not all(0 <= row < length for row in rows):
        raise ValueError(f"the state's {name} has rows outside of 0 to {length - 1}")
    return rows


def _named(state: State, name: str) -> Tensor:
    if name not in state:
        raise ValueError(f"the state lacks {name}; it belongs to another optimiser")
    return state[name]


def _description(shape: Sequence[int], dtype: torch.dtype) -> str:
    return f"{tuple(shape)} of {str(dtype).removeprefix('torch.')}"
