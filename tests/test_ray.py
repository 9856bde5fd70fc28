"""Batches on a cluster as the driver sees them: a fake stands for Ray, and nothing is started."""

import contextlib
import json
import signal
import sys
import types
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from impasto import Settings
from impasto.apps.batch import Batch, Layout, Task, paint_job, pairs_in
from impasto.apps.batch.executors import EXECUTORS, executor_at
from impasto.apps.batch.job import entry_of
from impasto.apps.batch.layout import Job
from impasto.apps.batch.pairs import Pair
from impasto.apps.batch.processes import Processes
from impasto.apps.batch.ray import Ray, _own_signals
from impasto.apps.batch.ray_crew import Crew, Lost
from impasto.apps.batch.ray_machines import needs
from impasto.apps.batch.ray_worker import Greeting, Painter, identity, thinned, within
from impasto.apps.cli import main
from impasto.errors import ExtraMissing, ImpastoError, OutputError, SettingsError
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Notice, Step
from support.pictures import save_pairs

SETTINGS = Settings.of(
    "standard", size=24, iterations=2, scales="1", precision="fp32", style_loss="gram",
    encoder="tiny", threads=1
)  # fmt: skip
TASK = Task(SETTINGS)
OWN = {"impasto": "1", "weights": "abc"}


class Hand:
    """A worker: it dies as often as its job is meant to, and stops when it is told to."""

    def __init__(self, cluster, machine):
        self.cluster, self.machine, self.stopped, self.here = cluster, machine, False, True

    def greet(self):
        yield self.cluster.greeting(self.machine)

    def paint(self, job):
        assert self.here
        self.cluster.begun.append(job.index)
        self.cluster.at.append(self)
        yield Notice("begun", "test")
        if self.cluster.deaths[job.index] > 0:
            self.cluster.deaths[job.index] -= 1
            raise Lost("it was killed")
        while self.cluster.patient and not self.stopped:
            yield Notice("on the way", "test")
        self.cluster.at.remove(self)
        yield self.cluster.entry(job, stopped=self.stopped)

    def stop(self):
        self.stopped = True

    def dismiss(self):
        self.here = False
        self.cluster.staff.remove(self)
        with contextlib.suppress(ValueError):
            self.cluster.at.remove(self)


class Fake:
    """A cluster of `machines`, name to resources; `deaths` by job, `patient` until stopped."""

    def __init__(self, machines=None, deaths=None, *, patient=False):
        self.there = {"a": {"CPU": 1}} if machines is None else machines
        self.deaths, self.patient = Counter(deaths or {}), patient
        self.staff, self.begun, self.at, self.busiest = [], [], [], 0
        self.interrupts, self.raising = [], {}

    def machines(self):
        return self.there

    def hire(self, machine, need):
        self.staff.append(Hand(self, machine))
        return self.staff[-1]

    def heard(self, streams, seconds):
        self.busiest = max(self.busiest, len(self.at))
        if self.interrupts and self.interrupts[0] <= len(self.begun):
            self.interrupts.pop(0)
            raise KeyboardInterrupt
        return streams[::-1]  # so that they end in another order

    def take(self, stream):
        return next(stream)

    def greeting(self, machine):
        return Greeting(OWN)

    def entry(self, job, *, stopped):
        if stopped:
            error = {"error": "interrupted", "raised": KeyboardInterrupt()}
            return entry_of(job, TASK, status="failed", **error)
        if job.index in self.raising:
            error = self.raising[job.index]
            return entry_of(job, TASK, status="failed", error=str(error), raised=error)
        job.path.touch()
        return entry_of(job, TASK, status="done")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("painted")


def jobs_in(folder, count):
    names = [f"{index}.png" for index in range(count)]
    pair = Pair(Path("content.png"), Path("style.png"))
    return [Job(index, pair, name, folder / name) for index, name in enumerate(names)]


def ended(cluster, jobs, limit=None, *, watch=lambda *_: None, clock=None):
    """The entries of a crew, whose workers are gone at the end."""
    ticks = iter(range(0, 10**9, 10))
    crew = Crew(cluster, jobs, TASK, OWN, limit, clock or (lambda: next(ticks)))
    try:
        yield from crew.entries(watch)
    finally:
        crew.close()
        assert cluster.staff == []


