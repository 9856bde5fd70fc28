"""The commands. What they need of torch is imported when they run, so that help is instant."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.table import Table

from impasto.cli import progress
from impasto.cli.options import with_settings
from impasto.errors import OutputError, SettingsError
from impasto.recipes import recipe, recipes
from impasto.settings import Settings

if TYPE_CHECKING:
    from impasto.run import Run, Step

__all__ = ["app"]

app = typer.Typer(
    help="Paint a photograph in the style of a painting.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Content = Annotated[str, typer.Argument(help="The photograph: a file, or sample:NAME.")]
Style = Annotated[str, typer.Argument(help="The painting: a file, or sample:NAME.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the result goes: .png .jpg .webp .tiff .avif [CONTENT_STYLE.png]".replace(
            "[", r"\["
        ),
    ),
]
Bits = Annotated[int, typer.Option("--bits", help="Depth of PNG and TIFF: 8 or 16.")]
Quality = Annotated[int, typer.Option("--quality", min=1, max=100, help="Of JPEG, WebP, AVIF.")]
MaxPixels = Annotated[
    int, typer.Option("--max-pixels", min=1, help="Refuse larger pictures before decoding them.")
]
Trace = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE.jsonl", help="Write each iteration's losses there."),
]
SaveEvery = Annotated[
    int,
    typer.Option("--save-every", metavar="N", min=0, help="Also save every N iterations; 0 never."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines instead of a progress bar.")]


@dataclass(frozen=True)
class Saving:
    """Where and how pictures are written."""

    path: Path
    bits: int
    quality: int
    every: int

    def check(self, size: tuple[int, int] | None = None) -> None:
        """OutputError now rather than after the run."""
        from impasto.images import check_writable

        check_writable(self.path, self.bits, self.quality, size)

    def intermediate(self, step: "Step") -> None:
        """Write `name.0100.png` beside the result, if it is time for one."""
        if self.every and step.iteration % self.every == 0 and 0 < step.iteration < step.total:
            path = self.path.with_suffix(f".{step.iteration:04d}{self.path.suffix}")
            step.picture().save(path, bits=self.bits, quality=self.quality)


@app.command()
@with_settings
def stylize(
    content: Content,
    style: Style,
    output: Output = None,
    bits: Bits = 8,
    quality: Quality = 95,
    max_pixels: MaxPixels = 200_000_000,
    trace: Trace = None,
    save_every: SaveEvery = 0,
    quiet: Quiet = False,
    as_json: Json = False,
    *,
    settings: Settings,
) -> int:
    """Paint CONTENT in the style of STYLE.

    Options set fields of the recipe, whose values stand in brackets where it is `standard`.
    Ctrl-C saves what there is so far.
    """
    path = output or Path(f"{_stem(content)}_{_stem(style)}.png")
    saving = Saving(path, bits, quality, save_every)
    saving.check()
    from impasto.run import Run

    run = Run(content, style, settings, max_pixels=max_pixels)
    return _paint(run, saving, _opened(trace), _shown(quiet, as_json), as_json, quiet)


@app.command()
def demo(
    output: Output = None,
    photo: Annotated[
        str, typer.Option("--photo", help="Name of a bundled photograph.")
    ] = "astronaut",
    painting: Annotated[str, typer.Option("--style", help="Name of a bundled painting.")] = "swirl",
    size: Annotated[int, typer.Option("--size", min=1, help="Longest side in pixels.")] = 512,
    quiet: Quiet = False,
) -> int:
    """Paint a bundled photograph in a bundled style."""
    saving = Saving(output or Path(f"{photo}_{painting}.png"), 8, 95, 0)
    saving.check()
    from impasto.run import Run

    run = Run(f"sample:{photo}", f"sample:{painting}", Settings.of(size=size))
    return _paint(run, saving, None, _shown(quiet, as_json=False), as_json=False, quiet=quiet)


@app.command(name="recipes")
def list_recipes(
    name: Annotated[str | None, typer.Argument(help="Show this one's settings.")] = None,
) -> None:
    """List the recipes, or show one."""
    console = Console(soft_wrap=True)
    if name is None:
        width = max(map(len, recipes()))
        for each in recipes().values():
            console.print(f"[bold]{each.name:{width}}[/]  {each.summary}", highlight=False)
        return
    chosen = recipe(name)
    console.print(f"[bold]{chosen.name}[/]: {chosen.summary}\n\n{chosen.about}\n", highlight=False)
    _print_table(Settings.of(name).model_dump(exclude={"recipe"}))


@app.command()
def show(
    picture: Annotated[str, typer.Argument(help="A picture that impasto saved.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Print the settings, versions and weights that made a picture."""
    from impasto.metadata import show_record

    record = show_record(picture)
    if as_json:
        print(json.dumps(record))
        return
    for part, values in record.items():
        Console().print(f"[bold]{part}[/]", highlight=False)
        _print_table(values if isinstance(values, dict) else {part: values})


@app.command()
def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print versions, hardware, what would be used of it and why, and the bundled weights."""
    from impasto.encoder import BUNDLED
    from impasto.machine import choose_device, choose_dtype, choose_threads, describe_cpu
    from impasto.metadata import versions

    device = choose_device("auto")
    dtype, threads = choose_dtype("auto", device.value), choose_threads(0)
    facts = {
        **versions(),
        "processor": describe_cpu(),
        "device": f"{device.value} ({device.reason})",
        "precision": f"{dtype.value} ({dtype.reason})".replace("torch.", ""),
        "threads": f"{threads.value} ({threads.reason})",
        **{f"weights of {name}": f"sha256 {digest}" for name, digest in BUNDLED.items()},
        "recipes": ", ".join(recipes()),
    }
    print(json.dumps(facts)) if as_json else _print_table(facts)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("impasto"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Paint a photograph in the style of a painting."""


def _paint(
    run: "Run",
    saving: Saving,
    trace: TextIO | None,
    shown: Callable[..., Any],
    as_json: bool,
    quiet: bool,
) -> int:
    """Iterate, show, save; on Ctrl-C save what there is. The exit code."""
    saving.check(run.content.size)
    code = 0
    try:
        with ExitStack() as stack:
            shows = stack.enter_context(shown(run.settings.iterations))
            traces = stack.enter_context(progress.trace_file(trace))
            for step in run:
                shows(step)
                traces(step)
                saving.intermediate(step)
    except KeyboardInterrupt:
        code = 130
    if not run.started:
        print("interrupted before the first iteration; nothing was written", file=sys.stderr)
        return code
    run.result().image.save(saving.path, bits=saving.bits, quality=saving.quality)
    if as_json:
        print(json.dumps({"output": str(saving.path), "interrupted": code != 0}))
    elif not quiet:
        print(f"{'interrupted; ' if code else ''}wrote {saving.path}")
    return code


def _shown(quiet: bool, as_json: bool) -> Callable[..., Any]:
    if quiet and as_json:
        raise SettingsError("--quiet and --json exclude each other; choose one")
    return progress.silent if quiet else progress.json_lines if as_json else progress.bar


def _opened(trace: Path | None) -> TextIO | None:
    """The trace file, opened before the run so that a bad path is known at once."""
    try:
        return trace.open("w", encoding="utf-8") if trace else None
    except OSError as error:
        raise OutputError(f"{trace}: cannot be written ({error.strerror})") from error


def _stem(source: str) -> str:
    return Path(source.removeprefix("sample:")).stem


def _print_table(values: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in values.items():
        table.add_row(f"  {name}", _cell(value))
    Console(soft_wrap=True).print(table, markup=False, highlight=False)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={_cell(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_cell, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
