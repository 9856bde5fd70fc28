"""The composition root: a photograph and a painting in, a painted photograph out.

content, style -> canvas -> objective -> optimiser -> Step, Step, … -> Result
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto import samples
from impasto.canvas import INITS, bounds, initial_canvas
from impasto.colour import ColourSpace, colour_space
from impasto.encoder import Encoder, architecture, bundled
from impasto.errors import Diverged, ImageError, ImageTooLarge, ImageTooSmall, OutOfMemory
from impasto.images import MAX_PIXELS, Picture, Source, fit, read
from impasto.machine import choose_device, choose_dtype, choose_threads
from impasto.metadata import make_record
from impasto.objective import Evaluation, Objective, Term
from impasto.optimisers import Box, Iterate, adam, lbfgs, stepped, until
from impasto.settings import DEFAULT_RECIPE, Settings

__all__ = ["Result", "Run", "Step", "iterate", "stylize"]


@dataclass(frozen=True, eq=False)
class Step:
    """The run after `iteration` of `total` iterations; iteration 0 is the initial canvas.

    `scale` is the canvas's longest side in pixels, `loss` the objective at the canvas, `terms`
    its weighted parts, `seconds` the time since the run started. `canvas` is (3, h, w) in
    `space`; None in a finished result's steps, which would otherwise fill the memory.
    """

    scale: int
    iteration: int
    total: int
    loss: float
    terms: dict[str, float]
    seconds: float
    space: ColourSpace
    canvas: Tensor | None

    def picture(self) -> Picture:
        """The canvas as a picture, clipped to what a screen can show."""
        if self.canvas is None:
            raise ValueError("this step's canvas was not kept; take pictures while iterating")
        return Picture(self.space.to_srgb(self.canvas).clamp(0, 1).float().cpu())

    def line(self) -> dict[str, float]:
        """What a trace file says of it: scale, iteration, loss, terms, seconds."""
        return {
            "scale": self.scale,
            "iteration": self.iteration,
            "loss": self.loss,
            **self.terms,
            "seconds": round(self.seconds, 4),
        }


@dataclass(frozen=True, eq=False)
class Result:
    """The picture, the settings that made it, and a Step (without canvas) per iteration."""

    image: Picture
    settings: Settings
    steps: tuple[Step, ...]


class Run:
    """One run: iterate over it for its Steps, ask for its result at any time.

    Args:
        content, style: paths (`sample:NAME` for a bundled picture), PIL images, numpy arrays,
            tensors or Pictures.
        settings: what to do; by default the recipe `standard`.
        max_pixels: refuse pictures larger than this before decoding them.

    Raises ImageError for pictures that cannot be read, SettingsError for settings that do not fit.
    """

    def __init__(
        self,
        content: Source,
        style: Source,
        settings: Settings | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.settings = settings or Settings.of(DEFAULT_RECIPE)
        self._max_pixels = max_pixels
        content, style = samples.found(content), samples.found(style)
        with _memory_guard("these pictures at this size"):
            photograph, painting = read(content, max_pixels), read(style, max_pixels)
            size = self.settings.size or max(photograph.size)
            self.content = _fitted(photograph, size, max_pixels)
            self.style = _fitted(
                painting, max(1, round(size * self.settings.style_scale)), max_pixels
            )
        self._check_sizes()
        self._origins = {
            "content": {**_identity(content), "size": self.content.size},
            "style": {**_identity(style), "size": self.style.size},
        }
        self._steps: list[Step] = []
        self._last: Step | None = None
        self._best: Step | None = None

    def __iter__(self) -> Iterator[Step]:
        """Step by Step, the initial canvas first.

        Raises Diverged for a loss that is not finite, OutOfMemory where memory ends.
        """
        self._steps, self._last, self._best = [], None, None
        width, height = self.content.size
        with _memory_guard(f"{width}x{height} px"):
            started = time.perf_counter()
            for iterate in self._iterates():
                step = self._step(iterate, time.perf_counter() - started)
                self._note(step)
                yield step

    def result(self, keep: str | None = None) -> Result:
        """What there is so far: the `last` canvas or the `best`, by default as the settings say."""
        best = (keep or self.settings.keep) == "best"
        kept = self._best if best else self._last
        if kept is None:
            raise ValueError("no step was taken yet")
        return Result(self.picture(kept), self.settings, tuple(self._steps))

    def picture(self, step: Step) -> Picture:
        """A step's canvas as it is saved: with the photograph's alpha and the run's record."""
        return replace(step.picture(), alpha=self.content.alpha, record=self._record(step))

    @property
    def steps_taken(self) -> int:
        """Steps so far, the initial canvas among them; 0 means that there is no result yet."""
        return len(self._steps)

    def _check_sizes(self) -> None:
        """Each picture leaves a position at every tap it is measured at; ImageTooSmall if not."""
        s = self.settings
        taps = {"content": {**s.content_layers, **s.style_layers}, "style": s.style_layers}
        for role, picture in (("content", self.content), ("style", self.style)):
            if not taps[role]:
                continue
            least = architecture(s.encoder).least_side(taps[role])
            if min(picture.size) < least:
                deepest = architecture(s.encoder).deepest(taps[role])
                raise ImageTooSmall(
                    f"the {role} image is {picture.width}x{picture.height} px at this size, but "
                    f"{deepest} needs at least {least} px a side; raise --size"
                    f"{' or --style-scale' if role == 'style' else ''}, or use shallower layers"
                )

    def _iterates(self) -> Iterator[Iterate]:
        settings = self.settings
        encoder, space = encoder_for(settings), colour_space(settings.space)
        accurate = torch.promote_types(encoder.dtype, torch.float32)
        content = self.content.pixels.to(encoder.device, accurate)
        style = self.style.pixels.to(encoder.device, accurate)
        canvas = initial_canvas(content, style, settings, space, self._max_pixels)
        objective = objective_for(encoder, content, style, settings, space)

        def evaluate(x: Tensor) -> Evaluation:
            return objective(x.view_as(canvas))

        iterates = _optimise(evaluate, canvas.flatten(), settings, space)
        return until(iterates, settings.iterations, settings.tolerance)

    def _step(self, iterate: Iterate, seconds: float) -> Step:
        at, settings = iterate.at, self.settings
        assert isinstance(at, Evaluation)
        return Step(
            scale=max(self.content.size),
            iteration=iterate.iteration,
            total=settings.iterations,
            loss=float(at.loss),
            terms={name: float(term) for name, term in at.terms.items()},
            seconds=seconds,
            space=colour_space(settings.space),
            canvas=iterate.x.view(at.gradient.shape),
        )

    def _note(self, step: Step) -> None:
        if not isfinite(step.loss):
            cure = "lower --learning-rate" if step.iteration else "lower the weights"
            raise Diverged(f"the loss is {step.loss} after {step.iteration} iterations; {cure}")
        self._last = step
        if self._best is None or step.loss < self._best.loss:
            self._best = step
        self._steps.append(replace(step, canvas=None))

    def _record(self, step: Step) -> str:
        device, dtype, _ = _hardware(self.settings)
        settings = self.settings.model_dump(mode="json")
        if self.settings.init not in INITS:
            settings["init"] = Path(self.settings.init).name
        return make_record(
            {
                "settings": settings,
                **self._origins,
                "weights": {self.settings.encoder: bundled(self.settings.encoder).sha256},
                "hardware": {"device": device.type, "dtype": str(dtype).removeprefix("torch.")},
                "result": {**step.line(), "iterations_run": len(self._steps) - 1},
            }
        )


