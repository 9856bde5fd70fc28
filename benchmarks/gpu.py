"""On a CUDA device: seconds of a run, achieved arithmetic, and agreement with the CPU.

    python benchmarks/gpu.py [CONTENT STYLE] [--iterations 500] [--repeats 5]

1. A run of recipe neural-style at 512x384 from the photograph, against the same run in float32.
2. Loss and gradient at 2048x1536: the convolutions' arithmetic over the time of the whole, as a
   part of what the device does in one 8192 x 8192 x 8192 product of bfloat16 matrices.
3. Loss and gradient at 512x384 against the CPU's float32.

Without a CUDA device it says so and ends.
"""

import argparse
import time
from collections.abc import Callable

import torch

import impasto
from impasto.encoder import Conv, Encoder, weights_of
from measuring import SPREAD, alternated, compared, heading, table
from scene import Scene, add_pictures, objective

CUDA = torch.device("cuda")
SMALL, LARGE = (512, 384), (2048, 1536)
SIDE = 8192  # of the matrices
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def settings_for(precision: str, iterations: int) -> impasto.Settings:
    """Recipe neural-style from the photograph."""
    return impasto.Settings.of(
        "neural-style", size=SMALL, init="content", iterations=iterations, precision=precision
    )


def device_seconds(work: Callable[[], object], calls: int = 1) -> float:
    """Seconds a call, from an idle device to an idle device."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(calls):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / calls


def run_rows(scene: Scene, iterations: int, repeats: int) -> list[list[str]]:
    """Table rows: seconds of whole runs, in bfloat16 and in float32; the first are not counted."""

    def run(precision: str) -> None:
        for _ in impasto.iterate(scene.content, scene.style, settings_for(precision, iterations)):
            pass

    subjects = {p: lambda p=p: device_seconds(lambda: run(p)) for p in DTYPES}
    return compared(alternated(subjects, repeats, warm_up=1), "fp32")


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


def arithmetic_rows(scene: Scene, repeats: int) -> list[list[str]]:
    """Table rows: TFLOP/s of a matrix product and of loss and gradient, and their ratio."""
    settings = settings_for("bf16", 1)
    taps = [*settings.content_layers, *settings.style_layers]
    encoder = Encoder(weights_of(settings.encoder))
    evaluate = objective(scene, settings, torch.bfloat16, CUDA)
    canvas = scene.canvas(settings).to(CUDA)
    matrix = torch.randn(SIDE, SIDE, device=CUDA, dtype=torch.bfloat16)
    work = {
        f"bfloat16 product of {SIDE} x {SIDE} matrices": (2 * SIDE**3, lambda: matrix @ matrix),
        "loss and gradient": (operations(encoder, taps, scene.size), lambda: evaluate(canvas)),
    }
    subjects = {
        name: lambda n=count, f=f: n / device_seconds(f, calls=10) / 1e12
        for name, (count, f) in work.items()
    }
    return compared(alternated(subjects, repeats, warm_up=2), next(iter(subjects)))


def agreement_rows(scene: Scene) -> list[list[str]]:
    """Table rows: relative difference of loss and of gradient from the CPU's in float32."""
    settings = settings_for("fp32", 1)
    canvas = scene.canvas(settings)
    truth = objective(scene, settings, torch.float32)(canvas)
    rows = []
    for dtype in DTYPES.values():
        for device in (torch.device("cpu"), CUDA):
            at = objective(scene, settings, dtype, device)(canvas.to(device))
            loss = abs(float(at.loss) / float(truth.loss) - 1)
            gradient = (at.gradient.cpu() - truth.gradient).norm() / truth.gradient.norm()
            name = f"{str(dtype).removeprefix('torch.')} on {device.type}"
            rows.append([name, f"{loss:.1e}", f"{float(gradient):.1e}"])
    return rows


def main() -> None:
    """Print three tables, or one line where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_pictures(parser)
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    o = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU: torch.cuda.is_available() is false here, so nothing was measured")
        return
    small, large = (Scene.of(o.content, o.style, size) for size in (SMALL, LARGE))
    print(heading("On the GPU", torch.cuda.get_device_name(CUDA)))
    print(f"Seconds of {o.iterations} iterations at {SMALL[0]}x{SMALL[1]}:\n")
    print(table(["", *SPREAD], run_rows(small, o.iterations, o.repeats)))
    print(f"TFLOP/s of the convolutions at {LARGE[0]}x{LARGE[1]}, higher is better:\n")
    print(table(["", *SPREAD], arithmetic_rows(large, o.repeats)))
    print(f"Relative difference from float32 on the CPU at {SMALL[0]}x{SMALL[1]}:\n")
    print(table(["", "loss", "gradient (norm)"], agreement_rows(small)))


if __name__ == "__main__":
    main()
