"""Pictures from files and back. Laws first, then oracles: Pillow alone, and formulas by hand."""

import io
import os
import random
import stat
import struct
import threading
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from impasto import images
from impasto.errors import ImageError, ImageTooLarge, OutputError
from impasto.images import Picture, icc
from impasto.images.circles import interpolated
from impasto.images.resampling import whiteness
from support.encoded import (
    RECORD,
    levels,
    outcome,
    picture_of,
    png16,
    profile,
    saved,
    smooth,
    specimens,
    tiff,
)

LOSSY = {".jpg", ".jpeg", ".webp", ".avif"}
DEEP = [".png", ".tif", ".tiff"]


def write(picture, path, **options):
    picture.save(path, **options)


def back(planes, top=255):
    """Levels of a Picture's plane or planes, (h, w) or (h, w, 3)."""
    whole = np.rint(planes.numpy() * top).astype(int)
    return whole if whole.ndim == 2 else whole.transpose(1, 2, 0)


@pytest.fixture
def read_bytes(tmp_path):
    def read(encoded, **options):
        path = tmp_path / "input"
        path.write_bytes(encoded)
        return images.read(path, **options)

    return read


# What is written is read back


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("ending", DEEP)
@pytest.mark.parametrize("transparent", [False, True])
def test_exact_formats_keep_every_level(tmp_path, ending, bits, transparent):
    top = 2**bits - 1
    array = levels((9, 13, 3), top).astype(np.uint8 if bits == 8 else np.uint16)
    alpha = levels((9, 13), top, seed=1).astype(array.dtype) if transparent else None
    path = tmp_path / f"out{ending}"
    write(picture_of(array, alpha, RECORD), path, bits=bits)
    found = images.read(path)
    assert (back(found.pixels, top) == array).all()
    assert found.pixels.dtype == torch.float32
    assert found.pixels.is_contiguous()
    assert found.record == RECORD
    if transparent:
        assert (back(found.alpha, top) == alpha).all()
    else:
        assert found.alpha is None


