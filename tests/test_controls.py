"""How much of what: strength, weights, colours, averages, finishes; pictures at the extremes."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import impasto
from conftest import random_image, smooth_picture, tiny_weights
from impasto.encoder import Encoder, Weights
from impasto.errors import ImageTooSmall, ImpastoError, SettingsError
from impasto.images import Picture, fit, read, resize, samples
from impasto.images.colour_transfer import Palette
from impasto.images.effects.base import applied
from impasto.images.oklab import to_oklab
from impasto.images.spaces import SPACES, colour_space
from impasto.objective import Evaluation, blend_statistics, measure_statistics
from impasto.objective.constraints import luminance_only, protected
from impasto.objective.style_losses import GRAMS, find_style_loss, unit_of
from impasto.objective.tiles import Tiling
from impasto.run.canvas import enlarged
from impasto.run.objective import objective_for
from impasto.run.regions import Region, StylePart
from impasto.run.run import Run
from impasto.run.stage_inputs import StageInputs
from impasto.settings import Settings
from impasto.settings.variants import EFFECTS, STYLE_LOSSES
from reference import gram, to_caffe, vgg
from support.colours import colour_error, quantiles
from support.networks import depths
from support.runs import lines, resumed

QUICK = {"size": 48, "iterations": 3, "precision": "fp32", "threads": 1, "encoder": "tiny"}
CONTENT_TAPS = {"relu3_2": 0.7, "conv2_1": 0.3}
STYLE_TAPS = {"relu1_1": 1.0, "conv3_1": 0.5, "relu3_2": 2.0}
KEPT = [("keep", "afterwards"), ("keep", "luminance")]
MATCHED = [("match", "linear"), ("match", "histogram")]


def psnr(a, b):
    return float(-10 * (a - b).square().mean().clamp_min(1e-30).log10())


def sample(name, size):
    return fit(read(samples.sample(name)), size)


def sensible(picture):
    pixels = picture.pixels
    return bool(torch.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1)


def flat(width, height, value):
    return Picture(torch.full((3, height, width), float(value)))


def tiny_objective(content, style, tiling=None, weights=None, **overrides):
    """The objective of settings for a tiny network in float64, over the whole canvas."""
    settings = Settings.of(
        **{
            "content_weight": 3.0,
            "style_weight": 50.0,
            "tv_weight": 0.0,
            "content_layers": CONTENT_TAPS,
            "style_layers": STYLE_TAPS,
            "padding": "zero",
            "style_loss": "gram",
            "weighting": "absolute",
            **overrides,
        }
    )
    pair = StageInputs(content.shape[:0:-1], content, (style,), (Region((StylePart(0, 1.0),)),))
    return objective_for(
        Encoder(weights or tiny_weights(), dtype=torch.float64),
        pair,
        settings,
        colour_space("caffe"),
        tiling=tiling or Tiling(),
    )


def features_of(*pictures):
    weights = tiny_weights()
    return [vgg(weights.layers, depths(weights.architecture), to_caffe(x)) for x in pictures]


@pytest.fixture(scope="module")
def three():
    """Content, style and canvas for the tiny network; the canvas is in the caffe space too."""
    content, style, canvas = random_image(21, 26, 1), random_image(18, 31, 2), random_image(21, 26)
    return content, style, canvas


# --- strength -------------------------------------------------------------------------------------


@pytest.mark.parametrize("init", ["content", "recoloured"])
@pytest.mark.parametrize("colour", ["style", "keep"])
def test_without_strength_the_photograph_stays(init, colour, photo, painting):
    result = impasto.stylize(
        photo, painting, **{**QUICK, "iterations": 12}, strength=0, init=init, tv_weight=0,
        colour=colour,
    )  # fmt: skip
    assert psnr(result.image.pixels, photo.pixels) > 40


@pytest.mark.parametrize(
    "loss", ["moments", "wasserstein", "principal-wasserstein", "sliced-wasserstein"]
)
def test_without_strength_the_photograph_stays_whatever_the_loss(loss, photo, painting):
    how = {**QUICK, "iterations": 12, "style_loss": loss, "strength": 0, "tv_weight": 0}
    assert psnr(impasto.stylize(photo, painting, **how).image.pixels, photo.pixels) > 40


def test_the_stronger_the_nearer_the_painting(photo, painting):
    """Each result held against the painting itself."""
    whole = Settings.of(**{**QUICK, "iterations": 20})
    distances = []
    for strength in (0, 0.25, 0.5, 0.75, 1):
        run = Run(photo, painting, whole.replaced(strength=strength))
        for _ in run:
            pass
        start = Run(run.result().image, painting, whole.replaced(init="content", iterations=0))
        distances.append(next(iter(start)).terms["style"])
    for weaker, stronger in pairwise(distances):
        assert stronger < weaker * 1.02
    assert distances[-1] < distances[0] / 2


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_the_target_is_a_mixture(strength, three):
    """(1-s)·own + s·style: of Grams as means over positions, written out."""
    content, style, canvas = three
    found = tiny_objective(content, style, strength=strength, style_normalisation="positions")
    f, own, a = ({t: gram(x[t]) / x[t][0, 0].numel() for t in STYLE_TAPS}
                 for x in features_of(canvas, content, style))  # fmt: skip
    expected = 50 * sum(
        w * ((f[t] - (1 - strength) * own[t] - strength * a[t]) ** 2).mean()
        for t, w in STYLE_TAPS.items()
    )
    terms = found(colour_space("caffe").from_srgb(canvas)).terms
    torch.testing.assert_close(terms["style"], expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("loss", STYLE_LOSSES.names())
def test_the_target_is_what_would_be_measured_of_a_mixture(loss, three):
    content, style, canvas = three
    function = find_style_loss(loss)
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    of_canvas, own, theirs = (
        measure_statistics(encoder, x, STYLE_TAPS, loss=function) for x in (canvas, content, style)
    )
    target = blend_statistics([(own, 0.4), (theirs, 0.6)])
    expected = 50 * sum(w * function(of_canvas[t], target[t]) for t, w in STYLE_TAPS.items())
    found = tiny_objective(content, style, strength=0.6, style_loss=loss)
    terms = found(colour_space("caffe").from_srgb(canvas)).terms
    torch.testing.assert_close(terms["style"], expected, rtol=1e-9, atol=0)


def test_strength_takes_a_photograph(painting):
    with pytest.raises(SettingsError, match="strength is below 1, but there is no content picture"):
        impasto.texture(painting, size=48, iterations=1, strength=0.5)
    with pytest.raises(SettingsError, match=r"strength is 1\.5"):
        Settings.of(strength=1.5)


# --- relative weights -----------------------------------------------------------------------------


@pytest.mark.parametrize("normalisation", GRAMS)
@pytest.mark.parametrize("of_content", ["mean", "half-sum"])
def test_relative_is_its_transcription(normalisation, of_content, three):
    """Content 3·Σ(F-P)²/ΣP², whatever its scale; style 50·distance/distance of no features."""
    content, style, canvas = three
    f, p, a = features_of(canvas, content, style)
    counted = normalisation != "none"  # else Grams are sums
    expected = {"content": 0.0, "style": 0.0}
    for tap, weight in CONTENT_TAPS.items():
        apart = ((f[tap] - p[tap]) ** 2).sum() / (p[tap] ** 2).sum()
        expected["content"] += 3 * weight * apart
    for tap, weight in STYLE_TAPS.items():
        g, goal = (gram(x[tap]) / (x[tap][0, 0].numel() if counted else 1) for x in (f, a))
        expected["style"] += 50 * weight * ((g - goal) ** 2).sum() / (goal**2).sum()
    found = tiny_objective(
        content, style, weighting="relative", content_normalisation=of_content,
        style_normalisation=normalisation,
    )(colour_space("caffe").from_srgb(canvas))  # fmt: skip
    for name, term in expected.items():
        torch.testing.assert_close(found.terms[name], term, rtol=1e-10, atol=0)


@pytest.mark.parametrize("loss", STYLE_LOSSES.names())
def test_relative_is_in_parts_of_what_a_picture_without_features_has(loss, three):
    content, style, canvas = three
    x = colour_space("caffe").from_srgb(canvas)
    function = find_style_loss(loss)
    goal = measure_statistics(
        Encoder(tiny_weights(), dtype=torch.float64), style, STYLE_TAPS, loss=function
    )
    one = {"style_loss": loss, "content_weight": 0.0}
    for tap in STYLE_TAPS:
        absolute, relative = (
            tiny_objective(content, style, style_layers={tap: 1.0}, weighting=weighting, **one)(x)
            for weighting in ("absolute", "relative")
        )
        blank = unit_of(function, goal[tap])
        assert blank == function(goal[tap].blank(), goal[tap]) or loss == "nearest-neighbour"
        torch.testing.assert_close(relative.loss * blank, absolute.loss, rtol=1e-9, atol=0)
        torch.testing.assert_close(relative.gradient * blank, absolute.gradient, rtol=1e-7, atol=0)


def louder(factor):
    """The tiny network with all features times this: ReLU and pooling are homogeneous."""
    weights = tiny_weights()
    layers = {
        name: (weight * (factor if name == "conv1_1" else 1), bias * factor)
        for name, (weight, bias) in weights.layers.items()
    }
    return Weights(weights.architecture, layers)


@pytest.mark.parametrize("loss", ["gram", "wasserstein", "sliced-wasserstein", "nearest-neighbour"])
def test_relative_does_not_know_how_loud_the_features_are(loss, three):
    content, style, canvas = three
    x = colour_space("caffe").from_srgb(canvas)

    def at(factor, weighting):
        weights = louder(factor)
        how = {"weights": weights, "weighting": weighting, "style_loss": loss}
        return tiny_objective(content, style, **how)(x)

    quiet, loud = (at(factor, "relative") for factor in (1, 3))
    for name, term in quiet.terms.items():
        torch.testing.assert_close(loud.terms[name], term, rtol=1e-7, atol=0)
    quiet, loud = (float(at(factor, "absolute").terms["content"]) for factor in (1, 3))
    assert loud == pytest.approx(9 * quiet, rel=1e-9)


@pytest.mark.parametrize(
    ("loss", "strength"), [("gram", 0.7), ("moments", 0.7), ("nearest-neighbour", 1.0)]
)
def test_relative_in_windows_is_whole(loss, strength):
    """A style so small that all its features are neighbours: of more, windows choose others."""
    content, style = random_image(70, 120, 1), random_image(20, 51, 2)
    x = colour_space("caffe").from_srgb(random_image(70, 120, 3))
    how = {"weighting": "relative", "style_loss": loss, "strength": strength}
    objective = tiny_objective(content, style, **how)
    tiling, whole = Tiling(40, tapes=1, keep_content=True), objective(x)
    for tiled in (tiny_objective(content, style, tiling, **how), objective.retiled(tiling)):
        parts = tiled(x)
        for name, term in whole.terms.items():
            torch.testing.assert_close(parts.terms[name], term, rtol=1e-9, atol=0)
        assert (parts.gradient - whole.gradient).norm() < 1e-9 * whole.gradient.norm()


def test_relative_terms_are_near_one_for_every_loss(photo, painting):
    """The same weights do for all: a term is a part of the weight, not millions of it."""
    for loss in STYLE_LOSSES.names():
        step = next(
            impasto.iterate(
                photo,
                painting,
                Settings.of(**QUICK, weighting="relative", style_loss=loss, style_weight=1.0),
            )
        )
        assert 1e-3 < step.terms["style"] < 1e3


# --- average --------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_average_is_its_formula(optimiser, decay, photo, painting):
    """(1-d) Σ dⁿ⁻ⁱ xᵢ / (1-dⁿ) over x₁ to xₙ; the losses are those of the xᵢ."""
    settings = Settings.of(**{**QUICK, "iterations": 6}, optimiser=optimiser)
    plain = list(impasto.iterate(photo, painting, settings))
    averaged = list(impasto.iterate(photo, painting, settings.replaced(average=decay)))
    assert [step.loss for step in averaged] == [step.loss for step in plain]
    assert torch.equal(averaged[0].canvas, plain[0].canvas)
    for n in range(1, 7):
        parts = [decay ** (n - i) * plain[i].canvas.double() for i in range(1, n + 1)]
        expected = (1 - decay) * sum(parts) / (1 - decay**n)
        found = averaged[n].canvas.double()
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)  # of 255


def test_the_next_scale_starts_from_the_average(photo, painting):
    settings = Settings.of(**{**QUICK, "iterations": 4}, scales="0.7,1", average=0.8)
    run = Run(photo, painting, settings)
    steps = list(run)
    before, after = steps[4], steps[5]
    assert (before.scale, after.scale, after.iteration) == (34, 48, 0)
    expected = enlarged(before.canvas, run.inputs.at(run.inputs.stages[1]), settings, after.space)
    torch.testing.assert_close(after.canvas, expected)


@pytest.mark.parametrize("at", [1, 3, 6, 8, 10])
@pytest.mark.parametrize("take", ["last", "best"])
def test_resumed_with_an_average_is_uninterrupted(at, take, photo, painting, tmp_path):
    settings = Settings.of(
        size=48, iterations="6,5", scales="0.7,1", tile="off", threads=1, average=0.9, select=take,
        encoder="tiny",
    )  # fmt: skip
    whole = Run(photo, painting, settings)
    canvases = [step.canvas for step in whole]
    second = resumed(Run(photo, painting, settings), at, photo, painting, settings, tmp_path)
    assert torch.equal(second.result("last").image.pixels, whole_at(whole, canvases, at))
    rest = [step.canvas for step in second]
    for found, expected in zip(rest, canvases[at:], strict=True):
        assert torch.equal(found, expected)
    assert lines(second) == lines(whole)
    assert torch.equal(second.result().image.pixels, whole.result().image.pixels)


def whole_at(run, canvases, at):
    """What a run's picture was after `at` steps, at the size that was asked for."""
    picture = Picture(run.steps[at - 1].space.to_srgb(canvases[at - 1]).clamp(0, 1))
    size = run.inputs.size
    return (picture if picture.size == size else resize(picture, size)).pixels