class Silent(Fake):
    """A cluster whose machine `a` leaves while it paints, and whose streams never tell."""

    def heard(self, streams, seconds):
        if self.begun and "a" in self.there:
            self.there = {"b": {"CPU": 1}}
        return [s for s in super().heard(streams, seconds) if not self.is_of_a(s)]

    def is_of_a(self, stream):
        hand = stream.gi_frame.f_locals["self"]
        return hand.machine == "a" and bool(self.begun)


@pytest.mark.parametrize("count", [1, 3])
def test_a_machine_that_is_gone_without_a_word_is_not_waited_for(folder, count):
    told = []
    cluster = Silent({"a": {"CPU": 1}})
    entries = [*ended(cluster, jobs_in(folder, count), watch=lambda job, event: told.append(event))]
    assert sorted((entry.index, entry.status) for entry in entries) == [
        (index, "done") for index in range(count)
    ]
    texts = [event.text for event in told if event.kind == "cluster"]
    assert texts == ["a worker was lost (its machine is gone); the pair is continued"]


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3), min_size=1),
    st.integers(0, 12),
    st.none() | st.integers(1, 5),
    st.dictionaries(st.integers(0, 11), st.integers(0, 5)),
)
def test_every_job_has_one_entry(folder, sizes, count, limit, deaths):
    """However many machines there are, and whichever workers die at which job."""
    cluster = Fake({name: {"CPU": cpus} for name, cpus in sizes.items()}, deaths)
    entries = list(ended(cluster, jobs_in(folder, count), limit))
    assert sorted(entry.index for entry in entries) == list(range(count))
    for entry in entries:
        lost = deaths.get(entry.index, 0)
        assert (entry.status == "failed") == (lost > 2), entry
        assert cluster.begun.count(entry.index) == min(lost + 1, 3)
    # a worker takes one job at a time, and there are no more workers than are of use
    assert cluster.busiest <= min(limit or sum(sizes.values()), sum(sizes.values()), count)


def test_a_lost_worker_is_told(folder):
    told = []
    cluster = Fake(deaths={0: 3})
    [entry] = ended(cluster, jobs_in(folder, 1), watch=lambda _, event: told.append(event))
    assert entry.error == "3 workers were lost with it; the last: it was killed"
    lost = [event.text for event in told if event.kind == "cluster"]
    assert lost == ["a worker was lost (it was killed); the pair is continued"] * 2


def test_a_machine_that_goes_leaves_its_job_to_others(folder):
    cluster = Fake({"a": {"CPU": 1}, "b": {"CPU": 1}}, {0: 1})
    entries = []
    for entry in ended(cluster, jobs_in(folder, 6)):
        cluster.there = {"b": {"CPU": 1}}
        entries.append(entry)
    assert sorted(entry.index for entry in entries) == [*range(6)]
    assert {entry.status for entry in entries} == {"done"}


def test_a_machine_that_joins_gets_a_worker(folder):
    cluster, seen = Fake(), set()
    for _ in ended(cluster, jobs_in(folder, 9)):
        cluster.there = {"a": {"CPU": 1}, "b": {"CPU": 1}}
        seen |= {hand.machine for hand in cluster.staff}
    assert seen == {"a", "b"}


def test_an_error_of_every_job_ends_the_batch(folder):
    """No more are begun; those under way end."""
    cluster = Fake({"a": {"CPU": 1}, "b": {"CPU": 1}})
    cluster.raising[1] = TypeError("of every job")
    entries = list(ended(cluster, jobs_in(folder, 9)))
    assert sorted(entry.index for entry in entries) == sorted(cluster.begun) == [0, 1, 2]
    assert [type(entry.raised) for entry in entries if entry.index == 1] == [TypeError]


def test_ctrl_c_lets_workers_save(folder):
    cluster = Fake({"a": {"CPU": 1}, "b": {"CPU": 1}}, patient=True)
    cluster.interrupts = [2]
    entries = []
    with pytest.raises(KeyboardInterrupt):
        entries.extend(ended(cluster, jobs_in(folder, 5)))  # extend keeps what came before
    assert sorted((entry.index, entry.error) for entry in entries) == [
        (0, "interrupted"), (1, "interrupted")
    ]  # fmt: skip


