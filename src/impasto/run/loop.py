"""The composition root: a photograph and a painting in, a painted photograph out.

content, style -> canvas -> objective -> optimiser -> Step, Step, … -> Result
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from impasto.encoder import Encoder, weights_of
from impasto.errors import CheckpointError, Diverged
from impasto.hardware.allocator import tuned_memory
from impasto.hardware.cuda_graph import captured
from impasto.hardware.device import Hardware
from impasto.hardware.oom import frugal, memory_guard
from impasto.hardware.planner import Plan
from impasto.images import MAX_PIXELS, Picture, Source
from impasto.images.spaces import colour_space
from impasto.objective import Evaluation
from impasto.objective.constraints import kept, of_luminance
from impasto.objective.tiles import Tiling
from impasto.optimisers import Iterate, Minimiser, recovering, until
from impasto.run.build import (
    StyleCache,
    encoder_for,
    objective_for,
    optimiser_for,
    plans_for,
    trial_of,
)
from impasto.run.canvas import TONES, Pair, enlarged, initial_canvas
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Step
from impasto.run.inputs import Inputs
from impasto.run.postprocess import Develop, development
from impasto.run.provenance import make_record
from impasto.run.state import RunState
from impasto.settings import DEFAULT_RECIPE, Settings

__all__ = ["Result", "Run"]

ValueAndGrad = Callable[[Tensor], Evaluation]


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
            tensors or Pictures. Several styles are a list, and a folder is one style of all its
            pictures. One may be None where its term has no weight.
        settings: what to do; by default the recipe `standard`.
        max_pixels: refuse pictures larger than this before decoding them.
        shelf: where styles that several runs share are measured once.
        resume: go on from there, as if the run had never ended: to the last bit on the same
            machine.

    Raises ImageError for pictures that cannot be read, SettingsError for settings that do not fit,
    CheckpointError for a checkpoint of other settings or pictures.
    """

    def __init__(
        self,
        content: Source | None,
        style: Source | Sequence[Source] | None,
        settings: Settings | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        cache: StyleCache | None = None,
        resume: Checkpoint | None = None,
    ) -> None:
        self.settings = settings or Settings.of(DEFAULT_RECIPE)
        self.hardware = Hardware.choose(self.settings, trial=trial_of(Run), notify=_warn)
        self._max_pixels, self._cache = max_pixels, cache or StyleCache()
        self.inputs = Inputs.of(content, style, self.settings, max_pixels)
        self._space = colour_space(self.settings.space)
        self._plans: tuple[Plan, ...] = ()
        self._steps: list[Step] = []
        self._last: Step | None = None
        self._best: Step | None = None
        self._stage = 0
        self._develop: Develop = TONES[self.settings.tones]
        self._under_way: Minimiser | None = None
        self._yielded = False  # whether a step is with whoever iterates
        self._resumed = self._position_of(resume) if resume else None
        self._stand_at(self._resumed)

    def __iter__(self) -> Iterator[Step]:
        """Step by Step, the initial canvas first; each larger scale starts from the last's result.

        A run that was resumed goes on after its checkpoint's step; iterated once more, it begins at
        the beginning. Raises Diverged for a loss that is not finite and cannot be mended,
        OutOfMemory where memory ends.
        """
        self._stand_at(self._resumed)
        started = time.perf_counter() - (self._last.seconds if self._last else 0.0)
        inputs = self.inputs
        with self.hardware.computing():
            encoder = encoder_for(self.settings, self.hardware)
            self._plans = self._plans or plans_for(
                self.settings, self.hardware, inputs.stages, inputs.style_size, inputs.extra_bytes
            )
        for number in range(self._stage, len(self.inputs.stages)):
            before = self._last.done if self._last else 0
            before -= self._resumed.iterate.iteration if self._resumed else 0
            self._stage = number
            stage = self.inputs.stages[number]
            width, height = stage.size
            with memory_guard(f"{width}x{height} px"), tuned_memory(width * height):
                for iterate in self._computed(encoder, number):
                    seconds = time.perf_counter() - started
                    step = self._step(iterate, max(stage.size), before, seconds)
                    self._note(step)
                    self._yielded = True
                    yield step
                    self._yielded = False
        self._yielded = self._last is not None

    def checkpoint(self, *, copy: bool = True) -> Checkpoint:
        """What it takes to go on from the last step; ValueError before the first.

        Without a `copy` it is to be saved before the run goes on, which changes its tensors. Ask
        between two steps: in the midst of one a descent's memory is ahead of its canvas.
        """
        if self._last is None or self._best is None or self._under_way is None:
            raise ValueError("no step was taken yet")
        iterate, memory = self._under_way.last, self._under_way.memory()
        assert iterate is not None
        steps = tuple(self._steps)
        at = self._stage, iterate, memory, self._plans, steps, self._last, self._best
        checkpoint = RunState(*at).checkpoint(self._identity())
        return checkpoint.copied() if copy else checkpoint

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
    def steps(self) -> tuple[Step, ...]:
        """Those so far, without canvases."""
        return tuple(self._steps)

    @property
    def between_steps(self) -> bool:
        """Whether there is a step, and none is being taken: then a checkpoint can be."""
        reached = self._under_way.last if self._under_way else None
        return bool(reached and self._yielded)

    @property
    def done(self) -> int | None:
        """Iterations so far, over all scales; None while there is not even an initial canvas."""
        return self._last.done if self._last else None

    def _kept(self, keep: str | None = None) -> Step:
        """The step whose canvas counts, among those of the current scale."""
        kept = self._best if (keep or self.settings.take) == "best" else self._last
        if kept is None:
            raise ValueError("no step was taken yet")
        return kept

    def _computed(self, encoder: Encoder, number: int) -> Iterator[Iterate]:
        """The iterates at one scale, each computed in the hardware's threads."""
        with self.hardware.computing():
            iterates = self._descent(encoder, number)
        while True:
            with self.hardware.computing():
                iterate = next(iterates, None)
            if iterate is None:
                return
            yield iterate

    def _descent(self, encoder: Encoder, number: int) -> Iterator[Iterate]:
        """The iterates at one scale, those after the checkpoint's where there is one.

        That is taken over here and kept nowhere: it may be half of what the run takes.
        """
        resumed, self._resumed = self._resumed, None
        self._under_way = None  # nor is the last scale's descent
        stage, plan = self.inputs.stages[number], self._plans[number]
        settings = self.settings.replaced(history=plan.history)
        accurate = torch.promote_types(encoder.dtype, torch.float32)
        pair = self.inputs.pair(stage)
        names = self.inputs.names(pair)
        pair = pair.to(encoder.device, accurate)
        self._develop = development(settings, pair)
        canvas = self._first_canvas(pair) if resumed is None else resumed.last.canvas
        assert canvas is not None
        canvas = canvas.to(encoder.device, accurate)
        tiling = plan.tiling
        objective = objective_for(encoder, pair, settings, self._space, self._cache, names, tiling)
        looked_at = self._restrained(frugal(objective, partial(self._replan, number)), pair)
        shape = canvas.shape
        evaluate = captured(lambda x: looked_at(x.view(shape)), canvas.flatten())

        def begin(x: Tensor, factor: float) -> Minimiser:
            rate = settings.learning_rate * factor
            slower = settings.replaced(learning_rate=rate)
            start = x.view(shape)
            return optimiser_for(evaluate, start, stage, slower, self._space, self.hardware)

        descent = recovering(begin, canvas.flatten(), _warn)
        if resumed:
            resumed.take_up(descent, encoder.device)
        self._under_way = descent
        before = self._steps[-2].loss if resumed and resumed.iterate.iteration else None
        return until(descent, stage.iterations, settings.tolerance, before)

    def _restrained(self, evaluate: ValueAndGrad, pair: Pair) -> ValueAndGrad:
        """The objective where the photograph is kept, or luminance alone is painted."""
        if self.settings.colour_method == "luminance":
            evaluate = of_luminance(evaluate, self._space)
        if pair.keep is not None and pair.photograph is not None and pair.content is not None:
            evaluate = kept(evaluate, self._space.from_srgb(pair.content), pair.keep)
        return evaluate

    def _first_canvas(self, pair: Pair) -> Tensor:
        """The first of all, or what the scale before left, enlarged."""
        if self._last is None:
            return initial_canvas(pair, self.settings, self._space, self._max_pixels)
        finished = self._kept().canvas
        assert finished is not None
        return enlarged(finished.to(pair.like), pair, self.settings, self._space)

    def _replan(self, number: int, tiling: Tiling) -> None:
        """Note the windows that a stage went over to."""
        plans = list(self._plans)
        plans[number] = replace(plans[number], tiling=tiling)
        self._plans = tuple(plans)

    def _stand_at(self, position: RunState | None) -> None:
        """Forget all steps but those of a position."""
        self._steps = list(position.steps) if position else []
        self._last = position.last if position else None
        self._best = position.best if position else None
        self._plans = position.plans if position else ()
        self._stage = position.stage if position else 0
        self._under_way, self._yielded = None, False

    def _position_of(self, checkpoint: Checkpoint) -> RunState:
        position = RunState.of(checkpoint, self._identity(), self._space)
        if not len(position.plans) == len(self.inputs.stages) > position.stage >= 0:
            raise CheckpointError("the checkpoint's stages are not this run's; begin anew")
        develop = development(self.settings, self.inputs.pair(self.inputs.stages[position.stage]))
        return position.developed(develop)

    def _identity(self) -> dict[str, Any]:
        """What makes this run this run, and what its last digits depend on."""
        device, dtype = self.hardware.device, self.hardware.dtype
        return {
            "settings": self.settings.model_dump(mode="json"),
            **self.inputs.checksums,
            "weights": weights_of(self.settings.encoder).sha256,
            "device": device.type,
            "arithmetic": str(dtype).removeprefix("torch."),
        }

    def _step(self, iterate: Iterate, scale: int, before: int, seconds: float) -> Step:
        at = iterate.at
        assert isinstance(at, Evaluation)
        return Step(
            scale=scale,
            iteration=iterate.iteration,
            done=before + iterate.iteration,
            total=self.total,
            loss=float(at.loss),
            terms={name: float(term) for name, term in at.terms.items()},
            seconds=seconds,
            space=self._space,
            canvas=self._averaged(iterate.x.view(at.gradient.shape), iterate.iteration),
            develop=self._develop,
        )

    def _averaged(self, canvas: Tensor, iteration: int) -> Tensor:
        """The average of a scale's canvases, (1 - d) Σ dⁿ⁻ⁱ xᵢ / (1 - dⁿ): d = 0 is the last."""
        decay, last = self.settings.average, self._last
        if decay == 0 or iteration < 2 or last is None or last.canvas is None:
            return canvas
        return torch.lerp(last.canvas, canvas, (1 - decay) / (1 - decay**iteration))

    def _note(self, step: Step) -> None:
        if not isfinite(step.loss):
            cure = "lower --learning-rate" if step.iteration else "lower the weights"
            raise Diverged(f"the loss is {step.loss} after {step.done} iterations; {cure}")
        self._last = step
        if self._best is None or step.iteration == 0 or step.loss < self._best.loss:
            self._best = step  # losses of different scales do not compare
        self._steps.append(step.bare())

    def _record(self, step: Step) -> str:
        device, dtype = self.hardware.device, self.hardware.dtype
        settings = self.settings.without_folders().model_dump(mode="json")
        return make_record(
            {
                "settings": settings,
                **self.inputs.origins,
                "weights": {settings["encoder"]: weights_of(self.settings.encoder).sha256},
                "hardware": {"device": device.type, "dtype": str(dtype).removeprefix("torch.")},
                "result": {**step.line(), "iterations_run": self.done},
            }
        )


def _warn(trouble: str) -> None:
    warnings.warn(trouble, stacklevel=2)
