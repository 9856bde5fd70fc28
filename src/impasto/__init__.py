"""impasto paints one picture in the style of another.

    import impasto
    result = impasto.stylize("photo.jpg", "painting.jpg", size=512)
    result.image.save("out.png")

Names are loaded when first used, so that `import impasto` costs nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.calls import iterate, reconstruct, stylize, texture
    from impasto.encoder import Encoder
    from impasto.errors import ImpastoError
    from impasto.images import Picture
    from impasto.losses import Moments, style_loss
    from impasto.objective import Evaluation, Objective, Term
    from impasto.run import Result, Run
    from impasto.settings import Settings
    from impasto.step import Step

_HOMES = {
    "Encoder": "encoder",
    "Evaluation": "objective",
    "ImpastoError": "errors",
    "Moments": "losses",
    "Objective": "objective",
    "Picture": "images",
    "Result": "run",
    "Run": "run",
    "Settings": "settings",
    "Step": "step",
    "Term": "objective",
    "iterate": "calls",
    "reconstruct": "calls",
    "style_loss": "losses",
    "stylize": "calls",
    "texture": "calls",
}

__all__ = [
    "Encoder",
    "Evaluation",
    "ImpastoError",
    "Moments",
    "Objective",
    "Picture",
    "Result",
    "Run",
    "Settings",
    "Step",
    "Term",
    "__version__",
    "iterate",
    "reconstruct",
    "style_loss",
    "stylize",
    "texture",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name == "__version__":
        return version("impasto")
    if name not in _HOMES:
        raise AttributeError(f"module 'impasto' has no attribute {name!r}")
    return getattr(import_module(f"impasto.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
