"""Terms from outside: a few lines each, painted with, and in windows as on the whole canvas."""

import threading
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import Tensor

import impasto
from conftest import random_image, tiny_weights
from impasto.encoder import Encoder
from impasto.errors import Cancelled, SettingsError
from impasto.images import Picture
from impasto.images.spaces import CAFFE, SPACES
from impasto.objective import Objective, StyleCache, measure_statistics
from impasto.objective.terms import ReferenceTerm, reference
from impasto.objective.tiles import Tiling
from impasto.run import Run, Step
from impasto.settings import Settings
from impasto.settings.variants import STYLE_LOSSES
from support.objectives import make_objective
from support.terms import MeanActivation

STYLE = {"relu1_1": 50.0, "relu3_1": 20.0}
SMALL = {"size": 48, "iterations": 4, "style_loss": "gram", "scales": "1", "precision": "fp32"}
TAPS = {"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1"}


# --- what a newcomer writes -----------------------------------------------------------------------


@dataclass(frozen=True)
class Sparsity:
    """w·Σ f² at a tap: a sum over positions."""

    weight: float = 1e-6
    taps: tuple = ("relu2_1",)
    name: str = "sparsity"

    def value_and_cotangents(self, tile):
        features = tile.core(self.taps[0])
        return self.weight * features.square().sum(), {self.taps[0]: 2 * self.weight * features}


@dataclass(frozen=True)
class Brightness:
    """w·mean (x - level)²: of the canvas itself."""

    level: float
    weight: float = 1.0
    name: str = "brightness"

    def add(self, canvas, gradient):
        off = canvas - self.level
        gradient.add_(off, alpha=2 * self.weight / off.numel())
        return self.weight * off.square().mean()


OURS = [MeanActivation(0.4, 30.0), Sparsity(), Brightness(20.0, 0.01)]


def tiny(dtype=torch.float64):
    return Encoder(tiny_weights(dtype=torch.float32), dtype=dtype)


def features_of(canvas, tap):
    return tiny().features(canvas, [tap], CAFFE)[1][tap]


def test_each_adds_its_value():
    canvas = CAFFE.from_srgb(random_image(40, 52, 3))
    at = Objective(tiny(), OURS)(canvas)
    assert [*at.terms] == ["activation", "sparsity", "brightness"]
    f, s = features_of(canvas, "relu3_1"), features_of(canvas, "relu2_1")
    torch.testing.assert_close(at.terms["activation"], 30 * (f.mean() - 0.4) ** 2)
    torch.testing.assert_close(at.terms["sparsity"], 1e-6 * (s**2).sum())
    torch.testing.assert_close(at.terms["brightness"], 0.01 * ((canvas - 20) ** 2).mean())
    torch.testing.assert_close(at.loss, sum(at.terms.values()))


