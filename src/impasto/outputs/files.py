"""Where the files of a run go: the picture, and what a recipe or its user wants beside it."""

from __future__ import annotations

import os
import re
import stat
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impasto.errors import ExtraMissing, OutputError, SettingsError
from impasto.images import check_place, check_writable
from impasto.images.samples import found
from impasto.outputs.report.writing import check_report
from impasto.outputs.timelapse.film import check_film

__all__ = ["CHECKPOINT", "TRACES", "Files", "affordable", "filled"]

CHECKPOINT = ".checkpoint"
"""Ending of a checkpoint's name, for it is written over whatever had that name."""

TRACES = (".jsonl", ".json", ".txt", ".log")
"""Endings of a trace's name, for it is written as it comes, over whatever had that name."""

_OUTPUTS = {
    frozenset({"content", "style"}): "{content}_{style}.png",
    frozenset({"content"}): "{content}_reconstruction.png",
    frozenset({"style"}): "{style}_texture.png",
}
_FORMAT = re.compile(r"0?[0-9]{0,2}[ds]?")
_INTERMEDIATE = "{stem}.{iteration:04d}{suffix}"


@dataclass(frozen=True)
class Files:
    """Names of a run's files, and how its pictures are written.

    `intermediate` is the name, beside `output`, of the picture saved every `save_every` iterations
    (0 never), with the fields {stem} and {suffix} of `output` and {iteration}. `checkpoint_every`
    is in seconds, None for as often as costs next to nothing. With `preview` what there is of the
    picture lies at `output` from the first second on.
    """

    output: Path
    bits: int = 8
    quality: int = 95
    save_every: int = 0
    intermediate: str = _INTERMEDIATE
    trace: Path | None = None
    report: Path | None = None
    timelapse: Path | None = None
    checkpoint: Path | None = None
    checkpoint_every: float | None = None
    preview: bool = False

    @classmethod
    def of(
        cls, wishes: Mapping[str, str | int], sources: Mapping[str, str], output: Path | None = None
    ) -> Files:
        """The files that a recipe's table `files` wishes for.

        `sources` has the names of the pictures read, by role: content and style. They name the
        output, where neither `output` nor the recipe does.
        """
        stems = {role: _stem(source) for role, source in sources.items()}
        name = str(wishes.get("output", _OUTPUTS[frozenset(stems)]))
        files = cls(output or Path(filled(name, stems)))
        beside: dict[str, Any] = {
            kind: files.beside(str(wishes[kind]))
            for kind in ("trace", "report", "timelapse")
            if kind in wishes
        }
        intermediate = str(wishes.get("intermediate", _INTERMEDIATE))
        every = int(wishes.get("save_every", 0))
        return replace(files, save_every=every, intermediate=intermediate, **beside)

    def beside(self, template: str) -> Path:
        """A file in the picture's folder; the template may have its {stem} and {suffix}.

        Raises SettingsError for one that leads elsewhere.
        """
        name = filled(template, {"stem": self.output.stem, "suffix": self.output.suffix})
        if not name or Path(name).name != name:
            raise SettingsError(f"{template!r} is not a file beside the picture; expected a name")
        return self.output.with_name(name)

    def at(self, iteration: int) -> Path:
        """The picture saved after so many iterations."""
        fields = {"stem": self.output.stem, "suffix": self.output.suffix, "iteration": iteration}
        return self.output.with_name(filled(self.intermediate, fields))

    def written(self, iterations: int) -> Iterator[Path]:
        """Every file that a run of so many iterations writes, the result first."""
        yield self.output
        beside = (self.trace, self.report, self.timelapse, self.checkpoint)
        yield from (path for path in beside if path)
        every = self.save_every
        yield from map(self.at, range(every, iterations, every) if every else ())

    def check(
        self,
        sources: Iterable[str] = (),
        size: tuple[int, int] | None = None,
        iterations: int = 0,
    ) -> None:
        """Raise now what would otherwise go wrong after a run of so many iterations.

        `sources` may be read and so must not be overwritten; `size` is (w, h) where it is known.
        """
        check_writable(self.output, self.bits, self.quality, size)
        if self.save_every:
            check_writable(self.at(9_999_999), self.bits, self.quality, size)
        if self.trace and not _is_device(self.trace):
            check_place(self.trace, TRACES)
        if self.report:
            check_report(self.report)
        if self.timelapse:
            check_film(self.timelapse)
        if self.checkpoint:
            check_place(self.checkpoint, (CHECKPOINT,))
        self._check_collisions(sources, iterations)

    def _check_collisions(self, sources: Iterable[str], iterations: int) -> None:
        """No file is both read and written, or written for two purposes."""
        read = {name: _files_at(Path(found(name))) for name in sources}
        taken = {_real(path): f"the input {name}" for name, paths in read.items() for path in paths}
        for path in self.written(iterations):
            real = _real(path)
            if real in taken:
                raise OutputError(f"{path}: is also {taken[real]}; choose another name")
            taken[real] = f"another file of this run, {path.name}"


def _real(path: Path) -> str:
    """Where a path leads, past links."""
    return os.path.realpath(path)


def _files_at(path: Path) -> list[Path]:
    """The file there is; those of a folder, which may be a style."""
    # Path.is_file and is_dir raise for a name that is too long
    if os.path.isdir(path):  # noqa: PTH112
        with suppress(OSError):  # whoever reads it will say so
            return list(path.iterdir())
    return [path] if os.path.isfile(path) else []  # noqa: PTH113


def _is_device(path: Path) -> bool:
    """Such as /dev/stderr, or a pipe."""
    with suppress(OSError):
        return not stat.S_ISREG(path.stat().st_mode) and not stat.S_ISDIR(path.stat().st_mode)
    return False


def filled(template: str, fields: Mapping[str, object]) -> str:
    """The template with its fields filled in; SettingsError for one that there is not."""
    try:
        parts = [part for part in string.Formatter().parse(template) if part[1] is not None]
        stranger = next((name for _, name, _, _ in parts if name not in fields), None)
        wide = any(not _FORMAT.fullmatch(form or "") for _, _, form, _ in parts)
        text = template.format_map(dict(fields)) if stranger is None and not wide else ""
    except (ValueError, KeyError) as error:  # KeyError: of a field within a field
        raise SettingsError(f"{template!r} is no template of a file name ({error})") from error
    if stranger is not None:
        known = ", ".join(f"{{{field}}}" for field in fields)
        raise SettingsError(f"{template!r} has the field {{{stranger}}}; expected {known}")
    if wide:
        raise SettingsError(
            f"{template!r} has a format; expected a width of at most two digits, as {{index:03d}}"
        )
    return text


def affordable(wishes: Mapping[str, str | int]) -> tuple[dict[str, str | int], list[str]]:
    """The wishes but for files that need a library not installed, and why each is left out."""
    checks = {"report": check_report, "timelapse": check_film}
    needs = {kind: _lack(check, wishes.get(kind)) for kind, check in checks.items()}
    kept = {kind: wish for kind, wish in wishes.items() if not needs.get(kind)}
    return kept, [f"no {kind}: {why}" for kind, why in needs.items() if why]


def _lack(check: Callable[[Path], object], name: str | int | None) -> str:
    """What is missing to write a file of that name, if it is wished for."""
    try:
        with suppress(OutputError):  # a matter of where it goes, which is not known yet
            if name is not None:
                check(Path(str(name)))
    except ExtraMissing as error:
        return str(error)
    return ""


def _stem(source: str) -> str:
    return Path(source.removeprefix("sample:")).stem
