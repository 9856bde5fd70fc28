"""Command-line parameters, generated from what they set: outputs, inputs, settings."""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from impasto.apps.cli.flags import flag
from impasto.images.names import home_expanded
from impasto.outputs import options as output_options
from impasto.outputs.base import Option
from impasto.settings import FORMER, Settings
from impasto.settings.recipes import recipe, recipes
from impasto.settings.registry import Registry

__all__ = ["COMMON", "SOURCES", "file_name", "of_outputs", "of_settings", "of_sources"]

COMMON = (
    "output", "report", "timelapse", "overwrite", "resume",
    "steadiness", "every", "loop",
    "recipe", "size", "init", "seed", "strength", "style_weights", "style_scale", "protect",
    "colour", "finish", "content_weight", "style_weight", "iterations", "quiet", "as_json",
)  # fmt: skip
"""Parameters that `--help` shows; `--help-all` shows the others too."""

SOURCES = {
    "protect": (["--protect", "--keep"], "Mask, white where the content stays as it is."),
    "content_masks": (
        ["--content-mask"],
        "Mask, white where a style goes; once per style, or one map with a colour per style.",
    ),
    "style_masks": (
        ["--style-mask"],
        "Mask, white where a style is taken from; once per content mask or map.",
    ),
}
"""Inputs that are arguments of `impasto.Run`: option names and help."""

_SEVERAL = ("content_masks", "style_masks")


def file_name(text: str) -> str:
    """The name of a file or folder, `~` expanded; refuses what cannot be one."""
    if not text.strip():
        raise typer.BadParameter("it is empty; expected the name of a file")
    if "\0" in text:
        raise typer.BadParameter("it holds a NUL character; expected the name of a file")
    return home_expanded(text)


def of_outputs() -> Iterator[inspect.Parameter]:
    """A parameter for each option of an output."""
    for option in output_options().values():
        if option.on_command_line:
            yield _of_output(option)


def of_sources() -> Iterator[inspect.Parameter]:
    """A parameter for each input beside content and style."""
    for name, (flags, text) in SOURCES.items():
        option = typer.Option(
            *flags,
            help=text,
            metavar="FILE",
            parser=file_name,
            rich_help_panel="Styles",
            hidden=name not in COMMON,
        )
        kind: Any = list[str] if name in _SEVERAL else str
        yield _parameter(name, Annotated[kind | None, option])


def of_settings(default: str, model: type[BaseModel] = Settings) -> Iterator[inspect.Parameter]:
    """A parameter for each field of `model`; help shows the values of the recipe `default`."""
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra
        group = extra["group"] if isinstance(extra, dict) else None
        former = [old for old, new in FORMER.items() if new == name]
        option = typer.Option(
            *map(flag, (name, *former)),
            help=_help(name, field, default),
            metavar=None if field.annotation is bool else _metavar(name, field),
            rich_help_panel=str(group),
            show_default=False,
            hidden=name not in COMMON,
            autocompletion=_completion(name, field),
        )
        kind: Any = field.annotation if field.annotation in (int, float, bool) else str
        yield _parameter(name, Annotated[kind | None, option])


def _completion(name: str, field: FieldInfo) -> Callable[[str], list[str]]:
    """What gives the names that a shell offers for a value that begins like its argument."""
    registry = next((part for part in field.metadata if isinstance(part, Registry)), None)
    literals = _literals(field)

    def completed(incomplete: str) -> list[str]:
        names = recipes() if name == "recipe" else _listed(registry) if registry else literals
        return [each for each in names if each.startswith(incomplete)]

    return completed


def _parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:  # noqa: ANN401 (a type, and a value of it)
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _of_output(option: Option) -> inspect.Parameter:
    flags = [flag(option.name), *([option.short] if option.short else [])]
    shown: dict[str, Any] = {
        "help": option.help,
        "rich_help_panel": "Files",
        "hidden": option.name not in COMMON,
    }
    if option.kind is bool:
        return _parameter(option.name, Annotated[bool, typer.Option(*flags, **shown)], False)
    shown["metavar"] = option.metavar
    if option.names_file:
        shown["parser"] = file_name
    elif option.kind in (int, float):
        shown |= {"min": option.minimum, "max": option.maximum}
    kind: Any = str if option.names_file else option.kind
    return _parameter(option.name, Annotated[kind | None, typer.Option(*flags, **shown)])


def _help(name: str, field: FieldInfo, default: str) -> str:
    """The field's help, the names of a registry, and the value that the recipe `default` gives."""
    value = recipe(default).settings.get(name, field.default) if name != "recipe" else default
    text = f"{str(field.description)[0].upper()}{str(field.description)[1:]}"
    names = ", ".join(_names(field))
    if names and not all(each in text for each in _names(field)):
        text += f": {names}"
    shown = "" if value in ("", ()) or value is False else f" [{_written(value)}]"
    return f"{text}.{shown}".replace("[", r"\[")


def _names(field: FieldInfo) -> tuple[str, ...]:
    """The names that a field chooses from, if they are few and in a registry."""
    registry = next((part for part in field.metadata if isinstance(part, Registry)), None)
    return _listed(registry) if registry and registry.kind != "encoder" else ()


@functools.cache
def _listed(registry: Registry[Any]) -> tuple[str, ...]:
    """Its names, once, since the entry points of all packages are searched for them."""
    return registry.names()


def _written(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{k}={v:g}" if v != 1 else k for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ",".join(map(_written, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


_METAVARS = {
    "size": "N|WxH",
    "scales": "auto|X,…,1",
    "smallest": "N",
    "supersample_below": "N",
    "device": "auto|cpu|cuda|cuda:N|mps",
    "tile": "auto|off|N",
    "memory": "SIZE",
    "iterations": "N[,N…]",
    "style_weights": "X,X,…",
    "style_scale": "X[,X…]",
    "decay_every": "N[,N…]",
    "betas": "X,X",
    "clip": "none|gamut|X",
    "init": "NAME|FILE",
    "encoder": "NAME|FILE",
    "first_step": "l1|l2|X",
    "references": "N,N,…",
}


def _metavar(name: str, field: FieldInfo) -> str:
    """What stands for the value in help: choices, or a letter for its type."""
    annotation = field.annotation
    if annotation in (int, float):
        return "N" if annotation is int else "X"
    literals = _literals(field)
    if name not in _METAVARS and literals and get_origin(annotation) is not dict:
        return "|".join(literals)
    return _METAVARS.get(name, "NAME" if annotation is str else "LAYERS")


def _literals(field: FieldInfo) -> list[str]:
    """The words among the values of a field."""
    parts = get_args(field.annotation)
    words = [arg for arg in parts if isinstance(arg, str)]
    return words + [arg for part in parts for arg in get_args(part) if isinstance(arg, str)]
