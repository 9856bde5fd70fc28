"""A small cache: values by key, of which the ones used last are kept."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Generic, TypeVar

__all__ = ["Cache"]

T = TypeVar("T")


class Cache(Generic[T]):
    """The `limit` values used last; safe to use from several threads.

    A key must say everything that its value depends on. `limit` may be changed at any time.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = RLock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made now unless it is kept. What `make` raises is not kept."""
        with self._lock:
            value = self._values.pop(key) if key in self._values else make()
            self._values[key] = value  # the last in order
            while len(self._values) > self.limit:
                self._values.popitem(last=False)
            return value

    def clear(self) -> None:
        """Forget every value."""
        with self._lock:
            self._values.clear()
