"""The order of frames: which are painted, which are between, and how they move to each other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from impasto.apps.film.ahead import Moves
from impasto.apps.film.order import Following, Prepared, followed, paths, stretches
from impasto.apps.film.shots import Seen
from impasto.apps.film.sources import FrameSources


def following(index, begins=False, step=None):
    """A frame to which everything has moved by `step` (x, y) pixels."""
    flow = None if step is None else np.tile(np.float32(step), (4, 5, 1))
    sure = np.ones((4, 5), np.float32)
    back, forth = (None, None) if flow is None else (Moves(-flow, sure), Moves(flow, sure))
    return Following(Seen(index, None, begins, "", 0.0), back, forth)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 6))
def test_a_shot_is_painted_at_its_ends_and_every_so_often(lengths, every):
    starts = [sum(lengths[:n]) for n in range(len(lengths))]
    frames = [following(i, i in starts) for i in range(sum(lengths))]
    found = [[each.seen.index for each in part] for part in stretches(iter(frames), every)]
    assert [i for part in found for i in part] == list(range(len(frames)))
    painted = {part[-1] for part in found}
    for start, length in zip(starts, lengths, strict=True):
        last = start + length - 1
        expected = {*range(start, last + 1, every), last}
        assert painted & set(range(start, last + 1)) == expected


def test_frames_are_given_as_soon_as_they_can_be():
    """With `every` = 1 a frame waits for no other."""
    asked = []

    def frames():
        for i in range(3):
            asked.append(i)
            yield following(i, i == 0)

    assert next(stretches(frames(), 1))[0].seen.index == 0
    assert asked == [0]


def test_paths_add_up_steps():
    steps = [(1, 0), (2, 1), (0.5, -1)]
    stretch = [following(i + 1, step=step) for i, step in enumerate(steps)]
    there = np.cumsum([(0, 0), *steps], axis=0)
    for place, path in enumerate(paths(stretch), 1):
        np.testing.assert_allclose(path.before.back[2, 2], there[0] - there[place], atol=1e-6)
        if place < len(steps):
            np.testing.assert_allclose(path.after.back[2, 2], there[-1] - there[place], atol=1e-6)
        else:
            assert path.after is None


def test_without_flows_there_is_no_path():
    assert [(p.before, p.after) for p in paths([following(1), following(2)])] == [(None, None)] * 2


def test_flows_are_made_near_frames_that_are_missing():
    item = Prepared(None, None, np.zeros((16, 16, 3), np.uint8), FrameSources((), {}))
    for every, wanted in ((1, {5}), (3, {3, 4, 5, 6, 7})):
        pairs = [(Seen(i, item, False, "", 0.0), item) for i in range(1, 10)]
        made = {p[0].index for p in pairs if followed({5}, every, p).back is not None}
        assert made == wanted
    assert followed({5}, 3, (Seen(5, item, True, "", 0.0), None)).back is None
