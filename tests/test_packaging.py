"""What the package imports is what it declares."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DEVELOPERS = {"all", "dev"}


def canonical(requirement):
    """`Pillow>=11.3` -> `pillow`."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def declared():
    """Every library that users may have: the required ones and those of the extras."""
    extras = PROJECT["optional-dependencies"]
    chosen = [PROJECT["dependencies"], *(extras[name] for name in extras if name not in DEVELOPERS)]
    return {canonical(requirement) for group in chosen for requirement in group}


def imported():
    """Top-level names of other packages that a source file imports, anywhere in it."""
    names = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.partition(".")[0])
    return sorted(names - {"impasto"} - set(sys.stdlib_module_names))


def test_sources_import_other_packages():
    assert {"torch", "numpy", "cv2"} <= set(imported())


def test_imports_are_declared():
    installed, known = packages_distributions(), declared()
    undeclared = [
        name
        for name in imported()  # tomli is installed before Python 3.11 only
        if not known & {canonical(each) for each in installed.get(name, [name])}
    ]
    assert undeclared == []


@pytest.mark.parametrize("name", ["NOTICE", "scripts/paint_styles.py", "scripts/extract_photos.py"])
def test_paths_in_the_source_tree_exist(name):
    """Credits and scripts name files of the package, which may move."""
    paths = re.findall(r"src/impasto/[\w./]*\w", (ROOT / name).read_text("utf-8"))
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
