"""Pictures that are no files: bytes, streams, resources, names with `~` and `file:`."""

import importlib.resources
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import impasto
from impasto.errors import ImageError, OutputError
from impasto.images import Picture, held, located, read
from impasto.images.held import contents
from impasto.run.provenance import parse_record
from support.pictures import smooth_picture

QUICK = {"encoder": "tiny", "size": 32, "iterations": 1, "style_loss": "gram"}


@pytest.fixture
def photo(tmp_path):
    smooth_picture(40, 32).save(tmp_path / "photo.png", bits=16)
    return tmp_path / "photo.png"


def archived(path):
    """The file inside an archive, as `importlib.resources` gives it."""
    archive = path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as stream:
        stream.write(path, "inside/photo.png")
    return zipfile.Path(archive, "inside/photo.png")


def sources(path):
    return {
        "bytes": path.read_bytes(),
        "bytearray": bytearray(path.read_bytes()),
        "BytesIO": io.BytesIO(path.read_bytes()),
        "archive": archived(path),
        "address": f"{path.as_uri()}",
    }


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "BytesIO", "archive"])
def test_what_is_no_file_is_read_as_one(kind, photo):
    expected = read(photo).levels(16)
    assert (read(sources(photo)[kind]).levels(16) == expected).all()


def test_an_open_file_is_read_from_its_beginning_every_time(photo):
    with photo.open("rb") as stream:
        stream.seek(7)
        assert [read(stream).size for _ in range(2)] == [(40, 32)] * 2


def test_a_resource_of_the_package_is_a_source():
    swirl = importlib.resources.files("impasto.images.samples") / "styles" / "swirl.jpg"
    assert read(swirl).size == read(located("sample:swirl")).size


def test_16_bits_of_tiff_in_memory(tmp_path):
    levels = np.random.default_rng(0).integers(0, 65536, (5, 7, 3))
    picture = Picture(torch.from_numpy(levels.transpose(2, 0, 1) / 65535).float())
    file = io.BytesIO()
    picture.save(file, bits=16, format="tiff")
    assert (read(file).levels(16) == levels).all()


@pytest.mark.parametrize("kind", ["bytes", "BytesIO", "archive", "address"])
def test_a_run_has_the_same_result_and_checksums(kind, photo):
    whole = impasto.stylize(photo, photo, **QUICK)
    given = sources(photo)[kind]
    other = impasto.stylize(given, [given], protect=given, **QUICK | {"strength": 0.5})
    again = impasto.stylize(photo, photo, protect=photo, **QUICK | {"strength": 0.5})
    assert torch.equal(other.image.pixels, again.image.pixels)
    known, expected = (parse_record(r.image.record) for r in (other, whole))
    for role in ("content", "style"):
        assert known[role]["sha256"] == expected[role]["sha256"]


class Closed(io.BytesIO):
    def read(self, *_):
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"", "bytes: empty"),
        (smooth_picture(40, 32)._repr_png_()[:-30], "bytes: truncated PNG"),
        (b"nonsense that is no picture", "bytes: not an image that can be read"),
        (io.StringIO("text"), "StringIO: a stream of text"),
        (Closed(b"x"), "Closed: cannot be read"),
        (object(), "expected a path, bytes, a binary stream"),
    ],
)
def test_what_is_no_picture_is_refused(source, says):
    with pytest.raises(ImageError, match=says):
        read(source)


def test_a_stream_without_end_is_refused():
    with (
        Path("/dev/zero").open("rb") as zeros,
        pytest.raises(ImageError, match="over 5,000,000 bytes"),
    ):
        contents(zeros, "zeros", 5_000_000)


def test_a_resource_that_inflates_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.images.held.MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photo.png", bytes(10_000_000))
    with pytest.raises(ImageError, match=r"photo\.png: over 1,000 bytes"):
        read(zipfile.Path(tmp_path / "a.zip", "photo.png"))
    with pytest.raises(ImageError, match="bytes: over 1,000 bytes"):
        read(bytes(1001))


def test_a_resource_that_is_gone_is_refused(photo):
    gone = archived(photo).parent / "gone.png"
    with pytest.raises(ImageError, match=r"gone\.png: cannot be read"):
        held.held(gone)


