"""Formats of phones and cameras, in files that their own libraries write; raw ones by hand."""

import functools
import io
import sys

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image

from impasto.errors import ExtraMissing, ImageError, ImageTooLarge
from impasto.images import read, read_details
from impasto.images.folders import endings
from impasto.images.held import Encoded
from impasto.images.photos import _jxl_size, photo_of
from support.pictures import smooth_picture

SIZE = (56, 40)


def levels():
    return smooth_picture(*SIZE).levels(8)


def exif(orientation=1):
    tags = Image.Exif()
    tags[0x0112], tags[315] = orientation, "Ann"
    return tags.tobytes()


@functools.cache
def heic(orientation=1):
    file = io.BytesIO()
    image = pillow_heif.from_pillow(Image.fromarray(levels()))
    image.save(file, quality=95, exif=exif(orientation))
    return file.getvalue()


def jxl(array=None, **options):
    import pillow_jxl  # noqa: F401 (registers its format)

    file = io.BytesIO()
    image = Image.fromarray(levels() if array is None else array)
    image.save(file, "JXL", **{"lossless": True, **options})
    return file.getvalue()


def dng():
    """A sensor of 64x48 with a grey scene, as the DNG specification asks for (by hand).

    Bayer pattern RGGB; no camera wrote it, but LibRaw takes it for one's.
    """
    columns = np.mgrid[:48, :64][1]
    scene = (4000 + 500 * (columns // 8)).astype(np.uint16)
    matrix = [3, 1, -1, 1, 0, 1, -1, 1, 2, 1, 0, 1, 0, 1, 0, 1, 1, 1]  # XYZ to the sensor's
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        scene,
        photometric=32803,
        metadata=None,
        software="by hand",
        extratags=[
            (271, "s", 0, "Nobody", True),
            (272, "s", 0, "None", True),
            (33421, "H", 2, (2, 2), True),
            (33422, "B", 4, b"\0\1\1\2", True),
            (50706, "B", 4, b"\1\4\0\0", True),
            (50707, "B", 4, b"\1\1\0\0", True),
            (50708, "s", 0, "Nobody None", True),
            (50714, "H", 1, 0, True),
            (50717, "H", 1, 16383, True),
            (50721, "2i", 9, matrix, True),
            (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),
            (50778, "H", 1, 21, True),
        ],
    )
    return file.getvalue()


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic(orientation):
    found = read(heic(orientation))
    upright = levels() if orientation == 1 else levels()[::-1].swapaxes(0, 1)
    assert found.size == upright.shape[1::-1]
    assert np.abs(found.levels(8).astype(int) - upright).mean() < 12  # half as many colours
    own = pillow_heif.open_heif(io.BytesIO(heic(orientation))).to_pillow()
    assert (found.levels(8) == np.asarray(own)).all()
    assert found.metadata.artist == "Ann"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_jpeg_xl_without_loss(channels):
    array = np.dstack([levels(), levels()[..., 0]])
    array = array[..., 0] if channels == 1 else array[..., :channels]
    found = read(jxl(array))
    expected = np.dstack([array] * 3) if channels == 1 else array
    assert (found.levels(8) == expected).all()


def test_jpeg_xl_is_turned_once(tmp_path):
    """By the library; its EXIF says so too. A JPEG that is packed inside is turned by its own."""
    found = read(jxl(exif=exif(6)))
    assert found.metadata.artist == "Ann"
    packed = tmp_path / "a.jpg"
    Image.fromarray(levels()).save(packed, exif=exif(6))
    file = io.BytesIO()
    with Image.open(packed) as image:
        image.save(file, "JXL", lossless_jpeg=True)
    assert read(file.getvalue()).size == read(packed).size == SIZE[::-1]


@pytest.mark.parametrize("size", [(8, 8), (56, 40), (300, 300), (1, 700), (640, 480), (511, 40)])
def test_the_size_in_a_jpeg_xl_header(size):
    array = np.zeros((*size[::-1], 3), np.uint8)
    for options in ({}, {"exif": exif()}):  # with EXIF it is in a container
        assert _jxl_size(io.BytesIO(jxl(array, **options))) == size


def test_a_raw_file_is_demosaiced_to_16_bits():
    found = read(dng())
    assert found.size == (64, 48)
    brightness = found.pixels.mean((0, 1))
    assert (brightness[8:].view(7, 8).mean(1).diff() > 0).all()  # as bright as the scene
    assert (found.levels(16) % 257).any()  # 8 bits would leave multiples of 257


FILES = {"HEIF": heic, "JXL": jxl, "RAW": dng}


@pytest.mark.parametrize("kind", FILES)
def test_formats_are_known_by_content(kind):
    assert read_details(Encoded("a.jpg", FILES[kind]())).format == kind


@pytest.mark.parametrize("kind", FILES)
def test_too_large_ones_are_refused_before_they_are_decoded(kind):
    with pytest.raises(ImageTooLarge, match="above the limit"):
        read(FILES[kind](), max_pixels=6000)


def test_a_header_that_promises_too_much_is_refused():
    """65,536 pixels a side, and no more than the header."""
    bits = 1 << 17 | 0xFFFF << 19 | 1 << 49  # ratio 1:1 after a height of 18 bits
    header = b"\xff\x0a" + (bits >> 16 << 1 | 0).to_bytes(8, "little")
    with pytest.raises(ImageError):
        read(header + bytes(40))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_ones_are_errors_or_pictures(kind, part):
    whole = FILES[kind]()
    try:
        assert read(whole[: int(len(whole) * part)]).size == read(whole).size
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either is right)


@pytest.mark.parametrize(
    ("kind", "module"),
    [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl.JpegXLImagePlugin"), ("RAW", "rawpy")],
)
def test_without_its_library_one_line_says_what_to_install(kind, module, monkeypatch):
    encoded = FILES[kind]()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissing, match=r"^bytes: reading .*pip install 'impasto\[photos\]'"):
        read(encoded)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PPM", {}),
        ("TGA", {}),
        ("TGA", {"compression": "tga_rle"}),
        ("JPEG2000", {"irreversible": False}),
        ("ICO", {"sizes": [(40, 40)]}),
    ],
)
def test_formats_that_pillow_reads(kind, options):
    image = Image.fromarray(np.ascontiguousarray(levels()[:40, :40]))
    found = read(saved(image, kind, **options))
    assert (found.levels(8)[..., :3] == np.asarray(image)).all()


def test_16_bits_of_pgm():
    array = np.random.default_rng(0).integers(0, 65536, (5, 7), np.uint16)
    encoded = b"P5 7 5 65535\n" + array.astype(">u2").tobytes()
    assert (read(encoded).levels(16)[..., 0] == array).all()


@pytest.mark.parametrize(
    "encoded",
    [
        b"P6 30000 30000 255\n",
        b"\0\0\2\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x18\0",
    ],
    ids=["ppm", "tga"],
)
def test_bombs_are_refused(encoded):
    with pytest.raises(ImageTooLarge):
        read(encoded)


def test_other_files_are_none_of_these():
    for encoded in (saved(smooth_picture(8, 8).pil(), kind) for kind in ("PNG", "TIFF", "AVIF")):
        assert photo_of(io.BytesIO(encoded)) is None


def test_folders_hold_phones_pictures_and_not_raw_ones():
    assert {".heic", ".jxl", ".ppm", ".tga", ".jp2", ".ico"} <= {*endings()}
    assert not {".dng", ".nef", ".cr2"} & {*endings()}
