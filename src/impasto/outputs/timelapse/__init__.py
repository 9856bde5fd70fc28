"""A film of how a picture came."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.outputs.timelapse.encoders import FILMS
    from impasto.outputs.timelapse.film import Timelapse, check_film

__all__ = ["FILMS", "Timelapse", "check_film"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (loaded late, since torch takes seconds)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "encoders" if name == "FILMS" else "film"
    return getattr(import_module(f"{__name__}.{module}"), name)
