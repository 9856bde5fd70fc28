"""`impasto film`: a clip painted frame after frame."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from impasto.apps.cli.film_progress import shown
from impasto.apps.cli.inputs import Named, file_of
from impasto.apps.cli.options import Options, with_options
from impasto.apps.cli.parameters import file_name
from impasto.apps.cli.places import check_new, numbered, taken
from impasto.apps.cli.progress import json_line, warn
from impasto.apps.cli.signals import graceful
from impasto.errors import Cancelled, SettingsError, printable

if TYPE_CHECKING:
    from impasto.apps.film.run import FilmResult, FilmRun

__all__ = ["film"]

ClipName = Annotated[
    str,
    typer.Argument(
        metavar="CLIP", parser=file_name, help="A video file, or a folder of numbered pictures."
    ),
]
Styles = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="STYLE", help="The painting, or several: files, https://…, -, or sample:NAME."
    ),
]
StylesAt = Annotated[
    list[str] | None,
    typer.Option(
        "--styles-at",
        metavar="T:FILE,…",
        help="Styles that cross-fade between times: SECONDS:FILE, or 12f:FILE for a frame; "
        "FILE*2 has twice the weight, and a time may come twice.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        parser=file_name,
        help="The film: .mp4 .mov .mkv .webm .gif .webp .apng, or a folder of 16-bit PNG. "
        r"\[CLIP_STYLE.mp4]",
    ),
]
Codec = Annotated[
    str,
    typer.Option(
        "--codec",
        metavar="NAME",
        help="auto, h264, h264-10, hevc, prores, vp9, ffv1, png, tiff.",
    ),
]
Quality = Annotated[
    int | None,
    typer.Option("--quality", min=1, max=100, help="Of the film; by default hardly any is lost."),
]
Frames = Annotated[
    str | None,
    typer.Option(
        "--frames", metavar="A:B", help="Paint frames A to B - 1, from 0; others may follow later."
    ),
]
Fps = Annotated[
    float | None,
    typer.Option("--fps", metavar="X", help="Frames a second of a folder of pictures."),
]
Folder = Annotated[
    str | None,
    typer.Option(
        "--work",
        metavar="DIR",
        parser=file_name,
        help=r"Where painted frames are kept until the film is done. \[beside the film]",
    ),
]
Keep = Annotated[bool, typer.Option("--keep-work", help="Keep that folder.")]
Report = Annotated[
    str | None,
    typer.Option(
        "--report",
        metavar="FILE",
        parser=file_name,
        help="Frames, curves, settings and notes as one page: .html.",
    ),
]
Preview = Annotated[
    str | None,
    typer.Option(
        "--preview",
        metavar="FILE",
        parser=file_name,
        help="A picture that shows the frame painted last, at most one a second.",
    ),
]
Share = Annotated[
    bool,
    typer.Option(
        "--share",
        help="Divide the shots among all processes that run this command and see the work folder.",
    ),
]
Beside = Annotated[bool, typer.Option("--beside", help="Show the clip beside the painting.")]


@with_options(film=True)
def film(
    clip: ClipName,
    style: Styles = None,
    output: Output = None,
    codec: Codec = "auto",
    quality: Quality = None,
    frames: Frames = None,
    fps: Fps = None,
    work: Folder = None,
    keep_work: Keep = False,
    beside: Beside = False,
    styles_at: StylesAt = None,
    report: Report = None,
    preview: Preview = None,
    share: Share = False,
    *,
    options: Options,
) -> int:
    """Paint CLIP in the style of STYLE, as if by one hand.

    Each frame begins where the last one has moved to. The same command continues a film that was
    interrupted. Sound is copied.

    With --share, any number of processes and machines that see the work folder run this
    command, and divide the shots among them.
    """
    from impasto.apps.film.run import FilmRun
    from impasto.apps.film.sharing import AlreadyThere

    keys = _keys(style or [], styles_at or [])
    names = [name for at in keys.values() for name, _ in at] if keys else style or []
    named = Named(None, tuple(names), options.sources)
    named.check()
    places = _Places(output, work, report, preview)
    overwrite = options.overwrite
    own = f"{Path(clip).stem}_{Path(file_of(names[0])).stem}.mp4"
    target = places.shared(overwrite=overwrite) if share else places.alone(own, overwrite=overwrite)
    _, opened, sources = named.opened(options)
    try:
        run = FilmRun(
            clip,
            _placed(keys, opened) if keys else opened,
            target,
            options.settings,
            options.film,
            frames=frames,
            fps=fps,
            max_pixels=options.max_pixels,
            share=share,
            codec=codec,
            quality=quality,
            beside=beside,
            work=work,
            keep_work=keep_work,
            report=report,
            preview=preview,
            **sources,
        )
    except AlreadyThere as there:  # a process that comes late has nothing to do
        warn(str(there))
        return 0
    return _paint(options, run)


def _paint(options: Options, run: "FilmRun") -> int:
    """Paint the frames and put them together; the exit code, 0, or 130 after Ctrl-C."""
    from impasto.hardware.allocator import tuned_malloc

    with shown(options, run) as show, tuned_malloc(run.size):
        try:
            with graceful(patient=True, then=run.cancel):
                for event in run.events():
                    show(event)
        except Cancelled:
            print(f"interrupted; the same command goes on from {printable(run.work.folder)}")
            return 130
    _tell(options, run.write())
    return 0


def _keys(styles: list[str], at: list[str]) -> dict[str, list[tuple[Any, float]]]:
    """Names and weights of the styles by key time; none if they hold throughout.

    SettingsError for styles of both kinds, or of none.
    """
    from impasto.apps.film.style_keys import parsed

    if styles and at:
        raise SettingsError("styles are given twice, as STYLE and by --styles-at; leave one out")
    if not styles and not at:
        raise SettingsError("no style is given; name a painting, or several by --styles-at")
    return {**parsed(",".join(at))} if at else {}


def _placed(keys: dict[str, list[tuple[Any, float]]], opened: list[Any]) -> dict[Any, Any]:
    """The keys with the pictures that their names stand for, in the same order."""
    pictures = iter(opened)
    return {time: [(next(pictures), weight) for _, weight in at] for time, at in keys.items()}


@dataclass(frozen=True)
class _Places:
    """What is written, by the names that were given."""

    output: str | None
    work: str | None
    report: str | None
    preview: str | None

    def alone(self, own: str, *, overwrite: bool) -> Path:
        """Where the film goes: its place, unless a film is there of which no work folder is left.

        `own` is its name where none was given. OutputError where a film that is named, or another
        file beside a new one, would be replaced.
        """
        given = Path(self.output or own)
        if overwrite:
            return given
        for place in numbered(given):
            if Path(self.work or f"{place}.work").exists():
                return place
            if self.output is not None:
                check_new(place)
            if not taken(place):
                break
        self._check_new()
        return place

    def shared(self, *, overwrite: bool) -> Path:
        """Where a film that is shared goes, in every process, whenever it joins."""
        if overwrite:
            raise SettingsError(
                "with --share a process that joins late would paint all again; leave out "
                "--overwrite"
            )
        if self.output is None:
            raise SettingsError("--output is missing; processes that share a film need its name")
        work = self.work or f"{self.output}.work"
        if not taken(Path(self.output)) and not os.path.lexists(work):
            self._check_new()
        return Path(self.output)

    def _check_new(self) -> None:
        """OutputError where a file beside the film is there already."""
        for file in (self.report, self.preview):
            if file is not None:
                check_new(Path(file))


def _tell(options: Options, result: "FilmResult") -> None:
    """Print where the film is."""
    name = printable(result.path)
    if options.as_json:
        json_line({"event": "result", "output": name, "frames": len(result.entries)})
    elif not options.quiet:
        print(f"wrote {name}" if result.here else f"{name} was put together by another process")
