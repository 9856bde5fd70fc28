"""The measures by which presets are chosen, and the experiment that prints them."""

import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from scipy.linalg import sqrtm

from conftest import random_image, smooth_picture, tiny_weights
from impasto.encoder import Encoder
from impasto.errors import SettingsError
from support.children import succeeded

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.append(str(BENCHMARKS))
import judge  # noqa: E402 (its folder is found only now)
import lettering  # noqa: E402 (its folder is found only now)
import presets  # noqa: E402 (its folder is found only now)


def features(channels=4, side=12, seed=0):
    """As a layer would have them, (1, c, h, w)."""
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(1, channels, side, side, generator=generator, dtype=torch.float64)
    return made * torch.arange(1, channels + 1).view(1, -1, 1, 1) + seed


def normal(mean, covariance):
    return judge.Normal(torch.tensor(mean).double(), torch.tensor(covariance).double())


def levels(x):
    return torch.full((3, 60, 100), x / 255)


def framed(picture, change, depth=2):
    """A picture whose outermost pixels are changed by so many levels."""
    inner = picture[:, depth:-depth, depth:-depth]
    changed = picture + change / 255
    changed[:, depth:-depth, depth:-depth] = inner
    return changed


# Style and content


def test_a_normal_distribution_has_the_features_moments():
    f = features()
    rows = f[0].flatten(1)
    found = judge.Normal.of(f.float())
    assert torch.allclose(found.gram, rows @ rows.T / rows.shape[1], rtol=1e-5)
    assert torch.allclose(found.covariance, rows.cov(correction=0), rtol=1e-5, atol=1e-5)


def test_gram_distance_is_relative():
    one, three = (judge.Normal.of(features() * factor) for factor in (1, 3))
    assert judge.gram_distance(one, one) == 0
    assert judge.gram_distance(three, one) == pytest.approx(8**2)  # (9G - G)² / G²


def test_style_distances_ignore_position():
    f, other = features(), judge.Normal.of(features(seed=1))
    shuffled = f.flatten(2)[..., torch.randperm(144)].view_as(f)
    for distance in (judge.gram_distance, judge.wasserstein):
        here, there = (distance(judge.Normal.of(x), other) for x in (f, shuffled))
        assert here == pytest.approx(there)


def test_wasserstein_in_one_dimension():
    """(μ - μₛ)² + (σ - σₛ)², over μₛ² + σₛ²."""
    found = judge.wasserstein(normal([1.0], [[9.0]]), normal([3.0], [[4.0]]))
    assert found == pytest.approx(((1 - 3) ** 2 + (3 - 2) ** 2) / (3**2 + 4))


def test_wasserstein_is_the_formula():
    canvas, style = (judge.Normal.of(features(seed=seed)) for seed in (1, 2))
    root = sqrtm(style.covariance.numpy())
    shared = sqrtm(root @ canvas.covariance.numpy() @ root).real.trace()
    traces = float(canvas.covariance.trace() + style.covariance.trace())
    moved = float((canvas.mean - style.mean).square().sum())
    most = float(style.mean.square().sum() + style.covariance.trace())
    found = judge.wasserstein(canvas, style)
    assert found == pytest.approx((moved + traces - 2 * shared) / most)


def test_wasserstein_of_itself_and_of_nothing():
    style = judge.Normal.of(features(seed=2))
    nothing = normal([0.0] * 4, [[0.0] * 4] * 4)
    assert judge.wasserstein(style, style) == pytest.approx(0, abs=1e-9)
    assert judge.wasserstein(nothing, style) == pytest.approx(1)


def test_wasserstein_of_channels_that_are_one():
    """Covariances without an inverse, as features of small pictures have them."""
    twice = features()[:, :1].repeat(1, 3, 1, 1)
    style = judge.Normal.of(twice)
    assert judge.wasserstein(style, style) == pytest.approx(0, abs=1e-6)


def test_content_distance():
    f = features()
    assert judge.content_distance(f, f) == 0
    assert judge.content_distance(torch.zeros_like(f), f) == pytest.approx(1)
    assert judge.content_distance(3 * f, f) == pytest.approx(4)


