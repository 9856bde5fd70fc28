"""What a run tells while it paints: plain, picklable events.

Each kind is a class:

    Stage     a scale begins (`impasto.settings.schedule.Stage`)
    Step      one more iteration, with its canvas
    Notice    something a person may want to know
    Done      the end, and why
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor
from torch.nn.functional import interpolate

from impasto.hardware.oom import memory_guard
from impasto.images import Picture
from impasto.images.precision import neutral
from impasto.images.spaces import ColourSpace
from impasto.run.postprocess import Postprocess
from impasto.settings import Settings
from impasto.settings.schedule import Stage

__all__ = ["Done", "Event", "Notice", "NoticeKind", "Reason", "Result", "Stage", "Step"]


Reason = Literal["finished", "tolerance", "stalled", "cancelled"]

NoticeKind = Literal[
    "memory",
    "optimiser",
    "device",
    "speed",
    "layers",
    "metadata",
    "resume",
    "output",
    "sharing",
    "cluster",
    "clip",
]
"""What a notice is about; the last three come from batches and films."""


@dataclass(frozen=True, eq=False)
class Step:
    """The run after `iteration` iterations at one scale; iteration 0 is the initial canvas there.

    Attributes:
        scale: the canvas's longest side, pixels.
        iteration: iterations at this scale.
        done, total: iterations over all scales, so far and as planned.
        loss: the objective at the canvas.
        terms: its weighted parts by name.
        seconds: time since the run started.
        space: the canvas's colour space.
        size: the canvas's (width, height), pixels.
        canvas: (3, h, w) in `space`; None in the steps of a finished result, which would otherwise
            fill the memory.
        postprocess: turns the canvas's sRGB into the picture shown.
    """

    scale: int
    iteration: int
    done: int
    total: int
    loss: float
    terms: dict[str, float]
    seconds: float
    space: ColourSpace
    size: tuple[int, int]
    canvas: Tensor | None
    postprocess: Postprocess = Postprocess()  # noqa: RUF009 (frozen)

    def bare(self) -> Step:
        """The same without the canvas and the pictures that `postprocess` holds."""
        return replace(self, canvas=None, postprocess=Postprocess())

    def picture(self) -> Picture:
        """The canvas as a picture of its size; ValueError where the canvas was not kept.

        Raises OutOfMemory where memory ends.
        """
        with memory_guard("the picture"):
            return _shown(self._canvas(), self.space, self.postprocess)

    def preview(self, longest: int) -> Picture:
        """The picture at no more than `longest` px a side, shrunk before it is postprocessed.

        Raises what `picture` raises.
        """
        canvas = self._canvas()
        height, width = canvas.shape[-2:]
        factor = longest / max(height, width)
        if factor >= 1:
            return self.picture()
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        with neutral(), memory_guard("the preview"):
            small = interpolate(canvas[None], size=size, mode="area")[0]
            return _shown(small, self.space, self.postprocess.at((size[1], size[0])))

    def line(self) -> dict[str, object]:
        """Plain values by name, as in a trace: progress, loss, terms, seconds."""
        return {
            "scale": self.scale,
            "iteration": self.iteration,
            "done": self.done,
            "total": self.total,
            "size": list(self.size),
            "loss": self.loss,
            **self.terms,
            "seconds": round(self.seconds, 4),
        }

    def _canvas(self) -> Tensor:
        if self.canvas is None:
            raise ValueError("this step's canvas was not kept; take pictures while iterating")
        return self.canvas


@dataclass(frozen=True)
class Notice:
    """One line for people, such as that memory ran out and the run goes on in smaller windows."""

    text: str
    kind: NoticeKind

    def line(self) -> dict[str, object]:
        """Plain values by name."""
        return {"notice": self.text, "kind": self.kind}


@dataclass(frozen=True)
class Done:
    """The end of a run.

    `done` of `total` iterations took `seconds`. `reason` is "finished"; "tolerance" or "stalled"
    for a run that stopped before its time, because the loss hardly changed or no step descends;
    "cancelled" for one that was told to stop.
    """

    done: int
    total: int
    seconds: float
    reason: Reason

    def line(self) -> dict[str, object]:
        """Plain values by name."""
        return {
            "end": self.reason,
            "done": self.done,
            "total": self.total,
            "seconds": round(self.seconds, 4),
        }


@dataclass(frozen=True, eq=False)
class Result:
    """The picture, the settings that made it, and a Step (without canvas) per iteration."""

    image: Picture
    settings: Settings
    steps: tuple[Step, ...]


Event = Stage | Step | Notice | Done


def _shown(canvas: Tensor, space: ColourSpace, postprocess: Postprocess) -> Picture:
    """A canvas (3, h, w) in `space` as a picture."""
    with neutral():
        return Picture(postprocess(space.to_srgb(canvas)).float().cpu())
