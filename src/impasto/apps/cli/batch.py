"""`impasto batch`: many pairs, where their results go, and how the batch is shown."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from impasto.apps.batch.executors import EXECUTORS, executor_at
from impasto.apps.cli import batch_progress
from impasto.apps.cli.flags import flag, with_flags
from impasto.apps.cli.inputs import Named, check_files
from impasto.apps.cli.options import Options, of_one_picture, with_options
from impasto.apps.cli.parameters import file_name
from impasto.apps.cli.printing import one_line
from impasto.apps.cli.session import available_files
from impasto.errors import OutputError, SettingsError
from impasto.outputs.base import Value
from impasto.settings.schedule import most_iterations

if TYPE_CHECKING:
    from impasto.apps.batch import Batch, Executor, Gallery, Layout, Pair
    from impasto.apps.batch.stores import Place

__all__ = ["batch"]

Folder = Annotated[
    str | None,
    typer.Argument(
        metavar="[FOLDER]",
        parser=file_name,
        help="Holds photographs content_* and paintings style_*; like all folders here a path, or "
        "an address of a store: s3://…, gs://….",
    ),
]
Contents = Annotated[
    str | None,
    typer.Option(
        "--contents",
        metavar="DIR|FILE",
        parser=file_name,
        help="Photographs, or one, in place of FOLDER.",
    ),
]
Styles = Annotated[
    str | None,
    typer.Option(
        "--styles",
        metavar="DIR|FILE",
        parser=file_name,
        help="Paintings, or one for all photographs, with --contents.",
    ),
]
Pairing = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        metavar="order|all",
        help="order: first with first, second with second; all: each with each. By default all "
        "where one of them is a file, else order.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        parser=file_name,
        help=r"Folder of all results and of manifest.jsonl. \[FOLDER]",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="TEMPLATE",
        parser=file_name,
        help="Name of each result in that folder, with {index}, {content}, {style} and {recipe}. "
        "Names of other files may have its {stem}. "
        r"\[gen_{index}/{content}_{style}.png]",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Paint pairs that are done too.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="Pairs to paint at once, each in a process of its own. By default 1, and on a cluster "
        "as many as it has room for.",
    ),
]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="NAME[://ADDRESS]",
        help=f"Where to paint: {', '.join(EXECUTORS.names())}. By default processes for several "
        f"jobs, otherwise serial. ray is a cluster of this machine alone; ray://auto and "
        f"ray://HOST:PORT the one that this machine is part of.",
    ),
]
Share = Annotated[
    bool,
    typer.Option(
        "--share",
        help="Paint together with all processes and machines that run this command: each pair "
        "once, those of one that dies too.",
    ),
]


@with_options(refused=of_one_picture())
def batch(
    folder: Folder = None,
    contents: Contents = None,
    styles: Styles = None,
    pairs: Pairing = None,
    output: Output = None,
    name: Name = None,
    overwrite: Overwrite = False,
    jobs: Jobs = None,
    on: On = None,
    share: Share = False,
    *,
    options: Options,
) -> int:
    """Paint many pairs: those of FOLDER, or of two folders.

    Pairs that are done already with the same settings are skipped, so that the same command
    continues a batch that was interrupted. A pair that fails does not stop the others.
    manifest.jsonl in the output folder says how each pair ended.

    With --share, any number of processes and machines that see the output folder run this command,
    and divide the pairs among them.
    """
    from impasto.apps.batch import Batch, Layout, Leases

    named = Named(None, (), options.sources)
    check_files(named.names())
    galleries, home = _galleries(folder, contents, styles), _home(output, folder)
    layout = Layout(home, name, _outputs(options))
    planned = Batch(
        _pairs(galleries, layout, pairs or _usual(galleries)),
        options.settings,
        layout,
        sources=named.opened(options)[2],
        max_pixels=options.max_pixels,
        overwrite=overwrite,
        executor=_executor(jobs, on),
        leases=Leases(layout.shared) if share else None,
    )
    _check_next_time(planned, galleries)
    return _paint(planned, options, share=share)


def _galleries(
    folder: str | None, contents: str | None, styles: str | None
) -> "tuple[Gallery, Gallery]":
    """Where photographs and paintings are, of the two ways to say so."""
    from impasto.apps.batch import Gallery, galleries_in
    from impasto.apps.batch.stores import place_of

    if folder and not contents and not styles:
        return galleries_in(folder)
    if contents and styles and not folder:
        return Gallery(place_of(contents)), Gallery(place_of(styles))
    given = {"FOLDER": folder, "--contents": contents, "--styles": styles}
    got = " and ".join(name for name, value in given.items() if value) or "neither"
    raise SettingsError(f"got {got}; expected FOLDER alone, or --contents and --styles")


def _usual(galleries: "Sequence[Gallery]") -> str:
    """How pairs are made where nobody says it."""
    return "all" if any(gallery.is_file for gallery in galleries) else "order"


def _home(output: str | None, folder: str | None) -> "Place":
    """The output folder."""
    from impasto.apps.batch.stores import place_of

    home = output or folder
    if home is None:
        raise SettingsError("--output is missing; expected a folder for the results")
    return place_of(home)


def _outputs(options: Options) -> dict[str, Value]:
    """The recipe's outputs whose libraries are installed, and those that were asked for."""
    given = {*options.outputs, *(name for name, value in vars(options).items() if value is True)}
    refused = [flag(name) for name in of_one_picture() if name in given]
    if refused:
        raise SettingsError(
            f"a batch continues by itself when it is run again; leave out {', '.join(refused)}"
        )
    wanted = {**available_files(options), **options.outputs}
    return {kind: name for kind, name in wanted.items() if name != "none"}


