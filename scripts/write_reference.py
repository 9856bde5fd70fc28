"""Write the reference, docs/reference/*.md, from the code itself.

    python scripts/write_reference.py

The command line, the settings, the recipes, the errors and the list of the Python API. A test
compares the pages with what this script writes.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo

import impasto
from impasto.apps.cli import app
from impasto.settings import FilmSettings, Settings, recipes
from impasto.settings.registry import Registry
from markup import NOTE, plain, table
from reference_errors import error_pages
from reference_files import files
from write_manual import EXIT_CODES, argument_name, commands, documented, value_name

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    written = {
        "command-line.md": command_line(),
        "settings.md": settings(),
        "recipes.md": recipe_pages(),
        "errors.md": error_pages(),
        "python.md": python(),
        "files.md": files(),
    }
    return {name: "\n".join(lines).rstrip() + "\n" for name, lines in written.items()}


# The command line


def command_line() -> Iterator[str]:
    """Each command with its arguments and all of its options."""
    yield from ("# Command line", "", NOTE, "")
    yield from ("`impasto COMMAND --help` shows the usual options, `--help-all` every one.", "")
    yield from table(["exit code", "meaning"], EXIT_CODES.items())
    for name, command in commands(typer.main.get_command(app)):
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join(["impasto", name, *map(argument_name, arguments), "[OPTION ...]"])
        yield from (f"## impasto {name}", "", f"`{usage}`", "", plain(command.help), "")
        if arguments:
            rows = ((f"`{argument_name(a)}`", plain(a.help)) for a in arguments)
            yield from table(["argument", "meaning"], rows)
        yield from _options(command)


def _options(command: typer.core.TyperCommand) -> Iterator[str]:
    """The options of a command, in the panels of its help."""
    options = [p for p in documented(command) if p.param_type_name == "option"]
    panels: dict[str, list[typer.core.TyperOption]] = {}
    for option in options:
        panels.setdefault(option.rich_help_panel or "Options", []).append(option)
    for panel, those in panels.items():
        yield from table([panel, "meaning"], ((_flags(o), plain(o.help)) for o in those))


def _flags(option: typer.core.TyperOption) -> str:
    value = "" if option.is_flag else f" {value_name(option)}"
    return ", ".join(f"`{name}`" for name in option.opts[:-1]) + (
        f"{', ' if option.opts[1:] else ''}`{option.opts[-1]}{value}`"
    )


# Settings and recipes


def settings() -> Iterator[str]:
    """Each field of Settings, and of a film's."""
    yield from ("# Settings", "", NOTE, "")
    yield "Fields of `impasto.Settings`: keywords in Python, options on the command line, keys of a"
    yield "recipe's file. The option of `style_scale` is `--style-scale`. The default is that of a"
    yield "recipe that does not name the field."
    yield ""
    yield from _groups(Settings, Settings.of("standard").model_dump(mode="json"))
    yield from ("## Films", "", "Fields of `impasto.FilmSettings`, for `impasto film`.", "")
    yield from _fields(FilmSettings, FilmSettings.model_fields, {})


def _groups(model: Any, standard: dict[str, Any]) -> Iterator[str]:
    groups: dict[str, dict[str, FieldInfo]] = {}
    for name, field in model.model_fields.items():
        groups.setdefault(_extra(field)["group"], {})[name] = field
    for group, fields in groups.items():
        yield from (f"## {group}", "")
        yield from _fields(model, fields, standard)


def _fields(model: Any, fields: dict[str, FieldInfo], standard: dict[str, Any]) -> Iterator[str]:
    properties = model.model_json_schema()["properties"]
    defaults = model().model_dump(mode="json")
    rows = []
    for name, field in fields.items():
        meaning = plain(field.description)
        if not _extra(field).get("pixels", True):
            meaning += "; does not change pixels"
        own = [_value(standard[name])] if standard else []
        values = _values(properties[name], field)
        rows.append((f"`{name}`", values, _value(defaults[name]), *own, meaning))
    preset = ["`standard`"] if standard else []
    yield from table(["setting", "values", "default", *preset, "meaning"], rows)


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _values(facts: dict[str, Any], field: FieldInfo) -> str:
    """What a field may be: names, or numbers with their limits."""
    registry = next((m for m in field.metadata if isinstance(m, Registry)), None)
    if registry is not None and registry.kind == "encoder":
        return "a name of `impasto weights list`, or a file"
    if registry is not None:
        return ", ".join(map(str, registry.names()))
    return " or ".join(dict.fromkeys(_form(form) for form in facts.get("anyOf", [facts])))


def _form(facts: dict[str, Any]) -> str:
    if "enum" in facts or "const" in facts:
        return ", ".join(map(str, facts.get("enum", [facts.get("const")])))
    if facts.get("type") == "array":
        return "several, with commas"
    if facts.get("type") == "object":
        return "layers, with weights"
    kind = {"integer": "whole number", "number": "number", "boolean": "yes or no"}
    words = [kind.get(str(facts.get("type")), "text"), *_limits(facts)]
    return " ".join(words)


def _limits(facts: dict[str, Any]) -> Iterator[str]:
    """The limits of a number in words."""
    least, most = facts.get("minimum"), facts.get("maximum")
    if least is not None and most is not None:
        yield f"{least:,} to {most:,}"
        return
    texts = {
        "minimum": "at least {:,}",
        "exclusiveMinimum": "above {:,}",
        "maximum": "at most {:,}",
        "exclusiveMaximum": "below {:,}",
    }
    found = (text.format(facts[key]) for key, text in texts.items() if key in facts)
    yield " and ".join(found)


def _value(value: object) -> str:
    """A value as a recipe's file has it, short."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {v:g}" for k, v in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


def recipe_pages() -> Iterator[str]:
    """Each recipe: what it is, and the settings in which it differs from the defaults."""
    yield from ("# Recipes", "", NOTE, "")
    yield "`impasto stylize --recipe NAME`, or `impasto.stylize(…, recipe=NAME)`. Each lists the"
    yield "settings that differ from the [defaults](settings.md)."
    yield ""
    for recipe in recipes().values():
        yield from (f"## {recipe.name}", "", f"{recipe.summary}.", "", recipe.about, "")
        rows = ((f"`{name}`", _value(value)) for name, value in recipe.settings.items())
        yield from table(["setting", "value"], rows)


# Python


def python() -> Iterator[str]:
    """Every public name, for mkdocstrings to fill in."""
    yield from ("# Python", "", NOTE, "")
    yield "Names of the package `impasto`. Import a name from its room for what is not here."
    yield ""
    names = [name for name in impasto.__all__ if not name.startswith("_")]
    for name in sorted(names, key=lambda n: (n[0].isupper(), n)):
        home = getattr(impasto, name)
        module = getattr(home, "__module__", None) or f"impasto.{name}"
        target = f"{module}.{name}" if hasattr(import_module(module), name) else module
        yield from (f"::: {target}", "")
    yield from ("## Events", "", "::: impasto.run.events", "")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
        print(FOLDER / name)
