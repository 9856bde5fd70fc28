"""Where the files of a run go: the picture, and what a recipe or its user wants beside it."""

from __future__ import annotations

import os
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impasto.errors import ExtraMissing, OutputError, SettingsError
from impasto.images import check_writable
from impasto.report import check_film, check_report
from impasto.samples import found

__all__ = ["Files", "filled"]

_OUTPUTS = {
    frozenset({"content", "style"}): "{content}_{style}.png",
    frozenset({"content"}): "{content}_reconstruction.png",
    frozenset({"style"}): "{style}_texture.png",
}
_INTERMEDIATE = "{stem}.{iteration:04d}{suffix}"


@dataclass(frozen=True)
class Files:
    """Names of a run's files, and how its pictures are written.

    `intermediate` is the name, beside `output`, of the picture saved every `save_every` iterations
    (0 never), with the fields {stem} and {suffix} of `output` and {iteration}.
    """

    output: Path
    bits: int = 8
    quality: int = 95
    save_every: int = 0
    intermediate: str = _INTERMEDIATE
    trace: Path | None = None
    report: Path | None = None
    timelapse: Path | None = None

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

    def possible(self) -> tuple[Files, list[str]]:
        """These files but for those that need a library not installed, and why each is left out."""
        needs = {
            "report": _lack(check_report, self.report),
            "timelapse": _lack(check_film, self.timelapse),
        }
        lacking = {kind: why for kind, why in needs.items() if why}
        absent: dict[str, Any] = dict.fromkeys(lacking)
        return replace(self, **absent), [f"no {kind}: {why}" for kind, why in lacking.items()]

    def check(self, sources: Iterable[str] = (), size: tuple[int, int] | None = None) -> None:
        """Raise now what would otherwise go wrong after the run.

        `sources` may be read and so must not be overwritten; `size` is (w, h) where it is known.
        """
        check_writable(self.output, self.bits, self.quality, size)
        if self.save_every:
            check_writable(self.at(9_999_999), self.bits, self.quality, size)
        if self.trace:
            _check_trace(self.trace)
        if self.report:
            check_report(self.report)
        if self.timelapse:
            check_film(self.timelapse)
        self._check_collisions(sources)

    def _check_collisions(self, sources: Iterable[str]) -> None:
        """No file is both read and written, or written for two purposes."""
        read = {name: Path(found(name)) for name in sources}
        taken = {p.resolve(): f"the input {name}" for name, p in read.items() if p.is_file()}
        for kind in ("output", "trace", "report", "timelapse"):
            path: Path | None = getattr(self, kind)
            if path is None:
                continue
            if path.resolve() in taken:
                raise OutputError(
                    f"--{kind} {path}: is also {taken[path.resolve()]}; choose another file"
                )
            taken[path.resolve()] = f"the {kind}"


def filled(template: str, fields: Mapping[str, object]) -> str:
    """The template with its fields filled in; SettingsError for one that there is not."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        stranger = next((name for name in names if name not in fields), None)
        text = template.format_map(dict(fields)) if stranger is None else ""
    except (ValueError, KeyError) as error:  # KeyError: of a field within a field
        raise SettingsError(f"{template!r} is no template of a file name ({error})") from error
    if stranger is not None:
        known = ", ".join(f"{{{field}}}" for field in fields)
        raise SettingsError(f"{template!r} has the field {{{stranger}}}; expected {known}")
    return text


def _stem(source: str) -> str:
    return Path(source.removeprefix("sample:")).stem


def _lack(check: Callable[[Path], object], path: Path | None) -> str:
    """What is missing to write `path`, if it is to be written."""
    try:
        if path:
            check(path)
    except ExtraMissing as error:
        return str(error)
    return ""


def _check_trace(path: Path) -> None:
    """Raise OutputError if a trace cannot be written to `path`; an older one stays untouched."""
    if path.is_dir():
        raise OutputError(f"{path}: cannot be written (a folder); expected a file name")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written (no folder {path.parent}); create it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputError(f"{path}: cannot be written (no permission); choose another place")
