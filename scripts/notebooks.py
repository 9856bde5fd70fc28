"""The notebooks of docs/learn: written as .ipynb, executed, or run small as plain Python.

    python scripts/notebooks.py out/notebooks                       # write all of them
    python scripts/notebooks.py out/notebooks --run [NAME ...]      # execute them in a real kernel
    python scripts/notebooks.py out/notebooks --run film --set SIZE=96

Their sources are Python in jupytext's percent format. A cell that is tagged `parameters` has the
values that make a notebook small.
"""

import argparse
import ast
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jupytext
from nbformat import NotebookNode

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "docs" / "learn"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
PARAMETERS = "parameters"


def sources() -> list[Path]:
    """The sources of all notebooks."""
    return sorted(SOURCES.glob("*.py"))


def page(path: Path) -> str:
    """A notebook as a page of the site: its text, its code in blocks, and a link to download it."""
    first, *rest = _blocks(_read(path))
    title, _, introduction = first.partition("\n")
    link = f"[Download this page as a notebook]({path.stem}.ipynb){{ download }}"
    return "\n\n".join([title, link, introduction.strip(), *rest]) + "\n"


def notebook(path: Path) -> NotebookNode:
    """A notebook to be read anywhere: without outputs, and pictures and links of the site."""
    node = _read(path)
    for index, cell in enumerate(node.cells):
        cell.id = f"{path.stem}-{index}"  # the same each time
        if cell.cell_type == "markdown":
            cell.source = _standalone(cell.source)
    node.cells = [cell for cell in node.cells if cell.source]
    node.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return node


def written(path: Path) -> str:
    """The file of a notebook."""
    return jupytext.writes(notebook(path), fmt="ipynb") + "\n"


def program(path: Path, values: Mapping[str, Any]) -> str:
    """A notebook as a plain program, with other values of its parameters.

    Raises ValueError for a name that is no parameter of it.
    """
    node = _read(path)
    _set_parameters(node, values)
    return "\n\n".join(cell.source for cell in node.cells if cell.cell_type == "code") + "\n"


def execute(path: Path, folder: Path, values: Mapping[str, Any]) -> Path:
    """Execute a notebook in a kernel that works in `folder`; the file, with its outputs."""
    import nbclient

    node = notebook(path)
    _set_parameters(node, {n: v for n, v in values.items() if n in parameters(path)})
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    nbclient.NotebookClient(node, timeout=None, resources={"metadata": {"path": folder}}).execute()
    target = folder / f"{path.stem}.ipynb"
    target.write_text(jupytext.writes(node, fmt="ipynb") + "\n", "utf-8")
    return target


def parameters(path: Path) -> tuple[str, ...]:
    """The names that a notebook's parameters cell assigns."""
    cell = _parameters_cell(_read(path))
    return tuple(name for line in ast.parse(cell.source).body for name in _names(line))


def _set_parameters(node: NotebookNode, values: Mapping[str, Any]) -> None:
    cell, left = _parameters_cell(node), dict(values)
    tree = ast.parse(cell.source)
    for line in tree.body:
        for name in _names(line):
            if name in left:
                line.value = ast.parse(repr(left.pop(name)), mode="eval").body
    if left:
        raise ValueError(f"{', '.join(left)} is no parameter; there are {cell.source!r}")
    if values:
        cell.source = ast.unparse(tree)


def _parameters_cell(node: NotebookNode) -> NotebookNode:
    (cell,) = (c for c in node.cells if PARAMETERS in c.metadata.get("tags", ()))
    return cell


def _names(line: ast.stmt) -> tuple[str, ...]:
    """The name that a statement assigns, if it is a plain assignment."""
    match line:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return (name,)
    return ()


def _read(path: Path) -> NotebookNode:
    return jupytext.read(path, fmt="py:percent")


def _blocks(node: NotebookNode) -> Iterator[str]:
    for cell in node.cells:
        yield f"```python\n{cell.source}\n```" if cell.cell_type == "code" else cell.source


def _standalone(text: str) -> str:
    """Markdown without pictures of the site, and with the words of its links alone."""
    text = re.sub(r"^!\[.*\]\(\.\./.*\)\n*", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]+)\]\((?!http)[^)]+\)", r"\1", text).strip()


def _value(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, ast.literal_eval(value)


def main() -> None:
    """Parse the options; write or execute."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the .ipynb files go")
    parser.add_argument("--run", nargs="*", metavar="NAME", help="execute these, or all")
    parser.add_argument("--set", nargs="*", type=_value, default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    unknown = {*(options.run or ())} - {path.stem for path in sources()}
    if unknown:
        known = ", ".join(path.stem for path in sources())
        parser.error(f"no notebook {', '.join(sorted(unknown))}; expected some of {known}")
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in sources():
        if options.run is None:
            target = options.folder / f"{path.stem}.ipynb"
            target.write_text(written(path), "utf-8")
            print(target)
        elif not options.run or path.stem in options.run:
            print(execute(path, options.folder, dict(options.set)), flush=True)


if __name__ == "__main__":
    main()