# --- colours kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("photograph", "style"), [("coffee", "ink"), ("astronaut", "swirl")])
@pytest.mark.parametrize("method", ["afterwards", "luminance"])
def test_colours_are_the_photographs(photograph, style, method):
    """Mean ΔE2000 at equal lightness below 2; without, it is 15 to 25."""
    run = Run(
        f"sample:{photograph}",
        f"sample:{style}",
        Settings.of(size=128, iterations=6, colour="keep", colour_method=method, threads=1),
    )
    for _ in run:
        pass
    assert colour_error(run.result().image.pixels, run.inputs.content.pixels) < 2


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
@pytest.mark.parametrize("init", ["content", "noise"])
def test_luminance_is_painted_in_grey(space, optimiser, init, photo, painting):
    """At colour_strength 0 nothing is added to the painted grey: at no step is there a colour."""
    rate = {"learning_rate": 4.0 * SPACES[space].gain[0] / 255} if optimiser == "adam" else {}
    settings = Settings.of(
        **QUICK, colour="keep", colour_method="luminance", colour_strength=0, space=space,
        init=init, noise_scale=0.1 * SPACES[space].gain[0], optimiser=optimiser, **rate,
    )  # fmt: skip
    steps = list(impasto.iterate(photo, painting, settings))
    assert steps[-1].loss < steps[0].loss
    for step in steps:
        shown = step.picture().pixels
        assert (shown - shown.mean(0)).abs().max() < 1e-6
        if init == "content" and space != "imagenet":  # whose channels have steps of their own
            canvas = step.space.to_srgb(step.canvas)
            assert (canvas - canvas.mean(0)).abs().max() < 1e-6


