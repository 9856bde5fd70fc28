"""The commands. What they need of torch is imported when they run, so that help is instant."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from impasto.apps.cli.batch import batch
from impasto.apps.cli.options import Asked, with_options
from impasto.apps.cli.plans import print_plans
from impasto.apps.cli.printing import print_json, print_parts, print_table
from impasto.apps.cli.session import paint
from impasto.apps.cli.weights import app as weights
from impasto.errors import SettingsError, version_of
from impasto.settings import DEFAULT_RECIPE, Settings
from impasto.settings.recipes import recipe, recipes

__all__ = ["app"]

app = typer.Typer(
    help="Paint a photograph in the style of a painting.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Sources = dict[str, Any]

Content = Annotated[str, typer.Argument(help="The photograph: a file, or sample:NAME.")]
Style = Annotated[str, typer.Argument(help="The painting: a file, or sample:NAME.")]
Styles = Annotated[
    list[str],
    typer.Argument(metavar="STYLE", help="The painting, or several; a folder is one of many."),
]
Layer = Annotated[
    str | None, typer.Option("--layer", metavar="LAYER", help="Such as relu1_2, conv4_2 or pool5.")
]


@app.command()
@with_options()
def stylize(
    content: Content, style: Styles, *, asked: Asked, settings: Settings, sources: Sources
) -> int:
    """Paint CONTENT in the style of STYLE, or of several.

    Options set fields of the recipe, whose values stand in brackets where it is `standard`.
    Ctrl-C saves the best picture so far.
    """
    return paint(asked, settings, content, style, sources=sources)


@app.command()
@with_options("reconstruction")
def reconstruct(
    content: Content, layer: Layer = None, *, asked: Asked, settings: Settings, sources: Sources
) -> int:
    """Paint what one layer knows of CONTENT, from noise; several: `--content-layers`."""
    if layer:
        if settings.content_layers != Settings.of(settings.recipe).content_layers:
            raise SettingsError("--layer and --content-layers exclude each other; choose one")
        settings = settings.replaced(content_layers=layer)
    return paint(asked, settings, content, sources=sources)


@app.command()
@with_options("texture")
def texture(style: Style, *, asked: Asked, settings: Settings, sources: Sources) -> int:
    """Paint a texture of STYLE, from noise; `--size WxH` gives it any size."""
    return paint(asked, settings, None, [style], sources=sources)


@app.command()
def demo(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where the result goes.")
    ] = None,
    photo: Annotated[
        str, typer.Option("--photo", help="Name of a bundled photograph.")
    ] = "astronaut",
    painting: Annotated[str, typer.Option("--style", help="Name of a bundled painting.")] = "swirl",
    size: Annotated[int, typer.Option("--size", min=1, help="Longest side in pixels.")] = 512,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing.")] = False,
) -> int:
    """Paint a bundled photograph in a bundled style, with a report and a film of how it came."""
    from impasto.images.samples import found

    content, style = f"sample:{photo}", f"sample:{painting}"
    for source in (content, style):
        found(source)  # raises for a stranger
    wanted = {"report": "{stem}_report.html", "timelapse": "{stem}.mp4"}
    return paint(
        Asked(output=output, quiet=quiet), Settings.of(size=size), content, [style], wanted
    )


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
    print_table(Settings.of(name).model_dump(exclude={"recipe"}))


@app.command()
def show(
    picture: Annotated[str, typer.Argument(help="A picture that impasto saved.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Print the settings, versions and weights that made a picture."""
    from impasto.run.provenance import show_record

    record = show_record(picture)
    print_json(record) if as_json else print_parts(record)


@app.command()
def info(
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="N|WxH", help="Print how a picture would be painted."),
    ] = None,
    name: Annotated[
        str, typer.Option("--recipe", metavar="NAME", help="By which recipe.")
    ] = DEFAULT_RECIPE,
    memory: Annotated[
        str, typer.Option("--memory", metavar="SIZE", help="In how much; 0 is what is free.")
    ] = "0",
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print versions, hardware, what would be used of it and why, and the bundled weights.

    With `--size`, how a picture of that size would be painted: its scales, windows and memory.
    """
    if size is not None:
        return print_plans(Settings.of(name, size=size, memory=memory), as_json=as_json)
    from impasto.encoder import BUNDLED, describe_convolutions
    from impasto.hardware.device import Hardware, describe_cpu
    from impasto.run import Run
    from impasto.run.build import trial_of
    from impasto.run.provenance import versions

    hardware = Hardware.choose(Settings.of(), trial=trial_of(Run))
    device, dtype, reasons = hardware.device, hardware.dtype, hardware.reasons
    facts = {
        **versions(),
        "processor": describe_cpu(),
        "device": f"{device} ({reasons['device']})",
        "precision": f"{dtype} ({reasons['dtype']})".replace("torch.", ""),
        "threads": f"{hardware.threads} ({reasons['threads']})",
        "memory": f"{hardware.memory / 1e9:.1f} GB ({reasons['memory']})",
        "convolutions": describe_convolutions(device, dtype, exact=False),
        **{f"weights of {name}": f"sha256 {digest}" for name, digest in BUNDLED.items()},
        "recipes": ", ".join(recipes()),
    }
    return print_json(facts) if as_json else print_table(facts)


app.command()(batch)
app.add_typer(weights, name="weights")


def _version(wanted: bool) -> None:
    if wanted:
        print(version_of("impasto"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Paint a photograph in the style of a painting."""
