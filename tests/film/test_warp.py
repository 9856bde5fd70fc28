"""Warping: an oracle for splines, edges, repeated warps, kinds of pictures."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from impasto.apps.film.warp import coverage, looked_up, places, warped
from impasto.errors import ImageError
from support import clips


def shifted(size, x, y):
    flow = np.empty((*size, 2), np.float32)
    flow[:] = x, y
    return flow


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("size", [(40, 50), (3, 2), (2, 31)])
def test_is_the_cubic_spline_of_scipy(size):
    picture, flow = random(*size, 3), 2 * random(*size, 2)
    x, y = places(flow).clip(0, (size[1] - 1, size[0] - 1)).transpose(2, 0, 1)
    expected = [
        ndimage.map_coordinates(picture[..., c].astype(float), (y, x), mode="mirror")
        for c in range(3)
    ]
    np.testing.assert_allclose(warped(picture, flow), np.stack(expected, -1), atol=1e-4)


def test_no_motion_changes_no_bit_and_gives_a_copy():
    picture = random(20, 30, 3)
    same = warped(picture, shifted((20, 30), 0, 0))
    np.testing.assert_array_equal(same, picture)
    assert same is not picture


def test_whole_pixels_move_as_they_are():
    picture = random(20, 30, 3)
    moved = warped(picture, shifted((20, 30), 3, -2))
    np.testing.assert_allclose(moved[2:, :-3], picture[:-2, 3:], atol=1e-4)


def test_slopes_stay_slopes():
    slope = np.tile(np.arange(60, dtype=np.float32), (40, 1))
    moved = warped(slope, shifted((40, 60), 0.3, 0.7))
    np.testing.assert_allclose(moved[:, 12:-12], slope[:, 12:-12] + 0.3, atol=1e-4)


def test_edges_repeat_outside():
    picture = random(10, 12, 3)
    far = warped(picture, shifted((10, 12), 500, 0))
    np.testing.assert_allclose(far, np.broadcast_to(picture[:, -1:], far.shape), atol=1e-5)


def test_true_flow_gives_the_frame():
    footage = clips.rotation(frames=2)
    moved = warped(footage.frames[0].astype(np.float32), footage.flow(1, 0))
    off = np.abs(moved - footage.frames[1]).mean(-1)
    assert off[~footage.hidden(1, 0)].mean() < 0.5


def test_many_warps_neither_blur_nor_drift_as_those_of_opencv_do():
    size, count, step = (96, 128), 8, (0.3, 0.2)
    footage = clips.moved(count + 1, size, "chelsea", step=step)
    exact = footage.frames[-1].astype(np.float32)
    splines = cubic = footage.frames[0].astype(np.float32)
    for _ in range(count):
        splines = warped(splines, shifted(size, *step))
        cubic = looked_up(cubic, shifted(size, *step), 2)
    inner = np.s_[20:-20, 20:-20]
    slope = np.gradient(exact, axis=1)[inner]
    slips = []
    for result in (splines, cubic):
        off = (result - exact)[inner]
        slips.append(abs((off * slope).sum() / (slope * slope).sum()))  # pixels
    assert slips[0] < 0.05 < 0.1 < slips[1]
    assert np.square(splines - exact)[inner].mean() < np.square(cubic - exact)[inner].mean()


def test_tensors_are_warped_as_arrays_are():
    picture, flow = random(3, 20, 30), random(20, 30, 2, seed=1)
    moved = warped(torch.from_numpy(picture), flow)
    assert moved.shape == (3, 20, 30)
    assert moved.dtype == torch.float32
    assert moved.is_contiguous()
    expected = warped(picture.transpose(1, 2, 0), flow).transpose(2, 0, 1)
    np.testing.assert_array_equal(moved.numpy(), expected)


def test_single_planes_and_many():
    flow = random(20, 30, 2)
    plane = random(20, 30, seed=1)
    one = warped(plane, flow)
    many = warped(np.stack([plane] * 7, -1), flow)
    assert one.shape == (20, 30)
    np.testing.assert_allclose(many, np.stack([one] * 7, -1), atol=1e-6)


def test_coverage_is_what_true_flow_keeps_in_the_frame():
    footage = clips.pan((3, 1), 2)
    np.testing.assert_array_equal(coverage(footage.flow(1, 0)), ~footage.hidden(1, 0))


def test_refuses_two_sizes():
    with pytest.raises(ImageError, match="30x20 px and a flow of 30x21 px; warping needs one"):
        warped(random(20, 30, 3), shifted((21, 30), 0, 0))
