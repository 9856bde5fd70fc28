"""`live`: a painting shown on the stage where the notebook can show it, and plainly elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from impasto.apps.notebook.painting import Live
from impasto.errors import ExtraMissing, optional
from impasto.images import Source
from impasto.run.api import run_arguments
from impasto.run.sources import Sources
from impasto.settings import DEFAULT_RECIPE, Settings

__all__ = ["live"]

_SOURCES = ("init", "protect", "content_masks", "style_masks")


def live(
    content: Source,
    style: Source | Sequence[Source],
    recipe: str = DEFAULT_RECIPE,
    every: int = 10,
    *,
    plain: bool = False,
    **overrides: Any,  # noqa: ANN401 (fields of Settings and arguments of Run, checked there)
) -> Live:
    """`impasto.stylize`, watched: shows the stage and returns at once, while the painting goes on.

    Without anywidget or a notebook, or if `plain`, it paints before it returns, and shows canvas
    and curves every so many iterations; see `watch`. The arguments are those of `stylize`, which
    also says what is raised, here before anything is shown.
    """
    arguments = run_arguments(overrides, depth=3)
    given = {name: arguments.pop(name) for name in _SOURCES if name in arguments}
    sources = Sources.of(content, style, **given)
    painting = Live(sources, Settings.of(recipe, **overrides), arguments)
    if plain or not _shows_widgets():
        painting.watched(every)
        return painting
    from impasto.apps.notebook.viewer import Viewer

    painting.start(Viewer(painting))
    return painting


def _shows_widgets() -> bool:
    """Whether there is a notebook's kernel, and the library of the stage."""
    try:
        shell = optional("IPython", "notebook", "watching a run").get_ipython()
        optional("anywidget", "notebook", "the stage")
    except ExtraMissing:
        return False
    return getattr(shell, "kernel", None) is not None
