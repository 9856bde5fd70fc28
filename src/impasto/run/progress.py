"""The steps of a run as tensors: a checkpoint holds any number of them, to the last bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from impasto.images.spaces import ColourSpace
from impasto.optimisers.state import State, load_tensor
from impasto.run.events import Step

__all__ = ["packed", "term_names", "unpacked"]

_COUNTS = 6  # scale, iteration, done, total, width, height
_NUMBERS = 2  # loss, seconds, then a column for each term


def term_names(steps: Iterable[Step]) -> list[str]:
    """The names of all terms, each once, in the order in which they come."""
    return [*dict.fromkeys(name for step in steps for name in step.terms)]


def packed(steps: Sequence[Step], terms: Sequence[str]) -> dict[str, Tensor]:
    """Counts (n, 6), int64, and numbers (n, 2 + terms), float64, without canvases.

    A step that lacks a term has nan there.
    """
    nan = float("nan")
    counts = [[s.scale, s.iteration, s.done, s.total, *s.size] for s in steps]
    numbers = [[s.loss, s.seconds, *(s.terms.get(name, nan) for name in terms)] for s in steps]
    return {
        "counts": torch.tensor(counts, dtype=torch.int64, device="cpu"),
        "numbers": torch.tensor(numbers, dtype=torch.float64, device="cpu"),
    }


def unpacked(state: State, terms: Sequence[str], space: ColourSpace) -> list[Step]:
    """The steps of `packed`; ValueError if there are none."""
    rows = len(state["counts"]) if "counts" in state else 0
    counts = load_tensor(state, "counts", (rows, _COUNTS), torch.int64)
    numbers = load_tensor(state, "numbers", (rows, _NUMBERS + len(terms)), torch.float64)
    return [
        _step(whole, real, terms, space)
        for whole, real in zip(counts.tolist(), numbers.tolist(), strict=True)
    ]


def _step(
    counts: Sequence[int], numbers: Sequence[float], terms: Sequence[str], space: ColourSpace
) -> Step:
    scale, iteration, done, total, width, height = counts
    loss, seconds, *values = numbers
    return Step(
        scale=scale,
        iteration=iteration,
        done=done,
        total=total,
        loss=loss,
        terms={name: v for name, v in zip(terms, values, strict=True) if v == v},  # nan is absent
        seconds=seconds,
        space=space,
        size=(width, height),
        canvas=None,
    )
