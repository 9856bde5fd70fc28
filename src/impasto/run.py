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

from impasto.assembly import encoder_for, hardware_for, objective_for, optimiser_for
from impasto.canvas import INITS, initial_canvas
from impasto.colour import colour_space
from impasto.encoder import bundled
from impasto.errors import Diverged
from impasto.images import MAX_PIXELS, Picture, Source
from impasto.inputs import Inputs
from impasto.memory import memory_guard
from impasto.metadata import make_record
from impasto.objective import Evaluation
from impasto.optimisers import Iterate, until
from impasto.settings import DEFAULT_RECIPE, Settings
from impasto.step import Step

__all__ = ["Result", "Run", "iterate", "stylize"]


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
        self.inputs = Inputs.of(content, style, self.settings, max_pixels)
        self._steps: list[Step] = []
        self._last: Step | None = None
        self._best: Step | None = None

    def __iter__(self) -> Iterator[Step]:
        """Step by Step, the initial canvas first.

        Raises Diverged for a loss that is not finite, OutOfMemory where memory ends.
        """
        self._steps, self._last, self._best = [], None, None
        width, height = self.inputs.content.size
        with memory_guard(f"{width}x{height} px"):
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
        return replace(step.picture(), alpha=self.inputs.content.alpha, record=self._record(step))

    @property
    def steps_taken(self) -> int:
        """Steps so far, the initial canvas among them; 0 means that there is no result yet."""
        return len(self._steps)

    def _iterates(self) -> Iterator[Iterate]:
        settings = self.settings
        encoder, space = encoder_for(settings), colour_space(settings.space)
        accurate = torch.promote_types(encoder.dtype, torch.float32)
        content = self.inputs.content.pixels.to(encoder.device, accurate)
        style = self.inputs.style.pixels.to(encoder.device, accurate)
        canvas = initial_canvas(content, style, settings, space, self._max_pixels)
        objective = objective_for(encoder, content, style, settings, space)

        def evaluate(x: Tensor) -> Evaluation:
            return objective(x.view_as(canvas))

        iterates = optimiser_for(evaluate, canvas.flatten(), settings, space)
        return until(iterates, settings.iterations, settings.tolerance)

    def _step(self, iterate: Iterate, seconds: float) -> Step:
        at, settings = iterate.at, self.settings
        assert isinstance(at, Evaluation)
        return Step(
            scale=max(self.inputs.content.size),
            iteration=iterate.iteration,
            done=iterate.iteration,
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
        device, dtype, _ = hardware_for(self.settings)
        settings = self.settings.model_dump(mode="json")
        if self.settings.init not in INITS:
            settings["init"] = Path(self.settings.init).name
        return make_record(
            {
                "settings": settings,
                **self.inputs.origins,
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
