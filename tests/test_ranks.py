"""Laws of a canvas that several processes share: they compute what one process computes."""

import json
from dataclasses import replace
from itertools import islice

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conftest import TINY, random_image, tiny_weights
from impasto import Run
from impasto.apps.cli import main
from impasto.encoder import PADDINGS, Encoder
from impasto.hardware.device import DTYPES
from impasto.hardware.traffic import traffic
from impasto.images import Picture
from impasto.images.spaces import CAFFE
from impasto.objective import Evaluation, Objective, measure_statistics
from impasto.objective.shards import Halos, added_up, sharded
from impasto.objective.strips import divided, saves
from impasto.objective.style_losses import declaration, find_style_loss
from impasto.objective.terms import (
    VARIATIONS,
    ContentTerm,
    LegibilityTerm,
    StyleTarget,
    StyleTerm,
    VariationTerm,
)
from impasto.objective.tiles import Tiling, min_tile, windows
from impasto.optimisers import Backoff, Preconditioner, Problem
from impasto.optimisers.parts import Parts
from impasto.run.share import strips_of
from impasto.settings import Settings
from impasto.settings.variants import OPTIMISERS, STYLE_LOSSES
from support.ranks import together

NET = TINY["vgg19"]
TAPS = ("relu1_1", "relu2_1", "relu3_1")
ADDITIVE = [
    name
    for name in sorted(STYLE_LOSSES.names())
    if hasattr(declaration(find_style_loss(name)).statistic, "sums")
]


def relative(a, b):
    return float((a - b).double().norm() / b.double().norm().clamp_min(1e-300))


def objective(encoder, picture, loss, guide, variation, tiling, ranks=None, *, relative=False):
    """Four terms against pictures made of fixed seeds; of the tiling's strip, if it has one."""
    strip = tiling.strip
    style, loss = random_image(41, 38, 2, encoder.dtype), find_style_loss(loss)
    statistics = measure_statistics(encoder, style, TAPS, loss=loss)
    targets = [StyleTarget(statistics, strip.of(guide) if strip else guide, 0.6)]
    targets.append(StyleTarget(statistics, None, 0.4))
    total = {"total": ranks.total} if ranks else {}
    scales = {"relative": relative, **total}
    weights = dict.fromkeys(TAPS, 5.0)
    content = strip.of(picture) if strip else picture
    terms = [
        ContentTerm(encoder, content, {"relu2_1": 3.0}, **scales),
        StyleTerm(encoder.architecture, targets, weights, loss, wraps=tiling.wraps, **scales),
        VariationTerm(0.2, variation, tiling.wraps, strip),
        LegibilityTerm(picture, 0.5, CAFFE, strip),
    ]
    how = {"total": added_up(ranks)} if ranks else {}
    return Objective(encoder, terms, tiling=tiling, **how)


@settings(max_examples=30)
@given(data=st.data())
def test_ranks_evaluate_what_one_process_does(data):
    size = data.draw(st.tuples(st.integers(24, 170), st.integers(16, 70)), label="size")
    count = data.draw(st.integers(1, 4), label="ranks")
    assume(strips := divided(size[0], count, NET, TAPS))
    loss = data.draw(st.sampled_from(ADDITIVE), label="loss")
    variation = data.draw(st.sampled_from(sorted(VARIATIONS)), label="variation")
    tile = data.draw(st.none() | st.integers(least := min_tile(NET, TAPS), least + 40))
    circle = data.draw(st.booleans(), label="columns are circles")
    padding = data.draw(st.sampled_from(PADDINGS), label="padding")
    in_parts = data.draw(st.booleans(), label="relative")
    if circle:
        size = size[0], size[1] // 4 * 4
    encoder = Encoder(tiny_weights(), dtype=torch.float64, padding=padding)
    picture = random_image(*size, 1, torch.float64)
    canvas = CAFFE.from_srgb(random_image(*size, 3, torch.float64))
    tiling, guide = Tiling(tile, wraps=(False, circle)), picture[0].square()
    made = encoder, picture, loss, guide, variation
    whole = objective(*made, replace(tiling, tile=None), relative=in_parts)(canvas)

    def part(ranks):
        strip = strips[ranks.rank]
        own = objective(*made, replace(tiling, strip=strip), ranks, relative=in_parts)
        return sharded(own, strips, ranks)(strip.owned(canvas))

    parts = together(count, part)
    assert len({float(at.loss) for at in parts}) == 1
    assert relative(parts[0].loss, whole.loss) < 1e-10
    for name, term in whole.terms.items():
        assert relative(parts[-1].terms[name], term) < 1e-10
    assert relative(torch.cat([at.gradient for at in parts], 1), whole.gradient) < 1e-10


