"""Uploads become pictures by id; whatever a file is, the next one is read."""

import hashlib
import io
import sys

import pytest
from PIL import Image

from impasto.apps.studio.pictures import Library, shown_name
from support.children import finished
from support.site import Rooms, browser, encoded, noise, post, served


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    rooms = Rooms(tmp_path_factory.mktemp("studio"))
    with served(rooms) as address, browser(address) as client:
        yield client


def test_the_server_needs_no_torch():
    probe = "import impasto.apps.studio.site, sys; sys.exit('torch' in sys.modules)"
    assert finished([sys.executable, "-c", probe]).returncode == 0


def test_an_upload_is_known_by_its_content(site):
    data = encoded(noise())
    first = post(site, data, "a.png")
    assert first.status_code == 201, first.text
    facts = first.json()
    assert facts["id"] == hashlib.sha256(data).hexdigest()
    assert (facts["width"], facts["height"], facts["format"]) == (40, 30, "PNG")
    assert (facts["name"], facts["role"], facts["bytes"]) == ("a.png", "picture", len(data))
    assert not facts["record"]
    again = post(site, data, "b.png")
    assert again.status_code == 200
    assert again.json() == facts
    assert facts in site.get("/api/pictures").json()
    assert site.get(f"/api/pictures/{facts['id']}").json() == facts


def test_small_pictures_are_webp_of_bounded_size(site):
    facts = post(site, encoded(noise(3000, 40, seed=1))).json()
    for kind, longest in (("thumb", 320), ("view", 2048)):
        got = site.get(f"/api/pictures/{facts['id']}/{kind}")
        assert got.headers["content-type"] == "image/webp"
        assert "immutable" in got.headers["cache-control"]
        with Image.open(io.BytesIO(got.content)) as image:
            assert max(image.size) == longest


def test_a_masks_view_is_exact(site):
    mask = noise(50, 40, "L", seed=2)
    facts = post(site, encoded(mask), role="mask").json()
    with Image.open(io.BytesIO(site.get(f"/api/pictures/{facts['id']}/view").content)) as image:
        assert image.convert("L").tobytes() == mask.tobytes()


def oriented():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(noise(seed=3), "JPEG", exif=exif), (30, 40)


ODD = {
    "turned by EXIF": oriented,
    "CMYK": lambda: (encoded(noise(mode="CMYK", seed=4), "JPEG"), (40, 30)),
    "16 bits": lambda: (encoded(Image.new("I;16", (40, 30), 30000)), (40, 30)),
    "alpha": lambda: (encoded(noise(mode="RGBA", seed=5)), (40, 30)),
    "1x1": lambda: (encoded(noise(1, 1, seed=6)), (1, 1)),
    "1x20000": lambda: (encoded(noise(1, 20000, seed=7)), (1, 20000)),
    "GIF": lambda: (encoded(noise(seed=8), "GIF"), (40, 30)),
    "WebP": lambda: (encoded(noise(seed=9), "WEBP"), (40, 30)),
    "TIFF": lambda: (encoded(noise(seed=10), "TIFF"), (40, 30)),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_a_run_can_read_is_taken(site, kind):
    data, size = ODD[kind]()
    facts = post(site, data, f"{kind}.png")
    assert facts.status_code == 201, facts.text
    assert (facts.json()["width"], facts.json()["height"]) == size
    for small in ("thumb", "view"):
        assert site.get(f"/api/pictures/{facts.json()['id']}/{small}").status_code == 200


def test_a_picture_that_is_removed_is_gone(site):
    facts = post(site, encoded(noise(seed=11))).json()
    assert site.delete(f"/api/pictures/{facts['id']}").status_code == 204
    assert site.get(f"/api/pictures/{facts['id']}").status_code == 404
    assert post(site, encoded(noise(seed=11))).status_code == 201
    assert site.delete("/api/pictures/sample:swirl").status_code in (404, 409)


def test_samples_are_pictures(site):
    samples = site.get("/api/hello").json()["samples"]
    assert {"sample:astronaut", "sample:swirl"} <= {facts["id"] for facts in samples}
    assert all(facts["sample"] and facts["kind"] in ("photo", "style") for facts in samples)
    assert site.get("/api/pictures/sample:swirl/thumb").status_code == 200
    assert site.delete("/api/pictures/sample:swirl").status_code == 409


def test_a_library_is_the_same_after_a_restart(site, tmp_path):
    rooms = Rooms(tmp_path)
    with served(rooms) as address, browser(address) as client:
        facts = post(client, encoded(noise(seed=12))).json()
    (tmp_path / "pictures" / "incoming" / "left").write_text("by a killed studio")
    (tmp_path / "pictures" / ("0" * 64)).mkdir()
    library = Library(tmp_path / "pictures", rooms.darkroom)
    assert library.all() == [facts]
    assert not list((tmp_path / "pictures" / "incoming").iterdir())


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\me.png", "me.png"),
        ("a\x00\x1b[31m\u202eb.png", "a[31mb.png"),
        ('"><script>alert(1)<.png', '"><script>alert(1)<.png'),
        ("x" * 1000, "x" * 120),
        ("", "picture"),
        ("///", "picture"),
    ],
)
def test_names_are_for_people(given, shown):
    assert shown_name(given) == shown
