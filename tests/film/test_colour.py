"""YUV, HDR and wide gamut to sRGB, against the formulas."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest

from impasto.apps.film.clip import Clip
from impasto.apps.film.colour import MATRICES, Colour, colour_of
from impasto.apps.film.hdr import WHITE, Curve, eetf, hlg_light, pq_light, pq_signal
from support.clips import HDR, hdr, pan, write

FRAMES = pan(frames=3, size=(48, 64)).frames
COLOURS = np.random.default_rng(0).uniform(0, 1, (40, 3))


def flat(colour, pixels, matrix, *, full=False, bits=8, **tags):
    """A frame of one R'G'B' colour in [0, 1], by the formulas of ITU-T H.273."""
    kr, kb = MATRICES[matrix]
    red, green, blue = colour
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 - 2 * kb), (red - y) / (2 - 2 * kr)
    top = (1 << bits) - 1
    limited = np.array([16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr]) * 2 ** (bits - 8)
    whole = np.array([0, 0.5, 0.5]) * (top + 1) + np.array([y, cb, cr]) * top
    frame = av.VideoFrame(32, 32, pixels)
    kind = np.uint8 if bits == 8 else np.uint16
    for plane, value in zip(frame.planes, np.rint(whole if full else limited), strict=True):
        size = plane.buffer_size // np.dtype(kind).itemsize
        plane.update(np.full(size, min(value, top), kind).tobytes())
    frame.colorspace, frame.color_range = matrix, 1 + full
    for name, value in tags.items():
        setattr(frame, name, value)
    return frame


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("pixels", "bits"), [("yuv420p", 8), ("yuv422p10le", 10), ("yuv444p12le", 12)]
)
def test_matrices_and_ranges(matrix, full, pixels, bits):
    step = 255 / 219 / 2 ** (bits - 8) * 2  # how far rounding of Y, Cb and Cr takes R, G or B
    for colour in [*COLOURS[:10], (0, 0, 0), (1, 1, 1)]:
        frame = flat(colour, pixels, matrix, full=full, bits=bits)
        levels = colour_of(frame).rgb(frame)
        assert levels.dtype == (np.uint8 if bits == 8 else np.uint16)
        found = levels[16, 16] / (255 if bits == 8 else 65535)
        assert np.abs(found - colour).max() * 255 < step + 0.6 * (bits == 8)


def test_untagged_films_are_bt709_if_they_are_high():
    frames = [av.VideoFrame(64, height, "yuv420p") for height in (576, 720)]
    for frame in frames:
        frame.colorspace = 2
    assert [colour_of(frame).matrix for frame in frames] == [6, 1]


def test_pq_and_its_inverse():
    signal = np.linspace(0, 1, 101)
    np.testing.assert_allclose(pq_signal(pq_light(signal)), signal, atol=1e-6)
    assert pq_light(np.array(0.508078421517399)) == pytest.approx(100, rel=1e-4)  # BT.2100
    assert pq_light(np.array(1.0)) == pytest.approx(10_000)


def test_hlg_is_of_a_screen_of_1000():
    assert hlg_light(np.ones((1, 3)))[0] == pytest.approx([1000] * 3, rel=1e-3)
    assert hlg_light(np.full((1, 3), 0.75))[0] == pytest.approx([203] * 3, rel=0.02)  # BT.2408


@pytest.mark.parametrize("most", [0.5, 0.6, 0.77, 0.95])
def test_the_tone_curve_rises_smoothly_to_its_end(most):
    signal = np.linspace(0, 1, 2001)
    mapped = eetf(signal, most)
    knee = 1.5 * most - 0.5
    np.testing.assert_array_equal(mapped[signal <= knee], signal[signal <= knee])
    assert mapped[-1] == pytest.approx(most)
    slopes = np.diff(mapped) / np.diff(signal)
    assert slopes.min() > -1e-9
    assert np.abs(np.diff(slopes)).max() < 0.02


