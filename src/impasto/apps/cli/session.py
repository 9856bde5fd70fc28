"""One painting session at the command line: what it writes, how it is shown, what it says."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.apps.cli import progress
from impasto.apps.cli.options import Asked
from impasto.errors import printable
from impasto.settings import Settings
from impasto.settings.recipes import recipe
from impasto.settings.schedule import most_iterations

if TYPE_CHECKING:
    from impasto.outputs.files import Files
    from impasto.outputs.session import Outcome
    from impasto.run.checkpoint import Checkpoint
    from impasto.run.loop import Run

__all__ = ["affordable_wishes", "paint"]


Wishes = Mapping[str, str | int]


def paint(
    asked: Asked,
    settings: Settings,
    content: str | None,
    styles: Sequence[str] = (),
    wishes: Wishes | None = None,
) -> int:
    """Paint the pictures of these names; the exit code.

    `wishes` stand in for the recipe's own files. The code is 0, or 130 after Ctrl-C; errors are
    raised once what there is has been saved.
    """
    files = _files(asked, settings, _sources(content, styles), wishes)
    read = [*([content] if content else []), *styles, *settings.files_read]
    files.check(read, iterations=most_iterations(settings))
    from impasto.outputs.session import paint
    from impasto.run.loop import Run

    resume = _resumed(asked, files)
    style = list(styles) or None
    run = Run(content, style, settings, max_pixels=asked.max_pixels, resume=resume)
    with _shown(asked)(run) as show:
        outcome = paint(run, files, show)
    _tell(asked, run, files, outcome)
    return 130 if outcome.interrupted else 0


def _sources(content: str | None, styles: Sequence[str]) -> dict[str, str]:
    """Names by role, to name the result after; several styles as one name."""
    names = [Path(style.removeprefix("sample:")).absolute() for style in styles]
    style = "+".join([*(name.stem for name in names[:-1]), *(name.name for name in names[-1:])])
    return {role: name for role, name in (("content", content), ("style", style)) if name}


def _files(
    asked: Asked, settings: Settings, sources: Mapping[str, str], wishes: Wishes | None
) -> "Files":
    """What the recipe writes, as far as the libraries for it are here, and what was asked for."""
    from impasto.outputs.files import CHECKPOINT, Files

    files = Files.of(affordable_wishes(asked, settings, wishes), sources, asked.output)
    named = {"report": asked.report, "timelapse": asked.timelapse}
    for kind, name in named.items():
        if name is not None:
            chosen: dict[str, Any] = {kind: None if name == "none" else Path(name)}
            files = replace(files, **chosen)
    every = files.save_every if asked.save_every is None else asked.save_every
    checkpoint = asked.checkpoint
    if checkpoint is None and (asked.resume or asked.checkpoint_every is not None):
        checkpoint = files.output.with_suffix(CHECKPOINT)
    return replace(
        files,
        bits=asked.bits,
        quality=asked.quality,
        save_every=every,
        trace=asked.trace,
        checkpoint=checkpoint,
        checkpoint_every=asked.checkpoint_every,
        preview=asked.preview,
    )


def _resumed(asked: Asked, files: "Files") -> "Checkpoint | None":
    """The checkpoint to go on from; None, which is said, where none was saved yet."""
    from impasto.run.checkpoint import Checkpoint

    if not asked.resume or files.checkpoint is None:
        return None
    if Checkpoint.exists(files.checkpoint):
        return Checkpoint.load(files.checkpoint)
    name = printable(files.checkpoint)
    print(f"no checkpoint {name} yet; painting from the beginning", file=sys.stderr)
    return None


def affordable_wishes(
    asked: Asked, settings: Settings, wishes: Wishes | None = None
) -> dict[str, str | int]:
    """What the recipe writes as far as the libraries for it are here; says what is left out."""
    from impasto.outputs.files import affordable

    kept, reasons = affordable(recipe(settings.recipe).files if wishes is None else wishes)
    for reason in () if asked.quiet else reasons:
        print(printable(reason), file=sys.stderr)
    return kept


def _shown(asked: Asked) -> progress.Shown:
    if asked.as_json:
        return progress.json_lines
    return progress.silent if asked.quiet else progress.bar


def _tell(asked: Asked, run: "Run", files: "Files", outcome: "Outcome") -> None:
    """Say where the picture is, and whether the run ended before its time."""
    name = printable(files.output) if outcome.result else None
    interrupted = outcome.interrupted
    if asked.as_json:
        print(json.dumps({"output": name, "interrupted": interrupted, "iterations": run.done}))
    elif name is None:
        print("interrupted before the first iteration; nothing was written", file=sys.stderr)
    elif not asked.quiet:
        beside = [str(path) for path in (files.report, files.timelapse) if path]
        names = ", ".join([name, *map(printable, beside)])
        print(f"{'interrupted; ' if interrupted else _why_early(run)}wrote {names}")


def _why_early(run: "Run") -> str:
    """Empty for a run of full length."""
    if run.done is None or run.done >= run.total:
        return ""
    reason = "" if run.settings.tolerance > 0 else ", no step descends"
    return f"stopped after {run.done} of {run.total} iterations{reason}; "
