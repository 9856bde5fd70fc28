"""The bundled pictures: there, large enough, small on disk, credited."""

from pathlib import Path

import pytest

from impasto.errors import ImageError
from impasto.images import located, read, samples

STYLES = [name for name, path in samples.names().items() if path.parent.name == "styles"]
PHOTOS = [name for name, path in samples.names().items() if path.parent.name == "photos"]


def test_there_are_enough():
    assert len(STYLES) >= 5
    assert len(PHOTOS) >= 2


@pytest.mark.parametrize("name", STYLES)
def test_styles_are_large_and_full_of_contrast(name):
    picture = read(samples.sample(name))
    assert min(picture.size) >= 768
    assert picture.pixels.std() > 0.15
    assert samples.sample(name).stat().st_size < 400_000


@pytest.mark.parametrize("name", [*STYLES, *PHOTOS])
def test_every_picture_is_credited(name):
    credits_page = (Path(samples.__file__).parent / "README.md").read_text("utf-8")
    assert f"{name}.jpg" in credits_page


def test_names_stand_for_paths():
    assert located("sample:swirl") == samples.sample("swirl")
    assert located("swirl.jpg") == "swirl.jpg"
    with pytest.raises(ImageError, match="sample:nope: no such sample; expected one of astronaut"):
        located("sample:nope")


def test_a_sample_is_read_by_name():
    assert read("sample:swirl").size == read(samples.sample("swirl")).size
