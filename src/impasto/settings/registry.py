"""Variants by name: our own, those a program registers, and those of installed packages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from impasto.errors import SettingsError

__all__ = ["Registry"]

T = TypeVar("T")
Object = TypeVar("Object")


class Registry(Generic[T]):
    """The variants of one kind. Each is imported when it is first used, so names cost nothing.

    Args:
        kind: the setting or option that chooses one, as error messages name it.
        own: name -> "module:attribute" of our own variants, in the order in which help lists them.
        group: entry points of other packages that offer more, `name = "module:attribute"`.
    """

    def __init__(self, kind: str, own: Mapping[str, str], group: str) -> None:
        self.kind, self.group = kind, group
        self._own = dict(own)
        self._found: dict[str, T] = {}

    def names(self) -> tuple[str, ...]:
        """Every name, our own first, the others in alphabetical order."""
        others = {*self._found, *(point.name for point in self._points())} - {*self._own}
        return (*self._own, *sorted(others))

    def __contains__(self, name: object) -> bool:
        """Whether there is a variant of that name."""
        return name in self._own or name in self.names()

    def get(self, name: str) -> T:
        """The variant called `name`; SettingsError lists those there are."""
        if name not in self._found:
            self._found[name] = self._loaded(name)
        return self._found[name]

    def register(self, name: str, variant: T) -> T:
        """Add a variant, in place of one of that name if there is one."""
        self._found[name] = variant
        return variant

    def registered(self, name: str) -> Callable[[Object], Object]:
        """Decorator that registers a function or class as `name`."""

        def decorate(variant: Object) -> Object:
            self.register(name, variant)  # type: ignore[arg-type]  # a plug-in, which nobody has checked
            return variant

        return decorate

    def _loaded(self, name: str) -> T:
        if name in self._own:
            module, _, attribute = self._own[name].partition(":")
            own: T = getattr(import_module(module), attribute)
            return own
        for point in self._points():
            if point.name == name:
                theirs: T = point.load()
                return theirs
        names = ", ".join(self.names())
        raise SettingsError(f"{self.kind} is {name!r}; expected one of {names}")

    def _points(self) -> tuple[EntryPoint, ...]:
        return _points(self.group, tuple((place, _changed(place)) for place in sys.path))


@lru_cache(maxsize=100)
def _points(group: str, places: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    """Entry points of a group, read again once a folder of packages has changed."""
    return tuple(entry_points(group=group))


def _changed(place: str) -> int:
    try:
        return os.stat(place or ".").st_mtime_ns  # noqa: PTH116 (much faster)
    except OSError:
        return 0