@pytest.mark.parametrize("ending", sorted(LOSSY))
def test_lossy_formats_stay_close(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    write(picture_of(smooth(), None, RECORD), path)
    assert np.abs(back(images.read(path).pixels) - smooth()).mean() < 2


@pytest.mark.parametrize("ending", images.FORMATS)
def test_every_format_embeds_record_software_and_profile(tmp_path, ending):
    for bits in images.FORMATS[ending].depths:
        path = tmp_path / f"out{bits}{ending}"
        write(picture_of(smooth(), None, RECORD), path, bits=bits)
        assert images.read_record(path) == images.read(path).record == RECORD
        with Image.open(path) as image:
            assert image.getexif()[0x0131] == "impasto"
            assert image.info["icc_profile"] == icc.srgb_profile()
            assert image.size == (56, 40)


@pytest.mark.parametrize("ending", [".png", ".webp", ".tiff", ".avif"])
def test_alpha_is_kept(tmp_path, ending):
    alpha = smooth()[..., 0]
    write(picture_of(smooth(), alpha), tmp_path / f"out{ending}")
    found = images.read(tmp_path / f"out{ending}")
    assert np.abs(back(found.alpha) - alpha).max() <= 4
    assert found.record is None


def test_jpeg_is_composited_over_white_and_not_subsampled(tmp_path):
    array = np.zeros((16, 16, 3), np.uint8)
    array[:, ::2] = 255, 0, 0
    alpha = np.full((16, 16), 255, np.uint8)
    alpha[:8] = 0
    write(picture_of(array, alpha), tmp_path / "out.jpg", quality=100)
    found = back(images.read(tmp_path / "out.jpg").pixels)
    assert np.abs(found[:8] - 255).max() <= 3
    assert np.abs(found[8:] - array[8:]).max() <= 6  # colour stripes of 1 px survive


def test_16_bit_gradient_keeps_its_levels(tmp_path):
    ramp = torch.linspace(0.4, 0.5, 3000).expand(3, 2, -1).contiguous()
    for ending in DEEP:
        write(Picture(ramp), tmp_path / f"ramp{ending}", bits=16)
        found = images.read(tmp_path / f"ramp{ending}").pixels
        assert len(found.unique()) > 2900
        assert (found - ramp).abs().max() <= 0.5001 / 65535


def test_rounding_is_to_the_nearest():
    values = torch.tensor([0.0, 0.49 / 255, 0.51 / 255, 1.49 / 255, 1.0, 1.7, -0.2])
    picture = Picture(values.expand(3, 1, -1).contiguous())
    assert np.asarray(picture.to_pil())[0, :, 0].tolist() == [0, 0, 1, 1, 255, 255, 0]


def test_equal_pictures_make_equal_files(tmp_path):
    for name in ("a.png", "b.png"):
        write(picture_of(smooth(), None, RECORD), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_records_that_do_not_fit_are_left_out(tmp_path):
    for ending, length, kept in [
        (".jpg", 60_000, True),
        (".jpg", 70_000, False),
        (".png", 900_000, True),
        (".png", 1_000_001, False),
        (".tiff", 1_000_001, False),
    ]:
        path = tmp_path / f"out{ending}"
        write(picture_of(smooth(), None, "x" * length), path)
        assert images.read_record(path) == ("x" * length if kept else None)


def test_a_foreign_record_above_the_limit_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "x" * 1_000_001
    path = tmp_path / "long.png"
    Image.new("RGB", (2, 2)).save(path, exif=exif)
    assert images.read_record(path) is None


def test_a_record_beyond_ascii_is_kept(tmp_path):
    for ending in images.FORMATS:
        write(picture_of(smooth(), None, "naïve Žižkov"), tmp_path / f"out{ending}")
        assert images.read_record(tmp_path / f"out{ending}") == "naïve Žižkov"


# Kinds of pixels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "png16", "tiff16"])
def test_orientation(read_bytes, kind, orientation):
    # Where row 0 and column 0 of the stored picture are to be seen, from EXIF's table.
    quadrants = np.zeros((16, 32, 3), np.uint8)
    quadrants[:8, :16], quadrants[:8, 16:], quadrants[8:, :16] = 240, 160, 80
    top_left, top_right, bottom_left, bottom_right = 240, 160, 80, 0
    upright = {
        1: (top_left, top_right, bottom_left, bottom_right),
        2: (top_right, top_left, bottom_right, bottom_left),
        3: (bottom_right, bottom_left, top_right, top_left),
        4: (bottom_left, bottom_right, top_left, top_right),
        5: (top_left, bottom_left, top_right, bottom_right),
        6: (bottom_left, top_left, bottom_right, top_right),
        7: (bottom_right, top_right, bottom_left, top_left),
        8: (top_right, bottom_right, top_left, bottom_left),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "png16":
        body = exif.tobytes().removeprefix(b"Exif\0\0")
        encoded = png16(quadrants.astype(np.uint16) * 257, 2, (b"eXIf", body))
    elif kind == "tiff16":
        tag = (0x0112, "H", 1, orientation, True)
        encoded = tiff(quadrants.astype(np.uint16) * 257, extratags=[tag])
    else:
        encoded = saved(Image.fromarray(quadrants), kind, exif=exif)
    found = images.read(Image.open(io.BytesIO(encoded))) if kind == "JPEG" else read_bytes(encoded)
    assert found.size == ((32, 16) if orientation < 5 else (16, 32))
    seen = back(found.pixels)[:: found.height - 1, :: found.width - 1, 0].reshape(-1)
    assert np.abs(seen - upright).max() <= 8


def pillow_modes():
    rgb = Image.fromarray(smooth())
    palette = rgb.quantize(16)
    keyed = rgb.copy()
    keyed.info["transparency"] = rgb.getpixel((3, 3))
    return {
        "1": rgb.convert("1"),
        "L": rgb.convert("L"),
        "LA": rgb.convert("LA"),
        "P": palette,
        "RGB": rgb,
        "RGBA": Image.merge("RGBA", [*rgb.split(), rgb.getchannel(0)]),
        "CMYK": rgb.convert("CMYK"),
        "YCbCr": rgb.convert("YCbCr"),
        "HSV": rgb.convert("HSV"),
        "keyed": keyed,
    }


@pytest.mark.parametrize("mode", pillow_modes())
def test_pillow_images_of_every_mode(mode):
    image = pillow_modes()[mode]
    found = images.read(image)
    assert (back(found.pixels) == np.asarray(image.convert("RGB"))).all()
    if mode in ("LA", "RGBA", "keyed"):
        assert (back(found.alpha) == np.asarray(image.convert("RGBA"))[..., 3]).all()
    else:
        assert found.alpha is None


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_transparency(read_bytes, kind):
    palette = Image.fromarray(smooth()).quantize(16)
    found = read_bytes(saved(palette, kind, transparency=3))
    clear = np.asarray(palette) == 3
    assert (back(found.alpha) == np.where(clear, 0, 255)).all()
    assert (back(found.pixels) == np.asarray(palette.convert("RGB"))).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP", "GIF", "MPO"])
def test_formats_are_known_by_content(read_bytes, kind):
    options = {"quality": 100} if kind in ("JPEG", "WEBP", "AVIF", "MPO") else {}
    if kind == "MPO":
        options |= {"save_all": True, "append_images": [Image.new("RGB", (56, 40))]}
    image = Image.fromarray(smooth())
    found = read_bytes(saved(image.quantize(256) if kind == "GIF" else image, kind, **options))
    assert np.abs(back(found.pixels) - smooth()).mean() < 5


def test_first_frame_of_a_gif(read_bytes):
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue")]
    found = read_bytes(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert (back(found.pixels) == (255, 0, 0)).all()


def test_16_bits_of_png(read_bytes):
    array = levels((5, 7, 4), 65535).astype(np.uint16)
    found = read_bytes(png16(array[..., :3], 2))
    assert (back(found.pixels, 65535) == array[..., :3]).all()
    found = read_bytes(png16(array, 6))
    assert (back(found.pixels, 65535) == array[..., :3]).all()
    assert (back(found.alpha, 65535) == array[..., 3]).all()
    found = read_bytes(png16(array[..., 0], 0))
    assert (back(found.pixels, 65535) == array[..., :1]).all()
    found = read_bytes(png16(array[..., :2], 4))
    assert (back(found.pixels, 65535) == array[..., :1]).all()
    assert (back(found.alpha, 65535) == array[..., 1]).all()


def test_16_bit_png_with_a_transparent_colour(read_bytes):
    array = levels((5, 7, 3), 65535).astype(np.uint16)
    expected = np.ones((5, 7))
    expected[0, 0] = 0
    key = struct.pack(">HHH", *array[0, 0])
    assert (read_bytes(png16(array, 2, (b"tRNS", key))).alpha.numpy() == expected).all()
    found = read_bytes(png16(array[..., 0], 0, (b"tRNS", key[:2])))
    assert (found.alpha.numpy() == expected).all()


@pytest.mark.parametrize(
    "options",
    [{}, {"byteorder": ">"}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}],
    ids=str,
)
def test_16_bits_of_tiff(read_bytes, options):
    array = levels((35, 37, 4), 65535).astype(np.uint16)
    for c in (3, 4):
        extra = {"extrasamples": ["unassalpha"]} if c == 4 else {}
        found = read_bytes(tiff(array[..., :c], **options, **extra))
        assert (back(found.pixels, 65535) == array[..., :3]).all()
        assert (found.alpha is not None) == (c == 4)
    grey = {"photometric": "minisblack", **options}
    assert (back(read_bytes(tiff(array[..., 0], **grey)).pixels, 65535) == array[..., :1]).all()


def test_16_bit_tiff_by_lzw(read_bytes):
    array = levels((5, 7, 3), 65535).astype(np.uint16)
    lzw = [cv2.IMWRITE_TIFF_COMPRESSION, 5]
    encoded = cv2.imencode(".tif", array[..., ::-1].copy(), lzw)[1].tobytes()
    assert (back(read_bytes(encoded).pixels, 65535) == array).all()


def test_meanings_of_tiff_samples(read_bytes):
    array = levels((5, 7, 4), 65535).astype(np.uint16)
    array[..., :3] = np.minimum(array[..., :3], array[..., 3:])
    found = read_bytes(tiff(array, extrasamples=["assocalpha"]))
    straight = np.rint(array[..., :3] / np.maximum(array[..., 3:], 1) * 65535)
    assert np.abs(back(found.pixels, 65535) - straight).max() <= 1
    assert read_bytes(tiff(array, extrasamples=["unspecified"])).alpha is None
    found = read_bytes(tiff(array[..., 0], photometric="miniswhite"))
    assert (back(found.pixels, 65535) == 65535 - array[..., :1]).all()
    planes = np.ascontiguousarray(array[..., :3].transpose(2, 0, 1))
    with pytest.raises(ImageError, match="separate planes; save it with"):
        read_bytes(tiff(planes, planarconfig="separate"))


def test_float_tiff_holds_grey_from_0_to_1(read_bytes):
    array = np.random.default_rng(0).random((5, 7)).astype(np.float32)
    grey = {"photometric": "minisblack"}
    assert (read_bytes(tiff(array, **grey)).pixels.numpy() == array).all()
    with pytest.raises(ImageError, match=r"values from .* to 25[0-9.]+; expected floats"):
        read_bytes(tiff(array * 256 + np.float32(2), **grey))


def test_32_bit_integers_hold_16_bits():
    array = levels((5, 7), 65535).astype(np.int32)
    assert (back(images.read(Image.fromarray(array)).pixels, 65535) == array[..., None]).all()
    with pytest.raises(ImageError, match="70000; expected 0 to 65535"):
        images.read(Image.fromarray(np.array([[3, 70000]], np.int32)))


# Colour profiles


def oracle(image, icc):
    """What Pillow makes of it."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, source, target, outputMode="RGB"))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
def test_icc_profile_is_converted(read_bytes, kind):
    icc = profile(gamma=1.0, swap=True)
    encoded = saved(Image.fromarray(smooth()), kind, icc_profile=icc)
    expected = oracle(Image.open(io.BytesIO(encoded)), icc)
    assert np.abs(expected.astype(int) - smooth()).mean() > 20
    assert (back(read_bytes(encoded).pixels) == expected).all()


def test_icc_keeps_alpha_and_fits_grey():
    icc = profile(gamma=1.0)
    grey = Image.fromarray(smooth()[..., 0])
    grey.info["icc_profile"] = icc
    assert (back(images.read(grey).pixels) == oracle(grey.convert("RGB"), icc)).all()
    rgba = Image.merge("RGBA", [*Image.fromarray(smooth()).split(), grey])
    rgba.info["icc_profile"] = icc
    found = images.read(rgba)
    assert (back(found.pixels) == oracle(rgba.convert("RGB"), icc)).all()
    assert (back(found.alpha) == smooth()[..., 0]).all()


def test_lab_pixels_are_converted():
    lab = Image.fromarray(np.full((2, 2, 3), (128, 0, 0), np.uint8), "RGB")
    lab = Image.frombytes("LAB", lab.size, lab.tobytes())
    assert np.abs(back(images.read(lab).pixels) - 119).max() <= 2  # L* = 50 is sRGB 119


@pytest.mark.parametrize("icc", [b"junk", profile()[:200], profile(space="LAB"), b""])
def test_icc_that_is_broken_or_of_other_pixels_is_ignored(read_bytes, icc):
    encoded = saved(Image.fromarray(smooth()), "PNG", icc_profile=icc)
    assert (back(read_bytes(encoded).pixels) == smooth()).all()


def test_srgb_profiles_change_nothing(read_bytes):
    array = levels((64, 64, 3)).astype(np.uint8)
    encoded = saved(Image.fromarray(array), "PNG", icc_profile=profile(space="sRGB"))
    assert (back(read_bytes(encoded).pixels) == array).all()


def test_icc_with_16_bits_is_smooth_and_within_half_a_level(read_bytes):
    ramp = np.linspace(20000, 40000, 2000).astype(np.uint16)
    array = np.repeat(ramp[None, :, None], 3, -1)
    found = read_bytes(png16(array, 2, (b"iCCP", b"x\0\0" + zlib.compress(profile(gamma=1.0)))))
    linear = array[0, :, 0] / 65535
    expected = 1.055 * linear ** (1 / 2.4) - 0.055  # IEC 61966-2-1
    assert np.abs(found.pixels[0, 0].numpy() - expected).max() < 0.75 / 255
    assert len(found.pixels.unique()) > 500
    assert (found.pixels.diff(dim=-1) > -1e-6).all()


def test_cmyk_jpeg(read_bytes):
    encoded = saved(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=100)
    expected = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    found = back(read_bytes(encoded).pixels)
    assert (found == expected).all()
    assert np.abs(found - smooth()).mean() < 3


# In memory


def test_arrays():
    array = levels((4, 6, 4)).astype(np.uint8)
    for c in (1, 3, 4):
        for values in (array, array.astype(np.uint16) * 257, array / 255):
            found = images.read(values[..., :c])
            assert (back(found.pixels) == array[..., : min(c, 3)]).all()
            assert (found.alpha is None) == (c < 4)
    assert (back(images.read(array[..., 0]).pixels) == array[..., :1]).all()
    assert (back(images.read(array[::-1, ::-1]).alpha) == array[::-1, ::-1, 3]).all()


def test_tensors():
    tensor = torch.from_numpy(levels((4, 5, 6)).astype(np.uint8))
    for c in (1, 3, 4):
        for values in (
            tensor,
            tensor / 255,
            tensor.double() / 255,
            (tensor / 255).requires_grad_(),
        ):
            assert (
                back(images.read(values[:c]).pixels) == back(images.read(tensor[:c]).pixels)
            ).all()
    assert (images.read(tensor[None]).pixels == images.read(tensor).pixels).all()


def test_pictures_pass_and_arrays_are_copied():
    picture = picture_of(smooth())
    assert images.read(picture) is picture
    tensor = torch.rand(3, 4, 5)
    found = images.read(tensor)
    tensor.zero_()
    assert found.pixels.max() > 0


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((3, 4, 5)),
        np.zeros((4, 5, 2)),
        np.zeros((0, 5, 3)),
        np.zeros((4, 5, 3), np.int64),
        np.zeros(5),
        np.full((4, 5, 3), 1.5),
        np.full((4, 5, 3), -0.5),
        np.full((4, 5, 3), np.nan),
        np.full((4, 5, 3), np.inf),
        np.array("x"),
        torch.zeros(4),
        torch.zeros(2, 3, 4, 5),
        torch.zeros(5, 4, 3),
        torch.zeros(3, 0, 5),
        torch.full((3, 4, 5), 2.0),
        torch.zeros(3, 4, 5, dtype=torch.int64),
        torch.zeros(3, 4, 5, dtype=torch.complex64),
        b"bytes",
        None,
        7,
    ],
    ids=lambda source: f"{type(source).__name__}{getattr(source, 'shape', '')}",
)
def test_what_is_no_picture_in_memory(source):
    with pytest.raises(ImageError, match=r"^(array|tensor|bytes|NoneType|int).*: .*expected"):
        images.read(source)


@pytest.mark.parametrize(
    ("pixels", "alpha"),
    [
        (torch.zeros(1, 4, 5), None),
        (torch.zeros(3, 4, 0), None),
        (torch.zeros(3, 4, 5).double(), None),
        (torch.zeros(3, 4, 5), torch.zeros(5, 4)),
    ],
)
def test_a_picture_checks_its_shapes(pixels, alpha):
    with pytest.raises(ImageError, match="expected float32"):
        Picture(pixels, alpha)


def test_views_of_a_picture(tmp_path):
    picture = picture_of(smooth(), smooth()[..., 1])
    assert (picture.width, picture.height, picture.size) == (56, 40, (56, 40))
    assert picture.numpy().shape == (40, 56, 3)
    assert (np.asarray(picture.to_pil())[..., 3] == smooth()[..., 1]).all()
    picture.save(tmp_path / "out.png", bits=16)
    assert (back(images.read(tmp_path / "out.png").pixels) == smooth()).all()


# Size


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 80))
def test_fit_law(width, height, longest):
    picture = Picture(torch.full((3, height, width), 0.25))
    found = images.fit(picture, longest)
    assert max(found.size) == longest
    for side, fitted in zip(picture.size, found.size, strict=True):
        exact = side * longest / max(width, height)
        assert abs(fitted - exact) <= 0.5 or (fitted == 1 and exact < 1)
    assert (found is picture) == (found.size == picture.size)
    assert (found.pixels - 0.25).abs().max() < 1e-6


def test_resize_agrees_with_pillow_and_keeps_precision():
    ramp = torch.linspace(0, 1, 400).expand(3, 30, -1).contiguous()
    found = images.resize(Picture(ramp, None, RECORD), (100, 10))
    assert found.record == RECORD
    assert len(found.pixels[0, 0].unique()) == 100
    assert (found.pixels[0, 5, 5:-5] - ramp[0, 0].reshape(100, 4).mean(1)[5:-5]).abs().max() < 1e-4
    image = Image.fromarray(smooth())
    small = np.asarray(image.resize((20, 15), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(back(images.resize(picture_of(smooth()), (20, 15)).pixels) - small).max() <= 1


def test_resize_clamps_the_overshoot_of_lanczos():
    edge = torch.zeros(3, 8, 8)
    edge[..., 4:] = 1
    found = images.resize(Picture(edge, edge[0].clone()), (29, 29))
    for values in (found.pixels, found.alpha):
        assert values.min() >= 0
        assert values.max() <= 1


@pytest.mark.parametrize("size", [(4, 4), (50, 50)])
def test_invisible_colours_do_not_bleed(size):
    pixels = torch.zeros(3, 16, 16)
    pixels[0, :, :8] = 1  # red, visible; the invisible right half is green
    pixels[1, :, 8:] = 1
    alpha = torch.zeros(16, 16)
    alpha[:, :8] = 1
    found = images.resize(Picture(pixels, alpha), size)
    seen = found.alpha > 0.05
    assert (found.pixels[0][seen] > 0.99).all()
    assert (found.pixels[1][seen] < 0.01).all()


def some_alpha(height, width, seed):
    """Alpha with whole regions of 0 and 1, and some between."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(height, width, generator=generator) * 3 - 1).clamp(0, 1)


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_opaque_shows_what_is_visible_and_nothing_else(width, height, seed):
    alpha = some_alpha(height, width, seed)
    pixels, other = torch.rand(2, 3, height, width)
    other = torch.where(alpha > 0, pixels, other)
    found = images.opaque(Picture(pixels, alpha, RECORD))
    assert found.alpha is None
    assert found.record == RECORD
    assert torch.equal(found.pixels, images.opaque(Picture(other, alpha)).pixels)
    assert torch.equal(found.pixels[:, alpha == 1], pixels[:, alpha == 1])
    assert found.pixels.min() >= 0
    assert found.pixels.max() <= 1


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_opaque_adds_no_colour(width, height, seed):
    alpha = some_alpha(height, width, seed)
    alpha[-1, -1] = 0.1
    colour = torch.tensor([0.2, 0.5, 0.9])[:, None, None]
    pixels = torch.where(alpha > 0, colour, 1 - colour)
    found = images.opaque(Picture(pixels, alpha)).pixels
    torch.testing.assert_close(found, colour.expand_as(found))


def test_opaque_fills_from_the_nearest_side():
    pixels = torch.zeros(3, 32, 64)
    pixels[0, :, :20] = pixels[2, :, 44:] = 1  # red on the left, blue on the right
    alpha = torch.zeros(32, 64)
    alpha[:, :20] = alpha[:, 44:] = 1
    row = images.opaque(Picture(pixels, alpha)).pixels[:, 16]
    assert (row[0].diff() <= 1e-6).all()
    assert (row[2].diff() >= -1e-6).all()
    torch.testing.assert_close(row[0] + row[2], torch.ones(64))
    assert row[0, 22] > 0.8
    assert row[2, 41] > 0.8


def test_opaque_without_alpha_or_without_anything_visible():
    picture = picture_of(smooth())
    assert images.opaque(picture) is picture
    clear = images.opaque(Picture(picture.pixels, torch.zeros(40, 56)))
    assert (clear.pixels == 0.5).all()


@pytest.mark.parametrize("size", [(0, 5), (5, -1)])
def test_sizes_below_one_pixel(size):
    with pytest.raises(ImageError, match="at least 1x1"):
        images.resize(picture_of(smooth()), size)
    with pytest.raises(ImageError, match="at least 1x1"):
        images.fit(picture_of(smooth()), min(size))


# Limits


def bombs():
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = (
        struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    gif = bytearray(saved(Image.new("P", (4, 4)), "GIF"))
    gif[6:10] = struct.pack("<HH", 60000, 60000)
    bmp = bytearray(saved(Image.new("RGB", (4, 4)), "BMP"))
    bmp[18:26] = struct.pack("<ii", 60000, 60000)
    jpeg = bytearray(saved(Image.new("RGB", (4, 4)), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60000, 60000)
    empty = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return {"png": b"\x89PNG\r\n\x1a\n" + chunk + empty, "gif": gif, "bmp": bmp, "jpeg": jpeg}


@pytest.mark.parametrize("kind", bombs())
def test_a_bomb_is_refused_before_decoding(read_bytes, kind):
    size = r"3,600,000,000 pixels, above the limit of 200,000,000; raise max_pixels, or make"
    with pytest.raises(ImageTooLarge, match=size):
        read_bytes(bytes(bombs()[kind]))


def test_tiles_larger_than_their_image_are_limited_too(read_bytes):
    encoded = bytearray(tiff(np.zeros((16, 16, 3), np.uint8), tile=(16, 16), compression="zlib"))
    for tag in (322, 323):  # TileWidth, TileLength: one long integer each
        entry = encoded.index(struct.pack("<HHI", tag, 4, 1))
        encoded[entry + 8 : entry + 12] = struct.pack("<I", 60000)
    with pytest.raises(ImageTooLarge, match="60000x60000"):
        read_bytes(bytes(encoded))


def test_the_limit_is_exact_and_holds_in_memory(read_bytes):
    encoded = saved(Image.fromarray(smooth()), "PNG")
    assert read_bytes(encoded, max_pixels=40 * 56).size == (56, 40)
    for source in (smooth(), picture_of(smooth()), Image.fromarray(smooth())):
        with pytest.raises(ImageTooLarge, match="56x40"):
            images.read(source, max_pixels=40 * 56 - 1)


def test_pillows_own_limit_is_out_of_the_way_and_restored(read_bytes, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_bytes(saved(Image.fromarray(smooth()), "TIFF")).size == (56, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_reading_in_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    write(picture_of(smooth()), tmp_path / "out.png")
    found = []

    def read():
        found.append(images.read(tmp_path / "out.png").size)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(56, 40)] * 8
    assert Image.MAX_IMAGE_PIXELS == 100


# Hostile files


def fails(path, match):
    for read in (images.read, images.read_record):
        with pytest.raises(ImageError, match=match) as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_paths_that_are_no_image_files(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not an image\n" * 99)
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    fails(tmp_path / "none.png", r"none.png: No such file")
    fails(tmp_path, "a folder; expected an image file")
    fails(tmp_path / "pipe.png", "pipe or device")
    fails("/dev/zero", "pipe or device")
    fails(tmp_path / "empty.png", "empty")
    fails(tmp_path / "text.png", "not an image that can be read; expected JPEG, PNG")
    fails(tmp_path / "loop.png", "symbolic links")
    fails("a\0b.png", "null")
    fails("", "a folder")
    fails("x" * 5000, "too long")


def test_a_file_without_permission(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")  # root is never refused for real

    write(picture_of(smooth()), tmp_path / "out.png")
    monkeypatch.setattr(Path, "open", refuse)
    fails(tmp_path / "out.png", "Permission denied; expected a readable image file")


def test_names_are_shown_as_one_line(tmp_path):
    fails(tmp_path / "two\nlines\x1b[31m.png", r"two\\nlines\\x1b\[31m.png: No such file")
    fails(os.fsencode(tmp_path).decode() + "/\udcff.png", r"\\udcff.png: No such file")
    path = tmp_path / "ünï \udcff\n.png"
    write(picture_of(smooth()), path)
    assert images.read(path).size == (56, 40)


def test_formats_not_on_the_list_are_not_tried(read_bytes):
    for kind in ("PCX", "EPS", "SGI"):
        with pytest.raises(ImageError, match="not an image that can be read"):
            read_bytes(saved(Image.fromarray(smooth()), kind))


def damage(encoded, chance):
    if chance.random() < 0.3:
        return encoded[: chance.randrange(1, len(encoded))]
    broken = bytearray(encoded)
    for _ in range(chance.choice((1, 2, 20))):
        end = chance.choice((len(broken), min(len(broken), 200)))
        broken[chance.randrange(end)] = chance.choice((0, 255, chance.randrange(256)))
    return bytes(broken)


def test_damaged_files_are_read_or_refused_quietly(tmp_path, capfd):
    chance = random.Random(0)
    path = tmp_path / "damaged"
    for name, encoded in specimens(tmp_path).items():
        for _ in range(40):
            path.write_bytes(damage(encoded, chance))
            for read in (lambda p: images.read(p, max_pixels=10**6), images.read_record):
                said = outcome(read, path)
                assert said.startswith(f"{path}: "), name
                assert "\n" not in said
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_half_a_file_is_refused(tmp_path):
    for name, encoded in specimens(tmp_path).items():
        if name != "mpo":  # its first half is a whole picture
            (tmp_path / "half").write_bytes(encoded[: len(encoded) // 2])
            with pytest.raises(ImageError, match=r"half: .*expected"):
                images.read(tmp_path / "half")


def test_broken_exif_does_not_hide_the_pixels(read_bytes):
    encoded = saved(Image.fromarray(smooth()), "PNG", exif=b"Exif\0\0junk that is no TIFF")
    found = read_bytes(encoded)
    assert (back(found.pixels) == smooth()).all()
    assert found.record is None


# Places to write


@pytest.mark.parametrize("name", ["out.gif", "out", "out.png.exe", ".png", "nowhere/out.png", "."])
def test_places_that_cannot_be_written(tmp_path, name):
    for attempt in (images.check_writable, lambda path: write(picture_of(smooth()), path)):
        with pytest.raises(OutputError, match=r"expected a.*\.avif|does not exist; create it"):
            attempt(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_pipe_in_the_way(tmp_path):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OutputError, match="a folder"):
        images.check_writable(tmp_path / "folder.png")
    with pytest.raises(OutputError, match="not a writable file"):
        images.check_writable(tmp_path / "pipe.png")
    with pytest.raises(OutputError, match="null"):
        images.check_writable("a\0.png")


def test_a_folder_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_dir())
    with pytest.raises(OutputError, match="is not writable"):
        images.check_writable(tmp_path / "out.png")


def test_options_that_do_not_fit(tmp_path):
    picture = picture_of(smooth())
    with pytest.raises(OutputError, match=r"JPEG holds 8 bits .* not 16; .*\.png, \.tif"):
        write(picture, tmp_path / "out.jpg", bits=16)
    with pytest.raises(OutputError, match="8 or 16 bits a channel, not 12"):
        write(picture, tmp_path / "out.png", bits=12)
    for quality in (0, 101):
        with pytest.raises(OutputError, match="expected 1 to 100"):
            write(picture, tmp_path / "out.jpg", quality=quality)
    with pytest.raises(OutputError, match="WebP holds at most 16383 px a side"):
        write(Picture(torch.zeros(3, 1, 16384)), tmp_path / "out.webp")
    with pytest.raises(ImageError, match="NaN"):
        write(Picture(torch.full((3, 2, 2), torch.nan)), tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch, step, error):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")

    def fail(*_):
        assert any(p.name.startswith(".out.png.") for p in tmp_path.iterdir())
        raise error

    monkeypatch.setattr(os, step, fail)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write(picture_of(smooth()), path)
    if expected is OutputError:
        assert str(caught.value) == f"{path}: No space left on device; nothing was written"
    assert [p.name for p in tmp_path.iterdir()] == ["out.png"]
    assert path.read_bytes() == b"old"


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    wraps=st.tuples(st.booleans(), st.booleans()),
    clear=st.booleans(),
)
def test_a_mask_is_brought_to_a_size_by_a_triangle_filter(shape, size, wraps, clear):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(3, *shape, generator=generator)
    alpha = torch.rand(shape, generator=generator) if clear else None
    picture = Picture(pixels, alpha)
    white = pixels.mean(0) * (1 if alpha is None else alpha)
    torch.testing.assert_close(whiteness(picture), white)
    how = {"mode": "bilinear", "antialias": True}
    expected = interpolated(white, (size[1], size[0]), wraps, **how)
    torch.testing.assert_close(whiteness(picture, size, wraps), expected, atol=1e-5, rtol=0)


def test_permissions_are_those_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write(picture_of(smooth()), tmp_path / "out.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.png").stat().st_mode) == 0o640


def test_links_and_long_names(tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    write(picture_of(smooth()), tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert images.read(tmp_path / "real.png").size == (56, 40)
    write(picture_of(smooth()), tmp_path / ("é" * 125 + ".png"))
    with pytest.raises(OutputError, match="too long"):
        write(picture_of(smooth()), tmp_path / ("é" * 126 + ".png"))


def test_exports():
    assert all(hasattr(images, name) for name in images.__all__)
