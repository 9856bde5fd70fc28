"""Recorded evaluations, and memory that runs out, with a recorder that behaves as CUDA's does.

The recorder notes the operations of a function and computes them again in the same places. What
would make the host wait for the device is refused while it records, as CUDA refuses it.
"""

import gc
import weakref
from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from conftest import random_image, tiny_weights
from impasto.encoder import Encoder
from impasto.errors import OutOfMemory
from impasto.hardware.cuda_graph import captured
from impasto.hardware.oom import OutOfMemoryRetry, is_out_of_memory, memory_guard
from impasto.images.spaces import CAFFE
from impasto.objective import Evaluation
from impasto.objective.graphs import outside_graphs
from impasto.objective.threads import threads
from impasto.objective.tiles import Tiling
from impasto.settings.variants import STYLE_LOSSES
from support.objectives import make_objective
from support.terms import MeanActivation

CONTENT, STYLE = {"relu3_2": 3.0}, {"relu1_1": 50.0, "relu2_1": 20.0}

WAITING = {  # operations whose result the host reads, or that check their result on the host
    "_local_scalar_dense", "_linalg_eigh", "nonzero", "equal", "is_nonzero", "_linalg_check_errors",
    "masked_select", "_unique2", "unique_dim", "trace",  # whose derivative reads its cotangent
}  # fmt: skip


WAITS = dict.fromkeys(["wasserstein", "principal-wasserstein"], len(STYLE))
"""Style losses whose evaluation leaves the graph, once a layer."""


class Operations(TorchDispatchMode):
    """Notes operations in a list while there is one; refuses those that wait."""

    noted = None

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if self.noted is not None and function.overloadpacket.__name__ in WAITING:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        made = function(*args, **(kwargs or {}))
        if self.noted is not None:
            self.noted.append((function, args, kwargs or {}, made))
        return made


class Recorder:
    """Records on the CPU, on one thread: others are not seen."""

    def __init__(self):
        self.recorded, self.operations = 0, Operations()

    @property
    def is_recording(self):
        return self.operations.noted is not None

    @contextmanager
    def recording(self):
        with threads(1), self.operations:
            try:
                yield
            finally:
                self.operations.noted = None

    def begin(self):
        self.operations.noted = []

    def end(self):
        noted, self.operations.noted = self.operations.noted, None
        self.recorded += 1

        @torch.no_grad()
        def replay():
            for operation, args, kwargs, before in noted:
                again = operation(*args, **kwargs)
                for old, new in zip(tensors(before), tensors(again), strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.data.copy_(new)  # as a graph does: autograd does not count it

        return replay


def record(recorder, function):
    with recorder.recording():
        recorder.begin()
        function()
        recorder.end()


def tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def encoder():
    return Encoder(tiny_weights(dtype=torch.float32), dtype=torch.float32)


def objective(name="gram", tiling=Tiling(), net=None, **more):  # noqa: B008 (frozen)
    return make_objective(
        net or encoder(),
        random_image(60, 70, 1, torch.float32),
        random_image(40, 44, 2, torch.float32),
        content_weights=CONTENT,
        style_weights=STYLE,
        style_loss=STYLE_LOSSES.get(name),
        variation=(1e-4, "l2-mean"),
        tiling=tiling,
        **more,
    )


def canvas(seed):
    return CAFFE.from_srgb(random_image(60, 70, seed, torch.float32))


def test_the_recorder_refuses_what_cuda_refuses():
    for waits in (
        lambda: torch.ones(3).sum().item(),
        lambda: bool(torch.ones(()) > 0),
        lambda: torch.linalg.eigh(torch.eye(3)),
        lambda: torch.ones(3).nonzero(),
    ):
        recorder = Recorder()
        with pytest.raises(RuntimeError, match="not permitted"):
            record(recorder, waits)
        assert not recorder.is_recording


@pytest.mark.parametrize("name", STYLE_LOSSES.names())
@pytest.mark.parametrize("tiling", [Tiling(), Tiling(44, tapes=2), Tiling(44, 1, False)])
def test_every_style_loss_is_recorded(name, tiling):
    notices, recorder, plain = [], Recorder(), objective(name, tiling)
    recorded = captured(plain, notices.append, recorder)
    found = [recorded(canvas(seed)) for seed in (3, 4, 3)]
    assert notices == []
    assert recorder.recorded == 1 + WAITS.get(name, 0)
    for seed, at in zip((3, 4, 3), found, strict=True):
        expected = plain(canvas(seed))
        assert torch.equal(at.loss, expected.loss)
        assert at.terms == expected.terms
        assert torch.equal(at.gradient, expected.gradient)


def test_terms_of_others_are_recorded():
    notices, plain = [], objective(more=[MeanActivation(0.4, 30.0)])
    recorded = captured(plain, notices.append, Recorder())
    for seed in (3, 4):
        assert torch.equal(recorded(canvas(seed)).gradient, plain(canvas(seed)).gradient)
    assert notices == []


class Comparing(MeanActivation):
    """Looks at numbers while it compares."""

    def compare(self, measured):
        value, gradient = super().compare(measured)
        assert value.item() != 0.5
        return value, gradient


@pytest.mark.parametrize("name", ["gram", "wasserstein"])
def test_a_comparison_that_waits_runs_between_two_graphs(name):
    notices, recorder, plain = [], Recorder(), objective(name, more=[Comparing(0.4, 30.0)])
    recorded = captured(plain, notices.append, recorder)
    for seed in (3, 4, 3):
        at, expected = recorded(canvas(seed)), plain(canvas(seed))
        assert torch.equal(at.gradient, expected.gradient)
        assert at.terms == expected.terms
    assert notices == []
    assert recorder.recorded >= 2


def test_what_runs_between_graphs_is_computed_from_what_was_recorded():
    """Not from memory that is not filled before the graph is replayed: it may hold any number."""
    recorder, seen = Recorder(), []

    def evaluate(canvas):
        double = canvas * 2
        total = outside_graphs(lambda: seen.append(double.clone()) or double.sum().round())
        return Evaluation(total, {}, double + total)

    graphs = captured(evaluate, [].append, recorder)
    for number in (1.0, 2.0, 3.0):
        at = graphs(torch.full((3, 2, 2), number))
        assert torch.equal(seen[-1], torch.full((3, 2, 2), 2 * number))
        assert torch.equal(at.gradient, torch.full((3, 2, 2), 26 * number))
    assert recorder.recorded == 2


class Waiting(MeanActivation):
    """Looks at numbers while it measures."""

    def measure(self, tile):
        measured = super().measure(tile)
        assert measured[0].item() != 0.5
        return measured


class Opaque(MeanActivation):
    """Has a gradient that is a number, which a recording would keep for ever."""

    def compare(self, measured):
        value, gradient = super().compare(measured)
        return value, float(gradient)


@pytest.mark.parametrize("term", [Waiting(0.4, 30.0), Opaque(0.4, 30.0)])
def test_what_cannot_be_recorded_runs_as_it_is(term):
    notices, plain = [], objective(more=[term])
    recorded = captured(plain, notices.append, Recorder())
    for seed in (3, 4):
        at, expected = recorded(canvas(seed)), plain(canvas(seed))
        assert torch.equal(at.gradient, expected.gradient)
        assert at.terms == expected.terms
    (notice,) = notices
    assert notice.startswith("no CUDA graph, which costs some speed: ")
    assert "\n" not in notice


def test_on_a_cpu_nothing_is_recorded():
    plain, asked = objective(), []
    at = captured(plain, asked.append)(canvas(3))
    assert torch.equal(at.gradient, plain(canvas(3)).gradient)
    assert asked == []


# --- out of memory --------------------------------------------------------------------------------

MESSAGES = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't "
                 "allocate memory: you tried to allocate 1 bytes. Error code 12"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.55 GB, max allowed: 9.07 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("std::bad_alloc"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    MemoryError(),
]  # fmt: skip


@pytest.mark.parametrize("error", MESSAGES)
def test_each_way_of_running_out_of_memory_is_known(error):
    assert is_out_of_memory(error)
    with pytest.raises(OutOfMemory, match="not enough memory for a job"), memory_guard("a job"):
        raise error


@pytest.mark.parametrize(
    "error", [RuntimeError("size mismatch"), ValueError("out of memory"), KeyError("bad_alloc")]
)
def test_other_errors_are_not_of_memory(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)), memory_guard("a job"):
        raise error