def test_a_second_ctrl_c_acts_at_once(folder):
    cluster = Fake(patient=True)
    cluster.interrupts = [1, 1]
    with pytest.raises(KeyboardInterrupt):
        list(ended(cluster, jobs_in(folder, 5)))
    assert cluster.begun == [0]


def test_a_worker_lost_after_ctrl_c_is_not_replaced(folder):
    cluster = Fake(deaths={0: 1})
    cluster.interrupts = [1]
    entries = []
    with pytest.raises(KeyboardInterrupt):
        entries.extend(ended(cluster, jobs_in(folder, 5)))
    assert [(entry.index, entry.status) for entry in entries] == [(0, "failed")]
    assert entries[0].error == "a worker was lost with it: it was killed"
    assert cluster.begun == [0]


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (Greeting({"impasto": "2", "weights": "abc"}), "its impasto is 2 and 1 here"),
        (Greeting({"impasto": "1"}), "its weights is missing and abc here"),
        (Greeting(OWN, "it has no folder /x"), "it has no folder /x"),
        (Lost("No module named 'impasto'"), "No module named 'impasto'"),
    ],
)
def test_a_machine_that_differs_is_left_out(greeting, says, folder):
    cluster, told = Fake({"a": {"CPU": 1}, "b": {"CPU": 1}}), []

    def greet(machine):
        if machine == "b":
            return Greeting(OWN)
        if isinstance(greeting, Lost):
            raise greeting
        return greeting

    cluster.greeting = greet
    entries = list(ended(cluster, jobs_in(folder, 4), watch=lambda _, e: told.append(e.text)))
    assert [entry.status for entry in entries] == ["done"] * 4
    if isinstance(greeting, Greeting):
        assert sum(says in text for text in told) == 1
    del cluster.there["b"]
    with pytest.raises(ImpastoError, match=r"no machine of the cluster can paint: ") as error:
        list(ended(cluster, jobs_in(folder, 4)))
    assert says in str(error.value)


def test_workers_that_are_never_ready_end_the_batch(folder):
    """As where another program holds the processors."""
    cluster = Fake()
    cluster.heard = lambda streams, seconds: []
    with pytest.raises(ImpastoError, match="no worker of the cluster is ready after 300 s"):
        list(ended(cluster, jobs_in(folder, 1)))


def test_a_folder_that_is_not_shared_ends_the_batch(folder):
    cluster = Fake()
    cluster.entry = lambda job, stopped: entry_of(job, TASK, status="done")
    (entry,) = ended(cluster, jobs_in(folder / "elsewhere", 2))
    assert entry.status == "failed"
    assert isinstance(entry.raised, OutputError)
    assert "all machines share" in entry.error


# What a worker takes


@pytest.mark.parametrize(
    ("asked", "has", "expected"),
    [
        ({}, {"CPU": 4, "memory": 800}, ({"CPU": 4, "memory": 800}, 1)),
        ({"threads": 2}, {"CPU": 5, "memory": 800}, ({"CPU": 2, "memory": 400}, 2)),
        ({"threads": 8}, {"CPU": 4}, ({}, 0)),
        ({}, {"memory": 800}, ({}, 0)),  # a head that lends no processors
        ({"memory": 300, "threads": 1}, {"CPU": 9, "memory": 800}, ({"CPU": 1, "memory": 300}, 2)),
        ({}, {"CPU": 8, "GPU": 2}, ({"CPU": 4, "GPU": 1}, 2)),
        ({}, {"CPU": 1, "GPU": 2}, ({"CPU": 0.5, "GPU": 1}, 2)),
        ({"threads": 4}, {"CPU": 6, "GPU": 2}, ({"CPU": 4, "GPU": 1}, 1)),
        ({"device": "cuda"}, {"CPU": 8}, ({}, 0)),
        ({"device": "cpu"}, {"CPU": 8, "GPU": 2, "memory": 9}, ({"CPU": 8, "memory": 9}, 1)),
    ],
)
def test_what_workers_take_of_a_machine(asked, has, expected):
    settings = Settings().replaced(threads=0, device="auto")
    assert needs(settings.model_copy(update=asked), has) == expected


