"""The state of a minimiser: small, checked when it is loaded, and enough to continue from."""

from itertools import islice

import pytest
import torch

from impasto.optimisers import (
    LBFGS,
    REPRESENTATIONS,
    Adam,
    Backoff,
    Iterate,
    Restarts,
    constant,
    with_prefix,
    without_prefix,
)
from support.functions import (
    BUMPY,
    At,
    bumpy,
    evaluator,
    normal,
    of_a_picture,
    quartic,
    searched,
    start,
)

MADE = {
    "adam": lambda evaluate, x: Adam(evaluate, x, learning_rate=constant(0.1)),
    "lbfgs": searched,
    "compact": lambda evaluate, x: searched(evaluate, x, representation="compact"),
    "restarts": lambda evaluate, x: Restarts(evaluate, x, minimise=searched, max_evaluations=4),
    "preconditioned": of_a_picture,
    "backoff": lambda evaluate, x: Backoff(evaluate, x, searched, pytest.fail),
}


def after(n, made):
    """A minimiser after n iterations."""
    minimiser = MADE[made](BUMPY, start(20))
    *_, _ = islice(minimiser, n + 1)
    return minimiser


@pytest.mark.parametrize("made", MADE)
def test_state_is_small_and_not_copied(made):
    minimiser = after(9, made)
    entries = sum(tensor.numel() for tensor in minimiser.state_dict().values())
    pairs = {"adam": 2, "lbfgs": 6, "restarts": 1, "preconditioned": 7.2, "backoff": 6}
    if made in pairs:
        assert entries <= pairs[made] * 20 + 20  # in vectors, and a few numbers
    again = minimiser.state_dict()
    for name, tensor in minimiser.state_dict().items():
        live = tensor.untyped_storage().data_ptr() == again[name].untyped_storage().data_ptr()
        assert live or tensor.dtype == torch.int64


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_only_pairs_in_use_are_in_the_state(representation):
    minimiser = LBFGS(BUMPY, start(20), representation=representation, first_step=1e-3)
    next(minimiser)
    assert sum(tensor.numel() for tensor in minimiser.state_dict().values()) <= 4
    next(minimiser), next(minimiser)
    assert minimiser.state_dict()["order"].tolist() == [0, 1]
    rows = {"recursion": (2, 20), "compact": (1, 4, 12288)}  # of the pairs, or of whole chunks
    name = {"recursion": "steps", "compact": "block.0"}[representation]
    assert tuple(minimiser.state_dict()[name].shape) == rows[representation]


@pytest.mark.parametrize("made", MADE)
def test_states_of_others_are_refused(made):
    kept, state = after(5, made), after(5, made).state_dict()
    for name, tensor in state.items():
        rest = {other: tensor for other, tensor in state.items() if other != name}
        wrong = [rest, rest | {name: tensor.to(torch.int16)}]
        wrong.append(rest | {name: torch.stack([tensor, tensor])})
        if tensor.dtype == torch.int64:
            wrong += [rest | {name: tensor + 99}, rest | {name: tensor - 99}]
        for spoilt in wrong:
            if tensor.numel() or spoilt is rest:
                with pytest.raises(ValueError, match="state"):
                    MADE[made](BUMPY, start(20)).load_state_dict(kept.last, spoilt)


def test_an_order_is_one():
    kept = after(5, "lbfgs")
    with pytest.raises(ValueError, match="repeats"):
        searched(BUMPY, start(20)).load_state_dict(
            kept.last, kept.state_dict() | {"order": torch.tensor([0, 1, 1])}
        )