def iterate(
    content: Source,
    style: Source,
    settings: Settings | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Step]:
    """Paint `content` in the style of `style`, Step by Step; see `Run`."""
    return iter(Run(content, style, settings, max_pixels=max_pixels))


def stylize(
    content: Source,
    style: Source,
    recipe: str = DEFAULT_RECIPE,
    *,
    on_step: Callable[[Step], object] | None = None,
    max_pixels: int = MAX_PIXELS,
    **overrides: Any,  # noqa: ANN401 (fields of Settings, checked there)
) -> Result:
    """Paint `content` in the style of `style` and return the finished Result.

    Pictures are paths, PIL images, numpy arrays, tensors or Pictures; `overrides` are fields of
    Settings, such as `size=512`; `on_step` sees every Step while it has its canvas. Raises
    subclasses of ImpastoError for whatever the caller can mend.
    """
    run = Run(content, style, Settings.of(recipe, **overrides), max_pixels=max_pixels)
    for step in run:
        if on_step:
            on_step(step)
    return run.result()


def encoder_for(settings: Settings) -> Encoder:
    """The frozen network that the settings describe; built once and shared while it is in use."""
    device, dtype, threads = _hardware(settings)
    torch.set_num_threads(threads)
    return _encoder(settings.encoder, settings.pooling, settings.padding, dtype, device)


