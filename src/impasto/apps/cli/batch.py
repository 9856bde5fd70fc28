"""`impasto batch`: many pairs, which of them, where to, and how that is shown."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from impasto.apps.cli.options import Asked, with_options
from impasto.apps.cli.printing import one_line
from impasto.apps.cli.progress import json_line, warn
from impasto.apps.cli.session import available_files
from impasto.errors import OutputError, SettingsError, printable
from impasto.outputs.base import Value
from impasto.settings import Settings
from impasto.settings.schedule import most_iterations

if TYPE_CHECKING:
    from impasto.apps.batch.layout import Layout
    from impasto.apps.batch.manifest import Entry
    from impasto.apps.batch.painting import Batch
    from impasto.apps.batch.pairs import Gallery, Pair
    from impasto.run.events import Event

__all__ = ["batch"]

HOUR = 3600.0  # seconds over which the speed is averaged

Folder = Annotated[
    Path | None,
    typer.Argument(metavar="[FOLDER]", help="Holds photographs content_* and paintings style_*."),
]
Contents = Annotated[
    Path | None, typer.Option("--contents", metavar="DIR", help="Photographs, instead of FOLDER …")
]
Styles = Annotated[
    Path | None, typer.Option("--styles", metavar="DIR", help="… and paintings, by any name.")
]
Pairing = Annotated[
    str,
    typer.Option(
        "--pairs", metavar="order|all", help="First with first and so on, or each with each."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help=r"Where all goes. \[FOLDER]"),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="TEMPLATE",
        help="Each result's in there, by {index}, {content}, {style} and {recipe}; "
        r"files beside it may have its {stem}. \[gen_{index}/{content}_{style}.png]",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Paint again what was done before, too.")
]


@with_options()
def batch(
    folder: Folder = None,
    contents: Contents = None,
    styles: Styles = None,
    pairs: Pairing = "order",
    output: Output = None,
    name: Name = None,
    overwrite: Overwrite = False,
    *,
    asked: Asked,
    settings: Settings,
    sources: dict[str, Any],
) -> int:
    """Paint many pairs: those of FOLDER, or of two folders.

    What is done already, by the same settings, is passed over, so that a batch that was broken off
    goes on where it was. A pair that fails does not stop the others. See manifest.jsonl in the
    output folder for what became of each.
    """
    from impasto.apps.batch.layout import Layout
    from impasto.apps.batch.painting import Batch

    galleries, home = _galleries(folder, contents, styles), _home(output, folder)
    wishes = _wishes(asked, settings)
    layout = Layout(home, name, wishes, bits=asked.bits, quality=asked.quality, sources=sources)
    chosen = _pairs(galleries, layout, pairs)
    planned = Batch(chosen, settings, layout, max_pixels=asked.max_pixels, overwrite=overwrite)
    _check_next_time(planned, galleries)
    return _paint(planned, asked)


def _galleries(
    folder: Path | None, contents: Path | None, styles: Path | None
) -> "tuple[Gallery, Gallery]":
    """Where photographs and paintings are, of the two ways to say so."""
    from impasto.apps.batch.pairs import Gallery, galleries_in

    if folder and not contents and not styles:
        return galleries_in(folder)
    if contents and styles and not folder:
        return Gallery(contents), Gallery(styles)
    given = {"FOLDER": folder, "--contents": contents, "--styles": styles}
    got = " and ".join(name for name, value in given.items() if value) or "neither"
    raise SettingsError(f"got {got}; expected FOLDER alone, or --contents and --styles")


def _home(output: Path | None, folder: Path | None) -> Path:
    """The output folder."""
    home = output or folder
    if home is None:
        raise SettingsError("--output is missing; name a folder for what becomes of --contents")
    return home


def _wishes(asked: Asked, settings: Settings) -> dict[str, Value]:
    """What the recipe writes, as far as the libraries for it are here, and what was asked for."""
    if asked.checkpoint or asked.resume or asked.checkpoint_every is not None or asked.preview:
        raise SettingsError(
            "a batch that is run again goes on with the pair it was at; leave out --checkpoint, "
            "--checkpoint-every, --resume and --preview"
        )
    wanted = {
        "save_every": asked.save_every,
        "trace": str(asked.trace) if asked.trace else None,
        "report": asked.report,
        "timelapse": asked.timelapse,
    }
    given = {kind: name for kind, name in wanted.items() if name is not None}
    wishes = {**available_files(asked, settings), **given}
    return {kind: name for kind, name in wishes.items() if name != "none"}


def _pairs(galleries: "Sequence[Gallery]", layout: "Layout", how: str) -> "list[Pair]":
    """The pairs, of pictures that the batch did not paint itself."""
    from impasto.apps.batch.manifest import Manifest
    from impasto.apps.batch.pairs import pair_up

    home = Path(os.path.realpath(layout.folder))
    painted = {home / name for name in Manifest(layout.manifest).latest()}
    contents, styles = (gallery.pictures(but=painted) for gallery in galleries)
    return pair_up(contents, styles, how)


def _check_next_time(batch: "Batch", galleries: "Sequence[Gallery]") -> None:
    """No file beside a result is one that the same command would paint from when run again."""
    for job in batch.jobs:
        for path in job.request.paths(most_iterations(batch.settings)):
            if path != job.request.target.path and any(gallery.has(path) for gallery in galleries):
                raise OutputError(
                    f"{path}: would be an input when this is run again; choose another --output"
                )


def _paint(batch: "Batch", asked: Asked) -> int:
    """Paint and show; the exit code: 0, 1 if a pair failed, 130 after Ctrl-C."""
    tally: Counter[str] = Counter()
    failures: list[str] = []
    interrupted = False
    try:
        with _shown(asked)(batch) as (show, note):
            for entry in batch.entries(show):
                tally[entry.status] += 1
                if entry.error:
                    failures.append(f"{entry.output}: {entry.error}")
                note(entry)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for failure in failures:
            print("failed:", one_line(failure), file=sys.stderr)
    if not (asked.quiet or asked.as_json):
        print(
            f"{'interrupted; ' if interrupted else ''}{tally['done']} painted, {tally['skipped']} "
            f"skipped (done before), {tally['failed']} failed of {len(batch)}; "
            f"see {printable(batch.manifest.path)}"
        )
    return 130 if interrupted else int(bool(failures))


Show = Callable[["Event"], None]
Note = Callable[["Entry"], None]
Shown = Callable[["Batch"], AbstractContextManager[tuple[Show, Note]]]


def _shown(asked: Asked) -> Shown:
    if asked.as_json:
        return _json_lines
    return _silent if asked.quiet else _bar


@contextmanager
def _bar(batch: "Batch") -> Iterator[tuple[Show, Note]]:
    """A bar on stderr: pairs, iterations of the current one, time left for all.

    A pair counts as one, and what is not painted takes no time, so it leaves the total.
    """
    columns = (
        TextColumn("pairs {task.fields[pairs]}"),
        BarColumn(),
        TextColumn("iteration {task.fields[iteration]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    progress = Progress(*columns, console=console, speed_estimate_period=HOUR)
    ended = Counter[bool]()
    task = progress.add_task("", total=len(batch), pairs=f"0/{len(batch)}", iteration="…")

    def show(event: "Event") -> None:
        from impasto.run.events import Step

        warn(event)
        if not isinstance(event, Step):
            return
        step = event
        progress.start()  # not before the first step, so that an error stands alone
        now = f"{step.done}/{step.total}"
        part = step.done / max(1, step.total)
        progress.update(task, completed=ended[True] + part, iteration=now)

    def note(entry: "Entry") -> None:
        ended[entry.status == "done"] += 1
        progress.update(
            task,
            completed=ended[True],
            total=len(batch) - ended[False],
            pairs=f"{ended.total()}/{len(batch)}",
        )

    try:
        yield show, note
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def _json_lines(batch: "Batch") -> Iterator[tuple[Show, Note]]:
    """One JSON object a pair on stdout, as in the manifest."""
    yield warn, lambda entry: json_line(entry.line())


@contextmanager
def _silent(batch: "Batch") -> Iterator[tuple[Show, Note]]:
    """Nothing."""
    yield warn, lambda _: None
