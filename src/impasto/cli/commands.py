"""The commands. What they need of torch is imported when they run, so that help is instant."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from impasto.cli.options import with_settings
from impasto.cli.session import Session
from impasto.recipes import recipe, recipes
from impasto.samples import found
from impasto.settings import Settings
from impasto.text import printable

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
    Ctrl-C saves the best picture so far.
    """
    session = Session(
        output=output or Path(f"{_stem(content)}_{_stem(style)}.png"),
        inputs=(content, style, settings.init),
        bits=bits,
        quality=quality,
        save_every=save_every,
        trace=trace,
        quiet=quiet,
        as_json=as_json,
    )
    session.check()
    from impasto.run import Run

    return session.paint(Run(content, style, settings, max_pixels=max_pixels))


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
    sources = (f"sample:{photo}", f"sample:{painting}")
    for source in sources:
        found(source)  # raises for a stranger
    session = Session(output or Path(f"{photo}_{painting}.png"), quiet=quiet)
    session.check()
    from impasto.run import Run

    return session.paint(Run(*sources, Settings.of(size=size)))


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
        Console().print(Text(printable(part), style="bold"))
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


def _stem(source: str) -> str:
    return Path(source.removeprefix("sample:")).stem


def _print_table(values: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in values.items():
        table.add_row(Text(f"  {printable(name)}"), Text(_cell(value)))
    Console(soft_wrap=True).print(table)


def _cell(value: object, depth: int = 3) -> str:
    """A value in words; what is nested deeper than any record of ours is left out."""
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return ", ".join(f"{printable(k)}={_cell(v, depth - 1)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item, depth - 1) for item in value)
    return f"{value:g}" if isinstance(value, float) else printable(value)