def smooth_function(canvas):
    """Some function of canvases (3, h, w), with its gradient by autograd."""
    x = canvas.detach().requires_grad_()
    rows = torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).view_as(x)
    value = ((rows * x / 50).sin() * x.roll(1, 0)).sum() + (x.roll(1, 2) - x).square().sum() / 100
    (gradient,) = torch.autograd.grad(value, x)
    return Evaluation(value.detach(), {"all": value.detach()}, gradient)


@given(st.sampled_from(sorted(SPACES)), st.integers(1, 6), st.integers(1, 6), st.integers(0, 5))
def test_gradient_of_luminance_is_that_of_finite_differences(name, height, width, seed):
    space = colour_space(name)
    evaluate = luminance_only(smooth_function, space)
    x, way = (space.from_srgb(random_image(height, width, seed + n)) for n in (0, 10))
    assert_slope(evaluate, x, way)


@given(st.sampled_from(sorted(SPACES)), st.integers(1, 6), st.integers(1, 6), st.integers(0, 5))
def test_gradient_of_what_is_kept_is_that_of_finite_differences(name, height, width, seed):
    space = colour_space(name)
    x, way, photograph = (
        space.from_srgb(random_image(height, width, seed + n)) for n in (0, 10, 20)
    )
    where = random_image(height, width, seed + 30)[0].round(decimals=1)
    evaluate = protected(smooth_function, photograph, where)
    assert_slope(evaluate, x, way)
    assert_slope(luminance_only(evaluate, space), x, way)
    assert (evaluate(x).gradient[:, where == 1] == 0).all()
    there = smooth_function(x * (1 - where) + photograph * where)
    torch.testing.assert_close(evaluate(x).loss, there.loss, rtol=1e-9, atol=1e-9)


