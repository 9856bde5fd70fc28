"""Command-line options generated from the fields of Settings."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from impasto.recipes import recipe
from impasto.settings import DEFAULT_RECIPE, Settings

__all__ = ["with_settings"]

Command = Callable[..., Any]


def with_settings(command: Command) -> Command:
    """Give `command` an option for each field of Settings, and a `settings` in their place.

    An option that is left out keeps the recipe's value.
    """

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> Any:  # noqa: ANN401 (whatever the command returns)
        given = {name: arguments.pop(name) for name in Settings.model_fields}
        overrides = {name: value for name, value in given.items() if value is not None}
        name = overrides.pop("recipe", DEFAULT_RECIPE)
        return command(**arguments, settings=Settings.of(name, **_plain(overrides)))

    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name != "settings"]
    options = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    wrapped.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in [*own, *options]}
    return wrapped


def _plain(overrides: dict[str, Any]) -> dict[str, Any]:
    """Options arrive as text; `betas` is two numbers in it."""
    if "betas" in overrides:
        overrides["betas"] = tuple(overrides["betas"].split(","))
    return overrides


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    extra = field.json_schema_extra
    group = extra["group"] if isinstance(extra, dict) else None
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        help=_help(name, field),
        metavar=_metavar(name, field.annotation),
        rich_help_panel=str(group),
        show_default=False,
    )
    kind = field.annotation if field.annotation in (int, float) else str
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _help(name: str, field: FieldInfo) -> str:
    """The field's help, with the value that the default recipe gives it."""
    default = DEFAULT_RECIPE
    if name != "recipe":
        default = _written(recipe(DEFAULT_RECIPE).settings.get(name, field.default))
    return f"{field.description} [{default}]".replace("[", r"\[")


def _written(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{k}={v:g}" if v != 1 else k for k, v in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _metavar(name: str, annotation: Any) -> str:  # noqa: ANN401 (any type a field may have)
    if annotation in (int, float):
        return "N" if annotation is int else "X"
    literals = [arg for arg in get_args(annotation) if isinstance(arg, str)]
    for part in get_args(annotation):
        literals += [arg for arg in get_args(part) if isinstance(arg, str)]
    if literals and get_origin(annotation) is not dict:
        return "|".join(literals)
    return {"recipe": "NAME", "betas": "X,X", "init": "NAME|FILE"}.get(name, "LAYERS")
