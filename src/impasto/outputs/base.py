"""What an output is: a file made from the events of a run, with everything about it in one class.

`OUTPUTS` names them all. To add one, write a subclass of `Output` in a file of its own and register
it: `OUTPUTS.register("losses", Losses)`, or an entry point of the group `impasto.outputs`. Recipes,
Python and the command line then know its options. These modules import torch only inside functions,
so that the command line can list the options at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, TypeAlias

from impasto.errors import OutputError, SettingsError
from impasto.outputs.names import fill
from impasto.settings.registry import Registry

if TYPE_CHECKING:
    from impasto.images import Picture
    from impasto.run import Result, Run

__all__ = ["OUTPUTS", "Option", "Output", "Size", "Target", "Value", "Values"]

Size: TypeAlias = tuple[int, int]  # width, height in pixels
Value: TypeAlias = str | int | float | bool | Path
Values: TypeAlias = Mapping[str, Any]  # each of its option's kind

OUTPUTS: Registry[type[Output]] = Registry(
    "output",
    {
        "picture": "impasto.outputs.picture:PictureOutput",
        "preview": "impasto.outputs.preview:PreviewOutput",
        "trace": "impasto.outputs.trace:TraceOutput",
        "intermediates": "impasto.outputs.intermediates:IntermediatesOutput",
        "report": "impasto.outputs.report.output:ReportOutput",
        "timelapse": "impasto.outputs.timelapse.output:TimelapseOutput",
        "checkpoint": "impasto.outputs.checkpointing:CheckpointOutput",
    },
    "impasto.outputs",
)
"""The outputs by name, in the order in which they handle an event."""


@dataclass(frozen=True)
class Option:
    """A value that an output takes, under one name in recipes, in Python and on the command line.

    Args:
        name: the key; the command line has it as `--name`, with "-" in place of "_".
        kind: Path, int, float, bool or str. A Path that is given as `str` is a template of a name
            beside the picture, with the fields {stem} and {suffix}.
        help: one sentence for the command line.
        metavar: what stands for the value there.
        short: a one-letter option, such as "-o".
        minimum, maximum: bounds of a number.
        fields: of a name that the output itself fills in for each of its files; `kind` is str.
        choices: what the value may be, of a `str`; any text if there are none.
        on_command_line: whether the command line has it, and not only recipes and Python.
    """

    name: str
    kind: type
    help: str
    metavar: str | None = None
    short: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    fields: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    on_command_line: bool = True

    @property
    def names_file(self) -> bool:
        """Whether the value is the name of a file, or of several."""
        return self.kind is Path or bool(self.fields)

    def checked(self, value: Value) -> Any:  # noqa: ANN401 (of the kind)
        """The value as `kind`; SettingsError if it is of another kind or out of bounds."""
        kinds: tuple[type, ...] = {float: (int, float), Path: (str, Path)}.get(
            self.kind, (self.kind,)
        )
        if not isinstance(value, kinds) or (isinstance(value, bool) and self.kind is not bool):
            raise SettingsError(f"{self.name} is {value!r}; expected {self.kind.__name__}")
        if self.choices and value not in self.choices:
            raise SettingsError(f"{self.name} is {value!r}; expected {', '.join(self.choices)}")
        if isinstance(value, (int, float)) and not self._within(value):
            low, high = self.minimum, self.maximum
            bounds = f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
            raise SettingsError(f"{self.name} is {value}; expected {bounds}")
        return value

    def _within(self, value: float) -> bool:
        low = float("-inf") if self.minimum is None else self.minimum
        return low <= value <= (float("inf") if self.maximum is None else self.maximum)


@dataclass(frozen=True)
class Target:
    """Where the picture of a run goes, and how pictures are encoded.

    Args:
        path: the picture's file; of a stream, a name that is never written to.
        bits: depth of PNG and TIFF, 8 or 16.
        quality: of JPEG, WebP and AVIF, 1 to 100.
        metadata: what files get of the photograph's, as in `Picture.save`.
        record: how much of the run's record they get: none, short or full.
        stream: gets the picture in place of the file.
        format: of a stream, as in `Picture.save`.
    """

    path: Path
    bits: int = 8
    quality: int = 95
    metadata: str = "keep"
    record: str = "full"
    stream: BinaryIO | None = None
    format: str = "png"

    def beside(self, template: str, **fields: object) -> Path:
        """A file in the picture's folder, of a name with the fields {stem}, {suffix} and `fields`.

        Raises SettingsError for a name that leads to another folder, OutputError without a picture.
        """
        if self.stream:
            raise OutputError(f"{template}: has no place beside a stream; name a file, or leave it")
        if not self.path.name:
            raise OutputError(f"{self.path}: is not the name of a file; choose another name")
        known = {"stem": self.path.stem, "suffix": self.path.suffix, **fields}
        name = fill(template, known)
        if not name or Path(name).name != name:
            raise SettingsError(f"{template!r} is not a file beside the picture; expected a name")
        return self.path.with_name(name)

    def check(self, path: Path | None, size: Size | None) -> None:
        """OutputError where a picture of `size` (w, h), if known, cannot go to `path`.

        None stands for the stream.
        """
        from impasto.images import check_encodable, check_writable

        if path is None:
            check_encodable(self.format, self.bits, self.quality, size)
        else:
            check_writable(path, self.bits, self.quality, size)

    def save(self, picture: Picture, path: Path | None = None) -> None:
        """Write a picture to `path`, by default the target itself; OutputError where that fails."""
        from impasto.run.provenance import shortened

        if self.record != "full":
            short = shortened(picture.record) if self.record == "short" else None
            picture = picture.replaced(record=short)
        where = path or self.stream or self.path
        how: dict[str, Any] = {"bits": self.bits, "quality": self.quality}
        picture.save(where, **how, format=self.format, metadata=self.metadata)


class Output:
    """A file, or several, made from the events of a run.

    A subclass declares its `options`, of which the first asks for it, and overrides what it needs
    of the methods below. A session calls them in this order: `require` and `check` before the run;
    `begin`; `handle` for each event; `finish`, whatever happened; `settle`.

    Errors: an OutputError that `handle` raises becomes a notice, and the run goes on, since a full
    disk may have space again at the end. One that `finish` raises is raised at the end of the
    session, when the other outputs are finished too.

    Attributes:
        options: what it takes. Two outputs cannot have options of one name.
        endings: of its file's name, with dots.
        resumable: whether its file is whole although the run was resumed from a checkpoint; if
            not, a notice tells at which iteration it begins.
        in_batch: whether a batch of many pairs can have it.
        announced: whether the command line names its file when the run has ended.
    """

    options: ClassVar[tuple[Option, ...]] = ()
    endings: ClassVar[tuple[str, ...]] = ()
    resumable: ClassVar[bool] = False
    in_batch: ClassVar[bool] = True
    announced: ClassVar[bool] = True

    def __init__(self, values: Values, target: Target) -> None:
        """`values` has those of its options that were given, checked; names of files are Paths."""
        self.values, self.target = values, target

    @classmethod
    def requested(cls, values: Values) -> bool:
        """Whether these values ask for it: its first option is given, and not 0 or False."""
        return bool(values.get(cls.options[0].name))

    @property
    def path(self) -> Path:
        """Its file, the value of its first option."""
        return Path(self.values[self.options[0].name])

    def paths(self, iterations: int) -> Iterator[Path]:
        """Every file that it writes in a run of so many iterations."""
        yield self.path

    def require(self) -> None:
        """Import the libraries it needs; ExtraMissing for one that is not installed."""

    def check(self, size: Size | None) -> None:
        """Raise OutputError now for what would fail later; `size` (w, h) is the result's, if known.

        By default: the file can be written, and its name has one of the `endings`.
        """
        from impasto.images import check_place

        check_place(self.path, self.endings)

    def extra_bytes(self, size: Size) -> int:
        """Memory that it takes during a run with a result of `size` (w, h), bytes."""
        return 0

    def begin(self, run: Run, *, continues: bool) -> None:
        """Get ready for a run.

        `run.earlier` has the steps before it was resumed. `continues` is whether the run may be
        resumed later, since it writes a checkpoint.
        """

    def handle(self, event: Any) -> None:  # noqa: ANN401 (any event)
        """Take note of an event of the run. A Step has its canvas now, and not later."""

    def finish(self, result: Result | None) -> None:
        """Complete the file; `result` is None if the run had no step."""

    def settle(self, *, complete: bool) -> None:
        """Clean up; `complete` is whether the run came to its end and every file was written."""