def assert_slope(evaluate, x, way):
    """The gradient along a way is the difference quotient, in float64."""
    far = 1e-4 * way
    quotient = (evaluate(x + far).loss - evaluate(x - far).loss) / 2
    slope, size = (evaluate(x).gradient * far).sum(), evaluate(x).gradient.norm() * far.norm()
    assert abs(quotient - slope) < 1e-6 * size + 1e-10


@pytest.mark.parametrize("space", SPACES)
def test_luminance_looks_at_the_grey_of_equal_mean(space):
    space, rgb = colour_space(space), random_image(5, 4)
    grey = rgb.mean(0, keepdim=True).expand_as(rgb)
    found = luminance_only(smooth_function, space)(space.from_srgb(rgb))
    expected = smooth_function(space.from_srgb(grey))
    torch.testing.assert_close(found.loss, expected.loss, rtol=1e-12, atol=0)


def test_what_is_painted_in_luminance_has_the_photographs_chroma(photo, painting):
    muted = Picture(0.5 + 0.15 * (photo.pixels - 0.5))  # so that all colours fit
    how = {"colour": "keep", "colour_method": "luminance", "content_weight": 0.0}
    result = impasto.stylize(muted, painting, **QUICK, **how)
    found, goal = to_oklab(result.image.pixels), to_oklab(muted.pixels)
    apart = (found - goal)[1:].norm(dim=0)
    assert apart.quantile(0.9) < 1e-3
    assert (found - goal)[0].abs().max() > 0.01  # and a lightness of its own


