"""Every benchmark in turn, and one table: commit, machine, command, figure.

    python benchmarks/all.py [--quick] [--only NAME ...] [--again] [--out out/benchmarks]

A benchmark is a program that prints Markdown tables. What each printed goes to OUT/results.jsonl as
it ends, and all figures to OUT/table.md. What is done for this commit on this machine is not run
again, so that an interrupted series goes on; with uncommitted changes everything is. One that fails
does not stop the others; the exit code is 1 then, and the next call tries it again. `--quick` runs
smallest sizes, to see that everything works: its figures say nothing. Times want a machine that has
nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from impasto.hardware.device import choose_threads, describe_cpu
from measuring import say, table

ROOT = Path(__file__).parent.parent
PAIR = "sample:astronaut sample:swirl"


@dataclass(frozen=True)
class Benchmark:
    """A program with its arguments: in earnest, and quick."""

    program: str  # relative to the folder of the source tree
    arguments: str = ""
    quick: str = ""
    cuda: bool = False  # whether the arguments in earnest need a GPU

    def command(self, *, quick: bool) -> str:
        """As one would type it."""
        return f"python {self.program} {self.quick if quick else self.arguments}".strip()


BENCHMARKS = (
    Benchmark("benchmarks/startup.py", "", "--size 64 --repeats 1"),
    Benchmark(
        "benchmarks/iteration.py",
        "--fill 10",
        "--sizes 64x48 --precisions fp32 --repeats 1 --block 1 --fill 1 --only gradient",
    ),
    Benchmark(
        "benchmarks/iteration.py",
        "--recipe standard --precisions auto --fill 10",
        "--recipe standard --sizes 64x48 --precisions auto --repeats 1 --block 1 --only gradient",
    ),
    Benchmark("benchmarks/traffic.py", "--recipe neural-style", "--size 64x48"),
    Benchmark(
        "benchmarks/memory.py",
        "--size 2048x1536 --iterations 6",
        "--size 128x96 --iterations 2 --only impasto",
    ),
    Benchmark("benchmarks/sizes.py", "", "--size 512 --predict"),
    Benchmark(
        "benchmarks/quality.py",
        "--only precision",
        "--only precision --size 64 --iterations 2 --pairs 1",
    ),
    Benchmark("benchmarks/quality.py", "--only time", "--only time --size 64 --iterations 2"),
    Benchmark("benchmarks/parity.py", PAIR, f"{PAIR} --size 64 --iterations 2"),
    Benchmark("benchmarks/presets.py", "standard neural-style", "standard --fast"),
    Benchmark("benchmarks/lettering.py", "0 5 10 20", "0 10 --styles swirl --fast"),
    Benchmark("benchmarks/photoreal.py", "", "--size 96 --pairs rocket+ember --fast"),
    Benchmark("benchmarks/film.py", "--frames 6", "--size 64 --frames 2 --scenes pan"),
    Benchmark(
        "benchmarks/film.py",
        "--size 192 --frames 9 --scenes disc --steadiness 0.5 --every 1 2 4 --between 0 1",
        "--size 64 --frames 3 --scenes disc --steadiness 0.5 --every 2",
    ),
    Benchmark("benchmarks/studio.py", "--repeats 1", "--size 64 --viewers 2 --repeats 1"),
    Benchmark("benchmarks/studio_hour.py", "", "--minutes 1 --viewers 2 --size 64"),
    Benchmark(
        "benchmarks/ranks.py",
        "--size 1448",
        "sample:astronaut sample:swirl --size 128 --ranks 1 2",
    ),
    Benchmark("benchmarks/gigapixel.py", "--seconds 3.7", "--seconds 3.7"),
    Benchmark("benchmarks/ray_batch.py", "", "--size 64 --iterations 2 --pairs 2 --repeats 1"),
    Benchmark("benchmarks/share.py", "", "--workers 2 --pairs 4 --kills 1 --iterations 2"),
    Benchmark("benchmarks/gpu.py", "--peer", "--device cpu --quick", cuda=True),
)
"""In order. `quantisation.py` is left out: it needs a wheel that it does not come with."""


@dataclass(frozen=True)
class Outcome:
    """What a benchmark printed, where."""

    commit: str
    machine: str
    command: str
    returncode: int
    seconds: float
    output: str


def run(
    benchmarks: Sequence[Benchmark], folder: Path, *, quick: bool = False, again: bool = False
) -> list[Outcome]:
    """Run what is not done yet, in turn; the outcomes of all, those from before as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    results, commit, where = folder / "results.jsonl", commit_of(ROOT), machine()
    done = {} if again or commit.endswith(DIRTY) else finished(results, commit, where)
    outcomes = []
    for benchmark in benchmarks:
        command = benchmark.command(quick=quick)
        if command in done:
            say(f"done before: {command}")
        else:
            say(command)
            done[command] = _outcome(command, commit, where)
            keep(results, done[command])
        outcomes.append(done[command])
        (folder / "table.md").write_text(told(outcomes), "utf-8")
    return outcomes


