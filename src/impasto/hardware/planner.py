"""How much of a canvas to look at together, so that a run stays within the memory it may use.

Memory is planned, not discovered: `impasto.hardware.memory_model` knows what a choice takes and
what it costs, and here the best of those that fit is chosen.
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

_FEWEST_PAIRS = 3
_SMALLEST = 16  # pixels: no advice to paint less
_DEAREST = 2.0  # evaluations of this cost rather than a shorter history


@dataclass(frozen=True)
class Plan:
    """How one scale is painted.

    Attributes:
        size: the canvas's (w, h).
        tiling: how the objective looks at it.
        windows: how many looks that is.
        history: curvature pairs that L-BFGS keeps.
        peak: predicted greatest resident memory of the whole process, bytes.
        cost: multiply-adds of an evaluation, relative to one window looked at once.
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
    """The best way to paint a canvas of (w, h) within the hardware's memory.

    `style_size` is that of the style as it is measured, (w, h), in windows of the same tile; None
    without one. `extra_bytes` is the size of whatever the process holds beside these: pictures as
    they were read, and what listens to the run. `encoder`, if given, is the network, in
    place of the one that the settings describe.

    What is tried, where the settings leave it open: one window, then tiles, with as many tapes and
    with or without content's features, whichever makes evaluations cheapest. Tiles make a run
    slower by what a look's halo costs and by the second look, both known; a shorter history makes
    it slower by more iterations, which nobody knows. So the history gives way last: only where
    nothing fits, or evaluations would cost more than twice what they do untiled, and then only as
    far as that takes. Three pairs are the least.

    Raises OutOfMemory where nothing fits, SettingsError for a tile that is too small.
    """
    room = hardware.memory
    network = encoder or hardware  # either has a dtype and a device
    dtype, device = network.dtype, network.device
    demand = Demand(settings, size, style_size, dtype, device, extra_bytes, encoder)
    found = _cheapest(demand, room, settings.history)
    if found is not None and found.cost <= _DEAREST:
        return found
    fewest = _fewest_pairs(settings)
    least = _cheapest(demand, room, fewest)
    if least is None:
        raise OutOfMemory(_advice(demand, room))
    pairs, enough = range(fewest, settings.history + 1), max(_DEAREST, least.cost)
    if found is not None and found.cost <= enough:  # also where the optimiser keeps no pairs
        return found
    return _longest_history(demand, room, pairs, enough) or least


def _fewest_pairs(settings: Settings) -> int:
    """To which the history may be lowered."""
    return min(_FEWEST_PAIRS, settings.history)


def _longest_history(demand: Demand, room: int, pairs: range, dearest: float) -> Plan | None:
    """The plan of most pairs, of these, whose evaluations cost at most so much; by bisection."""
    low, high, best = pairs.start, pairs.stop - 1, None
    while low <= high:
        middle = (low + high) // 2
        found = _cheapest(demand, room, middle)
        if found is not None and found.cost <= dearest:
            best, low = found, middle + 1
        else:
            high = middle - 1
    return best


def _cheapest(demand: Demand, room: int, history: int) -> Plan | None:
    """The plan of least cost that fits with so many pairs; of equals the one of largest windows."""
    fitting = []
    for tile in _tiles(demand):
        for keep in _keeps(demand):
            tiling = Tiling(tile, 1, keep)
            if demand.peak(tiling, history) <= room:
                fitting.append(_planned(demand, tiling, room, history))
    return min(fitting, key=lambda found: found.cost, default=None)


def _planned(demand: Demand, tiling: Tiling, room: int, history: int) -> Plan:
    """The plan of these windows, with the tapes of as many kept as there is room for."""
    count = demand.windows(tiling.tile)
    low, high = 1, count if demand.network.style else 1
    while low < high:
        middle = (low + high + 1) // 2
        fits = demand.peak(replace(tiling, tapes=middle), history) <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    tiling = replace(tiling, tapes=low)
    peak, cost = demand.peak(tiling, history), demand.cost(tiling)
    return Plan(demand.size, tiling, count, history, peak, cost)


def _tiles(demand: Demand) -> tuple[int | None, ...]:
    """The tiles to try, from the whole canvas down in steps of a sixteenth.

    The first tile is as large as the canvas: only a larger painting is cut by it. The last is
    twice the smallest there is: those between are mostly halo, and would save little.
    """
    asked, network = demand.settings.tile, demand.network
    if asked == "off" or not network.taps:
        return (None,)
    if asked != "auto":
        return (asked,)
    least = 2 * min_tile(network.architecture, network.taps)
    tile, tiles = max(demand.size), list[int]()
    while tile > least:
        tiles.append(tile)
        tile = tile * 15 // 16
    return (None, *tiles, least)


def _keeps(demand: Demand) -> tuple[bool, ...]:
    """Whether content's features may be kept; anew costs more, and is the second choice."""
    return (True, False) if demand.network.content else (True,)


def _advice(demand: Demand, room: int) -> str:
    """What is needed, and the largest picture of this shape for which there is room."""
    width, height = demand.size
    low, high = 0, max(demand.size)  # a longest side that fits, and one that does not
    while high - low > 1:
        middle = (low + high) // 2
        fits = _least(demand.shrunk(middle / max(demand.size))) <= room
        low, high = (middle, high) if fits else (low, middle)
    cure = f"lower --size to {low}" if low >= _SMALLEST else "choose a smaller picture"
    return (
        f"{width}x{height} px take at least {_gigabytes(_least(demand))}, and "
        f"{_gigabytes(room)} may be used; {cure}, or raise --memory"
    )


def _least(demand: Demand) -> int:
    """Bytes of the most frugal plan: the smallest windows, and nothing kept."""
    tiles, history = _tiles(demand), _fewest_pairs(demand.settings)
    return min(
        demand.peak(Tiling(tile, 1, keep), history)
        for tile in {tiles[0], tiles[-1]}
        for keep in _keeps(demand)
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
