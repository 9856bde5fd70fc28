"""The commands and the Python of docs on films run as they stand, at a small size."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.apps.cli import main
from impasto.settings import FilmSettings, Settings
from support import clips
from support.pictures import smooth_picture

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    block
    for page in ("film.md", "machines.md")
    for block in re.findall(r"```(\w+)\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
]
COMMANDS = [
    line for language, block in BLOCKS if language == "sh"
    for line in block.splitlines() if line.startswith("impasto film ")
]  # fmt: skip
PYTHON = [block for language, block in BLOCKS if language == "python"]
SMALL = {"size": 32, "smallest": 32, "encoder": "tiny", "iterations": 2}
FEW = {"frame_iterations": 1, "open_iterations": 1, "least_iterations": 1}
FRAMES = 61


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with all that the page speaks of: of long clips, few frames are painted."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("painting", "other", "third")):
        smooth_picture(48, 40, phase=number).save(f"{name}.jpg")
    Image.new("L", (8, 6), 255).save("face.png")
    return tmp_path


def lay(count):
    """The clip, the same as a folder, and masks for each frame."""
    frames = clips.pan((1, 0), count, (24, 32)).frames
    clips.write("clip.mp4", frames)
    masks = np.zeros_like(frames)
    masks[:, :, :16] = 255
    clips.write("masks.mp4", masks)
    clips.write("around.mp4", 255 - masks)
    for folder, pictures in (("frames", frames), ("masks", masks)):
        Path(folder).mkdir()
        for number, levels in enumerate(pictures):
            Image.fromarray(levels).save(f"{folder}/{number}.png")


def test_there_is_something_to_run():
    assert len(COMMANDS) >= 9
    assert len(PYTHON) >= 3


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, desk, capsys):
    _, *arguments = shlex.split(command)
    late = "60f" in command
    lay(FRAMES if late else 3)
    given = {part for part in arguments if part.startswith("--")}
    for name, value in {**SMALL, **FEW}.items():
        if (flag := f"--{name.replace('_', '-')}") not in given or name == "size":
            arguments += [flag, str(value)]
    if late or "--frames" in given:
        arguments += ["--frames", "59:61" if late else "0:2"]
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0, capsys.readouterr().err
    assert Path(arguments[arguments.index("-o") + 1]).exists()


@pytest.mark.parametrize("block", PYTHON)
def test_python(block, desk, monkeypatch):
    lay(3)
    of, of_film = Settings.of, FilmSettings.of
    monkeypatch.setattr(Settings, "of", lambda *name, **given: of(*name, **{**given, **SMALL}))
    monkeypatch.setattr(FilmSettings, "of", lambda **given: of_film(**{**given, **FEW}))
    before = {*desk.iterdir()}
    exec(compile(block, "film.md", "exec"), {})
    assert {*desk.iterdir()} - before