def _executor(jobs: int | None, on: str | None) -> "Executor":
    """Where the pairs are painted."""
    return executor_at(on or ("processes" if jobs and jobs > 1 else "serial"), jobs)


def _pairs(galleries: "Sequence[Gallery]", layout: "Layout", how: str) -> "list[Pair]":
    """The pairs, of pictures that are not results of the batch itself."""
    from impasto.apps.batch import Manifest, pair_up

    home = layout.folder
    if isinstance(home, Path):
        home = Path(os.path.realpath(home))
    painted = {home / name for name in Manifest(layout.manifest).latest()}
    contents, styles = (gallery.pictures(excluded=painted) for gallery in galleries)
    return pair_up(contents, styles, how)


def _check_next_time(batch: "Batch", galleries: "Sequence[Gallery]") -> None:
    """No file beside a result is one that the same command would take for an input next time."""
    for job in batch.jobs:
        for path in job.places(most_iterations(batch.settings)):
            if path != job.path and any(gallery.has(path) for gallery in galleries):
                raise OutputError(
                    f"{path}: would be an input when this is run again; choose another --output"
                )


def _paint(batch: "Batch", options: Options, *, share: bool) -> int:
    """Paint and show; the exit code: 0, 1 if a pair failed, 130 after Ctrl-C."""
    tally: Counter[str] = Counter()
    failures: list[str] = []
    interrupted = False
    try:
        with _shown(options)(batch) as (watch, note):
            for entry in batch.entries(watch=watch):
                tally[entry.status] += 1
                tally["elsewhere"] += entry.status == "done" and entry.worker != batch.worker
                if entry.error:
                    failures.append(f"{entry.output}: {with_flags(entry.error)}")
                note(entry)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for failure in failures:
            print("failed:", one_line(failure), file=sys.stderr)
    if not (options.quiet or options.as_json):
        elsewhere = f" ({tally['elsewhere']} by others)" if share else ""
        print(
            f"{'interrupted; ' if interrupted else ''}{tally['done']} painted{elsewhere}, "
            f"{tally['skipped']} skipped (done before), {tally['failed']} failed of {len(batch)}; "
            f"see {one_line(batch.manifest.path)}"
        )
    return 130 if interrupted else int(bool(failures))


def _shown(options: Options) -> batch_progress.Shown:
    if options.as_json:
        return batch_progress.json_lines
    return batch_progress.silent if options.quiet else batch_progress.bar
