"""A shot painted frame after frame: each begins where the last canvases have moved to.

    first frame    a still, coarse to fine
    later frame    x₀ = Σⱼ cⱼ Wⱼ(xⱼ) + (1 - Σⱼ cⱼ) r
                   content + style + variation + w Σⱼ Σ cⱼ ‖x - Wⱼ(xⱼ)‖² / (N V)

xⱼ is a canvas painted before, Wⱼ(xⱼ) the same where it has moved to, cⱼ how sure that is, where no
nearer canvas shows the place, and r the frame in the colours of the shot. The last sum holds a
frame near those painted before it, in parts of the variance V of what it is held to; N is the
number of pixels. It is the temporal loss of Ruder, Dosovitskiy & Brox 2016, "Artistic Style
Transfer for Videos", with its long-term references. A frame ends as soon as its loss, without that
sum, is near that of the shot's first frame: so a film does not drift away from its first frame.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from impasto.images import Picture, Source
from impasto.images.colour_transfer import Palette, recoloured
from impasto.objective import StyleCache
from impasto.objective.terms import TermFactory, reference
from impasto.run import Run
from impasto.run.events import Step
from impasto.settings import Settings
from impasto.settings.film import FilmSettings

__all__ = ["Moved", "Painted", "ShotPainter", "Sources"]

STEADY = "steady"  # names the temporal terms, by distance in frames: steady 1, steady 2, …
_HEAVIEST = 1200.0  # the temporal term's weight at steadiness 1


@dataclass(frozen=True, eq=False)
class Moved:
    """A canvas painted before, as the flow takes it to this frame.

    Attributes:
        distance: how many frames ago it was painted.
        canvas: sRGB (3, h, w).
        where: (h, w) in [0, 1], how sure it is that each pixel is there, and in no nearer canvas;
            those of all canvases add up to 1 at most.
    """

    distance: int
    canvas: Tensor
    where: Tensor


@dataclass(frozen=True, eq=False)
class Painted:
    """A painted frame.

    Attributes:
        canvas: sRGB (3, h, w), of any range: what the next frame begins with.
        picture: what is shown, with the frame's record.
        loss: the objective without the temporal terms.
        terms: all weighted terms by name.
        iterations: of this frame, over all scales.
        open: part of the frame in which nothing that was painted before is known to be.
        seconds: what it took.
    """

    canvas: Tensor
    picture: Picture
    loss: float
    terms: dict[str, float]
    iterations: int
    open: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Sources:
    """What all frames share, as `impasto.Run` takes it: styles, masks, a network.

    `arguments` are keywords of `Run`: `content_masks`, `style_masks`, `protect`, `encoder`.
    """

    styles: Sequence[Source]
    arguments: dict[str, Any] = field(default_factory=dict)


class ShotPainter:
    """Paints the frames of one shot.

    Args:
        settings: of the stills; `size` is that of the film.
        film: how frames follow one another.
        sources: what all frames share.
        cache: style statistics, shared with other shots.
    """

    def __init__(
        self,
        settings: Settings,
        film: FilmSettings,
        sources: Sources,
        cache: StyleCache | None = None,
    ) -> None:
        self._still, self._film, self._sources = settings, film, sources
        self._cache = cache or StyleCache()
        self._goal = 0.0  # loss of the shot's first frame
        self._palettes: tuple[Palette, Palette] | None = None

    def begin(self, frame: Picture, canvas: Tensor, loss: float) -> None:
        """Continue a shot whose first frame is painted: its canvas, sRGB (3, h, w), and loss."""
        self._goal = loss
        self._palettes = Palette.of(frame.pixels), Palette.of(canvas.clamp(0, 1))

    def first(self, frame: Picture) -> Painted:
        """The shot's first frame, as a still."""
        painted = self._painted(frame, self._still)
        self.begin(frame, painted.canvas, painted.loss)
        return painted

    def next(self, frame: Picture, moved: Sequence[Moved]) -> Painted:
        """A later frame; `moved` are canvases painted before, at least one."""
        film = self._film
        covered = torch.stack([each.where for each in moved]).sum(0).clamp_max(1)
        opened = float(1 - covered.mean())
        most = film.frame_iterations + round(film.open_iterations * opened)
        settings = self._still.replaced(scales=(1.0,), iterations=max(1, most))
        weight = _HEAVIEST * film.steadiness**2
        terms = [_held(each, weight) for each in moved] if weight else []
        start = (1 - covered) * self._coloured(frame)
        for each in moved:
            start = start + each.where * each.canvas
        return self._painted(frame, settings, start, terms, opened)

    def _painted(
        self,
        frame: Picture,
        settings: Settings,
        start: Tensor | None = None,
        terms: Sequence[TermFactory] = (),
        opened: float = 1.0,
    ) -> Painted:
        began = time.perf_counter()
        arguments = {**self._sources.arguments, "cache": self._cache, "terms": terms}
        if start is not None:
            arguments["init"] = start
        run = Run(frame, list(self._sources.styles), settings, **arguments)
        last = None
        for last in run:
            if start is not None and self._is_near(last):
                break
        assert last is not None
        assert last.canvas is not None
        canvas = last.space.to_srgb(last.canvas).float().cpu().clone()
        return Painted(
            canvas,
            run.picture(last),
            _own_loss(last),
            last.terms,
            last.done,
            opened,
            time.perf_counter() - began,
        )

    def _is_near(self, step: Step) -> bool:
        """Whether the frame is as well painted as the shot's first one."""
        enough = step.iteration >= self._film.least_iterations
        return enough and _own_loss(step) <= self._goal * (1 + self._film.drift)

    def _coloured(self, frame: Picture) -> Tensor:
        """The frame in the colours in which the shot's first one was painted, (3, h, w)."""
        assert self._palettes is not None
        own, painted = self._palettes
        return recoloured(frame.pixels, painted, own=own).clamp(0, 1)


def _held(moved: Moved, weight: float) -> TermFactory:
    """The temporal term of one canvas."""
    name = f"{STEADY} {moved.distance}"
    return reference(moved.canvas, moved.where, weight=weight, relative=True, name=name)


def _own_loss(step: Step) -> float:
    """A step's loss without the temporal terms."""
    return step.loss - sum(term for name, term in step.terms.items() if name.startswith(STEADY))
