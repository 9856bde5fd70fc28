"""Effects of two kinds: of the picture alone, and of the picture beside the photograph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["ContentEffect", "Effect", "applied"]


@runtime_checkable
class ContentEffect(Protocol):
    """An effect that looks at the content picture too."""

    needs_content: bool
    """True."""

    def __call__(self, picture: Tensor, strength: float, content: Tensor) -> Tensor:
        """The picture with the effect; picture and content are (3, h, w) in [0, 1]."""


Effect = Callable[[Tensor, float], Tensor] | ContentEffect


def applied(effect: Effect, picture: Tensor, strength: float, content: Tensor | None) -> Tensor:
    """The picture (3, h, w) in [0, 1] with an effect; without content, one that needs it is none.

    `content` is (3, h, w) in [0, 1], of the picture's size.
    """
    if not isinstance(effect, ContentEffect):
        return effect(picture, strength)
    return picture if content is None else effect(picture, strength, content)
