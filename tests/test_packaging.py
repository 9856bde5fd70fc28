"""What the package imports is what it declares."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
TABLES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT, BUILD = TABLES["project"], TABLES["build-system"]
DEVELOPERS = {"all", "dev"}


def canonical(requirement):
    """`Pillow>=11.3` -> `pillow`."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def requirements():
    """What users may have: the required libraries and those of the extras."""
    extras = PROJECT["optional-dependencies"]
    chosen = [PROJECT["dependencies"], *(extras[name] for name in extras if name not in DEVELOPERS)]
    return [requirement for group in chosen for requirement in group]


def declared():
    """Their names."""
    return {canonical(requirement) for requirement in requirements()}


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


NOT_OLDEST = {"torch", "tomli", "ray"}  # a gigabyte; for Python 3.10 alone; not in `all`


def test_the_oldest_libraries_are_those_that_are_declared():
    """Each of them is tried: no floor is only a claim."""
    lines = (ROOT / "constraints-oldest.txt").read_text("utf-8").splitlines()
    pins = dict(
        line.partition(";")[0].split("==") for line in lines if line and not line.startswith("#")
    )
    assert pins.keys() == declared() - NOT_OLDEST
    for requirement in requirements():
        name, _, floor = requirement.partition(";")[0].partition(">=")
        if canonical(name) in pins and "< '3.11'" not in requirement:
            assert f"{pins[canonical(name)]}.".startswith(f"{floor}."), requirement


def test_a_source_distribution_has_what_its_tests_read():
    included = TABLES["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    texts = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")]
    named = {name for text in texts for name in re.findall(r'\b(?:ROOT|parent) / "([^"/]+)', text)}
    assert {"benchmarks", "mkdocs.yml", "CITATION.cff"} <= named
    there = {name for name in named if (ROOT / name).exists()}
    assert there - {"pyproject.toml"} <= {*included}
    assert [name for name in included if not (ROOT / name).exists()] == []


CONDA = {  # what conda calls it
    "torch": "pytorch",
    "opencv-python-headless": "py-opencv",
    "matplotlib": "matplotlib-base",
}
NOT_CONDA = {"pillow-jxl-plugin", "ray"}  # it has no such package, or users choose it themselves


def as_conda(requirement):
    """`torch>=2.6` -> `pytorch >=2.6`; conditions go, because the package is for every Python."""
    name, least = re.fullmatch(r"([\w.-]+)(.*)", requirement.partition(";")[0].strip()).groups()
    return f"{CONDA.get(canonical(name), canonical(name))} {least}"


def test_the_conda_recipe_is_that_of_the_project():
    recipe = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text("utf-8"))
    python = f"python {PROJECT['requires-python']}"
    extras = PROJECT["optional-dependencies"]
    optional = {  # of several by the version of Python the last, for the oldest
        as_conda(each).partition(" ")[0]: as_conda(each)
        for name in extras
        if name not in DEVELOPERS
        for each in extras[name]
        if canonical(each) not in NOT_CONDA
    }
    assert recipe["context"]["version"] == PROJECT["version"]
    assert recipe["package"]["name"] == PROJECT["name"]
    needed = recipe["requirements"]
    assert needed["run"] == [python, *map(as_conda, PROJECT["dependencies"])]
    assert set(needed["run_constraints"]) == set(optional.values())
    assert needed["host"] == [python, "pip", *map(as_conda, BUILD["requires"])]
    scripts = [f"{name} = {place}" for name, place in PROJECT["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    about = recipe["about"]
    assert about["summary"] == PROJECT["description"]
    assert (about["license"], about["license_file"]) == (
        PROJECT["license"],
        PROJECT["license-files"],
    )


def test_a_version_is_told_everywhere():
    version = PROJECT["version"]
    newest = re.findall(
        r"^## \[(\d[^]]*)\] - (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M
    )
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert newest[0] == (version, str(cited["date-released"]))
    assert cited["version"] == version
