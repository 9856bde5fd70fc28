"""The commands. They import torch when they run, so that help appears at once."""

from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from impasto.apps.cli.batch import batch
from impasto.apps.cli.film import film
from impasto.apps.cli.options import MORE_OPTIONS, Options, Overwrite, Quiet, with_options
from impasto.apps.cli.parameters import file_name
from impasto.apps.cli.plans import print_plans
from impasto.apps.cli.printing import print_json, print_parts, print_table
from impasto.apps.cli.session import paint
from impasto.apps.cli.several import paint_in_styles, paint_several
from impasto.apps.cli.studio import studio
from impasto.apps.cli.weights import app as weights
from impasto.errors import SettingsError, version_of
from impasto.settings import DEFAULT_RECIPE, Settings
from impasto.settings.recipes import recipe, recipes

__all__ = ["app"]

app = typer.Typer(
    help="Paint a photograph in the style of a painting.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Content = Annotated[
    str,
    typer.Argument(help="The photograph: a file, https://…, - for standard input, or sample:NAME."),
]
Style = Annotated[str, typer.Argument(help="The painting: a file, https://…, -, or sample:NAME.")]
Styles = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="STYLE", help="The painting, or several; a folder is one style of many pictures."
    ),
]
Named = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        metavar="STYLE",
        help="The painting, or one of several: then all other pictures are photographs.",
        rich_help_panel="Styles",
    ),
]
Layer = Annotated[
    str | None, typer.Option("--layer", metavar="LAYER", help="Such as relu1_2, conv4_2 or pool5.")
]


@app.command(epilog=MORE_OPTIONS)
@with_options()
def stylize(
    content: Content, style: Styles = None, styles: Named = None, *, options: Options
) -> int:
    """Paint CONTENT in the style of STYLE, or of several.

    Options override settings of the recipe; brackets show those of `standard`. Ctrl-C saves the
    best picture so far. With --style all other pictures are photographs.
    """
    if styles:
        return paint_several(options, [content, *(style or [])], styles)
    return paint_in_styles(options, content, style or [])


@app.command(epilog=MORE_OPTIONS)
@with_options("reconstruction")
def reconstruct(content: Content, layer: Layer = None, *, options: Options) -> int:
    """Paint what a layer knows of CONTENT, from noise; `--content-layers` names several."""
    if layer:
        settings = options.settings
        if settings.content_layers != Settings.of(settings.recipe).content_layers:
            raise SettingsError("--layer and --content-layers exclude each other; choose one")
        options = replace(options, settings=settings.replaced(content_layers=layer))
    return paint(options, content)


@app.command(epilog=MORE_OPTIONS)
@with_options("texture")
def texture(style: Style, *, options: Options) -> int:
    """Paint a texture with the style of STYLE, from noise; `--size WxH` gives it any size."""
    return paint(options, None, [style])


@app.command()
def demo(
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", parser=file_name, help="The result."),
    ] = None,
    photo: Annotated[
        str, typer.Option("--photo", help="Name of a bundled photograph.")
    ] = "astronaut",
    painting: Annotated[str, typer.Option("--style", help="Name of a bundled painting.")] = "swirl",
    size: Annotated[int, typer.Option("--size", min=1, help="Longest side in pixels.")] = 512,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> int:
    """Paint a bundled photograph in a bundled style, with a report and a film of the run."""
    from impasto.images.names import located

    content, style = f"sample:{photo}", f"sample:{painting}"
    for source in (content, style):
        located(source)  # raises for a name that does not exist
    wanted = {"report": "{stem}_report.html", "timelapse": "{stem}.mp4"}
    options = Options(
        Settings.of(size=size),
        outputs={"output": output} if output else {},
        overwrite=overwrite,
        quiet=quiet,
    )
    return paint(options, content, [style], wanted)


@app.command(name="recipes")
def list_recipes(
    name: Annotated[str | None, typer.Argument(help="Print the settings of this one.")] = None,
) -> None:
    """List the recipes, or print the settings of one."""
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
    picture: Annotated[str, typer.Argument(help="A picture: what impasto saved, or a photograph.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Print what made a picture (settings, versions, weights), and what it tells of a photo."""
    from impasto.images.names import home_expanded
    from impasto.run.provenance import shown_details

    record = shown_details(home_expanded(picture))
    print_json(record) if as_json else print_parts(record)


@app.command()
def info(
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="N|WxH", help="Plan a picture of this size."),
    ] = None,
    name: Annotated[
        str, typer.Option("--recipe", metavar="NAME", help="Recipe of that plan.")
    ] = DEFAULT_RECIPE,
    memory: Annotated[
        str,
        typer.Option(
            "--memory", metavar="SIZE", help="Memory of that plan, such as 4GB; 0 is what is free."
        ),
    ] = "0",
    ranks: Annotated[
        int,
        typer.Option("--ranks", min=0, help="Plan for each of so many processes that share it."),
    ] = 0,
    by_rows: Annotated[
        bool,
        typer.Option("--by-rows", help="They read content and style by rows, from TIFF files."),
    ] = False,
    smallest: Annotated[
        int, typer.Option("--smallest", min=0, help="First scale of that plan; 0 is the recipe's.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print versions, hardware and what a run would use of it, and checksums of the weights.

    With `--size`, print the plan of a picture: its scales, tiles, memory and cost.
    """
    if size is not None:
        first = {"smallest": smallest} if smallest else {}
        settings = Settings.of(name, size=size, memory=memory, **first)
        return print_plans(settings, ranks=ranks, by_rows=by_rows, as_json=as_json)
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


app.command(epilog=MORE_OPTIONS)(film)
app.command(epilog=MORE_OPTIONS)(batch)
app.command()(studio)
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
