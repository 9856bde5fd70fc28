"""Batches on a real Ray: local, with workers and machines that are killed."""

import signal
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from impasto import Settings
from impasto.apps.batch import Batch, Layout, pairs_in
from impasto.apps.batch.ray import Ray
from impasto.run.events import Notice, Step
from support.children import PATIENCE
from support.pictures import save_pairs

# Ray leaves sockets, files and child processes to the end of the process, which are warned of.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

SETTINGS = Settings.of(
    "standard", size=24, iterations=2, scales="1", precision="fp32", style_loss="gram", threads=1,
    encoder="vgg19", supersample_below=0
)  # fmt: skip
"""For other processes, which know no tiny network."""


@pytest.fixture(scope="module")
def cluster():
    """A head that lends no processors, and two machines with one each; all of it ends."""
    small = {"object_store_memory": 80 * 2**20}
    head = {"num_cpus": 0, "include_dashboard": False, **small}
    with quiet_ray(), nothing_left():
        Ray(address=None)  # imports Ray as it is used
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.nodes = [cluster.add_node(num_cpus=1, **small) for _ in range(2)]
            yield cluster
        finally:
            cluster.shutdown()


@contextmanager
def quiet_ray():
    """Ray neither reports its use nor minds the system; then the environment is as before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        yield


@contextmanager
def nothing_left():
    """Afterwards SIGTERM means what it did, and processes that are left are killed: a failure."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        started = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
        left = psutil.wait_procs(started, timeout=PATIENCE)[1]
        for process in left:
            with suppress(psutil.Error):  # it has ended
                process.kill()
        psutil.wait_procs(left, timeout=PATIENCE)
    assert left == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pairs(3, "png", (30, 26))
    return tmp_path


def batch(cluster, name, workers=None, pairs=3, **overrides):
    executor = Ray(workers, cluster.address) if cluster else None
    settings = SETTINGS.replaced(**overrides)
    return Batch(pairs_in(".")[:pairs], settings, Layout(Path(name)), executor=executor)


def painters():
    """The processes that paint, on all machines."""
    ours = psutil.Process().children(recursive=True)
    return [process for process in ours if "Painter" in command_of(process)]


def command_of(process):
    try:
        return "".join(process.cmdline())
    except psutil.Error:  # it has ended
        return ""


def test_a_cluster_paints_what_one_process_would(cluster, folder, capfd):
    handler = signal.getsignal(signal.SIGTERM)
    seen, told = [], set()

    def watch(job, event):
        seen.append(job.index)
        for painter in painters():
            with suppress(psutil.Error):  # it has ended
                has = painter.environ().get
                told.add((has("MALLOC_ARENA_MAX"), has("OMP_DYNAMIC")))

    entries = list(batch(cluster, "ray").entries(watch=watch))
    assert sorted((entry.index, entry.status) for entry in entries) == [
        (0, "done"), (1, "done"), (2, "done")
    ]  # fmt: skip
    assert {*seen} == {0, 1, 2}
    assert told == {("1", "false")}
    assert signal.getsignal(signal.SIGTERM) == handler
    assert capfd.readouterr() == ("", "")
    for entry in batch(None, "alone"):
        one, other = (Image.open(Path(f, entry.output)) for f in ("ray", "alone"))
        assert np.array_equal(np.asarray(one), np.asarray(other))
    assert sorted(p.name for p in Path("ray").rglob("*.checkpoint")) == []


def losing(lose, count=1):
    """A watcher that calls `lose` once so many jobs are at their steps, and what it heard."""
    begun, told = set(), []

    def watch(job, event):
        if isinstance(event, Notice):
            told.append(event.text)
        if isinstance(event, Step):
            begun.add(job.index)
            if len(begun) == count:
                begun.update(range(-9, 0))  # only once
                lose()

    return watch, told


def test_a_killed_worker_costs_nothing(cluster, folder):
    """Another takes its place and its pair."""
    watch, told = losing(lambda: [painter.kill() for painter in painters()])
    entries = list(batch(cluster, "out", 1, 1, iterations=60).entries(watch=watch))
    assert [entry.status for entry in entries] == ["done"]
    assert told == ["a worker was lost (its process or its machine ended); the pair is continued"]


def test_a_machine_that_is_lost_costs_nothing(cluster, folder):
    """Its pair is painted by the other."""
    last = cluster.nodes[-1]
    lose = partial(cluster.remove_node, last, allow_graceful=False)
    watch, told = losing(lose, count=2)
    entries = list(batch(cluster, "out", pairs=2, iterations=60).entries(watch=watch))
    assert [entry.status for entry in entries] == ["done"] * 2
    assert told == ["a worker was lost (its process or its machine ended); the pair is continued"]
