"""What makes a run that run: only settings that change pixels, its pictures, its network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from impasto.errors import CheckpointError
from impasto.settings import Settings

__all__ = ["check_identity"]

_LONGEST_VALUE = 60  # characters of a value that an error message repeats


def check_identity(saved: object, own: Mapping[str, Any]) -> None:
    """CheckpointError that names the first difference between a checkpoint's run and this one.

    Settings that the checkpoint does not know count as their defaults, and settings that are no
    longer known are ignored.
    """
    if not isinstance(saved, dict) or not isinstance(saved.get("settings"), dict):
        raise CheckpointError("the checkpoint does not say of which run it is")
    defaults = {name: Settings().pixels()[name] for name in Settings.pixel_fields()}
    known = {name: saved["settings"].get(name, value) for name, value in defaults.items()}
    mine, other = (
        dict(_leaves(json.loads(json.dumps(run)))) for run in (own, {**saved, "settings": known})
    )
    for name in sorted({*mine, *other} - {f"settings.{n}" for n in _neutral()}):
        if mine.get(name) != other.get(name):
            raise CheckpointError(
                f"the checkpoint is another run's: {name.removeprefix('settings.')} is "
                f"{_brief(other.get(name))} there and {_brief(mine.get(name))} here; give the "
                f"same, or begin anew without resume"
            )


def _neutral() -> set[str]:
    return {*Settings.model_fields} - {*Settings.pixel_fields()}


def _leaves(tree: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Dotted names and values of nested objects."""
    if not isinstance(tree, dict):
        yield name, tree
        return
    for key, value in tree.items():
        yield from _leaves(value, f"{name}.{key}" if name else key)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
