"""Checkpoints: resumed is uninterrupted, damage is found, and keeping them costs little."""

import errno
import functools
import json
import os
import pickle
import resource
import sys
import threading
import zipfile
from dataclasses import dataclass
from itertools import islice

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from impasto.errors import CheckpointError, OutputError
from impasto.optimisers import (
    LBFGS,
    REPRESENTATIONS,
    Adam,
    Backoff,
    Box,
    Iterate,
    Preconditioner,
    Restarts,
    stepped,
    until,
    with_prefix,
    without_prefix,
)
from impasto.outputs import checkpointing
from impasto.outputs.checkpointing import CheckpointWriter
from impasto.run.checkpoint import Checkpoint
from impasto.settings.variants import LINE_SEARCHES
from support.children import child

SHAPE = (3, 6, 8)


@dataclass
class At:
    loss: torch.Tensor
    gradient: torch.Tensor


def evaluate(x):
    """A quartic with ripples; the gradient has the shape of a picture."""
    leaf = x.detach().clone().requires_grad_()
    weights = torch.linspace(1, 5, len(x), dtype=x.dtype)
    loss = (weights * (leaf - 1) ** 4).sum() + 0.1 * (leaf * leaf).sum() + (3 * leaf).sin().sum()
    (gradient,) = torch.autograd.grad(loss, leaf)
    return At(loss.detach(), gradient.view(-1, *SHAPE[1:]))


