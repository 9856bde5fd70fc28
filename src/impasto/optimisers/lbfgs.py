"""L-BFGS (Liu & Nocedal 1989), with or without a line search, freely or within a box."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal, final

from torch import Tensor

from impasto.optimisers.base import Box, Iterate, Minimiser, ValueAndGrad
from impasto.optimisers.history import HISTORIES, History
from impasto.optimisers.line_search import Ray, Search, Trial, line_search
from impasto.optimisers.preconditioner import Spectrum
from impasto.optimisers.state import Memory, number, recalled_number

__all__ = ["FirstStep", "lbfgs"]

FirstStep = float | Literal["l1", "l2"]

_TINY = 1e-30  # keeps a division by a vanishing gradient finite


def lbfgs(
    evaluate: ValueAndGrad,
    x: Tensor,
    *,
    learning_rate: float = 1.0,
    first_step: FirstStep = "l1",
    history: int = 100,
    form: str = "recursion",
    search: str = "none",
    box: Box | None = None,
    spectrum: Spectrum | None = None,
) -> Minimiser:
    """Iterates of L-BFGS from `x`; ends where no step along the direction descends.

    The first step length tried is learning_rate times min(1, 1/‖g‖₁) if `first_step` is `l1`,
    1/‖g‖₂ if it is `l2`, else what moves entries by it in root mean square; later it is
    learning_rate. `form` is one of HISTORIES, `search` one of LINE_SEARCHES. In a box, entries held
    at a bound are left out of the direction and steps are projected onto it. With a `spectrum`
    gradients, first step and pairs are those in its variables; what is evaluated, searched along
    and yielded are pictures.
    """
    pairs = HISTORIES[form](history, x.new_empty(spectrum.entries) if spectrum else x)
    seek = line_search(search)
    steps = _Steps(evaluate, pairs, seek, learning_rate, first_step, box, spectrum)
    return _Lbfgs(x, steps)


@final
class _Lbfgs(Minimiser):
    """See `lbfgs`. It remembers the pairs, since when it has them, and whether it has ended."""

    def __init__(self, x: Tensor, steps: "_Steps") -> None:
        super().__init__(x)
        self._steps = steps

    def _first(self, x: Tensor) -> Iterate:
        return Iterate(0, x, self._steps.evaluate(x))

    def _after(self, last: Iterate) -> Iterate | None:
        trial = self._steps.step(last, fresh=last.iteration == self._since)
        return Iterate(last.iteration + 1, trial.x, trial.at) if trial else None

    def _memory(self) -> dict[str, Tensor]:
        own = {"since": number(self._since), "ended": number(self._ended)}
        return own | self._steps.pairs.memory()

    def _recall(self, iterate: Iterate, memory: Memory) -> None:
        self._since = recalled_number(memory, "since", iterate.iteration)
        self._ended = bool(recalled_number(memory, "ended", 1))
        self._steps.pairs.restore(memory)


@dataclass(frozen=True, eq=False)
class _Steps:
    """What all iterations share."""

    evaluate: ValueAndGrad
    pairs: History
    seek: Search
    learning_rate: float
    first_step: FirstStep
    box: Box | None
    spectrum: Spectrum | None

    def step(self, iterate: Iterate, fresh: bool) -> Trial | None:
        """The step taken along -H g, or if that fails along -g without history; None if both do."""
        for attempt_fresh in (fresh, True):
            trial = self._trial(iterate, attempt_fresh)
            if trial is not None:
                change = self._pulled(trial.at.gradient.reshape(-1) - iterate.gradient)
                self.pairs.update(self._variables(trial.step), change)
                return trial
            self.pairs.forget()
        return None

    def _trial(self, iterate: Iterate, fresh: bool) -> Trial | None:
        """What the line search finds where the direction descends."""
        free = self.box.free(iterate.x, iterate.gradient) if self.box else None
        gradient = self._pulled(_masked(iterate.gradient, free))
        length = _first_length(gradient, self.first_step) if fresh else 1.0
        direction = self.pairs.direction(gradient)
        del gradient
        direction = _masked(self._canvas(direction), free)
        if not direction.dot(iterate.gradient) < 0:
            return None
        ray = Ray(self.evaluate, iterate, direction, self.box)
        return self.seek(ray, self.learning_rate * length)

    def _pulled(self, gradient: Tensor) -> Tensor:
        return self.spectrum.pull(gradient) if self.spectrum else gradient

    def _canvas(self, direction: Tensor) -> Tensor:
        return self.spectrum.canvas(direction) if self.spectrum else direction

    def _variables(self, step: Tensor) -> Tensor:
        return self.spectrum.variables(step) if self.spectrum else step


def _masked(vector: Tensor, mask: Tensor | None) -> Tensor:
    return vector if mask is None else vector * mask


def _first_length(gradient: Tensor, first_step: FirstStep) -> float:
    """How far to go before any curvature is known.

    torch's min(1, 1/‖g‖₁) moves all entries by at most 1 in sum, scipy's 1/‖g‖₂ by 1 in norm: for
    a picture less than bfloat16 can tell. A number states a root mean square instead.
    """
    if first_step == "l1":
        return min(1.0, 1.0 / max(float(gradient.abs().sum()), _TINY))
    norm = max(float(gradient.norm()), _TINY)
    return 1.0 / norm if first_step == "l2" else first_step * sqrt(gradient.numel()) / norm
