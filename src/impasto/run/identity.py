"""What makes a run that run: only settings that change pixels, its pictures, its network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from impasto.errors import CheckpointError
from impasto.settings import Settings

__all__ = ["check_identity", "differences"]

_LONGEST_VALUE = 60  # characters of a value that an error message repeats


def check_identity(saved: object, own: Mapping[str, Any]) -> None:
    """CheckpointError that names the first difference between a checkpoint's run and this one."""
    if not isinstance(saved, dict) or not isinstance(saved.get("settings"), dict):
        raise CheckpointError("the checkpoint does not say of which run it is")
    for name, there, here in differences(saved, own):
        raise CheckpointError(
            f"the checkpoint is another run's: {name} is {_brief(there)} there and {_brief(here)} "
            f"here; give the same, or begin anew without resume"
        )


def differences(
    saved: Mapping[str, Any], own: Mapping[str, Any]
) -> Iterator[tuple[str, object, object]]:
    """Name, saved value and own value of each fact in which two runs differ.

    Only `settings` that change pixels count. Those that the saved run does not know have their
    defaults.
    """
    defaults = Settings().pixels()
    known = {name: saved["settings"].get(name, value) for name, value in defaults.items()}
    there, here = (
        dict(_leaves(json.loads(json.dumps(run)))) for run in ({**saved, "settings": known}, own)
    )
    for name in sorted({*there, *here}, key=lambda n: (not n.startswith("settings."), n)):
        if there.get(name) != here.get(name):
            yield name.removeprefix("settings."), there.get(name), here.get(name)


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