@pytest.mark.parametrize("term", [*OURS, None], ids=lambda term: getattr(term, "name", "all"))
@pytest.mark.parametrize("tile", [None, 40])
def test_the_gradient_is_the_slope(term, tile):
    content, style = random_image(60, 70, 1), random_image(30, 40, 2)
    terms = {"more": [term] if term else OURS, "tiling": Tiling(tile)}
    if term is None:
        terms |= {"content_weights": {"relu2_2": 2.0}, "style_weights": STYLE}
    function = make_objective(tiny(), content, style, **terms)
    canvas = CAFFE.from_srgb(random_image(60, 70, 3))
    way = random_image(60, 70, 4) - 0.5
    step = 1e-5
    above, below = (function(canvas + sign * step * way).loss for sign in (1, -1))
    slope = (function(canvas).gradient * way).sum()
    torch.testing.assert_close(slope, (above - below) / (2 * step), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("tiling", [Tiling(40), Tiling(44, tapes=3), Tiling(40, 99, False)])
def test_in_windows_as_on_the_whole_canvas(tiling):
    content, style = random_image(90, 80, 1), random_image(30, 40, 2)
    canvas = CAFFE.from_srgb(random_image(90, 80, 3))
    function = make_objective(
        tiny(), content, style, content_weights={"relu2_2": 2.0}, style_weights=STYLE, more=OURS
    )
    whole, tiled = function(canvas), function.retiled(tiling)(canvas)
    for name, value in whole.terms.items():
        torch.testing.assert_close(tiled.terms[name], value, rtol=1e-10, atol=0)
    assert (tiled.gradient - whole.gradient).norm() < 1e-10 * whole.gradient.norm()


@pytest.mark.parametrize("term", OURS, ids=lambda term: term.name)
def test_it_paints(term, photo, painting):
    """Its name is in steps and traces, and painting lowers it."""
    settings = Settings.of(**SMALL, **TAPS, content_weight=0, style_weight=0, tv_weight=0)
    run = Run(photo, painting, settings, encoder=tiny(torch.float32), terms=[lambda _: term])
    first, *_, last = run
    assert [*first.terms] == ["content", "style", "variation", term.name]
    assert last.terms[term.name] < 0.9 * first.terms[term.name]
    assert last.line()[term.name] == last.terms[term.name] == pytest.approx(last.loss)


def test_a_style_loss_paints_in_windows_as_whole(monkeypatch, photo, painting):
    monkeypatch.setattr(STYLE_LOSSES, "_found", dict(STYLE_LOSSES._found))

    @impasto.style_loss("means", reads={"mean"})
    def means(canvas, style):
        return (canvas.mean - style.mean).square().mean()

    settings = Settings.of(**{**SMALL, **TAPS, "style_loss": "means", "precision": "fp32"})
    losses = []
    for tile in ("off", "32"):
        run = Run(photo, painting, settings.replaced(tile=tile), encoder=tiny(torch.float32))
        losses.append([step.terms["style"] for step in run])
    assert losses[0][-1] < losses[0][0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_a_third_kind_of_statistic_is_one_class(monkeypatch, photo, painting):
    """Largest features, which no sum tells: measured, blended, compared, planned for."""

    @dataclass(frozen=True, eq=False)
    class Peaks:
        peaks: Tensor
        count: float | Tensor

        @classmethod
        def needs(cls, reads):
            return frozenset()

        @classmethod
        def of(cls, features, needs=(), weights=None):
            count = features[0, 0].numel() if weights is None else weights.sum()
            return cls(features[0].flatten(1).float().amax(1), count)

        @classmethod
        def collector(cls, positions, needs):
            return Largest()

        @classmethod
        def extra_bytes(cls, shapes, itemsize):
            planned.append(shapes)
            return 0

        def __add__(self, other):
            return Peaks(torch.maximum(self.peaks, other.peaks), self.count + other.count)

        def times(self, factor):
            return Peaks(self.peaks, self.count * factor)

        def blank(self):
            return Peaks(torch.zeros_like(self.peaks), self.count)

        def value_and_gradient(self, loss):
            leaf = self.peaks.detach().requires_grad_()
            with torch.enable_grad():
                value = loss(Peaks(leaf, self.count))
                (slope,) = torch.autograd.grad(value, leaf)
            return value.detach(), AtPeaks(self.peaks, slope)

    @dataclass(frozen=True, eq=False)
    class AtPeaks:
        peaks: Tensor
        slope: Tensor

        def add(self, into, features, weights, index):
            there = features == self.peaks.to(features)[:, None, None]
            into.add_(there * self.slope.to(into)[:, None, None])

    class Largest:
        def __init__(self):
            self.found = []

        def add(self, core, weights, place):
            self.found.append(Peaks.of(core, (), weights))

        def statistic(self):
            return sum(self.found[1:], self.found[0])

    planned = []
    monkeypatch.setattr(STYLE_LOSSES, "_found", dict(STYLE_LOSSES._found))

    @impasto.style_loss("peaks", of=Peaks)
    def peaks(canvas, style):
        return (canvas.peaks - style.peaks).square().mean()

    chosen = {**SMALL, **TAPS, "style_loss": "peaks", "content_weight": 0, "strength": 0.9}
    run = Run(photo, painting, Settings.of(**chosen), encoder=tiny(torch.float32))
    first, *_, last = run
    assert last.terms["style"] < first.terms["style"]
    assert planned


# --- the list -------------------------------------------------------------------------------------


def test_names_differ_and_terms_are_terms():
    with pytest.raises(SettingsError, match="two terms are called 'sparsity'"):
        Objective(tiny(), [Sparsity(), Sparsity(2.0)])
    with pytest.raises(SettingsError, match="int is no term"):
        Objective(tiny(), [3])


@pytest.mark.parametrize("name", ["loss", "seconds", "style"])
def test_a_name_is_not_that_of_another_value(name, photo, painting):
    settings = Settings.of(**{**SMALL, **TAPS})
    term = Brightness(0.0, name=name)
    run = Run(photo, painting, settings, encoder=tiny(torch.float32), terms=[lambda _: term])
    with pytest.raises(SettingsError, match=f"called '{name}'"):
        next(iter(run))


def test_no_terms_are_zero():
    at = Objective(tiny(), [])(random_image(9, 8))
    assert at.loss == 0
    assert at.terms == {}
    assert not at.gradient.any()


# --- the squared difference to a picture ----------------------------------------------------------


@pytest.mark.parametrize("mapped", [False, True])
def test_reference_is_its_formula(mapped):
    canvas, picture = random_image(5, 7, 1).requires_grad_(), random_image(5, 7, 2)
    where = random_image(5, 7, 3)[0] if mapped else None
    expected = 3.0 * ((1 if where is None else where) * (canvas - picture) ** 2).sum() / (3 * 5 * 7)
    expected.backward()
    gradient = torch.ones_like(canvas)
    value = ReferenceTerm(picture, where, weight=3.0).add(canvas.detach(), gradient)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient - 1, canvas.grad, rtol=1e-12, atol=1e-15)


def test_reference_holds_a_part_of_the_canvas(photo, painting):
    """As the frame before holds a film's: where the map is white the canvas stays near it."""
    where = torch.zeros(40, 48)
    where[:, :24] = 1
    distances = {}
    for weight in (0.0, 300.0):
        held = reference(photo.pixels, where, weight=weight, name="temporal")
        settings = Settings.of(**{**SMALL, **TAPS, "iterations": 8, "init": "content"})
        run = Run(photo, painting, settings, encoder=tiny(torch.float32), terms=[held])
        *_, last = run
        apart = (last.picture().pixels - photo.pixels).square().mean(0)
        distances[weight] = apart[:, :20].mean(), apart[:, 28:].mean()
    assert distances[300.0][0] < distances[0.0][0] / 100
    assert distances[300.0][1] > distances[0.0][1] / 10


@pytest.mark.parametrize("space", SPACES)
def test_reference_is_brought_to_each_scale(space, photo, painting):
    held = reference(photo.pixels, torch.ones(20, 24), weight=1.0)
    settings = Settings.of(
        **{**SMALL, **TAPS, "scales": "0.5,1", "init": "content", "iterations": 0, "space": space}
    )
    run = Run(photo, painting, settings, encoder=tiny(torch.float32), terms=[held])
    small, large = run
    expected = (large.canvas - SPACES[space].from_srgb(photo.pixels)).square().mean()
    assert large.terms["reference"] == pytest.approx(float(expected), rel=1e-5)
    assert 0 < small.terms["reference"] < 100 * large.terms["reference"]


def test_the_style_of_a_part_weighs_as_the_style_does_there(photo, painting):
    """Of all of the canvas it is the style term; of two parts, those of two regions."""
    whole, left = torch.ones(40, 48), torch.zeros(40, 48)
    left[:, :24] = 1
    parts = {"again": whole, "left": left, "right": whole - left}
    settings = Settings.of(**SMALL, **TAPS, init="content")
    terms = [
        partial(lambda part, name, c: c.style(part, name, 1.0), p, n) for n, p in parts.items()
    ]
    first = next(iter(Run(photo, painting, settings, encoder=tiny(torch.float32), terms=terms)))
    regions = {"content_masks": [Picture(each.expand(3, -1, -1)) for each in (left, whole - left)]}
    divided = Run(photo, [painting] * 2, settings, encoder=tiny(torch.float32), **regions)
    sides = first.terms["left"] + first.terms["right"]
    assert first.terms["again"] == pytest.approx(first.terms["style"], rel=1e-5)
    assert sides == pytest.approx(next(iter(divided)).terms["style"], rel=1e-5)


def test_a_map_of_another_size_is_refused():
    with pytest.raises(SettingsError, match=r"weight map is \(5, 6\); its picture needs \(5, 7\)"):
        ReferenceTerm(random_image(5, 7), random_image(5, 6)[0])


# --- styles are known by what they are ------------------------------------------------------------


def masked(style, *masks):
    """The style term of a run with these masks, left and right."""
    content = impasto.Picture(random_image(40, 48, 5, torch.float32))
    left = torch.zeros(40, 48)
    left[:, :24] = 1
    settings = Settings.of(**{**SMALL, **TAPS, "iterations": 0, "content_weight": 0})
    run = Run(
        content,
        style,
        settings,
        content_masks=[left.numpy(), 1 - left.numpy()],
        style_masks=list(masks),
        encoder=tiny(torch.float32),
    )
    return next(iter(run)).terms["style"]


def test_masks_that_differ_in_transparency_alone_are_two():
    style = impasto.Picture(random_image(40, 48, 6, torch.float32))
    white, top = torch.ones(3, 40, 48), torch.zeros(40, 48)
    top[:20] = 1
    transparent = [impasto.Picture(white, alpha) for alpha in (top, 1 - top)]
    opaque = [impasto.Picture(alpha.expand(3, -1, -1).clone()) for alpha in (top, 1 - top)]
    expected = masked(style, *opaque)
    assert masked(style, *transparent) == pytest.approx(expected, rel=1e-6)
    assert masked(style, transparent[0], transparent[0]) != pytest.approx(expected, rel=1e-3)


def counted(monkeypatch):
    calls = []

    def measure(*arguments, **options):
        calls.append(arguments)
        return measure_statistics(*arguments, **options)

    monkeypatch.setattr("impasto.run.objective.measure_statistics", measure)
    return calls


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        ({"colour": "keep", "colour_method": "afterwards"}, 1),
        ({"colour": "keep", "colour_method": "luminance"}, 2),
        ({}, 1),
    ],
)
def test_contents_share_a_style_unless_they_change_it(settings, times, painting, monkeypatch):
    calls, cache = counted(monkeypatch), StyleCache()
    for seed in (1, 2):
        content = impasto.Picture(random_image(40, 48, seed, torch.float32))
        chosen = Settings.of(**SMALL, **TAPS, **settings).replaced(iterations=0)
        list(Run(content, painting, chosen, encoder=tiny(torch.float32), cache=cache))
    assert len(calls) == times


