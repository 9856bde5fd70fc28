"""What frames are painted from beside the clip: styles, masks, a network, as they are at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from impasto.apps.film.clip import Clip
from impasto.apps.film.flow import Flow
from impasto.apps.film.masks import MovingMask, mask_of
from impasto.apps.film.style_keys import StyleKeys, Weights
from impasto.apps.film.warp import warped
from impasto.errors import SettingsError, shown
from impasto.images import MAX_PIXELS, Source, read
from impasto.images.held import held
from impasto.images.names import located
from impasto.run.regions import has_colours, is_black
from impasto.run.sizes import mask_at
from impasto.settings import Settings

__all__ = ["FrameSources", "Sources", "agreement"]

_ABOUT = 0.1  # of the frame, by which the area of a mask may differ
_CONTENT = ("protect", "content_masks")  # masks that may move
_SEVERAL = ("content_masks", "style_masks")  # of which a run may have more than one
_OF_STYLES = ("style_weights", "style_scale")  # settings of one number a style


@dataclass(frozen=True, eq=False)
class FrameSources:
    """What one frame is painted from, beside itself.

    Attributes:
        styles, arguments: as `impasto.Run` takes them.
        changes: settings that are this frame's own.
        weights: of each of the film's styles; empty where they hold throughout.
        masks: (k, h, w) in [0, 1] at the film's size, of those that move; None if none does.
    """

    styles: Sequence[Source]
    arguments: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    weights: Weights = ()
    masks: Tensor | None = None

    def resembles(self, other: FrameSources) -> bool:
        """Whether a loss of one frame says something of the other.

        It does in the same styles, with masks of about the same area: of a photograph in one style,
        with 0, 25, 50 and 75 % of it protected, losses are 15.9, 15.1, 13.5 and 13.1.
        """
        if self.masks is None or other.masks is None:
            return self.weights == other.weights
        changed = (self.masks.mean((1, 2)) - other.masks.mean((1, 2))).abs().amax()
        return self.weights == other.weights and float(changed) <= _ABOUT


def agreement(now: FrameSources, before: FrameSources, back: Flow) -> np.ndarray | float:
    """Where a frame is painted as one before it was, (h, w) in [0, 1]: 1 - max |m - W(m')|.

    m are the masks that move, and W the warp by the flow `back` (h, w, 2).
    """
    if now.masks is None or before.masks is None:
        return 1.0
    apart = (now.masks - warped(before.masks, back)).abs().amax(0)
    return (1 - apart.clamp(0, 1)).numpy()


@dataclass(frozen=True, eq=False)
class Sources:
    """What all frames share.

    Attributes:
        styles: as `impasto.Run` takes them.
        arguments: keywords of `Run`: `content_masks`, `style_masks`, `protect`, `encoder`. Content
            masks and `protect` may be a MovingMask.
        keys: when each style holds; None: throughout.
    """

    styles: Sequence[Source]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    keys: StyleKeys | None = None

    @classmethod
    def of(
        cls,
        styles: Source | Sequence[Source] | Mapping[Any, Any] | StyleKeys,
        arguments: Mapping[str, Any],
        clip: Clip,
        max_pixels: int = MAX_PIXELS,
    ) -> Sources:
        """Sources for a clip; a mapping of styles is as in `StyleKeys`, masks as in `mask_of`.

        Raises what these do, and SettingsError where keys and content masks are given together.
        """
        keys = StyleKeys.of(styles, _times(clip)) if isinstance(styles, Mapping) else styles
        several = {n: _list(arguments[n]) for n in _SEVERAL if n in arguments}
        known = {**arguments, **several}
        for role in _CONTENT:
            if role in known:
                masks = [mask_of(held(m), clip.count, max_pixels) for m in _list(known[role])]
                known[role] = masks if role in _SEVERAL else masks[0]
        if not isinstance(keys, StyleKeys):
            return cls([held(style) for style in _list(keys)], known)
        if several.get("content_masks"):
            raise SettingsError(
                "styles with key times blend in one place, and content masks give each its own; "
                "leave one of the two out"
            )
        return cls(keys.styles, known, keys)

    def check(self, settings: Settings) -> None:
        """SettingsError for settings that say what the keys say."""
        if self.keys and settings.style_weights:
            raise SettingsError(
                "style_weights are for styles that hold throughout; styles with key times have "
                "weights of their own"
            )

    def names(self) -> Iterator[str | os.PathLike[str]]:
        """Every file and folder that is read, as far as they are not in memory."""
        values = [self.styles, *map(self._listed, self.arguments)]
        for value in chain.from_iterable(values):
            known = value.clip.path if isinstance(value, MovingMask) else located(value)
            if isinstance(known, (str, os.PathLike)):
                yield known

    @property
    def moving(self) -> bool:
        """Whether a mask moves."""
        return any(isinstance(m, MovingMask) for role in _CONTENT for m in self._listed(role))

    def at(self, index: int, seconds: float, settings: Settings) -> FrameSources:
        """Those of a frame at its time; `settings.size` is the film's, (width, height)."""
        weights = self.keys.at(seconds) if self.keys else ()
        arguments = {role: self._now(role, index) for role in self.arguments}
        masks = self._planes(arguments, settings) if self.moving else None
        if weights:
            there = [n for n, weight in enumerate(weights) if weight]
            own: dict[str, Any] = {"style_weights": tuple(weights[n] for n in there)}
        else:
            there, own = self._seen(arguments), {}
        styles, arguments, changes = self._chosen(there, arguments, settings)
        return FrameSources(styles, arguments, {**changes, **own}, weights, masks)

    def _now(self, role: str, index: int) -> Any:  # noqa: ANN401 (an argument of Run)
        """An argument with the frame's own masks; SettingsError for one in colours."""
        now = []
        for mask in _list(self.arguments[role]):
            moves = isinstance(mask, MovingMask)
            now.append(mask.at(index) if moves else mask)
            if moves and role != "protect" and has_colours(now[-1]):
                raise SettingsError(
                    f"{shown(mask.clip.path)}: has colours; masks that move are black and white, "
                    f"one film for each style"
                )
        return now if role in _SEVERAL else now[0]

    def _planes(self, arguments: Mapping[str, Any], settings: Settings) -> Tensor:
        """The moving masks (k, h, w) at the film's size."""
        assert isinstance(settings.size, tuple)
        planes = []
        for role in _CONTENT:
            pairs = zip(self._listed(role), _list(arguments.get(role, [])), strict=True)
            moving = (own for given, own in pairs if isinstance(given, MovingMask))
            whole = (read(own, MAX_PIXELS) for own in moving)
            planes += [mask_at(mask, settings.size, settings.fit) for mask in whole]
        return torch.stack(planes)

    def _seen(self, arguments: Mapping[str, Any]) -> list[int]:
        """Indices of the content masks that are not black in this frame; without any, of styles."""
        given = self._listed("content_masks")
        pairs = enumerate(zip(given, arguments.get("content_masks", []), strict=True))
        seen = [n for n, (m, own) in pairs if not (isinstance(m, MovingMask) and is_black(own))]
        return seen if given else [*range(len(self.styles))]

    def _chosen(
        self, there: Sequence[int], arguments: dict[str, Any], settings: Settings
    ) -> tuple[list[Source], dict[str, Any], dict[str, Any]]:
        """Styles, arguments and changes of settings without the styles and masks left out."""
        styles, changes = [*self.styles], dict[str, Any]()
        whole = len(self._listed("content_masks")) or len(styles)
        if len(there) == whole:
            return styles, arguments, changes
        if len(styles) == whole:
            for name in _OF_STYLES:
                value = getattr(settings, name)
                if isinstance(value, tuple) and len(value) == whole and there:
                    changes[name] = tuple(_picked(value, there, whole))
        for role in _SEVERAL:
            if role in arguments:
                arguments[role] = _picked(arguments[role], there, whole)
        if not there:
            changes["style_weight"] = 0.0  # no style goes anywhere in this frame
        return _picked(styles, there, whole) or styles[:1], arguments, changes

    def _listed(self, role: str) -> list[Any]:
        return _list(self.arguments.get(role, []))


def _picked(values: Sequence[Any], there: Sequence[int], whole: int) -> list[Any]:
    """Those values that are there, of a list as long as the styles or masks; others whole."""
    return [values[n] for n in there] if len(values) == whole else [*values]


def _times(clip: Clip) -> Callable[[int], float]:
    """When a frame of the clip is shown, seconds; SettingsError for one that it lacks."""

    def seconds(frame: int) -> float:
        if frame >= clip.count:
            raise SettingsError(f"style key {frame}f: the clip has {clip.count} frames")
        return float(clip.times[frame] * clip.time_base)

    return seconds


def _list(value: Any) -> list[Any]:  # noqa: ANN401 (one or several)
    return [*value] if isinstance(value, (list, tuple)) else [value]
