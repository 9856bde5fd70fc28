"""`impasto film`: a clip painted frame after frame, and how that is shown."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from impasto.apps.cli.inputs import Named, file_of
from impasto.apps.cli.options import Options, with_options
from impasto.apps.cli.parameters import file_name
from impasto.apps.cli.places import check_new, numbered, taken
from impasto.apps.cli.progress import event_line, json_line, warn
from impasto.apps.cli.signals import graceful
from impasto.errors import Cancelled, SettingsError, optional, printable

if TYPE_CHECKING:
    from impasto.apps.film.clip import Clip
    from impasto.apps.film.driver import Film
    from impasto.apps.film.events import FilmEvent

__all__ = ["film"]

Show = Callable[["FilmEvent"], None]

ClipName = Annotated[
    str,
    typer.Argument(
        metavar="CLIP", parser=file_name, help="A video file, or a folder of numbered pictures."
    ),
]
Styles = Annotated[
    list[str],
    typer.Argument(
        metavar="STYLE", help="The painting, or several: files, https://…, -, or sample:NAME."
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
Beside = Annotated[bool, typer.Option("--beside", help="Show the clip beside the painting.")]


@with_options(film=True)
def film(
    clip: ClipName,
    style: Styles,
    output: Output = None,
    codec: Codec = "auto",
    quality: Quality = None,
    frames: Frames = None,
    fps: Fps = None,
    work: Folder = None,
    keep_work: Keep = False,
    beside: Beside = False,
    *,
    options: Options,
) -> int:
    """Paint CLIP in the style of STYLE, as if by one hand.

    Each frame begins where the last one has moved to. The same command continues a film that was
    interrupted. Sound is copied.
    """
    optional("av", "video", "a film")
    from impasto.apps.film.clip import Clip
    from impasto.apps.film.driver import Film
    from impasto.apps.film.painting import Sources
    from impasto.apps.film.reel import Reel
    from impasto.apps.film.work import Work
    from impasto.hardware.allocator import tuned_malloc
    from impasto.run.sizes import canvas_size

    named = Named(None, tuple(style), options.sources)
    named.check()
    source = Clip.open(clip, fps, options.max_pixels)
    given = Path(output or f"{Path(clip).stem}_{Path(file_of(style[0])).stem}.mp4")
    target = given if options.overwrite else _free(given, work, named=output is not None)
    span = _span(frames, source.count)
    size = canvas_size(options.settings, source.size)
    how: dict[str, Any] = {"audio_from": source, "rate": source.rate, "beside": beside}
    Reel.check(target, codec, size, quality=quality, **how)
    _, styles, others = named.opened(options)
    sources = Sources(styles, others)
    kept = Work(work or f"{target}.work", _identity(options, source, sources), span)
    film = Film(source, sources, options.settings, options.film, kept, span)
    with _shown(options, film) as show, graceful(patient=True) as stop, tuned_malloc(film.size):
        try:
            for event in film.events():
                show(event)
                if stop.is_set():
                    film.cancel()
        except Cancelled:
            print(f"interrupted; the same command goes on from {printable(kept.folder)}")
            return 130
    film.write(Reel.open(target, film.size, source.time_base, codec, quality, **how), beside=beside)
    if not keep_work and frames is None:
        kept.remove()
    if options.as_json:
        json_line({"event": "result", "output": printable(target), "frames": len(film.span)})
    elif not options.quiet:
        print(f"wrote {printable(target)}")
    return 0


def _free(target: Path, work: str | None, *, named: bool) -> Path:
    """Where the film goes: its place, unless a film is there of which no work folder is left."""
    for place in numbered(target):
        if Path(work or f"{place}.work").exists() or not taken(place):
            return place
        if named:
            check_new(place)
    raise AssertionError("numbers have no end")


def _span(text: str | None, count: int) -> range:
    """`A:B` of so many frames; either may be left out."""
    if text is None:
        return range(count)
    first, colon, last = text.partition(":")
    try:
        start, stop = int(first or 0), int(last or count)
    except ValueError:
        colon = ""
    if not colon or not 0 <= start < stop <= count:
        raise SettingsError(f"frames is {text!r}; expected A:B, within the clip's {count} frames")
    return range(start, stop)


def _identity(options: Options, clip: "Clip", sources: Any) -> dict[str, Any]:  # noqa: ANN401
    """What makes a film that film: settings that change pixels, and the checksums of all files."""
    named: list[tuple[str, Any]] = [("styles", name) for name in sources.styles]
    for role, value in sources.arguments.items():
        named += [(role, name) for name in (value if isinstance(value, list) else [value])]
    files: dict[str, list[str]] = {}
    for role, name in named:
        files.setdefault(role, []).append(_checksum(name))
    return {
        "clip": clip.checksum(),
        **files,
        "settings": options.settings.pixels(),
        "iterations": options.settings.iterations,
        "film": options.film.model_dump(mode="json"),
    }


def _checksum(source: Any) -> str:  # noqa: ANN401 (a file's name, or bytes)
    from impasto.images import Encoded
    from impasto.images.checksums import file_checksum

    if isinstance(source, Encoded):
        return source.sha256
    path = Path(source)
    return file_checksum(path) if path.is_file() else _folder_checksum(path)


def _folder_checksum(folder: Path) -> str:
    from impasto.images import pictures_in
    from impasto.images.checksums import file_checksum

    sums = [file_checksum(path) for path in pictures_in(folder)]
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()


@contextmanager
def _shown(options: Options, film: "Film") -> Iterator[Show]:
    """A bar on stderr, JSON lines on stdout, or notices alone."""
    from impasto.apps.film.events import FrameDone
    from impasto.run.events import Notice

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("frames, loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("painting", total=len(film.span), loss="…")

    def show(event: "FilmEvent") -> None:
        if options.as_json:
            json_line(event_line(event))
        elif isinstance(event, Notice):
            warn(event.text)
        elif isinstance(event, FrameDone) and not options.quiet:
            progress.start()  # not before the first frame, so that an error stands alone
            doing, loss = f"painting shot {event.entry.shot + 1}", f"{event.entry.loss:.4g}"
            progress.update(task, description=doing, completed=event.done, loss=loss)

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()
