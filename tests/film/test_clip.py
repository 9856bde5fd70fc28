"""Clips: the right frames at the right times, upright, whatever the file is like."""

import itertools
import os
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from impasto.apps.film.clip import Clip
from impasto.errors import ImageError, ImageTooLarge, SettingsError
from impasto.images.encode import write_levels
from support.clips import exposed, interlaced, noisy, pan, write

SIZE = (48, 64)
FOOTAGE = pan(frames=10, size=SIZE)
FRAMES = FOOTAGE.frames


def pixels(clip, *span):
    return np.stack([frame.pixels for frame in clip.frames(*span)])


def distance(one, other):
    return np.abs(one.astype(float) - other).mean()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clip") / "plain.mp4", FRAMES, sound=True, crf="4")


# Facts and frames


def test_a_film_is_what_was_written(plain):
    clip = Clip.open(plain)
    assert (clip.size, clip.count, clip.rate, clip.bits) == ((64, 48), 10, 25, 8)
    assert clip.duration == pytest.approx(0.4)
    assert [(a.codec, a.rate, a.channels) for a in clip.audio] == [("aac", 48000, 1)]
    assert clip.notes == ()
    frames = list(clip.frames())
    assert [f.index for f in frames] == list(range(10))
    assert [f.seconds for f in frames] == pytest.approx([i / 25 for i in range(10)])
    assert all(f.duration == pytest.approx(0.04) and f.notes == () for f in frames)
    assert distance(pixels(clip), FRAMES) < 2


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mov", {"codec": "prores_ks", "pixels": "yuv422p10le"}),
        ("a.mkv", {"codec": "ffv1", "pixels": "bgr0", "matrix": None}),
        ("a.webm", {"codec": "libvpx-vp9", "crf": "5"}),
        ("a.webm", {"codec": "libvpx", "crf": "4", "b": "4M", "auto-alt-ref": "1"}),
        ("a.avi", {"codec": "mpeg4", "qmax": "2", "b": "4M"}),
        ("a.ts", {"crf": "4"}),
    ],
)
def test_containers(tmp_path, name, options):
    clip = Clip.open(write(tmp_path / name, FRAMES, **options))
    assert clip.count == 10
    assert [f.notes for f in clip.frames()] == [()] * 10
    assert [f.seconds for f in clip.frames()] == pytest.approx(
        [i / 25 for i in range(10)], abs=1e-3
    )
    levels = pixels(clip) / (257 if clip.bits == 16 else 1)
    assert distance(levels, FRAMES) < 4


SEEKING = {
    "a.mp4": {"codec": "libx264", "x264-params": "open-gop=1"},
    "b.mp4": {"codec": "libx265", "x265-params": "log-level=none"},
    "a.mkv": {"codec": "libx264"},
    "a.ts": {"codec": "libx264"},
    "a.webm": {"codec": "libvpx-vp9"},
    "a.avi": {"codec": "mpeg4", "bf": "2"},
}


@pytest.mark.parametrize("name", SEEKING)
@pytest.mark.parametrize("group", [1, 3, 100])
def test_seeking_gives_the_frames_of_reading_on(tmp_path, name, group):
    file = write(tmp_path / name, FRAMES, g=str(group), crf="20", **SEEKING[name])
    clip = Clip.open(file)
    whole = pixels(clip)
    for start, stop in itertools.combinations(range(0, 11, 2), 2):
        np.testing.assert_array_equal(pixels(clip, start, stop), whole[start:stop])
    assert list(clip.frames(5, 5)) == []


