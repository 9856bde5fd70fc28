"""What an effect is given: what it asks for by the names of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from torch import Tensor

from impasto.images.circles import OPEN, Wraps

__all__ = ["Effect", "applied", "needs_content"]

Effect = Callable[..., Tensor]


def needs_content(effect: Effect) -> bool:
    """Whether an effect looks at the content picture too."""
    return "content" in signature(effect).parameters


def applied(
    effect: Effect,
    picture: Tensor,
    strength: float,
    content: Tensor | None = None,
    wraps: Wraps = OPEN,
) -> Tensor:
    """The picture (3, h, w) in [0, 1] with an effect; without content, one that needs it is none.

    `content` is (3, h, w) in [0, 1], of the picture's size; `wraps` says whether rows and columns
    are circles.
    """
    if content is None and needs_content(effect):
        return picture
    offered: dict[str, Any] = {"content": content, "wraps": wraps}
    asked = signature(effect).parameters
    return effect(picture, strength, **{n: offered[n] for n in offered if n in asked})