def test_kept_colours_do_not_change_the_run(photo, painting):
    plain, coloured = (
        impasto.stylize(photo, painting, **QUICK, colour=colour) for colour in ("style", "keep")
    )
    assert [s.loss for s in plain.steps] == [s.loss for s in coloured.steps]
    assert not torch.equal(plain.image.pixels, coloured.image.pixels)
    without = impasto.stylize(photo, painting, **QUICK, colour="keep", colour_strength=0)
    assert torch.equal(without.image.pixels, plain.image.pixels)


# --- colours matched ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["auto", "linear", "histogram"])
def test_the_painting_is_matched_before_it_is_measured(method):
    settings = Settings.of(size=96, colour="match", colour_method=method)
    run = Run("sample:astronaut", "sample:swirl", settings)
    pair = run.inputs.at(run.inputs.stages[-1])
    (style,) = pair.styles
    own = fit(read(samples.sample("swirl")), max(style.shape)).pixels
    assert (style - own).abs().mean() > 0.05
    found, goal, before = (Palette.of(x) for x in (style, pair.content, own))
    assert (found.mean - goal.mean).abs().max() < 0.03
    assert (before.mean - goal.mean).abs().max() > 0.05
    apart, once = ((p.covariance - goal.covariance).norm() for p in (found, before))
    assert apart < 0.4 * once  # less what was clipped
    if method == "histogram":
        assert (quantiles(style) - quantiles(pair.content)).abs().mean() < 0.01


