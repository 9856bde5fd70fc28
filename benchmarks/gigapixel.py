"""What a picture of so many pixels takes of processes that share it: memory, time, network.

    python benchmarks/gigapixel.py [--size 32768x32768] [--ranks 8 16 32 64] [--memory 64GB]
        [--cores 16] [--seconds 4.0] [--gigabits 10] [--by-rows]

Nothing is painted. Memory and bytes are the plan's, `impasto info --ranks`. Times are extrapolated:
evaluations x pixels x cost of the plan x `--seconds`, the seconds that one core takes for an
evaluation of a million pixels, which is to be measured on the machines in question; and the bytes
sent over a network of `--gigabits` a second for each process.
"""

import argparse
import json
import subprocess
import sys

from measuring import heading, table

MILLION = 1e6


def plan(size: str, ranks: int, *options: str) -> list[dict[str, object]]:
    """The rows of `impasto info`, the largest scale last."""
    command = [sys.executable, "-m", "impasto", "info", "--size", size, "--ranks", str(ranks)]
    command += [*options, "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr)
    rows: list[dict[str, object]] = json.loads(told.stdout)
    return rows


def number(value: object) -> float:
    """The number in a cell such as "12.3 MB"."""
    return float(str(value).split()[0])


def main() -> None:
    """Print a line for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", default="32768x32768")
    parser.add_argument("--ranks", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--memory", default="64GB", help="of each process")
    parser.add_argument("--smallest", default="2048", help="longest side of the first scale")
    parser.add_argument("--cores", type=int, default=16, help="of each process")
    parser.add_argument("--seconds", type=float, required=True, help="a core's, per megapixel")
    parser.add_argument("--gigabits", type=float, default=10.0)
    parser.add_argument("--by-rows", action="store_true", help="inputs are TIFF files")
    o = parser.parse_args()
    options = ["--memory", o.memory, "--smallest", o.smallest, *["--by-rows"] * o.by_rows]
    rows = []
    for ranks in o.ranks:
        scales = plan(o.size, ranks, *options)
        computing = sent = 0.0
        for scale in scales:
            width, height = map(int, str(scale["size"]).split("x"))
            evaluations = 1 + number(scale["iterations"])
            pixels = width * height / MILLION / ranks
            computing += evaluations * pixels * number(scale["cost"]) * o.seconds / o.cores
            megabytes = number(scale["sent"]) + number(scale["turned"])
            sent += evaluations * megabytes / 1e3
        sending = sent * 8 / o.gigabits
        last = scales[-1] if scales[-1]["size"] == o.size else scales[0]
        peak = max(number(scale["memory"]) for scale in scales)
        cells = [str(ranks), f"{ranks * o.cores}", str(last["rows"]), f"{peak:.1f}"]
        cells += [f"{ranks * peak / 1e3:.1f}", f"{sent:.0f}", f"{computing / 60:.0f}"]
        rows.append([*cells, f"{sending / 60:.1f}"])
    note = (
        f"{o.size} px; {o.seconds:g} s a core and megapixel, {o.gigabits:g} Gbit/s for each process"
    )
    print(heading("A picture on many processes", note))
    columns = ["processes", "cores", "rows", "GB each", "TB in all", "GB sent by one"]
    print(table([*columns, "minutes of computing", "minutes of sending"], rows))


if __name__ == "__main__":
    main()
