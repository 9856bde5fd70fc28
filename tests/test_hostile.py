"""What a stranger's file declares: bounded in memory and time, and complete or refused."""

import io
import itertools
import random
import struct
import sys
import time
import warnings
import zlib
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from impasto import images
from impasto.errors import ImageError, ImageTooLarge, OutOfMemory
from impasto.images import Picture, complete, read, resize
from support.children import succeeded
from support.encoded import levels, outcome, png16, profile, saved, smooth, specimens, tiff


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, data, *extra, interlaced=0):
    """A PNG of any data: `data` is what the pixels' stream inflates to, or bytes of the stream."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    stream = data if isinstance(data, list) else [zlib.compress(data)]
    chunks = [(b"IHDR", header), *extra, *((b"IDAT", part) for part in stream), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def gif_bomb():
    """43 bytes: a screen of 8x8, and one frame of 65535x65535 that is to be disposed of."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    control = b"!\xf9\x04\x08\0\0\0\0"
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02L\x01\0;"
    return screen + control + frame


def many_scans(count):
    """A progressive JPEG whose last scan is there `count` times."""
    encoded = saved(Image.fromarray(smooth()), "JPEG", progressive=True)
    last = encoded.rindex(b"\xff\xda")
    return encoded[:last] + encoded[last:-2] * count + b"\xff\xd9"


def huge(kind, width=14000, height=14000):
    """A small file of 8x8 pixels that claims to be huge."""
    encoded = bytearray(saved(Image.new("RGB", (8, 8)), kind, lossless=True))
    if kind == "AVIF":
        place = encoded.index(b"ispe") + 8
        encoded[place : place + 8] = struct.pack(">II", width, height)
    else:  # VP8L: 14 bits each
        place = encoded.index(b"VP8L") + 9
        old = int.from_bytes(encoded[place : place + 4], "little")
        size = (width - 1) | (height - 1) << 14
        encoded[place : place + 4] = (old >> 28 << 28 | size).to_bytes(4, "little")
    return bytes(encoded)


def text_bomb():
    stream, info = io.BytesIO(), PngImagePlugin.PngInfo()
    for number in range(60):
        info.add_text(f"t{number}", "x" * 1_000_000, zip=True)
    Image.new("RGB", (8, 8)).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def profile_bomb():
    return png(2, 2, 8, 2, bytes(14), (b"iCCP", b"x\0\0" + zlib.compress(bytes(10**8))))


BOMBS = {
    "gif": gif_bomb,
    "avif": partial(huge, "AVIF"),
    "avif below the limit": partial(huge, "AVIF", 8000, 8000),
    "webp below the limit": partial(huge, "WEBP", 9000, 9000),
    "scans": partial(many_scans, 150),
    "text": text_bomb,
    "profile": profile_bomb,
    "pixels": lambda: png(2, 2, 8, 2, bytes(10**8)),
    "16 bits": lambda: png(2, 2, 16, 2, bytes(10**8)),
}
HARMLESS = {"text", "profile"}

