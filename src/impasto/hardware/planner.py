"""How each stage is painted within a budget of memory: windows, tapes, history.

Memory is planned before a stage begins. `impasto.hardware.memory_model` predicts the memory and the
cost of a plan; the cheapest plan that fits is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from impasto.encoder import Encoder
from impasto.errors import OutOfMemory
from impasto.hardware.device import Hardware
from impasto.hardware.memory_model import Demand
from impasto.objective.tiles import Tiling, min_tile
from impasto.settings import Settings

__all__ = ["Plan", "plan"]

Size = tuple[int, int]

_MIN_PAIRS = 3
_MIN_SIDE = 16  # pixels; to advise a smaller size helps nobody
_MAX_COST = 2.0  # a shorter history is preferred to dearer evaluations


@dataclass(frozen=True)
class Plan:
    """How one stage is painted.

    Attributes:
        size: (w, h) of the canvas, pixels.
        tiling: the windows in which the objective is evaluated.
        windows: number of windows.
        history: curvature pairs that L-BFGS keeps.
        peak: predicted maximum of resident memory of the whole process, bytes.
        cost: multiply-adds of an evaluation, over those of one window for the whole canvas.
    """

    size: Size
    tiling: Tiling
    windows: int
    history: int
    peak: int
    cost: float


def plan(
    settings: Settings,
    size: Size,
    style_size: Size | None,
    hardware: Hardware,
    extra_bytes: int = 0,
    encoder: Encoder | None = None,
) -> Plan:
    """The best plan for a canvas of (w, h) pixels within the hardware's memory.

    Args:
        settings: of the run; they may fix the tile.
        size: (w, h) of the canvas, pixels.
        style_size: (w, h) of the style as it is measured, in windows of the same tile; None
            without a style.
        hardware: with the budget of memory, device and dtype.
        extra_bytes: bytes that the process holds besides pictures of these sizes: pictures as they
            were read, and what listens to the run.
        encoder: the network; None for the one that the settings name.

    It tries one window and ever smaller tiles, with as many tapes as fit, and content's features
    kept or measured in every evaluation, and takes the cheapest. A shorter history costs
    iterations, and nobody can predict how many. So it is shortened only if nothing fits or
    evaluations cost more than twice those of one window, and no further than that needs; three
    pairs always stay.

    Raises OutOfMemory where nothing fits, SettingsError for a tile that is too small.
    """
    budget = hardware.memory
    network = encoder or hardware  # either has a dtype and a device
    dtype, device = network.dtype, network.device
    demand = Demand(settings, size, style_size, dtype, device, extra_bytes, encoder)
    found = _cheapest(demand, budget, settings.history)
    if found is not None and found.cost <= _MAX_COST:
        return found
    shortest = min(_MIN_PAIRS, settings.history)
    frugal = _cheapest(demand, budget, shortest)
    if frugal is None:
        raise OutOfMemory(_advice(demand, budget))
    max_cost = max(_MAX_COST, frugal.cost)
    if found is not None and found.cost <= max_cost:  # also where the optimiser keeps no pairs
        return found
    lengths = range(shortest, settings.history + 1)
    return _longest_history(demand, budget, lengths, max_cost) or frugal


def _longest_history(demand: Demand, budget: int, lengths: range, max_cost: float) -> Plan | None:
    """Of the plans that cost at most `max_cost`, the one of longest history; by bisection."""
    low, high, best = lengths.start, lengths.stop - 1, None
    while low <= high:
        middle = (low + high) // 2
        found = _cheapest(demand, budget, middle)
        if found is not None and found.cost <= max_cost:
            best, low = found, middle + 1
        else:
            high = middle - 1
    return best


def _cheapest(demand: Demand, budget: int, history: int) -> Plan | None:
    """The cheapest plan that fits with this history; of equals the one of largest windows."""
    fitting = []
    for tile in _tiles(demand):
        for keep in _keeps(demand):
            tiling = Tiling(tile, 1, keep, demand.settings.wraps)
            if demand.peak(tiling, history) <= budget:
                fitting.append(_planned(demand, tiling, budget, history))
    return min(fitting, key=lambda found: found.cost, default=None)


def _planned(demand: Demand, tiling: Tiling, budget: int, history: int) -> Plan:
    """The plan with this tile, and as many tapes as fit."""
    count = demand.windows(tiling.tile)
    low, high = 1, count if demand.network.style else 1
    while low < high:
        middle = (low + high + 1) // 2
        fits = demand.peak(replace(tiling, tapes=middle), history) <= budget
        low, high = (middle, high) if fits else (low, middle - 1)
    tiling = replace(tiling, tapes=low)
    peak, cost = demand.peak(tiling, history), demand.cost(tiling)
    return Plan(demand.size, tiling, count, history, peak, cost)


def _tiles(demand: Demand) -> tuple[int | None, ...]:
    """The tiles to try, pixels, from None for one window down in steps of a sixteenth.

    The first number is the canvas's longest side, which only cuts a larger style. The last is twice
    the minimum: still smaller windows are mostly halo, and save little.
    """
    asked, network = demand.settings.tile, demand.network
    if asked == "off" or not network.taps:
        return (None,)
    if asked != "auto":
        return (asked,)
    smallest = 2 * min_tile(network.architecture, network.taps)
    tile, tiles = max(demand.size), list[int]()
    while tile > smallest:
        tiles.append(tile)
        tile = tile * 15 // 16
    return (None, *tiles, smallest)


def _keeps(demand: Demand) -> tuple[bool, ...]:
    """Whether content's features are kept; to measure them in every evaluation costs more."""
    return (True, False) if demand.network.content else (True,)


def _advice(demand: Demand, budget: int) -> str:
    """What is needed, and the largest size of this shape that fits."""
    width, height = demand.size
    low, high = 0, max(demand.size)  # longest sides: one that fits, one that does not
    while high - low > 1:
        middle = (low + high) // 2
        fits = _min_peak(demand.shrunk(middle / max(demand.size))) <= budget
        low, high = (middle, high) if fits else (low, middle)
    cure = f"lower size to {low}" if low >= _MIN_SIDE else "choose a smaller picture"
    return (
        f"{width}x{height} px take at least {_gigabytes(_min_peak(demand))}, and "
        f"{_gigabytes(budget)} may be used; {cure}, or raise memory"
    )


def _min_peak(demand: Demand) -> int:
    """Bytes of the most frugal plan: the smallest windows, and nothing kept."""
    tiles, history = _tiles(demand), min(_MIN_PAIRS, demand.settings.history)
    return min(
        demand.peak(Tiling(tile, 1, keep, demand.settings.wraps), history)
        for tile in {tiles[0], tiles[-1]}
        for keep in _keeps(demand)
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