def test_a_job_has_what_ray_grants():
    task = Task(Settings().replaced(threads=0))
    granted = within(task, {"CPU": 1.0, "memory": 3e9})._shared_out()
    assert (granted.threads, int(granted.memory)) == (1, 3_000_000_000)
    assert within(Task(SETTINGS), {"CPU": 4.0}).limits == {"threads": 1}
    assert within(task, {"CPU": 0.5, "GPU": 1.0, "memory": 3e9}).limits == {"threads": 1}
    assert entry_of(jobs_in(Path(), 1)[0], task).settings["threads"] == 0  # as they were asked for


def test_steps_are_thinned():
    """Two a second, without canvas; nothing else is lost."""
    times = iter([0.0, 0.0, 0.2, 0.4, 0.9, 0.9, 1.0])
    told = []
    hear = thinned(told.append, lambda: next(times))
    canvas = torch.zeros(3, 2, 2)
    steps = [Step(2, n, n, 4, 0.0, {}, 0.0, None, (2, 2), canvas) for n in range(5)]
    hear(steps[0])
    hear(Notice("x", "test"))
    for step in steps[1:]:
        hear(step)
    assert [getattr(event, "done", "notice") for event in told] == [0, "notice", 3]
    assert all(event.canvas is None for event in told if isinstance(event, Step))


# The worker itself, in this process


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pairs(2, "png", (30, 26))
    return tmp_path


def pixels(job):
    return np.asarray(Image.open(job.path))


def test_a_worker_paints_what_the_driver_would(pictures):
    planned = Batch(pairs_in("."), SETTINGS, Layout(Path("out")))
    painter = Painter(planned.task, 9, str(pictures), {"CPU": 1})
    (greeting,) = painter.greet()
    assert greeting == Greeting(identity(planned.task))
    *events, entry = painter.paint(planned.jobs[0])
    assert [type(event).__name__ for event in events] == ["Stage", "Step", "Done"]
    before = pixels(planned.jobs[0])
    alone = paint_job(planned.jobs[0], planned.task)
    assert replace(entry, seconds=0, started="") == replace(alone, seconds=0, started="")
    assert np.array_equal(pixels(planned.jobs[0]), before)
    assert [*Path("out/gen_0").iterdir()] == [planned.jobs[0].path]  # no checkpoint is left


def test_a_stopped_worker_saves(pictures):
    settings = SETTINGS.replaced(iterations=100_000)
    planned = Batch(pairs_in("."), settings, Layout(Path("out")))
    painter = Painter(planned.task, 9, str(pictures), {"CPU": 1})
    for message in painter.paint(planned.jobs[0]):
        if isinstance(message, Step):
            painter.stop()
        entry = message
    assert (entry.status, type(entry.raised)) == ("failed", KeyboardInterrupt)
    assert planned.jobs[0].path.exists()
    assert planned.jobs[0].checkpoint.exists()


def test_a_worker_without_the_folder_says_so(pictures):
    (greeting,) = Painter(TASK, 9, str(pictures / "gone"), {}).greet()
    assert "gone (No such file or directory), where the batch runs" in greeting.problem


def test_a_job_goes_on_from_its_checkpoint(pictures):
    """Bit for bit as if nothing had happened; one of another run is of no use, and no harm."""
    settings = SETTINGS.replaced(iterations=6, scales="0.75,1")
    planned = Batch(pairs_in("."), settings, Layout(Path("out")))
    first, second = planned.jobs
    broken, steps = types.SimpleNamespace(is_set=lambda: len(steps) > 7), []
    whole = paint_job(first, planned.task)
    expected = pixels(first)
    first.path.unlink()

    def watch(job, event):
        if isinstance(event, Step):
            steps.append(event.done)

    paint_job(first, planned.task, watch=watch, stop=broken, checkpoint=first.checkpoint)
    assert Checkpoint.exists(first.checkpoint)
    second.checkpoint.parent.mkdir()
    second.checkpoint.write_bytes(first.checkpoint.read_bytes())
    before, broken.is_set = len(steps), lambda: False
    again = paint_job(first, planned.task, watch=watch, stop=broken, checkpoint=first.checkpoint)
    assert steps[before:] == [*range(steps[before - 1] + 1, 13)]
    assert (again.status, again.loss) == ("done", whole.loss)
    assert np.array_equal(pixels(first), expected)
    assert not Checkpoint.exists(first.checkpoint)
    other = paint_job(second, planned.task, checkpoint=second.checkpoint)
    assert (other.status, other.iterations) == ("done", 12)