def test_variable_frame_rate_keeps_its_times(tmp_path):
    times = [0, 40, 90, 120, 200, 233, 300, 333, 400, 1000]
    clip = Clip.open(write(tmp_path / "a.mkv", FRAMES, times=times))
    frames = list(clip.frames())
    assert [f.pts * clip.time_base * 1000 for f in frames] == times
    assert [f.duration for f in frames[:3]] == pytest.approx([0.04, 0.05, 0.03])
    assert any("evenly" in note for note in clip.notes)
    assert [f.pts for f in clip.frames(4, 6)] == [f.pts for f in frames[4:6]]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_frames_are_upright(tmp_path, degrees):
    clip = Clip.open(write(tmp_path / "a.mp4", FRAMES[:2], degrees=degrees, crf="4"))
    upright = np.rot90(FRAMES[:2], -degrees // 90, axes=(1, 2))
    assert clip.size == upright.shape[2:0:-1]
    assert distance(pixels(clip), upright) < 2
    assert clip.notes == (f"turned upright by {degrees}° clockwise",)


@pytest.mark.parametrize(("aspect", "size"), [((4, 3), (85, 48)), ((8, 9), (64, 54))])
def test_pixels_are_square(tmp_path, aspect, size):
    clip = Clip.open(write(tmp_path / "a.mp4", FRAMES[:2], aspect=Fraction(*aspect), crf="4"))
    expected = np.array(Image.fromarray(FRAMES[1]).resize(size, Image.Resampling.BICUBIC))
    assert clip.size == size
    assert distance(pixels(clip)[1], expected) < 2
    assert "square" in clip.notes[0]


def test_odd_sides(tmp_path):
    frames = pan(frames=3, size=(47, 63)).frames
    clip = Clip.open(write(tmp_path / "a.mkv", frames, codec="ffv1", pixels="bgr0", matrix=None))
    np.testing.assert_array_equal(pixels(clip), frames)


def test_fields_become_frames_and_seeking_is_exact(tmp_path):
    footage = pan(step=(6, 0), frames=16, size=SIZE)
    woven = interlaced(footage).frames
    file = write(tmp_path / "a.mp4", woven, fields=True, crf="4", g="3")
    clip = Clip.open(file)
    whole = pixels(clip)
    assert any("deinterlaced" in note for note in clip.notes)

    def combed(frames):  # how much neighbouring lines differ
        return np.abs(np.diff(frames.astype(float), axis=1)).mean()

    assert combed(whole) < 0.7 * combed(woven)
    assert len(whole) == 8
    for start in range(8):
        np.testing.assert_array_equal(pixels(clip, start), whole[start:])


# Damage


def damaged(file, packet, tmp_path):
    """The file with the bytes of a frame's packet overwritten."""
    with av.open(str(file)) as film:
        found = [p for p in film.demux(film.streams.video[0]) if p.size]
        found.sort(key=lambda p: p.pts)
        place, size = found[packet].pos, found[packet].size
    content = bytearray(file.read_bytes())
    content[place + 5 : place + size] = bytes(size - 5)
    copy = tmp_path / f"damaged{file.suffix}"
    copy.write_bytes(content)
    return copy


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    frames = noisy(pan(frames=10, size=SIZE), 4).frames
    path = tmp_path_factory.mktemp("noise") / "noise.mp4"
    return write(path, frames, crf="10", g="1")


@pytest.mark.parametrize("packet", [4, 9])
def test_a_damaged_frame_is_held_over_and_said(noise, tmp_path, packet):
    whole = pixels(Clip.open(noise))
    clip = Clip.open(damaged(noise, packet, tmp_path))
    frames = list(clip.frames())
    assert [f.index for f in frames] == list(range(10))
    assert [bool(f.notes) for f in frames] == [index == packet for index in range(10)]
    np.testing.assert_array_equal(frames[packet].pixels, whole[packet - 1])
    np.testing.assert_array_equal(pixels(clip)[:packet], whole[:packet])
    (again,) = clip.frames(packet, packet + 1)
    np.testing.assert_array_equal(again.pixels, whole[packet - 1])


def test_damage_at_the_beginning_shows_the_next(noise, tmp_path):
    whole = pixels(Clip.open(noise))
    clip = Clip.open(damaged(noise, 0, tmp_path))
    frames = list(clip.frames(0, 1))
    np.testing.assert_array_equal(frames[0].pixels, whole[1])
    assert "shows frame 1" in frames[0].notes[0]


def test_a_file_that_ends_early(tmp_path):
    frames = noisy(pan(frames=10, size=SIZE), 4).frames
    file = write(tmp_path / "a.mp4", frames, movflags="faststart", crf="10")
    whole = pixels(Clip.open(file))
    short = tmp_path / "short.mp4"
    content = file.read_bytes()
    if content.index(b"moov") > content.index(b"mdat"):  # the index is last: no clip at all
        short.write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(ImageError, match="not a clip that can be read"):
            Clip.open(short)
    mkv = write(tmp_path / "a.mkv", frames, crf="10")
    mkv.write_bytes(mkv.read_bytes()[: mkv.stat().st_size * 2 // 3])
    clip = Clip.open(mkv)
    assert 1 < clip.count < 10
    assert distance(pixels(clip), whole[: clip.count]) < 12


@pytest.mark.parametrize("seed", range(12))
def test_bytes_at_random_are_an_error_or_a_clip(plain, tmp_path, seed):
    rng = np.random.default_rng(seed)
    content = bytearray(plain.read_bytes())
    for place in rng.integers(0, len(content), 30):
        content[place] = rng.integers(0, 256)
    file = tmp_path / "a.mp4"
    file.write_bytes(content)
    try:
        clip = Clip.open(file, max_pixels=100_000)
        frames = list(clip.frames())
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either is right)
    else:
        assert len(frames) <= clip.count
        assert all(f.pixels.shape == (clip.size[1], clip.size[0], 3) for f in frames)


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mp4", b"not a film"),
        ("a.mp4", b""),
        ("a.gif", b"GIF89a"),
        ("a.m3u8", PLAYLIST),
        ("a.mp4", "ffconcat version 1.0\nfile {}\n"),
        ("a.txt", "file '{}'\n"),
    ],
)
def test_what_is_no_clip_is_one_line(plain, tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.format(plain).encode())
    with pytest.raises(ImageError) as caught:
        Clip.open(file)
    assert str(caught.value).startswith(str(file))
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/a.mp4", "concat:a.mp4|b.mp4", "pipe:0", "-"])
def test_addresses_are_names_of_files(name):
    with pytest.raises(ImageError, match="No such file"):
        Clip.open(name)


