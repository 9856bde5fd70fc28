"""What a cluster costs: a batch in one process and on Ray with one worker, in turns.

    python benchmarks/ray_batch.py [--size 512] [--pairs 4] [--repeats 3]

Both paint the same pairs with the same threads. The times are those of the pairs alone, from the
first step to the last entry, so that starting Ray and importing PyTorch there, which a batch does
once, is not counted. The ratio is what events, checkpoints and the manifest cost.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

from impasto import Settings
from impasto.apps.batch import Batch, Layout, Pair
from impasto.apps.batch.executors import executor_at
from impasto.hardware import choose_threads
from impasto.images.samples import sample
from impasto.run.events import Stage
from measuring import SPREAD, alternated, compared, heading, table


def seconds(on: str, settings: Settings, pairs: int) -> float:
    """Seconds from the beginning of the first pair to the end of the last, painted on `on`."""
    pair = Pair(Path(sample("astronaut")), Path(sample("swirl")))
    begun: list[float] = []

    def watch(job: object, event: object) -> None:
        if isinstance(event, Stage) and not begun:
            begun.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        batch = Batch([pair] * pairs, settings, Layout(Path(folder)), executor=executor_at(on, 1))
        assert all(entry.status == "done" for entry in batch.entries(watch=watch))
        return time.perf_counter() - begun[0]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    o = parser.parse_args()
    threads = choose_threads(0).value
    settings = Settings.of(
        "standard", size=o.size, iterations=o.iterations, scales="1", threads=threads
    )
    subjects = {on: partial(seconds, on, settings, o.pairs) for on in ("serial", "ray")}
    taken = alternated(subjects, o.repeats)
    print(heading("A batch on Ray", f"{o.pairs} pairs of {o.size} px, {o.iterations} iterations"))
    print(table(["seconds", *SPREAD], compared(taken, "serial")))


if __name__ == "__main__":
    main()
