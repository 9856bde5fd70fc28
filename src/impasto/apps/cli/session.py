"""One painting session at the command line: its outputs, its progress, its last line."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from impasto.apps.cli import distributed, progress
from impasto.apps.cli.inputs import Named, file_of
from impasto.apps.cli.options import Options
from impasto.apps.cli.places import Series, check_new, free, numbered, standard_output, taken
from impasto.apps.cli.printing import one_line
from impasto.apps.cli.signals import graceful
from impasto.errors import printable
from impasto.outputs import Request, available
from impasto.outputs.base import Target, Value
from impasto.outputs.checkpointing import CHECKPOINT_NAME, CheckpointOutput
from impasto.outputs.names import real
from impasto.settings.recipes import recipe
from impasto.settings.schedule import most_iterations

if TYPE_CHECKING:
    from impasto.objective import StyleCache
    from impasto.objective.ranks import Ranks
    from impasto.outputs.session import Outcome
    from impasto.run.checkpoint import Checkpoint
    from impasto.run.run import Run
    from impasto.run.shared_checkpoint import SharedCheckpoint

__all__ = ["available_files", "paint"]

Wanted = Mapping[str, Value | None]


def paint(
    options: Options,
    content: str | None,
    styles: Sequence[str] = (),
    wanted: Wanted | None = None,
    series: Series | None = None,
) -> int:
    """Paint the pictures with these names; the exit code, 0, or 130 after Ctrl-C.

    `wanted` replaces the recipe's own files; `series` is what it shares with other pictures. Errors
    are raised once the picture so far is saved.
    """
    series = series or Series(replace=options.overwrite)
    named = Named(content, tuple(styles), options.sources)
    named.check()
    if options.distributed:
        distributed.check(options, named)
        with distributed.shared(options) as ranks, standard_output(wanted=options.to_stdout) as out:
            own = options if ranks.rank == 0 else replace(options, quiet=True, as_json=False)
            prepare = partial(_prepared, own, named, {}, out, series, ranks)
            return _paint(own, named, *distributed.together(ranks, prepare), ranks)
    with standard_output(wanted=options.to_stdout) as stream:
        request, run = _prepared(options, named, wanted, stream, series)
        return _paint(options, named, request, run)


def _prepared(
    options: Options,
    named: Named,
    wanted: Wanted | None,
    stream: BinaryIO | None,
    series: Series,
    ranks: "Ranks | None" = None,
) -> tuple[Request, "Run"]:
    """The outputs and the run, checked; of several processes only the first has outputs."""
    request = _request(options, named, wanted, stream, series)
    if ranks and ranks.rank:
        own = tuple(each for each in request.outputs if isinstance(each, CheckpointOutput))
        apart = Request(Target(Path("nothing.png")), own)
        return apart, _run(options, named, _checkpoint(options, apart), None, ranks)
    iterations = most_iterations(options.settings)
    request.check(named.files(), iterations=iterations)
    paths = [*request.paths(iterations)]
    series.check(paths)
    if not (options.overwrite or options.resume):
        for path in paths:
            check_new(path)
    run = _run(options, named, _checkpoint(options, request), series.cache, ranks)
    series.used.update(map(real, paths))
    return request, run


def _run(
    options: Options,
    named: Named,
    checkpoint: "Checkpoint | SharedCheckpoint | None",
    cache: "StyleCache | None",
    ranks: "Ranks | None",
) -> "Run":
    from impasto.run.run import Run

    content, styles, sources = named.opened(options)
    how: dict[str, Any] = {"max_pixels": options.max_pixels, "resume": checkpoint, **sources}
    return Run(content, styles or None, options.settings, cache=cache, ranks=ranks, **how)


def _paint(
    options: Options, named: Named, request: Request, run: "Run", ranks: "Ranks | None" = None
) -> int:
    from impasto.apps.tuned import paint_tuned

    if options.resume:
        finished = partial(_has_ended, options, request, run)
        if distributed.of_first(ranks, finished) if ranks else finished():
            return 0
    _tell_styles(options, named)
    patient = options.distributed or request.path("checkpoint") is not None
    with _shown(options)(run) as show, graceful(patient=patient) as stop:
        outcome = paint_tuned(run, request, show, stop)
    _tell(options, run, request, outcome)
    return 130 if outcome.interrupted else 0


def _has_ended(options: Options, request: Request, run: "Run") -> bool:
    """Whether there is nothing left to paint of a run that is resumed."""
    if run.done is None and not options.overwrite:
        _check_ours(request, run)
    return run.done in (None, run.total) and _is_finished(options, run, request)


def _tell_styles(options: Options, named: Named) -> None:
    """Say what is content and what is style where there are several, before anything is painted."""
    if len(named.styles) > 1 and not (options.quiet or options.as_json):
        content = f"content: {named.content}; " if named.content else ""
        print(one_line(f"{content}styles: {', '.join(named.styles)}"), file=sys.stderr)


def _names(named: Named) -> dict[str, str]:
    """Names by role, after which the result is named; several styles as one name."""
    files = [Path(file_of(style)).absolute() for style in named.styles]
    style = "+".join([*(file.stem for file in files[:-1]), *(file.name for file in files[-1:])])
    content = file_of(named.content) if named.content else ""
    return {role: name for role, name in (("content", content), ("style", style)) if name}


def _request(
    options: Options,
    named: Named,
    wanted: Wanted | None,
    stream: BinaryIO | None,
    series: Series,
) -> Request:
    """The outputs of the recipe whose libraries are installed, and those that were asked for.

    A picture that has no name by the user gets one of which there is no file, or with `--resume`
    that of a checkpoint. Beside a stream there are only the outputs that were asked for.
    """
    given = dict(options.placed_outputs)
    if options.resume or {"checkpoint_every", "keep_checkpoint"} & {*given}:
        given.setdefault("checkpoint", CHECKPOINT_NAME)
    files = {} if stream and wanted is None else available_files(options, wanted)
    names = _names(named)

    def make(picture: Path | None) -> Request:
        place = {} if picture is None else {"output": picture}
        return Request.of({**files, **given, **place}, names, stream)

    if "output" in given or stream:
        return make(None)
    if options.resume:
        return _begun(make)
    return free(make, most_iterations(options.settings), series.is_taken)


def _begun(make: Callable[[Path | None], Request]) -> Request:
    """The request whose checkpoint is there, of the numbers that an earlier run may have had."""
    first = request = make(None)
    for place in numbered(first.target.path):
        request = make(place)
        if taken(request.path("checkpoint") or place):
            return request
        if not taken(place):
            break
    return first


def _check_ours(request: Request, run: "Run") -> None:
    """OutputError where another picture than this run's is in the place of its result."""
    from impasto.run.finished import is_of

    path = request.target.path
    if request.target.stream is None and not is_of(path, run):
        check_new(path)