def test_networks_are_known_by_their_weights(photo, painting, monkeypatch):
    calls, cache = counted(monkeypatch), StyleCache()
    settings = Settings.of(**{**SMALL, **TAPS, "iterations": 0})
    for seed in (0, 0, 1):
        encoder = Encoder(tiny_weights(seed=seed, dtype=torch.float32))
        list(Run(photo, painting, settings, encoder=encoder, cache=cache))
    assert len(calls) == 2


# --- ambient state, cancelling --------------------------------------------------------------------


@pytest.mark.parametrize("name", STYLE_LOSSES.names())
@pytest.mark.parametrize(
    "state",
    [torch.inference_mode, torch.no_grad, torch.enable_grad, lambda: torch.device("meta")],
    ids=["inference", "no_grad", "grad", "device"],
)
def test_ambient_state_makes_no_difference(name, state):
    content, style = random_image(40, 48, 1), random_image(30, 40, 2)
    chosen = {"content_weights": {"relu2_2": 2.0}, "style_weights": STYLE}
    loss = STYLE_LOSSES.get(name)

    def evaluated():
        canvas = CAFFE.from_srgb(random_cpu_image())
        return make_objective(tiny(), content, style, style_loss=loss, **chosen)(canvas)

    def random_cpu_image():
        generator = torch.Generator("cpu").manual_seed(3)
        return torch.rand(3, 40, 48, generator=generator, dtype=torch.float64, device="cpu")

    expected = evaluated()
    with state():
        if state.__name__ == "<lambda>":
            found = make_objective(tiny_before, content, style, style_loss=loss, **chosen)(
                CAFFE.from_srgb(random_cpu_image())
            )
        else:
            found = evaluated()
    assert torch.equal(found.loss, expected.loss)
    assert torch.equal(found.gradient, expected.gradient)


