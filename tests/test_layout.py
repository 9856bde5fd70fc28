"""The package's shape: imports follow the data, exports exist, nothing heavy loads early."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import impasto

ROOT = Path(impasto.__file__).parent

ORDER = [
    "errors",
    "text",
    "extras",
    "recipes",
    "settings",
    "scales",
    "samples",
    "colour",
    "images",
    "finish",
    "colouring",
    "regions",
    "canvas",
    "development",
    "encoder",
    "losses",
    "tiles",
    "measuring",
    "terms",
    "objective",
    "restraints",
    "graph",
    "optimisers",
    "machine",
    "footprint",
    "demand",
    "plan",
    "assembly",
    "memory",
    "frugal",
    "paintings",
    "inputs",
    "step",
    "metadata",
    "checkpoint",
    "position",
    "run",
    "calls",
    "report",
    "notebook",
    "files",
    "session",
    "batch",
    "cli",
]
"""As the data flows; a module imports only from those before it."""


def imported(path):
    """Modules of impasto that a file imports, whether at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("impasto"):
            _, _, rest = node.module.partition(".")
            yield from [rest.split(".")[0]] if rest else [alias.name for alias in node.names]


def home(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upwards(path):
    if path.parent == ROOT and path.name.startswith("__"):
        return
    place = ORDER.index(home(path))
    for name in imported(path):
        assert name in ORDER, f"{name} has no place in the order"
        assert ORDER.index(name) <= place, f"{home(path)} imports {name}, which comes after it"


def test_every_module_has_its_place():
    names = {home(p) for p in ROOT.rglob("*.py") if home(p) not in {"__init__", "__main__"}}
    assert names == set(ORDER)


@pytest.mark.parametrize("name", impasto.__all__)
def test_exports_exist(name):
    assert getattr(impasto, name) is not None
    assert name in dir(impasto)


def test_unknown_export():
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        impasto.paint  # noqa: B018


@pytest.mark.parametrize(
    "package", ["encoder", "losses", "optimisers", "images", "report", "batch"]
)
def test_packages_list_what_they_export(package):
    module = __import__(f"impasto.{package}", fromlist=["__all__"])
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert hasattr(module, name)


@pytest.mark.parametrize("code", ["import impasto", "import impasto.cli"])
def test_torch_is_not_imported_early(code):
    probe = f"{code}; import sys; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
