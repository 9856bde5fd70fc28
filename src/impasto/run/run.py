"""A run: its inputs, its events, and at any time its result and its checkpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from torch import Tensor

from impasto.encoder import Encoder
from impasto.errors import Cancelled
from impasto.hardware.device import Hardware
from impasto.images import MAX_PIXELS, Picture, Source
from impasto.images.banded import Banded
from impasto.objective import Objective, StyleCache
from impasto.objective.ranks import Ranks
from impasto.objective.terms import TermFactory
from impasto.optimisers.parts import Parts
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Event, Notice, Result, Step
from impasto.run.loop import paint
from impasto.run.painter import Network, Painter
from impasto.run.restoring import planned, restored
from impasto.run.share import Share
from impasto.run.shared_checkpoint import SharedCheckpoint
from impasto.run.sources import Sources
from impasto.run.state import RunState
from impasto.settings import Settings

__all__ = ["Run"]


class Run:
    """One run: iterate over it for its Steps, ask for its result at any time.

    Args:
        content, styles: paths (`sample:NAME` for a bundled picture), PIL images, numpy arrays,
            tensors or Pictures. Several styles are a list, and a folder is one style of all its
            pictures. One may be None where its term has no weight.
        settings: what to do; by default the recipe `standard`.
        init: the first canvas, in place of the setting `init`; a float tensor (3, h, w), sRGB of
            any range, is taken as it is.
        protect: a mask, white where the content stays as it is.
        content_masks, style_masks: where each style goes, and which part of each is taken.
        encoder: an Encoder, Weights, or a weight file, in place of the setting `encoder`.
        terms: more terms of the objective, each made anew for every stage.
        max_pixels: larger pictures are refused before they are decoded.
        cache: statistics of styles that several runs share.
        resume: a checkpoint to continue from, bit for bit on the same machine; with `ranks` that of
            any number of processes, bit for bit if it was as many.
        ranks: the processes that paint it together: each makes the same run, iterates over all of
            it and asks for its result, for which canvases are gathered. A step's canvas is of own
            rows.

    Raises ImageError for pictures that cannot be read, SettingsError for settings that do not fit,
    CheckpointError for a checkpoint of other settings or pictures.
    """

    def __init__(
        self,
        content: Source | None,
        styles: Source | Sequence[Source] | None,
        settings: Settings | None = None,
        *,
        init: Source | None = None,
        protect: Source | None = None,
        content_masks: Source | Sequence[Source] = (),
        style_masks: Source | Sequence[Source] = (),
        encoder: Network | None = None,
        terms: Sequence[TermFactory] = (),
        max_pixels: int = MAX_PIXELS,
        cache: StyleCache | None = None,
        resume: Checkpoint | SharedCheckpoint | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.settings = settings or Settings.of()
        masks = {"content_masks": content_masks, "style_masks": style_masks}
        sources = Sources.of(content, styles, init=init, protect=protect, **masks)
        self._cancelled, self._notices = threading.Event(), list[Notice]()
        self._parts = Parts(ranks)
        shared = (max_pixels, encoder, terms, cache, self._notices, ranks)
        self._painter = Painter(self.settings, sources, *shared)
        self.settings = self._painter.settings  # with layers that the network has
        self._started = False
        self.state = restored(self._painter, resume, self._notices) if resume else RunState()
        self.inputs = self._painter.inputs

    def __iter__(self) -> Iterator[Step]:
        """Step by Step, the initial canvas first; see `events`."""
        return (event for event in self.events() if isinstance(event, Step))

    def events(self) -> Iterator[Event]:
        """Everything that happens: a Stage as each scale begins, Steps, Notices, at last Done.

        Each larger scale starts from the result of the one before. A resumed run goes on after its
        checkpoint's step; iterated once more, it begins at the beginning. Raises Diverged for a
        loss that is not finite and cannot be mended, OutOfMemory where memory ends.
        """
        self.state = RunState() if self._started else self.state
        self._started = True
        try:
            yield from paint(self._painter, self.state, self._notices, self._check)
        finally:
            self._cancelled.clear()

    def cancel(self) -> None:
        """Stop the run, from any thread: the evaluation under way ends within one tile.

        On CUDA, where evaluations are recorded, it ends after the evaluation.
        """
        self._cancelled.set()

    def reserve(self, extra_bytes: int) -> None:
        """Plan with so many bytes less, which listeners hold while the run goes on."""
        self._painter.reserved = extra_bytes

    def checkpoint(self, *, copy: bool = True) -> Checkpoint:
        """The state after the last step; ValueError before the first, or in the middle of one.

        With `ranks` it is that of own rows.
        Without a `copy` it is to be saved before the run goes on, which changes its tensors.
        """
        if not self.state.settled:
            raise ValueError("no step was taken yet, or one is being taken")
        p = self._painter
        checkpoint = self.state.checkpoint({**p.identity(), "planned": planned(p)})
        return checkpoint.copied() if copy else checkpoint

    def result(self, select: str | None = None) -> Result:
        """The `last` or the `best` canvas so far, by default as the settings say.

        The picture has the size that was asked for: a canvas of another size is enlarged or shrunk.
        """
        step = self.state.selected(select or self.settings.select)
        complete = self.state.complete and select in (None, self.settings.select)
        size = self.inputs.size
        image = self._painter.picture(step, self.done, size, complete=complete)
        return Result(image, self.settings, self.steps)

    def result_in_bands(self, select: str | None = None) -> Banded:
        """The picture of `result`, of several processes, without all of it in memory.

        The first process gets its bands, each to be taken once, and the others none: they take
        them all the same, as by `drain`, because each makes its rows when it is asked.
        """
        step = self.state.selected(select or self.settings.select)
        complete = self.state.complete and select in (None, self.settings.select)
        return self._painter.banded(step, self.done, self.inputs.size, complete=complete)

    @property
    def share(self) -> Share | None:
        """The part of the canvas that is this process's at the last step; None for one alone."""
        last = self.state.last
        return self._painter.share((last.size if last else self.inputs.size)[1])

    def picture(self, step: Step) -> Picture:
        """A step's canvas as it is saved: with the content's alpha and the run's record.

        It has the canvas's size, but never more than the result's.
        """
        size = min(self.inputs.size, step.size, key=max)
        return self._painter.picture(step, self.done, size)

    def shown(self, canvas: Tensor) -> Picture:
        """The picture of any canvas, sRGB (3, h, w) of the last stage's size, as this run shows it.

        Nothing is evaluated; it carries no record.
        """
        return self._painter.shown(canvas)

    @property
    def encoder(self) -> Encoder:
        """The network of this run, with its pooling, padding, precision and device."""
        with self.hardware.computing():
            return self._painter.encoder()

    def objective(self) -> Objective:
        """The function that the last scale minimises: `run.objective()(step.canvas)` evaluates it.

        It has the terms of the run, in the run's precision, and measures its style pictures first,
        unless the `cache` has them. What constrains canvases is not part of it: the mask
        `protect`, kept colours, clipping. Raises OutOfMemory.
        """
        return self._painter.objective()

    @property
    def weights(self) -> dict[str, str]:
        """The network by name, with the SHA-256 of its file or else of its weights."""
        return self._painter.network()

    @property
    def hardware(self) -> Hardware:
        """The device, dtype, threads and memory of this run, each with the reason."""
        return self._painter.hardware

    @property
    def total(self) -> int:
        """Iterations planned, over all scales."""
        return self._painter.total

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps so far, without canvases."""
        return tuple(self.state.steps)

    @property
    def earlier(self) -> tuple[Step, ...]:
        """The steps of a checkpoint that the next iteration continues; none if it begins anew."""
        return () if self._started else self.steps

    @property
    def between_steps(self) -> bool:
        """Whether `checkpoint` may be called."""
        return self.state.settled

    @property
    def done(self) -> int | None:
        """Iterations so far, over all scales; None while there is not even an initial canvas."""
        return self.state.done

    def _check(self) -> None:
        if not self._parts.every(not self._cancelled.is_set()):
            raise Cancelled("the run was told to stop")
