"""Shares of votes, their interval, and tables that spreadsheets may open."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.apps.studio.preference import as_csv, sign_test, wilson


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_and_test_are_scipys(counts):
    from scipy.stats import binomtest  # takes a second, and other tests are collected beside it

    successes, trials = counts
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert sign_test(successes, trials - successes) == pytest.approx(
        binomtest(successes, trials).pvalue, rel=1e-9
    )


def test_without_votes_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)
    assert sign_test(0, 0) == 1.0


@pytest.mark.parametrize("counts", [(-1, 2), (3, 2)])
def test_impossible_counts(counts):
    with pytest.raises(ValueError, match="successes"):
        wilson(*counts)


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "=cmd|' /C calc'!A0"]
)
def test_no_cell_is_a_formula(cell):
    (line,) = csv.reader(io.StringIO(as_csv(["a"], [[cell]])[len("a\r\n") :], newline=""))
    assert line == [f"'{cell}"]


def test_other_cells_are_kept():
    cells = ["a,b", 'with "quotes"', "", "5-3", 7]
    text = as_csv(list("abcde"), [cells])
    assert next(csv.reader(io.StringIO(text.split("\r\n")[1]))) == [str(cell) for cell in cells]
