"""How long until something happens: import, help, and the first iteration.

    python benchmarks/startup.py [CONTENT STYLE] [--size 512] [--repeats 5]

Every measurement is a fresh process, timed from its start by the one that starts it, in
alternation with a bare interpreter and with `import torch`, on which it all rests. Paintings stop
the clock when the line of that iteration comes out of `impasto stylize --json`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from measuring import SPREAD, alternated, compared, heading, seconds, table
from scene import add_pictures

BASE = 'python -c "import torch"'
PROGRAM = Path(sys.executable).with_name("impasto")


def process(*command: str | Path) -> Callable[[], float]:
    """A measurement: how long a process takes from its start to its end."""
    return seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def until_iteration(number: int, content: str, style: str, size: int) -> float:
    """Seconds from the start of `impasto stylize` to the line of that iteration."""
    with tempfile.TemporaryDirectory() as folder:
        command = [PROGRAM, "stylize", content, style, "--size", str(size), "--json"]
        command += ["--output", Path(folder) / "painting.png"]
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            for line in running.stdout:
                if json.loads(line).get("iteration") == number:
                    spent = time.perf_counter() - started
                    running.kill()
                    return spent
    raise RuntimeError(f"impasto stylize ended before iteration {number}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_pictures(parser)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    o = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled once, as installed ones
    python = sys.executable
    label = f"impasto stylize, {o.size} px"
    subjects = {
        'python -c "pass"': process(python, "-c", "pass"),
        BASE: process(python, "-c", "import torch"),
        'python -c "import impasto"': process(python, "-c", "import impasto"),
        "impasto --help": process(PROGRAM, "--help"),
        f"{label}: initial canvas": partial(until_iteration, 0, o.content, o.style, o.size),
        f"{label}: iteration 1": partial(until_iteration, 1, o.content, o.style, o.size),
    }
    taken = alternated(subjects, o.repeats, warm_up=1)
    note = f"seconds from the start of a process; ratios are to `{BASE}`"
    print(heading("Start", note))
    print(table(["", *SPREAD], compared(taken, BASE)))


if __name__ == "__main__":
    main()
