"""On a GPU, one table: seconds and memory of every preset and recipe, arithmetic, agreement.

    python -m pytest tests/test_gpu.py && python benchmarks/gpu.py
    python benchmarks/gpu.py --minutes 9 --device cuda:1
    python benchmarks/gpu.py --device cpu --quick

- Each recipe paints the pair at its own size and iterations, but `print` at 2048 px. Seconds are
  from the pictures to the result, once the device is warm; those of the first run of the process
  stand apart.
- `neural-style` at 512x384 runs 500 iterations from the photograph, in each precision.
- One loss and gradient at 2048x1536 gives the convolutions' arithmetic, as a part of what the
  device does in products of 8192 x 8192 bfloat16 matrices.
- One loss and gradient at 512x384 is compared with the CPU's in float32.
- With `--peer`, the 500 iterations of another program; see `peer.py`.

Memory is the most that torch took of the device, statistics of the style included. Rows that would
begin after `--minutes` are left out, and named. `--quick` does everything at 64 px with two
iterations, which shows that it works and not how fast.
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

import impasto
from impasto.encoder import Conv, Encoder, weights_of
from impasto.errors import SettingsError
from impasto.hardware.cuda_graph import captured
from impasto.hardware.device import choose_device
from impasto.settings.recipes import recipes
from measuring import heading, say, table
from peer import PEER, peer
from scene import Scene, add_pictures, objective

COLUMNS = ["", "seconds", "device MB", "TFLOP/s", "loss differs", "gradient differs"]
SMALL, LARGE, PRINT = (512, 384), (2048, 1536), 2048
SIDE = 8192  # of the matrices
CALLS = 10
QUICK = 64  # px
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
PRECISIONS = ("bf16", "fast32", "fp32")

Row = list[str]


@dataclass(frozen=True)
class Bench:
    """Two pictures, the device, and whether everything is small."""

    content: str
    style: str
    device: torch.device
    quick: bool

    def scene(self, size: tuple[int, int]) -> Scene:
        """The pictures for a canvas of (width, height)."""
        return Scene.of(self.content, self.style, (QUICK, QUICK) if self.quick else size)

    def settings(self, name: str, **fields: object) -> impasto.Settings:
        """A recipe on the device, small where everything is."""
        small = {"size": QUICK, "supersample_below": 0, "iterations": 2} if self.quick else {}
        return impasto.Settings.of(name, **{**fields, **small, "device": str(self.device)})

    def measured(self, work: Callable[[], object], calls: int = 1) -> tuple[float, str]:
        """Seconds a call, from an idle device to an idle device, and the device's memory in MB."""
        gc.collect()
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        self.wait()
        started = time.perf_counter()
        for _ in range(calls):
            work()
        self.wait()
        taken = (time.perf_counter() - started) / calls
        peak = torch.cuda.max_memory_allocated(self.device) if on_gpu else 0
        return taken, f"{peak / 1e6:,.0f}" if on_gpu else ""

    def wait(self) -> None:
        """Until the device has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def sources(bench: Bench, settings: impasto.Settings) -> tuple[str | None, str | None]:
    """The pictures that a recipe reads: those whose term has a weight."""
    content = bench.content if settings.content_weight else None
    return content, bench.style if settings.style_weight else None


def paint(bench: Bench, settings: impasto.Settings) -> Row:
    """Cells of a whole run: seconds and memory."""
    content, style = sources(bench, settings)

    def work() -> None:
        run = impasto.Run(content, style, settings)
        for _ in run:
            pass
        run.result()

    seconds, memory = bench.measured(work)
    return [f"{seconds:.2f}", memory]


def recipe_rows(bench: Bench) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Every preset and recipe, and `neural-style` at one size in each precision."""
    for name in recipes():
        fields = {"size": PRINT} if name == "print" else {}
        yield name, lambda n=name, f=fields: paint(bench, bench.settings(n, **f))
    fields = {"size": SMALL, "init": "content", "iterations": 500}
    for precision in PRECISIONS:
        settings = bench.settings("neural-style", precision=precision, **fields)
        label = f"neural-style at 512x384, 500 iterations, {precision}"
        yield label, lambda s=settings: paint(bench, s)


def operations(encoder: Encoder, taps: list[str], size: tuple[int, int]) -> int:
    """Floating-point operations of the convolutions up to the deepest tap, forwards and back.

    A multiplication and an addition count as two; Grams, poolings and the rest are left out.
    """
    net = encoder.architecture
    total = 0
    for operation in net.path(taps):
        if isinstance(operation, Conv):
            width, height = (side >> net.level(operation.name) for side in size)
            total += 2 * operation.multiplications * width * height
    return 2 * total


