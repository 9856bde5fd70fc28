"""The composition root: a photograph and a painting in, a painted photograph out.

content, style -> canvas -> objective -> optimiser -> Step, Step, … -> Result
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto.assembly import Shelf, encoder_for, hardware_for, objective_for, optimiser_for
from impasto.canvas import enlarged, initial_canvas
from impasto.colour import colour_space
from impasto.encoder import Encoder, weights_of
from impasto.errors import Diverged
from impasto.graph import captured
from impasto.images import MAX_PIXELS, Picture, Source
from impasto.inputs import Inputs
from impasto.memory import kept_memory, memory_guard
from impasto.metadata import make_record
from impasto.objective import Evaluation
from impasto.optimisers import Iterate, until
from impasto.scales import Stage
from impasto.settings import DEFAULT_RECIPE, Settings
from impasto.step import Step
from impasto.tiles import Tiling

__all__ = ["Result", "Run", "iterate", "reconstruct", "stylize", "texture"]


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
            tensors or Pictures. One may be None where its term has no weight.
        settings: what to do; by default the recipe `standard`.
        max_pixels: refuse pictures larger than this before decoding them.
        shelf: where styles that several runs share are measured once.

    Raises ImageError for pictures that cannot be read, SettingsError for settings that do not fit.
    """

    def __init__(
        self,
        content: Source | None,
        style: Source | None,
        settings: Settings | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        shelf: Shelf | None = None,
    ) -> None:
        self.settings = settings or Settings.of(DEFAULT_RECIPE)
        self._max_pixels, self._shelf = max_pixels, shelf or Shelf()
        self.inputs = Inputs.of(content, style, self.settings, max_pixels)
        # a picture from memory has no checksum, and is no other picture's equal
        checksum = self.inputs.origins.get("style", {}).get("sha256", object())
        self._style_name = (checksum, self.settings.fit, self.settings.style_fit)
        self._steps: list[Step] = []
        self._last: Step | None = None
        self._best: Step | None = None

    def __iter__(self) -> Iterator[Step]:
        """Step by Step, the initial canvas first; each larger scale starts from the last's result.

        Raises Diverged for a loss that is not finite, OutOfMemory where memory ends.
        """
        self._steps, self._last, self._best = [], None, None
        started, done = time.perf_counter(), 0
        encoder = encoder_for(self.settings)
        for stage in self.inputs.stages:
            width, height = stage.size
            with memory_guard(f"{width}x{height} px"), kept_memory(width * height):
                for iterate in self._descent(encoder, stage):
                    seconds = time.perf_counter() - started
                    step = self._step(iterate, max(stage.size), done, seconds)
                    self._note(step)
                    yield step
            done += iterate.iteration

    def result(self, keep: str | None = None) -> Result:
        """What there is so far: the `last` canvas or the `best`, by default as the settings say."""
        return Result(self.picture(self._kept(keep)), self.settings, tuple(self._steps))

    def picture(self, step: Step) -> Picture:
        """A step's canvas as it is saved: with the photograph's alpha and the run's record."""
        picture = step.picture()
        return replace(picture, alpha=self.inputs.alpha(picture.size), record=self._record(step))

    @property
    def total(self) -> int:
        """Iterations planned, over all scales."""
        return self.inputs.total

    @property
    def done(self) -> int | None:
        """Iterations so far, over all scales; None while there is not even an initial canvas."""
        return self._last.done if self._last else None

    def _kept(self, keep: str | None = None) -> Step:
        """The step whose canvas counts, among those of the current scale."""
        kept = self._best if (keep or self.settings.keep) == "best" else self._last
        if kept is None:
            raise ValueError("no step was taken yet")
        return kept

    def _descent(self, encoder: Encoder, stage: Stage) -> Iterator[Iterate]:
        """The iterates at one scale."""
        settings, space = self.settings, colour_space(self.settings.space)
        accurate = torch.promote_types(encoder.dtype, torch.float32)
        pair = self.inputs.pair(stage).to(encoder.device, accurate)
        if self._last is None:
            canvas = initial_canvas(pair, settings, space, self._max_pixels)
        else:
            finished = self._kept().canvas
            assert finished is not None
            canvas = enlarged(finished, pair, settings, space)
        canvas = canvas.to(encoder.device, accurate)
        tiling = Tiling(settings.tile if isinstance(settings.tile, int) else None)
        objective = objective_for(
            encoder, pair, settings, space, self._shelf, self._style_name, tiling
        )

        def evaluate(x: Tensor) -> Evaluation:
            return objective(x.view_as(canvas))

        recorded = captured(evaluate, canvas.flatten())
        iterates = optimiser_for(recorded, canvas, stage, settings, space)
        return until(iterates, stage.iterations, settings.tolerance)

    def _step(self, iterate: Iterate, scale: int, before: int, seconds: float) -> Step:
        at, settings = iterate.at, self.settings
        assert isinstance(at, Evaluation)
        return Step(
            scale=scale,
            iteration=iterate.iteration,
            done=before + iterate.iteration,
            total=self.total,
            loss=float(at.loss),
            terms={name: float(term) for name, term in at.terms.items()},
            seconds=seconds,
            space=colour_space(settings.space),
            canvas=iterate.x.view(at.gradient.shape),
            tones=settings.tones,
        )

    def _note(self, step: Step) -> None:
        if not isfinite(step.loss):
            cure = "lower --learning-rate" if step.iteration else "lower the weights"
            raise Diverged(f"the loss is {step.loss} after {step.done} iterations; {cure}")
        self._last = step
        if self._best is None or step.iteration == 0 or step.loss < self._best.loss:
            self._best = step  # losses of different scales do not compare
        self._steps.append(replace(step, canvas=None))

    def _record(self, step: Step) -> str:
        device, dtype, _ = hardware_for(self.settings)
        settings = self.settings.model_dump(mode="json")
        for field in ("init", "encoder"):  # no private folder shall leak
            settings[field] = Path(settings[field]).name
        return make_record(
            {
                "settings": settings,
                **self.inputs.origins,
                "weights": {settings["encoder"]: weights_of(self.settings.encoder).sha256},
                "hardware": {"device": device.type, "dtype": str(dtype).removeprefix("torch.")},
                "result": {**step.line(), "iterations_run": self.done},
            }
        )


