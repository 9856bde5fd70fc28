"""Smart brush: objects that are known, photographs, and strokes of every kind."""

import cv2
import numpy as np
import pytest
from PIL import Image

from impasto.apps.studio.objects import guided_filter, object_mask
from impasto.errors import ImageError, SettingsError
from impasto.images import samples


def scene(height, width, shape, *, noise=8, seed=0):
    """A textured object on a textured ground: picture (h, w, 3), truth (h, w) of bool."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    truth = shape(x, y)
    ground = np.stack([60 + 50 * x, 90 + 40 * y, 120 + 20 * np.sin(40 * x)], -1)
    paint = np.stack([190 + 20 * np.sin(50 * y), 120 - 40 * x, 60 + 30 * y], -1)
    picture = np.where(truth[..., None], paint, ground) + random.normal(0, noise, ground.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), truth


def disc(x, y):
    return (x - 0.45) ** 2 + (y - 0.35) ** 2 < 0.22**2


def star(x, y):
    angle, radius = np.arctan2(y - 0.36, x - 0.5), np.hypot(x - 0.5, y - 0.36)
    return radius < 0.19 + 0.08 * np.sin(5 * angle)


def line(*points, radius=0.01, steps=12):
    """Points of a stroke along corners."""
    pairs = zip(points, points[1:] or points, strict=False)
    return [
        (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, radius)
        for a, b in pairs
        for t in np.linspace(0, 1, steps)
    ]


def overlap(mask, truth):
    """Intersection over union."""
    found = mask > 127
    return (found & truth).sum() / (found | truth).sum()


def farthest_edge(mask, truth):
    """The greatest distance in pixels between the edges of two masks, but for stray hundredths."""
    edges = [cv2.Canny(np.uint8(m) * 255, 100, 200) == 0 for m in (mask > 127, truth)]
    far = [cv2.distanceTransform(np.uint8(edge), cv2.DIST_L2, 5) for edge in edges]
    return max(np.quantile(far[0][~edges[1]], 0.99), np.quantile(far[1][~edges[0]], 0.99))


STROKE = line((0.4, 0.4), (0.5, 0.6))


@pytest.mark.parametrize("shape", [disc, star])
@pytest.mark.parametrize("size", [(150, 200), (384, 512), (960, 1280)])
def test_a_scribble_finds_the_object(shape, size):
    picture, truth = scene(*size, shape)
    mask = object_mask(picture, STROKE, [])
    assert mask.shape == size
    assert mask.dtype == np.uint8
    assert overlap(mask, truth) > 0.95
    assert farthest_edge(mask, truth) <= 2


def test_the_same_strokes_give_the_same_mask():
    picture, _ = scene(300, 400, star)
    once = object_mask(picture, STROKE, [], 0.3)
    np.random.default_rng(5).random(3)
    cv2.setRNGSeed(99)
    assert np.array_equal(object_mask(picture, STROKE, [], 0.3), once)


def test_of_two_objects_alike_the_one_under_the_stroke_is_found():
    def two(x, y):
        return ((x - 0.25) ** 2 + (y - 0.4) ** 2 < 0.02) | ((x - 0.75) ** 2 + (y - 0.4) ** 2 < 0.02)

    picture, truth = scene(400, 500, two)
    mask = object_mask(picture, line((0.2, 0.5), (0.3, 0.5)), [])
    left = truth.copy()
    left[:, 250:] = False
    assert overlap(mask, left) > 0.95
    both = object_mask(picture, line((0.2, 0.5), (0.3, 0.5)) + line((0.75, 0.5)), [])
    assert overlap(both, truth) > 0.95


def test_a_stroke_outside_takes_away():
    picture, _ = scene(300, 400, disc)
    away = line((0.6, 0.2), (0.6, 0.7), radius=0.03)
    mask = object_mask(picture, STROKE, away)
    assert mask[150, 240] == 0
    assert mask[150, 170] == 255


def test_a_rough_base_is_fitted_to_the_edge():
    picture, truth = scene(384, 512, star)
    base = np.zeros((384, 512), np.uint8)
    cv2.circle(base, (250, 190), 95, 255, -1)
    assert overlap(base, truth) < 0.9
    assert overlap(object_mask(picture, [], [], base=base), truth) > 0.95


def test_softness_widens_the_edge_and_keeps_it_in_place():
    picture, truth = scene(384, 512, disc)
    grey = [
        ((m > 8) & (m < 247)).sum()
        for m in (object_mask(picture, STROKE, [], s) for s in (0, 0.5, 1))
    ]
    assert grey[0] < grey[1] < grey[2]
    assert overlap(object_mask(picture, STROKE, [], 1.0), truth) > 0.95


@pytest.mark.parametrize(
    "inside",
    [
        [(-1, 0.5, 0.01), *STROKE, (7, 7, 0.5)],
        [*STROKE, (float("nan"), 0, 0), (0.1,), (1e300, -1e300, 0.1)],
        [(x, y, 0) for x, y, _ in STROKE],
    ],
)
def test_what_lies_outside_the_picture_does_not_matter(inside):
    picture, truth = scene(300, 400, disc)
    mask = object_mask(picture, inside, [(-3, -3, 0.5), (0.5, 0.5, -1)])
    assert overlap(mask, truth) > 0.9


def test_all_of_the_picture():
    picture, _ = scene(60, 80, disc)
    everything = [(0.5, 0.5, 1.0)]
    assert object_mask(picture, everything, []).min() == 255
    base = np.full((60, 80), 255, np.uint8)
    assert object_mask(picture, [], everything, base=base).max() == 0


@pytest.mark.parametrize("size", [(1, 3), (1, 900), (900, 1), (3, 3), (2, 700)])
def test_pictures_of_every_shape(size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert object_mask(picture, [(0.5, 0.5, 0.1)], [(0, 0, 0.01)]).shape == size
    flat = np.full((*size, 3), 9, np.uint8)
    assert object_mask(flat[:1, :1], [(0.5, 0.5, 0.0)], []).item() == 255
    assert object_mask(flat, [(0.5, 0.5, 0.0)], [], 1.0).shape == size


@pytest.mark.parametrize("inside", [[], [(4, 4, 0.1)], [(float("inf"), 0, 0)]])
def test_no_stroke_inside_is_said_in_one_line(inside):
    picture, _ = scene(30, 40, disc)
    with pytest.raises(SettingsError, match="no stroke lies on the object; expected one") as error:
        object_mask(picture, inside, [(0.5, 0.5, 0.1)], base=np.zeros((30, 40), np.uint8))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("picture", "base"),
    [
        (np.zeros((4, 4), np.uint8), None),
        (np.zeros((4, 4, 3), np.float32), None),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4), np.uint8)),
        (np.zeros((0, 4, 3), np.uint8), None),
    ],
)
def test_arrays_that_are_no_pictures(picture, base):
    with pytest.raises(ImageError, match="expected uint8"):
        object_mask(picture, STROKE, [], base=base)


PHOTOGRAPHS = {
    # strokes inside, points outside, points that are of the object, points that are not
    "rocket": (
        line((0.503, 0.33), (0.505, 0.5), (0.505, 0.7)),
        [],
        [(0.505, 0.8), (0.5, 0.9)],
        [(0.2, 0.2), (0.31, 0.5), (0.7, 0.5), (0.05, 0.6)],
    ),
    "astronaut": (
        line((0.45, 0.08), (0.42, 0.2), (0.45, 0.35), (0.3, 0.7), (0.5, 0.75), (0.7, 0.7)),
        [],
        [(0.5, 0.07), (0.2, 0.6), (0.15, 0.85)],
        [(0.25, 0.1), (0.7, 0.1), (0.75, 0.4)],
    ),
    "chelsea": (
        line(
            (0.35, 0.35),
            (0.45, 0.5),
            (0.6, 0.45),
            (0.5, 0.65),
            (0.42, 0.2),
            (0.68, 0.2),
            (0.74, 0.5),
            (0.62, 0.8),
        ),
        [(0.05, 0.1, 0.02), (0.95, 0.1, 0.02), (0.9, 0.7, 0.02)],
        [(0.12, 0.3), (0.5, 0.9), (0.72, 0.45), (0.1, 0.8), (0.65, 0.65)],
        [(0.02, 0.05), (0.9, 0.3), (0.95, 0.9), (0.85, 0.6)],
    ),
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_bundled_photographs(name):
    with Image.open(samples.names()[name]) as image:
        picture = np.asarray(image.convert("RGB"))
    inside, outside, yes, no = PHOTOGRAPHS[name]
    mask = object_mask(picture, inside, outside)
    height, width = mask.shape

    def at(x, y):
        return int(mask[int(y * height), int(x * width)])

    assert [at(*point) for point in yes] == [255] * len(yes)
    assert [at(*point) for point in no] == [0] * len(no)


def test_a_guided_filter_with_a_flat_guide_is_two_box_filters():
    values = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    found = guided_filter(np.ones_like(values), values, 2, 1e-3)
    box = values
    for _ in range(2):
        box = cv2.boxFilter(box, -1, (5, 5), borderType=cv2.BORDER_REFLECT)
    assert np.allclose(found, box, atol=1e-5)


def test_a_guided_filter_keeps_what_the_guide_explains():
    guide = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    assert np.allclose(
        guided_filter(guide, 0.4 * guide + 0.1, 3, 1e-7), 0.4 * guide + 0.1, atol=1e-4
    )
