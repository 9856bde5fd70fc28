"""Workers that share a batch while they are killed at random: is every pair painted all the same?

    python benchmarks/share.py [--workers 8] [--pairs 200] [--kills 40] [--seed 0]

Workers paint small pairs in one folder by leases of a short life. Again and again one of them gets
SIGKILL, and another is started; whoever begins one of the last pairs waits until all of them have
been killed, however fast the machine is. In the end the manifest is audited, which has each pair
once, and every picture compared with that of a batch which one process paints alone. A pair ends at
more than one worker where a machine is so slow that a lease expires; its picture is the same.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from impasto import Settings
from impasto.apps.batch import Batch, Layout, Leases, pair_up
from impasto.images import read
from impasto.run.events import Step
from support.networks import register_tiny
from support.pictures import smooth_picture
from support.small import paint_as_small_as_asked

register_tiny()
paint_as_small_as_asked()

BEAT, EXPIRY = 0.5, 4.0  # seconds; a machine with many workers is slow at times
STYLES = 4


def planned(home: Path, output: str, iterations: int, *, shared: bool) -> Batch:
    """The batch in folder `home`; every iteration saves a checkpoint if it is shared."""
    contents, styles = (sorted((home / name).iterdir()) for name in ("contents", "styles"))
    settings = Settings.of(
        "standard", size=32, iterations=iterations, encoder="tiny", style_loss="gram", threads=1
    )
    layout = Layout(home / output, outputs={"checkpoint_every": 0.0} if shared else {})
    leases = Leases(layout.shared, BEAT, EXPIRY) if shared else None
    return Batch(pair_up(contents, styles, "all"), settings, layout, leases=leases)


def work(home: Path, iterations: int) -> None:
    """Be one worker, with a journal of the pairs it begins and how far they are then."""
    begun, batch = set(), planned(home, "shared", iterations, shared=True)
    with (home / "journals" / f"{os.getpid()}.jsonl").open("a", buffering=1) as journal:

        def watch(job, event):
            if isinstance(event, Step) and job.index not in begun:
                begun.add(job.index)
                print(json.dumps([job.index, event.done]), file=journal)
                while job.index >= len(batch) - deaths_due(home):
                    time.sleep(0.01)

        for entry in batch.entries(watch=watch):
            if entry.index in begun:
                print(json.dumps([entry.index, entry.status]), file=journal)


def deaths_due(home: Path) -> int:
    """How many workers are still to be killed."""
    return len(list((home / "deaths").iterdir()))


@dataclass
class Crew:
    """Worker processes, each replaced by another when it is killed."""

    command: list[str]
    running: list[subprocess.Popen] = field(default_factory=list)
    codes: Counter = field(default_factory=Counter)

    def hire(self) -> None:
        """Start one more."""
        self.running.append(subprocess.Popen(self.command))

    def kill(self, victim: subprocess.Popen) -> bool:
        """Kill one, and start another; False if it has ended before."""
        victim.send_signal(signal.SIGKILL)
        if victim.wait() != -signal.SIGKILL:
            return False
        self.running.remove(victim)
        self.codes[-signal.SIGKILL] += 1
        self.hire()
        return True

    def ended(self) -> bool:
        """Whether all have ended; counts their exit codes."""
        for process in [p for p in self.running if p.poll() is not None]:
            self.running.remove(process)
            self.codes[process.wait()] += 1
        return not self.running

    def close(self) -> None:
        """End those that are left."""
        for process in self.running:
            process.kill()
            process.wait()


def raced(crew: Crew, home: Path, workers: int, chance: random.Random) -> float:
    """Let them paint, and kill those that have begun, as often as is due; seconds until all end."""
    started = time.perf_counter()
    for _ in range(workers):
        crew.hire()
    while not crew.ended():
        time.sleep(chance.uniform(0, 0.5))
        busy = [p for p in crew.running if is_painting(home / "journals" / f"{p.pid}.jsonl")]
        due = sorted((home / "deaths").iterdir())
        if due and busy and crew.kill(chance.choice(busy)):
            due[0].unlink()
    return time.perf_counter() - started


def is_painting(journal: Path) -> bool:
    """Whether the last line of a worker's journal is that of a pair that it began."""
    with suppress(OSError, ValueError, IndexError):
        return isinstance(json.loads(journal.read_text().splitlines()[-1])[1], int)
    return False


def journals(home: Path) -> tuple[Counter, Counter, int]:
    """How often each pair was begun, how often it ended, how many beginnings were continuations."""
    begun, ended, continued = Counter(), Counter(), 0
    for file in (home / "journals").iterdir():
        for line in file.read_text().splitlines():
            with suppress(ValueError):  # the last line of one that was killed
                index, what = json.loads(line)
                (ended if isinstance(what, str) else begun)[index] += 1
                continued += isinstance(what, int) and what > 0
    return begun, ended, continued


def audit(home: Path, iterations: int) -> list[str]:
    """What is wrong with the manifest and the pictures, a line each."""
    shared = planned(home, "shared", iterations, shared=True)
    lines = [json.loads(line) for line in shared.manifest.path.read_text().splitlines()]
    faults = [f"pair {line['index']}: {line['error']}" for line in lines if line["error"]]
    if [line["index"] for line in lines] != list(range(len(shared))):
        faults.append(
            f"{len(lines)} lines in the manifest, not one for each of {len(shared)} pairs"
        )
    for entry in planned(home, "alone", iterations, shared=False):
        one, other = (read(home / name / entry.output) for name in ("shared", "alone"))
        if not np.array_equal(one.to_pil(), other.to_pil()):
            faults.append(f"pair {entry.index}: another picture than one process paints")
    left = {path.name for path in (home / "shared").iterdir() if not path.name.startswith("gen_")}
    if left != {"manifest.jsonl"}:
        faults.append(f"left in the folder: {', '.join(sorted(left))}")
    return faults


def furnish(home: Path, pairs: int, kills: int) -> None:
    """Lay out pictures, a place for journals, and a file for each worker that is to be killed."""
    for name, count in (("contents", pairs // STYLES), ("styles", STYLES)):
        (home / name).mkdir()
        for number in range(count):
            smooth_picture(40, 33, phase=number + len(name)).save(home / name / f"{number}.png")
    for name in ("journals", "deaths"):
        (home / name).mkdir()
    for number in range(kills):
        (home / "deaths" / str(number)).touch()


def main() -> None:
    """Race, audit, print; exit code 1 for faults."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.work:
        return work(o.work, o.iterations)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        furnish(home, o.pairs, o.kills)
        crew = Crew([sys.executable, __file__, "--work", folder, f"--iterations={o.iterations}"])
        try:
            seconds = raced(crew, home, o.workers, random.Random(o.seed))
        finally:
            crew.close()
        begun, ended, continued = journals(home)
        faults = audit(home, o.iterations)
        if crew.codes != Counter({0: o.workers, -signal.SIGKILL: o.kills}):
            faults.append(f"other exit codes than {o.kills} deaths and {o.workers} successes")
    print(f"{o.workers} workers, {len(begun)} pairs, {seconds:.0f} s")
    print(f"exit codes: {dict(crew.codes)}")
    print(f"{begun.total()} beginnings, {continued} of them from a checkpoint")
    print(f"{sum(n > 1 for n in ended.values())} pairs ended at more than one worker")
    for fault in faults:
        print("fault:", fault)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
