"""A shot painted frame after frame: each begins where the last canvases have moved to.

    first frame    a still, coarse to fine
    between two    x₀ alone, of canvases before and after; iterations as far as neither shows it
    later frame    x₀ = Σⱼ cⱼ Wⱼ(xⱼ) + (1 - Σⱼ cⱼ) r
                   content + style + variation + style of 1 - s
                   + w Σⱼ Σ cⱼ Wⱼ(sⱼ) ‖x - Wⱼ(xⱼ)‖² / (N V)

xⱼ is a canvas painted before, Wⱼ(xⱼ) the same where it has moved to, cⱼ how sure that is, where no
nearer canvas shows the place, and r the frame in the colours of the shot. The last sum holds a
frame near those painted before it, in parts of the variance V of what it is held to; N is the
number of pixels. It is the temporal loss of Ruder, Dosovitskiy & Brox 2016, "Artistic Style
Transfer for Videos", with its long-term references. A frame ends as soon as its loss, without what
films add, is near that of the shot's first frame: so a film does not drift away from it.

sⱼ is how far each pixel of a canvas is painted, and s = Σⱼ cⱼ Wⱼ(sⱼ) how far those of the frame are
when it begins: 0 where it comes into sight, 1 after `open_iterations`, be they of one frame or of
several. As far as a place is not painted, nothing holds it, the frame takes more iterations, and
its style counts by itself too. Style is compared over the whole frame, so by that alone a small
place hardly matters: what comes into sight would stay half painted, and then be held so.

Where styles are others than at the shot's beginning, or masks cover another part of the frame, that
loss says nothing, and a frame takes all its iterations; more, and less held by what was painted
before, the faster styles change.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.apps.film.sources import FrameSources, Sources
from impasto.apps.film.style_keys import overlap
from impasto.images import Picture
from impasto.images.colour_transfer import Palette, recoloured
from impasto.objective import StyleCache
from impasto.objective.terms import FeatureTerm, TermContext, TermFactory, reference
from impasto.run import Run
from impasto.run.events import Step
from impasto.settings import Settings
from impasto.settings.film import FilmSettings

__all__ = ["Moved", "Painted", "ShotPainter", "Sources"]

STEADY = "steady"  # names the temporal terms, by distance in frames: steady 1, steady 2, …
NEW = "uncovered"  # the style term of what is still to be painted
_HEAVIEST = 1200.0  # the temporal term's weight at steadiness 1; 150 at 0.5
_NEW_WEIGHT = 0.5  # of the style of what is still to be painted, in parts of the style's
_PRECONDITION = 0.5  # of a still's: coarse forms are painted, and what a frame lacks is fine
_NEW = 0.002  # of a frame open: less is no new thing, and a frame like the last one is left alone
_FAST = 1 / 8  # of the styles that change in a frame, so that it is painted anew
_ENOUGH = 0.1  # of a frame covered, to tell in which colours a shot is painted


@dataclass(frozen=True, eq=False)
class Moved:
    """A canvas painted before, as the flow takes it to this frame.

    Attributes:
        distance: how many painted frames before this one it is; -1 is the next one after it.
        canvas: sRGB (3, h, w).
        where: (h, w) in [0, 1], how sure it is that each pixel is there, and in no nearer canvas;
            those of all canvases add up to 1 at most.
        settled: (h, w) in [0, 1], how far each pixel is painted: 1 after `open_iterations`.
        sources: what it was painted from.
    """

    distance: int
    canvas: Tensor
    where: Tensor
    settled: Tensor
    sources: FrameSources


@dataclass(frozen=True, eq=False)
class Painted:
    """A painted frame.

    Attributes:
        canvas: sRGB (3, h, w), of any range: what the next frame begins with.
        settled: (h, w) in [0, 1], how far each pixel is painted, as in `Moved`.
        picture: what is shown, with the frame's record.
        loss: the objective without the temporal terms; None where it was not evaluated.
        terms: all weighted terms by name.
        iterations: of this frame, over all scales.
        seconds: what it took.
    """

    canvas: Tensor
    settled: Tensor
    picture: Picture
    loss: float | None
    terms: dict[str, float]
    iterations: int
    seconds: float


class ShotPainter:
    """Paints the frames of one shot.

    Args:
        settings: of the stills; `size` is that of the film.
        film: how frames follow one another.
        cache: style statistics, shared with other shots.
    """

    def __init__(
        self, settings: Settings, film: FilmSettings, cache: StyleCache | None = None
    ) -> None:
        self._still, self._film = settings, film
        self._cache = cache or StyleCache()
        self._goal = 0.0  # loss of the shot's first frame
        self._sources = FrameSources((), {})  # and what it was painted from
        self._palettes: tuple[Palette, Palette] | None = None

    def begin(self, frame: Picture, sources: FrameSources, canvas: Tensor, loss: float) -> None:
        """Continue a shot whose first frame is painted: its canvas, sRGB (3, h, w), and loss."""
        self._goal, self._sources = loss, sources
        self._palettes = Palette.of(frame.pixels), Palette.of(canvas.clamp(0, 1))

    def run(self, frame: Picture, sources: FrameSources) -> Run:
        """The run of a frame as a still; raises what `Run` does, before anything is painted."""
        return self._run(frame, sources, self._still, {})

    def first(self, frame: Picture, sources: FrameSources) -> Painted:
        """The shot's first frame, as a still."""
        began = time.perf_counter()
        everywhere = torch.ones(frame.pixels.shape[1:])
        painted = self._painted(self.run(frame, sources), began, everywhere)
        assert painted.loss is not None
        self.begin(frame, sources, painted.canvas, painted.loss)
        return painted

    def next(self, frame: Picture, sources: FrameSources, moved: Sequence[Moved]) -> Painted:
        """A later frame; `moved` are canvases painted before, the nearest first, at least one."""
        film, anew = self._film, max(_open(moved), 1 - _alike(sources, moved[0]))
        # half as many more for each frame since the last painted one, whose neighbours show it too
        most = film.frame_iterations * (1 + film.every) / 2 + film.open_iterations * anew
        return self._following(frame, sources, moved, round(most))

    def between(self, frame: Picture, sources: FrameSources, moved: Sequence[Moved]) -> Painted:
        """A frame between two that are painted, whose canvases are `moved`."""
        unseen = 1 - float(_covered(moved).mean())  # what is half painted stays so until it is held
        most = self._film.between_iterations + round(self._film.open_iterations * unseen)
        return self._following(frame, sources, moved, most)

    def _following(
        self, frame: Picture, sources: FrameSources, moved: Sequence[Moved], most: int
    ) -> Painted:
        """A frame that begins with canvases where they are in it; `most` iterations follow."""
        began, film = time.perf_counter(), self._film
        covered = _covered(moved)
        kept = torch.stack([each.where * each.canvas for each in moved]).sum(0)
        start = kept + (1 - covered) * self._coloured(frame, sources, kept, covered)
        settled = _settled(moved)
        opened = _open(moved)
        if most == 0:
            picture, taken = self.run(frame, sources).shown(start), time.perf_counter() - began
            return Painted(start, settled, picture, None, {}, 0, taken)
        settings = self._still.replaced(
            scales=(1.0,), iterations=most, precondition=_PRECONDITION * self._still.precondition
        )
        weight = _HEAVIEST * film.steadiness**3
        terms = [_held(m, weight * _alike(sources, m)) for m in moved] if weight else []
        if opened > _NEW:
            terms.append(_painted_too(1 - settled))
        run = self._run(frame, sources, settings, {"init": start, "terms": terms})
        least = film.least_iterations if opened > _NEW else 0
        return self._painted(run, began, settled, self._goal_of(sources), least)

    def _run(
        self, frame: Picture, sources: FrameSources, settings: Settings, more: dict[str, Any]
    ) -> Run:
        arguments = {**sources.arguments, "cache": self._cache, **more}
        own = settings.replaced(**sources.changes) if sources.changes else settings
        return Run(frame, [*sources.styles], own, **arguments)

    def _painted(
        self,
        run: Run,
        began: float,
        settled: Tensor,
        goal: float | None = None,
        least: int = 0,
    ) -> Painted:
        """A run's last canvas, or the first that is near the goal, if there is one.

        `settled` (h, w) is how far its first canvas was painted.
        """
        last = None
        for last in run:
            if goal is not None and last.iteration >= least and self._is_near(last, goal):
                break
        assert last is not None
        assert last.canvas is not None
        canvas = last.space.to_srgb(last.canvas).float().cpu().clone()
        grown = last.done / max(1, self._film.open_iterations)
        return Painted(
            canvas,
            (settled + grown).clamp_max(1),
            run.picture(last),
            _own_loss(last),
            last.terms,
            last.done,
            time.perf_counter() - began,
        )

    def _goal_of(self, sources: FrameSources) -> float:
        """Loss at which a frame is as well painted as the shot's first; 0 where none says that."""
        return self._goal if sources.resembles(self._sources) else 0.0

    def _is_near(self, step: Step, goal: float) -> bool:
        """Whether the frame is as well painted as the shot's first one."""
        return _own_loss(step) <= goal * (1 + self._film.drift)

    def _coloured(
        self, frame: Picture, sources: FrameSources, kept: Tensor, covered: Tensor
    ) -> Tensor:
        """The frame (3, h, w) in the colours in which the shot is painted.

        They are those of its first frame; where styles change, those of what is `covered` (h, w)
        by canvases painted before, whose sum is `kept` (3, h, w).
        """
        assert self._palettes is not None
        own, painted = self._palettes
        if sources.weights != self._sources.weights and covered.mean() > _ENOUGH:
            own = Palette.of(frame.pixels, covered)
            painted = Palette.of((kept / covered.clamp_min(1e-3)).clamp(0, 1), covered)
        return recoloured(frame.pixels, painted, own=own).clamp(0, 1)