def test_the_curve_keeps_hue_and_reaches_white():
    curve = Curve(1000.0)
    light = curve(np.array([[1000.0, 500, 250], [20, 10, 5], [0, 0, 0], [4000, 4000, 4000]]))
    np.testing.assert_allclose(light[0], [1, 0.5, 0.25], rtol=1e-3)
    np.testing.assert_allclose(light[1], np.array([20, 10, 5]) / WHITE, rtol=2e-3)
    assert light[2].max() == 0
    np.testing.assert_allclose(light[3], 1, rtol=1e-3)


def test_a_film_of_standard_range_told_in_pq_comes_back(tmp_path):
    options = {"crf": "4", "x265-params": "log-level=none"}
    path = write(tmp_path / "a.mp4", hdr(FRAMES), codec="libx265", **HDR, **options)
    clip = Clip.open(path)
    assert clip.bits == 16
    assert clip.notes[:2] == (
        "10 bits a channel",
        "HDR (PQ, 1000 cd/m²) is mapped to SDR by the curve of BT.2390",
    )
    (levels, *_) = (frame.pixels / 257 for frame in clip.frames())
    light = np.where(
        FRAMES[0] <= 10, FRAMES[0] / 255 / 12.92, ((FRAMES[0] / 255 + 0.055) / 1.055) ** 2.4
    )
    mapped = Curve(1000.0)(light * WHITE).clip(0, 1)
    expected = 255 * np.where(
        mapped <= 0.0031308, 12.92 * mapped, 1.055 * mapped ** (1 / 2.4) - 0.055
    )
    assert np.abs(levels - expected).mean() < 4
    dark = FRAMES[0].max(-1) < 150  # below the knee nothing changes
    assert np.abs(levels[dark] - FRAMES[0][dark]).mean() < 4


def test_the_peak_is_the_mastering_display_s(tmp_path):
    master = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)"
    options = {"x265-params": f"log-level=none:hdr10=1:repeat-headers=1:master-display={master}"}
    path = write(tmp_path / "a.mp4", hdr(FRAMES), codec="libx265", **HDR, **options)
    assert "HDR (PQ, 4000 cd/m²)" in Clip.open(path).notes[1]


@pytest.mark.parametrize(("primaries", "name"), [(9, "BT.2020"), (12, "P3")])
def test_wide_gamuts_are_mapped(primaries, name):
    grey = flat((0.5, 0.5, 0.5), "yuv420p10le", 1, bits=10, color_primaries=primaries)
    red = flat((0.8, 0.2, 0.2), "yuv420p10le", 1, bits=10, color_primaries=primaries)
    colour = colour_of(grey)
    assert any(f"colours of {name} are mapped" in note for note in colour.notes)
    assert colour.rgb(grey)[8, 8] / 65535 == pytest.approx([0.5] * 3, abs=2e-3)
    mapped = colour.rgb(red)[8, 8] / 65535
    assert mapped[0] > 0.81  # the same red needs more of the smaller gamut's
    assert mapped[1] < 0.2


def test_pixel_formats_of_rgb_and_grey(tmp_path):
    for pixels, codec in itertools.product(["bgr0", "gbrp10le", "gbrp16le"], ["ffv1"]):
        path = write(tmp_path / f"{pixels}.mkv", FRAMES, codec=codec, pixels=pixels, matrix=None)
        clip = Clip.open(path)
        scale = 257 if clip.bits == 16 else 1
        levels = np.stack([frame.pixels for frame in clip.frames()]) / scale
        assert np.abs(levels - FRAMES).max() < 1
    grey = FRAMES.mean(-1, keepdims=True).repeat(3, -1).astype(np.uint8)
    clip = Clip.open(write(tmp_path / "a.mp4", grey, pixels="gray", crf="4"))
    levels = np.stack([frame.pixels for frame in clip.frames()])
    assert (levels == levels[..., :1]).all()
    assert np.abs(levels.astype(float) - grey).mean() < 6  # the file does not say its range


def test_colour_says_nothing_of_a_plain_film():
    frame = flat((0.5, 0.5, 0.5), "yuv420p", 1)
    assert colour_of(frame) == Colour(deep=False, matrix=1, full=False)
    assert Fraction(colour_of(frame).peak) == 1000