def _checkpoint(options: Options, request: Request) -> "Checkpoint | SharedCheckpoint | None":
    """The checkpoint to continue from; None if none is saved."""
    from impasto.run.checkpoint import Checkpoint
    from impasto.run.shared_checkpoint import SharedCheckpoint

    path = request.path("checkpoint")
    if not options.resume or path is None or not Checkpoint.exists(path):
        return None
    if options.distributed or SharedCheckpoint.is_index(path):
        return SharedCheckpoint.load(path)
    return Checkpoint.load(path)


def _is_finished(options: Options, run: "Run", request: Request) -> bool:
    """Whether the picture is this run's result already; prints a line that says so, or not yet."""
    from impasto.run.finished import iterations_in

    picture, name = request.target.path, printable(request.target.path)
    done = None if request.target.stream else iterations_in(picture, run)
    written = all(output.path.exists() for output in request.outputs if output.announced)
    if done is None or done < run.total or not written:
        if run.done is None:
            _tell_beginning(printable(request.path("checkpoint")), name, done)
        return False
    if options.as_json:
        _print_result(name, interrupted=False, iterations=done)
    elif not options.quiet:
        print(f"{name} is finished, with these settings and {done} iterations")
    return True


def _tell_beginning(checkpoint: str, picture: str, done: int | None) -> None:
    """Say that the run begins at the beginning, and why."""
    reason = f"no checkpoint {checkpoint} yet"
    if done is not None:
        reason = f"{picture} has {done} iterations, and its checkpoint was not kept"
    print(f"{reason}; painting from the beginning", file=sys.stderr)


def available_files(options: Options, wanted: Wanted | None = None) -> dict[str, Value]:
    """The recipe's outputs whose libraries are installed; prints a line for each other one."""
    files = recipe(options.settings.recipe).files if wanted is None else wanted
    kept, lines = available(files)
    for line in () if options.quiet else lines:
        print(one_line(line), file=sys.stderr)
    return kept


def _shown(options: Options) -> progress.Shown:
    if options.as_json:
        return progress.json_lines
    return progress.silent if options.quiet else progress.bar


def _tell(options: Options, run: "Run", request: Request, outcome: "Outcome") -> None:
    """Print where the picture is, and why the run ended early if it did."""
    name = printable(request.target.path) if outcome.result else None
    if options.as_json:
        _print_result(name, interrupted=outcome.interrupted, iterations=run.done)
    elif name is None:
        print("interrupted before the first iteration; nothing was written", file=sys.stderr)
    elif not options.quiet:
        names = ", ".join(printable(o.path) for o in request.outputs if o.announced)
        print(f"{_interrupted(run) if outcome.interrupted else _stopped(run)}wrote {names}")


def _print_result(output: str | None, *, interrupted: bool, iterations: int | None) -> None:
    """The last of the JSON lines."""
    line = {"output": output, "interrupted": interrupted, "iterations": iterations}
    print(json.dumps({"event": "result", **line}))


def _interrupted(run: "Run") -> str:
    """At which iteration and scale a run was interrupted."""
    step = run.steps[-1]
    scale = "x".join(map(str, step.size))
    return f"interrupted after {step.done} of {step.total} iterations, at {scale} px; "


def _stopped(run: "Run") -> str:
    """Why a run ended early; empty for one of full length."""
    if run.done is None or run.done >= run.total:
        return ""
    reason = "" if run.settings.tolerance > 0 else ", no step descends"
    return f"stopped after {run.done} of {run.total} iterations{reason}; "
