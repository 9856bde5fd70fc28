"""What a cluster costs: a batch in one process and on Ray with one worker, in turns.

    python benchmarks/ray_batch.py [--size 512] [--pairs 4] [--repeats 3]

Both paint the same pairs with the same threads, which sleep where they wait, as those of the
command do. The time is that of the pairs after the first one, which takes longer in a new process.
`serial beside Ray` is the one process while a cluster with a
worker is there and has nothing to do: what Ray itself takes from two busy cores. What `ray` costs
beyond that is ours: events, checkpoints and the manifest.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from impasto import Settings
from impasto.apps.batch import Batch, Layout, Pair
from impasto.apps.batch.executors import executor_at
from impasto.apps.environment import of_threads
from impasto.hardware import choose_threads
from impasto.images.samples import sample
from measuring import SPREAD, alternated, compared, heading, table


def seconds(on: str, settings: Settings, pairs: int) -> float:
    """Seconds from the end of the first pair to the end of the last, painted on `on`."""
    pair = Pair(Path(sample("astronaut")), Path(sample("swirl")))
    with tempfile.TemporaryDirectory() as folder:
        batch = Batch([pair] * pairs, settings, Layout(Path(folder)), executor=executor_at(on, 1))
        ended = []
        for entry in batch.entries():
            assert entry.status == "done", entry.error
            ended.append(time.perf_counter())
        return ended[-1] - ended[0]


def seconds_beside_ray(settings: Settings, pairs: int) -> float:
    """The same in one process, while a cluster here has a worker without work."""
    with idle_cluster():
        return seconds("serial", settings, pairs)


@contextmanager
def idle_cluster() -> Iterator[None]:
    """With a cluster of this machine, and a worker in it that waits."""
    import ray

    executor_at("ray", 1)  # which sets up its environment
    ray.init(
        num_cpus=choose_threads(0).value,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        worker = ray.remote(Idle).options(max_concurrency=2).remote()
        ray.get(worker.greet.remote())
        yield
    finally:
        ray.shutdown()


class Idle:
    """A worker that does nothing."""

    def greet(self) -> None:
        """Be there."""


def main() -> None:
    """Print the table."""
    if "OMP_WAIT_POLICY" not in os.environ:  # as the command does, before torch is imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **of_threads()})
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=4, help="one more than counts")
    parser.add_argument("--repeats", type=int, default=3)
    o = parser.parse_args()
    threads = choose_threads(0).value
    settings = Settings.of(
        "standard", size=o.size, iterations=o.iterations, scales="1", threads=threads
    )
    subjects = {
        "serial": partial(seconds, "serial", settings, o.pairs),
        "serial beside Ray": partial(seconds_beside_ray, settings, o.pairs),
        "ray": partial(seconds, "ray", settings, o.pairs),
    }
    taken = alternated(subjects, o.repeats)
    counted = f"{o.pairs - 1} pairs of {o.size} px, {o.iterations} iterations"
    print(heading("A batch on Ray", counted))
    print(table(["seconds", *SPREAD], compared(taken, "serial")))


if __name__ == "__main__":
    main()
