"""The page of errors: each kind, and every message that the code can raise."""

import ast
from collections.abc import Iterator
from pathlib import Path

from impasto import errors
from markup import NOTE, plain, table

PACKAGE = Path(__file__).parent.parent / "src" / "impasto"


def error_pages() -> Iterator[str]:
    """Each kind of error, and every message that the code can raise."""
    yield from ("# Errors", "", NOTE, "")
    yield "Each message says what was given, what is needed and what to change. Names in braces"
    yield "stand for values. The command line prints the message as one line and ends with code 2."
    yield ""
    messages = _messages()
    for name in errors.__all__:
        kind = getattr(errors, name)
        if not isinstance(kind, type):
            continue
        bases = " and ".join(f"`{base.__name__}`" for base in kind.__bases__)
        yield from (f"## {name}", "", f"{plain(kind.__doc__)} A kind of {bases}.", "")
        rows = [(text, f"`{place}`") for text, place in sorted(messages.get(name, ()))]
        if rows:
            yield from table(["message", "raised in"], rows)


def _messages() -> dict[str, set[tuple[str, str]]]:
    """Error -> (message, module) of each place that raises one with a text of its own."""
    found: dict[str, set[tuple[str, str]]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).with_suffix("").as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                text = _template(node.args[0])
                if node.func.id in errors.__all__ and text:
                    found.setdefault(node.func.id, set()).add((text, module))
    return found


def _template(node: ast.expr) -> str:
    """A text with the names of its values in braces; empty where it is made elsewhere."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        words = [
            p for p in node.values if isinstance(p, ast.Constant) and str(p.value).strip(" :;,")
        ]
        return "".join(map(_part, node.values)) if words else ""
    return ""


def _part(node: ast.expr) -> str:
    """A piece of an f-string: its text, or the name of its value in braces."""
    match node:
        case ast.Constant(value=text):
            return str(text)
        case ast.FormattedValue(value=ast.Call(args=[argument])):
            return _part(ast.FormattedValue(argument, -1))
        case ast.FormattedValue(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return f"{{{name}}}"
    return "{…}"
