"""The command and the Python of a job paint what the job painted."""

import shlex

import numpy as np
import pytest
from PIL import Image

from impasto.apps.cli import main
from impasto.apps.studio.code import code_of
from support.pictures import smooth_picture

TINY = {"size": 32, "encoder": "tiny", "precision": "fp32", "style_loss": "gram", "iterations": [2]}


def request(**more):
    base = {"content": "c", "styles": ["s"], "recipe": "standard", "settings": dict(TINY)}
    return {**base, "protect": None, "masks": [], **more}


NAMES = {
    "c": 'it\'s a "photo" $(touch x) `y`.png',
    "s": "--output=painting; rm -rf ~.png",
    "t": "другая.png",
    "p": "face mask.png",
    "m": "left.png",
    "n": "right & wrong.png",
    "sample:swirl": "sample:swirl",
}


def code(**more):
    return code_of(request(**more), NAMES.__getitem__)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for phase, name in enumerate("cst"):
        smooth_picture(44, 36, phase=phase).save(NAMES[name])
    left = np.zeros((36, 44), np.uint8)
    left[:, :22] = 255
    Image.fromarray(left).save(NAMES["m"])
    Image.fromarray(255 - left).save(NAMES["n"])
    Image.fromarray(left.T).save(NAMES["p"])
    return tmp_path


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"styles": ["s", "t"], "masks": ["m", "n"], "protect": "p"},
        {"settings": {**TINY, "style_layers": {"relu1_1": 1.0, "relu2_1": 0.3333333333333333}}},
        {"settings": {**TINY, "size": [40, 24], "content_weight": 1 / 3, "scales": [1.0]}},
    ],
)
def test_both_paint_the_same_picture(more, folder):
    found = code(**more)
    words = shlex.split(found["command"])
    assert words[:2] == ["impasto", "stylize"]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*words[1:], "--quiet"])
    made = (folder / "painted.png").read_bytes()
    (folder / "painted.png").unlink()
    assert len([line for line in found["python"].splitlines() if line]) <= 5
    exec(found["python"], {})  # in this folder
    again = (folder / "painted.png").read_bytes()
    with Image.open("painted.png") as image:
        assert image.size == ((40, 24) if "scales" in found["python"] else (32, 26))
    import cv2

    one, other = (cv2.imdecode(np.frombuffer(b, np.uint8), -1) for b in (made, again))
    assert np.array_equal(one, other)
    assert not (folder / "x").exists()


def test_only_what_differs_from_the_recipe_is_said():
    found = code(settings={"content_weight": 11.5, "strength": 0.5, "scales": "auto"})
    assert "content-weight" not in found["command"]
    assert "--strength 0.5" in found["command"]
    assert "scales" not in found["python"]
    assert "--recipe" not in found["command"]
    assert "--recipe draft" in code(recipe="draft")["command"]
    assert "recipe='draft'" in code(recipe="draft")["python"]


def test_samples_are_named_as_such():
    found = code(styles=["sample:swirl"])
    assert " sample:swirl " in found["command"]


def test_textures_and_reconstructions_have_their_own_commands():
    texture = code(content=None, recipe="texture", settings={})
    assert texture["command"].startswith("impasto texture ")
    assert "impasto.texture(" in texture["python"]
    reconstruction = code(styles=[], recipe="reconstruction", settings={})
    assert reconstruction["command"].startswith("impasto reconstruct ")
