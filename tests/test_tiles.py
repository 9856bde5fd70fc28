"""Laws of windows: they cover every position once, and add up to the whole, to the last digits."""

from itertools import product

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conftest import TINY, random_image, tiny_weights
from impasto.encoder import ARCHITECTURES, PADDINGS, POOLINGS, Encoder, Ends, Halo
from impasto.errors import SettingsError
from impasto.images.spaces import colour_space
from impasto.objective import measure_statistics
from impasto.objective.statistics import Moments
from impasto.objective.style_losses import GRAMS
from impasto.objective.terms import variation as variation_module
from impasto.objective.terms.variation import VARIATIONS
from impasto.objective.tiles import Span, Tiling, min_tile, windows
from support.costs import tiled_cost
from support.objectives import VARIATION_ORACLE, full, make_objective

NET, VGG19 = TINY["vgg19"], ARCHITECTURES["vgg19"]


def relative(a, b):
    return float((a - b).double().norm() / b.double().norm().clamp_min(1e-300))


def objective(shape, content, style, *, dtype, tiling, network="vgg19", **choices):
    return make_objective(
        Encoder(tiny_weights(network), dtype=dtype, **choices),
        random_image(*shape, 1, dtype),
        random_image(41, 38, 2, dtype),
        content_weights=full(3.0, content),
        style_weights=full(50.0, style),
        variation=(0.2, "l2-mean"),
        tiling=tiling,
    )


@st.composite
def tiled(draw, network, taps):
    """A size, and a tile that leaves room for a core."""
    size = draw(st.tuples(st.integers(16, 260), st.integers(16, 200)))
    least = min_tile(TINY[network], taps)
    return size, draw(st.integers(least, least + 60))


@settings(max_examples=40)
@given(data=st.data())
def test_tiled_is_whole(data):
    network = data.draw(st.sampled_from(sorted(TINY)), label="network")
    names = st.sampled_from(TINY[network].taps[:-1])
    content = dict.fromkeys(data.draw(st.sets(names, max_size=2), label="content"), 0.7)
    style = dict.fromkeys(data.draw(st.sets(names, max_size=4), label="style"), 0.5)
    assume(content or style)
    size, tile = data.draw(tiled(network, [*content, *style]), label="size, tile")
    choices = {
        "pooling": data.draw(st.sampled_from(sorted(POOLINGS)), label="pooling"),
        "padding": data.draw(st.sampled_from(PADDINGS), label="padding"),
    }
    tapes, keep = data.draw(st.integers(0, 5)), data.draw(st.booleans())
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32]), label="dtype")
    canvas = colour_space("caffe").from_srgb(random_image(*size, 3, dtype))
    make = {"dtype": dtype, "network": network, **choices}
    whole = objective(size, content, style, tiling=Tiling(), **make)(canvas)
    parts = objective(size, content, style, tiling=Tiling(tile, tapes, keep), **make)(canvas)
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    assert relative(parts.loss, whole.loss) < tolerance
    for name, term in whole.terms.items():
        assert relative(parts.terms[name], term) < tolerance
    if dtype == torch.float64:
        assert relative(parts.gradient, whole.gradient) < tolerance
    else:  # a ReLU or a pooling that hangs on the last digit may flip: none of any weight does
        assert relative(parts.gradient, whole.gradient) < 10 * tolerance


@pytest.mark.parametrize("loss", GRAMS)
def test_every_style_loss_is_tiled(loss):
    pictures = random_image(150, 190, 1), random_image(40, 50, 2)
    taps = ("relu1_1", "relu3_1", "relu4_1")
    terms = {"style_weights": dict.fromkeys(taps, 1.0), "style_normalisation": loss}
    encoder, canvas = Encoder(tiny_weights(), dtype=torch.float64), random_image(150, 190, 3) * 99
    whole = make_objective(encoder, *pictures, **terms)
    at, tiled = whole(canvas), whole.retiled(Tiling(120))(canvas)
    assert relative(tiled.gradient, at.gradient) < 1e-10
    assert relative(tiled.loss, at.loss) < 1e-10


def test_style_is_measured_in_windows():
    picture, taps = random_image(170, 205), ("relu1_1", "pool2", "conv4_1")
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    whole, tiled = (
        measure_statistics(encoder, picture, taps),
        measure_statistics(encoder, picture, taps, 130),
    )
    for tap in taps:
        assert tiled[tap].count == whole[tap].count
        torch.testing.assert_close(tiled[tap].outer, whole[tap].outer, rtol=1e-12, atol=0)
        torch.testing.assert_close(tiled[tap].total, whole[tap].total, rtol=1e-12, atol=0)


