"""Option names in place of the library's field names: `learning_rate` -> `--learning-rate`."""

import functools
import re

from impasto.outputs import options as output_options
from impasto.settings import FilmSettings, Settings

__all__ = ["flag", "with_flags"]

_OTHERS = {
    "max_pixels": "--max-pixels",
    "protect": "--protect",
    "content_masks": "--content-mask",
    "style_masks": "--style-mask",
    "pairs": "--pairs",
    "name": "--name",
    "jobs": "--jobs",
    "overwrite": "--overwrite",
    "frames": "--frames",
    "fps": "--fps",
    "distributed": "--distributed",
    "resume": "--resume",
}
"""Options of names that are neither settings nor outputs'."""

_ADVICE = ("lower", "raise", "set")  # after these a plain word such as `size` is a field


def flag(name: str) -> str:
    """The option of a field."""
    return _OTHERS.get(name, f"--{name.replace('_', '-')}")


def with_flags(message: str) -> str:
    """A message of the library with options in place of the fields that it names.

    A word is taken for a field at the beginning of "… is …", after "lower", "raise" or "set", and
    anywhere if it has an underscore; not inside quotes or names of files.
    """
    return _pattern().sub(lambda found: flag(found[0]), message)


@functools.cache
def _pattern() -> re.Pattern[str]:
    fields = {*Settings.model_fields, *FilmSettings.model_fields}
    names = {*fields, *output_options(), *_OTHERS}
    every, joined = ("|".join(sorted(group, key=len, reverse=True)) for group in (
        names, {name for name in names if "_" in name}
    ))  # fmt: skip
    places = [rf"^(?:{every})(?=(?:\[[^\]]*\])? (?:is|are) )"]
    places += [rf"(?<=\b{verb} )(?:{every})\b(?![-/.\w'\"])" for verb in _ADVICE]
    places += [rf"(?<![-/.\w'\"{{])(?:{joined})(?![-/\w'\"}}]|\.\w)"]
    return re.compile("|".join(places))