tiny_before = tiny()


@pytest.mark.parametrize("name", STYLE_LOSSES.names())
def test_the_default_dtype_makes_no_difference(name):
    content, style = (random_image(40, 48, seed, torch.float32) for seed in (1, 2))
    canvas = CAFFE.from_srgb(random_image(40, 48, 3, torch.float32))

    def evaluated():
        loss = STYLE_LOSSES.get(name)
        return make_objective(
            tiny(torch.float32), content, style, content_weights={"relu2_2": 2.0},
            style_weights=STYLE, style_loss=loss,
        )(canvas)  # fmt: skip

    expected = evaluated()
    torch.set_default_dtype(torch.float64)
    try:
        found = evaluated()
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.loss.dtype == expected.loss.dtype
    assert torch.equal(found.loss, expected.loss)
    assert torch.equal(found.gradient, expected.gradient)


class Counting(Encoder):
    """Counts forward passes, and tells at the third."""

    def features(self, *arguments, **options):
        self.passes = getattr(self, "passes", 0) + 1
        if self.passes == self.stop_at:
            self.reached.set()
            assert self.told.wait(60)
        return super().features(*arguments, **options)


@pytest.mark.parametrize("stop_at", [3, 40])
def test_cancelling_from_another_thread_ends_an_evaluation_within_one_tile(stop_at):
    """In the measuring pass and in the pullback."""
    encoder = Counting(tiny_weights(dtype=torch.float32))
    encoder.stop_at, encoder.passes = 0, 0
    encoder.reached, encoder.told = threading.Event(), threading.Event()
    cancelled = threading.Event()

    def check():
        if cancelled.is_set():
            raise Cancelled("the run was told to stop")

    style = random_image(40, 40, 1, torch.float32)
    function = make_objective(
        encoder, None, style, style_weights=STYLE, tiling=Tiling(48), check=check
    )
    canvas = CAFFE.from_srgb(random_image(120, 200, 3, torch.float32))
    encoder.passes = 0
    function(canvas)
    assert encoder.passes > 40
    encoder.passes, encoder.stop_at = 0, stop_at

    def cancel():
        encoder.reached.wait(60)
        cancelled.set()
        encoder.told.set()

    other = threading.Thread(target=cancel)
    other.start()
    with pytest.raises(Cancelled):
        function(canvas)
    other.join()
    assert encoder.passes == stop_at


