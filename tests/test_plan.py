"""Laws of plans: they fit, a larger budget is never worse, and predictions are what is measured."""

import re
import sys
from dataclasses import replace
from math import ceil, inf
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from conftest import random_image, tiny_weights
from impasto.encoder import ARCHITECTURES, POOLINGS, Encoder
from impasto.errors import OutOfMemory, SettingsError
from impasto.hardware.cost import Network
from impasto.hardware.cut import Cut
from impasto.hardware.device import Hardware
from impasto.hardware.memory_model import Demand
from impasto.hardware.planner import plan
from impasto.objective.tiles import Tiling, min_tile, windows
from impasto.settings import Settings
from support.children import succeeded
from support.costs import tiled_cost

VGG19 = ARCHITECTURES["vgg19"]
STYLE = tuple(f"relu{block}_1" for block in range(1, 6))
CPU = torch.device("cpu")
GB = 10**9
PLENTY = 10**15


def planned(size, budget, *, style=None, dtype=torch.bfloat16, extra_bytes=0, **overrides):
    settings = Settings.of("standard", **overrides)
    return plan(settings, size, style or size, Hardware(CPU, dtype, 1, budget), extra_bytes)


def rank(found):
    """How a plan is preferred, best first: not dear, then many pairs, then cheap."""
    dear = found.cost > 2
    return (1, found.cost, -found.history) if dear else (0, -found.history, found.cost)


def ranked(size, budget, **options):
    """The rank of what is planned; last of all where nothing fits."""
    try:
        return rank(planned(size, budget, **options))
    except OutOfMemory:
        return (inf,)


sides = st.integers(32, 6000)
budgets = st.floats(0.4, 40).map(lambda gigabytes: int(gigabytes * GB))
choices = st.fixed_dictionaries(
    {
        "optimiser": st.sampled_from(["lbfgs", "adam"]),
        "history": st.sampled_from([1, 5, 10, 100]),
        "pooling": st.sampled_from(sorted(POOLINGS)),
        "style_weight": st.sampled_from([0.0, 1.0]),
        "dtype": st.sampled_from([torch.bfloat16, torch.float32, torch.float64]),
    }
)


@examples(max_examples=40)
@given(size=st.tuples(sides, sides), budget=budgets, more=st.floats(1, 3), options=choices)
def test_a_larger_budget_is_never_worse(size, budget, more, options):
    assert ranked(size, int(budget * more), **options) <= ranked(size, budget, **options)


@examples(max_examples=20)
@given(size=st.tuples(sides, sides), budget=budgets, more=st.floats(1, 3))
def test_a_larger_budget_never_costs_more_where_there_is_no_history(size, budget, more):
    def price(budget):
        try:
            return planned(size, budget, optimiser="adam").cost
        except OutOfMemory:
            return inf

    assert price(int(budget * more)) <= price(budget)


@examples(max_examples=40)
@given(size=st.tuples(sides, sides), budget=budgets, options=choices)
def test_a_plan_fits_and_never_has_more_history_than_asked(size, budget, options):
    try:
        found = planned(size, budget, **options)
    except OutOfMemory:
        return
    assert found.peak <= budget
    assert found.size == size
    assert 1 <= found.tiling.tapes <= found.windows
    assert min(3, options["history"]) <= found.history <= options["history"]
    assert found.cost >= 1 - 1e-9 or found.windows > 1


@examples(max_examples=30)
@given(size=st.tuples(sides, sides), wider=st.integers(0, 500), options=choices)
@pytest.mark.parametrize("tile", ["off", 600])
def test_a_larger_canvas_never_needs_less(tile, size, wider, options):
    peaks = [
        planned((size[0] + more, size[1]), PLENTY, tile=tile, **options) for more in (0, wider)
    ]
    if tile == "off":
        small = size[0] * size[1] <= 2**20  # then what is freed is kept, with gaps
        assume(small == ((size[0] + wider) * size[1] <= 2**20))
        assert peaks[0].peak <= peaks[1].peak
    else:  # cores are cut anew: the largest of more windows may be smaller
        assert peaks[0].windows <= peaks[1].windows


def test_with_memory_there_is_one_window_and_all_the_history():
    found = planned((3000, 2000), PLENTY, history=77)
    assert (found.tiling, found.windows, found.history) == (Tiling(None), 1, 77)
    assert found.cost == 1