def history_of(representation, length, pairs, entries=30_000):
    """A history to which so many pairs were added, the same first ones for any number."""
    history = REPRESENTATIONS[representation](length, torch.empty(entries).double())
    steps = normal((pairs, entries), 1)
    for step in steps:
        history.update(step, 2 * step + step.roll(1) / 2)
    return history


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize(
    ("length", "pairs", "shorter"), [(30, 12, 5), (12, 17, 11), (30, 25, 10), (4, 9, 1)]
)
def test_a_shorter_history_takes_the_newest_pairs(representation, length, pairs, shorter):
    known = history_of(representation, length, pairs)
    loaded = history_of(representation, shorter, 0)
    loaded.load_state_dict(known.state_dict())
    expected = history_of(representation, shorter, pairs)
    for seed in range(shorter + 2):  # until none of the loaded pairs is left
        gradient = normal((30_000,), seed)
        torch.testing.assert_close(
            loaded.direction(gradient), expected.direction(gradient), rtol=1e-12, atol=1e-12
        )
        for history in (loaded, expected):
            history.update(gradient, gradient + gradient.roll(1) / 2)


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_pairs_that_were_never_multiplied_are_taken_too(representation):
    known, loaded = (history_of(representation, *sizes) for sizes in ((30, 7), (3, 0)))
    loaded.load_state_dict(known.state_dict())
    assert loaded.state_dict()["order"].tolist() == [0, 1, 2]
    rest = history_of(representation, 3, 7)
    gradient = normal((30_000,), 9)
    torch.testing.assert_close(loaded.direction(gradient), rest.direction(gradient))


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize(("length", "pairs"), [(4, 9), (30, 25), (4, 2)])
def test_a_longer_history_takes_all_pairs(representation, length, pairs):
    known, loaded = (history_of(representation, *sizes) for sizes in ((length, pairs), (40, 0)))
    gradient = normal((30_000,), 9)
    expected = known.direction(gradient)
    loaded.load_state_dict(known.state_dict())
    assert loaded.state_dict()["order"].tolist() == known.state_dict()["order"].tolist()
    torch.testing.assert_close(loaded.direction(gradient), expected)


@pytest.mark.parametrize("made", MADE)
def test_iterates_of_others_are_refused(made):
    kept, x = after(3, made), start(20)
    other = Iterate(3, x.float(), BUMPY(x))
    with pytest.raises(ValueError, match=r"the iterate is \(20,\) of torch.float32; expected"):
        MADE[made](BUMPY, x).load_state_dict(other, kept.state_dict())
    short = Iterate(3, x, At(torch.tensor(0.0), x[1:]))
    with pytest.raises(ValueError, match=r"the gradient is \(19,\)"):
        MADE[made](BUMPY, x).start_at(short)
    with pytest.raises(ValueError, match="expected 0 or more"):
        MADE[made](BUMPY, x).start_at(Iterate(-1, x, BUMPY(x)))
    with pytest.raises(ValueError, match="make another"):
        kept.load_state_dict(kept.last, kept.state_dict())
    with pytest.raises(ValueError, match="before its start"):
        MADE[made](BUMPY, x).state_dict()


@pytest.mark.parametrize("made", MADE)
def test_an_interrupted_step_has_no_state(made):
    """Its state may be newer than the last iterate: neither saved nor continued from."""
    calls = []

    def interrupted(x):
        calls.append(x)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return BUMPY(x)

    minimiser = MADE[made](interrupted, start(20))
    with pytest.raises(KeyboardInterrupt):
        list(islice(minimiser, 20))
    with pytest.raises(ValueError, match="a step was interrupted"):
        minimiser.state_dict()
    with pytest.raises(ValueError, match="a step was interrupted"):
        next(minimiser)


@pytest.mark.parametrize("made", MADE)
def test_a_start_that_is_known_is_not_evaluated(made):
    x, calls = start(20), []
    begun = MADE[made](evaluator(bumpy, calls), x)
    begun.start_at(Iterate(7, x, BUMPY(x)))
    assert not calls
    assert begun.last.iteration == 7
    fresh = MADE[made](BUMPY, x)
    next(fresh)
    for expected, found in zip(islice(fresh, 5), islice(begun, 5), strict=True):
        assert found.iteration == expected.iteration + 7
        assert torch.equal(found.x, expected.x)


def test_an_ended_minimiser_stays_ended():
    calls = []
    minimiser = LBFGS(evaluator(quartic, calls), torch.ones(5).double(), line_search="armijo")
    assert len(list(minimiser)) == 1
    made = len(calls)
    assert list(minimiser) == []
    assert len(calls) == made
    again = LBFGS(evaluator(quartic, calls), torch.ones(5).double(), line_search="armijo")
    again.load_state_dict(minimiser.last, minimiser.state_dict())
    assert list(again) == []
    assert len(calls) == made


def test_prefixes_are_put_on_and_taken_off():
    state = {"a": start(), "b.c": start(3)}
    others = {"inner": start(), "innermost.a": start(), "other.a": start()}
    assert without_prefix("inner", with_prefix("inner", state) | others) == state