CHILD = """
import sys, time
from impasto.errors import ImpastoError
from impasto.images import read, read_record
import cv2, impasto.images.deep
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
before, start = peak(), time.monotonic()
for path in sys.argv[1:]:
    for reader in (read, read_record):
        try:
            reader(path)
        except ImpastoError as error:
            print(error)
print(peak() - before, file=sys.stderr)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_bombs_take_little_memory(tmp_path):
    paths = []
    for name, made in BOMBS.items():
        encoded = made()
        assert len(encoded) < 400_000, name
        paths.append(tmp_path / name)
        paths[-1].write_bytes(encoded)
    command = [sys.executable, "-c", CHILD, *map(str, paths)]
    found = succeeded(command)
    assert int(found.stderr) < 300_000_000


@pytest.mark.parametrize("name", sorted(BOMBS.keys() - HARMLESS))
def test_bombs_are_refused(tmp_path, name):
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[name]())
    with pytest.raises(ImageError, match=r"bomb: .*(raise max_pixels|expected)") as caught:
        read(path)
    assert isinstance(caught.value, ImageTooLarge) == (name in ("gif", "avif"))


def test_a_gif_is_measured_before_its_frame_is_there(tmp_path):
    (tmp_path / "bomb.gif").write_bytes(gif_bomb())
    assert len(gif_bomb()) == 43
    for reader in (read, images.read_record):
        with pytest.raises(ImageTooLarge, match=r"bomb.gif: [\d,]+ pixels, above the limit of 200"):
            reader(tmp_path / "bomb.gif")


def test_decoders_that_take_more_memory_have_a_lower_limit(tmp_path):
    deep = smooth().astype(np.uint16) * 257
    rgb = Image.fromarray(smooth())
    files = {
        1: [saved(rgb, kind) for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF")],
        2: [png16(deep, 2), tiff(deep), saved(rgb, "WEBP")],
        3: [saved(rgb, "AVIF")],
    }
    for cost, all_encoded in files.items():
        for encoded in all_encoded:
            (tmp_path / "a").write_bytes(encoded)
            assert read(tmp_path / "a", max_pixels=40 * 56 * cost).size == (56, 40)
            with pytest.raises(ImageTooLarge, match="pixels, above the limit"):
                read(tmp_path / "a", max_pixels=40 * 56 * cost - 1)


def test_a_large_picture_has_a_record_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.images.decode.MAX_PIXELS", 10)
    Picture(torch.rand(3, 20, 20), record="text").save(tmp_path / "print.png")
    assert images.read_record(tmp_path / "print.png") == "text"


# For lack of memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((9, 9), np.dtype(float)),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_lack_of_memory_is_one_error(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    Picture(torch.rand(3, 20, 20)).save(tmp_path / "a.png")
    for place in ("Image.open", "record_in", "deep_levels"):
        with monkeypatch.context() as patch:
            patch.setattr(f"impasto.images.decode.{place}", fail)
            with pytest.raises(OutOfMemory, match=r"a.png: not enough memory to read it; close"):
                read(tmp_path / "a.png")
    monkeypatch.setattr("impasto.images.decode.from_array", fail)
    with pytest.raises(OutOfMemory, match="ndarray: not enough memory"):
        read(smooth())


def test_lack_of_memory_inside_opencv_is_that_error_too(tmp_path, monkeypatch):
    import cv2

    def fail(*_):
        error = cv2.error("no memory")
        error.code = cv2.Error.StsNoMem
        raise error

    Picture(torch.rand(3, 20, 20)).save(tmp_path / "a.tif", bits=16)
    monkeypatch.setattr(cv2, "imdecode", fail)
    with pytest.raises(OutOfMemory, match=r"a.tif: not enough memory to read it"):
        read(tmp_path / "a.tif")


LIMITED = """
import resource, sys
from impasto.errors import OutOfMemory
from impasto.images import read
import cv2, impasto.images.deep
now = int(open("/proc/self/status").read().split("VmSize:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (now + 20_000_000, resource.RLIM_INFINITY))
for path in sys.argv[1:]:
    try:
        read(path)
    except OutOfMemory as error:
        print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_under_a_limit_on_memory(tmp_path):
    flat = Image.new("RGB", (3000, 2500))
    deep = png(3000, 2500, 16, 2, bytes(2500 * (6 * 3000 + 1)))
    files = {"a.png": saved(flat, "PNG"), "a.jpg": saved(flat, "JPEG"), "deep.png": deep}
    for name, encoded in files.items():
        (tmp_path / name).write_bytes(encoded)
    command = [sys.executable, "-c", LIMITED, *(str(tmp_path / name) for name in files)]
    found = succeeded(command)
    assert found.stdout.count("not enough memory to read it") == len(files)
    assert found.stderr == ""


# Complete files


ROWS = {8: bytes(25), 16: bytes(49)}  # of 8 RGB pixels, with the filter's byte


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("data", "match"),
    [
        (lambda row: row, "truncated PNG"),
        (lambda row: row * 8 + b"\0", "more pixels than it declares"),
        (lambda row: row * 7 + b"\5" + row[1:], "unknown filter"),
        (lambda row: [zlib.compress(row * 8)[:-3]], "truncated PNG"),
        (lambda row: [], "truncated PNG"),
    ],
    ids=["short", "long", "filter", "no end", "no data"],
)
def test_a_png_has_all_its_rows(tmp_path, capfd, depth, data, match):
    (tmp_path / "a.png").write_bytes(png(8, 8, depth, 2, data(ROWS[depth])))
    with pytest.raises(ImageError, match=rf"a.png: .*{match}.*; expected a complete file"):
        read(tmp_path / "a.png")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_in_many_chunks_and_with_bytes_after_its_pixels(tmp_path, capfd, depth):
    stream = zlib.compress(ROWS[depth] * 8)
    parts = [*(bytes([byte]) for byte in stream[:-1]), stream[-1:] + b"junk", b"more"]
    (tmp_path / "a.png").write_bytes(png(8, 8, depth, 2, parts))
    assert read(tmp_path / "a.png").size == (8, 8)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (5, 3), (8, 8), (3, 13), (17, 9)])
