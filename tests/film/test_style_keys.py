"""Styles at key times: what a key may be, and the weights in between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.apps.film.style_keys import StyleKeys, overlap, parsed
from impasto.errors import SettingsError

SECONDS = st.floats(0, 100, allow_nan=False, allow_subnormal=False)  # slopes of np.interp overflow
WEIGHTED = st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0.01, 10)), min_size=1, max_size=4)


def keys_of(text, seconds_of=lambda frame: frame / 25):
    return StyleKeys.of(parsed(text), seconds_of)


def test_a_style_turns_into_another():
    keys = keys_of("0:a.jpg,5:b.jpg")
    assert keys.styles == ("a.jpg", "b.jpg")
    assert [keys.at(t) for t in (0, 1, 2.5, 5, 9)] == [
        (1, 0), (0.8, 0.2), (0.5, 0.5), (0, 1), (0, 1),
    ]  # fmt: skip


def test_weights_frames_and_several_styles_at_a_key():
    keys = keys_of("1:a*3,1:sample:swirl,50f:c*0.5")
    assert keys.styles == ("a", "sample:swirl", "c")
    assert keys.times == (1, 2)
    assert keys.at(0) == keys.at(1) == (0.75, 0.25, 0)
    assert keys.at(1.5) == (0.375, 0.125, 0.5)


def test_names_may_have_commas_colons_and_stars():
    keys = parsed("0:C:/one, two.jpg,3.5:a*b.jpg*2")
    assert keys == {"0": [("C:/one, two.jpg", 1.0)], "3.5": [("a*b.jpg", 2.0)]}


def test_a_mapping_takes_pictures_of_any_kind():
    array = np.zeros((4, 4, 3), np.uint8)
    keys = StyleKeys.of({0: [array, ("b.jpg", 3)], 2: array, "5": "b.jpg"})
    assert keys.styles[0] is array
    assert keys.styles[1] == "b.jpg"
    assert keys.weights == ((0.25, 0.75), (1, 0), (0, 1))
    assert keys.times == (0, 2, 5)


@given(st.dictionaries(SECONDS, WEIGHTED, min_size=1, max_size=6), SECONDS)
def test_weights_add_up_to_1_and_are_those_of_linear_interpolation(mapping, time):
    keys = StyleKeys.of(mapping)
    assert sum(keys.at(time)) == pytest.approx(1)
    for number, weight in enumerate(keys.at(time)):
        rows = [row[number] for row in keys.weights]
        assert weight == pytest.approx(np.interp(time, keys.times, rows), abs=1e-9)


def test_overlap_is_1_less_half_the_difference():
    assert overlap((1, 0), (0, 1)) == 0
    assert overlap((0.5, 0.5), (0.5, 0.5)) == 1
    assert overlap((0.75, 0.25, 0), (0.5, 0, 0.5)) == pytest.approx(1 - 0.5 * 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected SECONDS:FILE"),
        ("a.jpg", "style key 'a.jpg'"),
        ("-1:a.jpg", "style key '-1:a.jpg'"),
        ("0:", "names no file"),
        ("0: *2", "names no file"),
        ("0:a*0", "no style has a weight"),
        ("1.5f:a", "no frame"),
        ("9" * 5000 + ":a", "style key"),
    ],
)
def test_bad_text_is_one_line(text, said):
    with pytest.raises(SettingsError, match=said) as caught:
        keys_of(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    "mapping",
    [{}, {-1: "a"}, {float("nan"): "a"}, {None: "a"}, {True: "a"}, {"soon": "a"},
     {0: [("a", -1)]}, {0: [("a", float("inf"))]}, {0: []}, {"3f": "a"}],
)  # fmt: skip
def test_bad_mappings_are_refused(mapping):
    with pytest.raises(SettingsError):
        StyleKeys.of(mapping)