@pytest.mark.parametrize("method", ["linear", "histogram"])
def test_matched_by_nothing_is_the_painting(method, photo, painting):
    plain = impasto.stylize(photo, painting, **QUICK)
    matched = impasto.stylize(
        photo, painting, **QUICK, colour="match", colour_method=method, colour_strength=0
    )
    assert torch.equal(matched.image.pixels, plain.image.pixels)


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_colours_are_matched_as_far_as_is_said(strength, photo, painting):
    def style(**overrides):
        inputs = Run(photo, painting, Settings.of(**QUICK, **overrides)).inputs
        return inputs.at(inputs.stages[-1]).styles[0]

    whole = style(colour="match")
    found = style(colour="match", colour_strength=strength)
    torch.testing.assert_close(found, style().lerp(whole, strength))


@pytest.mark.parametrize("colour", ["keep", "match"])
def test_colours_take_a_photograph(colour, painting):
    message = f"colour is '{colour}', which takes a content and a style"
    with pytest.raises(SettingsError, match=message):
        impasto.texture(painting, size=48, iterations=1, colour=colour)


@pytest.mark.parametrize(
    ("colour", "method", "expected"),
    [
        ("style", "linear", "auto"),
        ("style", "luminance", "auto"),
        ("keep", "linear", "auto, afterwards, luminance"),
        ("keep", "histogram", "auto, afterwards, luminance"),
        ("match", "luminance", "auto, linear, histogram"),
        ("match", "afterwards", "auto, linear, histogram"),
    ],
)
def test_methods_are_those_of_the_colours(colour, method, expected):
    message = f"^colour_method is {method!r}; with colour {colour} expected one of {expected}$"
    with pytest.raises(SettingsError, match=message):
        Settings.of(colour=colour, colour_method=method)


@pytest.mark.parametrize(("colour", "method"), KEPT + MATCHED)
def test_resumed_in_colours_is_uninterrupted(colour, method, photo, painting, tmp_path):
    settings = Settings.of(**QUICK, tile="off", colour=colour, colour_method=method, finish="grain")
    whole = Run(photo, painting, settings)
    for _ in whole:
        pass
    for at in (2, 4):
        second = resumed(Run(photo, painting, settings), at, photo, painting, settings, tmp_path)
        for _ in second:
            pass
        assert torch.equal(second.result().image.pixels, whole.result().image.pixels)


# --- finish ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("finish", EFFECTS.names())
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_finish_is_a_last_touch(finish, strength, photo, painting):
    plain = impasto.stylize(photo, painting, **QUICK)
    found = impasto.stylize(photo, painting, **QUICK, finish=finish, finish_strength=strength)
    assert [step.loss for step in found.steps] == [step.loss for step in plain.steps]
    content = fit(photo, 48).pixels
    expected = applied(EFFECTS.get(finish), plain.image.pixels, strength, content)
    torch.testing.assert_close(found.image.pixels, expected, rtol=0, atol=1e-6)
    same = finish == "none" or strength == 0
    assert torch.equal(found.image.pixels, plain.image.pixels) == same


def test_a_finish_comes_after_the_colours(photo, painting):
    how = {"colour": "keep", **QUICK}
    coloured = impasto.stylize(photo, painting, **how).image.pixels
    found = impasto.stylize(photo, painting, **how, finish="relief", finish_strength=0.7)
    expected = EFFECTS.get("relief")(coloured, 0.7)
    torch.testing.assert_close(found.image.pixels, expected, rtol=0, atol=1e-6)