class Scarce(Encoder):
    """Has no memory for windows wider than `widest`; notes whether it is being recorded."""

    widest, recorder = 48, None

    def features(self, image, taps, *rest, **options):
        if self.recorder is not None:
            self.seen.append((self.recorder.is_recording, tuple(taps)))
        if image.shape[-1] > self.widest and (self.recorder is None or self.recorder.is_recording):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().features(image, taps, *rest, **options)


def scarce(recorder=None):
    net = Scarce(tiny_weights(dtype=torch.float32), dtype=torch.float32)
    net.widest, net.seen = 10**6, []
    function = objective("wasserstein", net=net)
    net.widest, net.recorder = 48, recorder
    return net, function


def test_memory_that_runs_out_while_recording_is_retried_outside():
    """Content's targets are measured anew for the smaller windows, and none under recording."""
    recorder, tilings, notices = Recorder(), [], []
    net, function = scarce(recorder)

    def prepare(objective):
        return captured(objective, notices.append, recorder)

    retried = OutOfMemoryRetry(function, prepare, tilings.append, notices.append)
    expected = objective("wasserstein").retiled(Tiling(35))
    for seed in (3, 4):
        at, plain = retried(canvas(seed)), expected(canvas(seed))
        assert torch.equal(at.gradient, plain.gradient)
        assert at.terms == plain.terms
    assert [tiling.tile for tiling in tilings] == [35]
    assert notices == ["not enough memory; going on in windows of 35 px"]
    targets = [recording for recording, taps in net.seen if set(taps) == {*CONTENT}]
    assert targets
    assert not any(targets)


def test_memory_that_runs_out_twice_is_raised():
    net, function = scarce()
    retried = OutOfMemoryRetry(function, lambda o: o, lambda _: None, lambda _: None)
    net.widest = 30
    with pytest.raises(torch.OutOfMemoryError):
        retried(canvas(3))


def test_the_failed_evaluation_is_let_go_before_the_next():
    """What it held may be all the memory there is."""
    _, function = scarce()
    prepared, gone = [], []

    def prepare(objective):
        def evaluate(canvas):
            return objective(canvas)

        gone.extend(reference() is None for reference in prepared)
        prepared.append(weakref.ref(evaluate))
        return evaluate

    retried = OutOfMemoryRetry(function, prepare, lambda _: gc.collect(), lambda _: None)
    retried(canvas(3))
    assert gone == [True]
