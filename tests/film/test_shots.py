"""Shots: every cut and no other, and what else happens to light; as a stream."""

import numpy as np
import pytest

from impasto.apps.film.shots import Thumbnail, change, shots
from support import clips

PHOTOS = ("chelsea", "coffee", "astronaut", "rocket", "swirl", "waves", "ink", "glass", "ember")


def begins(frames):
    return tuple(seen.index for seen in shots(frames) if seen.begins)


def notes(frames):
    return {seen.index: seen.note for seen in shots(frames) if seen.note}


def short_shot(photo, over, kind):
    if kind == "pan":
        return clips.pan((3, 1), 3, photo=photo)
    if kind == "turn":
        return clips.moved(3, clips.SIZE, photo, zoom=1.05, degrees=3)
    return clips.disc((7, 2), (2, 0), 3, photo=photo, over=over)


@pytest.mark.parametrize("kind", ["pan", "turn", "disc"])
def test_every_cut_is_found_and_no_other(kind):
    pairs = zip(PHOTOS, PHOTOS[1:] + PHOTOS[:1], strict=True)
    film = clips.noisy(clips.joined(*(short_shot(*pair, kind) for pair in pairs)), 3)
    assert begins(film.frames) == film.starts
    assert not notes(film.frames)


@pytest.mark.parametrize("photo", PHOTOS)
def test_long_and_fast_camera_moves_are_no_cuts(photo):
    moves = clips.pan((12, 3), 12, photo=photo), clips.pan((25, 0), 6, photo=photo)
    for footage in (*moves, clips.zoom(1.08, 8, photo=photo)):
        assert begins(footage.frames) == (0,)


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("light", [0.8, 0.97])
def test_flashes_are_said_and_no_cuts(photo, light):
    footage = clips.flashed(clips.pan((3, 1), 10, photo=photo), (3, 6, 7), light)
    assert begins(footage.frames) == (0,)
    assert notes(footage.frames) == dict.fromkeys((3, 6, 7), "flash")


def test_a_flash_of_nothing_but_white():
    footage = clips.flashed(clips.pan((3, 1), 6), (2, 3), 1)
    assert begins(footage.frames) == (0,)
    assert notes(footage.frames) == {2: "flash", 3: "flash"}


def test_a_flash_as_the_last_frame_and_as_the_first():
    last = clips.flashed(clips.pan((3, 1), 4), (3,), 0.8)
    assert begins(last.frames) == (0,)
    first = clips.flashed(clips.pan((3, 1), 4), (0,), 0.8)
    assert begins(first.frames) == (0,)


def test_lights_that_stay_on_are_no_flash_and_no_cut():
    footage = clips.flashed(clips.pan((2, 1), 9), range(4, 9), 0.5)
    assert begins(footage.frames) == (0,)
    assert notes(footage.frames) == {4: "light"}


@pytest.mark.parametrize("gain", [0.8, 1.2])
def test_exposure_changes_within_a_shot(gain):
    footage = clips.exposed(clips.pan((3, 1), 6), gain)
    assert begins(footage.frames) == (0,)
    assert set(notes(footage.frames).values()) <= {"light"}


@pytest.mark.parametrize("photo", ["coffee", "chelsea"])
def test_a_fade_through_black_begins_a_shot_where_the_picture_comes_back(photo):
    film = clips.through_black(clips.pan(frames=12), clips.pan(frames=12, photo=photo), 6, 3)
    said = notes(film.frames)
    assert [index for index, note in said.items() if note == "black"] == [11, 12, 13, 14, 15]
    assert begins(film.frames) == (0, 16)
    assert {said[index] for index in range(7, 11)} == {"light"}
    assert {said[index] for index in range(17, 21)} == {"light"}


def test_two_black_frames_within_a_shot_are_no_cut():
    gains = [1, 1, 1, 0, 0, 1, 1, 1]
    footage = clips.faded(clips.pan((2, 1), 8), gains)
    assert begins(footage.frames) == (0,)
    assert notes(footage.frames) == {3: "black", 4: "black"}


def test_a_film_that_begins_in_black():
    film = clips.joined(clips.faded(clips.still(3), [0, 0, 0]), clips.pan(frames=3))
    assert begins(film.frames) == (0, 3)
    assert notes(film.frames) == dict.fromkeys(range(3), "black")


@pytest.mark.parametrize("over", [4, 8, 12])
def test_a_dissolve_is_no_cut(over):
    one, other = clips.pan((1, 0), 16), clips.pan((1, 0), 16, photo="coffee")
    assert begins(clips.dissolved(one, other, over).frames) == (0,)


def test_a_stray_frame_is_said_and_two_foreign_frames_are_a_shot():
    pan, other = clips.pan((2, 0), 4), clips.pan((2, 0), 2, photo="coffee")
    single = clips.joined(pan, clips.still(1, photo="coffee"), pan)
    assert begins(single.frames) == (0,)
    assert notes(single.frames) == {4: "stray"}
    assert begins(clips.joined(pan, other, pan).frames) == (0, 4, 6)


def test_short_and_static_films():
    frame = clips.still(1).frames
    assert begins([]) == ()
    assert begins(frame) == (0,)
    assert begins(clips.still(2).frames) == (0,)
    assert begins(clips.joined(clips.still(1), clips.still(1, photo="coffee")).frames) == (0, 1)
    static = list(shots(clips.still(6).frames))
    assert [seen.begins for seen in static] == [True] + [False] * 5
    assert all(seen.change == 0 for seen in static)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2), (16, 9)])
def test_tiny_frames(size):
    frames = np.random.default_rng(0).integers(0, 256, (4, *size, 3)).astype(np.uint8)
    assert [seen.index for seen in shots(frames)] == [0, 1, 2, 3]


def test_sixteen_bits_are_seen_as_eight():
    film = clips.joined(clips.pan(frames=3), clips.pan(frames=3, photo="coffee"))
    assert begins(film.frames.astype(np.uint16) * 257) == begins(film.frames) == (0, 3)


def test_change_is_small_within_a_shot_and_large_between_shots():
    one, two, other = (
        Thumbnail.of(frame)
        for frame in (*clips.rotation(frames=2).frames, clips.still(1, photo="coffee").frames[0])
    )
    assert change(two, one) < 0.2
    assert change(other, one) > 0.8


def test_frames_stream_through_few_at_a_time():
    footage = clips.flashed(clips.pan((1, 0), 30), (8, 9, 20), 0.8)
    read = []

    def reader():
        for index, frame in enumerate(footage.frames):
            read.append(index)
            yield index, frame

    for seen in shots(reader(), pixels=lambda item: item[1]):
        assert seen.item[0] == seen.index
        assert len(read) - seen.index <= 4
    assert len(read) == 30
