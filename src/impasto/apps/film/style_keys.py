"""Styles that change over a film: those of key times, and cross-fades between them.

    0:a.jpg,5:b.jpg                   a turns into b over five seconds
    0:a.jpg,4:a.jpg,5:b.jpg           a holds for four seconds first
    0:a.jpg*2,0:b.jpg,12f:c.jpg       two parts of a and one of b turn into c by frame 12

The weights at a key add up to 1, and between two keys they are interpolated linearly.
"""

from __future__ import annotations

import math
import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from impasto.errors import SettingsError, brief, printable
from impasto.images import Source

__all__ = ["StyleKeys", "overlap", "parsed"]

Weights = tuple[float, ...]
Weighted = list[tuple[Source, float]]
Key = int | float | str

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})"
_KEY = re.compile(rf"\s*{_NUMBER}(f?):")
_NEXT = re.compile(rf",(?={_KEY.pattern})")
_WEIGHT = re.compile(rf"\*{_NUMBER}\s*$")
_EXPECTED = "expected SECONDS:FILE, or 12f:FILE for a frame, separated by commas"


@dataclass(frozen=True, eq=False)
class StyleKeys:
    """Styles, and their weights at key times.

    Attributes:
        styles: each once, in the order in which they come.
        times: seconds from the clip's first frame, strictly increasing.
        weights: for each time, one of each style; they add up to 1.
    """

    styles: tuple[Source, ...]
    times: tuple[float, ...]
    weights: tuple[Weights, ...]

    @classmethod
    def of(
        cls, keys: Mapping[Any, Any], seconds_of: Callable[[int], float] | None = None
    ) -> StyleKeys:
        """Keys from a mapping of times.

        Args:
            keys: times are seconds, or text such as "12f"; at each is a style, or a list of styles
                and of pairs (style, weight).
            seconds_of: when a frame is shown; SettingsError for one that the clip lacks.

        Raises SettingsError in one line for what is no key, a weight that is none, and a key
        without weight.
        """
        found: dict[float, Weighted] = {}
        for key, weighted in _weighted(keys):
            found.setdefault(_seconds(key, seconds_of), []).extend(weighted)
        if not found:
            raise SettingsError(f"there are no style keys; {_EXPECTED}")
        times = sorted(found)
        styles = _distinct(style for time in times for style, _ in found[time])
        rows = tuple(_shares(found[time], styles, time) for time in times)
        return cls(tuple(styles), tuple(times), rows)

    def at(self, seconds: float) -> Weights:
        """The weight of each style at a time: they add up to 1; before and after all keys it holds.

        Between keys (t₀, w₀) and (t₁, w₁) it is w₀ + (w₁ - w₀) (t - t₀) / (t₁ - t₀).
        """
        after = bisect_right(self.times, seconds)
        if after in (0, len(self.times)):
            return self.weights[min(after, len(self.times) - 1)]
        begin, end = self.times[after - 1], self.times[after]
        part = (seconds - begin) / (end - begin)
        rows = zip(self.weights[after - 1], self.weights[after], strict=True)
        return tuple(one + (other - one) * part for one, other in rows)

    @property
    def line(self) -> dict[str, Any]:
        """Plain values that tell these keys from others of the same styles."""
        return {"times": list(self.times), "weights": [list(row) for row in self.weights]}


def overlap(one: Weights, other: Weights) -> float:
    """How much of a style is in both weights, 0 to 1: Σ min(w, w')."""
    return sum(map(min, one, other))


def parsed(text: str) -> dict[str, Weighted]:
    """Text as above as a mapping for `StyleKeys.of`; SettingsError for what is no key."""
    keys: dict[str, Weighted] = {}
    for part in _split(text):
        named, told = _KEY.match(part), brief(printable(part))
        if named is None:
            raise SettingsError(f"style key {told!r}: {_EXPECTED}")
        name, weight = part[named.end() :], 1.0
        if weighed := _WEIGHT.search(name):
            name, weight = name[: weighed.start()], float(weighed[1])
        if not name.strip() or "\0" in name:
            raise SettingsError(f"style key {told!r} names no file; {_EXPECTED}")
        keys.setdefault(f"{named[1]}{named[2]}", []).append((name.strip(), weight))
    return keys


def _split(text: str) -> Iterator[str]:
    """The keys of a text; names of files may have commas and colons."""
    start = 0
    for comma in _NEXT.finditer(text):
        yield text[start : comma.start()]
        start = comma.end()
    yield text[start:]


def _weighted(keys: Mapping[Any, Any]) -> Iterator[tuple[Key, Weighted]]:
    for key, styles in keys.items():
        listed = styles if isinstance(styles, list) else [styles]
        pairs = [each if _is_pair(each) else (each, 1.0) for each in listed]
        for _, weight in pairs:
            if not (math.isfinite(weight) and weight >= 0):
                raise SettingsError(f"style key {key!r}: weight {weight}; expected 0 or more")
        yield key, [(style, float(weight)) for style, weight in pairs]


def _is_pair(each: object) -> bool:
    number = isinstance(each, tuple) and len(each) == 2 and isinstance(each[1], (int, float))
    return number and not isinstance(each[1], bool)  # type: ignore[index]  # a pair, as asked above


def _seconds(key: Key, seconds_of: Callable[[int], float] | None) -> float:
    """The time of a key; of a frame, when it is shown."""
    text = str(key).strip()
    named = _KEY.fullmatch(f"{text}:")
    known = isinstance(key, (int, float)) and not isinstance(key, bool)
    if not known and (named is None or not isinstance(key, str)):
        raise SettingsError(f"style key {brief(printable(text))!r} is no time; {_EXPECTED}")
    if named and named[2]:
        if seconds_of is None or "." in named[1]:
            raise SettingsError(f"style key {brief(printable(text))!r} is no frame; {_EXPECTED}")
        return seconds_of(int(named[1]))
    seconds = float(named[1] if named else key)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise SettingsError(f"style key {brief(text)!r} is no time; expected 0 seconds or more")
    return seconds


def _distinct(styles: Iterable[Source]) -> list[Source]:
    """Each style once: names by their text, pictures in memory by what they are."""
    found: list[Source] = []
    for style in styles:
        if not any(_same(style, other) for other in found):
            found.append(style)
    return found


def _same(one: Source, other: Source) -> bool:
    names = [os.fsdecode(each) for each in (one, other) if isinstance(each, (str, os.PathLike))]
    return one is other or (len(names) == 2 and names[0] == names[1])


def _shares(weighted: Weighted, styles: list[Source], time: float) -> Weights:
    """The part of each style at a key."""
    total = sum(weight for _, weight in weighted)
    if not 0 < total < math.inf:
        raise SettingsError(f"at {time:g} s no style has a weight; expected one above 0")
    own = (sum(w for s, w in weighted if _same(s, style)) for style in styles)
    return tuple(weight / total for weight in own)