@pytest.mark.parametrize("depth", [1, 8, 16])
def test_an_interlaced_png_has_all_its_passes(tmp_path, depth, width, height):
    """Sizes of the passes as in the standard: pixels of a pass have its number in an 8x8 grid."""
    grid = np.array(
        [[1, 6, 4, 6, 2, 6, 4, 6], [7] * 8, [5, 6] * 4, [7] * 8,
         [3, 6, 4, 6, 3, 6, 4, 6], [7] * 8, [5, 6] * 4, [7] * 8]
    )  # fmt: skip
    whole = np.tile(grid, (3, 3))[:height, :width]
    data = b""
    for number in range(1, 8):
        for row in whole:
            columns = (row == number).sum()
            data += bytes(1 + -(-int(columns) * depth // 8)) if columns else b""
    (tmp_path / "a.png").write_bytes(png(width, height, depth, 0, data, interlaced=1))
    assert read(tmp_path / "a.png").size == (width, height)
    (tmp_path / "a.png").write_bytes(png(width, height, depth, 0, data[:-1], interlaced=1))
    with pytest.raises(ImageError, match="truncated PNG"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("cut", [0.05, 0.3, 0.5, 0.8, 0.97])
def test_a_truncated_file_is_refused(tmp_path, cut):
    path = tmp_path / "cut"
    for name, encoded in specimens(tmp_path).items():
        if name == "mpo":  # its first picture may be whole
            continue
        path.write_bytes(encoded[: int(len(encoded) * cut)])
        with pytest.raises(ImageError, match=r"cut: .*expected"):
            read(path)


# Bounds of time


def test_ordinary_scans_are_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(many_scans(10))
    assert read(tmp_path / "a.jpg").size == (56, 40)
    (tmp_path / "a.jpg").write_bytes(many_scans(150))
    with pytest.raises(ImageError, match=r"a JPEG of 1[0-9][0-9] scans"):
        read(tmp_path / "a.jpg")


def test_scans_count_by_their_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(complete, "MAX_SCANNED", 56 * 40 * 12)
    (tmp_path / "a.jpg").write_bytes(many_scans(10))
    with pytest.raises(ImageError, match="scans; expected one saved anew"):
        read(tmp_path / "a.jpg")


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_scans_are_counted_across_pieces(monkeypatch, piece):
    encoded = many_scans(7)
    monkeypatch.setattr(complete, "PIECE", piece)
    monkeypatch.setattr(complete, "MAX_SCANS", encoded.count(b"\xff\xda") - 1)
    image = Image.open(io.BytesIO(encoded))
    with pytest.raises(ImageError, match=f"{encoded.count(bytes([255, 218]))} scans"):
        complete.check_complete(image, io.BytesIO(encoded))


# Nothing on stderr, and values in [0, 1]


def test_libpng_has_nothing_to_say(tmp_path, capfd):
    array = levels((9, 9, 3), 65535).astype(np.uint16)
    extra = [
        (b"iCCP", b"x\0\0" + zlib.compress(b"no profile")),
        (b"gAMA", bytes(4)),
        (b"sRGB", b"\x77"),
        (b"cHRM", bytes(32)),
        (b"tIME", b"junk"),
        (b"eXIf", b"junk"),
    ]
    (tmp_path / "a.png").write_bytes(png16(array, 2, *extra))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(tmp_path / "a.png")
    assert found.alpha is None
    assert (np.rint(found.pixels.numpy() * 65535) == array.transpose(2, 0, 1)).all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_values_lie_in_the_range(tmp_path, ending):
    array = levels((40, 60, 3), 65535).astype(np.uint16)
    array[:8] = 65535
    array[8:16] = 0
    for gamma, swap in itertools.product((0.4, 1.0, 2.6), (False, True)):
        icc = profile(gamma, swap)
        encoded = (
            png16(array, 2, (b"iCCP", b"x\0\0" + zlib.compress(icc)))
            if ending == "png"
            else tiff(array, iccprofile=icc)
        )
        (tmp_path / "a").write_bytes(encoded)
        pixels = read(tmp_path / "a").pixels
        assert pixels.min() >= 0
        assert pixels.max() <= 1


# From Python


@pytest.mark.parametrize(
    "source",
    [
        torch.zeros(3, 4, 5).to_sparse(),
        torch.zeros(3, 4, 5, device="meta"),
        torch.zeros(3, 4, 5, dtype=torch.complex64),
        torch.zeros(3, 4, 5, dtype=torch.int8),
        torch.zeros(1).expand(3, 10**6, 10**6),
        np.ma.masked_array(np.zeros((4, 5)), np.ones((4, 5), bool)),
        np.zeros((4, 5), object),
        np.zeros((4, 5), "M8[s]"),
        np.zeros((4, 5), [("r", "u1")]),
        np.zeros((4, 5), "S3"),
        np.zeros((4, 5), np.uint32),
        np.zeros((), np.uint8),
        np.broadcast_to(np.uint8(0), (10**6, 10**6, 3)),
        Image.Image(),
        {"pixels": 1},
        [[0.1]],
        object(),
    ],
    ids=lambda source: type(source).__name__,
)
def test_odd_sources_are_one_error(source):
    with pytest.raises(ImageError) as caught:
        read(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("max_pixels", ["9", 1.5, None, True, [9]])
def test_a_limit_that_is_no_number(max_pixels):
    with pytest.raises(ImageError, match=r"max_pixels is .*; expected a number of pixels"):
        read(smooth(), max_pixels)


def test_masks_come_as_arrays():
    mask = levels((4, 6), 1).astype(bool)
    grey = torch.from_numpy(levels((4, 6)).astype(np.float32) / 255)
    for source in (mask, mask[..., None], torch.from_numpy(mask), torch.from_numpy(mask)[None]):
        assert (read(source).pixels.numpy() == mask).all()
    for source in (grey, grey.double(), grey.numpy(), grey[None]):
        assert torch.equal(read(source).pixels, grey.expand(3, -1, -1))
    assert torch.equal(read(grey.numpy().astype(">f4")).pixels[0], grey)
    big = (levels((4, 6), 65535)).astype(">u2")
    assert (np.rint(read(big).pixels[0].numpy() * 65535) == big).all()
    with torch.inference_mode():
        assert read(torch.ones(3, 4, 5)).pixels.min() == 1


# Large pictures


def test_a_picture_from_a_file_keeps_the_levels_of_the_file(tmp_path):
    path = tmp_path / "a.png"
    for array, size in (
        (smooth(), 3),
        (smooth()[..., 0], 1),
        (np.dstack([smooth(), smooth()[..., 0]]), 4),
    ):
        Image.fromarray(array).save(path)
        found = read(path)
        assert found.nbytes == 40 * 56 * size
        assert found.pixels.shape == (3, 40, 56)
        assert found.device.type == "cpu"


@pytest.mark.parametrize("size", [(20, 13), (56, 11), (90, 77), (1, 1), (55, 40)])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("top", [255, 65535])
def test_resizing_in_bands_is_resizing(monkeypatch, size, alpha, top):
    kind = np.uint8 if top == 255 else np.uint16
    array = levels((40, 56, 4 if alpha else 3), top).astype(kind)
    whole = resize(read(array), size)
    monkeypatch.setattr("impasto.images.resampling.WHOLE", 0)
    for band in (1, 300, 10**6):
        monkeypatch.setattr("impasto.images.resampling.BAND", band)
        found = resize(read(array), size)
        torch.testing.assert_close(found.pixels, whole.pixels, rtol=0, atol=2e-5)
        if alpha:
            torch.testing.assert_close(found.alpha, whole.alpha, rtol=0, atol=2e-6)


# Any bytes


def mutated(encoded, chance):
    """Bytes changed, cut out, doubled or put in, one to three times."""
    broken = bytearray(encoded)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(chance.choice((len(broken), min(64, len(broken)))))
        length = chance.choice((1, 2, 4, 16))
        part = broken[place : place + length]
        random_bytes = chance.randbytes(length)
        new = chance.choice((random_bytes, b"\xff" * length, bytes(length), part * 2, b""))
        broken[place : place + length] = new
        broken = broken or bytearray(b"x")
    return bytes(broken)


def in_range(path):
    pixels = read(path, max_pixels=10**6).pixels
    assert 0 <= pixels.min() <= pixels.max() <= 1


def test_mutated_files_are_read_or_refused_in_one_line(tmp_path, capfd):
    chance, path = random.Random(1), tmp_path / "mutated"
    for name, encoded in specimens(tmp_path).items():
        for _ in range(25):
            path.write_bytes(mutated(encoded, chance))
            start = time.monotonic()
            for reader in (in_range, images.read_record):
                assert "\n" not in outcome(reader, path), name
            assert time.monotonic() - start < 20, name
    assert capfd.readouterr() == ("", "")