@given(
    height=st.integers(1, 400),
    count=st.integers(1, 7),
    taps=st.lists(st.sampled_from(NET.taps[:-1]), max_size=3),
)
def test_each_row_has_one_owner(height, count, taps):
    strips = divided(height, count, NET, taps)
    if strips is None:
        assert height < count * (NET.stride(NET.deepest(taps)) if taps else 1) * 2
        return
    assert [s.start for s in strips] == [0, *(s.stop for s in strips[:-1])]
    assert strips[-1].stop == height
    for strip in strips:
        assert 0 <= strip.top <= strip.start < strip.stop <= strip.bottom <= height
        for window in windows((height, 64), NET, tuple(taps), strip=strip) if taps else ():
            assert strip.top <= window.rows.low
            assert window.rows.high <= strip.bottom
    assert not saves(divided(height, 1, NET, taps))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_halos_come_and_go(count):
    """What comes from a neighbour goes back to it: the two maps are transposes of each other."""
    strips, whole = divided(83, count, NET, TAPS), random_image(83, 9, 4, torch.float64)

    def part(ranks):
        halos, strip = Halos(strips, ranks), strips[ranks.rank]
        wide = halos.widened(strip.owned(whole))
        assert torch.equal(wide, strip.of(whole))
        seen = random_image(*wide.shape[1:], ranks.rank, torch.float64)
        own = halos.folded(seen)
        return float((wide * seen).sum()), float((strip.owned(whole) * own).sum())

    found = together(count, part)
    assert sum(a for a, _ in found) == pytest.approx(sum(b for _, b in found), rel=1e-12)


def bowl(whole, start, stop, parts):
    """Σ w ((x - t)⁴/4 + (x - t)²/2) of own rows, as one of several processes evaluates it."""
    width = whole.shape[2]
    weights, target = whole.new_tensor(range(1, width + 1)), whole.flip(2)[:, start:stop]

    def evaluated(x):
        away = x.view(3, stop - start, width) - target
        loss = (weights * (away**4 / 4 + away**2 / 2)).sum()
        return Evaluation(parts.total(loss), {}, weights * (away**3 + away))

    return evaluated


def iterates(whole, chosen, ranks=None, rows=()):
    """The first iterates of a minimiser from a canvas (3, h, w): own rows of each."""
    start = sum(rows[: ranks.rank]) if ranks else 0
    stop = start + rows[ranks.rank] if ranks else whole.shape[1]
    own, size = whole[:, start:stop].flatten(), (whole.shape[2], whole.shape[1])
    dtype, parts = DTYPES[chosen.precision], Parts(ranks)  # a bfloat16 network: compact history
    problem = Problem(chosen, size, 20, 0, dtype, own.device, rows, ranks)
    optimiser = OPTIMISERS.get(chosen.optimiser)
    minimiser = Backoff(
        bowl(whole, start, stop, parts),
        own,
        lambda function, x, _: optimiser.start(function, x, problem),
        print,
        parts,
    )
    return [each.x.view(3, stop - start, -1) for each in islice(minimiser, 12)]


OPTIMISED = {
    "adam": {"optimiser": "adam", "learning_rate": 0.05},
    "recursion": {},
    "compact": {"precision": "bf16"},
    "precondition": {"precondition": 0.4},
    "compact, precondition": {"precision": "bf16", "precondition": 0.4},
    "armijo": {"line_search": "armijo"},
    "strong-wolfe": {"line_search": "strong-wolfe", "first_step": "l2", "precondition": 0.4},
    "more-thuente": {"line_search": "more-thuente"},
    "box": {"clip": 0.5, "line_search": "armijo", "first_step": "l1"},
    "restarts": {"evaluations": 4, "clip": 0.5, "line_search": "more-thuente"},
}


