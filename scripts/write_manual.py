"""Write the manual page, docs/impasto.1, from the command line's own help.

    python scripts/write_manual.py

The wheel puts it where `man impasto` looks. A test compares it with what this script writes.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import typer

from impasto.apps.cli import app
from impasto.errors import version_of

PAGE = Path(__file__).parent.parent / "docs" / "impasto.1"

EXIT_CODES = {
    "0": "done",
    "1": "some pairs of a batch failed",
    "2": "invalid input; one line on stderr says what was expected",
    "130": "interrupted by Ctrl-C; the best picture so far is saved",
}


def manual() -> str:
    """The page in man(7)'s macros."""
    root = typer.main.get_command(app)
    lines = [
        f'.TH IMPASTO 1 "" "impasto {version_of("impasto")}" "User Commands"',
        ".SH NAME",
        r"impasto \- " + _text(root.help).rstrip("."),
        ".SH SYNOPSIS",
        ".B impasto",
        r".I COMMAND",
        "[argument ...] [option ...]",
        ".SH DESCRIPTION",
        "impasto paints a photograph in the style of a painting, by optimising an image against a",
        "frozen network. Each command below has its own",
        r".BR \-\-help .",
        ".SH OPTIONS",
        *_options(root),
        ".SH COMMANDS",
    ]
    for name, command in commands(root):
        lines += [f'.SS "impasto {_escaped(name)}{_usage(command)}"', _text(command.help)]
        lines += _options(command)
    lines += [".SH EXIT STATUS"]
    for code, meaning in EXIT_CODES.items():
        lines += [".TP", f".B {code}", meaning]
    return "\n".join(lines) + "\n"


def commands(group: typer.core.TyperGroup) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Every command by its full name, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {part}", each) for part, each in commands(command))
        elif not command.hidden:
            yield name, command


def _usage(command: typer.core.TyperCommand) -> str:
    """The arguments, after a space each."""
    names = [argument_name(each) for each in command.params if each.param_type_name == "argument"]
    return "".join(f" {_escaped(name)}" for name in names)


def argument_name(argument: typer.core.TyperArgument) -> str:
    """An argument as usage lines have it."""
    name = (argument.metavar or argument.name or "").upper()
    shown = name if argument.required or name.startswith("[") else f"[{name}]"
    return f"{shown} ..." if argument.nargs == -1 else shown


def _options(command: typer.core.TyperCommand) -> Iterator[str]:
    """Each argument and option, in the order of the help, with what it is for."""
    for each in documented(command):
        if each.param_type_name == "argument":
            head = rf"\fI{_escaped(argument_name(each))}\fR"
        else:
            value = "" if each.is_flag else rf" \fI{_escaped(value_name(each))}\fR"
            head = ", ".join(rf"\fB{_escaped(flag)}\fR" for flag in each.opts) + value
        yield from (".TP", head, _text(each.help))


def documented(command: typer.core.TyperCommand) -> list[typer.core.TyperOption]:
    """Arguments and options with help; the others are only there to be refused."""
    return [each for each in command.params if each.help]


def value_name(option: typer.core.TyperOption) -> str:
    """What stands for an option's value."""
    return option.metavar or {int: "N", float: "X"}.get(option.type_descriptor.annotation, "TEXT")


def _text(text: str | None) -> str:
    """Help as paragraphs; its marks of Markdown and Rich are taken out."""
    plain = re.sub(r"\\(?=\[)|`", "", (text or "").replace("\f", ""))
    paragraphs = [" ".join(part.split()) for part in plain.strip().split("\n\n")]
    return "\n.PP\n".join(_escaped(part) for part in paragraphs)


def _escaped(text: str) -> str:
    """Text that troff shows as it is; no line of it begins as a request does."""
    shown = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    shown = "".join(each if each.isascii() else rf"\[u{ord(each):04X}]" for each in shown)
    return re.sub(r"^([.'])", r"\\&\1", shown)


if __name__ == "__main__":
    PAGE.write_text(manual(), "utf-8")
    print(PAGE)
