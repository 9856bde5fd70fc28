"""Films, decoded again: which frames, how long, what colours; and whole or not at all."""

import resource
import sys
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import av
import numpy as np
import pytest
import torch
from PIL import Image

from conftest import smooth_picture
from impasto.errors import ExtraMissing, OutputError
from impasto.images import Picture
from impasto.outputs.sampler import EvenSampler
from impasto.outputs.timelapse import FILMS, Timelapse, check_film
from impasto.outputs.timelapse.encoders import H264
from made_steps import made_steps

ENDINGS = sorted(FILMS)


def decoded(path):
    """Frames (n, h, w, 3) uint8 and the seconds each is shown."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
            return np.stack(frames), [1 / stream.average_rate] * len(frames)
    frames, seconds = [], []
    with Image.open(path) as film:
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(np.asarray(film.convert("RGB")))
            seconds.append(film.info["duration"] / 1000)
    return np.stack(frames), seconds


def filmed(path, steps, result=None, size=None):
    with Timelapse(path, size) as film:
        for step in steps:
            film.record(step)
        film.close(result)
    return decoded(path)


def distance(frame, picture):
    """Mean difference of levels, of the part that both have."""
    levels = picture.levels(8).astype(float)
    return np.abs(frame[: levels.shape[0], : levels.shape[1]] - levels).mean()


def shades(count, size=8):
    """Steps whose canvases are flat and each lighter than the last, so that none is dropped."""
    for step in made_steps((size, count - 1), shape=(1, 1)):
        step.canvas.fill_(0.1 + 0.8 * step.done / count)
        yield step


# Which frames


@pytest.mark.parametrize(("parts", "total"), [(10, 100), (10, 7), (3, 100), (239, 500), (10, 0)])
def test_the_sampler_is_even(parts, total):
    sampler = EvenSampler(parts)
    due = [step.done for step in made_steps((2, total)) if sampler.due(step)]
    assert due[0] == 0
    assert due[-1] == total
    assert len(due) == min(parts, total) + 1
    gaps = np.diff(due)
    assert total == 0 or gaps.max() - gaps.min() <= 1


def test_the_sampler_counts_a_new_scale_once():
    sampler = EvenSampler(100)
    due = [step for step in made_steps((2, 3), (4, 2)) if sampler.due(step)]
    assert [(step.scale, step.done) for step in due] == [
        (2, 0),
        (2, 1),
        (2, 2),
        (2, 3),
        (4, 4),
        (4, 5),
    ]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_step_of_a_short_run(ending, tmp_path):
    result = smooth_picture(24, 16, phase=2.0)
    steps = list(made_steps((24, 6)))
    frames, seconds = filmed(tmp_path / f"f{ending}", steps, result)
    assert seconds[0] == pytest.approx(1 / 4, abs=0.01)
    assert sum(seconds) == pytest.approx(8 / 4 + 2, abs=0.1)
    assert len(frames) == 7 + (9 if ending == ".mp4" else 1)
    assert distance(frames[0], steps[0].picture()) < 8
    assert distance(frames[3], steps[3].picture()) < 8
    assert distance(frames[6], steps[6].picture()) < 8
    assert distance(frames[-1], result) < 8
    assert distance(frames[0], result) > 20


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_long_run_takes_ten_seconds(ending, tmp_path):
    frames, seconds = filmed(tmp_path / f"f{ending}", shades(1001))
    assert sum(seconds) == pytest.approx(10 + 2, abs=0.6)
    assert len(frames) <= 240 + 48
    assert frames[0].mean() == pytest.approx(0.1 * 255, abs=3)
    assert frames[-1].mean() == pytest.approx(0.9 * 255, abs=3)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_that_stops_early_shows_its_last_canvas(ending, tmp_path):
    steps = list(islice(shades(1001), 102))  # of 1000 iterations; 101 is between two frames
    steps[-1].canvas.fill_(1)
    frames, seconds = filmed(tmp_path / f"f{ending}", steps)
    assert frames[-1].mean() > 250
    assert frames[0].mean() < 60
    assert sum(seconds) == pytest.approx(1 + 2, abs=0.2)


def test_scales_grow_into_the_size_of_the_last(tmp_path):
    steps = list(made_steps((24, 2), (48, 2)))
    frames, _ = filmed(tmp_path / "f.mp4", steps, steps[-1].picture(), size=(48, 32))
    assert frames.shape[1:] == (32, 48, 3)
    assert distance(frames[-1], steps[-1].picture()) < 8


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_result_alone(ending, tmp_path):
    frames, seconds = filmed(tmp_path / f"f{ending}", [], smooth_picture(24, 16))
    assert distance(frames[0], smooth_picture(24, 16)) < 8
    assert sum(seconds) == pytest.approx(2.25 if ending != ".webp" else 0)  # a still picture


def test_nothing_to_show_writes_nothing(tmp_path):
    with Timelapse(tmp_path / "f.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


# Sizes and colours


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (301, 5), (2000, 3)])
def test_any_size(ending, size, tmp_path):
    steps = made_steps((max(size), 2), shape=size)
    frames, _ = filmed(tmp_path / f"f{ending}", steps)
    longest = FILMS[ending].longest
    scale = min(1, longest / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    even = 2 if ending == ".mp4" else 1
    assert frames.shape[1:3] == (height + height % even, width + width % even)


def test_odd_sides_repeat_their_edge(tmp_path):
    frames, _ = filmed(tmp_path / "f.mp4", [], Picture(torch.full((3, 7, 5), 0.6)))
    assert frames.shape[1:3] == (8, 6)
    assert np.ptp(frames[0].astype(int)) <= 2


@pytest.mark.parametrize("colour", [(1, 0, 0), (0, 1, 0), (0.1, 0.2, 0.9), (1, 1, 1), (0, 0, 0)])
def test_video_colours_are_bt709_and_say_so(colour, tmp_path):
    pixels = torch.tensor(colour, dtype=torch.float32).view(3, 1, 1).expand(3, 32, 32)
    frames, _ = filmed(tmp_path / "f.mp4", [], Picture(pixels.contiguous()))
    assert np.abs(frames[0] - 255 * np.array(colour)).max() <= 4
    with av.open(str(tmp_path / "f.mp4")) as film:
        context = film.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert tags == (1, 1, 1, 1)


def test_the_index_comes_first(tmp_path):
    filmed(tmp_path / "f.mp4", made_steps((24, 2)))
    encoded = (tmp_path / "f.mp4").read_bytes()
    assert encoded.index(b"moov") < encoded.index(b"mdat")


def test_transparency_does_not_show(tmp_path):
    clear = Picture(torch.full((3, 8, 8), 0.5), torch.zeros(8, 8))
    frames, _ = filmed(tmp_path / "f.webp", [], clear)
    assert np.abs(frames.astype(int) - 128).max() <= 2


# A run that is resumed


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("resumed", [1, 4, 10])
def test_a_film_continues_from_kept_frames(ending, resumed, tmp_path):
    steps, paths = list(shades(10, size=32)), [tmp_path / f"{name}{ending}" for name in "ab"]
    whole, _ = filmed(paths[0], steps)
    with Timelapse(paths[1]) as film:
        film.replay(
            [step.bare() for step in steps[:resumed]], lambda step: steps[step.done].picture()
        )
        for step in steps[resumed:]:
            film.record(step)
    broken, _ = decoded(paths[1])
    assert len(broken) == len(whole)
    assert np.abs(broken.astype(int) - whole).max() <= 8


def test_without_kept_frames_a_film_begins_where_the_run_is_resumed(tmp_path):
    steps = list(shades(10, size=32))
    with Timelapse(tmp_path / "f.gif") as film:
        film.replay([step.bare() for step in steps[:6]], lambda _: None)
        for step in steps[6:]:
            film.record(step)
    frames, _ = decoded(tmp_path / "f.gif")
    assert len(frames) == 4
    assert distance(frames[0], steps[6].picture()) < 8


def test_frames_that_were_kept_for_fewer_iterations_serve_for_more(tmp_path):
    """Of 1000 iterations every eighth was kept; now 2000 are planned."""
    steps = list(shades(1001))
    kept = {step.done: step.picture() for step in steps[::8]}
    with Timelapse(tmp_path / "f.mp4") as film:
        longer = (replace(step.bare(), total=2000) for step in steps)
        film.replay(longer, lambda step: kept.get(step.done))
    frames, _ = decoded(tmp_path / "f.mp4")
    shades_shown = frames.mean(axis=(1, 2, 3))[:-48]  # without the two seconds of the last
    assert 100 <= len(shades_shown) <= 120  # half of 240
    assert np.all(np.diff(shades_shown) > -1)


# Whole or not at all


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_old_film_stays_until_the_new_one_is_whole(ending, tmp_path):
    path = tmp_path / f"f{ending}"
    path.write_bytes(b"old")
    with Timelapse(path) as film:
        for step in made_steps((24, 3)):
            film.record(step)
            assert path.read_bytes() == b"old"
    assert path.read_bytes() != b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_the_block_leaves_no_trace(ending, error, tmp_path):
    path = tmp_path / f"f{ending}"
    path.write_bytes(b"old")

    def broken():
        yield from made_steps((24, 3))
        raise error

    with pytest.raises(error):
        filmed(path, broken())
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@contextmanager
def no_room():
    """Files of at most 2 kB, as if the disk were full; not for long, as pytest writes too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_costs_the_film_only(ending, tmp_path):
    path = tmp_path / f"f{ending}"
    path.write_bytes(b"old")
    film, noise, raised = Timelapse(path), torch.Generator().manual_seed(0), []
    with no_room():
        for step in made_steps((96, 100)):
            step.canvas.copy_(torch.rand(step.canvas.shape, generator=noise))
            raised += told(film.record, step)
        raised += told(film.close)
    reason = "File too large" if ending == ".mp4" else "no space for the frames"
    assert raised == [f"{path}: {reason}; no film was written"]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


