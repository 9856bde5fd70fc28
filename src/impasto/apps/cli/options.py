"""What the command line was asked for: settings, inputs, outputs, and how progress is shown."""

import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from impasto.apps.cli.parameters import COMMON, SOURCES, of_outputs, of_settings, of_sources
from impasto.apps.cli.places import STDOUT
from impasto.errors import SettingsError
from impasto.outputs import OUTPUTS
from impasto.outputs import options as output_options
from impasto.outputs.base import Value
from impasto.settings import DEFAULT_RECIPE, FilmSettings, Settings
from impasto.settings.variants import ENCODERS, INITS

__all__ = ["MORE_OPTIONS", "Options", "Overwrite", "Quiet", "of_one_picture", "with_options"]

MORE_OPTIONS = "`--help-all` shows all options."

Command = Callable[..., Any]


@dataclass(frozen=True)
class Options:
    """What a command was asked for.

    Attributes:
        settings: of the run.
        sources: files it reads beside content and styles, as keywords of `impasto.Run`.
        outputs: the options of outputs that were given, by name; names of files as text.
        film: how the frames of a film follow one another.
        max_pixels: larger pictures are refused before they are decoded.
        allow_http, allow_local: which addresses pictures may come from, as in `images.fetch`.
        overwrite: replace files that are there.
        resume: continue from the checkpoint.
        distributed: paint one picture with the other processes that torchrun has started.
        quiet, as_json: print nothing; print JSON lines.
    """

    settings: Settings
    sources: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Value] = field(default_factory=dict)
    film: FilmSettings = field(default_factory=FilmSettings)
    max_pixels: int = 200_000_000
    allow_http: bool = False
    allow_local: bool = False
    overwrite: bool = False
    resume: bool = False
    distributed: bool = False
    quiet: bool = False
    as_json: bool = False

    def __post_init__(self) -> None:
        """SettingsError for options that exclude each other."""
        if self.quiet and self.as_json:
            raise SettingsError("--quiet and --json exclude each other; choose one")
        if self.as_json and self.to_stdout:
            raise SettingsError("--json and -o - both take standard output; choose one")

    @property
    def to_stdout(self) -> bool:
        """Whether the picture goes to standard output."""
        return self.outputs.get("output") == STDOUT

    @property
    def placed_outputs(self) -> dict[str, Value]:
        """The options of outputs, with names of files as paths from the working folder."""
        known = output_options()
        return {
            name: Path(value) if known[name].kind is Path and value != "none" else value  # type: ignore[arg-type]  # of the option's kind
            for name, value in self.outputs.items()
            if not (name == "output" and value == STDOUT)
        }


