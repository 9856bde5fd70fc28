"""What the page of a notebook shows, as traits; the page itself is page/stage.js and stage.css."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

__all__ = ["View"]

_PAGE = Path(__file__).with_name("page")


class View(anywidget.AnyWidget):
    """The stage in a notebook.

    Traits go to the page, and the page answers with messages, each a dict with `kind`: `stop`,
    `go on`, `change` (with `settings`), `seen` (the newest preview is on the screen).

    Attributes:
        preview, before: the canvas and the photograph as JPEG.
        progress: state, scale, iteration, seconds left, loss, a note; see `Viewer`.
        curve: [iteration, scale, loss] of some iterations.
        values, usual: what the sliders show, and where they go back to.
        colours: names of the colour modes.
        heard: messages that were heard so far, by which the page knows that the kernel is busy.
    """

    _esm = _PAGE / "stage.js"
    _css = _PAGE / "stage.css"

    preview = traitlets.Bytes().tag(sync=True)
    before = traitlets.Bytes().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)
    curve: traitlets.List[tuple[int, int, float]] = traitlets.List().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    usual = traitlets.Dict().tag(sync=True)
    colours: traitlets.List[str] = traitlets.List().tag(sync=True)
    heard = traitlets.Int().tag(sync=True)
