"""Flow against motion that is known exactly; the same bits however it is computed."""

import cv2
import numpy as np
import pytest

from impasto.apps.film.flow import motion, rough_motion
from impasto.errors import ImageError
from support import clips

SIZE = (384, 512)
PHOTOS = ("astronaut", "chelsea", "coffee")
MOTIONS = {  # and the mean distance to the truth, measured: pixels
    "pan": (lambda photo: clips.pan((6.6, 2), 2, SIZE, photo), 0.08),
    "turn": (lambda photo: clips.moved(2, SIZE, photo, zoom=1.03, degrees=3), 0.20),
    "wavy": (lambda photo: clips.wavy(12, 2, SIZE, photo), 0.29),
    "far": (lambda photo: clips.pan((29, 8), 2, SIZE, photo), 0.06),
}


def seen(footage):
    """As a camera has it: 3 % lighter every frame, noise of two levels."""
    return clips.noisy(clips.exposed(footage, 1.03), 2)


def distances(flow, footage, i=1, j=0):
    """To the true flow, of pixels that both frames show."""
    apart = np.linalg.norm(flow - footage.flow(i, j), axis=-1)
    return apart[~footage.hidden(i, j)]


@pytest.mark.parametrize("name", MOTIONS)
def test_finds_known_motion_in_spite_of_light_and_noise(name):
    make, least = MOTIONS[name]
    errors = []
    for photo in PHOTOS:
        footage = seen(make(photo))
        errors.append(distances(motion(footage.frames[1], footage.frames[0]), footage).mean())
    assert np.mean(errors) < 1.5 * least


def test_a_fifth_more_light_is_no_motion():
    footage = clips.exposed(clips.still(2), 1.2)
    assert distances(motion(*footage.frames), footage, 0, 1).mean() < 0.03


def test_identical_frames_do_not_move_at_all():
    frame = clips.still(1).frames[0]
    assert not motion(frame, frame).any()


def test_rough_motion_is_near_enough_for_shots():
    footage = clips.pan((6.6, 2), 2)
    assert distances(rough_motion(footage.frames[1], footage.frames[0]), footage).mean() < 0.6


def test_the_same_bits_twice_and_for_any_number_of_threads():
    footage = seen(clips.rotation(frames=2))
    first = motion(*footage.frames)
    threads = cv2.getNumThreads()
    try:
        for number in (1, 2, 4):
            cv2.setNumThreads(number)
            np.testing.assert_array_equal(motion(*footage.frames), first)
    finally:
        cv2.setNumThreads(threads)


def test_large_frames_are_searched_smaller_and_their_flow_scaled_up():
    footage = clips.pan((12, 4), 2, (600, 900), "coffee")
    assert distances(motion(footage.frames[1], footage.frames[0]), footage).mean() < 0.2


def test_sixteen_bits_are_eight_bits_and_more():
    frames = clips.pan(frames=2).frames
    fine = frames.astype(np.uint16) * 257
    assert np.abs(motion(*fine) - motion(*frames)).mean() < 0.05


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 600), (8, 600), (3, 20), (16, 700), (2, 2000), (900, 40), (700, 3)]
)
def test_any_size(size):
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    for find in (motion, rough_motion):
        flow = find(frame, frame)
        assert flow.shape == (*size, 2)
        assert flow.dtype == np.float32
        assert not flow.any()


def test_grey_frames_and_black_ones():
    grey = np.zeros((40, 60), np.uint8)
    assert not motion(grey, grey + 90).any()


def test_refuses_two_sizes_and_floats():
    frame = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(ImageError, match="30x20 and 29x20 px; motion needs two of one size"):
        motion(frame, frame[:, :29])
    with pytest.raises(ImageError, match="float64; motion needs levels"):
        motion(frame / 255, frame)
