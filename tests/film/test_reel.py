"""Painted films: every codec at exact times, audio copied, whole files or none."""

import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from impasto.apps.film.clip import Clip
from impasto.apps.film.codecs import ANIMATIONS, CODECS
from impasto.apps.film.reel import Reel
from impasto.errors import ExtraMissing, OutputError, SettingsError
from impasto.images import pictures_in, read
from support.children import finished
from support.clips import pan, play, write

SIZE = (48, 64)
FRAMES = pan(frames=6, size=SIZE).frames
DEEP = FRAMES.astype(np.uint16) * 257
TIMES = [0, 40, 90, 120, 200, 233]
LENGTHS = [40, 50, 30, 80, 33, 100]
MILLISECOND = Fraction(1, 1000)


def filmed(path, frames=DEEP, times=TIMES, lengths=LENGTHS, time_base=MILLISECOND, **options):
    size = frames.shape[2:0:-1]
    with Reel.open(path, size, time_base, **options) as reel:
        for levels, time, length in zip(frames, times, lengths, strict=True):
            reel.add(levels, time, length)
    return reel


def decoded(path):
    """Frames (n, h, w, 3) uint8 and their times in milliseconds, the end too."""
    clip = Clip.open(path)
    frames = list(clip.frames())
    levels = [np.rint(f.pixels / (257 if clip.bits == 16 else 1)) for f in frames]
    times = [f.pts * clip.time_base * 1000 for f in frames]
    return np.stack(levels), [*times, clip.end * clip.time_base * 1000]


def distance(one, other):
    return np.abs(one.astype(float) - other).mean()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return Clip.open(write(path, np.concatenate([FRAMES] * 5), sound=True))


PAIRS = [(codec, ending) for codec, kind in CODECS.items() for ending in kind.endings]


@pytest.mark.parametrize(("codec", "ending"), PAIRS)
def test_codecs_keep_colours_and_times(tmp_path, codec, ending, capfd):
    path = tmp_path / f"a{ending}"
    reel = filmed(path, codec=codec)
    levels, times = decoded(path)
    assert times[:-1] == TIMES
    assert times[-1] == pytest.approx(333, abs=70 if ending in (".mkv", ".webm") else 1)
    assert distance(levels, FRAMES) < 5
    assert reel.codec == codec
    assert capfd.readouterr() == ("", "")
    with av.open(str(path)) as film:
        frame = next(film.decode(video=0))
        if codec != "ffv1":
            tags = frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range
            assert tags == (1, 1, 1, 1)


@pytest.mark.parametrize("codec", ["h264-10", "hevc", "prores"])
def test_ten_bits_are_more_than_eight(tmp_path, codec):
    ramp = np.linspace(20000, 24000, 256).astype(np.uint16)
    levels = np.broadcast_to(ramp[None, None, :, None], (1, 64, 256, 3))
    path = tmp_path / f"a{CODECS[codec].endings[0]}"
    filmed(path, levels, [0], [40], codec=codec, quality=95)
    (frame,) = Clip.open(path).frames()
    assert len(np.unique(frame.pixels[32, :, 1])) > 40  # of 16 levels of 8 bits
    assert np.abs(frame.pixels[32].astype(float) - ramp[:, None]).max() < 160


@pytest.mark.parametrize("count", [1, 2])
def test_films_shorter_than_what_x265_holds(tmp_path, count):
    """Again and again: it fails where memory holds what other films left."""
    for number in range(20):
        path = tmp_path / f"{number}.mp4"
        filmed(path, DEEP[:count], TIMES[:count], LENGTHS[:count], codec="hevc")
        levels, times = decoded(path)
        assert times == TIMES[: count + 1]
        assert distance(levels, FRAMES[:count]) < 5


@pytest.mark.parametrize("frames", [FRAMES, DEEP + np.arange(64)[:, None].astype(np.uint16)])
def test_ffv1_is_lossless(tmp_path, frames):
    filmed(tmp_path / "a.mkv", frames, bits=8 * frames.itemsize)
    clip = Clip.open(tmp_path / "a.mkv")
    np.testing.assert_array_equal(np.stack([f.pixels for f in clip.frames()]), frames)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001)])
def test_rates_are_exact_in_mp4(tmp_path, rate):
    reel = filmed(tmp_path / "a.mp4", times=range(6), lengths=[1] * 6, time_base=1 / rate)
    clip = Clip.open(tmp_path / "a.mp4")
    assert [t * clip.time_base for t in clip.times] == [i / rate for i in range(6)]
    assert clip.end * clip.time_base == 6 / rate
    assert reel.notes == ()


