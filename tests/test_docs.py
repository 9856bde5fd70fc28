"""The commands and Python in the README and the docs run as they stand, at a small size.

Of commands with the same options one is run; the others are read and checked, up to the first
iteration. Those that name no network paint with the tiny one.
"""

import importlib.util
import re
import shlex
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import impasto
from impasto.apps.cli import main
from impasto.images import Picture
from impasto.outputs import OUTPUTS
from impasto.outputs.session import Outcome
from impasto.settings import Settings, variants
from impasto.settings.registry import Registry
from support.pictures import smooth_picture

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BY_OTHERS = {"batch.md", "film.md", "machines.md", "studio.md"}
"""Run by tests/test_batch.py, film/ and studio/."""

BLOCKS = [
    (page.name, language, block)
    for page in PAGES
    if page.name not in BY_OTHERS
    for language, block in re.findall(r"```(\w+)\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
]
COMMANDS = [
    (page, line.partition(" #")[0].strip())
    for page, language, block in BLOCKS
    if language == "sh"
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("impasto ")
]
PYTHON = [
    (page, block)
    for page, language, block in BLOCKS
    if language == "python" and not block.startswith('"""')  # programs: tests/test_server.py
]
PAINTING = {"stylize", "reconstruct", "texture", "batch"}


def alike(command):
    """The program and the names of the options: what tells commands apart."""
    _, *arguments = shlex.split(command)
    return (arguments[0], *sorted({a for a in arguments if a.startswith("-")} - {"-o"}))


RUN = {alike(command): (page, command) for page, command in reversed(COMMANDS)}
RUN.pop(("demo",))  # painted by tests/test_cli.py
for other in (("film",), ("studio",)):  # run by tests/film and tests/studio
    RUN.pop(other)
READ = [
    known
    for known in dict.fromkeys(COMMANDS)
    if known not in RUN.values() and alike(known[1])[0] not in ("film", "studio")
]


def small(name, /, **overrides):
    """What makes a run of the recipe `name` short, with these overrides."""
    at_scales = {"d2l": "96x64", "light-on-math": "64x64"}
    size = at_scales.get(name, 64)
    if "scales" in overrides:
        size = 128
    evaluations = 2 if "fastai" in name else 0
    network = {} if "encoder" in overrides else {"encoder": "tiny"}
    return {"size": size, "iterations": 2, "evaluations": evaluations, **network}


def small_options(arguments):
    options = dict(pairwise(arguments))
    own = {"texture": "texture", "reconstruct": "reconstruction"}.get(arguments[0], "standard")
    named = {name.removeprefix("--"): value for name, value in options.items()}
    shortened = small(named.get("recipe", own), **named)
    return [part for k, v in shortened.items() for part in (f"--{k}", str(v))]


@pytest.fixture(scope="session")
def laid_desk(tmp_path_factory):
    """A folder with all that the pages speak of."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        lay_desk()
    return folder


@pytest.fixture
def desk(laid_desk, tmp_path, monkeypatch):
    """The same folder, for one test."""
    folder = shutil.copytree(laid_desk, tmp_path / "desk")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def registries(monkeypatch):
    """Registries that forget what a page registers."""
    named = [registry for registry in vars(variants).values() if isinstance(registry, Registry)]
    for registry in [*named, OUTPUTS]:
        monkeypatch.setattr(registry, "_found", dict(registry._found))


def lay_desk():
    photo, painting = smooth_picture(96, 80), smooth_picture(80, 88, phase=1.0)
    for folder in ("pairs", "photos", "paintings"):
        Path(folder).mkdir()
    for name in ("photo.jpg", "pairs/content_1.jpg", "photos/one.jpg"):
        photo.save(name)
    for name in ("painting.jpg", "pairs/style_1.jpg", "paintings/two.jpg"):
        painting.save(name)
    for name in ("other.jpg", "paintings/three.jpg"):
        smooth_picture(84, 80, phase=2.0).save(name)
    save_masks()
    quick = {"size": 32, "iterations": 1, "encoder": "tiny"}
    impasto.stylize("photo.jpg", "painting.jpg", **quick).image.save("out.png")


def save_masks():
    """An upper and a lower half, and a map of both in colours."""
    upper = torch.zeros(3, 40, 48)
    upper[:, :20] = 1
    for name in ("sky.png", "painting-sky.png", "face.png", "around.png"):
        Picture(upper).save(name)
    for name in ("land.png", "painting-land.png"):
        Picture(1 - upper).save(name)
    blue = torch.tensor([0.1, 0.2, 0.9]).view(3, 1, 1)
    for name in ("photo-map.png", "painting-map.png"):
        Picture(upper * blue).save(name)


def test_there_is_something_to_run():
    assert len(COMMANDS) >= 30
    assert len(PYTHON) >= 10
    assert {"README.md", "tutorials.md", "reconstructions.md"} <= {page for page, _ in COMMANDS}


@pytest.mark.parametrize(("page", "command"), RUN.values())
def test_command(page, command, desk, capsys):
    called(command, capsys)


@pytest.mark.parametrize(("page", "command"), READ)
def test_command_is_understood(page, command, desk, capsys, monkeypatch):
    """All but the painting: options, settings, pictures, masks, names of files, memory."""
    monkeypatch.setattr("impasto.outputs.session._Session.paint", checked)  # whoever imported it
    called(command, capsys)


def checked(session, _):
    """What a session does before the first iteration."""
    session._request.check(size=session._run.inputs.size)
    return Outcome(None)


def called(command, capsys):
    """Call the program with what a page says, made small; it succeeds."""
    _, *arguments = shlex.split(command)
    if arguments[0] in PAINTING:
        Path("out.png").unlink(missing_ok=True)  # another command's
        arguments += small_options(arguments)
    elif arguments[0] == "demo":
        arguments += ["--size", "32"]
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize(("page", "block"), PYTHON)
def test_python(page, block, desk, registries, monkeypatch):
    def shortened(name="standard", /, **overrides):
        return of(name, **{**overrides, **small(name, **overrides)})

    of = Settings.of
    monkeypatch.setattr(Settings, "of", shortened)
    before = written(desk)
    exec(compile(block, page, "exec"), {})
    if "save(" in block or "write(" in block:
        assert written(desk) - before


def written(folder):
    return {(path, path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\((?!http)([^)#\s]+)", page.read_text("utf-8")):
        where = page.parent / target
        source = where.with_suffix(".py")  # a page that is made of a notebook
        assert where.exists() or source.exists(), f"{page.name} points to {target}"


def test_the_gallery_is_what_its_script_paints():
    """The page's text, that is; `make gallery` paints its pictures."""
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "scripts/paint_gallery.py")
    gallery = importlib.util.module_from_spec(spec)
    sys.modules["gallery"] = gallery  # dataclasses look there
    spec.loader.exec_module(gallery)
    assert (ROOT / "docs/gallery.md").read_text("utf-8") == gallery.page()


def test_symptoms_are_those_that_their_script_paints(monkeypatch):
    """The pairs of pictures, and their settings in the table above them."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import paint_symptoms

    page = (ROOT / "docs/symptoms.md").read_text("utf-8")
    above, _, _ = page.partition(paint_symptoms.INTRODUCTION)
    assert paint_symptoms.section() in page
    for symptom in paint_symptoms.SYMPTOMS.values():
        assert symptom.words in above
