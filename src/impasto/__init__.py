"""impasto paints one picture in the style of another.

    import impasto
    result = impasto.stylize("photo.jpg", "painting.jpg", size=512)
    result.image.save("out.png")

Names are loaded when first used, so that `import impasto` costs nothing.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.apps.film.api import film
    from impasto.apps.film.run import FilmResult, FilmRun
    from impasto.encoder import Encoder
    from impasto.errors import ImpastoError
    from impasto.images import Picture
    from impasto.objective import Evaluation, Objective
    from impasto.objective.checks import check_style_loss, check_term, gradient_error
    from impasto.objective.statistics import Moments
    from impasto.objective.style_losses import style_loss
    from impasto.objective.terms import (
        FeatureTerm,
        LocalTerm,
        PixelTerm,
        TermContext,
        reference,
    )
    from impasto.run import Result, Run
    from impasto.run.api import iterate, reconstruct, stylize, texture
    from impasto.run.events import Step
    from impasto.settings import FilmSettings, Settings

__path__.append(str(Path(__file__).parent / "apps" / "former"))  # old modules, such as notebook

_HOMES = {
    "Encoder": "encoder",
    "Evaluation": "objective",
    "FeatureTerm": "objective.terms",
    "FilmResult": "apps.film.run",
    "FilmRun": "apps.film.run",
    "FilmSettings": "settings",
    "ImpastoError": "errors",
    "LocalTerm": "objective.terms",
    "Moments": "objective",
    "Objective": "objective",
    "Picture": "images",
    "PixelTerm": "objective.terms",
    "Result": "run",
    "Run": "run",
    "Settings": "settings",
    "Step": "run",
    "TermContext": "objective.terms",
    "check_style_loss": "objective.checks",
    "check_term": "objective.checks",
    "gradient_error": "objective.checks",
    "reference": "objective.terms",
    "film": "apps.film.api",
    "iterate": "run",
    "reconstruct": "run",
    "style_loss": "objective.style_losses",
    "stylize": "run",
    "texture": "run",
}

__all__ = [
    "Encoder",
    "Evaluation",
    "FeatureTerm",
    "FilmResult",
    "FilmRun",
    "FilmSettings",
    "ImpastoError",
    "LocalTerm",
    "Moments",
    "Objective",
    "Picture",
    "PixelTerm",
    "Result",
    "Run",
    "Settings",
    "Step",
    "TermContext",
    "__version__",
    "check_style_loss",
    "check_term",
    "film",
    "gradient_error",
    "iterate",
    "reconstruct",
    "reference",
    "style_loss",
    "stylize",
    "texture",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (loaded late, since torch takes seconds)
    if name == "__version__":
        from impasto.errors import version_of

        return version_of("impasto")
    if name not in _HOMES:
        raise AttributeError(f"module 'impasto' has no attribute {name!r}")
    return getattr(import_module(f"impasto.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
