"""The README's commands and Python run as they stand, at a small size."""

import re
import shlex
from pathlib import Path

import pytest

import impasto
from conftest import smooth_picture
from impasto.cli import main

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
COMMANDS = [
    line.partition("#")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("impasto ")
]
PYTHON = [block for language, block in BLOCKS if language == "python"]
SMALL = ["--size", "32", "--iterations", "2"]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    smooth_picture(48, 40).save("photo.jpg")
    smooth_picture(40, 44, phase=1.0).save("painting.jpg")
    impasto.stylize("photo.jpg", "painting.jpg", size=32, iterations=1).image.save("out.png")
    return tmp_path


def test_there_is_something_to_run():
    assert len(COMMANDS) >= 6
    assert len(PYTHON) >= 1


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, desk, capsys):
    _, *arguments = shlex.split(command)
    if arguments[0] == "stylize":
        arguments += SMALL
    elif arguments[0] == "demo":
        arguments += SMALL[:2]
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("block", PYTHON)
def test_python(block, desk, monkeypatch):
    stylize, iterate = impasto.stylize, impasto.iterate
    small = {"size": 32, "iterations": 2}
    monkeypatch.setattr(impasto, "stylize", lambda *a, **k: stylize(*a, **{**k, **small}))
    monkeypatch.setattr(
        impasto,
        "iterate",
        lambda c, s, settings: iterate(c, s, settings.model_copy(update=small)),
    )
    exec(compile(block, "README.md", "exec"), {})
    assert list(desk.glob("out*"))
