"""Loss, terms and gradient against a direct transcription, for every normalisation and space."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import random_image, tiny_weights
from impasto.encoder import Encoder
from impasto.errors import SettingsError
from impasto.images.spaces import SPACES, colour_space
from impasto.objective.statistics import STATISTICS, Moments
from impasto.objective.style_losses import GRAMS, declaration, declare
from impasto.objective.terms import CONTENT_SCALES, VARIATIONS
from reference import gram, to_caffe, vgg
from support.networks import depths
from support.objectives import VARIATION_ORACLE, full, make_objective

CONTENT_TAPS = {"relu3_2": 0.7, "conv2_1": 0.3}
STYLE_TAPS = {"relu1_1": 1.0, "conv3_1": 0.5, "pool2": 2.0, "relu3_2": 0.1}

CONTENT_ORACLE = {
    "mean": lambda f, p: ((f - p) ** 2).mean(),
    "half-mean": lambda f, p: (0.5 * (f - p) ** 2).mean(),
    "half-sum": lambda f, p: 0.5 * ((f - p) ** 2).sum(),
}


def gatys_oracle(f, a):
    channels, positions = f.shape[1], f[0, 0].numel()
    rescaled = gram(a) * positions / a[0, 0].numel()
    return ((gram(f) - rescaled) ** 2).sum() / (4 * channels**2 * positions**2)


STYLE_ORACLE = {
    "positions": lambda f, a: ((gram(f) / f[0, 0].numel() - gram(a) / a[0, 0].numel()) ** 2).mean(),
    "elements": lambda f, a: ((gram(f) / f.numel() - gram(a) / a.numel()) ** 2).mean(),
    "none": lambda f, a: ((gram(f) - gram(a)) ** 2).mean(),
    "gatys": gatys_oracle,
}


SPACE_ORACLE = {  # canvas -> sRGB, written out
    "srgb": lambda x: x,
    "caffe": lambda x: (x + x.new_tensor([103.939, 116.779, 123.68]).view(3, 1, 1)).flip(0) / 255,
    "caffe-rgb": lambda x: (x + x.new_tensor([123.68, 116.779, 103.939]).view(3, 1, 1)) / 255,
    "imagenet": lambda x: (
        x * x.new_tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        + x.new_tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    ),
}


def transcription(canvas, content, style, weights, space, names):
    """Terms of the objective by plain autograd."""
    blocks = depths(weights.architecture)

    def features(rgb):
        return vgg(weights.layers, blocks, to_caffe(rgb))

    f, p, a = features(SPACE_ORACLE[space](canvas)), features(content), features(style)
    of_content, of_style, of_variation = names
    return {
        "content": 3.0
        * sum(w * CONTENT_ORACLE[of_content](f[t], p[t]) for t, w in CONTENT_TAPS.items()),
        "style": 50.0 * sum(w * STYLE_ORACLE[of_style](f[t], a[t]) for t, w in STYLE_TAPS.items()),
        "variation": 0.2 * VARIATION_ORACLE[of_variation](canvas),
    }


def objective(content, style, weights, space, names, dtype=torch.float64, variation=0.2):
    return make_objective(
        Encoder(weights, dtype=dtype),
        content,
        style,
        space=colour_space(space),
        content_weights=full(3.0, CONTENT_TAPS),
        content_normalisation=names[0],
        style_weights=full(50.0, STYLE_TAPS),
        style_normalisation=names[1],
        variation=(variation, names[2]),
    )


CASES = [
    *[(space, ("mean", "elements", "l1-sum")) for space in SPACES],
    *[("caffe", (name, "positions", "l2-mean")) for name in CONTENT_SCALES],
    *[("imagenet", ("mean", name, "l1-mean")) for name in GRAMS],
    *[("srgb", ("half-mean", "gatys", name)) for name in VARIATIONS],
]


@pytest.mark.parametrize(("space", "names"), CASES)
def test_equals_its_transcription(space, names):
    weights = tiny_weights()
    content, style = random_image(21, 26, 1), random_image(18, 31, 2)
    canvas = colour_space(space).from_srgb(random_image(21, 26, 3)).requires_grad_()
    terms = transcription(canvas, content, style, weights, space, names)
    (gradient,) = torch.autograd.grad(sum(terms.values()), canvas)
    found = objective(content, style, weights, space, names)(canvas.detach())
    for name, term in terms.items():
        torch.testing.assert_close(found.terms[name], term.detach(), rtol=1e-10, atol=0)
    torch.testing.assert_close(found.loss, sum(found.terms.values()), rtol=1e-12, atol=0)
    assert (found.gradient - gradient).norm() / gradient.norm() < 1e-10


def test_a_loss_may_read_either_statistic(monkeypatch):
    """One that reads the means alone: Σff is neither measured nor pulled back."""

    @declare(reads={"total"})
    def means(f, a):
        return (f.total / f.count - a.total / a.count).square().sum()

    monkeypatch.setitem(GRAMS, "means", means)
    monkeypatch.setitem(
        STYLE_ORACLE, "means", lambda f, a: ((f.mean((2, 3)) - a.mean((2, 3))) ** 2).sum()
    )
    test_equals_its_transcription("caffe", ("mean", "means", "l2-mean"))


def test_what_a_loss_does_not_read_is_not_measured():
    features = random_image(1, 5 * 6).view(1, 3, 5, 6)
    assert declaration(GRAMS["gatys"]).needs == {"outer"}
    assert Moments.needs({"mean", "gram"}) == {*STATISTICS}
    partial = Moments.of(features, {"outer"})
    assert partial.total.isnan().all()
    assert torch.equal(partial.outer, Moments.of(features).outer)


def test_a_loss_that_declares_nothing_is_given_everything():
    assert declaration(lambda f, a: f.total.sum()).needs == {*STATISTICS, "exact"}


def test_oracles_cover_every_name():
    assert CONTENT_ORACLE.keys() == CONTENT_SCALES.keys()
    assert STYLE_ORACLE.keys() == GRAMS.keys()
    assert VARIATION_ORACLE.keys() == VARIATIONS.keys()
    assert SPACE_ORACLE.keys() == SPACES.keys()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precisions_follow(dtype):
    weights, content, style = (
        tiny_weights(dtype=torch.float32),
        random_image(40, 48, 1),
        random_image(44, 40, 2),
    )
    canvas = colour_space("caffe").from_srgb(random_image(40, 48, 3))
    names = ("mean", "elements", "l1-sum")
    exact = objective(content, style, tiny_weights(), "caffe", names, variation=0)(canvas)
    rough = objective(content.float(), style.float(), weights, "caffe", names, dtype, variation=0)(
        canvas.float()
    )
    assert rough.gradient.dtype == torch.float32
    tolerance = {torch.float32: 1e-4, torch.bfloat16: 0.1}[dtype]
    assert abs(rough.loss - exact.loss) / exact.loss < tolerance
    assert (rough.gradient - exact.gradient).norm() / exact.gradient.norm() < tolerance


def test_nothing_to_match_costs_nothing_and_is_zero():
    picture = random_image(20, 20)
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    nothing = {"content_weights": full(0.0, CONTENT_TAPS), "style_weights": {"relu1_1": 0.0}}
    bare = make_objective(encoder, picture, picture, **nothing)
    assert bare.taps == ()
    at = bare(colour_space("caffe").from_srgb(picture))
    assert at.loss == 0
    assert not at.gradient.any()


def test_content_alone_vanishes_at_the_content():
    content = random_image(20, 20)
    at = make_objective(
        Encoder(tiny_weights(), dtype=torch.float64),
        content,
        content,
        content_weights=full(5.0, CONTENT_TAPS),
        style_weights=full(100.0, STYLE_TAPS),
    )(colour_space("caffe").from_srgb(content))
    assert at.loss < 1e-18
    assert at.gradient.norm() < 1e-9


@settings(max_examples=25)
@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    cut=st.integers(0, 12),
    seed=st.integers(0, 9),
)
def test_moments_add_up_over_any_cut(rows, columns, cut, seed):
    generator = torch.Generator().manual_seed(seed)
    f = torch.randn(1, 3, rows, columns, generator=generator, dtype=torch.float64)
    whole, cut = Moments.of(f), min(cut, columns)
    parts = Moments.of(f[..., :cut]) + Moments.of(f[..., cut:])
    torch.testing.assert_close(parts.total, whole.total)
    torch.testing.assert_close(parts.outer, whole.outer)
    assert parts.count == whole.count == rows * columns


def test_moments_ignore_position():
    generator = torch.Generator().manual_seed(0)
    f = torch.randn(1, 4, 6, 5, dtype=torch.float64, generator=generator)
    order = torch.randperm(30, generator=generator)
    shuffled = f.flatten(2)[..., order].view(1, 4, 5, 6)
    torch.testing.assert_close(Moments.of(shuffled).outer, Moments.of(f).outer)


@pytest.mark.parametrize("positions", [7, 16, 1000, 5003])
def test_bfloat16_moments_accumulate_in_float32(positions):
    generator = torch.Generator().manual_seed(positions)
    f = torch.rand(1, 8, 1, positions, generator=generator).bfloat16()
    exact, rough = Moments.of(f.double()), Moments.of(f)
    assert rough.outer.dtype == rough.total.dtype == torch.float32
    torch.testing.assert_close(rough.total.double(), exact.total, rtol=2e-3, atol=0)
    torch.testing.assert_close(rough.outer.double(), exact.outer, rtol=4e-3, atol=0)


@pytest.mark.parametrize("name", VARIATIONS)
def test_variation_of_a_line_is_finite(name):
    for shape in ((3, 1, 5), (3, 5, 1), (3, 1, 1)):
        canvas = random_image(*shape[1:])
        value = VARIATIONS[name].add(canvas, 1.0, torch.zeros_like(canvas))
        assert torch.isfinite(value)


@settings(max_examples=60)
@given(
    name=st.sampled_from([*VARIATIONS]),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    band=st.integers(1, 30),
)
def test_variation_of_any_canvas_in_any_bands(name, rows, columns, band):
    canvas = random_image(rows, columns).requires_grad_()
    gradient = torch.ones_like(canvas)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("impasto.objective.terms.variation._BAND", band)
        value = VARIATIONS[name].add(canvas.detach(), 0.3, gradient)
    if name == "l2-diagonal" or min(rows, columns) > 1:  # else a mean over nothing
        loss = 0.3 * VARIATION_ORACLE[name](canvas)
        loss.backward()
        torch.testing.assert_close(value, loss.detach())
        torch.testing.assert_close(gradient - 1, canvas.grad)


@pytest.mark.parametrize("name", SPACES)
def test_spaces_invert_and_pull(name):
    space, rgb = SPACES[name], random_image(4, 5)
    torch.testing.assert_close(space.to_srgb(space.from_srgb(rgb)), rgb)
    g = random_image(4, 5, 1)
    for target in SPACES.values():
        leaf = rgb.clone().requires_grad_()
        (expected,) = torch.autograd.grad(space.convert(leaf, target), leaf, g)
        torch.testing.assert_close(space.convert_cotangent(g, target), expected)
    assert space.convert(rgb, space) is rgb
    black, white = space.from_srgb(torch.zeros(3, 1, 1)), space.from_srgb(torch.ones(3, 1, 1))
    torch.testing.assert_close(black.flatten(), torch.tensor(space.low))
    torch.testing.assert_close(white.flatten(), torch.tensor(space.high))


def test_unknown_space():
    with pytest.raises(SettingsError, match="caffe, caffe-rgb, imagenet, srgb"):
        colour_space("lab")
