"""One painting session at the command line: what it writes, how it is shown, what it says."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.apps.cli import progress
from impasto.apps.cli.options import Asked
from impasto.apps.cli.signals import graceful
from impasto.errors import printable
from impasto.outputs import Request, available
from impasto.outputs.base import Value
from impasto.outputs.checkpointing import CHECKPOINT_NAME
from impasto.settings import Settings
from impasto.settings.recipes import recipe
from impasto.settings.schedule import most_iterations

if TYPE_CHECKING:
    from impasto.outputs.session import Outcome
    from impasto.run.checkpoint import Checkpoint
    from impasto.run.run import Run

__all__ = ["available_files", "paint"]

Wanted = Mapping[str, Value | None]


def paint(
    asked: Asked,
    settings: Settings,
    content: str | None,
    styles: Sequence[str] = (),
    wanted: Wanted | None = None,
    sources: Mapping[str, Any] | None = None,
) -> int:
    """Paint the pictures of these names; the exit code.

    `wanted` replaces the recipe's own files. The code is 0, or 130 after Ctrl-C; errors are raised
    once the picture so far is saved.
    """
    request = _request(asked, settings, _sources(content, styles), wanted)
    sources = sources or {}
    read = [*([content] if content else []), *styles, *_files_read(sources)]
    request.check(read, iterations=most_iterations(settings))
    from impasto.hardware.allocator import tuned_malloc
    from impasto.outputs.session import paint
    from impasto.run.run import Run

    resume = _resumed(asked, request)
    style = list(styles) or None
    run = Run(content, style, settings, max_pixels=asked.max_pixels, resume=resume, **sources)
    patient = request.path("checkpoint") is not None
    with _shown(asked)(run) as show, graceful(patient=patient) as stop, tuned_malloc() as suit:

        def follow(event: Any) -> None:  # noqa: ANN401 (events of a run)
            suit(event)
            show(event)

        outcome = paint(run, request, follow, stop)
    _tell(asked, run, request, outcome)
    return 130 if outcome.interrupted else 0


def _files_read(sources: Mapping[str, Any]) -> list[str]:
    """Names of the files among arguments of Run."""
    several = [value if isinstance(value, list) else [value] for value in sources.values()]
    return [name for names in several for name in names]


def _sources(content: str | None, styles: Sequence[str]) -> dict[str, str]:
    """Names by role, to name the result after; several styles as one name."""
    names = [Path(style.removeprefix("sample:")).absolute() for style in styles]
    style = "+".join([*(name.stem for name in names[:-1]), *(name.name for name in names[-1:])])
    return {role: name for role, name in (("content", content), ("style", style)) if name}


def _request(
    asked: Asked, settings: Settings, sources: Mapping[str, str], wanted: Wanted | None
) -> Request:
    """What the recipe writes, as far as the libraries for it are here, and what was asked for."""
    named = {
        "output": asked.output,
        "report": asked.report and Path(asked.report),
        "timelapse": asked.timelapse and Path(asked.timelapse),
        "trace": asked.trace,
        "bits": asked.bits,
        "quality": asked.quality,
        "save_every": asked.save_every,
        "checkpoint": asked.checkpoint or (CHECKPOINT_NAME if asked.resume else None),
        "checkpoint_every": asked.checkpoint_every,
        "preview": asked.preview,
    }
    given = {name: value for name, value in named.items() if value is not None}
    return Request.of({**available_files(asked, settings, wanted), **given}, sources)


def _resumed(asked: Asked, request: Request) -> "Checkpoint | None":
    """The checkpoint to go on from; None, with a line that says so, if none is saved yet."""
    from impasto.run.checkpoint import Checkpoint

    path = request.path("checkpoint")
    if not asked.resume or path is None:
        return None
    if Checkpoint.exists(path):
        return Checkpoint.load(path)
    print(f"no checkpoint {printable(path)} yet; painting from the beginning", file=sys.stderr)
    return None


def available_files(
    asked: Asked, settings: Settings, wanted: Wanted | None = None
) -> dict[str, Value]:
    """What the recipe writes as far as the libraries for it are here; says what is left out."""
    kept, lines = available(recipe(settings.recipe).files if wanted is None else wanted)
    for line in () if asked.quiet else lines:
        print(printable(line), file=sys.stderr)
    return kept


def _shown(asked: Asked) -> progress.Shown:
    if asked.as_json:
        return progress.json_lines
    return progress.silent if asked.quiet else progress.bar


def _tell(asked: Asked, run: "Run", request: Request, outcome: "Outcome") -> None:
    """Say where the picture is, and whether the run ended before its time."""
    name = printable(request.target.path) if outcome.result else None
    interrupted = outcome.interrupted
    if asked.as_json:
        print(json.dumps({"output": name, "interrupted": interrupted, "iterations": run.done}))
    elif name is None:
        print("interrupted before the first iteration; nothing was written", file=sys.stderr)
    elif not asked.quiet:
        names = ", ".join(printable(o.path) for o in request.outputs if o.announced)
        print(f"{'interrupted; ' if interrupted else _why_early(run)}wrote {names}")


def _why_early(run: "Run") -> str:
    """Empty for a run of full length."""
    if run.done is None or run.done >= run.total:
        return ""
    reason = "" if run.settings.tolerance > 0 else ", no step descends"
    return f"stopped after {run.done} of {run.total} iterations{reason}; "