# The seam


def test_an_executor_may_have_an_address(monkeypatch):
    made = []
    monkeypatch.setattr(EXECUTORS, "_found", {**EXECUTORS._found})

    @EXECUTORS.registered("moon")
    def moon(workers=None, address=None):
        made.append((workers, address))

    @EXECUTORS.registered("plain")
    def plain(workers):
        made.append(workers)

    executor_at("moon")
    executor_at("moon://crater:1", 3)
    executor_at("moon://")
    executor_at("plain")
    executor_at("plain", 2)
    assert made == [(None, None), (3, "crater:1"), (None, None), 1, 2]
    with pytest.raises(SettingsError, match="plain has no address"):
        executor_at("plain://crater")
    assert isinstance(executor_at("processes", 2), Processes)


@pytest.fixture
def refused(pictures, capsys):
    """`impasto batch --on` a place: the one line of its error. Nothing is written."""

    def run(place, *arguments):
        before = sorted(pictures.rglob("*"))
        small = ["--size", "24", "--encoder", "tiny", "-q", "-o", "out/of/many"]
        with pytest.raises(SystemExit) as left:
            main(["batch", ".", "--on", place, *small, *arguments])
        out, err = capsys.readouterr()
        assert (left.value.code, out, err.count("\n")) == (2, "", 1), err
        assert sorted(pictures.rglob("*")) == before
        return err

    return run


def test_without_ray_the_extra_is_named(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "painting on a cluster needs ray, which is not installed" in refused("ray")
    assert "pip install 'impasto[ray]'" in refused("ray://auto")
    with pytest.raises(ExtraMissing):
        Ray()


class FakeRay(types.ModuleType):
    """Ray that refuses to begin."""

    def __init__(self, error):
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(RayError=type("RayError", (Exception,), {}))
        self.error, self.options = error, None

    def is_initialized(self):
        return False

    def init(self, **options):
        self.options = options
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray does, in its way
        raise self.error


@pytest.fixture
def ray_that(monkeypatch):
    def refuses(error):
        fake = FakeRay(error)
        monkeypatch.setitem(sys.modules, "ray", fake)
        monkeypatch.setitem(sys.modules, "ray._private.worker", types.ModuleType("worker"))
        return fake

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    return refuses


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "nobody answers there (Connection refused)"),
        ("127.0.0.1:99999", "nobody answers there"),
        ("\0:1", "nobody answers there"),
        ("moon", "expected ray://auto or ray://HOST:PORT"),
        ("127.0.0.1:x", "expected ray://auto or ray://HOST:PORT"),
    ],
)
def test_a_cluster_that_cannot_be_reached(address, says, refused, ray_that):
    ray_that(AssertionError())
    assert says in refused(f"ray://{address}")


def test_a_cluster_that_refuses(refused, ray_that):
    before = signal.getsignal(signal.SIGTERM)
    fake = ray_that(RuntimeError("Version mismatch:\n  The cluster has Python 3.12\n"))
    assert "on is 'ray': The cluster has Python 3.12" in refused("ray")
    assert fake.options["include_dashboard"] is False
    assert fake.options["log_to_driver"] is False
    assert signal.getsignal(signal.SIGTERM) == before
    fake.error = ConnectionError("no running Ray instance")
    assert "on is 'ray://auto': no running Ray instance" in refused("ray://auto")


def test_a_cluster_is_not_shared_as_well(refused, ray_that):
    ray_that(AssertionError())
    assert "a cluster divides the pairs by itself" in refused("ray", "--share")


def test_signals_stay_as_they_are():
    before = signal.getsignal(signal.SIGTERM)
    with _own_signals() as restore:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        restore()
        assert signal.getsignal(signal.SIGTERM) == before
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) == before


def test_nothing_is_started_where_nothing_is_left_to_do(pictures, ray_that):
    fake = ray_that(AssertionError())
    list(Batch(pairs_in("."), SETTINGS, Layout(Path("out"))))
    entries = list(Batch(pairs_in("."), SETTINGS, Layout(Path("out")), executor=Ray()))
    assert [entry.status for entry in entries] == ["skipped"] * 2
    assert fake.options is None
    assert len([json.loads(x) for x in Path("out/manifest.jsonl").read_text().splitlines()]) == 2
