"""A painting watched, stopped and changed in a Jupyter notebook.

    painting = live("photo.jpg", "painting.jpg", size=512)
    painting.result().image            # in a later cell; waits for it

or, with every Step at hand,

    run = impasto.Run("photo.jpg", "painting.jpg")
    for step in watch(run):
        ...

or, looked at after the fact,

    show(photograph="photo.jpg", painted=painting.image)

A kernel hears nothing from the page while a cell runs, so `live` paints in a thread:

    page ── messages ──> View ──> Viewer ── stop, change ──> Live
    page <── traits ──── View <── Viewer <── events ──────── Live: a thread ── Run after Run
"""

from impasto.apps.notebook.live import live
from impasto.apps.notebook.painting import Live
from impasto.apps.notebook.plain import watch
from impasto.apps.notebook.show import show

__all__ = ["Live", "live", "show", "watch"]
