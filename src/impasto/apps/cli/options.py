"""Command-line options, generated from the fields of Asked and of Settings."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from impasto.errors import SettingsError
from impasto.settings import DEFAULT_RECIPE, FORMER, Settings
from impasto.settings.recipes import recipe
from impasto.settings.variants import ENCODERS, INITS

__all__ = ["Asked", "with_options"]

Command = Callable[..., Any]

_OWN = ("asked", "settings", "sources")  # parameters of a command that are no options


@dataclass(frozen=True)
class Asked:
    """What the command line says of files and of how a run is shown."""

    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The result: .png .jpg .webp .tiff .avif; left out, the recipe names it.",
        ),
    ] = None
    bits: Annotated[int, typer.Option("--bits", help="Depth of PNG and TIFF: 8 or 16.")] = 8
    quality: Annotated[
        int, typer.Option("--quality", min=1, max=100, help="Of JPEG, WebP, AVIF.")
    ] = 95
    max_pixels: Annotated[
        int,
        typer.Option("--max-pixels", min=1, help="Refuse larger pictures before decoding them."),
    ] = 200_000_000
    content_mask: Annotated[
        list[str] | None,
        typer.Option(
            "--content-mask",
            metavar="FILE",
            help="Where a style goes: white in the picture; once per style, or one map of colours.",
            rich_help_panel="Styles",
        ),
    ] = None
    style_mask: Annotated[
        list[str] | None,
        typer.Option(
            "--style-mask",
            metavar="FILE",
            help="Which part of a style picture is taken; once per content mask or map.",
            rich_help_panel="Styles",
        ),
    ] = None
    protect: Annotated[
        str | None,
        typer.Option(
            "--protect",
            "--keep",
            metavar="FILE",
            help="A mask, white where the content stays as it is.",
            rich_help_panel="Styles",
        ),
    ] = None
    save_every: Annotated[
        int | None,
        typer.Option(
            "--save-every", metavar="N", min=0, help="Also save every N iterations; 0 never."
        ),
    ] = None
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE.jsonl", help="Write each iteration's losses there."),
    ] = None
    report: Annotated[
        str | None,
        typer.Option(
            "--report", metavar="FILE", help="Pictures and curves of the run: .png, .html or none."
        ),
    ] = None
    timelapse: Annotated[
        str | None,
        typer.Option(
            "--timelapse", metavar="FILE", help="The run as a film: .mp4, .gif, .webp or none."
        ),
    ] = None
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE.checkpoint",
            help="Save there, while painting, what it takes to go on after a kill or a power cut.",
        ),
    ] = None
    checkpoint_every: Annotated[
        float | None,
        typer.Option(
            "--checkpoint-every",
            metavar="SECONDS",
            min=0,
            help="How often; 0 after each iteration. Left out, so that it costs under 2 % of time.",
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from the checkpoint, bit for bit; by default OUTPUT with .checkpoint.",
        ),
    ] = False
    preview: Annotated[
        bool,
        typer.Option(
            "--preview", help="Write what there is of the picture to the result's place, soon."
        ),
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing.")] = False
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON lines instead of a progress bar.")
    ] = False

    def __post_init__(self) -> None:
        """SettingsError for options that exclude each other."""
        if self.quiet and self.as_json:
            raise SettingsError("--quiet and --json exclude each other; choose one")

    @property
    def masks(self) -> dict[str, Any]:
        """Masks as arguments of Run."""
        masks = {
            "protect": self.protect,
            "content_masks": self.content_mask,
            "style_masks": self.style_mask,
        }
        return {name: value for name, value in masks.items() if value}


def with_options(default: str = DEFAULT_RECIPE) -> Callable[[Command], Command]:
    """Give a command the options of `Asked` and of `Settings`, as `asked`, `settings`, `sources`.

    `sources` are the files that options name, as arguments of `impasto.Run`.

    A setting that is left out keeps the recipe's value; without `--recipe`, that of `default`.
    A parameter of the command that is called like a field of `Asked` takes its place.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        asks = list(inspect.signature(Asked, eval_str=True).parameters.values())
        asks = [
            ask.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for ask in asks
            if ask.name not in signature.parameters
        ]
        fields = Settings.model_fields.items()
        options = [*asks, *(_parameter(name, field, default) for name, field in fields)]
        own = [p for p in signature.parameters.values() if p.name not in _OWN]

        @functools.wraps(command)
        def wrapped(**arguments: Any) -> Any:  # noqa: ANN401 (whatever the command returns)
            asked = Asked(**{ask.name: arguments.pop(ask.name) for ask in asks})
            given = {name: arguments.pop(name) for name in Settings.model_fields}
            sources = {**_files(given), **asked.masks}
            settings = _settings(given, default)
            return command(**arguments, asked=asked, settings=settings, sources=sources)

        wrapped.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in [*own, *options]}
        return wrapped

    return decorate


def _files(given: dict[str, Any]) -> dict[str, Any]:
    """First canvas and network that are files, taken out of what was given for the settings."""
    files = {}
    if given["init"] is not None and given["init"] not in INITS:
        files["init"] = given.pop("init")
    if given["encoder"] is not None and given["encoder"] not in ENCODERS:
        files["encoder"] = given.pop("encoder")
    return files


def _settings(given: dict[str, Any], default: str) -> Settings:
    overrides = {name: value for name, value in given.items() if value not in (None, [])}
    return Settings.of(overrides.pop("recipe", default), **overrides)


def _parameter(name: str, field: FieldInfo, default: str) -> inspect.Parameter:
    extra = field.json_schema_extra
    group = extra["group"] if isinstance(extra, dict) else None
    former = [old for old, new in FORMER.items() if new == name]
    option = typer.Option(
        *(f"--{each.replace('_', '-')}" for each in (name, *former)),
        help=_help(name, field, default),
        metavar=_metavar(name, field.annotation),
        rich_help_panel=str(group),
        show_default=False,
    )
    kind = field.annotation if field.annotation in (int, float) else str
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _help(name: str, field: FieldInfo, default: str) -> str:
    """The field's help, with the value that the recipe `default` gives it."""
    value = recipe(default).settings.get(name, field.default) if name != "recipe" else default
    shown = "" if value in ("", ()) else f" [{_written(value)}]"
    return f"{field.description}{shown}".replace("[", r"\[")


def _written(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{k}={v:g}" if v != 1 else k for k, v in value.items())
    if isinstance(value, tuple):
        return ",".join(map(_written, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


_METAVARS = {
    "recipe": "NAME",
    "size": "N|WxH",
    "scales": "auto|X,…,1",
    "smallest": "N",
    "tile": "auto|off|N",
    "memory": "SIZE",
    "iterations": "N[,N…]",
    "style_weights": "X,X,…",
    "style_scale": "X[,X…]",
    "style_loss": "NAME",
    "decay_every": "N[,N…]",
    "betas": "X,X",
    "clip": "none|gamut|X",
    "init": "NAME|FILE",
    "encoder": "NAME|FILE",
    "first_step": "l1|l2|X",
}


def _metavar(name: str, annotation: Any) -> str:  # noqa: ANN401 (any type a field may have)
    if annotation in (int, float):
        return "N" if annotation is int else "X"
    literals = [arg for arg in get_args(annotation) if isinstance(arg, str)]
    for part in get_args(annotation):
        literals += [arg for arg in get_args(part) if isinstance(arg, str)]
    if name not in _METAVARS and literals and get_origin(annotation) is not dict:
        return "|".join(literals)
    return _METAVARS.get(name, "LAYERS")
