"""What a descent remembers, as named tensors: put together, taken apart, checked.

Memories come back from files, so every one is checked before it is believed: ValueError says what
is missing or does not fit.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["Memory", "beneath", "number", "recalled", "recalled_number", "recalled_rows", "within"]

Memory = Mapping[str, Tensor]


def beneath(name: str, memory: Memory) -> dict[str, Tensor]:
    """The same tensors, each called `name.` and what it was called before."""
    return {f"{name}.{inner}": tensor for inner, tensor in memory.items()}


def within(name: str, memory: Memory) -> dict[str, Tensor]:
    """What `beneath` was given, out of a larger memory."""
    start = f"{name}."
    return {full[len(start) :]: part for full, part in memory.items() if full.startswith(start)}


def number(value: int) -> Tensor:
    """An integer to be remembered."""
    return torch.tensor(value, dtype=torch.int64)


def recalled(memory: Memory, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """The tensor called `name`; ValueError unless it is there, of this shape and type."""
    tensor = _named(memory, name)
    if tuple(tensor.shape) != tuple(shape) or tensor.dtype != dtype:
        got, expected = _described(tensor.shape, tensor.dtype), _described(shape, dtype)
        raise ValueError(f"the memory's {name} is {got}; expected {expected}")
    return tensor


def recalled_number(memory: Memory, name: str, most: int) -> int:
    """The integer called `name`; ValueError unless it is in 0 … `most`."""
    value = int(recalled(memory, name, (), torch.int64))
    if not 0 <= value <= most:
        raise ValueError(f"the memory's {name} is {value}; expected 0 to {most}")
    return value


def recalled_rows(memory: Memory, name: str, length: int) -> list[int]:
    """The rows called `name`, of a store of `length`; ValueError where there are no such rows."""
    tensor = _named(memory, name)
    rows: list[int] = recalled(memory, name, (tensor.numel(),), torch.int64).tolist()
    if not all(0 <= row < length for row in rows):
        raise ValueError(f"the memory's {name} has rows outside of 0 to {length - 1}")
    return rows


def _named(memory: Memory, name: str) -> Tensor:
    if name not in memory:
        raise ValueError(f"the memory lacks {name}; it is that of another optimiser")
    return memory[name]


def _described(shape: Sequence[int], dtype: torch.dtype) -> str:
    return f"{tuple(shape)} of {str(dtype).removeprefix('torch.')}"
