"""Pictures that come with the package, named `sample:NAME` wherever a path is expected."""

import functools
from importlib import resources
from pathlib import Path
from typing import Any

from impasto.errors import ImageError

__all__ = ["found", "names", "sample"]

_PREFIX = "sample:"


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
        raise ImageError(f"{_PREFIX}{name}: no such sample; expected one of {', '.join(names())}")
    return names()[name]


def found(source: Any) -> Any:  # noqa: ANN401 (whatever pictures may come from)
    """The path that `sample:NAME` stands for; anything else as it is."""
    if isinstance(source, str) and source.startswith(_PREFIX):
        return sample(source.removeprefix(_PREFIX))
    return source