def iterate(
    content: Source | None,
    style: Source | None,
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
    settings = Settings.of(recipe, **overrides)
    return _finished(Run(content, style, settings, max_pixels=max_pixels), on_step)


def reconstruct(
    content: Source,
    layer: str | None = None,
    recipe: str = "reconstruction",
    *,
    on_step: Callable[[Step], object] | None = None,
    max_pixels: int = MAX_PIXELS,
    **overrides: Any,  # noqa: ANN401 (fields of Settings, checked there)
) -> Result:
    """From noise, a picture with the features of `content` at `layer`; see `stylize`.

    Several layers, with weights, are a field of Settings: `content_layers`.
    """
    if layer:
        overrides["content_layers"] = layer
    settings = Settings.of(recipe, **overrides)
    return _finished(Run(content, None, settings, max_pixels=max_pixels), on_step)


def texture(
    style: Source,
    recipe: str = "texture",
    *,
    on_step: Callable[[Step], object] | None = None,
    max_pixels: int = MAX_PIXELS,
    **overrides: Any,  # noqa: ANN401 (fields of Settings, checked there)
) -> Result:
    """From noise, a texture with the statistics of `style`; see `stylize`.

    `size` is (width, height) or "WxH", or the longest side of a texture in the style's shape.
    """
    settings = Settings.of(recipe, **overrides)
    return _finished(Run(None, style, settings, max_pixels=max_pixels), on_step)


def _finished(run: Run, on_step: Callable[[Step], object] | None) -> Result:
    for step in run:
        if on_step:
            on_step(step)
    return run.result()
