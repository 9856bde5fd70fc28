"""What is left of a run that goes on from a canvas, and how long it takes."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from impasto.apps.studio.continuing import (
    FEWEST,
    SHARE,
    SKETCH,
    Begun,
    change,
    continued,
    cost,
    merged,
    sketch,
    with_more,
)
from impasto.apps.studio.pace import Leg, Pace, work
from impasto.settings import Settings, schedule

RECIPES = ["standard", "draft", "fine", "print", "gatys", "keras-eager", "crowson"]

sizes = st.tuples(st.integers(300, 5000), st.integers(300, 5000))
recipes = st.sampled_from(RECIPES)


@given(recipes, sizes, st.integers(16, 5000), st.integers(0, 500))
def test_the_stages_are_those_of_a_new_run_from_the_canvas_up(recipe, size, longest, left):
    settings = Settings.of(recipe, size=size)
    new = schedule(settings, size)
    rest = schedule(continued(settings, size, Begun((longest, 1), left)), size)
    assert [s.size for s in rest] == [s.size for s in new[len(new) - len(rest) :]]
    assert [s.decay_every for s in rest] == [s.decay_every for s in new[len(new) - len(rest) :]]


@given(recipes, sizes, st.data())
def test_larger_scales_keep_their_iterations_and_none_has_more(recipe, size, data):
    settings = Settings.of(recipe, size=size)
    new = schedule(settings, size)
    first = data.draw(st.integers(0, len(new) - 1))
    left = data.draw(st.integers(0, new[first].iterations))
    rest = schedule(continued(settings, size, Begun(new[first].size, left)), size)
    assert len(rest) == len(new) - first
    assert [s.iterations for s in rest[1:]] == [s.iterations for s in new[first + 1 :]]
    assert left <= rest[0].iterations <= new[first].iterations
    assert rest[0].iterations >= min(FEWEST, new[first].iterations)


@given(recipes, sizes)
def test_a_settled_picture_settles_again_in_a_quarter_of_a_run(recipe, size):
    settings = Settings.of(recipe, size=size)
    new = schedule(settings, size)
    begun = Begun(new[-1].size)
    rest = schedule(continued(settings, size, begun), size)
    sketched = sketch(settings, size, begun)
    assume(rest[0].iterations > FEWEST)
    small = schedule(sketched, sketched.size) if sketched else ()
    total = sum(map(cost, (*rest, *small)))
    assert total <= SHARE * sum(map(cost, new)) * 1.01


def test_of_standard_at_512_a_sketch_and_a_few_iterations_are_left():
    settings = Settings.of(size=512)
    rest = continued(settings, (512, 512), Begun((512, 512)))
    assert (rest.scales, rest.iterations) == ((1.0,), 6)
    half_way = continued(settings, (512, 512), Begun((256, 256), 50))
    assert (half_way.scales, half_way.iterations) == ("auto", (50, 24, 12))


@given(recipes, sizes, st.data())
def test_a_sketch_has_the_first_stages_size_and_is_smaller_than_the_canvas(recipe, size, data):
    settings = Settings.of(recipe, size=size)
    new = schedule(settings, size)
    canvas = new[data.draw(st.integers(0, len(new) - 1))].size
    found = sketch(settings, size, Begun(canvas))
    if found is None:
        assert max(canvas) < 1.3 * max(new[0].size)
        return
    (stage,) = schedule(found, found.size)
    assert (stage.size, stage.iterations) == (new[0].size, SKETCH)
    assert max(stage.size) < max(canvas)


def test_without_a_canvas_it_is_a_new_run():
    settings = Settings.of()
    assert continued(settings, (512, 400), None) is settings


@given(recipes, sizes, st.integers(0, 100))
def test_more_iterations_are_added_at_the_last_scale(recipe, size, extra):
    settings = Settings.of(recipe, size=size)
    before, after = schedule(settings, size), schedule(with_more(settings, size, extra), size)
    assert [s.size for s in after] == [s.size for s in before]
    added = [b.iterations - a.iterations for a, b in zip(before, after, strict=True)]
    assert added == [0] * (len(before) - 1) + [extra]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "none"),
        ({"iterations": 7}, "longer"),
        ({"threads": 1}, "longer"),
        ({"finish": "grain"}, "shown"),
        ({"finish": "grain", "iterations": 7}, "shown"),
        ({"strength": 0.5}, "painted"),
        ({"finish": "grain", "content_weight": 1.0}, "painted"),
        ({"colour": "keep"}, "painted"),
    ],
)
def test_how_far_settings_differ(changes, kind):
    assert change(Settings.of(), Settings.of(**changes)) == kind


def test_settings_are_merged_and_none_takes_them_back():
    request = {"content": "c", "settings": {"size": 64, "seed": 1}}
    assert merged(request, {"seed": None, "strength": 0.5}) == {
        "content": "c",
        "settings": {"size": 64, "strength": 0.5},
    }
    assert request["settings"] == {"size": 64, "seed": 1}


legs = st.lists(
    st.builds(Leg, st.tuples(st.integers(1, 900), st.integers(1, 900)), st.integers(0, 60)),
    min_size=1,
    max_size=4,
)


@given(legs, st.floats(1e-9, 1e-3))
def test_an_even_pace_is_told_exactly(legs, rate):
    pace, total, spent = Pace(legs), work(legs), 0.0
    for stage, leg in enumerate(legs):
        for iteration in range(leg.iterations + 1):
            pace.note(stage, rate * leg.pixels)
            spent += rate * leg.pixels
            left = pace.remaining(stage, iteration)
            assert left == pytest.approx(rate * total - spent, rel=1e-6, abs=0.06)


def test_nothing_is_told_before_anything_was_measured():
    assert Pace([Leg((8, 8), 3)]).remaining(0, 0) is None


def test_larger_scales_cost_more():
    small, large = Leg((10, 10), 10), Leg((20, 20), 10)
    assert work([large]) == 4 * work([small])
    assert work([small, large], 1, 10) == 0
    assert work([small, large], 2, 0) == 0