def told(action, *arguments):
    """The OutputError that an action raises, if any, in words."""
    try:
        action(*arguments)
    except OutputError as error:
        return [str(error)]
    return []


def interrupted(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_frames_wait_on_the_disk(ending, tmp_path):
    """Neither in memory nor in a file that a kill would leave behind."""
    film, before = Timelapse(tmp_path / f"f{ending}"), None
    tracemalloc.start()
    try:
        for step in made_steps((480, 60)):
            film.record(step)
            before = before or tracemalloc.get_traced_memory()[0]
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 480 * 320 * 3 * 4  # of 61 frames
    assert len(list(tmp_path.iterdir())) == 1  # the draft
    film.close()


def test_an_interrupted_frame_does_not_end_the_film(tmp_path, monkeypatch):
    steps = list(made_steps((24, 3)))
    film = Timelapse(tmp_path / "f.mp4")
    film.record(steps[0])
    with monkeypatch.context() as patched:
        patched.setattr(H264, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            film.record(steps[1])
    film.close()
    frames, _ = decoded(tmp_path / "f.mp4")
    assert distance(frames[-1], steps[1].picture()) < 8


def test_ended_films_ignore_what_follows(tmp_path):
    step = next(made_steps((24, 0)))
    for end in (Timelapse.close, Timelapse.abandon):
        film = Timelapse(tmp_path / "f.gif")
        film.record(step)
        end(film)
        before = [p.read_bytes() for p in tmp_path.iterdir()]
        film.record(step)
        film.close(step.picture())
        film.abandon()
        assert [p.read_bytes() for p in tmp_path.iterdir()] == before


# Checks before the run


@pytest.mark.parametrize("name", ["f.avi", "f", ".mp4", "nowhere/f.mp4", "."])
def test_places_for_no_film(name, tmp_path):
    for refuse in (check_film, Timelapse):
        with pytest.raises(OutputError, match=r"ending in \.mp4, \.gif, \.webp|does not exist"):
            refuse(tmp_path / name)


def test_video_needs_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ExtraMissing, match=r"writing a \.mp4 film needs av.*impasto\[video\]"):
        check_film(tmp_path / "f.mp4")
    check_film(tmp_path / "f.gif")
