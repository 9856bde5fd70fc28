"""Where a run stands, to be saved and taken up again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from impasto.errors import CheckpointError
from impasto.hardware.planner import Plan
from impasto.images.spaces import ColourSpace
from impasto.objective import Evaluation
from impasto.objective.tiles import Tiling
from impasto.optimisers import Iterate, Minimiser
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Step
from impasto.run.postprocess import Develop

__all__ = ["RunState"]

Identity = Mapping[str, Any]
"""What makes a run that run, as plain JSON: settings, pictures, weights, arithmetic."""


@dataclass(frozen=True, eq=False)
class RunState:
    """A run at one step: the iterate of its stage, and what is remembered of all before.

    `steps` are those so far, without canvases but for the last and the `best` of its scale;
    `memory` is the descent's; `plans` has one for each stage, for another division of a canvas into
    windows would round otherwise.
    """

    stage: int
    iterate: Iterate
    memory: Mapping[str, Tensor]
    plans: tuple[Plan, ...]
    steps: tuple[Step, ...]
    last: Step
    best: Step

    def checkpoint(self, identity: Identity) -> Checkpoint:
        """It to be saved, before the run goes on or copied: its tensors are the run's."""
        at = self.iterate.at
        assert isinstance(at, Evaluation)
        tensors = {"x": self.iterate.x, "gradient": at.gradient, "loss": at.loss}
        tensors |= {f"terms.{name}": term for name, term in at.terms.items()}
        tensors |= {f"memory.{name}": tensor for name, tensor in self.memory.items()}
        if self.best.canvas is not None and self.best is not self.last:
            tensors["best"] = self.best.canvas
        shown = self.last.canvas
        if shown is not None and shown.data_ptr() != self.iterate.x.data_ptr():
            tensors["average"] = shown
        facts = {
            "run": identity,
            "stage": self.stage,
            "iteration": self.iterate.iteration,
            "plans": [asdict(plan) for plan in self.plans],
            "steps": [_plain_step(step) for step in self.steps],
            "best": _plain_step(self.best),
        }
        return Checkpoint(facts, tensors)

    def take_up(self, descent: Minimiser, device: torch.device) -> None:
        """Let a descent of the same make go on from here; CheckpointError if it is another's."""
        at = self.iterate.at
        assert isinstance(at, Evaluation)
        terms = {name: term.to(device) for name, term in at.terms.items()}
        there = Evaluation(at.loss.to(device), terms, at.gradient.to(device))
        iterate = Iterate(self.iterate.iteration, self.iterate.x.to(device), there)
        try:
            descent.resume(iterate, self.memory)
        except ValueError as error:
            raise CheckpointError(f"the checkpoint is of another make: {error}") from error

    def developed(self, develop: Develop) -> RunState:
        """The same, its canvases shown so."""
        last, best = (replace(step, develop=develop) for step in (self.last, self.best))
        return replace(self, last=last, best=last if self.best is self.last else best)

    @classmethod
    def of(cls, checkpoint: Checkpoint, identity: Identity, space: ColourSpace) -> RunState:
        """Where the checkpoint's run stands; CheckpointError if that is not the run `identity`."""
        facts, tensors = checkpoint.facts, checkpoint.tensors
        _check(facts.get("run"), identity)
        try:
            gradient = tensors["gradient"]
            terms = {n.partition(".")[2]: t for n, t in tensors.items() if n.startswith("terms.")}
            memory = {n.partition(".")[2]: t for n, t in tensors.items() if n.startswith("memory.")}
            at = Evaluation(tensors["loss"], terms, gradient)
            iterate = Iterate(int(facts["iteration"]), tensors["x"], at)
            steps = tuple(_step(plain, space, None) for plain in facts["steps"])
            average = tensors.get("average")
            shown = (tensors["x"] if average is None else average).view_as(gradient)
            last = _step(facts["steps"][-1], space, shown)
            best = _step(facts["best"], space, tensors.get("best", shown))
            plans = tuple(map(_plan, facts["plans"]))
            return cls(int(facts["stage"]), iterate, memory, plans, steps, last, best)
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"the checkpoint lacks what this version needs: {error!r}"
            ) from error


_PLAIN = [field.name for field in fields(Step) if field.name not in ("space", "canvas", "develop")]


def _plain_step(step: Step) -> list[Any]:
    return [getattr(step, name) for name in _PLAIN]


def _step(plain: list[Any], space: ColourSpace, canvas: Tensor | None) -> Step:
    known = dict(zip(_PLAIN, plain, strict=True))
    return Step(**known, space=space, canvas=canvas)


def _plan(plain: dict[str, Any]) -> Plan:
    width, height = plain["size"]
    return Plan(**{**plain, "size": (width, height), "tiling": Tiling(**plain["tiling"])})


def _check(there: object, here: Identity) -> None:
    """CheckpointError that names the first difference between two runs."""
    mine, other = (dict(_leaves(json.loads(json.dumps(run)))) for run in (here, there))
    for name in [*mine, *other]:
        if mine.get(name) != other.get(name):
            raise CheckpointError(
                f"the checkpoint is another run's: {name} is {other.get(name)!r} there and "
                f"{mine.get(name)!r} here; give the same, or begin anew without --resume"
            )


def _leaves(tree: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Dotted names and values of nested objects."""
    if not isinstance(tree, dict):
        yield name, tree
        return
    for key, value in tree.items():
        yield from _leaves(value, f"{name}.{key}" if name else key)