def test_home_is_expanded_unless_there_is_such_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert located("~/a b.png") == f"{tmp_path}/a b.png"
    assert located("x~y.png") == "x~y.png"
    assert located(Path("~/a.png")) == Path("~/a.png")
    Path("~").mkdir()
    Path("~/a.png").touch()
    assert located("~/a.png") == "~/a.png"


@pytest.mark.parametrize("text", ["file://{}", "FILE://localhost{}"])
def test_file_addresses_are_paths(text):
    assert located(text.format("/a%20b/ü.png")) == Path("/a b/ü.png")


@pytest.mark.parametrize("text", ["file://elsewhere/a.png", "file://", "file://[x/a.png"])
def test_file_addresses_of_other_computers_are_refused(text):
    with pytest.raises(ImageError, match="expected file:///"):
        located(text)


def test_the_library_does_not_follow_addresses():
    with pytest.raises(ImageError, match=r"https://x\.test/a\.png: No such file"):
        read("https://x.test/a.png")


# --- pictures given away --------------------------------------------------------------------------


def with_alpha():
    pixels = smooth_picture(20, 12).pixels
    return Picture(pixels, torch.linspace(0, 1, 240).view(12, 20))


@pytest.mark.parametrize("picture", [smooth_picture(20, 12), with_alpha()], ids=["opaque", "alpha"])
def test_arrays_and_tensors_of_a_picture_come_back(picture):
    array, tensor = np.asarray(picture), torch.as_tensor(picture)
    channels = 4 if picture.has_alpha else 3
    assert (array.shape, array.dtype) == ((12, 20, channels), np.float32)
    assert (tuple(tensor.shape), tensor.dtype) == ((channels, 12, 20), torch.float32)
    for other in (read(array), read(tensor)):
        assert torch.equal(other.pixels, picture.pixels)
        assert (other.alpha is None) == (picture.alpha is None)
    array[:], tensor[:] = 0, 0  # they are copies
    assert torch.equal(read(np.asarray(picture)).pixels, picture.pixels)
    assert np.asarray(picture, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="is a copy"):
        np.array(picture, copy=False)


def test_pil_and_notebook(monkeypatch):
    picture = with_alpha()
    assert picture.pil().mode == "RGBA"
    shown = read(picture.replaced(record="secret")._repr_png_())
    assert (shown.levels(8) == picture.levels(8)).all()
    assert shown.record is None
    monkeypatch.setattr("impasto.images.picture.NOTEBOOK", 10)
    assert read(picture._repr_png_()).size == (10, 6)


@pytest.mark.parametrize("name", ["png", ".PNG", "jpg", "jpeg", "webp", "tiff", "tif", "avif"])
def test_streams_get_what_files_get(name, tmp_path):
    picture, stream = smooth_picture(20, 12), io.BytesIO()
    picture.save(stream, format=name)
    path = tmp_path / f"a.{name.removeprefix('.')}"
    picture.save(path)
    assert stream.getvalue() == path.read_bytes()
    with (tmp_path / "again").open("wb") as file:
        picture.save(file, format=name)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


class Gone(io.BytesIO):
    def write(self, _):
        raise BrokenPipeError(32, "Broken pipe")


class Slow(io.BytesIO):
    def write(self, data):
        return super().write(bytes(data[:100]))


def test_a_stream_that_takes_parts_gets_all():
    picture, slow, plain = smooth_picture(20, 12), Slow(), io.BytesIO()
    picture.save(slow)
    picture.save(plain)
    assert slow.getvalue() == plain.getvalue()


@pytest.mark.parametrize(
    ("stream", "options", "says"),
    [
        (io.StringIO(), {}, "a stream of text"),
        (Gone(), {}, "Broken pipe"),
        (io.BytesIO(), {"format": "bmp"}, "format is 'bmp'; expected one of jpg"),
        (io.BytesIO(), {"format": "jpg", "bits": 16}, "JPEG holds 8 bits"),
        (io.BytesIO(), {"metadata": "some"}, "metadata is 'some'"),
        (3, {}, "int: expected a path or a binary stream"),
    ],
)
def test_streams_that_cannot_be_written(stream, options, says):
    with pytest.raises(OutputError, match=says):
        smooth_picture(20, 12).save(stream, **options)