def test_a_pipe_is_no_clip(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(ImageError, match="pipe"):
        Clip.open(tmp_path / "a.mp4")


def test_limits(plain, tmp_path, monkeypatch):
    with pytest.raises(ImageTooLarge, match="64x48"):
        Clip.open(plain, max_pixels=3000)
    Image.new("RGB", (64, 48)).save(tmp_path / "a.gif")
    with pytest.raises(ImageTooLarge):
        Clip.open(tmp_path / "a.gif", max_pixels=3000)
    monkeypatch.setattr("impasto.apps.film.container.MAX_FRAMES", 5)
    with pytest.raises(ImageTooLarge, match="more than 5 frames"):
        Clip.open(plain)


def test_a_sound_without_pictures(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as film:
        from support.clips import play

        play(film, film.add_stream("aac", rate=48000, layout="mono"), 0.2)
    with pytest.raises(ImageError, match="has no video"):
        Clip.open(tmp_path / "a.mp4")


# Folders and animations


@pytest.mark.parametrize(("ending", "bits"), [("png", 8), ("png", 16), ("tiff", 16), ("jpg", 8)])
def test_folders_in_natural_order(tmp_path, ending, bits):
    scale = 257 if bits == 16 else 1
    kind = np.uint16 if bits == 16 else np.uint8
    for number in (2, 10, 1):
        levels = FRAMES[number - 1].astype(kind) * kind(scale)
        write_levels(levels, tmp_path / f"shot {number}.{ending}", quality=100)
    clip = Clip.open(tmp_path, fps=12.5)
    assert (clip.size, clip.bits, clip.count, clip.rate) == ((64, 48), bits, 3, Fraction(25, 2))
    frames = list(clip.frames())
    assert [f.seconds for f in frames] == [0, 0.08, 0.16]
    expected = FRAMES[[0, 1, 9]].astype(float) * scale
    assert distance(pixels(clip), expected) < (2 if ending == "jpg" else 1e-9)
    np.testing.assert_array_equal(pixels(clip, 1, 2), pixels(clip)[1:2])


def test_a_damaged_picture_is_held_over(tmp_path):
    for number in range(3):
        write_levels(FRAMES[number], tmp_path / f"{number}.png")
    file = tmp_path / "1.png"
    file.write_bytes(file.read_bytes()[:-200])
    frames = list(Clip.open(tmp_path).frames())
    np.testing.assert_array_equal(frames[1].pixels, FRAMES[0])
    assert "1.png" in frames[1].notes[0]


def test_pictures_of_several_sizes_are_no_clip(tmp_path):
    write_levels(FRAMES[0], tmp_path / "0.png")
    write_levels(FRAMES[0][:-1], tmp_path / "1.png")
    with pytest.raises(ImageError, match=r"64x47 px, but 0\.png has 64x48"):
        Clip.open(tmp_path)


@pytest.mark.parametrize("fps", [0, -1, 2000, float("nan")])
def test_fps_that_do_not_fit(tmp_path, fps):
    with pytest.raises(SettingsError):
        Clip.open(tmp_path, fps=fps)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "apng"])
def test_animations(tmp_path, ending):
    file = tmp_path / f"a.{ending}"
    first, *others = (Image.fromarray(frame) for frame in FRAMES[:4])
    options = {"lossless": True} if ending == "webp" else {}
    kind = "PNG" if ending == "apng" else None
    timing = {"duration": [40, 80, 120, 40], "loop": 0}
    first.save(file, kind, save_all=True, append_images=others, **timing, **options)
    clip = Clip.open(file)
    assert [f.seconds for f in clip.frames()] == pytest.approx([0, 0.04, 0.12, 0.24])
    assert clip.duration == pytest.approx(0.28)
    assert distance(pixels(clip), FRAMES[:4]) < (6 if ending == "gif" else 1e-9)
    np.testing.assert_array_equal(pixels(clip, 2), pixels(clip)[2:])


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_half_an_animation_is_refused(tmp_path, ending):
    file = tmp_path / f"a.{ending}"
    first, *others = map(Image.fromarray, FRAMES)
    first.save(file, save_all=True, append_images=others, duration=40)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=rf"a\.{ending}: damaged animation \(") as caught:
        Clip.open(file)
    assert str(caught.value).endswith("; expected a complete GIF, WebP or PNG")
    assert "\n" not in str(caught.value)


def test_transparency_is_over_white(tmp_path):
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    clear.save(tmp_path / "a.webp", save_all=True, append_images=[clear], lossless=True)
    clip = Clip.open(tmp_path / "a.webp")
    assert pixels(clip).min() == 255
    assert "white" in clip.notes[-1]


def test_checksums_tell_clips_apart(tmp_path, plain):
    assert Clip.open(plain).checksum() == Clip.open(plain).checksum()
    write_levels(FRAMES[0], tmp_path / "0.png")
    before = Clip.open(tmp_path).checksum()
    write_levels(exposed(FOOTAGE, 1.1).frames[1], tmp_path / "0.png")
    assert Clip.open(tmp_path).checksum() != before