@settings(max_examples=50)
@given(
    size=st.tuples(st.integers(16, 300), st.integers(16, 300)),
    room=st.integers(0, 100),
    deepest=st.sampled_from(NET.taps[:-1]),
)
def test_each_position_lies_in_one_core(size, room, deepest):
    taps = [tap for tap in NET.taps if NET.taps.index(tap) <= NET.taps.index(deepest)]
    tile = min_tile(NET, taps) + room
    parts = windows(size, NET, tuple(taps), tile)
    for tap in taps:
        step = NET.stride(tap)
        seen = torch.zeros(size[0] // step, size[1] // step, dtype=torch.int)
        for window in parts:
            rows, columns = (
                slice(span.start // step, span.stop // step)
                for span in (window.rows, window.columns)
            )
            seen[rows, columns] += 1
            for span in (window.rows, window.columns):
                part = span.core(NET, tap, window.halos[tap])
                assert 0 <= part.start <= part.stop
        assert (seen == 1).all()
    assert all(s.high - s.low <= tile for w in parts for s in (w.rows, w.columns))


def test_halo_is_what_the_network_looks_at():
    """Every pixel of the halo matters, none beyond it does: by autograd's oracle, the pullback."""
    encoder = Encoder(tiny_weights(), pooling="avg", dtype=torch.float64)
    for tap in ("conv1_1", "relu2_1", "pool2", "relu3_4", "relu4_2", "relu5_1"):
        step, halo = NET.stride(tap), NET.halos([tap])["image"].before
        image = random_image(2 * (halo + step) + step, 40)
        tape, features = encoder.features(image, [tap])
        position = (halo + step) // step  # the first at or after halo + step pixels
        one = torch.zeros_like(features[tap])
        one[:, :, position] = random_image(*one[0, :, position].shape)[:1]
        rows = encoder.pullback(tape, {tap: one}).abs().sum((0, 2)).nonzero().flatten()
        assert rows[0] == position * step - halo
        assert rows[-1] == min((position + 1) * step + halo, len(image[0])) - 1


def test_published_halos():
    """By hand: 2 + 2·2 + 4·4 + 4·8 + 16 for relu5_1, all of it in pixels."""
    assert VGG19.halos(["relu5_1"])["image"] == (70, 70)
    assert VGG19.halos(["relu4_2"])["image"].after == 2 + 4 + 16 + 16
    assert VGG19.halos(["relu1_1"])["image"] == (1, 1)
    halos = VGG19.halos(["relu5_1", "relu1_1"])
    taps = ("relu5_1", "pool4", "conv4_1", "relu1_1")
    assert [halos[tap].before for tap in taps] == [0, 1, 5, 69]


def test_the_halo_is_the_smallest_on_the_grid():
    """Cut at one end, a window begins a step later at the cost of exactness."""
    tap, step, halo = "relu5_1", 16, NET.halos(["relu5_1"])["image"].before
    image = random_image(320, 32)
    encoder = Encoder(tiny_weights(), pooling="avg", dtype=torch.float64)
    whole = encoder.features(image, [tap])[1][tap]

    def core(low):
        """Positions 10 to 20 of the tap, seen from a window that begins at `low`."""
        ends = Ends((True, False), (False, False))
        features = encoder.features(image[:, low:], [tap], ends=ends)[1][tap]
        return features[:, :, 10 - low // step :]

    exact = Span.around(160, 320, 320, Halo(halo, halo), step).low
    assert exact == 80
    assert relative(core(exact), whole[:, :, 10:]) < 1e-12
    assert relative(core(exact + step), whole[:, :, 10:]) > 1e-9


def test_cut_at_both_ends_nothing_but_the_core_is_left():
    tap, halo = "relu5_1", NET.halos(["relu5_1"])["image"].before
    image = random_image(320, 32)
    encoder = Encoder(tiny_weights(), dtype=torch.float64)
    whole = encoder.features(image, [tap])[1][tap]
    span = Span.around(160, 176, 320, Halo(halo, halo), 16)
    assert (span.low, span.high) == (160 - halo, 176 + halo)
    ends = Ends(span.cut, (False, False))
    seen = encoder.features(image[:, span.low : span.high], [tap], ends=ends)[1][tap]
    assert seen.shape[2] == 1
    assert relative(seen, whole[:, :, 10:11]) < 1e-12


@pytest.mark.parametrize(("tile", "most"), [(512, 2.6), (1024, 2.0), (2048, 1.8)])
def test_cost_of_a_tiled_evaluation(tile, most):
    assert 1 < tiled_cost(8192, tile) < most


def test_tapes_that_are_kept_cost_nothing_twice():
    looks = []

    class Counting(Encoder):
        def features(self, *arguments, **options):
            looks.append(arguments)
            return super().features(*arguments, **options)

    encoder = Counting(tiny_weights(), dtype=torch.float64)
    canvas = random_image(200, 90)
    of_style = make_objective(
        encoder, None, random_image(40, 40, 1), style_weights={"relu3_1": 1.0}
    )
    parts = len(windows((200, 90), NET, ("relu3_1",), 70))
    assert parts > 4
    for tapes, more in ((1, parts - 1), (3, parts - 3), (parts, 0)):
        tiled = of_style.retiled(Tiling(70, tapes))
        looks.clear()
        tiled(canvas)
        assert len(looks) == parts + more


def test_too_small_a_tile():
    with pytest.raises(SettingsError, match="tile is 64 px; these layers need at least 166"):
        windows((400, 400), VGG19, ("relu5_1",), 64)
    assert min_tile(VGG19, ["relu5_1"]) == 166


@pytest.mark.parametrize("size", [*product((40, 166, 167, 311, 331), repeat=2)])
def test_the_min_tile_always_fits(size):
    assert windows(size, VGG19, ("relu5_1",), min_tile(VGG19, ["relu5_1"]))


@pytest.mark.parametrize("name", VARIATIONS)
def test_variation_in_bands(name, monkeypatch):
    canvas = random_image(23, 9)
    leaf = canvas.clone().requires_grad_()
    oracle = VARIATION_ORACLE[name](leaf)
    (expected,) = torch.autograd.grad(0.3 * oracle, leaf)
    for band in (1, 9 * 4, 9 * 23, 2**20):
        monkeypatch.setattr(variation_module, "_BAND", band)
        gradient = torch.ones_like(canvas)
        loss = VARIATIONS[name].add(canvas, 0.3, gradient)
        torch.testing.assert_close(loss, 0.3 * oracle.detach(), rtol=1e-12, atol=0)
        torch.testing.assert_close(gradient, 1 + expected, rtol=1e-12, atol=1e-15)


def test_moments_of_no_positions_do_not_count():
    none = Moments.of(random_image(0, 7)[None])
    some = Moments.of(random_image(3, 7)[None])
    torch.testing.assert_close((some + none).outer, some.outer)
