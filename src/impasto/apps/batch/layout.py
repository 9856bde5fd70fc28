"""Where a batch's files go: a name of its own for each, within one folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from impasto.apps.batch.pairs import Pair
from impasto.errors import OutputError, SettingsError
from impasto.outputs import Request, options
from impasto.outputs.base import Value
from impasto.outputs.names import fill
from impasto.settings import Settings
from impasto.settings.recipes import recipe
from impasto.settings.schedule import most_iterations

__all__ = ["Job", "Layout"]

MANIFEST = "manifest.jsonl"

Wishes = Mapping[str, Value]


@dataclass(frozen=True)
class Job:
    """A pair, its number from 0 on, its result's name within the output folder, and its outputs."""

    index: int
    pair: Pair
    name: str
    request: Request


@dataclass(frozen=True)
class Layout:
    """The names of a batch's files.

    Args:
        folder: where all of them go; made if need be.
        name: the result's within it, with the fields {index}, {content} and {style} (the names of
            the files without their endings) and {recipe}; None is gen_{index}/ and then what the
            recipe calls its result.
        wishes: what else is written, and called, as in the table `files` of a recipe: `save_every`,
            and the names `intermediate`, `report`, `timelapse` and `trace`, beside the result. None
            are the recipe's own.
        bits, quality: how pictures are written; see `Target`.
        sources: files that all pairs share, as arguments of `impasto.Run`, such as masks.
    """

    folder: Path
    name: str | None = None
    wishes: Wishes | None = None
    bits: int = 8
    quality: int = 95
    sources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def manifest(self) -> Path:
        """The file that tells what became of each pair."""
        return self.folder / MANIFEST

    def jobs(self, pairs: Sequence[Pair], settings: Settings) -> list[Job]:
        """What to paint, and where to; nothing is written yet.

        Raises SettingsError for a name that leaves the folder or is no template, OutputError for
        files that would overwrite an input or each other.
        """
        wishes = self._wishes(settings)
        names = [self._name(index, pair, settings) for index, pair in enumerate(pairs)]
        if len({PurePath(name).parent for name in names}) < len(names):
            wishes = _told_apart(wishes)
        jobs = [
            Job(index, pair, name, self._request(name, pair, wishes))
            for index, (pair, name) in enumerate(zip(pairs, names, strict=True))
        ]
        self._check(jobs, settings)
        return jobs

    def prepare(self, jobs: Sequence[Job], settings: Settings) -> None:
        """Make the folder; OutputError or ExtraMissing where no such files can be written in it.

        What is wrong with the place of one job only is left for that job to find.
        """
        made(self.folder)
        for suffix in sorted({job.request.target.path.suffix for job in jobs}):
            self._request(f"result{suffix}", jobs[0].pair, self._wishes(settings)).check()

    def _wishes(self, settings: Settings) -> Wishes:
        if self.wishes is not None:
            return self.wishes
        return recipe(settings.recipe).files if settings.recipe else {}

    def _request(self, name: str, pair: Pair, wishes: Wishes) -> Request:
        own: dict[str, Value] = {
            "output": self.folder / name,
            "bits": self.bits,
            "quality": self.quality,
        }
        return Request.of({**wishes, **own}, _sources(pair))

    def _name(self, index: int, pair: Pair, settings: Settings) -> str:
        """The result's name within the folder, with "/"; SettingsError if it leads elsewhere."""
        if self.name is None:
            return f"gen_{index}/{Request.of(self._wishes(settings), _sources(pair)).target.path}"
        stems = {"content": pair.content.stem, "style": pair.style.stem}
        name = fill(self.name, {"index": index, **stems, "recipe": settings.recipe})
        parts = name.replace(os.sep, "/").split("/")
        if PurePath(name).anchor or not {"", ".", ".."}.isdisjoint(parts):
            raise SettingsError(
                f"name {self.name!r} makes {name!r}; expected a path within the output folder, "
                f"such as {{index:03d}}/{{content}}.png"
            )
        return "/".join(parts)

    def _check(self, jobs: Sequence[Job], settings: Settings) -> None:
        """Every file is in the folder, and none is read, or written twice."""
        home, manifest = _real(self.folder), _real(self.manifest)
        taken = {manifest: "the manifest"}
        shared = [Path(name) for value in self.sources.values() for name in _listed(value)]
        for job in jobs:
            inputs = (job.pair.content, job.pair.style)
            taken.update((_real(path), f"the input {path}") for path in inputs)
        taken.update((_real(path), f"the input {path}") for path in shared)
        for job in jobs:
            for path in job.request.paths(most_iterations(settings)):
                real = _real(path)
                if not real.is_relative_to(home):
                    raise OutputError(f"{path}: a link leads out of {self.folder}; remove the link")
                if manifest in real.parents:
                    raise OutputError(f"{path}: lies below the manifest; choose another --name")
                if real in taken:
                    raise OutputError(
                        f"{path}: is also {taken[real]}; choose another --output, or a --name "
                        f"that differs for each pair, as by {{index}}"
                    )
                taken[real] = f"a file of {job.pair.content} with {job.pair.style}"


def made(folder: Path) -> None:
    """Make the folder if need be; OutputError where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{folder}: cannot be made ({reason}); expected a folder") from error


def _told_apart(wishes: Wishes) -> Wishes:
    """Names for files whose neighbours are those of other pairs: each has its picture's stem."""
    beside = {o.name for o in options().values() if o.names_file} - {"output"}
    return {
        kind: f"{{stem}}_{name}" if kind in beside and "{stem" not in str(name) else name
        for kind, name in wishes.items()
    }


def _sources(pair: Pair) -> dict[str, str]:
    return {"content": str(pair.content), "style": str(pair.style)}


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 (one file or several)
    return value if isinstance(value, list) else [value]


def _real(path: Path) -> Path:
    """Where a path leads, past links."""
    return Path(os.path.realpath(path))