MaxPixels = Annotated[
    int,
    typer.Option(
        "--max-pixels", min=1, help="Refuse larger pictures before decoding them.", hidden=True
    ),
]
AllowHttp = Annotated[
    bool,
    typer.Option(
        "--allow-http",
        help="Read pictures from http:// addresses too.",
        hidden=True,
        rich_help_panel="Files",
    ),
]
AllowLocal = Annotated[
    bool,
    typer.Option(
        "--allow-local",
        help="Read pictures from addresses in this network and on this computer too.",
        hidden=True,
        rich_help_panel="Files",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace files that are there.", rich_help_panel="Files"),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue from the checkpoint; its default name is the result's with .checkpoint.",
        rich_help_panel="Files",
    ),
]
Distributed = Annotated[
    bool,
    typer.Option(
        "--distributed",
        help="Paint one picture with all processes that torchrun starts, each its rows.",
        hidden=True,
        rich_help_panel="Network",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors and notices.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines instead of a progress bar.")]


def _help_all(context: typer.Context, wanted: bool) -> None:
    """Print the help with every option."""
    if not wanted:
        return
    parameters: list[Any] = context.command.params
    hidden = [each for each in parameters if getattr(each, "hidden", False) and each.help]
    for parameter in hidden:
        parameter.hidden = False
    typer.echo(context.get_help(), nl=False)
    for parameter in hidden:
        parameter.hidden = True
    raise typer.Exit


HelpAll = Annotated[
    bool,
    typer.Option(
        "--help-all", callback=_help_all, is_eager=True, help="Show all options and exit."
    ),
]

_SHOWN = {
    "max_pixels": (MaxPixels, 200_000_000),
    "allow_http": (AllowHttp, False),
    "allow_local": (AllowLocal, False),
    "overwrite": (Overwrite, False),
    "resume": (Resume, False),
    "distributed": (Distributed, False),
    "quiet": (Quiet, False),
    "as_json": (Json, False),
}

_OF_ONE_PICTURE = ("resume", "distributed")


def of_one_picture() -> list[str]:
    """The names of options that no batch can have."""
    kinds = [OUTPUTS.get(name) for name in OUTPUTS.names()]
    outputs = [option.name for kind in kinds if not kind.in_batch for option in kind.options]
    return [*outputs, *_OF_ONE_PICTURE]


def with_options(
    default: str = DEFAULT_RECIPE, *, film: bool = False, refused: Collection[str] = ()
) -> Callable[[Command], Command]:
    """Give a command all options, as one argument `options`.

    A setting that is left out keeps the recipe's value; without `--recipe`, that of `default`. A
    parameter of the command takes the place of an option with the same name. A `film` has settings
    of its own, and none of the outputs of a single picture. Options that are `refused` have no
    help: the command says why when one is given.
    """

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters
        every = (each for each in _parameters(default, film) if each.name not in own)
        ours = [_without_help(each) if each.name in refused else each for each in every]
        parameters = [*(each for each in own.values() if each.name != "options"), *ours]

        @functools.wraps(command)
        def wrapped(**arguments: Any) -> Any:  # noqa: ANN401 (whatever the command returns)
            arguments.pop("help_all")
            given = {each.name: arguments.pop(each.name) for each in ours if each.name in arguments}
            return command(**arguments, options=_options(given, default))

        signature = inspect.Signature(parameters)
        wrapped.__signature__ = signature  # type: ignore[attr-defined]  # what inspect looks for
        wrapped.__annotations__ = {each.name: each.annotation for each in parameters}
        return wrapped

    return decorate


def _parameters(default: str, film: bool) -> Iterator[inspect.Parameter]:
    """The parameters in the order in which help shows them."""
    if not film:
        yield from of_outputs()
    for name, (annotation, value) in {**_SHOWN, "help_all": (HelpAll, False)}.items():
        kind = inspect.Parameter.KEYWORD_ONLY
        if not (film and name in _OF_ONE_PICTURE):  # a film always continues
            yield inspect.Parameter(name, kind, default=value, annotation=annotation)
    if film:
        yield from of_settings(default, FilmSettings)
    yield from sorted(of_settings(default), key=lambda each: each.name not in COMMON)
    yield from of_sources()


def _without_help(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter as one that no help shows."""
    kind, option = get_args(parameter.annotation)
    option = copy(option)
    option.help, option.hidden = None, True
    return parameter.replace(annotation=Annotated[kind, option])


def _options(given: dict[str, Any], default: str) -> Options:
    """The options from the values of all parameters; None, [] and False are not given."""
    asked = {n: v for n, v in given.items() if v is not None and v is not False and v != []}
    files: dict[str, Any] = {name: asked[name] for name in SOURCES if name in asked}
    for name, registry in (("init", INITS), ("encoder", ENCODERS)):
        if name in asked and asked[name] not in registry:
            files[name] = asked.pop(name)
    fields = {name: asked[name] for name in Settings.model_fields if name in asked}
    return Options(
        settings=Settings.of(fields.pop("recipe", default), **fields),
        sources=files,
        outputs={name: asked[name] for name in output_options() if name in asked},
        film=FilmSettings.of(**{n: asked[n] for n in FilmSettings.model_fields if n in asked}),
        **{name: asked[name] for name in _SHOWN if name in asked},
    )