# Noise


def test_plain_and_sloping_pictures_have_no_noise():
    slope = torch.linspace(0.3, 0.7, 200).expand(3, 150, 200)
    assert judge.noise(levels(90), levels(90)) == pytest.approx(0, abs=1e-4)
    assert judge.noise(slope, slope) == pytest.approx(0, abs=0.1)  # mirrored at its ends


@pytest.mark.parametrize("deviation", [1, 5, 20])
def test_white_noise_is_measured_as_such(deviation):
    generator = torch.Generator().manual_seed(0)
    grain = torch.randn(1, 300, 300, generator=generator).expand(3, 300, 300)
    found = judge.noise(0.5 + grain * deviation / 255, torch.full((3, 300, 300), 0.5))
    assert found == pytest.approx(0.8725 * deviation, rel=0.01)  # √(1 - 1/π + 1/4π), sampled


def test_noise_counts_where_the_photograph_is_flat():
    photograph = torch.full((3, 100, 100), 0.5)
    photograph[:, :, 40:] = random_image(100, 60)
    there, here = photograph.clone(), photograph.clone()
    there[:, :, 60:] += 0.1 * torch.randn(100, 40)
    here[:, :, :40] += 0.1 * torch.randn(100, 40)
    flat = judge.flat_parts(photograph)
    assert flat[:, :36].all()
    assert not flat[:, 44:].any()
    assert judge.noise(there, photograph) == judge.noise(photograph, photograph)
    assert judge.noise(here, photograph) > 10


def test_local_variance_is_that_of_a_window():
    light = judge.lightness(random_image(9, 9))
    found = judge.local_variance(light, 3)
    assert found[4, 5] == pytest.approx(float(light[3:6, 4:7].var(correction=0)))
    assert found[0, 0] == pytest.approx(float(light[:2, :2].var(correction=0)))


# Borders


def test_strips_go_inwards_from_each_side():
    x = torch.arange(100.0).expand(3, 60, 100)  # columns
    top, bottom, left, right = ([float(v) for v in means[:, 0]] for means in judge.strips(x))
    assert top == bottom == [49.5] * 15
    assert left[:3] == [0.5, 2.5, 4.5]
    assert right[:3] == [98.5, 96.5, 94.5]
    assert len(left) == len(right) == 25


def stripes(first, others):
    """(1, 20, 100) in rows of 2 px, whose levels go in a first step and in others to the middle."""
    heights = torch.tensor([0.0, first, *(first + others * n for n in (1, 0, 1))])
    half = heights.repeat_interleave(2)
    return torch.cat([half, half.flip(0)])[None, :, None].expand(1, 20, 100)


def test_the_first_step_is_counted_in_common_ones():
    plain, stepped = stripes(0, 0), stripes(30, 10)
    first = (2 * 30**2 / 4) ** 0.5  # from the left and the right there are 24 steps of 0
    others = (2 * 3 * 10**2 / (2 * 3 + 2 * 23)) ** 0.5
    assert judge.border_error(stepped, plain, 1.0) == pytest.approx(first / others)


@pytest.mark.parametrize("measure", [judge.border_colour, judge.border_detail])
def test_a_picture_has_its_own_border(measure):
    photograph = smooth_picture(100, 70).pixels
    assert measure(photograph, photograph) == 0


def test_contrast_is_no_border():
    photograph = random_image(70, 100)
    flatter = photograph / 2 + 0.1
    assert judge.border_colour(flatter, photograph) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_dark_or_bright_frame_is_seen(sign):
    photograph = smooth_picture(100, 70).pixels
    errors = [judge.border_colour(framed(photograph, sign * by), photograph) for by in (20, 40, 80)]
    assert 0.5 < errors[0] < errors[1] < errors[2]


def test_a_frame_without_detail_is_seen():
    photograph = random_image(80, 80, dtype=torch.float32)
    smooth = photograph.clone()
    for end in (slice(None, 2), slice(-2, None)):
        smooth[:, end] = smooth[:, :, end] = 0.5
    assert judge.border_detail(smooth, photograph) > 3
    assert judge.border_detail(framed(photograph, 0), photograph) == 0


