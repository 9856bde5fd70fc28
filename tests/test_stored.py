"""Large TIFF files that are read by rows: the same levels as of the whole, in less memory."""

import io
import random
import re
import struct
import sys

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, TiffImagePlugin

from impasto import Run, Settings
from impasto.apps.cli import main
from impasto.errors import ImageError, ImageTooLarge, ImpastoError
from impasto.images import Encoded, Picture, cropped, read, resampling, resize, stored
from impasto.images.picture import channels
from impasto.images.resampling import whiteness
from impasto.images.segments import Segments
from impasto.images.stored import StoredPicture, read_by_rows
from support.children import succeeded
from support.pictures import smooth_picture
from support.ranks import together


@pytest.fixture(autouse=True, scope="module")
def small_is_large():
    """Blocks, bands and limits for pictures of some pixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "_LARGE", 0)
        patch.setattr(stored, "_FEWEST", 0)
        patch.setattr(stored, "_BLOCK", 400)
        patch.setattr(stored, "_KEPT", 1500)
        patch.setattr(resampling, "WHOLE", 500)
        patch.setattr(resampling, "BAND", 600)
        yield


def levels(height, width, channels=3, kind=np.uint8):
    generator = np.random.default_rng(0)
    if kind == np.float32:
        return generator.random((height, width, channels), np.float32)
    return generator.integers(0, np.iinfo(kind).max + 1, (height, width, channels), kind)


def tiff(array, **options):
    """By tifffile; grey where there is one channel."""
    stream = io.BytesIO()
    photometric = "minisblack" if array.shape[2] < 3 else "rgb"
    extra = {"extrasamples": ["unassalpha"]} if array.shape[2] in (2, 4) else {}
    planes = options.get("planarconfig") == "separate"
    laid = array.transpose(2, 0, 1) if planes else array[..., 0] if array.shape[2] == 1 else array
    how = {"metadata": None, "photometric": photometric, **extra, **options}
    tifffile.imwrite(stream, laid, **how)
    return stream.getvalue()


def by_pillow(image, rows, **options):
    """By libtiff, in strips of some rows."""
    stream = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TiffImagePlugin, "STRIP_SIZE", rows * image.width * len(image.getbands()))
        image.save(stream, "TIFF", **options)
    return stream.getvalue()


def same_planes(ours, theirs):
    (some, alpha), (others, opacity) = channels(ours), channels(theirs)
    assert (alpha is None) == (opacity is None)
    some, others = [*some, *[alpha][alpha is None :]], [*others, *[opacity][opacity is None :]]
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


def check(encoded, first, stop, size=None, wraps=(False, False), least=1):
    """Rows of the file are those of the whole; and of the whole at another size."""
    ours, whole = read_by_rows(Encoded("a.tif", encoded)), read(encoded)
    assert isinstance(ours, StoredPicture)
    assert (ours.size, ours.has_alpha, ours.record) == (whole.size, whole.has_alpha, whole.record)
    assert ours.metadata == whole.metadata
    same_planes(ours.rows(first, stop), whole.rows(first, stop))
    for wanted in (None, slice(size[1] // 3, size[1])) if size else ():
        mine, theirs = (resize(each, size, wraps, wanted) for each in (ours, whole))
        assert torch.equal(mine.pixels, theirs.pixels)
        assert mine.alpha is theirs.alpha is None or torch.equal(mine.alpha, theirs.alpha)
        masks = [whiteness(each, size, wraps, wanted) for each in (ours, whole)]
        assert torch.equal(*masks)
        assert torch.equal(masks[1], whiteness(whole, size, wraps)[wanted or slice(None)])


KINDS = [(n, kind) for n in (1, 3, 4) for kind in (np.uint8, np.uint16)] + [(1, np.float32)]


@settings(max_examples=150)
@given(
    shape=st.tuples(st.integers(2, 90), st.integers(1, 70)),
    kind=st.sampled_from(KINDS),
    layout=st.one_of(
        st.fixed_dictionaries({"rowsperstrip": st.integers(1, 20)}),
        st.fixed_dictionaries({"tile": st.tuples(*[st.sampled_from([16, 32, 48])] * 2)}),
    ),
    compression=st.sampled_from([None, "zlib", "zlib and predictor"]),
    form=st.sampled_from([("<", False), (">", False), ("<", True)]),
    turned=st.sampled_from([1, 2, 3, 4]),
    size=st.tuples(st.integers(1, 80), st.integers(2, 80)),
    wraps=st.tuples(st.booleans(), st.booleans()),
    chance=st.randoms(use_true_random=False),
)
def test_rows_are_those_of_the_whole(
    shape, kind, layout, compression, form, turned, size, wraps, chance
):
    if kind[1] == np.float32:
        form = "<", form[1]  # Pillow does not read others that are compressed
    array = levels(*shape, *kind)
    options = {"compression": "zlib"} if compression else {}
    if compression == "zlib and predictor" and kind[1] != np.float32:
        options["predictor"] = True
    tags = {"extratags": [(274, "H", 1, turned, True)]} if turned > 1 else {}
    encoded = tiff(array, byteorder=form[0], bigtiff=form[1], **layout, **options, **tags)
    first = chance.randrange(shape[0])
    check(encoded, first, chance.randint(first + 1, shape[0]), size, wraps)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "1"])
def test_rows_of_what_libtiff_compresses(compression, mode):
    image = Image.fromarray(levels(70, 40))
    if compression == "jpeg":
        image = smooth_picture(40, 70).to_pil()
        if mode in ("RGBA", "P", "1"):
            pytest.skip("there is no such file")
    check(by_pillow(image.convert(mode), 16, compression=compression), 13, 55, (30, 33))


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_rows_have_the_colours_of_the_profile(kind, mode):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    narrow = bytearray(profile)  # with a red primary of other colour
    place = narrow.index(b"rXYZ", 128 + 4)
    place = struct.unpack(">I", narrow[place + 4 : place + 8])[0]
    narrow[place + 8 : place + 12] = struct.pack(">i", 20000)
    array = levels(60, 30, 3 if mode == "RGB" else 1, kind)
    plain, encoded = (
        tiff(array, rowsperstrip=7, **how) for how in ({}, {"iccprofile": bytes(narrow)})
    )
    check(encoded, 11, 50, (20, 31))
    if mode == "RGB":
        assert not torch.equal(read(plain).pixels, read(encoded).pixels)


def test_rows_of_separate_planes_and_of_one_strip():
    check(tiff(levels(60, 30), planarconfig="separate", rowsperstrip=8), 5, 51)
    whole = levels(200, 30)
    assert Segments.of(io.BytesIO(tiff(whole))).rows == 64
    check(tiff(whole), 60, 151, (25, 90))
    check(tiff(whole[..., :1], planarconfig="contig", rowsperstrip=200), 60, 151)


def test_a_part_of_a_stored_picture_is_stored():
    encoded = tiff(levels(60, 90), tile=(16, 16))
    ours, whole = read_by_rows(encoded), read(encoded)
    for size in ((10, 10), (10, 40), (90, 11)):
        part = cropped(ours, size)
        assert isinstance(part, StoredPicture)
        expected = cropped(whole, size)
        same_planes(resize(part, size), resize(expected, size))
        same_planes(resize(part, part.size), expected)


@pytest.mark.parametrize("orientation", [1, 3])
def test_blocks_are_decoded_once_from_top_to_bottom(monkeypatch, orientation):
    encoded = tiff(levels(300, 40), rowsperstrip=4, extratags=[(274, "H", 1, orientation, True)])
    picture, decoded, inner = read_by_rows(encoded), [], stored._Blocks._block

    def counted(blocks, number):
        decoded.append(number)
        return inner(blocks, number)

    monkeypatch.setattr(stored._Blocks, "_block", counted)
    resize(picture, (33, 170))
    order = list(range(25))
    assert decoded == (order if orientation == 1 else order[::-1])


def test_what_is_read_whole(tmp_path, monkeypatch):
    """Other formats, and TIFF of which rows cannot be decoded without the others."""
    array = levels(60, 40)
    image = Image.fromarray(array)
    tiled = tiff(array, tile=(16, 16))
    turned = tiff(array, rowsperstrip=8, extratags=[(274, "H", 1, 6, True)])
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="3"/></x:xmpmeta>'
    hidden = tiff(array, rowsperstrip=8, extratags=[(700, "B", len(xmp), xmp, True)])
    assert not np.array_equal(read(hidden).levels(8), array)
    for ending in ("png", "jpg", "webp", "bmp"):
        image.save(tmp_path / f"a.{ending}")
    for source in (*tmp_path.iterdir(), turned, hidden, array, image, smooth_picture(20, 20)):
        found = read_by_rows(source)
        assert isinstance(found, Picture)
        same_planes(found, read(source))
    monkeypatch.setattr(stored, "_FEWEST", 8)
    assert isinstance(read_by_rows(tiled), Picture)
    assert isinstance(read_by_rows(tiff(array, rowsperstrip=60, compression="zlib")), Picture)
    assert isinstance(read_by_rows(tiff(array, rowsperstrip=6)), StoredPicture)
    monkeypatch.setattr(stored, "_LARGE", 60 * 40)
    assert isinstance(read_by_rows(tiff(array, rowsperstrip=6)), Picture)


def outcome(reader, encoded):
    """The planes of a file, or the error in one line."""
    try:
        found = reader(Encoded("a.tif", encoded), 10**6)
    except ImpastoError as error:
        return str(error)
    return found.rows(0, found.height)


@pytest.mark.parametrize(
    "encoded",
    [
        tiff(levels(60, 40), tile=(16, 16), compression="zlib"),
        tiff(levels(60, 40, 4), rowsperstrip=7, compression="zlib", predictor=True),
        tiff(levels(60, 40, 3, np.uint16), rowsperstrip=7, bigtiff=True),
        tiff(levels(60, 40, 1, np.float32), tile=(16, 16)),
        by_pillow(Image.fromarray(levels(60, 40)), 8, compression="tiff_lzw"),
    ],
    ids=["tiles", "strips", "16 bits", "floats", "lzw"],
)
def test_damaged_files_are_refused_as_by_whole_reading(encoded, capfd):
    """And what of them can be read is the same."""
    chance = random.Random(0)
    for _ in range(100):
        broken = bytearray(encoded)
        if chance.random() < 0.3:
            del broken[chance.randrange(8, len(broken)) :]
        else:
            place = chance.choice([chance.randrange(len(broken)), chance.randrange(8, 300)])
            broken[place] = chance.randrange(256)
        ours, theirs = outcome(read_by_rows, bytes(broken)), outcome(read, bytes(broken))
        if isinstance(theirs, str):
            assert ours == theirs
            assert "\n" not in ours
        else:
            same_planes(ours, theirs)
    assert capfd.readouterr() == ("", "")


def test_limits_are_those_of_whole_reading():
    encoded = tiff(levels(60, 40), rowsperstrip=7)
    assert read_by_rows(encoded, 60 * 40).size == (40, 60)
    deep = tiff(levels(60, 40, 3, np.uint16), rowsperstrip=7)
    for source, limit in ((encoded, 60 * 40), (deep, 2 * 60 * 40)):
        with pytest.raises(ImageTooLarge, match="above the limit of"):
            read_by_rows(source, limit - 1)
    assert isinstance(read_by_rows(deep, 2 * 60 * 40), StoredPicture)


def test_segments_that_would_take_much_memory_are_not_read_by_rows():
    """Each strip claims to be all of the file, or a tile to be larger than the picture."""
    file = bytearray(tiff(levels(600, 40), rowsperstrip=6, bigtiff=True, compression="zlib"))
    assert Segments.of(io.BytesIO(file)) is not None
    with tifffile.TiffFile(io.BytesIO(file)) as tiff_file:
        counts = tiff_file.pages[0].tags["StripByteCounts"]
        size = counts.valuebytecount // counts.count
    for n in range(counts.count):
        place = counts.valueoffset + n * size
        file[place : place + size] = min(len(file) // 2, 65535).to_bytes(size, "little")
    assert Segments.of(io.BytesIO(file)) is None
    tiled = bytearray(tiff(levels(60, 40), tile=(16, 16)))
    with tifffile.TiffFile(io.BytesIO(tiled)) as tiff_file:
        place = tiff_file.pages[0].tags["TileWidth"].valueoffset
    tiled[place : place + 2] = struct.pack("<H", 65520)
    assert Segments.of(io.BytesIO(tiled)) is None


def test_a_file_that_changes_is_refused(tmp_path):
    file = tmp_path / "a.tif"
    file.write_bytes(tiff(levels(60, 40), rowsperstrip=7))
    picture = read_by_rows(file)
    picture.rows(0, 20)
    file.write_bytes(tiff(levels(61, 40), rowsperstrip=7))
    with pytest.raises(ImageError, match=r"a.tif: the file has changed since it was opened; begin"):
        picture.rows(30, 60)
    file.unlink()
    with pytest.raises(ImageError, match=r"a\.tif: No such file"):
        picture.rows(30, 60)


TINY = {"encoder": "tiny", "precision": "fp64", "size": 96, "smallest": 48, "iterations": 2}


@pytest.mark.parametrize(
    ("mode", "overrides"),
    [("RGB", {}), ("RGB", {"colour": "match"}), ("RGBA", {"size": 128})],
    ids=str,
)
def test_a_run_from_tiff_is_the_one_from_png(tmp_path, overrides, mode):
    """Of two processes, to the last bit."""
    photo, painting = smooth_picture(128, 90).to_pil().convert(mode), smooth_picture(70, 60, 1.0)
    if mode == "RGBA":
        photo.putalpha(smooth_picture(128, 90, 2.0).to_pil().convert("L"))
    photo.save(tmp_path / "photo.png")
    painting.save(tmp_path / "painting.png")
    (tmp_path / "photo.tif").write_bytes(tiff(np.asarray(photo), tile=(16, 32)))
    (tmp_path / "painting.tif").write_bytes(
        tiff(np.asarray(painting.to_pil()), rowsperstrip=5, compression="zlib")
    )

    def painted(ending):
        def paint(ranks):
            names = tmp_path / f"photo.{ending}", tmp_path / f"painting.{ending}"
            run = Run(*names, Settings.of(**{**TINY, **overrides}), ranks=ranks)
            read = run.inputs.originals
            kinds = {type(read.content), type(read.styles[0].picture)}
            losses = [step.loss for step in run]
            return kinds, losses, run.result().image

        return together(2, paint)

    for (kinds, losses, image), (others, expected, whole) in zip(
        painted("tif"), painted("png"), strict=True
    ):
        assert (kinds, others) == ({StoredPicture}, {Picture})
        assert losses == expected
        assert torch.equal(image.pixels, whole.pixels)
        assert image.has_alpha == (mode == "RGBA")


def test_masks_and_the_first_canvas_are_read_by_rows(tmp_path):
    """Of two processes, to the last bit what they are from files that are read whole."""
    left = np.zeros((90, 128), np.uint8)
    left[:, :60], left[:, 60:70] = 255, 100
    planes = {
        "photo": np.asarray(smooth_picture(128, 90).to_pil()),
        "painting": np.asarray(smooth_picture(70, 60, 1.0).to_pil()),
        "left": left[..., None],
        "right": 255 - left[..., None],
        "part": left[:60, :70, None],
        "kept": levels(90, 128, 1) // 4,
        "begun": np.asarray(smooth_picture(100, 80, 2.0).to_pil()),
    }
    for name, array in planes.items():
        Image.fromarray(array.squeeze()).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.tif").write_bytes(tiff(array, tile=(16, 32), compression="zlib"))

    def run_of(ending, ranks):
        def named(*names):
            return [tmp_path / f"{name}.{ending}" for name in names]

        masks = {"content_masks": named("left", "right"), "style_masks": named("part", "part")}
        others = {"protect": named("kept")[0], "init": named("begun")[0]}
        given = *named("photo", "painting"), Settings.of(**TINY)
        return Run(*given, ranks=ranks, **masks, **others)

    def painted(ending):
        def paint(ranks):
            run = run_of(ending, ranks)
            i = run.inputs.originals
            parts = [part.where for region in i.regions for part in region.parts]
            kinds = {type(i.protected), type(i.init), *map(type, parts), type(i.regions[0].where)}
            losses = [step.loss for step in run]
            return kinds, losses, run.result().image, i.checksums

        return together(2, paint)

    for (kinds, losses, image, known), (others, expected, whole, _) in zip(
        painted("tif"), painted("png"), strict=True
    ):
        assert (kinds, others) == ({StoredPicture}, {Picture})
        assert losses == expected
        assert torch.equal(image.pixels, whole.pixels)
        assert {"init", "protect", "content_mask 2", "style_mask 1"} <= known.keys()
    alone = run_of("tif", None).inputs.originals.checksums
    assert alone == known  # so that one process can go on with what several began


PEAKS = """
import sys
import cv2
from impasto.images import read, resize
from impasto.images.stored import read_by_rows

