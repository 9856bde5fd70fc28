"""Modules under the names that the documentation of version 0.1 gave them, for one version more.

The package's `__path__` ends with this folder, so that `impasto.notebook` is the file `notebook.py`
here. Each file says where its names are now; a use of one warns with a DeprecationWarning.
"""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["moved"]

_NEW = {
    "impasto.apps.former._classes:FINISHES": "impasto.settings.variants.EFFECTS",
    "impasto.apps.former._classes:Story": "impasto.outputs.report.RunHistory",
    "impasto.apps.former._classes:Film": "impasto.outputs.timelapse.Timelapse",
}
"""The present names of what lives here in its old form."""


def moved(module: str, **homes: str) -> Callable[[str], Any]:
    """A module's `__getattr__` for names that have moved: `name="module:attribute"`."""

    def get(name: str) -> Any:  # noqa: ANN401 (whatever is called so)
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, attribute = homes[name].partition(":")
        found = getattr(import_module(home), attribute)
        now = _NEW.get(homes[name], f"{home}.{attribute}")
        warnings.warn(f"{module}.{name} is now {now}", DeprecationWarning, stacklevel=2)
        return found

    return get