def _covered(moved: Sequence[Moved]) -> Tensor:
    """How far canvases painted before show each pixel of a frame, (h, w) in [0, 1]."""
    return torch.stack([each.where for each in moved]).sum(0).clamp_max(1)


def _settled(moved: Sequence[Moved]) -> Tensor:
    """How far each pixel of a frame that begins with these is painted, (h, w) in [0, 1]."""
    return torch.stack([each.where * each.settled for each in moved]).sum(0).clamp(0, 1)


def _open(moved: Sequence[Moved]) -> float:
    """The part of a frame that is still to be painted; what is half painted counts half."""
    return 1 - float(_settled(moved).mean())


def _alike(now: FrameSources, moved: Moved) -> float:
    """1 while styles stay, less the faster they change, 0 from `_FAST` a frame on."""
    if not now.weights:
        return 1.0
    changed = (1 - overlap(now.weights, moved.sources.weights)) / abs(moved.distance)
    return 1 - min(1.0, max(0.0, changed) / _FAST)


def _held(moved: Moved, weight: float) -> TermFactory:
    """The temporal term of one canvas, which lets go of what is not yet painted."""
    name, where = f"{STEADY} {moved.distance}", moved.where * moved.settled
    return reference(moved.canvas, where, weight=weight, relative=True, name=name)


def _painted_too(where: Tensor) -> TermFactory:
    """The style of what is still to be painted, (h, w), by itself."""

    def make(context: TermContext) -> FeatureTerm:
        device = context.encoder.device
        return context.style(where.to(device), NEW, _NEW_WEIGHT)

    return make


def _own_loss(step: Step) -> float:
    """A step's loss without the terms of films."""
    own = (term for name, term in step.terms.items() if name == NEW or name.startswith(STEADY))
    return step.loss - sum(own)
