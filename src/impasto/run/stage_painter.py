"""One stage of a run: an objective, a minimiser, and Step after Step of a canvas."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from impasto.encoder import Encoder
from impasto.hardware.cuda_graph import captured
from impasto.hardware.device import Hardware
from impasto.hardware.oom import OutOfMemoryRetry, memory_guard
from impasto.images.spaces import ColourSpace
from impasto.objective import CanvasFunction, Evaluation, Objective, StyleCache
from impasto.objective.constraints import protected
from impasto.objective.terms import TermFactory
from impasto.objective.tiles import Tiling
from impasto.optimisers import Iterate, Minimiser, ValueAndGrad, until
from impasto.run.build import optimiser_for
from impasto.run.canvas import enlarged, initial_canvas
from impasto.run.colour_modes import colour_mode
from impasto.run.events import Notice, NoticeKind, Stage, Step
from impasto.run.inputs import Inputs
from impasto.run.objective import objective_for
from impasto.run.postprocess import Postprocess
from impasto.run.share import Share
from impasto.run.stage_inputs import StageInputs
from impasto.run.state import RunState
from impasto.settings import Settings

__all__ = ["Shared", "StagePainter", "job_of", "tell"]


class Shared(Protocol):
    """What all stages of a run share; see `impasto.run.painter.Painter`."""

    settings: Settings
    hardware: Hardware
    inputs: Inputs
    space: ColourSpace
    cache: StyleCache
    terms: tuple[TermFactory, ...]

    def share(self, height: int) -> Share | None:
        """The part of canvases of so many rows that is this process's; None for a run of one."""

    def encoder(self) -> Encoder:
        """The frozen network."""

    def plan(self, state: RunState) -> None:
        """Decide how each stage is painted in the memory there is, unless that is decided."""

    def postprocess(self, inputs: StageInputs) -> Postprocess:
        """What becomes of a canvas that was painted from these pictures."""