def product(bench: Bench) -> Row:
    """Cells of a product of two bfloat16 matrices."""
    side = QUICK if bench.quick else SIDE
    matrix = torch.randn(side, side, device=bench.device, dtype=torch.bfloat16)
    seconds, memory = _warm(bench, lambda: matrix @ matrix)
    return [f"{seconds:.4f}", memory, f"{2 * side**3 / seconds / 1e12:.1f}"]


def gradient(bench: Bench, name: str) -> Row:
    """Cells of a loss and gradient in bfloat16 at the large size."""
    settings, scene = bench.settings(name, precision="bf16"), bench.scene(LARGE)
    evaluate = captured(objective(scene, settings, torch.bfloat16, bench.device), say)
    canvas = scene.canvas(settings).to(bench.device)
    taps = [*settings.content_layers, *settings.style_layers]
    count = operations(Encoder(weights_of(settings.encoder)), taps, scene.size)
    seconds, memory = _warm(bench, lambda: evaluate(canvas))
    return [f"{seconds:.4f}", memory, f"{count / seconds / 1e12:.1f}"]


def _warm(bench: Bench, work: Callable[[], object]) -> tuple[float, str]:
    bench.measured(work, 2)
    return bench.measured(work, CALLS)


def agreement(bench: Bench, name: str, dtype: torch.dtype) -> Row:
    """Cells of how far loss and gradient are from the CPU's in float32, relative."""
    settings, scene = bench.settings(name, precision="fp32"), bench.scene(SMALL)
    canvas = scene.canvas(settings)
    truth = objective(scene, settings, torch.float32)(canvas)
    at = objective(scene, settings, dtype, bench.device)(canvas.to(bench.device))
    loss = abs(float(at.loss) / float(truth.loss) - 1)
    apart = (at.gradient.cpu() - truth.gradient).norm() / truth.gradient.norm()
    return ["", "", "", f"{loss:.1e}", f"{float(apart):.1e}"]


def peer_row(bench: Bench) -> Row:
    """Cells of the peer's 500 iterations from the photograph; its memory is not known here."""
    scene = bench.scene(SMALL)
    with peer(scene, device=str(bench.device)) as rival:
        taken, _ = rival.iterate(2 if bench.quick else 500)
    return [f"{sum(taken):.2f}"]


def all_rows(bench: Bench, with_peer: bool) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Every row by name, with what measures its cells."""
    if with_peer:
        yield f"{PEER} at 512x384, 500 iterations, fp32", lambda: peer_row(bench)
    yield f"product of {SIDE} x {SIDE} matrices, bf16", lambda: product(bench)
    for name in ("neural-style", "standard"):
        yield f"{name}: gradient at 2048x1536, bf16", lambda n=name: gradient(bench, n)
        for label, dtype in DTYPES.items():
            yield (
                f"{name}: gradient at 512x384, {label}",
                lambda n=name, d=dtype: agreement(bench, n, d),
            )
    yield from recipe_rows(bench)


def main() -> None:
    """Print the table, or one line where the device is not here; exit code 1 if anything fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_pictures(parser)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try the script")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which no row begins")
    parser.add_argument("--peer", action="store_true", help="another program too")
    parser.add_argument("--quick", action="store_true", help="everything small")
    o = parser.parse_args()
    try:
        bench = Bench(o.content, o.style, choose_device(o.device).value, o.quick)
    except SettingsError as error:
        raise SystemExit(f"nothing was measured: {error}") from error
    name = torch.cuda.get_device_name(bench.device) if bench.device.type == "cuda" else "CPU"
    until, rows, left, failed = time.monotonic() + 60 * o.minutes, [], [], []
    say("the first run, which starts the device and its libraries")
    first = "standard, the first run"
    rows.append(_filled(first, lambda: paint(bench, bench.settings("standard")), failed))
    for label, cells in all_rows(bench, o.peer):
        if time.monotonic() > until:
            left.append(label)
            continue
        rows.append(_filled(label, cells, failed))
        say(" | ".join(rows[-1]))
    print(heading("On the GPU", name))
    print(table(COLUMNS, rows))
    if left:
        print(f"Not begun within {o.minutes:g} minutes: {', '.join(left)}")
    if failed:
        raise SystemExit(f"{len(failed)} rows failed: {', '.join(failed)}")


def _filled(label: str, cells: Callable[[], Row], failed: list[str]) -> Row:
    """A row of the table; of one that fails, which is noted, the error's name for seconds."""
    try:
        row = [label, *cells()]
    except Exception as error:  # the other rows are still worth having
        say(f"  {type(error).__name__}: {error}")
        row = [label, type(error).__name__]
        failed.append(label)
    return row + [""] * (len(COLUMNS) - len(row))


if __name__ == "__main__":
    main()
