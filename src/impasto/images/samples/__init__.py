"""Pictures that come with the package, named `sample:NAME` wherever a path is expected."""

import functools
from importlib import resources
from pathlib import Path

from impasto.errors import ImageError

__all__ = ["SAMPLE", "names", "sample"]

SAMPLE = "sample:"
"""What the name of a bundled picture begins with."""


@functools.cache
def names() -> dict[str, Path]:
    """Every bundled picture by name: photographs first, then paintings."""
    root = Path(str(resources.files(__package__)))
    return {
        p.stem: p for folder in ("photos", "styles") for p in sorted((root / folder).glob("*.jpg"))
    }


def sample(name: str) -> Path:
    """The file of the bundled picture `name`; ImageError lists those there are."""
    if name not in names():
        raise ImageError(f"{SAMPLE}{name}: no such sample; expected one of {', '.join(names())}")
    return names()[name]
