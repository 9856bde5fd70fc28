"""Python names that the documentation of version 0.1 showed: they work, and warn."""

import importlib
import sys

import pytest

import impasto
from impasto.errors import SettingsError
from support.children import finished
from support.pictures import smooth_picture

SMALL = {"size": 32, "iterations": 2, "encoder": "tiny", "style_loss": "gram"}
NAMES = {
    "notebook": {"live": "apps.notebook", "watch": "apps.notebook"},
    "batch": {
        "Batch": "apps.batch",
        "Layout": "apps.batch",
        "pairs_in": "apps.batch",
        "pair_up": "apps.batch",
    },
    "checkpoint": {"Checkpoint": "run.checkpoint"},
    "colouring": {"with_colours_of": "images.colour_transfer"},
    "losses": {"style_loss": "objective.style_losses", "Moments": "objective"},
}
PAIRS = [(module, name) for module, names in NAMES.items() for name in names]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    smooth_picture(40, 40).save("photo.jpg")
    smooth_picture(40, 36, phase=1.0).save("painting.jpg")
    return tmp_path


def former(module, name):
    """`from impasto.MODULE import NAME`, which warns at the line that says so."""
    scope = {}
    with pytest.warns(DeprecationWarning, match=rf"impasto\.{module}\.{name} is now ") as caught:
        exec(compile(f"from impasto.{module} import {name}", "user.py", "exec"), scope)
    assert [warning.filename for warning in caught] == ["user.py"]
    return scope[name]


@pytest.mark.parametrize(("module", "name"), PAIRS)
def test_a_name_that_moved_is_what_it_became(module, name):
    home = importlib.import_module(f"impasto.{NAMES[module][name]}")
    assert former(module, name) is getattr(home, name)


def test_finishes_are_a_table():
    relief = former("finish", "FINISHES")["relief"]
    picture = smooth_picture(40, 30).pixels.clamp(0, 1)
    assert relief(picture, 0.5).shape == picture.shape


def test_a_story_is_written(folder):
    story_of = former("report", "Story")
    run = impasto.Run("photo.jpg", "painting.jpg", impasto.Settings.of("keras-eager", **SMALL))
    story = story_of(run.inputs.content, run.inputs.style)
    for step in run:
        story.note(step)
    story.write("report.png", run.result().image)
    assert (folder / "report.png").stat().st_size > 1000


def test_a_film_is_closed(folder):
    film_of = former("report", "Film")
    run = impasto.Run("photo.jpg", "painting.jpg", impasto.Settings.of(**SMALL))
    film = film_of("transfer.gif", run.inputs.size)
    for step in run:
        film.note(step)
    film.close(run.result().image)
    assert (folder / "transfer.gif").read_bytes()[:6] == b"GIF89a"


def test_strangers_are_refused():
    with pytest.raises(ImportError, match="stranger"):
        exec("from impasto.batch import stranger", {})
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("impasto.session")


def test_old_modules_are_not_imported_unasked():
    probe = "import impasto, sys; sys.exit(any('former' in name for name in sys.modules))"
    assert finished([sys.executable, "-c", probe]).returncode == 0


def test_a_former_name_and_the_new_one_are_not_given_together(folder):
    with pytest.raises(SettingsError, match="protect is given twice, also as keep; leave keep out"):
        impasto.stylize("photo.jpg", "painting.jpg", keep="a.png", protect="b.png", **SMALL)