@functools.lru_cache(maxsize=2)
def _encoder(
    name: str, pooling: str, padding: str, dtype: torch.dtype, device: torch.device
) -> Encoder:
    return Encoder(bundled(name), pooling=pooling, padding=padding, dtype=dtype, device=device)


def objective_for(
    encoder: Encoder, content: Tensor, style: Tensor, settings: Settings, space: ColourSpace
) -> Objective:
    """The objective that the settings describe, for sRGB pictures (3, h, w)."""
    s = settings
    return Objective(
        encoder,
        content,
        style,
        space=space,
        content_term=Term(s.content_weight, s.content_normalisation, s.content_layers),
        style_term=Term(s.style_weight, s.style_normalisation, s.style_layers),
        variation_term=Term(s.tv_weight, s.tv_normalisation),
    )


def _optimise(
    evaluate: Callable[[Tensor], Evaluation], x: Tensor, settings: Settings, space: ColourSpace
) -> Iterator[Iterate]:
    limits = bounds(settings, space, x)
    box = Box(*limits) if limits else None
    x = box.project(x) if box else x
    if settings.optimiser == "adam":
        rate = stepped(settings.learning_rate, settings.decay_every, settings.decay)
        betas, epsilon = settings.betas, settings.epsilon
        return adam(evaluate, x, rate=rate, betas=betas, epsilon=epsilon, box=box)
    return lbfgs(
        evaluate,
        x,
        learning_rate=settings.learning_rate,
        first_step=settings.first_step * space.gain[1] / 255,
        history=min(settings.history, max(1, settings.iterations)),
        search=settings.line_search,
        box=box,
    )


def _hardware(settings: Settings) -> tuple[torch.device, torch.dtype, int]:
    device = choose_device(settings.device).value
    dtype = choose_dtype(settings.precision, device).value
    return device, dtype, choose_threads(settings.threads).value


def _fitted(picture: Picture, longest: int, max_pixels: int) -> Picture:
    """The picture at a longest side of `longest` px; ImageTooLarge rather than a vain attempt."""
    scale = longest / max(picture.size)
    pixels = round(picture.width * scale * picture.height * scale)
    if pixels > max_pixels:
        raise ImageTooLarge(
            f"a longest side of {longest} px gives {pixels} pixels, and the limit is {max_pixels}; "
            f"lower --size or --style-scale, or raise --max-pixels"
        )
    return fit(picture, longest)


def _identity(source: Source) -> dict[str, str]:
    """Name and SHA-256 of a file; the type of anything else."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        except OSError as error:
            raise ImageError(f"{path}: {error.strerror}; it was there a moment ago") from error
    return {"name": type(source).__name__}


@contextmanager
def _memory_guard(job: str) -> Iterator[None]:
    """Turn torch's several ways of saying that memory has run out into OutOfMemory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not any(
            sign in str(error) for sign in ("allocate memory", "not enough memory", "bad_alloc")
        ):
            raise
        raise OutOfMemory(f"not enough memory for {job}; lower --size or --history") from error
