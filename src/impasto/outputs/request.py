"""The outputs that one run was asked for: named, checked before the run, none over another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from impasto.errors import ExtraMissing, OutputError, SettingsError
from impasto.outputs.base import OUTPUTS, Option, Output, Size, Target, Value, Values
from impasto.outputs.names import files_at, fill, real, stem

__all__ = ["Request", "available", "options"]

_NAMES = {
    frozenset({"content", "style"}): "{content}_{style}.png",
    frozenset({"content"}): "{content}_reconstruction.png",
    frozenset({"style"}): "{style}_texture.png",
}
_ENCODING = ("format", "bits", "quality", "metadata", "record")
_NONE = "none"  # turns off what a recipe asks for


@dataclass(frozen=True, eq=False)
class Request:
    """The outputs of one run, in the order of `OUTPUTS`, and where its picture goes.

    It serves one run at a time, since outputs keep state while they handle events.
    """

    target: Target
    outputs: tuple[Output, ...]

    @classmethod
    def of(
        cls,
        wanted: Mapping[str, Value | None],
        sources: Mapping[str, str] | None = None,
        stream: BinaryIO | None = None,
    ) -> Request:
        """The outputs that `wanted` asks for, a value for each name of `options()`.

        A recipe's table `files` is such a mapping. A file is a Path, taken as it is, or a `str`, a
        template of a name beside the picture with the fields {stem} and {suffix}; of the picture
        itself, with {content} and {style}. None and "none" stand for nothing.

        `sources` has the names of the inputs by role, content and style. They name the picture if
        `wanted` has no `output`. A binary `stream` gets the picture in place of a file.

        Raises SettingsError for an unknown name, a value that does not fit, or a bad template.
        """
        given, known = _given(wanted), options()
        target = _target(given, sources or {}, stream)
        placed = {name: _placed(known[name], value, target) for name, value in given.items()}
        placed["output"] = target.path
        return cls(target, tuple(_requested(placed, target).values()))

    def path(self, name: str) -> Path | None:
        """The file of the output called `name`; None if it is not requested."""
        kind = OUTPUTS.get(name)
        return next((output.path for output in self.outputs if type(output) is kind), None)

    def paths(self, iterations: int) -> Iterator[Path]:
        """Every file that a run of so many iterations writes, the picture first."""
        for output in self.outputs:
            yield from output.paths(iterations)

    def check(
        self, inputs: Iterable[str] = (), size: Size | None = None, iterations: int = 0
    ) -> None:
        """Raise now what would fail after a run of so many iterations.

        `inputs` are files and folders that the run may read; `size` is (w, h) of the result, if
        known.

        Raises OutputError for a place that cannot be written, or that is an input or the place of
        two outputs; ExtraMissing for a library that is not installed.
        """
        for output in self.outputs:
            output.require()
            output.check(size)
        self._check_collisions(inputs, iterations)

    def extra_bytes(self, size: Size) -> int:
        """Memory that the outputs take during a run with a result of `size` (w, h), bytes."""
        return sum(output.extra_bytes(size) for output in self.outputs)

    def _check_collisions(self, inputs: Iterable[str], iterations: int) -> None:
        from impasto.images.names import located

        read = {name: files_at(Path(located(name))) for name in inputs}
        taken = {real(path): f"the input {name}" for name, paths in read.items() for path in paths}
        for path in self.paths(iterations):
            place = real(path)
            if place in taken:
                raise OutputError(f"{path}: is also {taken[place]}; choose another name")
            taken[place] = f"another file of this run, {path.name}"


def options() -> dict[str, Option]:
    """Every option of every output, by name, in the order of `OUTPUTS`."""
    kinds = [OUTPUTS.get(name) for name in OUTPUTS.names()]
    return {option.name: option for kind in kinds for option in kind.options}


def available(wanted: Mapping[str, Value | None]) -> tuple[dict[str, Value], list[str]]:
    """What of `wanted` can be written with the libraries installed, and a line on each other one.

    See `Request.of` for `wanted` and the errors.
    """
    given, known = _given(wanted), options()
    target = Target(Path("picture.png"))  # any: only libraries are asked for
    placed = {name: _placed(known[name], value, target) for name, value in given.items()}
    lines = []
    for name, output in _requested(placed, target).items():
        if missing := _missing(output):
            lines.append(f"no {name}: {missing}")
            for option in output.options:
                given.pop(option.name, None)
    return given, lines


def _missing(output: Output) -> str:
    """The library that an output lacks, in a sentence; empty if it lacks none."""
    try:
        output.require()
    except ExtraMissing as error:
        return str(error)
    return ""


def _given(wanted: Mapping[str, Value | None]) -> dict[str, Value]:
    """The values that stand for something, checked."""
    known = options()
    for name in wanted:
        if name not in known:
            raise SettingsError(f"there is no output {name!r}; expected {', '.join(known)}")
    given = {n: v for n, v in wanted.items() if v is not None and not _is_off(known[n], v)}
    return {name: known[name].checked(value) for name, value in given.items()}


def _is_off(option: Option, value: Value) -> bool:
    """Whether a value turns off a file, rather than being one of its choices."""
    return str(value) == _NONE and _NONE not in option.choices


def _target(given: Values, sources: Mapping[str, str], stream: BinaryIO | None) -> Target:
    """Where the picture goes; the inputs name it if `given` does not."""
    encoding: dict[str, Any] = {n: given[n] for n in _ENCODING if n in given}
    if stream:
        return Target(Path("standard output"), stream=stream, **encoding)
    if "format" in given:
        raise SettingsError("format is of standard output; a file has that of its ending")
    stems = {role: stem(source) for role, source in sources.items()}
    output = given.get("output") or _NAMES.get(frozenset(stems))
    if output is None:
        raise SettingsError("output is missing; expected the path of the picture")
    path = output if isinstance(output, Path) else Path(fill(str(output), stems))
    return Target(path, **encoding)


def _placed(option: Option, value: Value, target: Target) -> Value:
    """The value, a template of a file as the path beside the picture."""
    template = option.kind is Path and option.name != "output" and isinstance(value, str)
    return target.beside(str(value)) if template else value


def _requested(values: Values, target: Target) -> dict[str, Output]:
    """The outputs that the values ask for, by name."""
    found = {}
    for name in OUTPUTS.names():
        kind = OUTPUTS.get(name)
        own = {o.name: values[o.name] for o in kind.options if o.name in values}
        if kind.requested(own):
            found[name] = kind(own, target)
    return found