# Copied objects


def test_a_copy_of_the_painting_is_one_piece():
    style = torch.randn(1, 8, 6, 9, generator=torch.Generator().manual_seed(0))
    assert judge.copied(style, style) == 1
    assert judge.copied(style[..., 2:5, 3:8], style) == 1


def test_of_shuffled_places_there_is_no_piece_and_a_flat_part_is_none():
    generator = torch.Generator().manual_seed(0)
    style = torch.randn(1, 8, 12, 12, generator=generator)
    order = torch.randperm(144, generator=generator)
    shuffled = style.flatten(2)[..., order].view_as(style)
    assert judge.copied(shuffled, style) < 0.05
    flat = style[..., :1, :1].expand(1, 8, 12, 12)
    assert judge.copied(flat, style) == 1 / 144


def test_an_object_counts_by_its_places():
    """A quarter of the painting, moved, among what matches one place."""
    style = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    picture = style[..., :1, :1].repeat(1, 1, 8, 8)
    picture[..., 3:7, 2:6] = style[..., 4:, 4:]
    assert judge.copied(picture, style) == pytest.approx(16 / 64, abs=1 / 64)


# Verdicts, and the experiment


def test_a_verdict_on_the_painting_and_on_the_photograph():
    photograph, painting = smooth_picture(64, 48).pixels, smooth_picture(64, 48, phase=2).pixels
    judged = judge.Judge(photograph, painting, Encoder(tiny_weights("vgg16", dtype=torch.float32)))
    same, like = judged.verdict(photograph), judged.verdict(painting)
    assert (same.content, same.border_colour, same.border_detail) == (0, 0, 0)
    assert (like.gram, like.wasserstein) == pytest.approx((0, 0), abs=1e-6)
    assert like.content > 0.01
    assert min(same.gram, same.wasserstein) > 0.01


def test_overrides_may_have_commas():
    text = "style_layers=relu1_1,relu2_1=2,iterations=20,10,scales=0.5,1"
    expected = {"style_layers": "relu1_1,relu2_1=2", "iterations": "20,10", "scales": "0.5,1"}
    assert presets.overrides(text) == expected
    assert presets.overrides("") == {}


def test_recipes_are_checked_before_anything_is_painted():
    settings = presets.settings_of("standard:style_weight=7", {"size": 64})
    assert (settings.recipe, settings.style_weight, settings.size) == ("standard", 7, 64)
    for text in ("standard:size=64", "standard:stile_weight=7", "no-such", "standard:init"):
        with pytest.raises(SettingsError):
            presets.settings_of(text, {"size": 64})


def test_pairs():
    sampled = presets.pairs_of([], [])
    assert len(set(sampled)) >= 6
    assert {"astronaut", "chelsea"} <= {pair.names[0] for pair in sampled}
    assert presets.pairs_of([], [["a/b.jpg", "c.png"]]) == [presets.Pair("a/b.jpg", "c.png")]
    assert presets.pairs_of(["d", "a.jpg+b.jpg"], []) == [presets.Pair("d/a.jpg", "d/b.jpg")]
    assert len(presets.pairs_of(["sample"], [["a", "b"]])) == len(sampled) + 1
    for wrong in (["d"], ["d", "a.jpg"], ["d", "+b.jpg"]):
        with pytest.raises(SettingsError, match=r"content\.jpg\+style\.jpg"):
            presets.pairs_of(wrong, [])


def test_the_experiment(tmp_path):
    numbers, pair = tmp_path / "n.json", ["--pair", "sample:coffee", "sample:dots"]
    words = ["standard", "neural-style:init=content,iterations=3", "--fast", *pair]
    words += ["--out", tmp_path, "--json", numbers, "--each"]
    command = [sys.executable, BENCHMARKS / "presets.py", *words]
    printed = succeeded(command).stdout
    assert "| standard, mean of 1 " in printed
    assert "| neural-style:init=content,iterations=3: coffee, dots " in printed
    made = json.loads(numbers.read_text("utf-8"))
    assert made["means"]["photograph"]["content"] == 0
    assert made["means"]["standard"]["gram"] < made["means"]["photograph"]["gram"]
    assert [trial["recipe"] for trial in made["trials"]] == ["photograph", *words[:2]]
    assert made["settings"]["standard"]["size"] == 128
    assert len(list(tmp_path.glob("*.png"))) == 2
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width == 12 + 4 * (384 + 12)