def test_a_finish_does_not_pass_from_scale_to_scale(photo, painting):
    how = {**QUICK, "scales": "0.7,1"}
    plain, found = (
        impasto.stylize(photo, painting, **how, finish=finish) for finish in ("none", "grain")
    )
    assert [step.loss for step in found.steps] == [step.loss for step in plain.steps]


# --- identity and extremes ------------------------------------------------------------------------


@pytest.mark.parametrize("loss", STYLE_LOSSES.names())
def test_a_picture_in_its_own_style_is_itself(loss):
    """The recipe `standard`, at the picture's own size; its smoothness alone is at work."""
    content = sample("coffee", 96)
    how = {"size": 96, "iterations": 24, "style_scale": 1.0, "style_loss": loss, "threads": 1}
    assert psnr(impasto.stylize(content, content, **how).image.pixels, content.pixels) > 28.5


@pytest.mark.parametrize("weighting", ["absolute", "relative"])
@pytest.mark.parametrize(
    ("content", "style"),
    [
        (smooth_picture(80, 64), flat(64, 64, 0.5)),
        (smooth_picture(80, 64), flat(1, 1, 0.2)),
        (smooth_picture(80, 64), smooth_picture(64, 64, 1.0)),
        (flat(80, 64, 0), smooth_picture(64, 64, 1.0)),
        (flat(80, 64, 1), smooth_picture(64, 64, 1.0)),
        (flat(80, 64, 0), flat(64, 64, 0)),
    ],
    ids=["grey style", "dot style", "small style", "black", "white", "nothing"],
)
def test_extreme_pictures(content, style, weighting):
    """The losses with the presets' weighting meet the real features, all else the tiny ones."""
    how = {"size": 80, "iterations": 2, "threads": 1, "weighting": weighting, "average": 0.5}
    encoder = "vgg19" if weighting == "relative" else "tiny"
    for loss in STYLE_LOSSES.names():
        assert sensible(
            impasto.stylize(content, style, **how, style_loss=loss, encoder=encoder).image
        )
    how["encoder"] = "tiny"
    for colour, method in KEPT + MATCHED:
        colours = {"colour": colour, "colour_method": method, "strength": 0.5, "finish": "relief"}
        assert sensible(impasto.stylize(content, style, **how, **colours).image)


@pytest.mark.parametrize("weighting", ["absolute", "relative"])
@pytest.mark.parametrize("absent", ["content_weight", "style_weight", "tv_weight"])
def test_a_term_without_weight(absent, weighting, photo, painting):
    result = impasto.stylize(photo, painting, **QUICK, weighting=weighting, **{absent: 0})
    name = {"content_weight": "content", "style_weight": "style", "tv_weight": "variation"}[absent]
    assert all(step.terms[name] == 0 for step in result.steps)
    assert sensible(result.image)


@pytest.mark.parametrize(
    "overrides",
    [
        {"size": 900, "scales": "1"},
        {"size": 900, "smallest": 500},
        {"size": 0, "scales": "0.6,1", "colour": "keep", "finish": "relief"},
    ],
)
def test_a_panorama(overrides, painting):
    panorama = smooth_picture(900, 30)
    how = {**QUICK, "iterations": 2, "style_scale": 0.1, "precision": "auto", **overrides}
    result = impasto.stylize(panorama, painting, **how)
    assert result.image.size == (900, 30)
    assert sensible(result.image)


def test_a_panorama_too_flat_says_what_would_do(painting):
    """Larger, it would still begin as small; the cures that are named do help (see above)."""
    panorama = smooth_picture(900, 30)
    with pytest.raises(ImageTooSmall, match=r"318x11 px at the smallest scale.*raise smallest"):
        impasto.stylize(panorama, painting, size=900)
    with pytest.raises(ImageTooSmall, match=r"300x10 px at this size.*raise size"):
        impasto.stylize(panorama, painting, size=300)
    with pytest.raises(ImpastoError, match=r"raise size or style_scale"):
        impasto.stylize(painting, panorama, **QUICK)