def test_a_larger_painting_is_cut_before_the_canvas_is():
    whole = planned((1600, 1200), PLENTY, style=(3200, 2400))
    found = planned((1600, 1200), whole.peak - 1, style=(3200, 2400))
    assert (found.windows, found.cost) == (1, 1)
    assert found.tiling.tile >= 1600


def test_the_settings_tile_is_respected():
    off = planned((2000, 1500), PLENTY, tile="off")
    assert off.tiling.tile is None
    with pytest.raises(OutOfMemory):
        planned((2000, 1500), off.peak // 2, tile="off")
    number = planned((2000, 1500), PLENTY, tile=700)
    assert number.tiling.tile == 700
    assert number.windows == len(windows((1500, 2000), VGG19, (*STYLE, "relu5_2"), 700))
    with pytest.raises(SettingsError, match="tile is 90 px"):
        planned((2000, 1500), PLENTY, tile=90)


def test_tapes_are_kept_as_long_as_they_fit():
    tight, wide = (planned((3000, 2000), budget, tile=600) for budget in (3 * GB, 40 * GB))
    assert 1 <= tight.tiling.tapes < wide.tiling.tapes == wide.windows
    assert tight.cost > wide.cost


def test_history_gives_way_last():
    """Tiles come first, up to twice the cost; then pairs go, no more than it takes."""
    budgets = range(2 * GB, 30 * GB, GB // 2)
    plans = [planned((2400, 1800), budget, history=100, iterations=500) for budget in budgets]
    for found in plans:
        assert found.history == 100 or found.cost <= 2
    assert plans[0].history < plans[-1].history == 100
    assert [found.history for found in plans] == sorted(found.history for found in plans)
    assert any(found.windows > 1 and found.history == 100 for found in plans)


def test_content_is_measured_anew_only_where_it_must_be():
    demand = Demand(
        Settings.of("standard", tile=400, history=3),
        (4000, 4000),
        (400, 400),
        torch.bfloat16,
        CPU,
        0,
    )
    least = {keep: demand.peak(Tiling(400, 1, keep), 3) for keep in (True, False)}
    assert least[False] < least[True]
    kept = planned((4000, 4000), least[True], style=(400, 400), tile=400, history=3)
    anew = planned((4000, 4000), least[True] - 1, style=(400, 400), tile=400, history=3)
    assert (kept.tiling.keep_content, anew.tiling.keep_content) == (True, False)
    assert kept.cost < anew.cost


@pytest.mark.parametrize(("side", "tile", "tapes"), [(3000, 700, 5), (2000, 400, 9), (999, 999, 1)])
def test_cost_is_counted_as_by_hand(side, tile, tapes):
    settings = Settings.of("standard", content_weight=0.0)
    demand = Demand(settings, (side, side), None, torch.bfloat16, CPU, 0)
    assert demand.cost(Tiling(tile, tapes)) == pytest.approx(
        tiled_cost(side, tile, tapes), rel=1e-12
    )


@pytest.mark.parametrize("style", [(900, 700), (2700, 2100)])
@pytest.mark.parametrize("budget", [1200 * 10**6, 2 * GB])
def test_the_suggested_size_fits_and_a_few_per_cent_more_does_not(style, budget):
    size, factors = (30000, 20000), [side / 30000 for side in style]
    with pytest.raises(OutOfMemory) as caught:
        planned(size, budget, style=style)
    longest = int(re.search(r"lower size to (\d+)", str(caught.value))[1])
    assert "raise memory" in str(caught.value)

    def at(longest):
        height = ceil(longest * 2 / 3)
        return planned((longest, height), budget, style=tuple(ceil(f * longest) for f in factors))

    assert at(longest).peak <= budget
    with pytest.raises(OutOfMemory):
        at(round(longest * 1.05) + 1)


def test_no_size_is_suggested_where_none_fits():
    with pytest.raises(OutOfMemory, match="choose a smaller picture"):
        planned((500, 400), 1000)


def test_pictures_in_memory_count():
    bare, full = (planned((500, 400), PLENTY, extra_bytes=count).peak for count in (0, 3 * GB))
    assert full - bare == 3 * GB


def test_adam_and_l_bfgs_differ_by_their_pairs():
    adam = planned((4000, 3000), PLENTY, tile=400, optimiser="adam")
    few, many = (planned((4000, 3000), PLENTY, tile=400, history=n) for n in (10, 60))
    assert many.peak - few.peak == 50 * 3 * 4000 * 3000 * 4
    assert adam.peak < few.peak


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tape_is_as_large_as_predicted(pooling, dtype):
    """Residuals and features of a tiny network, each storage counted once."""
    weights = tiny_weights()
    taps = ("conv2_1", "relu3_1", "pool3", "relu4_2")
    encoder = Encoder(weights, pooling=pooling, dtype=dtype)
    tape, features = encoder.features(random_image(97, 76), taps)
    seen = {}

    def note(part):
        if isinstance(part, torch.Tensor):
            seen[part.untyped_storage().data_ptr()] = part.untyped_storage().nbytes()
        elif isinstance(part, (tuple, list)) and not isinstance(part, torch.Size):
            for inner in part:
                note(inner)

    for part in (*tape.residuals.values(), *features.values()):
        note(part)
    network = Network(weights.architecture, ("relu4_2",), taps[:3], pooling, dtype, False)
    assert Cut.of(network, (76, 97), None).largest.tape == sum(seen.values())


@pytest.mark.parametrize(("size", "tile"), [((400, 300), 250), ((700, 500), 400), ((90, 500), 300)])
def test_tapes_of_all_windows_are_those_of_each(size, tile):
    network = Network(VGG19, ("relu4_2",), (*STYLE, "relu5_2"), "max", torch.bfloat16)
    cut = Cut.of(network, size, tile)
    each = [
        replace(cut, rows=(r,), columns=(c,)).largest.tape for r in cut.rows for c in cut.columns
    ]
    assert len(each) == cut.count > 1
    assert cut.tapes(cut.count) == pytest.approx(sum(each), rel=0.05)
    assert cut.tapes(1) == cut.largest.tape
    assert cut.tapes(2) >= sum(sorted(each)[-2:])


@pytest.mark.parametrize("tile", [None, 300, min_tile(VGG19, STYLE)])
def test_a_forward_pass_takes_its_tape_at_least_and_half_of_it_in_half_the_precision(tile):
    network = Network(VGG19, ("relu4_2",), STYLE, "max", torch.bfloat16)
    narrow = Cut.of(network, (700, 500), tile).largest
    assert narrow.tape <= min(narrow.forward, narrow.backward) < 2 * narrow.tape
    wide = Cut.of(replace(network, dtype=torch.float32), (700, 500), tile).largest
    assert (wide.tape, wide.forward) == (2 * narrow.tape, 2 * narrow.forward)


def test_edges_at_every_layer_take_a_copy_of_what_is_convolved():
    network = Network(VGG19, ("relu1_2",), (), "max", torch.bfloat16)
    plain = Cut.of(network, (700, 500), None).largest
    edged = Cut.of(replace(network, edges=True), (700, 500), None).largest
    assert edged.tape == plain.tape
    assert edged.forward == plain.forward + plain.sizes["relu1_1"]
    assert edged.backward <= plain.backward + plain.sizes["relu1_1"]


PAINT = """
import sys
from pathlib import Path
import torch
import impasto
from impasto.hardware import Hardware
from impasto.hardware.allocator import tuned_malloc
from impasto.images import Picture
from impasto.hardware.planner import plan

size = (400, 300)
tile, precision, optimiser = sys.argv[1:]
settings = impasto.Settings.of(
    "standard", size=size, tile=tile, precision=precision, optimiser=optimiser, iterations=1,
    supersample_below=0,
)
torch.manual_seed(0)
pictures = [Picture(torch.rand(3, size[1], size[0])) for _ in range(2)]
run = impasto.Run(*pictures, settings)
with tuned_malloc() as suit:
    for event in run.events():
        suit(event)
hardware = Hardware.choose(settings.replaced(memory=10**12))
found = plan(settings, size, run.inputs.style_size(size), hardware, 2 * 12 * size[0] * size[1])
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
print(found.peak / peak)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")
@pytest.mark.parametrize(
    "choices",
    [("off", "auto", "lbfgs"), ("250", "auto", "lbfgs"), ("off", "fp32", "adam")],
)
def test_what_is_predicted_is_what_the_kernel_measures(choices):
    done = succeeded([sys.executable, "-c", PAINT, *choices])
    assert 0.75 < float(done.stdout) < 1.25


def test_the_benchmark_of_one_gradient_runs():
    script = Path(__file__).parent.parent / "benchmarks" / "sizes.py"
    done = succeeded([sys.executable, script, "--gradient", "64x48"])
    assert "| 64x48 " in done.stdout