# Edges and colours


def test_edges_are_alike_whatever_their_strength_and_colour():
    photograph = random_image(30, 40, 1)
    everywhere = torch.ones(30, 40, dtype=torch.bool)
    darker = 0.2 + 0.3 * photograph
    assert judge.edge_correlation(darker, photograph, everywhere) == pytest.approx(1)
    assert judge.edge_correlation(1 - photograph, photograph, everywhere) == pytest.approx(-1)
    assert abs(judge.edge_correlation(random_image(30, 40, 2), photograph, everywhere)) < 0.1
    assert judge.edge_correlation(levels(90), levels(80), torch.ones(60, 100).bool()) == 0


def test_edges_count_where_they_are_asked_for():
    photograph = random_image(30, 40, 1)
    half = photograph.clone()
    half[:, :, 20:] = random_image(30, 40, 2)[:, :, 20:]
    left = torch.zeros(30, 40, dtype=torch.bool)
    left[:, :18] = True
    assert judge.edge_correlation(half, photograph, left) == pytest.approx(1)
    assert judge.edge_correlation(half, photograph, ~left) < 0.5


def test_strong_edges_are_the_steepest_tenth():
    ramp = torch.linspace(0, 1, 100).square().expand(3, 50, 100)
    strong = judge.strong_edges(ramp)
    assert strong.shape == (50, 100)
    assert strong[:49, 95].all()
    assert not strong[:, :85].any()
    assert not judge.strong_edges(levels(60)).any()


def test_the_distance_of_colours_is_that_of_their_normal_distributions():
    assert judge.colour_distance(levels(60), levels(60)) == pytest.approx(0, abs=1e-4)
    assert judge.colour_distance(levels(60), levels(64)) == pytest.approx(4 * 3**0.5)
    one, other = random_image(30, 40, 1), 0.5 * random_image(60, 20, 2)
    (m, a), (n, b) = ((x.flatten(1).mean(1), x.flatten(1).cov(correction=0)) for x in (one, other))
    cross = torch.from_numpy(sqrtm((a @ b).numpy()).real)
    expected = ((m - n).square().sum() + (a + b - 2 * cross).trace()).sqrt() * 255
    assert judge.colour_distance(one, other) == pytest.approx(float(expected), rel=1e-6)


# Lettering and photographs


def test_the_menu_has_letters_where_it_says():
    scene = lettering.menu()
    assert scene.photograph.size == (512, 341)
    assert not scene.letters[:, lettering.HALF :].any()
    deviation = judge.lightness(scene.photograph.pixels)[scene.letters].std()
    assert deviation > 40
    boxes = [box for card in lettering.CARDS for box in lettering.drawn(card, Unseen())]
    assert len(boxes) == 9
    assert {bottom - top for _, top, _, bottom in boxes} & {11, 12, 13}


class Unseen(ImageDraw.ImageDraw):
    """Measures text and draws nothing that is looked at."""

    def __init__(self):
        super().__init__(Image.new("RGB", (512, 341)))


@pytest.mark.parametrize(
    ("program", "words", "says"),
    [
        ("lettering", ["10", "--styles", "swirl"], "| swirl |         10 |"),
        ("photoreal", ["--pairs", "coffee+astronaut", "--size", "96"], "coffee, astronaut: photor"),
    ],
)
def test_their_programs(program, words, says, tmp_path):
    command = [sys.executable, BENCHMARKS / f"{program}.py", *words, "--fast", "--out", tmp_path]
    assert says in succeeded(command).stdout
    assert len(list(tmp_path.glob("*.png"))) == 1