@pytest.mark.parametrize("ending", ANIMATIONS)
def test_animations(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    filmed(path)
    levels, times = decoded(path)
    assert distance(levels, FRAMES) < 8
    expected = [10 * round(t / 10) for t in TIMES] if ending == ".gif" else TIMES
    assert times[:-1] == expected


def test_rounding_in_a_gif_does_not_add_up(tmp_path):
    filmed(tmp_path / "a.gif", times=range(6), lengths=[1] * 6, time_base=Fraction(1, 30))
    _, times = decoded(tmp_path / "a.gif")
    assert times == [0, 30, 70, 100, 130, 170, 200]


@pytest.mark.parametrize("codec", ["png", "tiff"])
def test_folders_hold_sixteen_bits(tmp_path, codec):
    frames = DEEP + np.arange(64)[:, None].astype(np.uint16)
    filmed(
        tmp_path / "frames", np.concatenate([frames, frames]), [*range(12)], [1] * 12, codec=codec
    )
    filmed(tmp_path / "frames", frames, codec=codec)
    files = pictures_in(tmp_path / "frames")
    assert [file.name for file in files] == [f"{index:06d}.{codec}" for index in range(6)]
    for file, levels in zip(files, frames, strict=True):
        np.testing.assert_array_equal(read(file).levels(16), levels)


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        Reel.check(tmp_path)


@pytest.mark.parametrize("size", [(47, 63), (48, 63), (47, 64)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.webm", "a.mkv"])
def test_odd_sides_repeat_the_edge(tmp_path, size, name):
    frames = DEEP[:2, : size[0], : size[1]]
    reel = filmed(tmp_path / name, frames, [0, 40], [40, 40])
    levels, _ = decoded(tmp_path / name)
    assert distance(levels[:, : size[0], : size[1]], frames / 257) < 4
    padded = levels.shape[1:3] != size
    assert any("padded" in note for note in reel.notes) == padded
    if padded:
        assert distance(levels[:, -1, : size[1]], frames[:, -1] / 257) < 8


def test_the_source_is_beside_the_painting(tmp_path):
    with Reel.open(tmp_path / "a.mkv", (64, 48), MILLISECOND, beside=True) as reel:
        reel.add(DEEP[0], 0, 40, source=FRAMES[1])
        reel.add(DEEP[1], 40, 40, source=np.kron(FRAMES[2], np.ones((2, 2, 1), np.uint8)))
    levels, _ = decoded(tmp_path / "a.mkv")
    assert levels.shape == (2, 48, 128, 3)
    np.testing.assert_array_equal(levels[0], np.concatenate([FRAMES[1], FRAMES[0]], 1))
    np.testing.assert_array_equal(levels[1], np.concatenate([FRAMES[2], FRAMES[1]], 1))


@pytest.mark.parametrize(
    ("codec", "ending"), [("h264", ".mp4"), ("vp9", ".webm"), ("hevc", ".mp4")]
)
def test_quality_is_size(tmp_path, codec, ending):
    sizes = []
    for quality in (20, 60, 95):
        filmed(tmp_path / f"a{ending}", codec=codec, quality=quality)
        sizes.append((tmp_path / f"a{ending}").stat().st_size)
    assert sizes == sorted(set(sizes))


def test_options_reach_the_encoder(tmp_path):
    filmed(tmp_path / "a.mp4", options={"g": "1"})
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert all(p.is_keyframe for p in film.demux(video=0) if p.size)


# Audio


def packets(path):
    with av.open(str(path)) as film:
        stream = film.streams.audio[0]
        return [(p.pts * p.time_base, bytes(p)) for p in film.demux(stream) if p.size]


def heard(path):
    """Samples by their number from the film's first frame on."""
    with av.open(str(path)) as film:
        start = next(film.decode(video=0)).time
        film.seek(0)
        sound = {}
        for frame in film.decode(film.streams.audio[0]):
            first = round((frame.time - start) * 48000)
            sound.update(enumerate(frame.to_ndarray()[0], first))
        return sound


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_audio_is_copied(tmp_path, clip, name):
    frames = list(clip.frames())
    with Reel.open(tmp_path / name, clip.size, audio_from=clip) as reel:
        for frame in frames:
            reel.add(frame.pixels, frame.pts, 640)
    before, after = packets(clip.path), packets(tmp_path / name)
    assert len(after) >= len(before) - 2
    times = {content: time for time, content in before}
    apart = [abs(times[content] - time) for time, content in after]  # KeyError: not a copy
    assert max(apart) <= (Fraction(1, 1000) if name == "a.mkv" else 0)


def test_audio_is_trimmed_to_the_frames(tmp_path, clip):
    with Reel.open(tmp_path / "a.mp4", clip.size, audio_from=clip) as reel:
        for frame in clip.frames(10, 20):
            reel.add(frame.pixels, frame.pts, 640)
    expected, sound = heard(clip.path), heard(tmp_path / "a.mp4")
    shift = 48000 * 10 // 25
    both = [n for n in sound if 4096 <= n < 19_200 - 1024]
    assert len(both) > 10_000
    assert max(abs(expected[n + shift] - sound[n]) for n in both) < 1e-5
    assert max(sound) < 19_200 + 2 * 1024
    film = Clip.open(tmp_path / "a.mp4")
    assert (film.count, film.times[0], film.duration) == (10, 0, pytest.approx(0.4))


def test_opus_in_webm(tmp_path):
    path = tmp_path / "clip.webm"
    with av.open(str(path), "w") as film:
        stream, tone = film.add_stream("libvpx", rate=25), film.add_stream("libopus", rate=48000)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for levels in FRAMES:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(levels, "rgb24")))
        film.mux(stream.encode(None))
        play(film, tone, 0.24)
    clip = Clip.open(path)
    with Reel.open(tmp_path / "a.webm", clip.size, audio_from=clip) as reel:
        for frame in clip.frames():
            reel.add(frame.pixels, frame.pts, 40)
    assert Clip.open(tmp_path / "a.webm").audio[0].codec == "opus"


def test_what_has_no_audio_says_so(tmp_path, clip):
    reel = Reel.open(tmp_path / "a.gif", clip.size, audio_from=clip)
    assert reel.notes == ("no audio: gif has none",)


# Checks


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [
        ("a.avi", "auto", "cannot write .avi; expected a name ending in .mp4"),
        ("a.webm", "h264", "WebM cannot hold h264; choose vp9, or a name ending in .mp4"),
        ("a.mp4", "prores", "MP4 cannot hold prores"),
        ("a.gif", "h264", "a .gif file cannot hold h264; choose gif"),
        ("frames", "vp9", "a folder cannot hold vp9; choose png or tiff"),
        ("no/a.mp4", "auto", "does not exist"),
        ("no/frames", "auto", "does not exist"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, name, codec, message):
    with pytest.raises(OutputError) as caught:
        Reel.check(tmp_path / name, codec)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_codecs_and_qualities(tmp_path):
    with pytest.raises(SettingsError, match="codec is 'divx'; expected one of auto, h264"):
        Reel.check(tmp_path / "a.mp4", "divx")
    with pytest.raises(SettingsError, match="quality is 0; expected 1 to 100"):
        Reel.check(tmp_path / "a.mp4", quality=0)


def test_sizes_that_a_codec_does_not_have(tmp_path):
    with pytest.raises(OutputError, match="hevc cannot be written at 8x8 px"):
        Reel.check(tmp_path / "a.mp4", "hevc", (8, 8))


def test_audio_that_a_container_cannot_hold(tmp_path, clip):
    with pytest.raises(OutputError, match=r"\.webm cannot hold the clip's aac audio; choose"):
        Reel.check(tmp_path / "a.webm", size=clip.size, audio_from=clip)


def test_checks_leave_nothing_behind(tmp_path, capfd):
    for codec, ending in PAIRS:
        assert Reel.check(tmp_path / f"a{ending}", codec) == codec
    assert Reel.check(tmp_path / "frames") == "png"
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_video_needs_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ExtraMissing, match="video"):
        Reel.check(tmp_path / "a.mp4")


# Whole or not at all


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".gif"])
def test_an_error_leaves_the_film_of_before(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"before")
    reel = Reel.open(path, (64, 48), MILLISECOND)
    reel.add(DEEP[0], 0, 40)
    with pytest.raises(ZeroDivisionError), reel:  # noqa: PT012 (the block of the reel is what fails)
        reel.add(DEEP[1], 40, 40)
        raise ZeroDivisionError
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"before"]