def start(dtype, channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(channels * 48, generator=generator, dtype=torch.float64).to(dtype)


BOX = {
    dtype: Box(*(torch.tensor([side] * 3, dtype=dtype) for side in (-0.7, 0.8)))
    for dtype in (torch.float32, torch.float64)
}


def lbfgs_of(form, search, boxed=False):
    def made(function, x, **options):
        box = BOX[x.dtype] if boxed else None
        options |= {"first_step": 0.01, "history": 3, "line_search": search}
        return LBFGS(function, x, representation=form, box=box, **options)

    return made


def in_restarts(function, x, boxed=True, **options):
    options |= {"first_step": "l2", "line_search": "more-thuente", "history": 4}
    minimise = functools.partial(LBFGS, **options)
    box = BOX[x.dtype] if boxed else None
    return Restarts(function, x, minimise=minimise, max_evaluations=5, box=box)


def preconditioned(minimise):
    def made(function, x):
        return minimise(function, x, preconditioner=Preconditioner(x.view(SHAPE), 0.7))

    return made


def adam_in_a_box(function, x, factor=1.0):
    return Adam(function, x, learning_rate=stepped(0.1 * factor, 4, 0.7), box=BOX[x.dtype])


def backoff_from(failing, made):
    """Where the function is nan at a large step, always at the same evaluation of it."""

    def begin(function, x, factor):
        return made(Spoilt(function, failing if factor > 0.1 else 1000), x, factor)

    return lambda function, x: Backoff(function, x, begin, lambda line: None)


class Spoilt:
    """A function that is nan once its argument has moved far from where it was first asked."""

    def __init__(self, function, reach):
        self.function, self.reach = function, reach

    def __call__(self, x):
        at = self.function(x)
        far = (x - start(x.dtype, len(x) // 48)).abs().max() > self.reach
        return At(at.loss * float("nan"), at.gradient) if far else at


def slow_lbfgs(function, x, factor):
    return LBFGS(function, x, learning_rate=factor, first_step=0.1, history=4)


DESCENTS = {
    **{
        f"{form}-{search}{'-boxed' * boxed}": lbfgs_of(form, search, boxed)
        for form in REPRESENTATIONS
        for search in LINE_SEARCHES.names()
        for boxed in (False, True)
    },
    "adam": lambda function, x: Adam(function, x, learning_rate=stepped(0.2, 3, 0.5)),
    "adam-boxed": adam_in_a_box,
    "restarts": in_restarts,
    "preconditioned": preconditioned(lbfgs_of("recursion", "none")),
    "preconditioned-compact": preconditioned(lbfgs_of("compact", "strong-wolfe")),
    "preconditioned-restarts": preconditioned(functools.partial(in_restarts, boxed=False)),
    "backoff-adam": backoff_from(0.5, adam_in_a_box),
    "backoff-lbfgs": backoff_from(0.3, slow_lbfgs),
}


def kept(descent):
    """A checkpoint of a descent, its tensors copied."""
    last = descent.last
    tensors = {"x": last.x, "loss": last.at.loss, "gradient": last.at.gradient}
    tensors |= with_prefix("memory", descent.state_dict())
    return Checkpoint({"iteration": last.iteration}, {n: t.clone() for n, t in tensors.items()})


def resumed(made, x, found):
    """A descent that goes on from a checkpoint; nothing is evaluated before the first step."""
    calls, tensors = [], found.tensors
    descent = made(lambda x: calls.append(x) or evaluate(x), x)
    at = At(tensors["loss"], tensors["gradient"])
    iterate = Iterate(found.facts["iteration"], tensors["x"], at)
    descent.load_state_dict(iterate, without_prefix("memory", tensors))
    assert not calls
    return descent


def same(one, other):
    return (
        one.iteration == other.iteration
        and torch.equal(one.x, other.x)
        and torch.equal(one.at.loss, other.at.loss)
        and torch.equal(one.at.gradient, other.at.gradient)
    )


@pytest.mark.parametrize("name", DESCENTS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 14), min_size=1, max_size=3, unique=True),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_resumed_is_uninterrupted(tmp_path, name, cuts, dtype):
    made, path = DESCENTS[name], tmp_path / "run.safetensors"
    expected = list(islice(made(evaluate, start(dtype)), 18))
    found, descent = [], made(evaluate, start(dtype))
    for cut in sorted(cuts):
        found += until(descent, cut)
        kept(descent).save(path)
        descent = resumed(made, torch.zeros_like(start(dtype)), Checkpoint.load(path))
    found += islice(descent, 18 - len(found))
    assert len(found) == len(expected)
    assert all(same(one, other) for one, other in zip(found, expected, strict=True))


def test_backoff_is_put_to_the_test():
    """The examples above do begin anew."""
    lines = []
    for reach, made in ((0.5, adam_in_a_box), (0.3, slow_lbfgs)):

        def begin(function, x, factor, reach=reach, made=made):
            return made(Spoilt(function, reach if factor > 0.1 else 1000), x, factor)

        backoff = Backoff(evaluate, start(torch.float64), begin, lines.append)
        assert len(list(islice(backoff, 18))) == 18
    assert len(lines) >= 3


@pytest.mark.parametrize("form", REPRESENTATIONS)
@pytest.mark.parametrize("cut", [1, 13, 29])
def test_resumed_is_uninterrupted_with_many_pairs_of_long_vectors(tmp_path, form, cut):
    """Several blocks of pairs, several chunks with a rest, rows overwritten."""
    x = start(torch.float32, channels=1000)[:-1]
    matrix = torch.linspace(0.5, 4, len(x))

    def bowl(x):
        return At((matrix * (x - 1) ** 2).sum() / 2, matrix * (x - 1) + 0.01 * (x - 1) ** 3)

    made = functools.partial(LBFGS, bowl, x, history=23, representation=form, first_step=0.01)
    whole, half, again = made(), made(), made()
    expected = list(islice(whole, 36))
    list(islice(half, cut + 1))
    kept(half).save(tmp_path / "c")
    tensors = Checkpoint.load(tmp_path / "c").tensors
    iterate = Iterate(cut, tensors["x"], At(tensors["loss"], tensors["gradient"]))
    again.load_state_dict(iterate, without_prefix("memory", tensors))
    rest = list(islice(again, 36 - cut - 1))
    assert all(same(*pair) for pair in zip(expected[cut + 1 :], rest, strict=True))


DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
DTYPES += [torch.int64, torch.int32, torch.uint8, torch.bool]


def example(number=0, dtypes=DTYPES):
    shapes = [(), (0,), (5,), (2, 3), (2, 0, 3)]
    tensors = {
        f"{str(dtype)[6:]} {shape}": torch.full(shape, 1 + number).to(dtype)
        for dtype in dtypes
        for shape in shapes
    }
    return Checkpoint({"number": number, "text": "ü\n\ud800", "losses": [0.1, 1e-300]}, tensors)


def assert_same(one, other):
    assert one.facts == other.facts
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        found = other.tensors[name]
        assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(found, tensor)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_loaded_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "run.safetensors"
    for number in range(3):
        example(number).save(path)
        assert_same(Checkpoint.load(path), example(number))
    assert names(tmp_path) == [path.name]


def test_views_and_names_of_one_tensor_are_saved(tmp_path):
    whole = torch.arange(24.0).view(4, 6)
    tensors = {"whole": whole, "again": whole, "row": whole[1], "part": whole[:, 2:4], "t": whole.T}
    Checkpoint({}, tensors).save(tmp_path / "c")
    assert_same(Checkpoint.load(tmp_path / "c"), Checkpoint({}, tensors))


def test_loaded_tensors_are_the_readers_own(tmp_path):
    Checkpoint({}, {"x": torch.zeros(4096)}).save(tmp_path / "c")
    found = Checkpoint.load(tmp_path / "c").tensors["x"]
    (tmp_path / "c").write_bytes(b"\xff" * (tmp_path / "c").stat().st_size)
    assert not found.any()


def test_a_link_stays_one(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link, target = tmp_path / "c", tmp_path / "elsewhere" / "d"
    link.symlink_to(target)
    example(0).save(link)
    example(1).save(link)
    assert link.is_symlink()
    assert Checkpoint.load(link).facts["number"] == 1
    Checkpoint.remove(link)
    assert link.is_symlink()
    assert not target.exists()
    assert not Checkpoint.exists(link)


def test_facts_too_long_to_be_read_are_not_written(tmp_path):
    with pytest.raises(OutputError, match="have 33554441 characters, and 16777216 can be read"):
        Checkpoint({"x": "y" * 2**25}, {}).save(tmp_path / "c")
    assert not names(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a file."""
    path = tmp_path_factory.mktemp("whole") / "c"
    example(7, DTYPES[:3]).save(path)
    return path.read_bytes()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_that_is_flipped_is_noticed(tmp_path, whole, where, bit):
    damaged = bytearray(whole)
    damaged[int(where * len(whole))] ^= 1 << bit
    assert_refused(tmp_path, bytes(damaged))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), filled=st.booleans())
def test_a_file_cut_short_is_noticed(tmp_path, whole, where, filled):
    length = int(where * len(whole))
    damaged = whole[:length] + (bytes(len(whole) - length) if filled else b"")
    if damaged != whole:
        assert_refused(tmp_path, damaged)


def assert_refused(folder, damaged):
    path = folder / "c"
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="begin the run anew"):
        Checkpoint.load(path)


def headed(header, rest=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


METADATA = {"impasto": "checkpoint 3", "facts": "{}", "sha256": "0"}
HUGE = {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 2**62]}
HOSTILE = {
    "empty": b"",
    "zeros": bytes(100),
    "pickle": pickle.dumps({"x": [1, 2]}),
    "giant header": (2**62).to_bytes(8, "little") + b"{" * 1000,
    "header longer than the bound": (2**27).to_bytes(8, "little") + b" " * 100,
    "no json": headed(b"no json at all"),
    "deep json": headed(b"[" * 100_000),
    "list": headed([1, 2]),
    "no metadata": headed({}),
    "other metadata": headed({"__metadata__": {"format": "pt"}}),
    "metadata no text": headed({"__metadata__": {"impasto": 1}}),
    "no facts": headed({"__metadata__": {"impasto": "checkpoint 3"}}),
    "facts no json": headed({"__metadata__": METADATA | {"facts": "{"}}),
    "facts deep": headed({"__metadata__": METADATA | {"facts": "[" * 100_000}}),
    "facts a list": headed({"__metadata__": METADATA | {"facts": "[]"}}),
    "facts a large number": headed({"__metadata__": METADATA | {"facts": "1" * 10_000}}),
    "facts not sealed": headed({"__metadata__": METADATA}),
    "older": headed({"__metadata__": METADATA | {"impasto": "checkpoint 1"}}),
    "newer": headed({"__metadata__": METADATA | {"impasto": "checkpoint 3\x1b[2J"}}),
    "huge tensor": headed({"__metadata__": METADATA, "x": HUGE}, b"1234"),
    "negative": headed({"__metadata__": METADATA, "x": HUGE | {"shape": [-1]}}, b"1234"),
    "strange type": headed(
        {"__metadata__": METADATA, "x": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}, b"1"
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused_in_one_line(tmp_path, kind):
    path = tmp_path / "c"
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.load(path)
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("; begin the run anew")
    assert len(str(caught.value)) < 1000


def test_other_things_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("data.pkl", b"x" * 100)
    save_file({"x": torch.ones(3)}, tmp_path / "weights")
    torch.save({"x": torch.ones(3)}, tmp_path / "saved")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("zip", "weights", "saved", "pipe", "loop", ".", "missing", "n" * 300, "nul\0"):
        with pytest.raises(CheckpointError):
            Checkpoint.load(f"{tmp_path}/{name}")


def test_an_older_format_is_named(tmp_path):
    (tmp_path / "c").write_bytes(HOSTILE["older"])
    with pytest.raises(CheckpointError, match="c: checkpoint 1, expected checkpoint 3; begin"):
        Checkpoint.load(tmp_path / "c")


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    example(1).save(tmp_path / "c")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OutputError, match="c: No space left on device; nothing was written"):
        example(2).save(tmp_path / "c")
    assert names(tmp_path) == ["c"]
    assert Checkpoint.load(tmp_path / "c").facts["number"] == 1


def test_a_file_that_may_not_grow_leaves_what_was_there(tmp_path):
    """The library's own writing fails."""
    example(0).save(tmp_path / "c")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="nothing was written"):
            Checkpoint({}, {"x": torch.ones(100_000)}).save(tmp_path / "c")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == ["c"]
    assert Checkpoint.load(tmp_path / "c").facts["number"] == 0


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("folder", "missing/c", "n" * 300):
        with pytest.raises(OutputError):
            example().save(tmp_path / name)
    assert names(tmp_path) == ["folder"]


SAVING = """
import itertools, sys, torch
from impasto.run.checkpoint import Checkpoint
from impasto.settings.variants import LINE_SEARCHES
for n in itertools.count():
    Checkpoint({"number": n}, {"x": torch.full((300_000,), n)}).save(sys.argv[1])
    print(n, flush=True)
"""


def saving(path):
    """A process that saves checkpoints to `path` for ever; it ends with the block."""
    return child([sys.executable, "-c", SAVING, path])


def assert_whole(found):
    assert (found.tensors["x"] == found.facts["number"]).all()


def test_killed_at_any_moment_there_is_a_whole_one(tmp_path):
    for pause in (0.0, 0.004, 0.011):
        path = tmp_path / str(pause)
        with saving(path) as process:
            while (said := int(process.stdout.readline())) < 3:
                pass
            threading.Event().wait(pause)
            process.kill()
            process.wait()
        found = Checkpoint.load(path)
        assert found.facts["number"] >= said
        assert_whole(found)


def test_two_processes_on_one_checkpoint_do_no_harm(tmp_path):
    path = tmp_path / "c"
    with saving(path) as one, saving(path) as other:
        for _ in range(20):
            one.stdout.readline()
            other.stdout.readline()
            assert_whole(Checkpoint.load(path))
        assert (one.poll(), other.poll()) == (None, None)


class Clock:
    """The time that a CheckpointWriter sees, and what saving takes of it."""

    def __init__(self, monkeypatch, copying=0.0, working=0.0):
        self.now, self.worked, self.saved = 1000.0, 50.0, []
        self.copying, self.working = copying, working
        monkeypatch.setattr(checkpointing, "_now", lambda: self.now)
        monkeypatch.setattr(checkpointing, "_worked", lambda: self.worked)
        monkeypatch.setattr(Checkpoint, "save", lambda _, path: self.save(path))

    def make(self):
        self.now += self.copying
        return example()

    def save(self, path):
        self.worked += self.working
        self.saved.append(self.now - self.copying)

    def run(self, writer, seconds, step=0.15):
        """Iterations that take so long, with an offer after each; the times when one was saved."""
        end = self.now + seconds
        while self.now < end:
            self.now += step
            writer.offer(self.make)
            writer._wait()
        return [round(time - 1000, 2) for time in self.saved]


def test_writer_saves_every_so_many_seconds(monkeypatch):
    clock = Clock(monkeypatch)
    assert clock.run(CheckpointWriter("c", 10), 35, step=1) == [10, 20, 30]


def test_writer_saves_at_every_offer(monkeypatch):
    clock = Clock(monkeypatch, copying=1, working=1)
    assert len(clock.run(CheckpointWriter("c", 0), 12, step=1)) == 6


def test_writer_saves_every_five_seconds_if_that_is_cheap(monkeypatch):
    clock = Clock(monkeypatch, copying=0.01, working=0.03)
    times = clock.run(CheckpointWriter("c", None), 100, step=0.15)
    assert len(times) in (18, 19)
    assert times[0] == pytest.approx(5, abs=0.15)


@pytest.mark.parametrize(("copying", "working"), [(0.2, 0.0), (0.0, 0.2), (0.5, 1.5)])
def test_writer_takes_two_per_cent_of_the_time(monkeypatch, copying, working):
    clock = Clock(monkeypatch, copying, working)
    clock.run(CheckpointWriter("c", None), 1000)
    spent = len(clock.saved) * (copying + working)
    assert 0.015 * 1000 < spent <= 0.0201 * 1000


def test_writer_reckons_with_checkpoints_that_grow(monkeypatch):
    clock = Clock(monkeypatch, working=0.1)
    writer = CheckpointWriter("c", None)
    clock.run(writer, 100)
    clock.working = 1.0
    clock.run(writer, 200)
    count = len(clock.saved)
    clock.run(writer, 700)
    assert len(clock.saved) - count <= 0.02 * 1000


class Slow:
    """Saving that waits until it may go on."""

    def __init__(self, monkeypatch):
        self.begun, self.go, self.running, self.most = 0, threading.Event(), 0, 0
        monkeypatch.setattr(Checkpoint, "save", lambda *_: self.save())

    def save(self):
        self.begun += 1
        self.running += 1
        self.most = max(self.most, self.running)
        assert self.go.wait(10)
        self.running -= 1


def test_writer_saves_what_is_too_large_to_copy_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpointing, "_MAX_COPY", 999)
    large, writer = (
        Checkpoint({"number": 1}, {"x": torch.ones(250)}),
        CheckpointWriter(tmp_path / "c", 0),
    )
    monkeypatch.setattr(Checkpoint, "copied", lambda _: pytest.fail("copied"))
    writer.offer(lambda: large)
    large.tensors["x"].zero_()  # as a run that goes on does
    writer.close()
    assert (Checkpoint.load(tmp_path / "c").tensors["x"] == 1).all()


def test_writer_reckons_with_all_the_time_that_large_ones_take(monkeypatch):
    monkeypatch.setattr(checkpointing, "_MAX_COPY", 0)
    clock = Clock(monkeypatch, copying=2.0)
    clock.run(CheckpointWriter("c", None), 1000)
    assert 0.015 * 1000 < len(clock.saved) * 2.0 <= 0.0201 * 1000


def test_writer_never_saves_two_at_once(monkeypatch):
    slow, made = Slow(monkeypatch), []
    writer = CheckpointWriter("c", 1e-9)
    for _ in range(5):
        writer.offer(lambda: made.append(1) or example())
    assert len(made) == 1  # nothing is copied while the one before is being saved
    slow.go.set()
    writer.close(lambda: made.append(2) or example())
    assert made == [1, 2]
    assert (slow.begun, slow.most) == (2, 1)


def test_writer_that_saves_each_waits_for_the_one_before(monkeypatch):
    slow = Slow(monkeypatch)
    writer = CheckpointWriter("c", 0)
    writer.offer(example)
    threading.Timer(0.05, slow.go.set).start()
    writer.offer(example)
    writer.close()
    assert (slow.begun, slow.most) == (2, 1)


def test_writer_reports_each_kind_of_failure_once_and_goes_on(tmp_path, monkeypatch):
    writer = CheckpointWriter(tmp_path / "c", 0)
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", full_disk)
    writer.offer(example)
    with pytest.raises(OutputError, match=r"no checkpoint: .*c: No space left on device"):
        writer.offer(example)
    writer.offer(example)  # a failure of the same kind is reported once
    monkeypatch.setattr(os, "fsync", fsync)
    writer.offer(example)
    writer.offer(lambda: Checkpoint({"x": object()}, {}))
    with pytest.raises(OutputError, match="not JSON serializable"):
        writer.close(functools.partial(example, 9))
    assert Checkpoint.load(tmp_path / "c").facts["number"] == 9


@pytest.mark.parametrize("what", ["make", "copied"])
def test_writer_without_memory_for_a_copy_reports_it_and_goes_on(tmp_path, monkeypatch, what):
    def fail(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:114] can't allocate memory")

    writer, make = CheckpointWriter(tmp_path / "c", 0), example
    if what == "make":
        make = fail
    else:
        monkeypatch.setattr(Checkpoint, "copied", fail)
    writer.offer(make)
    with pytest.raises(OutputError, match="no checkpoint: not enough memory for a checkpoint"):
        writer.offer(make)
    writer.close(functools.partial(example, 9))  # which takes no copy
    assert Checkpoint.load(tmp_path / "c").facts["number"] == 9


def test_writer_reports_the_last_failure_at_the_close(tmp_path):
    writer = CheckpointWriter(tmp_path / "missing" / "c", None)
    writer.offer(example)  # too early
    writer.close()
    with pytest.raises(OutputError, match=r"folder|No such file"):
        writer.close(example)


def test_what_is_made_is_what_is_saved(tmp_path):
    x, writer = torch.zeros(1000), CheckpointWriter(tmp_path / "c", 0)
    for number in range(5):
        writer.offer(lambda: Checkpoint({}, {"x": x}))
        x.add_(number + 1)
    writer.close()
    assert (Checkpoint.load(tmp_path / "c").tensors["x"] == 10).all()
