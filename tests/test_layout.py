"""The package's shape: imports follow the data, exports exist, nothing heavy loads early."""

import ast
import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import impasto
from support.children import finished

ROOT = Path(impasto.__file__).parent
PROJECT = Path(__file__).parent.parent

ORDER = [
    "errors",
    "settings",
    "images",
    "encoder",
    "objective",
    "optimisers",
    "hardware",
    "run",
    "outputs",
    "apps",
]
"""The rooms, as the data flows; a module imports only from rooms before its own."""

SOURCES = sorted(ROOT.rglob("*.py"))


def name_of(path):
    """`impasto.run.loop` of a file; a package's own name for its `__init__`."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


def imported(path):
    """Modules of impasto that a file imports, whether at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("impasto"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


def room(name):
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upwards(path):
    if path.parent == ROOT and path.name.startswith("__"):
        return
    place = ORDER.index(room(name_of(path)))
    for name in imported(path):
        assert room(name) in ORDER, f"{name} has no place in the order"
        assert ORDER.index(room(name)) <= place, f"{name_of(path)} imports {name}, below it"


def test_no_two_modules_import_each_other():
    """Not even in a circle of several, and not inside a folder."""
    graph = {name: set(imported(path)) - {name} for name, path in MODULES.items()}
    graph.pop("impasto")  # loads names when they are asked for
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_the_root_has_ten_rooms():
    names = {room(name) for name in MODULES} - {"", "__main__"}
    assert names == set(ORDER)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_have_one_subject_and_at_most_300_lines(path):
    assert len(path.read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", impasto.__all__)
def test_exports_exist(name):
    assert getattr(impasto, name) is not None
    assert name in dir(impasto)


def test_unknown_export():
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        impasto.paint  # noqa: B018 (asking for it is the test)


@pytest.mark.parametrize(
    "package",
    [
        "settings",
        "images",
        "encoder",
        "encoder.weights",
        "objective",
        "objective.terms",
        "objective.style_losses",
        "optimisers",
        "hardware",
        "run",
        "outputs",
        "outputs.report",
        "outputs.timelapse",
        "apps.batch",
    ],
)
def test_packages_list_what_they_export(package):
    module = __import__(f"impasto.{package}", fromlist=["__all__"])
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert hasattr(module, name)


@pytest.mark.parametrize(
    "code",
    [
        "import impasto",
        "import impasto.apps.cli",
        "import impasto.images.samples, impasto.images.atomic, impasto.outputs",
    ],
)
def test_torch_is_not_imported_early(code):
    probe = f"{code}; import sys; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert finished([sys.executable, "-c", probe]).returncode == 0


def texts_of_tests():
    """Every file of the tests with its text, but this one."""
    for path in sorted((PROJECT / "tests").rglob("*.py")):
        if path.name != "test_layout.py":
            yield str(path.relative_to(PROJECT / "tests")), path.read_text("utf-8")


def test_what_tests_start_ends_with_them():
    bare = re.compile(r"\bsubprocess\.(run|call|check_\w+)\(|\bPopen\(|\bos\.(system|popen)\(")
    assert [name for name, text in texts_of_tests() if bare.search(text)] == ["support/children.py"]


def test_what_tests_share_is_in_support():
    """A module of tests that imports another would run twice, or not alone."""
    sharing = re.compile(r"^ *(from|import) (\w+\.)*test_\w+", re.M)
    assert [name for name, text in texts_of_tests() if sharing.search(text)] == []


@pytest.mark.parametrize("folder", ["src", "tests", "scripts", "benchmarks", "docs/learn"])
def test_what_a_checker_is_told_to_ignore_has_a_reason(folder):
    """`# noqa: RULE (why)` and `# type: ignore[rule]  # why`."""
    told = re.compile(r"# (noqa|type: ignore)(?!: [A-Z0-9]+(, [A-Z0-9]+)* \(|\[[a-z, -]+\]  # \w)")
    bare = [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in sorted((PROJECT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if told.search(line)
    ]
    assert bare == []