class StagePainter:
    """One stage: from a first canvas, Step after Step."""

    def __init__(
        self,
        painter: Shared,
        stage: Stage,
        state: RunState,
        notices: list[Notice],
        check: Callable[[], None],
    ) -> None:
        self._painter, self._stage, self._state = painter, stage, state
        self._notices, self._check = notices, check
        state.minimiser = None  # frees the last stage's memory
        encoder = painter.encoder()
        painter.plan(state)
        state.stage = stage.index
        self._share = painter.share(stage.size[1])
        inputs, canvas = self._pictures(encoder)
        self._postprocess = painter.postprocess(inputs)
        minimiser = self._minimiser(encoder, inputs, canvas)
        saved = state.saved
        self._before = (state.done or 0) - (saved[0].iteration if saved else 0)
        earlier = state.steps[-2].loss if saved and saved[0].iteration else None
        if saved:
            state.restore(minimiser, encoder.device)
        state.minimiser = minimiser
        iterations, tolerance = stage.iterations, painter.settings.tolerance
        self._iterates = until(minimiser, iterations, tolerance, earlier)

    def advance(self, began: float) -> Step | None:
        """The next Step; None at the end of the stage. `began` is when the run did, seconds."""
        with self._painter.hardware.computing(), memory_guard(job_of(self._stage)):
            iterate = next(self._iterates, None)
            if iterate is None:
                return None
            return self._step(iterate, time.perf_counter() - began)

    def _step(self, iterate: Iterate, seconds: float) -> Step:
        at = iterate.at
        assert isinstance(at, Evaluation)
        return Step(
            scale=max(self._stage.size),
            iteration=iterate.iteration,
            done=self._before + iterate.iteration,
            total=self._stage.total,
            loss=float(at.loss),
            terms={name: float(term) for name, term in at.terms.items()},
            seconds=seconds,
            space=self._painter.space,
            size=self._stage.size,
            canvas=self._averaged(iterate.x.view(at.gradient.shape), iterate.iteration),
            postprocess=self._postprocess,
        )

    def _pictures(self, encoder: Encoder) -> tuple[StageInputs, Tensor]:
        """The stage's pictures and its first canvas, of own rows, on the network's device."""
        painter, share = self._painter, self._share
        accurate = torch.promote_types(encoder.dtype, torch.float32)
        # the first of all canvases is made of whole pictures, and the smallest
        known = share if self._state.last else None
        inputs = painter.inputs.at(self._stage, known).to(encoder.device, accurate)
        canvas = self._first_canvas(inputs).to(encoder.device, accurate)
        if share and not known:
            inputs, canvas = painter.inputs.divided(inputs, share), share.strip.owned(canvas)
        return inputs, canvas

    def _minimiser(self, encoder: Encoder, inputs: StageInputs, canvas: Tensor) -> Minimiser:
        """What minimises the objective from a canvas, with the history that is planned."""
        plan, stage = self._state.plans[self._stage.index], self._stage
        settings = self._painter.settings.replaced(history=plan.history)
        function = self._function(encoder, inputs, settings, canvas)
        notify = partial(tell, self._notices, "optimiser")
        return optimiser_for(function, canvas, stage, settings, encoder, notify, self._share)

    def _function(
        self,
        encoder: Encoder,
        inputs: StageInputs,
        settings: Settings,
        canvas: Tensor,
    ) -> ValueAndGrad:
        """The objective of flat canvases, with its constraints, within the memory there is."""
        painter, plan = self._painter, self._state.plans[self._stage.index]
        space, mode = painter.space, colour_mode(settings)
        objective = objective_for(
            encoder,
            inputs,
            settings,
            space,
            tiling=plan.tiling,
            cache=painter.cache,
            terms=painter.terms,
            check=self._check,
            share=self._share,
        )
        function = mode.constrain(self._evaluation(objective), space, settings)
        if inputs.protect is not None and inputs.original is not None:
            compared = inputs.original
            if inputs.content is not None:
                compared = inputs.own(inputs.content)
            function = protected(function, space.from_srgb(compared), inputs.protect)
        shape = canvas.shape
        return lambda x: function(x.view(shape))

    def _evaluation(self, objective: Objective) -> CanvasFunction:
        """The objective, within the memory there is; with other processes, as it is planned."""
        if self._share:  # a graph holds no exchange, and a retry of one process would be alone
            return self._share.function(objective)
        record = partial(captured, notify=partial(tell, self._notices, "speed"))
        return OutOfMemoryRetry(
            objective, record, self._retile, partial(tell, self._notices, "memory")
        )

    def _first_canvas(self, inputs: StageInputs) -> Tensor:
        """The saved one, the first of all, or the last stage's result enlarged."""
        painter, state = self._painter, self._state
        if state.last is None:
            init = painter.inputs.originals.init
            return initial_canvas(inputs, painter.settings, painter.space, init)
        if state.saved:
            assert state.last.canvas is not None
            return state.last.canvas
        selected = state.selected(painter.settings.select)
        before, now = painter.share(selected.size[1]), self._share
        assert selected.canvas is not None
        finished = selected.canvas.to(inputs.like)
        shares = (before, now) if before and now else None
        return enlarged(finished, inputs, painter.settings, painter.space, shares)

    def _averaged(self, canvas: Tensor, iteration: int) -> Tensor:
        """The average of a scale's canvases, (1 - d) Σ dⁿ⁻ⁱ xᵢ / (1 - dⁿ): d = 0 is the last."""
        decay, last = self._painter.settings.average, self._state.last
        if decay == 0 or iteration < 2 or last is None or last.canvas is None:
            return canvas
        return torch.lerp(last.canvas.to(canvas), canvas, (1 - decay) / (1 - decay**iteration))

    def _retile(self, tiling: Tiling) -> None:
        """Note the windows to which the stage changed."""
        plans, index = list(self._state.plans), self._stage.index
        plans[index] = replace(plans[index], tiling=tiling)
        self._state.plans, self._state.retiled = tuple(plans), True


def job_of(stage: Stage) -> str:
    """The stage's canvas in words, for an error message."""
    width, height = stage.size
    return f"{width}x{height} px"


def tell(notices: list[Notice], kind: NoticeKind, text: str) -> None:
    """Add a notice of that kind."""
    notices.append(Notice(text, kind))
