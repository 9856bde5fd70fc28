"""The notebooks of docs/learn run as programs, small; their pages and files are what they say."""

import json
import re
import sys
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot

from impasto.settings import variants
from impasto.settings.registry import Registry

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import notebooks  # noqa: E402 (its folder is found only now)

SMALL = {
    "d2l": {"SIZE": 96, "EPOCHS": [2, 2]},
    "fastai": {"SIZE": 64, "ROUNDS": 1, "EVALUATIONS": 3},
    "film": {"SIZE": 64, "FRAMES": 3, "ITERATIONS": 2},
}
SOURCES = {path.stem: path for path in notebooks.sources()}


def small(name):
    return SMALL.get(name, {"SIZE": 64, "ITERATIONS": 3})


@pytest.fixture
def undone(monkeypatch):
    """Registries that forget what a notebook registers, and figures that are closed."""
    for registry in vars(variants).values():
        if isinstance(registry, Registry):
            monkeypatch.setattr(registry, "_found", dict(registry._found))
    monkeypatch.setattr(matplotlib, "get_backend", lambda: "agg")
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


def test_there_are_nine():
    assert len(SOURCES) == 9


@pytest.mark.parametrize("name", SOURCES)
def test_it_runs(name, undone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = notebooks.program(SOURCES[name], small(name))
    exec(compile(source, name, "exec"), {"__name__": name})
    assert pyplot.get_fignums()


@pytest.mark.parametrize("name", SOURCES)
def test_its_file_has_no_outputs_and_no_links_of_the_site(name):
    cells = json.loads(notebooks.written(SOURCES[name]))["cells"]
    assert not any(cell.get("outputs") for cell in cells)
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    assert texts[0].startswith("# ")
    assert not any("](../" in text for text in texts)


@pytest.mark.parametrize("name", SOURCES)
def test_its_page_points_to_what_is_there(name):
    page = notebooks.page(SOURCES[name])
    assert f"[Download this page as a notebook]({name}.ipynb)" in page
    for target in re.findall(r"\]\((\.\./[^)#\s]+)", page):
        assert (ROOT / "docs" / "learn" / target).exists(), target


def test_the_site_has_all_of_them():
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert {*re.findall(r"learn/(\w+)\.md", menu)} == {*SOURCES}


def test_parameters():
    assert notebooks.parameters(SOURCES["film"]) == ("SIZE", "FRAMES", "ITERATIONS")
    assert "SIZE = 64\n" in notebooks.program(SOURCES["film"], {"SIZE": 64})
    with pytest.raises(ValueError, match="WIDTH is no parameter; there are 'PHOTO"):
        notebooks.program(SOURCES["film"], {"WIDTH": 64})


def test_a_name_that_is_no_notebook_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["notebooks.py", str(tmp_path / "out"), "--run", "flim"])
    with pytest.raises(SystemExit):
        notebooks.main()
    assert "no notebook flim; expected some of " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
