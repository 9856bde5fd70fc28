"""What a photograph's file says of it, into the painting's file and back."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import impasto
from impasto.images import Metadata, Picture, read, read_details
from impasto.images.held import Encoded
from impasto.images.metadata import kept
from impasto.run.events import Notice
from impasto.run.provenance import make_record, parse_record, shortened
from impasto.run.run import Run
from impasto.settings import Settings
from support.pictures import smooth_picture

FACTS = Metadata(
    taken="2021:12:24 18:30:05",
    artist="Ünï Códe",
    copyright="Ann; Bob",
    dpi=(300.0, 200.0),
    place=(-33.8567844, 151.2152967, 12.5),
)
FORMATS = [("png", 8), ("png", 16), ("jpg", 8), ("webp", 8), ("tiff", 8), ("tiff", 16), ("avif", 8)]
ARTIST, COPYRIGHT, EXIF, GPS = 315, 33432, 0x8769, 0x8825


def back(picture, **options):
    stream = io.BytesIO()
    picture.save(stream, **options)
    return stream.getvalue()


def jpeg(exif=None, **options):
    """A photograph as a camera saves it."""
    stream = io.BytesIO()
    more = {} if exif is None else {"exif": exif}
    smooth_picture(40, 32).pil().save(stream, "JPEG", **more, **options)
    return stream.getvalue()


@pytest.mark.parametrize(("name", "bits"), FORMATS)
def test_every_format_keeps_what_it_can(name, bits):
    picture = smooth_picture(20, 12).replaced(metadata=FACTS, record='{"impasto": {}}')
    whole = read_details(Encoded("a", back(picture, format=name, bits=bits, metadata="all")))
    expected = kept(FACTS, "keep" if name == "tiff" else "all")
    assert whole.metadata.place == pytest.approx(expected.place)
    assert kept(whole.metadata, "keep") == kept(expected, "keep")
    assert whole.record == picture.record
    usual = read(back(picture, format=name, bits=bits))
    assert usual.metadata == kept(FACTS, "keep")
    assert usual.metadata.place is None
    assert read(back(picture, format=name, bits=bits, metadata="none")).metadata is None


def test_what_pillow_wrote_is_read():
    exif = Image.Exif()
    exif[ARTIST], exif[COPYRIGHT] = "Ann", "Ann\0Bob"
    exif[EXIF] = {36867: FACTS.taken}
    exif[GPS] = {1: "S", 2: (33.0, 30.0, 0.0), 3: "W", 4: (0.0, 0.0, 36.0), 5: b"\1", 6: 5.0}
    found = read(jpeg(exif, dpi=(300, 300))).metadata
    assert found == Metadata(FACTS.taken, "Ann", "Ann; Bob", (300.0, 300.0), (-33.5, -0.01, -5.0))


def test_pictures_without_facts_have_no_metadata():
    assert read(jpeg()).metadata is None
    assert read(back(smooth_picture(20, 12))).metadata is None


HOSTILE = {
    "artist": ({ARTIST: "A" * 5000}, {"artist"}),
    "taken": ({306: "yesterday"}, {"taken"}),
    "place": ({GPS: {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}}, {"place"}),
    "short place": ({GPS: {2: (1.0, 0.0, 0.0), 4: 3.0}}, {"place"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_facts_are_dropped_with_one_notice(name, tmp_path):
    tags, dropped = HOSTILE[name]
    exif = Image.Exif()
    exif.update({COPYRIGHT: "Ann", **tags})
    encoded = jpeg(exif)
    found = read(encoded).metadata
    assert {*found.dropped} == dropped
    assert found.copyright == "Ann"
    style = smooth_picture(32, 32, phase=1.0)
    run = Run(encoded, style, Settings.of(encoder="tiny", size=32, iterations=1))
    told = [e.text for e in run.events() if isinstance(e, Notice) and e.kind == "metadata"]
    assert len(told) == 1
    assert f"photograph's {next(iter(dropped))} cannot" in told[0]
    assert read(back(run.result().image)).metadata == Metadata(copyright="Ann")


def test_damaged_exif_is_dropped_as_a_whole():
    damaged = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 60
    found = read(jpeg(damaged)).metadata
    assert "EXIF" in found.dropped
    assert found.facts() in ({}, {"dpi": (72.0, 72.0)})  # which Pillow takes for granted


def test_huge_exif_is_dropped(monkeypatch):
    monkeypatch.setattr("impasto.images.metadata._MAX_EXIF", 100)
    exif = Image.Exif()
    exif[ARTIST] = "A" * 200
    assert read(jpeg(exif)).metadata.dropped == ("EXIF",)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_no_exif_breaks_reading_or_writing(body, start):
    picture = read(jpeg(b"Exif\0\0" + start + body))
    assert picture.size == (40, 32)
    for name in ("png", "jpg", "tiff", "webp"):
        assert read(back(picture, format=name)).size == (40, 32)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.floats(-90, 90), st.floats(-180, 180))
def test_facts_survive_whatever_they_are(text, latitude, longitude):
    exif = Image.Exif()
    exif[ARTIST] = text.encode("utf-8", "replace")
    once = read(jpeg(exif)).metadata or Metadata()
    facts = Metadata(artist=once.artist, place=(latitude, longitude, None))
    again = read(back(smooth_picture(8, 8).replaced(metadata=facts), metadata="all")).metadata
    assert again.artist == once.artist
    assert again.place[:2] == pytest.approx((latitude, longitude), abs=1e-6)


def test_resolution_without_a_unit_is_none():
    header = struct.pack(">IIB", 2, 2, 0)
    picture = smooth_picture(8, 8)
    encoded = back(picture)
    chunk = struct.pack(">I", 9) + b"pHYs" + header
    chunk += struct.pack(">I", zlib.crc32(b"pHYs" + header))
    assert read(encoded[:33] + chunk + encoded[33:]).metadata is None


def test_a_result_has_the_photographs_facts_and_none_of_the_paintings():
    photo = smooth_picture(40, 32).replaced(metadata=FACTS)
    painting = smooth_picture(32, 32, phase=1.0).replaced(metadata=Metadata(artist="Monet"))
    quick = {"encoder": "tiny", "size": 32, "iterations": 1}
    assert impasto.stylize(photo, painting, **quick).image.metadata == FACTS
    assert impasto.texture(painting, **quick).image.metadata is None


def test_a_short_record_names_no_file_and_no_machine():
    content = {"name": "me.jpg", "sha256": "0" * 64}
    settings = Settings.of(size=32, device="cpu").model_dump(mode="json")
    whole = make_record(
        {"settings": settings, "content": content, "hardware": {"device": "cpu"},
         "result": {"loss": 1.0, "seconds": 3.0, "iterations_run": 2, "complete": True}}
    )  # fmt: skip
    short = parse_record(shortened(whole))
    assert {*short} == {"versions", "settings", "result"}
    assert {*short["versions"]} == {"impasto"}
    assert short["result"] == {"iterations_run": 2, "complete": True}
    again = Settings.checked(short["settings"])
    assert again.pixels() == Settings.checked(settings).pixels()
    assert shortened(None) is None
    assert shortened("no record") is None


def test_parts_of_a_picture_keep_its_facts():
    picture = Picture.of_levels(np.zeros((4, 4, 3), np.uint8), metadata=FACTS)
    assert picture.window(slice(2), slice(2)).metadata == FACTS
    assert Picture(picture.pixels, metadata=FACTS).window(slice(2), slice(2)).metadata == FACTS