def test_a_run_hears_it_between_tiles(photo, painting):
    """Cancelled in the middle of an evaluation, a run keeps the step before."""
    encoder = Counting(tiny_weights(dtype=torch.float32))
    encoder.stop_at, encoder.passes = 0, 0
    settings = Settings.of(**{**SMALL, **TAPS, "tile": "32", "iterations": 9})
    run = Run(photo, painting, settings, encoder=encoder)
    features = encoder.features

    def cancelling(*arguments, **options):
        if run.done == 1:
            run.cancel()
            after.append(1)
        return features(*arguments, **options)

    after = []
    encoder.features = cancelling
    events = list(run.events())
    assert events[-1].reason == "cancelled"
    assert len(after) == 1
    assert max(event.iteration for event in events if isinstance(event, Step)) == 1


@pytest.mark.parametrize("space", SPACES)
def test_a_relative_reference_weighs_alike_in_every_space_and_contrast(space, photo, painting):
    """1 for a canvas of the picture's mean colour, whatever the picture."""
    pixels = SPACES[space].to_srgb(
        SPACES[space].from_srgb(photo.pixels).mean((1, 2), keepdim=True).expand(photo.pixels.shape)
    )
    held = reference(photo.pixels, weight=1.0, relative=True)
    settings = Settings.of(**{**SMALL, **TAPS, "iterations": 0, "space": space})
    run = Run(photo, painting, settings, init=pixels, encoder=tiny(torch.float32), terms=[held])
    (step,) = run
    assert step.terms["reference"] == pytest.approx(1.0, rel=1e-4)
