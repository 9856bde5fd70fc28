"""Where a batch's files go: a name of its own for each, within one folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path, PurePath
from tempfile import NamedTemporaryFile, TemporaryDirectory

from impasto.apps.batch.pairs import Pair
from impasto.apps.batch.stores import Place, Url
from impasto.errors import OutputError, SettingsError
from impasto.outputs import Request, options
from impasto.outputs.base import Value
from impasto.outputs.names import fill
from impasto.settings import Settings
from impasto.settings.recipes import recipe
from impasto.settings.schedule import most_iterations

__all__ = ["Job", "Layout", "make_folder"]

MANIFEST = "manifest.jsonl"
SHARED = "manifest.shared"

Outputs = Mapping[str, Value]


@dataclass(frozen=True)
class Job:
    """One pair to paint; plain values, so that it can be sent to another process.

    Attributes:
        index: the pair's number, from 0.
        pair: its pictures.
        name: the result's name within the output folder, with "/".
        path: the result's file; one in a store is painted by `impasto.apps.batch.staging`.
        outputs: what else is written, as in the table `files` of a recipe.
    """

    index: int
    pair: Pair
    name: str
    path: Place
    outputs: Outputs = field(default_factory=dict)

    def request(self, checkpoint: Path | None = None) -> Request:
        """The outputs of a run of this job, and a checkpoint if it has a path."""
        assert isinstance(self.path, Path)
        places = {"output": self.path, "checkpoint": checkpoint}
        return Request.of({**self.outputs, **places}, _sources(self.pair))

    def places(self, iterations: int) -> Iterator[Place]:
        """Every file that a run of so many iterations writes, where it is to be in the end."""
        if isinstance(self.path, Path):
            yield from self.request().paths(iterations)
            return
        here = Path(self.path.name)
        for path in replace(self, path=here).request().paths(iterations):
            yield self.path.parent / path.as_posix()

    @property
    def checkpoint(self) -> Path | None:
        """A hidden file beside the result, from which another worker can continue.

        None in a store: it would be sent there whole each time.
        """
        if isinstance(self.path, Url):
            return None
        # the name is cut, because a folder takes 255 bytes and a character may be four
        digest = hashlib.sha256(os.fsencode(self.path.name)).hexdigest()[:8]
        return self.path.with_name(f".{self.path.name[:40]}.{digest}.checkpoint")


@dataclass(frozen=True)
class Layout:
    """The names of a batch's files.

    Args:
        folder: holds all of them, here or in a store; made if it is missing.
        name: the result's name within it, with the fields {index}, {content} and {style} (the names
            of the files without their endings) and {recipe}. None is gen_{index}/ followed by the
            recipe's name for its result.
        outputs: what is written, as in the table `files` of a recipe; names of files are beside the
            result. None stands for the recipe's own.
    """

    folder: Place
    name: str | None = None
    outputs: Outputs | None = None

    @property
    def manifest(self) -> Place:
        """The file with a line for each pair."""
        return self.folder / MANIFEST

    @property
    def shared(self) -> Path:
        """The folder of workers that share the batch, while it is painted.

        Raises SettingsError for a batch in a store.
        """
        if isinstance(self.folder, Url):
            raise SettingsError(
                f"share is true, and in {self.folder.scheme}:// no file is created by only one of "
                f"several workers; leave it out, use --on ray, or choose an output folder of a "
                f"file system"
            )
        return self.folder / SHARED

    def jobs(
        self, pairs: Sequence[Pair], settings: Settings, shared: Iterable[Place] = ()
    ) -> list[Job]:
        """The jobs of these pairs; nothing is written. `shared` are files that all of them read.

        Raises SettingsError for a name that leaves the folder or is no template, OutputError for
        files that would overwrite an input or each other.
        """
        outputs = self._outputs(settings)
        names = [self._name(index, pair, settings) for index, pair in enumerate(pairs)]
        if len({PurePath(name).parent for name in names}) < len(names):
            outputs = _told_apart(outputs)
        jobs = [
            Job(index, pair, name, self.folder / name, outputs)
            for index, (pair, name) in enumerate(zip(pairs, names, strict=True))
        ]
        self._check_collisions(jobs, shared, most_iterations(settings))
        return jobs

    @contextmanager
    def prepared(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Make the folder, and check that such files can be written in it.

        Raises OutputError or ExtraMissing where they cannot. After an error, here or in the block,
        folders that were made are removed, so that a refused batch leaves nothing. A place that is
        wrong for one job only is left for that job to report.
        """
        if isinstance(self.folder, Url):
            with TemporaryDirectory(prefix="impasto-") as here:
                self._check_places(jobs, Path(here))
            yield
            return
        made = make_folder(self.folder)
        try:
            self._check_places(jobs, self.folder)
            yield
        except BaseException:
            for folder in reversed(made):
                with suppress(OSError):  # somebody else's file is in it now
                    folder.rmdir()
            raise

    def check_free(self, jobs: Sequence[Job], iterations: int, remedy: str) -> None:
        """OutputError for a file in the place of a new one, in a folder where no batch has been.

        Where one has been, its manifest is there, and a file in such a place counts as its own: the
        batch may have been killed before it added the file's line. `remedy` ends the message.
        """
        if self._is_begun():
            return
        found = _first_there(path for job in jobs for path in job.places(iterations))
        if found is None:
            return
        if isinstance(self.folder, Path):
            # what another worker has just made is seen then; see `impasto.apps.leases`
            with suppress(OSError), NamedTemporaryFile(prefix=".", dir=self.folder):
                pass
        if not self._is_begun():
            raise OutputError(
                f"{found}: exists, and no batch has painted it; choose another --output, {remedy}"
            )

    def _is_begun(self) -> bool:
        """Whether a batch has begun to paint into the folder."""
        if isinstance(self.folder, Url):
            return (self.folder / MANIFEST).exists()
        return any(os.path.lexists(self.folder / name) for name in (MANIFEST, SHARED))

    def _check_places(self, jobs: Sequence[Job], folder: Path) -> None:
        for suffix in sorted({job.path.suffix for job in jobs}):
            Job(0, jobs[0].pair, "", folder / f"result{suffix}", jobs[0].outputs).request().check()

    def _outputs(self, settings: Settings) -> Outputs:
        if self.outputs is not None:
            return self.outputs
        return recipe(settings.recipe).files if settings.recipe else {}

    def _name(self, index: int, pair: Pair, settings: Settings) -> str:
        """The result's name within the folder, with "/"; SettingsError if it leads elsewhere."""
        if self.name is None:
            return f"gen_{index}/{Request.of(self._outputs(settings), _sources(pair)).target.path}"
        stems = {"content": pair.content.stem, "style": pair.style.stem}
        name = fill(self.name, {"index": index, **stems, "recipe": settings.recipe})
        parts = name.replace(os.sep, "/").split("/")
        if PurePath(name).anchor or not {"", ".", ".."}.isdisjoint(parts):
            raise SettingsError(
                f"name {self.name!r} makes {name!r}; expected a path within the output folder, "
                f"such as {{index:03d}}/{{content}}.png"
            )
        return "/".join(parts)

    def _check_collisions(
        self, jobs: Sequence[Job], shared: Iterable[Place], iterations: int
    ) -> None:
        """Every file is in the folder, and none is read, or written twice."""
        home = _real(self.folder)
        inputs = [path for job in jobs for path in (job.pair.content, job.pair.style)]
        taken = {_real(path): f"the input {path}" for path in (*inputs, *shared)}
        workers = "the folder of the batch's workers"
        own = {_real(self.manifest): "the manifest", _real(self.folder / SHARED): workers}
        taken |= own
        for job in jobs:
            for path in job.places(iterations):
                real = _real(path)
                if isinstance(real, Path):
                    self._check_within(path, real, home, own)
                if real in taken:
                    raise OutputError(
                        f"{path}: is also {taken[real]}; choose another output folder, or a name "
                        f"that differs for each pair, as by {{index}}"
                    )
                taken[real] = f"a file of {job.pair.content} with {job.pair.style}"

    def _check_within(self, path: Place, real: Path, home: Place, own: Mapping[Place, str]) -> None:
        """OutputError where a file is out of the folder, or below a file of the batch's own."""
        if not real.is_relative_to(str(home)):
            raise OutputError(f"{path}: a link leads out of {self.folder}; remove the link")
        if within := own.keys() & set(real.parents):
            raise OutputError(f"{path}: is below {own[within.pop()]}; choose another name")


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and its parents where they are missing; those made, the outermost first.

    Raises OutputError where that fails.
    """
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{folder}: cannot be made ({reason}); expected a folder") from error
    return missing[::-1]


def _first_there(paths: Iterable[Place]) -> Place | None:
    """The first of these files that exists; each folder of a store is listed once."""
    files = cache(Url.files)
    for path in paths:
        # Path.is_file raises for a name that is too long
        if path in files(path.parent) if isinstance(path, Url) else os.path.isfile(path):  # noqa: PTH113 (see above)
            return path
    return None


def _told_apart(outputs: Outputs) -> Outputs:
    """Names of files whose neighbours belong to other pairs: each has its picture's stem."""
    beside = {o.name for o in options().values() if o.names_file} - {"output"}
    return {
        kind: f"{{stem}}_{name}" if kind in beside and "{stem" not in str(name) else name
        for kind, name in outputs.items()
    }


def _sources(pair: Pair) -> dict[str, str]:
    return {"content": str(pair.content), "style": str(pair.style)}


def _real(path: Place) -> Place:
    """The file that a path leads to, past links; OutputError for what cannot be a path."""
    if isinstance(path, Url):
        return path
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:  # a NUL in the name
        raise OutputError(f"{path}: {error}; expected the name of a file") from error