@pytest.mark.parametrize("name", OPTIMISED)
@pytest.mark.parametrize("rows", [(7, 1), (3, 4, 1), (2, 2, 2, 2)])
def test_ranks_minimise_as_one_process_does(name, rows):
    given = {"optimiser": "lbfgs", "precision": "fp64", "history": 5, "learning_rate": 1.0}
    given |= {"line_search": "none", "clip": "none", "precondition": 0.0, "first_step": 1.0}
    chosen = Settings.of(**{**given, **OPTIMISED[name]})
    whole = random_image(8, 9, 5, torch.float64) - 0.5
    expected = iterates(whole, chosen)
    found = together(len(rows), lambda ranks: iterates(whole, chosen, ranks, rows))
    assert len(expected) > 3
    for own in found:
        assert len(own) == len(expected)
    for number, x in enumerate(expected):
        joined = torch.cat([own[number] for own in found], 1)
        torch.testing.assert_close(joined, x, rtol=1e-8, atol=1e-8)


def test_a_preconditioner_of_ranks_is_that_of_one_process():
    """v, its inverse and the pullback, for columns that do not divide."""
    whole, rows = random_image(11, 13, 6, torch.float64), (4, 6, 1)
    alone = Preconditioner(whole, 0.4)

    def part(ranks):
        start = sum(rows[: ranks.rank])
        own = whole[:, start : start + rows[ranks.rank]]
        mine = Preconditioner(own, 0.4, rows=rows, parts=Parts(ranks))
        v = mine.variables(own.flatten())
        assert v.shape == (mine.entries,)
        torch.testing.assert_close(mine.canvas(v), own.flatten(), rtol=1e-12, atol=1e-12)
        return v.view(3, 11, -1, 2), mine.pullback(own.flatten()).view(3, 11, -1, 2)

    found = together(3, part)
    for number, expected in enumerate((alone.variables, alone.pullback)):
        joined = torch.cat([pair[number] for pair in found], 2)
        torch.testing.assert_close(joined.flatten(), expected(whole.flatten()))


@pytest.mark.parametrize(
    ("count", "height", "overrides"),
    [
        (1, 40, {}),
        (2, 61, {"precondition": 0.0}),
        (5, 90, {}),
        (12, 60, {"style_loss": "gram"}),  # more than there are columns of coefficients
    ],
    ids=str,
)
def test_what_is_sent_is_what_is_predicted(count, height, overrides):
    """Of tiny features; the inner products of the optimiser, and checks, are left out."""
    layers = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 1.0, "relu2_1": 1.0}}
    chosen = Settings.of(
        **{"encoder": "tiny", "precision": "fp64", "size": (20, height), "scales": (1.0,)},
        **{"iterations": 3, "smallest": 16, "history": 2, **layers, **overrides},
    )
    pictures = [Picture(random_image(height, 20, seed, torch.float32)) for seed in (1, 2)]

    def paint(ranks):
        sent = [ranks.sent for _ in Run(*pictures, chosen, ranks=ranks)]
        return sent[-1] - sent[-2]

    predicted = traffic(chosen, 20, strips_of(count, height, NET, chosen), NET, itemsize=8)
    found, expected = max(together(count, paint)), predicted.evaluation + predicted.transforms
    left_out = 8 * 20 + 8 * 5 * count
    assert 0.9 * expected < found <= expected + left_out


def test_rows_that_64_processes_send_are_those_predicted():
    height, width = 64 * 16 + 5, 3
    chosen = Settings.of(style_weight=0.0, optimiser="adam")
    strips, whole = strips_of(64, height, NET, chosen), random_image(height, width, 1)

    def exchange(ranks):
        halos = Halos(strips, ranks)
        halos.folded(halos.widened(strips[ranks.rank].owned(whole)))
        return ranks.sent

    predicted = traffic(chosen, width, strips, NET, itemsize=8)
    assert max(together(64, exchange)) == predicted.evaluation - 8 * 3
    assert predicted.transforms == 0


def test_the_plan_of_a_process(capsys):
    def plans(*options):
        with pytest.raises(SystemExit) as ended:
            main(["info", "--size", "2048", "--memory", "20GB", "--json", *options])
        told = capsys.readouterr()
        return json.loads(told.out) if ended.value.code == 0 else told.err

    alone, shared = plans()[-1], plans("--ranks", "4")[-1]
    assert shared["rows"] == 384
    assert float(shared["memory"].split()[0]) < float(alone["memory"].split()[0])
    assert shared["sent"] == "12.3 MB"
    assert "room for 12" in plans("--ranks", "64")
    assert "before it paints" in plans("--ranks", "8", "--memory", "500MB")
