"""How closely a published recipe follows its transcription with torch's autograd and optimiser.

    python benchmarks/parity.py CONTENT STYLE [--recipe neural-style] [--size 512] [--iterations 50]

Prints the relative difference of the losses, in float32, after each ten iterations and at worst.
"""

import argparse
import sys
from pathlib import Path

import impasto
from impasto.images import fit, read
from impasto.images.names import located

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from reference import PARITY


def main() -> None:
    """Run both from the photograph and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--recipe", choices=PARITY, default="neural-style")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--iterations", type=int, default=50)
    o = parser.parse_args()
    content, style = (fit(read(located(name)), o.size) for name in (o.content, o.style))
    settings = impasto.Settings.of(
        o.recipe, size=o.size, iterations=o.iterations, init="content", precision="fp32"
    )
    steps, first = [], None
    for step in impasto.iterate(content, style, settings):
        first = step.canvas if first is None else first
        steps.append(step.loss)
    make_loss, make_trace = PARITY[o.recipe]
    published = make_trace(make_loss(content.pixels, style.pixels), first, o.iterations)
    differences = [abs(a - b) / b for a, b in zip(steps, published, strict=True)]
    for n in range(0, len(steps), 10):
        print(f"iteration {n:4}: loss {steps[n]:.6g}, published {published[n]:.6g}, "
              f"relative difference {differences[n]:.1e}")  # fmt: skip
    print(f"largest relative difference in {o.iterations} iterations: {max(differences):.1e}")


if __name__ == "__main__":
    main()
