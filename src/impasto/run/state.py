"""Where a run stands: what it knows between two steps, saved to a checkpoint and restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from impasto.errors import CheckpointError, Diverged
from impasto.hardware.planner import Plan
from impasto.images.spaces import ColourSpace
from impasto.objective import Evaluation
from impasto.objective.tiles import Tiling
from impasto.optimisers import Iterate, Minimiser, with_prefix, without_prefix
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Step
from impasto.run.postprocess import Postprocess
from impasto.run.progress import packed, term_names, unpacked

__all__ = ["RunState"]


@dataclass(eq=False)
class RunState:
    """The stage a run is at, the plans of its stages, and its steps so far.

    `steps` have no canvases; `last`, and `best` of the current stage, have theirs. `minimiser` is
    the current stage's. `saved` is the iterate and the optimiser's state of a checkpoint until a
    minimiser takes them. `settled` is whether the state is that after a step, and can be saved;
    `complete`, whether all stages have ended; `retiled`, whether memory ran out and tiles became
    smaller.
    """

    stage: int = 0
    plans: tuple[Plan, ...] = ()
    steps: list[Step] = field(default_factory=list)
    last: Step | None = None
    best: Step | None = None
    minimiser: Minimiser | None = None
    saved: tuple[Iterate, Mapping[str, Tensor]] | None = None
    settled: bool = False
    complete: bool = False
    retiled: bool = False

    @property
    def done(self) -> int | None:
        """Iterations so far, over all stages; None without even an initial canvas."""
        return self.last.done if self.last else None

    def note(self, step: Step) -> None:
        """Remember a step; Diverged if its loss is not finite."""
        if not isfinite(step.loss):
            cure = "lower learning_rate" if step.iteration else "lower the weights"
            raise Diverged(f"the loss is {step.loss} after {step.done} iterations; {cure}")
        self.last = step
        if self.best is None or step.iteration == 0 or step.loss < self.best.loss:
            self.best = step  # losses of different scales do not compare
        self.steps.append(step.bare())

    def selected(self, select: str) -> Step:
        """The `last` or the `best` step of the current stage; ValueError before the first."""
        step = self.best if select == "best" else self.last
        if step is None:
            raise ValueError("no step was taken yet")
        return step

    def checkpoint(self, identity: Mapping[str, Any]) -> Checkpoint:
        """The state as facts and tensors, which are the run's own; ValueError before a step."""
        iterate = self.minimiser.last if self.minimiser else None
        if self.minimiser is None or iterate is None or self.last is None or self.best is None:
            raise ValueError("no step was taken yet")
        at = iterate.at
        assert isinstance(at, Evaluation)
        tensors = {"x": iterate.x, "gradient": at.gradient, "loss": at.loss}
        tensors |= with_prefix("terms", at.terms)
        tensors |= with_prefix("optimiser", self.minimiser.state_dict())
        if self.best.canvas is not None and self.best is not self.last:
            tensors["best"] = self.best.canvas
        shown = self.last.canvas
        if shown is not None and shown.data_ptr() != iterate.x.data_ptr():
            tensors["average"] = shown
        steps = [*self.steps, self.best.bare()]
        terms = term_names(steps)
        tensors |= with_prefix("progress", packed(steps, terms))
        facts = {
            "run": dict(identity),
            "stage": self.stage,
            "iteration": iterate.iteration,
            "plans": [asdict(plan) for plan in self.plans],
            "terms": terms,
            "retiled": self.retiled,
        }
        return Checkpoint(facts, tensors)

    @classmethod
    def of(cls, checkpoint: Checkpoint, space: ColourSpace) -> RunState:
        """The state that a checkpoint holds; CheckpointError if it lacks part of it."""
        facts, tensors = checkpoint.facts, checkpoint.tensors
        try:
            gradient = tensors["gradient"]
            at = Evaluation(tensors["loss"], without_prefix("terms", tensors), gradient)
            iterate = Iterate(int(facts["iteration"]), tensors["x"], at)
            average = tensors.get("average")
            shown = (tensors["x"] if average is None else average).view_as(gradient)
            steps, best = _steps(checkpoint, iterate.iteration, space)
            return cls(
                retiled=bool(facts.get("retiled")),
                stage=int(facts["stage"]),
                plans=tuple(map(_plan, facts["plans"])),
                steps=steps,
                last=replace(steps[-1], canvas=shown),
                best=replace(best, canvas=tensors.get("best", shown)),
                saved=(iterate, without_prefix("optimiser", tensors)),
            )
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"the checkpoint lacks what this version needs: {error!r}"
            ) from error

    def postprocessed(self, postprocess: Postprocess, total: int) -> None:
        """Show the restored steps as this run shows them, and count them of its iterations."""
        assert self.last is not None
        assert self.best is not None
        same = self.best.iteration == self.last.iteration
        self.steps = [replace(step, total=total) for step in self.steps]
        self.last = replace(self.last, postprocess=postprocess, total=total)
        best = replace(self.best, postprocess=postprocess, total=total)
        self.best = self.last if same else best

    def restore(self, minimiser: Minimiser, device: torch.device) -> None:
        """Continue from the saved iterate; CheckpointError for a minimiser of another make.

        The saved tensors are handed over: they may be half of the run's memory.
        """
        assert self.saved is not None
        (saved, state), self.saved = self.saved, None
        at = saved.at
        assert isinstance(at, Evaluation)
        terms = {name: term.to(device) for name, term in at.terms.items()}
        there = Evaluation(at.loss.to(device), terms, at.gradient.to(device))
        iterate = Iterate(saved.iteration, saved.x.to(device), there)
        try:
            minimiser.load_state_dict(iterate, state)
        except ValueError as error:
            raise CheckpointError(f"the checkpoint is of another make: {error}") from error


def _steps(checkpoint: Checkpoint, iteration: int, space: ColourSpace) -> tuple[list[Step], Step]:
    """The steps of a checkpoint and the best one; ValueError where an iteration has none."""
    saved = without_prefix("progress", checkpoint.tensors)
    *steps, best = unpacked(saved, [str(term) for term in checkpoint.facts["terms"]], space)
    if len(steps) < (2 if iteration else 1):
        raise ValueError("steps are missing")
    return steps, best


def _plan(plain: dict[str, Any]) -> Plan:
    width, height = plain["size"]
    down, across = plain["tiling"]["wraps"]
    tiling = Tiling(**{**plain["tiling"], "wraps": (down, across)})
    return Plan(**{**plain, "size": (width, height), "tiling": tiling})
