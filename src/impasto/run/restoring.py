"""The state of a run from its checkpoint, checked against what the run is to paint now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from impasto.errors import CheckpointError
from impasto.hardware.oom import memory_guard
from impasto.optimisers.lbfgs import is_preconditioned
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Notice
from impasto.run.identity import check_identity
from impasto.run.painter import Painter
from impasto.run.shared_checkpoint import SharedCheckpoint
from impasto.run.state import RunState
from impasto.settings.schedule import rescheduled

__all__ = ["planned", "restored"]


def restored(
    painter: Painter, checkpoint: Checkpoint | SharedCheckpoint, notices: list[Notice]
) -> RunState:
    """The state of a checkpoint of this run; CheckpointError if it is another's, or damaged."""
    try:
        with painter.hardware.computing(), memory_guard("the checkpoint"):
            if painter.ranks is None and isinstance(checkpoint, Checkpoint):
                return _restored(painter, checkpoint, notices)
            if isinstance(checkpoint, Checkpoint):
                checkpoint = SharedCheckpoint.of(checkpoint)
            return _restored_part(painter, checkpoint, notices)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"the checkpoint is not one of this version: {error!r}") from error


def _restored_part(
    painter: Painter, checkpoint: SharedCheckpoint, notices: list[Notice]
) -> RunState:
    """The same of the rows of one of several processes."""
    stage = painter.inputs.stages[checkpoint.stage]
    share = painter.share(stage.size[1])
    if share is None:
        raise CheckpointError("the checkpoint is of several processes; resume with distributed")
    spectral = is_preconditioned(painter.settings)
    state = _restored(painter, checkpoint.divided(share, spectral=spectral), notices)
    if not checkpoint.fits(share):
        state.plans = ()
        notices.append(Notice("other processes: the last digits may differ", "resume"))
    return state


def _restored(painter: Painter, checkpoint: Checkpoint, notices: list[Notice]) -> RunState:
    facts = dict(checkpoint.facts.get("run") or {})
    before = facts.pop("planned", None)
    check_identity(facts, painter.identity())
    state, stages = RunState.of(checkpoint, painter.space), painter.inputs.stages
    sizes = [plan.size for plan in state.plans]
    if sizes != [stage.size for stage in stages] or not 0 <= state.stage < len(stages):
        raise CheckpointError("the checkpoint's stages are not this run's; begin anew")
    _replan(painter, state, before, notices)
    stage = painter.inputs.stages[state.stage]
    inputs = painter.inputs.at(stage, painter.share(stage.size[1]))
    assert state.last is not None
    canvas = state.last.canvas
    if canvas is not None:  # pictures of a run in float64 are made in it
        inputs = inputs.to(canvas.device, canvas.dtype)
    state.postprocessed(painter.postprocess(inputs), stage.total)
    return state


def planned(painter: Painter) -> dict[str, Any]:
    """What may differ when a run is resumed: memory, tile, and how long each stage is."""
    iterations = [stage.iterations for stage in painter.inputs.stages]
    settings = painter.settings
    return {
        "memory": int(settings.memory),
        "tile": settings.tile,
        "iterations": iterations,
    }


def _replan(painter: Painter, state: RunState, before: object, notices: list[Notice]) -> None:
    """Follow the settings where they differ from those the checkpoint's run was planned by."""
    own = planned(painter)
    there = before if isinstance(before, dict) else own
    if any(there.get(name) != own[name] for name in ("memory", "tile")):
        state.plans = ()
        notices.append(Notice("memory or tile differ: the last digits may differ", "resume"))
    if state.retiled:
        notices.append(Notice("memory ran out before: the last digits may differ", "resume"))
    done = [int(count) for count in there["iterations"][: state.stage]]
    if done != own["iterations"][: state.stage]:
        stages = rescheduled(painter.inputs.stages, done)
        painter.inputs = replace(painter.inputs, stages=stages)
        text = f"finished scales keep the iterations they had: {', '.join(map(str, done))}"
        notices.append(Notice(text, "resume"))
