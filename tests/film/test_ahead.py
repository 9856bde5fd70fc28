"""Work ahead: in order, bounded, its errors seen, and no thread left."""

import threading

import numpy as np
import pytest

from impasto.apps.film.ahead import Ahead, both_ways, joined, moves
from impasto.errors import ImageError, SettingsError
from support import clips

PATIENCE = 60  # seconds, of a test that hangs


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_results_come_in_order():
    with Ahead(lambda n: n * n, range(20), depth=3) as results:
        assert list(results) == [n * n for n in range(20)]
        assert list(results) == []


def test_nothing_to_do():
    with Ahead(lambda n: n, []) as results:
        assert list(results) == []


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_works_ahead_as_far_as_there_is_room(depth):
    done, full = [], threading.Event()

    def work(n):
        done.append(n)
        if n == depth - 1:
            full.set()
        return n

    with Ahead(work, range(100), depth) as results:
        assert full.wait(PATIENCE)
        assert len(done) == depth
        for n in results:
            assert n + 1 <= len(done) <= n + 1 + depth


def test_works_while_the_consumer_does():
    began = threading.Event()
    with Ahead(lambda n: n or began.set(), range(1)) as results:
        assert began.wait(PATIENCE)
        assert list(results) == [None]


def test_an_error_of_the_work_is_raised_in_its_place():
    def work(n):
        if n == 2:
            raise ImageError("frame 2 is damaged")
        return n

    taken = []
    with pytest.raises(ImageError, match="frame 2"), Ahead(work, range(9)) as results:
        taken.extend(results)
    with Ahead(work, range(9)) as results:
        assert next(results) == 0
        assert next(results) == 1
        with pytest.raises(ImageError):
            next(results)
        with pytest.raises(StopIteration):
            next(results)


def test_an_error_of_the_items_is_raised_after_those_before_it():
    def items():
        yield 1
        raise OSError("the film ends here")

    with Ahead(lambda n: n, items()) as results:
        assert next(results) == 1
        with pytest.raises(OSError, match="ends here"):
            next(results)


def test_a_stop_iteration_of_the_work_is_an_error_and_no_end():
    with Ahead(lambda n: next(iter([])), range(3)) as results, pytest.raises(RuntimeError):
        list(results)


def test_a_consumer_that_stops_early_ends_the_thread():
    worked = []
    with Ahead(lambda n: worked.append(n) or n, iter(int, 1), depth=2) as results:
        assert next(results) == 0
    assert len(worked) <= 4
    results.close()
    assert list(results) == []


def test_a_consumer_that_fails_ends_the_thread():
    with pytest.raises(KeyboardInterrupt), Ahead(lambda n: n, iter(int, 1)):
        raise KeyboardInterrupt


def test_refuses_no_room():
    with pytest.raises(SettingsError, match="depth is 0"):
        Ahead(lambda n: n, [], depth=0)


def test_moves_of_a_film_are_those_computed_one_by_one():
    frames = clips.pan(frames=4).frames
    pairs = list(zip(frames[1:], frames[:-1], strict=True))
    with Ahead(lambda pair: moves(*pair), pairs) as results:
        for made, pair in zip(results, pairs, strict=True):
            expected = moves(*pair)
            np.testing.assert_array_equal(made.back, expected.back)
            np.testing.assert_array_equal(made.trust, expected.trust)


def test_both_ways_are_two_motions():
    footage = clips.disc(frames=2)
    one, other = footage.frames
    back, forth = both_ways(one, other)
    for found, expected in ((back, moves(one, other)), (forth, moves(other, one))):
        np.testing.assert_array_equal(found.back, expected.back)
        np.testing.assert_array_equal(found.trust, expected.trust)


def test_joined_motions_lead_to_the_third_frame():
    footage = clips.zoom(1.02, frames=3)
    first, second, third = footage.frames
    found = joined(moves(third, second), moves(second, first))
    sure = found.trust > 0.5
    assert sure.mean() > 0.85
    away = np.linalg.norm(found.back - footage.flow(2, 0), axis=-1)
    assert away[sure].mean() < 0.3
    assert not sure[footage.hidden(2, 0)].any() or sure[footage.hidden(2, 0)].mean() < 0.1
