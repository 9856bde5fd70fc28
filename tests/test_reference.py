"""The reference says what the code says, and the site has every page."""

import json
import re
import sys
from pathlib import Path

import pytest

import impasto
from impasto.images import read_details
from support.children import finished
from support.pictures import smooth_picture

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import draw_house  # noqa: E402 (its folder is found only now)
import reference_files  # noqa: E402 (its folder is found only now)
import write_reference  # noqa: E402 (its folder is found only now)

WRITTEN = write_reference.pages()


@pytest.mark.parametrize("name", WRITTEN)
def test_the_page_is_up_to_date(name):
    found = (write_reference.FOLDER / name).read_text("utf-8")
    assert found == WRITTEN[name], "run scripts/write_reference.py"


def test_the_drawing_is_up_to_date():
    assert draw_house.DRAWING.read_text("utf-8") == draw_house.drawing(), "run draw_house.py"
    assert all(f">{room}/<" in draw_house.drawing() for room in draw_house.ROOMS)


def test_every_public_name_and_setting_has_its_place():
    assert all(f".{name}\n" in WRITTEN["python.md"] for name in impasto.__all__ if name[0] != "_")
    for name in impasto.Settings.model_fields:
        assert f"| `{name}` |" in WRITTEN["settings.md"]


def test_messages_have_the_names_of_their_values():
    assert "| {path}: " in WRITTEN["errors.md"]
    assert "{}" not in WRITTEN["errors.md"]


def fields(table):
    """The names in the first column of a table."""
    return {name for names in table for name in re.findall(r"`(\w+)`", names)}


def test_a_record_and_a_trace_have_the_fields_that_are_listed(tmp_path):
    pictures = {"protect": smooth_picture(16, 16).pixels[0]}
    run = impasto.Run(
        smooth_picture(24, 20), smooth_picture(20, 24), impasto.Settings.of(
            size=32, iterations=1, encoder="tiny", supersample_below=0
        ), **pictures
    )  # fmt: skip
    steps = [*run]
    run.result().image.save(tmp_path / "out.png")
    record = json.loads(read_details(tmp_path / "out.png").record)["impasto"]
    assert set(record) <= fields(reference_files.RECORD)
    assert set(steps[0].line()) <= fields(reference_files.TRACE) | set(steps[0].terms)


def test_the_site_is_built_and_asks_no_other_site(tmp_path):
    """No page loads a font, a script or a picture from elsewhere."""
    quiet = {"NO_MKDOCS_2_WARNING": "1", "PATH": str(Path(sys.executable).parent)}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    done = finished(command, cwd=ROOT, env=quiet)
    assert (done.returncode, done.stderr) == (0, "")
    pages = [*tmp_path.rglob("*.html")]
    assert len(pages) >= 25
    for page in pages:
        text = page.read_text("utf-8")
        loaded = re.findall(r'<(?:script|img)[^>]* src="([^"]*)"', text)
        loaded += re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="([^"]*)"', text)
        assert [address for address in loaded if "//" in address] == []
