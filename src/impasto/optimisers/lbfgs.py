"""L-BFGS (Liu & Nocedal 1989), with or without a line search, unbounded or in a box."""

from functools import partial
from math import sqrt
from typing import Literal, final

import torch
from torch import Tensor

from impasto.images.precision import has_float64
from impasto.optimisers.base import Iterate, Minimiser, ValueAndGrad
from impasto.optimisers.box import Box
from impasto.optimisers.compact import Compact, allocated_pairs
from impasto.optimisers.history import History, Recursion
from impasto.optimisers.line_search import LineSearch, Ray, Trial
from impasto.optimisers.parts import WHOLE, Parts
from impasto.optimisers.preconditioner import Preconditioner
from impasto.optimisers.problem import MemoryUse, Optimiser, Problem
from impasto.optimisers.restarts import Restarts
from impasto.optimisers.state import State
from impasto.settings import Settings
from impasto.settings.variants import LINE_SEARCHES

__all__ = ["LBFGS", "OPTIMISER", "REPRESENTATIONS"]

FirstStep = float | Literal["l1", "l2"]

REPRESENTATIONS: dict[str, type[History]] = {"recursion": Recursion, "compact": Compact}
"""How the history of curvature pairs is stored and applied."""

_TINY = 1e-30  # keeps a division by a vanishing gradient finite


@final
class LBFGS(Minimiser):
    """Iterates of L-BFGS from x, (n,); ends where no step along the direction descends.

    In a box, entries held at a bound are left out of the direction, and steps are projected onto
    it. With a preconditioner, gradients, first step and pairs are those in its variables; points
    that are evaluated, searched along and yielded are canvases.

    Args:
        function, x: see `Minimiser`.
        learning_rate: the step length that is tried first.
        first_step: factor on that at the first iteration: min(1, 1/‖g‖₁) for `l1`, 1/‖g‖₂ for
            `l2`, else the step's root mean square, in units of x.
        history: maximum number of curvature pairs.
        representation: of the history, one of REPRESENTATIONS.
        line_search: one of LINE_SEARCHES; SettingsError for another.
        box: bounds on x, if any.
        preconditioner: a change of variables, if any.
        parts: makes products of vectors that processes share.
    """

    def __init__(
        self,
        function: ValueAndGrad,
        x: Tensor,
        *,
        learning_rate: float = 1.0,
        first_step: FirstStep = "l1",
        history: int = 100,
        representation: str = "recursion",
        line_search: str = "none",
        box: Box | None = None,
        preconditioner: Preconditioner | None = None,
        parts: Parts = WHOLE,
    ) -> None:
        super().__init__(function, x)
        self._learning_rate, self._first_step = learning_rate, first_step
        self._line_search: LineSearch = LINE_SEARCHES.get(line_search)
        self._box, self._preconditioner, self._parts = box, preconditioner, parts
        like = x.new_empty(preconditioner.entries) if preconditioner else x
        self._history = REPRESENTATIONS[representation](history, like, parts)

    def advance(self, last: Iterate) -> Iterate | None:
        """One step along -H g, or if that fails along -g without history; None if both fail."""
        for first in (last.iteration == self.origin, True):
            trial = self._trial(last, first)
            if trial is not None:
                change = self._pullback(trial.at.gradient.reshape(-1) - last.gradient)
                self._history.update(self._variables(trial.step), change)
                return Iterate(last.iteration + 1, trial.x, trial.at)
            self._history.clear()
        return None

    def extra_state(self) -> dict[str, Tensor]:
        """The curvature pairs."""
        return self._history.state_dict()

    def load_extra_state(self, iterate: Iterate, state: State) -> None:
        """Copy the curvature pairs; ValueError if they do not fit."""
        self._history.load_state_dict(state)

    def _trial(self, last: Iterate, first: bool) -> Trial | None:
        """The point that the line search finds; None where the direction does not descend."""
        free = self._box.free(last.x, last.gradient) if self._box else None
        gradient = self._pullback(_masked(last.gradient, free))
        length = _first_length(gradient, self._first_step, self._parts) if first else 1.0
        direction = self._history.direction(gradient)
        del gradient  # as large as a canvas
        direction = _masked(self._canvas(direction), free)
        if not self._parts.dot(direction, last.gradient) < 0:
            return None
        ray = Ray(self.function, last, direction, self._box, self._parts)
        return self._line_search.search(ray, self._learning_rate * length)

    def _pullback(self, gradient: Tensor) -> Tensor:
        return self._preconditioner.pullback(gradient) if self._preconditioner else gradient

    def _canvas(self, direction: Tensor) -> Tensor:
        return self._preconditioner.canvas(direction) if self._preconditioner else direction

    def _variables(self, step: Tensor) -> Tensor:
        return self._preconditioner.variables(step) if self._preconditioner else step


