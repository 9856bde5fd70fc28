"""What a run paints with: its pictures, its network, and at each stage an objective to minimise."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from impasto.encoder import Encoder, Weights, weights_of
from impasto.hardware.device import Hardware
from impasto.hardware.oom import memory_guard
from impasto.hardware.ranks import agree, local_share, on_this_rank
from impasto.images import Picture, read, resize
from impasto.images.banded import Banded
from impasto.images.spaces import colour_space
from impasto.images.stored import read_by_rows
from impasto.objective import Objective, StyleCache
from impasto.objective.measure import unchecked
from impasto.objective.ranks import Ranks
from impasto.objective.terms import TermFactory
from impasto.run.bands import at_first, bands_of
from impasto.run.build import encoder_for, plans_for, shared_plans_for, trial_of
from impasto.run.events import Notice, Stage, Step
from impasto.run.inputs import Inputs
from impasto.run.layers import check_terms, with_layers_of
from impasto.run.objective import objective_for
from impasto.run.postprocess import Postprocess
from impasto.run.provenance import make_record, versions
from impasto.run.share import Share, check_shareable, share_of
from impasto.run.sources import Sources
from impasto.run.stage_inputs import StageInputs
from impasto.run.stage_painter import StagePainter, job_of, tell
from impasto.run.state import RunState
from impasto.settings import Settings

__all__ = ["Network", "Painter"]

Network = Encoder | Weights | str | os.PathLike[str]
Size = tuple[int, int]


class Painter:
    """Everything that the stages of a run share.

    Args:
        settings, sources: what to do, with which pictures.
        max_pixels: larger pictures are refused before they are decoded.
        encoder: an Encoder, Weights, or a weight file, in place of the network that the settings
            name.
        terms: more terms of the objective.
        cache: statistics of styles that several runs share.
        ranks: the processes that paint it together, if there are several.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        max_pixels: int,
        encoder: Network | None,
        terms: Sequence[TermFactory],
        cache: StyleCache | None,
        notices: list[Notice],
        ranks: Ranks | None = None,
    ) -> None:
        self.settings, self.terms, self.ranks = settings, tuple(terms), ranks
        if not self.terms:
            check_terms(settings)
        self.space, self.cache = colour_space(settings.space), cache or StyleCache()
        notify = partial(tell, notices, "device")
        own = on_this_rank(settings) if ranks else settings
        share = local_share() if ranks else 1.0
        self.hardware = Hardware.choose(own, trial=trial_of(_paint), notify=notify, share=share)
        given: Network = settings.encoder if encoder is None else encoder
        with self.hardware.computing():
            self.weights = given.weights if isinstance(given, Encoder) else weights_of(given)
            self._network = given if isinstance(given, Encoder) else self.weights
            net = self.weights.architecture
            self.settings = with_layers_of(settings, net)
            if self.settings != settings:
                tell(notices, "layers", _layers_told(self.settings, net.name))
            reading = read_by_rows if ranks else read
            self.inputs = Inputs.of(sources, self.settings, max_pixels, net, reading)
            if ranks:
                check_shareable(self.settings, net, self.inputs.stages, self.terms, ranks)
        self._tell_dropped(notices)
        self.reserved = 0  # bytes that listeners hold while the run goes on
        self._alpha: tuple[tuple[int, int], Tensor | None] | None = None

    def at(
        self, stage: Stage, state: RunState, notices: list[Notice], check: Callable[[], None]
    ) -> StagePainter:
        """What paints one stage from where the state stands; `check` raises to end it.

        Of several processes none ends an evaluation alone: they hear it between two steps.
        """
        check = unchecked if self.ranks else check
        with self.hardware.computing(), memory_guard(job_of(stage)):
            return StagePainter(self, stage, state, notices, check)

    def share(self, height: int) -> Share | None:
        """The part of canvases of so many rows that is this process's; None for a run of one."""
        return share_of(self.ranks, height, self.weights.architecture, self.settings)

    def agree(self) -> None:
        """SettingsError, at every process, unless all have the same run to paint."""
        if self.ranks:
            facts = {"version of impasto": versions()["impasto"], **self.identity()}
            agree(self.ranks, {name: json.dumps(fact) for name, fact in facts.items()})

    @property
    def total(self) -> int:
        """Iterations planned, over all stages."""
        return self.inputs.stages[-1].total

    def encoder(self) -> Encoder:
        """The frozen network."""
        return encoder_for(self.settings, self.hardware, self._network)

    def objective(self) -> Objective:
        """The function that the last stage minimises, without constraints, in its windows."""
        i, state = self.inputs, RunState()
        with self.hardware.computing(), memory_guard(job_of(i.stages[-1])):
            self.plan(state)
            encoder = self.encoder()
            accurate = torch.promote_types(encoder.dtype, torch.float32)
            inputs = i.at(i.stages[-1]).to(encoder.device, accurate)
            tiling, shared = state.plans[-1].tiling, (self.settings, self.space)
            return objective_for(
                encoder, inputs, *shared, tiling=tiling, cache=self.cache, terms=self.terms
            )

    def plan(self, state: RunState) -> None:
        """Decide how each stage is painted in the memory there is, unless that is decided."""
        if state.plans:
            return
        i, reserved = self.inputs, self.reserved if self.hardware.device.type == "cpu" else 0

        def extra_bytes(size: Size) -> int:
            return i.extra_bytes(size, self.share(size[1])) + reserved

        run = self.settings, self.hardware, i.stages, i.style_size, extra_bytes, self.encoder()
        if self.ranks:
            state.plans = shared_plans_for(*run, self.ranks, apart=i.apart)
        else:
            state.plans = plans_for(*run)

    def network(self) -> dict[str, str]:
        """The network by name: SHA-256 of its file, or else of its weights."""
        weights = self.weights
        return {weights.name or weights.architecture.name: weights.sha256 or weights.digest}

    def postprocess(self, inputs: StageInputs) -> Postprocess:
        """What becomes of a canvas that was painted from these pictures."""
        return Postprocess(self.settings, inputs.original, inputs.protect)

    def picture(
        self, step: Step, done: int | None, size: tuple[int, int], *, complete: bool = False
    ) -> Picture:
        """A step's canvas at a size (w, h), with the content's alpha and the run's record.

        `complete` is whether it is the result of a run that has ended. Raises OutOfMemory.
        """
        with self.hardware.computing(), memory_guard("the picture"):
            share = self.share(step.size[1])
            picture = (share.gathered(step) if share else step).picture()
            if picture.size != size:
                picture = self._resized(picture, size)
            if self._alpha is None or self._alpha[0] != size:
                self._alpha = size, self.inputs.alpha(size)
        original = self.inputs.originals.content
        return picture.replaced(
            alpha=self._alpha[1],
            record=self._record(step, done, complete),
            metadata=original.metadata if original else None,
        )

    def banded(self, step: Step, done: int | None, size: Size, *, complete: bool = False) -> Banded:
        """The same as bands of rows at the first of several processes, none at the others.

        Each makes those of its own rows, where pixels do not depend on others and none is resized.
        All take the bands, until they end. Raises OutOfMemory.
        """
        share, original = self.share(step.size[1]), self.inputs.originals.content
        assert share is not None
        if step.size == size and step.postprocess.pointwise:
            alpha = None if share.ranks.rank else self.inputs.alpha(size)
            bands = bands_of(step, share, self.hardware, alpha)
        else:
            bands = at_first(share, partial(self.picture, step, done, size))
        clear = bool(original and original.has_alpha)
        about = self._record(step, done, complete), original.metadata if original else None
        return Banded(size, bands, clear, *about)

    def shown(self, canvas: Tensor) -> Picture:
        """A canvas, sRGB (3, h, w) of the last stage's size, postprocessed. Raises OutOfMemory."""
        with self.hardware.computing(), memory_guard("the picture"):
            inputs = self.inputs.at(self.inputs.stages[-1])
            return Picture(self.postprocess(inputs)(canvas.to(inputs.like)).float().cpu())

    def _resized(self, picture: Picture, size: tuple[int, int]) -> Picture:
        """A picture at a size (w, h), content as it is there where it is protected."""
        picture = resize(picture, size, self.settings.wraps)
        kept = self.inputs.kept(size)
        if kept is None:
            return picture
        content, protect = (x.to(picture.pixels) for x in kept)
        return picture.replaced(pixels=picture.pixels.lerp(content, protect))

    def identity(self) -> dict[str, Any]:
        """What makes a run that run, and the facts by which it is planned."""
        return {
            "settings": self.settings.pixels(),
            **self.inputs.originals.checksums,
            "weights": self.weights.digest,
            "device": self.hardware.device.type,
            "arithmetic": str(self.hardware.dtype).removeprefix("torch."),
        }

    def _tell_dropped(self, notices: list[Notice]) -> None:
        """Give notice of what the photograph says of itself in a way that cannot be understood."""
        original = self.inputs.originals.content
        dropped = original.metadata.dropped if original and original.metadata else ()
        if dropped:
            text = f"the photograph's {', '.join(dropped)} cannot be understood and is left out"
            tell(notices, "metadata", text)

    def _record(self, step: Step, done: int | None, complete: bool) -> str:
        h = self.hardware
        return make_record(
            {
                "settings": self.settings.model_dump(mode="json"),
                **self.inputs.origins,
                "weights": self.network(),
                "hardware": {"device": h.device.type, "dtype": str(h.dtype).removeprefix("torch.")},
                "result": {**step.line(), "iterations_run": done, "complete": complete},
            }
        )


def _layers_told(settings: Settings, network: str) -> str:
    content, style = (", ".join(x) for x in (settings.content_layers, settings.style_layers))
    return (
        f"{network} lacks layers of the recipe: content is compared at {content}, style at {style}"
    )


def _paint(content: Picture, style: Picture, settings: Settings) -> Iterator[Step]:
    """A run by itself, to try a device."""
    sources = Sources.of(content, style)
    painter, state = Painter(settings, sources, 10**6, None, (), None, []), RunState()
    for stage in painter.inputs.stages:
        painting = painter.at(stage, state, [], lambda: None)
        while (step := painting.advance(time.perf_counter())) is not None:
            state.note(step)
            yield step
