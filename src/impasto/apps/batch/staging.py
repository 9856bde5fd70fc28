"""A job whose files are in a store, painted from copies and into a folder of this machine alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from impasto.apps.batch.layout import Job
from impasto.apps.batch.pairs import Pair
from impasto.apps.batch.stores import Place, Url

__all__ = ["at_hand", "deliver"]


@contextmanager
def at_hand(job: Job) -> Iterator[Job]:
    """The job with paths of this machine, as long as the block lasts; one that has them as it is.

    The copies are this job's own, so that nobody else reads one before it is whole. Raises
    ImageError for a picture that cannot be fetched.
    """
    if not any(isinstance(each, Url) for each in (job.path, job.pair.content, job.pair.style)):
        yield job
        return
    with TemporaryDirectory(prefix="impasto-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        content = _copy(job.pair.content, folder / "content")
        style = _copy(job.pair.style, folder / "style")
        path = job.path
        if isinstance(path, Url):
            path = folder / "result" / path.name
        yield replace(job, pair=Pair(content, style), path=path)


def deliver(job: Job, here: Job) -> None:
    """Put the files of a job that was painted here into its store, the picture last.

    Each is put as a whole. Raises OutputError where that fails.
    """
    if not isinstance(job.path, Url) or not isinstance(here.path, Path):
        return
    folder = here.path.parent
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != here.path]
    for path in [*files, here.path]:
        (job.path.parent / path.relative_to(folder).as_posix()).put(path)


def _copy(place: Place, folder: Path) -> Place:
    return place.fetch(folder) if isinstance(place, Url) else place
