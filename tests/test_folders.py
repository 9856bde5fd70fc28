"""The picture files of a folder: one lister for styles and batches."""

import os

import numpy as np
import pytest

import impasto
from impasto.errors import ImageError
from impasto.images import pictures_in, read


@pytest.fixture
def mixed(tmp_path):
    """A folder of pictures and of what only looks like them."""
    for name in ("b10.jpg", "b9.PNG", "a.webp", "._a.jpg", ".hidden.png", "notes.txt", "none"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


def names(paths):
    return [path.name for path in paths]


def test_hidden_files_and_folders_are_no_pictures(mixed):
    assert names(pictures_in(mixed)) == ["a.webp", "b9.PNG", "b10.jpg"]
    assert names(pictures_in(str(mixed), "b")) == ["b9.PNG", "b10.jpg"]
    real = os.path.realpath(mixed)
    assert names(pictures_in(mixed, excluded={mixed / "a.webp"})) == (
        ["b9.PNG", "b10.jpg"] if real == str(mixed) else ["a.webp", "b9.PNG", "b10.jpg"]
    )


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "._a.jpg").touch()
    with pytest.raises(ImageError, match="holds no picture; expected files of JPEG, PNG"):
        pictures_in(tmp_path)
    with pytest.raises(ImageError, match=r"no picture whose name begins with x\\n; expected"):
        pictures_in(tmp_path, "x\n")
    with pytest.raises(ImageError, match="No such file or directory; expected a folder"):
        pictures_in(tmp_path / "nowhere")


def test_a_style_folder_with_what_macos_leaves_beside_pictures(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    for name in ("s10.png", "s9.png"):
        read(levels).save(tmp_path / name)
    (tmp_path / "._s9.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / "more.png").mkdir()
    run = impasto.Run(levels, tmp_path, impasto.Settings.of(size=32, iterations=1))
    assert run.inputs.size == (32, 32)
