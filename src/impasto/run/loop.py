"""The algorithm: at each scale, from coarse to fine, a canvas that minimises an objective.

In outline:

    for each stage
        pictures and masks at its size
        canvas      the first one, or the last stage's result enlarged
        objective   content + style + total variation of a canvas, and its gradient
        minimiser   canvas, canvas, …, each a Step
    the last or the best canvas is the result
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from impasto.errors import Cancelled, ImpastoError
from impasto.run.events import Done, Event, Notice, Reason, Stage, Step
from impasto.run.painter import Painter
from impasto.run.state import RunState

__all__ = ["paint"]

Check = Callable[[], None]


def paint(
    painter: Painter, state: RunState, notices: list[Notice], check: Check
) -> Iterator[Event]:
    """Everything that happens from where the state stands: stages, steps, notices, the end.

    `check` raises Cancelled to end the run; `notices` are passed on as they come.
    """
    began = time.perf_counter() - (state.last.seconds if state.last else 0.0)
    reason: Reason = "finished"
    painter.agree()
    try:
        for stage in painter.inputs.stages[state.stage :]:
            yield stage
            yield from _paint_stage(painter, stage, state, notices, check, began)
        state.complete = True
        if state.last is None or not _is_last(state.last, painter.inputs.stages[-1]):
            reason = "tolerance" if painter.settings.tolerance > 0 else "stalled"
    except Cancelled:
        reason = "cancelled"
    except ImpastoError:
        yield from _taken(notices)
        raise
    yield from _taken(notices)
    yield Done(state.done or 0, painter.total, time.perf_counter() - began, reason)


def _paint_stage(
    painter: Painter,
    stage: Stage,
    state: RunState,
    notices: list[Notice],
    check: Check,
    began: float,
) -> Iterator[Step | Notice]:
    """The Steps of one stage, those after the checkpoint's where there is one.

    The state is settled, and can be saved, while a Step is with the caller and after the last one.
    """
    state.settled = False
    painting = painter.at(stage, state, notices, check)
    while (step := painting.advance(began)) is not None:
        state.note(step)
        yield from _taken(notices)
        state.settled = True
        yield step
        if not _is_last(step, stage):
            check()
        state.settled = False
    state.settled = True


def _is_last(step: Step, stage: Stage) -> bool:
    """Whether a step of this stage is the last that is planned."""
    ends = stage.index + 1 == stage.count and step.size == stage.size
    return ends and step.iteration >= stage.iterations


def _taken(notices: list[Notice]) -> Iterator[Notice]:
    """The notices so far, each once."""
    while notices:
        yield notices.pop(0)
