"""A job as the command and the lines of Python that paint it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from impasto.apps.cli.flags import flag
from impasto.settings import DEFAULT_RECIPE, Settings

__all__ = ["code_of"]

Named = Callable[[str], str]

_COMMANDS = {"stylize": DEFAULT_RECIPE, "texture": "texture", "reconstruct": "reconstruction"}
"""Each command, with the recipe that it takes by default."""


def code_of(request: Mapping[str, Any], named: Named) -> dict[str, str]:
    """`{"command": …, "python": …}` of a request; `named` gives the file name of a picture's id.

    Only settings that differ from the recipe are in them. Names are quoted for a shell.
    """
    recipe, settings = str(request["recipe"]), _differing(request)
    content, styles = request.get("content"), list(request.get("styles") or ())
    kind = "texture" if content is None else "stylize" if styles else "reconstruct"
    files = [_file(named(each)) for each in ([content] if content else []) + styles]
    masks = [_file(named(mask)) for mask in request.get("masks") or () if mask]
    protect = [_file(named(request["protect"]))] if request.get("protect") else []

    words = ["impasto", kind, *files]
    if recipe != _COMMANDS[kind]:
        words += ["--recipe", recipe]
    for name, value in settings.items():
        words += [flag(name), _text(name, value)]
    words += [word for file in protect for word in ("--protect", file)]
    words += [word for file in masks for word in ("--content-mask", file)]
    command = shlex.join([*words, "--bits", "16", "-o", "painted.png"])

    arguments: dict[str, Any] = dict(settings)
    if protect:
        arguments["protect"] = protect[0]
    if masks:
        arguments["content_masks"] = masks
    python = _python(kind, files, len(styles), recipe, arguments)
    return {"command": command, "python": python}


def _differing(request: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a request that are not the recipe's, in the order of the fields."""
    own = Settings.of(str(request["recipe"])).model_dump(mode="json")
    given = dict(request.get("settings") or {})
    return {name: given[name] for name in own if name in given and given[name] != own[name]}


def _python(
    kind: str, files: Sequence[str], styles: int, recipe: str, arguments: Mapping[str, Any]
) -> str:
    names = [repr(file) for file in files]
    if styles > 1:
        names = [*names[:-styles], f"[{', '.join(names[-styles:])}]"]
    given = [f"recipe={recipe!r}"] if recipe != _COMMANDS[kind] else []
    given += [f"{name}={value!r}" for name, value in arguments.items()]
    call = ", ".join([*names, *given])
    return (
        "import impasto\n"
        "\n"
        f"result = impasto.{kind}({call})\n"
        'result.image.save("painted.png", bits=16)\n'
        "print(result.steps[-1].loss)\n"
    )


def _file(name: str) -> str:
    """A name that is taken for a file, and for no option and no sample."""
    sample = name.startswith("sample:")
    return f"./{name}" if name.startswith("-") and not sample else name


def _text(name: str, value: Any) -> str:  # noqa: ANN401 (plain JSON)
    """A setting as an option's value, to the last digit."""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_text(name, each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return ("x" if name == "size" else ",").join(_text(name, each) for each in value)
    return value if isinstance(value, str) else json.dumps(value)
