"""One picture painted by all processes that torchrun has started; the first writes and tells.

    torchrun --nproc-per-node 2 -m impasto stylize photo.jpg painting.jpg --distributed

An error that several processes have is printed by the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from impasto.apps.cli.inputs import STDIN, Named
from impasto.apps.cli.options import Options
from impasto.errors import ImpastoError, OutOfMemory, ProcessLost, SettingsError

if TYPE_CHECKING:
    from impasto.objective.ranks import Ranks

__all__ = ["OUTPUTS", "check", "of_first", "shared", "together"]

Made = TypeVar("Made")

OUTPUTS = (
    *("output", "format", "bits", "quality", "metadata", "record", "trace"),
    *("checkpoint", "checkpoint_every", "keep_checkpoint"),
)
"""Options of outputs that need no whole canvas before the run has ended."""


def check(options: Options, named: Named) -> None:
    """SettingsError for what is not there with several processes."""
    refused = [name for name in options.outputs if name not in OUTPUTS]
    if refused:
        raise SettingsError(
            f"{refused[0]} is not there with distributed, where no process has all of the canvas "
            f"while it is painted; leave one of the two out"
        )
    if STDIN in named.names():
        raise SettingsError("- is read by one process; with distributed name files")


@contextmanager
def shared(options: Options) -> Iterator[Ranks]:
    """The processes; an error of this one alone says whose it is.

    Raises typer.Exit where another process prints what all raise.
    """
    from impasto.hardware.ranks import joined

    with joined(options.settings.device) as ranks:
        try:
            yield ranks
        except _Own:
            raise
        except ImpastoError as error:
            if ranks.rank == 0 or isinstance(error, (OutOfMemory, ProcessLost)):
                _raise(error, ranks.rank)
            raise typer.Exit(2) from error


def together(ranks: Ranks, make: Callable[[], Made]) -> Made:
    """What `make` returns, once it has at all processes; else the error, at the first that has it.

    At the others typer.Exit.
    """
    from impasto.objective.ranks import fingerprint, gathered

    made: Made | None = None
    failure: ImpastoError | None = None
    try:
        made = make()
    except ImpastoError as error:
        failure = error
    mark = fingerprint(str(failure)) if failure else 0.0
    marks = gathered(ranks, mark)
    if not any(marks):
        assert made is not None
        return made
    if failure and marks.index(mark) == ranks.rank:
        _raise(failure, ranks.rank)
    raise typer.Exit(2)


def of_first(ranks: Ranks, find: Callable[[], bool]) -> bool:
    """What the first process finds, at all of them; its error ends them all."""
    from impasto.objective.ranks import gathered

    found = together(ranks, find if ranks.rank == 0 else bool)
    return bool(gathered(ranks, float(found))[0])


def _raise(error: ImpastoError, rank: int) -> NoReturn:
    """Raise the error; of a process that is not the first, as its own."""
    if rank == 0:
        raise error
    raise _Own(f"process {rank}: {error}") from error


class _Own(ImpastoError):
    """An error of one process, past the others' silence."""