def _outcome(command: str, commit: str, where: str) -> Outcome:
    _, *arguments = shlex.split(command)
    began = time.perf_counter()
    process = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    seconds = round(time.perf_counter() - began, 1)
    if process.returncode:
        say(f"failed with exit code {process.returncode}: {command}")
    return Outcome(commit, where, command, process.returncode, seconds, process.stdout)


DIRTY = "-dirty"


def commit_of(folder: Path) -> str:
    """The commit of a source tree, `-dirty` where it has changes; "unknown-dirty" without git."""
    command = ["git", "describe", "--always", "--abbrev=12", f"--dirty={DIRTY}", "--exclude=*"]
    try:
        told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"unknown{DIRTY}"
    return told.stdout.strip()


def machine() -> str:
    """The processor and how many cores of it there are, and the GPU if there is one."""
    import torch

    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{describe_cpu()}, {choose_threads(0).value} cores{gpu}"


def finished(results: Path, commit: str, where: str) -> dict[str, Outcome]:
    """By command, what has succeeded for this commit on this machine; the last counts."""
    return {
        each.command: each
        for each in kept(results)
        if (each.commit, each.machine, each.returncode) == (commit, where, 0)
    }


def keep(results: Path, outcome: Outcome) -> None:
    """Add an outcome as a line of its own, also after one that an interruption cut off."""
    with results.open("a+b") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        begin = b"" if file.read() in (b"", b"\n") else b"\n"
        file.write(begin + json.dumps(asdict(outcome)).encode() + b"\n")


def kept(results: Path) -> Iterator[Outcome]:
    """The outcomes of the whole lines of a file, which may not be there yet."""
    lines = results.read_text("utf-8", "replace").splitlines() if results.exists() else []
    for line in lines:
        with suppress(ValueError, TypeError):  # a line that was cut off, or of another release
            yield Outcome(**json.loads(line))


def told(outcomes: Sequence[Outcome]) -> str:
    """One table of all figures; of a benchmark that failed, that it did."""
    rows = []
    for outcome in outcomes:
        commands = (outcome.commit, outcome.machine, f"`{outcome.command}`")
        if outcome.returncode:
            rows.append([*commands, "", f"failed: exit code {outcome.returncode}"])
            continue
        found = list(figures(outcome.output)) or [("", outcome.output.strip().replace("\n", "; "))]
        rows += [[*commands, name, figure] for name, figure in found]
    return table(["commit", "machine", "command", "of", "figure"], rows)


def figures(output: str) -> Iterator[tuple[str, str]]:
    """The rows of all Markdown tables in a text: the first cell, and the others by column."""
    columns: list[str] | None = None
    for line in output.splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        cells = [cell.strip() for cell in line.strip().removesuffix("|").split("|")[1:]]
        if columns is None:
            columns = cells
        elif not set(line) <= set("|:- "):
            named = zip(columns[1:], cells[1:], strict=False)
            yield cells[0], ", ".join(f"{name} {cell}".strip() for name, cell in named if cell)


def chosen(only: Sequence[str]) -> list[Benchmark]:
    """Those whose program has one of these names, or all."""
    return [each for each in BENCHMARKS if not only or Path(each.program).stem in only]


def main() -> None:
    """Parse the options, run, and say where the table is."""
    names = sorted({Path(each.program).stem for each in BENCHMARKS})
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smallest sizes: does it run?")
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="NAME")
    parser.add_argument("--again", action="store_true", help="also what is done")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "benchmarks")
    options = parser.parse_args()
    import torch

    benchmarks = [
        each
        for each in chosen(options.only)
        if options.quick or not each.cuda or torch.cuda.is_available()
    ]
    outcomes = run(benchmarks, options.out, quick=options.quick, again=options.again)
    print(options.out / "table.md")
    sys.exit(any(outcome.returncode for outcome in outcomes))


if __name__ == "__main__":
    main()
