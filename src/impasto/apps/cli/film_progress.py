"""How a film is shown while it is painted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from impasto.apps.cli.options import Options
from impasto.apps.cli.progress import event_line, json_line, warn

if TYPE_CHECKING:
    from impasto.apps.film.events import FilmEvent
    from impasto.apps.film.run import FilmRun

__all__ = ["shown"]

Show = Callable[["FilmEvent"], None]


@contextmanager
def shown(options: Options, film: "FilmRun") -> Iterator[Show]:
    """A bar on stderr, JSON lines on stdout, or notices alone."""
    from impasto.apps.film.events import FrameDone
    from impasto.run.events import Notice

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames, loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("painting", total=len(film.span), loss="…")

    def show(event: "FilmEvent") -> None:
        if options.as_json:
            json_line(event_line(event))
        elif isinstance(event, Notice):
            warn(event.text)
        elif isinstance(event, FrameDone) and not options.quiet:
            progress.start()  # not before the first frame, so that an error stands alone
            progress.update(task, description=f"painting shot {event.entry.shot + 1}")
            progress.update(task, completed=event.done)
            if event.entry.loss is not None:
                progress.update(task, loss=f"{event.entry.loss:.4g}")

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()