def test_a_film_without_frames_is_none(tmp_path):
    Reel.open(tmp_path / "a.mp4", (64, 48)).close()
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_shape(tmp_path):
    reel = Reel.open(tmp_path / "a.mp4", (64, 48))
    with pytest.raises(ValueError, match="expected"):
        reel.add(DEEP[0][1:], 0, 1)
    reel.close()


FULL = """
import resource, signal, sys, numpy as np
from fractions import Fraction
from impasto.apps.film.reel import Reel
from impasto.errors import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
rng = np.random.default_rng(0)
for ending in (".mp4", ".mkv", ".webm", ".gif", ".webp"):
    try:
        with Reel.open(sys.argv[1] + "/a" + ending, (64, 48), Fraction(1, 25), quality=90) as reel:
            for index in range(40):
                reel.add(rng.integers(0, 65536, (48, 64, 3)).astype(np.uint16), index, 1)
    except OutputError as error:
        print(error)
    else:
        print("written", ending)
"""


def test_a_full_disk_is_one_line(tmp_path):
    ended = finished([sys.executable, "-c", FULL, str(tmp_path)])
    lines = ended.stdout.splitlines()
    assert len(lines) == 5, ended
    assert all("no film was written" in line for line in lines)
    assert list(tmp_path.iterdir()) == []
    assert ended.stderr == ""