def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024

rows = []
before = peak()
for reader in (read_by_rows, read):
    picture = reader(sys.argv[1])
    rows.append(resize(picture, (70, 50), rows=slice(0, 25)).pixels)
    print(peak() - before, picture.nbytes)
assert rows[0].equal(rows[1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_rows_take_less_memory(tmp_path):
    file = tmp_path / "large.tif"
    row = np.linspace(0, 255, 3 * 7000).astype(np.uint8).reshape(1, 7000, 3)
    tifffile.imwrite(
        file, np.broadcast_to(row, (5000, 7000, 3)), tile=(256, 256), photometric="rgb"
    )
    command = [sys.executable, "-c", PEAKS, str(file)]
    told = succeeded(command).stdout
    (ours, planned), (whole, kept) = (map(int, line.split()) for line in told.splitlines())
    assert kept == 7000 * 5000 * 3
    assert ours < planned + 100_000_000  # the float32 planes of a band
    assert whole > ours + 100_000_000


def test_the_plan_of_processes_that_read_by_rows(capsys):
    """What they need at least is less by what they do not hold."""

    def gigabytes(*options):
        with pytest.raises(SystemExit):
            main(["info", "--size=12000x9000", "--ranks=8", "--memory=1GB", *options])
        return float(re.search(r"12000x9000 px take ([\d.]+) GB", capsys.readouterr().err)[1])

    less = 2 * (12000 * 9000 * 3 - stored.bytes_by_rows(12000)) / 1e9
    assert gigabytes() - gigabytes("--by-rows") == pytest.approx(less, abs=0.11)
