"""Style statistics that several runs share, each measured once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from impasto.objective.measure import StyleStatistics

__all__ = ["StyleCache"]


class StyleCache:
    """The last `size` style statistics that were used, by key.

    A key contains all that the statistics depend on; see `impasto.run.objective`.
    """

    def __init__(self, size: int = 64) -> None:
        self._size, self._lock = size, Lock()
        self._kept: OrderedDict[Hashable, StyleStatistics] = OrderedDict()

    def get(self, key: Hashable, measure: Callable[[], StyleStatistics]) -> StyleStatistics:
        """The statistics of that key, measured now or before."""
        with self._lock:
            found = self._kept.get(key)
        found = measure() if found is None else found
        with self._lock:
            self._kept[key] = found
            self._kept.move_to_end(key)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found
