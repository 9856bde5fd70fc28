"""A run is the same whatever state torch is in around it, and leaves the process as it was."""

import os
import signal
import threading
import warnings
from contextlib import ExitStack, contextmanager

import pytest
import torch

import impasto
from conftest import smooth_picture
from impasto.encoder.weights.catalogue import WEIGHTS_CACHE
from impasto.hardware.computing import computing
from impasto.run.build import ENCODER_CACHE

PICTURES = (smooth_picture(48, 40), smooth_picture(44, 36, phase=1.0))
SMALL = {"size": 48, "iterations": 3, "encoder": "tiny", "threads": 1}
CHOICES = {
    "default": {},
    "noise, Adam": {"init": "noise", "optimiser": "adam", "style_loss": "gram"},
    "sliced": {"style_loss": "sliced-wasserstein", "clip": "gamut", "average": 0.5},
    "matched": {"style_loss": "nearest-neighbour", "init": "style", "line_search": "armijo"},
    "colours": {"init": "content", "colour": "keep", "finish": "relief"},
    "exact": {"precision": "fp32", "colour": "match", "finish": "grain"},
}


@pytest.fixture(autouse=True)
def nothing_cached():
    """Each test loads the network anew, in its own state."""
    for cache in (ENCODER_CACHE, WEIGHTS_CACHE):
        cache.clear()


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(name):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


STATES = {
    "inference": torch.inference_mode,
    "no_grad": torch.no_grad,
    "grad": torch.enable_grad,
    "autocast": lambda: torch.autocast("cpu"),
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "meta": lambda: default_device("meta"),
    "device": lambda: torch.device("meta"),
    "deterministic": deterministic,
}


def painted(**settings):
    """All that a run gives: pixels as saved, a step's preview, losses."""
    shown = []

    def show(step):
        shown.extend([step.picture().pixels, step.preview(32).pixels])

    result = impasto.stylize(*PICTURES, **SMALL | settings, on_step=show)
    return [result.image.pixels, *shown], [step.loss for step in result.steps]


def same(one, other):
    pixels = zip(one[0], other[0], strict=True)
    return one[1] == other[1] and all(torch.equal(a, b) for a, b in pixels)


def found_in(states, choice):
    """What a run gives within these states, with all that it needs loaded there."""
    with ExitStack() as around:
        for state in states:
            around.enter_context(STATES[state]())
        return painted(**CHOICES[choice])


@pytest.mark.parametrize("state", STATES)
def test_torchs_state_around_a_run_makes_no_difference(state):
    assert same(found_in([state], "default"), painted())


@pytest.mark.parametrize("choice", CHOICES)
def test_all_states_at_once_make_no_difference(choice):
    states = ("inference", "autocast", "float64", "meta", "deterministic")
    assert same(found_in(states, choice), painted(**CHOICES[choice]))


def test_a_run_begun_in_inference_mode_goes_on_outside():
    with torch.inference_mode():
        run = impasto.Run(*PICTURES, impasto.Settings.of(**SMALL))
        steps = iter(run)
        first = next(steps)
    rest = [*steps]
    assert rest[-1].done == 3
    assert not any(step.canvas.is_inference() for step in (first, rest[-1]))


def in_threads(*works):
    """What the functions return, run at once in a thread each."""
    results = {}
    started = [
        threading.Thread(target=lambda n=n, work=work: results.update({n: work()}))
        for n, work in enumerate(works)
    ]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return [results[n] for n in range(len(works))]


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_runs_of_different_threads_at_once_give_the_bits_of_each_alone(precision):
    counts = [1, 2, 3]
    alone = [painted(threads=count, precision=precision) for count in counts]
    together = in_threads(
        *(lambda count=count: painted(threads=count, precision=precision) for count in counts)
    )
    assert all(map(same, alone, together))


def threads_of_a_new_thread():
    return in_threads(torch.get_num_threads)[0]


def test_threads_are_this_threads_alone():
    before = torch.get_num_threads(), threads_of_a_new_thread()
    inside, ready, done = [], threading.Barrier(2), threading.Barrier(2)

    def computed(count):
        with computing(count):
            ready.wait(60)
            inside.append((count, torch.get_num_threads(), threads_of_a_new_thread()))
            done.wait(60)
        return torch.get_num_threads()

    after = in_threads(lambda: computed(3), lambda: computed(5))
    assert sorted(inside) == [(3, 3, before[1]), (5, 5, before[1])]
    assert after == [before[1]] * 2
    assert (torch.get_num_threads(), threads_of_a_new_thread()) == before


def test_threads_come_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), computing(before + 1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_computing_is_without_gradients_and_on_the_cpu():
    with ExitStack() as around:
        for state in ("inference", "grad", "autocast", "meta"):
            around.enter_context(STATES[state]())
        with computing(1):
            made = torch.ones(2, 2, requires_grad=True) @ torch.ones(2, 2)
            assert not made.requires_grad
            assert not made.is_inference()
            assert made.dtype == torch.float32
            assert made.device.type == "cpu"
        assert torch.is_inference_mode_enabled()
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_default_device().type == "meta"


def state_of_the_process():
    """What a library must leave alone."""
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return (
        torch.get_num_threads(),
        threads_of_a_new_thread(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_grad_enabled(),
        torch.get_rng_state().sum().item(),
        handlers,
        list(warnings.filters),
        dict(os.environ),
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_a_run_leaves_the_process_as_it_was(threads, monkeypatch):
    monkeypatch.setattr("impasto.hardware.allocator._glibc", pytest.fail)
    before, threads_before = state_of_the_process(), {*threading.enumerate()}
    run = impasto.Run(*PICTURES, impasto.Settings.of(**SMALL | {"threads": threads}))
    for step in run:
        assert state_of_the_process() == before
        assert {*threading.enumerate()} <= threads_before
        step.picture()
    run.result()
    assert state_of_the_process() == before
    assert {*threading.enumerate()} <= threads_before
