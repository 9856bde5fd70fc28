"""Which pixels of a flow can be trusted, where the truth is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from impasto.apps.film.flow import motion
from impasto.apps.film.reliability import (
    closest_first,
    confidence,
    disagreement,
    residual,
    shared,
)
from impasto.apps.film.warp import coverage
from impasto.errors import ImageError
from support import clips

SIZE = (288, 384)
PAIRS = [("chelsea", "coffee"), ("coffee", "chelsea"), ("astronaut", "rocket")]
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


def flagged(footage, **options):
    """Pixels (h, w) bool of frame 1 whose flow to frame 0 is not trusted."""
    before, frame = footage.frames[:2]
    back, forth = motion(frame, before), motion(before, frame)
    return confidence(frame, before, back, forth, **options) < 0.5


def near_edges(footage):
    """Pixels (h, w) bool within 7 px of what is hidden or of an edge between two motions."""
    flow = footage.flow(1, 0)
    steps = np.abs(np.gradient(flow, axis=(0, 1))).sum((0, -1)) > 0.5
    edges = (footage.hidden(1, 0) | steps).astype(np.uint8)
    return cv2.dilate(edges, np.ones((15, 15), np.uint8)) > 0


@pytest.mark.parametrize(("photo", "over"), PAIRS)
def test_what_a_disc_hid_is_found(photo, over):
    disc = clips.disc((14, 4), (2.6, 0.4), 2, SIZE, photo, over)
    wrong = flagged(clips.noisy(clips.exposed(disc, 1.03), 2))
    occluded = disc.hidden(1, 0) & coverage(disc.flow(1, 0))
    assert occluded.mean() > 0.01
    assert wrong[occluded].mean() >= 0.98
    assert wrong[disc.hidden(1, 0)].mean() >= 0.98
    assert wrong[~near_edges(disc)].mean() <= 0.10


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("noise", [1, 2, 3])
def test_still_footage_is_trusted_in_spite_of_noise(photo, noise):
    assert flagged(clips.noisy(clips.still(2, SIZE, photo), noise)).mean() <= 0.02


def test_published_motion_edges_flag_more_of_still_footage():
    still = clips.noisy(clips.still(2, SIZE, "rocket"), 2)
    assert flagged(still, edges=0.002).mean() > 0.05


@pytest.mark.parametrize("photo", ["chelsea", "rocket"])
@pytest.mark.parametrize("gain", [0.8, 1.2])
def test_a_change_of_exposure_flags_nothing(photo, gain):
    assert not flagged(clips.exposed(clips.still(2, SIZE, photo), gain)).any()


def test_a_change_of_exposure_of_one_colour_flags_nothing():
    still = clips.still(2, SIZE)
    tinted = clips.changed(still, still.frames * np.array([[1, 1, 1], [1, 1, 0.85]])[:, None, None])
    assert flagged(tinted).mean() < 0.01


def test_another_picture_is_not_trusted():
    film = clips.joined(clips.still(1, SIZE), clips.still(1, SIZE, "coffee"))
    assert flagged(film).mean() > 0.8


def test_true_flow_disagrees_only_where_something_is_hidden():
    disc = clips.disc((14, 4), (2.6, 0.4), 2, SIZE)
    wrong = disagreement(disc.flow(1, 0), disc.flow(0, 1))
    assert not wrong[~near_edges(disc)].any()
    occluded = disc.hidden(1, 0) & coverage(disc.flow(1, 0))
    assert wrong[occluded].mean() > 0.95


def test_residual_is_in_levels_of_eight_bits_for_sixteen_too():
    pan = clips.pan(frames=2)
    fine = pan.frames.astype(np.uint16) * 257
    back = pan.flow(1, 0)
    coarse = residual(pan.frames[1], pan.frames[0], back)
    np.testing.assert_allclose(residual(fine[1], fine[0], back), coarse, atol=1e-2)
    assert coarse[~near_edges(pan)].max() < 1


def test_confidence_has_one_value_a_pixel_from_0_to_1():
    pan = clips.pan(frames=2)
    trust = confidence(pan.frames[1], pan.frames[0], pan.flow(1, 0), pan.flow(0, 1))
    assert trust.shape == pan.frames.shape[1:3]
    assert trust.dtype == np.float32
    assert trust.min() >= 0
    assert trust.max() == 1
    assert np.median(trust) == 1


def test_black_frames_are_trusted():
    black = np.zeros((20, 30, 3), np.uint8)
    still = np.zeros((20, 30, 2), np.float32)
    assert (confidence(black, black, still, still) == 1).all()


def test_refuses_several_sizes():
    frame = np.zeros((20, 30, 3), np.uint8)
    flow = np.zeros((20, 31, 2), np.float32)
    with pytest.raises(ImageError, match="2 sizes; confidence needs one"):
        confidence(frame, frame, flow, flow)


def test_closest_first_sums_to_1_at_most_and_prefers_the_nearer():
    rng = np.random.default_rng(0)
    trusts = [rng.random((5, 6)).astype(np.float32) for _ in range(4)]
    weights = closest_first(trusts)
    np.testing.assert_array_equal(weights[0], trusts[0])
    assert (sum(weights) <= 1 + 1e-6).all()
    assert all((weight >= 0).all() for weight in weights)
    for weight, trust in zip(weights, trusts, strict=True):
        assert (weight <= trust).all()


def test_closest_first_fills_what_the_nearest_does_not_know():
    nearest, farther = np.float32([[1, 0, 0.25]]), np.float32([[1, 1, 1]])
    weights = closest_first([nearest, farther, farther])
    np.testing.assert_array_equal(weights[1], [[0, 1, 0.75]])
    assert not weights[2].any()
    assert closest_first([]) == []


@given(
    arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)),
    arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)),
    st.floats(0, 1),
)
def test_two_sides_share_what_either_shows(before, after, passed):
    one, other = shared(before, after, passed)
    assert one.dtype == other.dtype == np.float32
    assert one.min() >= 0
    assert other.min() >= 0
    np.testing.assert_allclose(one + other, before + after - before * after, atol=1e-6)
    again = shared(after, before, 1 - passed)  # time runs either way
    np.testing.assert_allclose(again[1], one, atol=1e-6)


def test_the_nearer_side_counts_for_more_and_an_open_one_for_nothing():
    full, none = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    assert [float(x[0, 0]) for x in shared(full, full, 0.25)] == [0.75, 0.25]
    assert [float(x[0, 0]) for x in shared(full, none, 0.75)] == [1, 0]
    assert [float(x[0, 0]) for x in shared(none, full, 0.25)] == [0, 1]