def _masked(vector: Tensor, mask: Tensor | None) -> Tensor:
    return vector if mask is None else vector * mask


def _first_length(gradient: Tensor, first_step: FirstStep, parts: Parts = WHOLE) -> float:
    """The first step's length as a multiple of -g, for a gradient (n,).

    torch's min(1, 1/‖g‖₁) moves all entries by at most 1 in sum, scipy's 1/‖g‖₂ by 1 in norm: for
    a canvas less than bfloat16 resolves. A number is the step's root mean square instead.
    """
    if first_step == "l1":
        return min(1.0, 1.0 / max(float(parts.total(gradient.abs().sum())), _TINY))
    norm = max(parts.norm(gradient), _TINY)
    return 1.0 / norm if first_step == "l2" else first_step * sqrt(parts.entries(gradient)) / norm


def _start(function: ValueAndGrad, x: Tensor, problem: Problem) -> Minimiser:
    """L-BFGS as the settings describe it, perhaps restarted after so many evaluations."""
    s, box, parts = problem.settings, problem.box(x), Parts(problem.ranks)
    minimise = partial(
        LBFGS,
        learning_rate=s.learning_rate,
        first_step=s.first_step if isinstance(s.first_step, str) else s.first_step * problem.level,
        history=_pairs(problem),
        representation="compact" if _is_compact(problem) else "recursion",
        line_search=s.line_search,
        preconditioner=(
            Preconditioner(
                x.view(3, -1, problem.size[0]), s.precondition, rows=problem.rows, parts=parts
            )
            if is_preconditioned(problem.settings)
            else None
        ),
        parts=parts,
    )
    if s.evaluations:  # then only restarts project, because not every line search can
        maximum = s.evaluations
        return Restarts(
            function, x, minimise=minimise, max_evaluations=maximum, box=box, parts=parts
        )
    return minimise(function, x, box=box)


def _memory(problem: Problem) -> MemoryUse:
    """A point, and trials, each a step and a point, of which a search keeps several.

    Further a direction that is not the step of a trial, and the zero step with which a search
    begins; then the new pair and what it is made from. A point is x and its gradient.
    """
    s, vector = problem.settings, problem.vector_bytes
    line_search: LineSearch = LINE_SEARCHES.get(s.line_search)
    trials = line_search.trials
    apart = trials > 1 or problem.bounded or s.learning_rate != 1
    vectors = 2 + apart + (trials > 1) + 3 * trials + (2 if s.evaluations else 0)
    held = vectors * vector + _history_bytes(problem)
    if problem.bounded:
        held += vector // 4  # the mask of free entries
    preconditioned = is_preconditioned(problem.settings)
    if preconditioned:
        held += 2 * vector // 3  # two planes of weights
    return MemoryUse(held, held + (3 if preconditioned else 2) * vector)


def _pairs(problem: Problem) -> int:
    """The maximum of curvature pairs: there is at most one an iteration.

    Between two restarts there are no more iterations than evaluations.
    """
    s = problem.settings
    return min(s.history, max(1, s.evaluations or problem.iterations))


def _history_bytes(problem: Problem) -> int:
    pairs = _pairs(problem)
    if not _is_compact(problem):
        return 2 * pairs * problem.vector_bytes
    allocated = allocated_pairs(pairs, problem.device)
    return allocated * problem.vector_bytes  # a pair of bfloat16 vectors is as large as a vector


def _is_compact(problem: Problem) -> bool:
    """Whether evaluations are no more accurate than pairs in bfloat16."""
    return problem.dtype == torch.bfloat16 and has_float64(problem.device)


def is_preconditioned(settings: Settings) -> bool:
    """Whether L-BFGS minimises in other variables, which a box does not bound."""
    lbfgs = settings.optimiser == "lbfgs"
    return lbfgs and bool(settings.precondition) and settings.clip == "none"


OPTIMISER = Optimiser(_start, _memory)
