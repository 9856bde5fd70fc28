# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy", "scipy", "pillow", "opencv-python-headless"]
# ///
"""Paint the style images that ship with impasto, from nothing but numbers.

    python scripts/paint_styles.py [NAME ...] [--out DIR]

Every picture is deterministic: its painter is seeded.
"""

import argparse
import time
from pathlib import Path

from PIL import Image

from painting.dots import dots
from painting.ember import ember
from painting.glass import glass
from painting.ink import ink
from painting.swirl import swirl
from painting.waves import waves

STYLES = {"swirl": swirl, "dots": dots, "glass": glass, "waves": waves, "ink": ink, "ember": ember}
DEFAULT_OUT = Path(__file__).parents[1] / "src/impasto/images/samples/styles"
JPEG = {"quality": 85, "subsampling": "4:4:4", "optimize": True, "progressive": True}


def save(name: str, folder: Path) -> str:
    """Paint one style into `folder` and say what came of it."""
    start = time.perf_counter()
    picture = Image.fromarray(STYLES[name]())
    path = folder / f"{name}.jpg"
    picture.save(path, **JPEG)
    size = f"{picture.width}x{picture.height}, {path.stat().st_size // 1000} kB"
    return f"{path}: {size}, {time.perf_counter() - start:.0f} s"


def main() -> None:
    """Read the command line and paint."""
    parser = argparse.ArgumentParser(description="Paint the style images that ship with impasto.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(STYLES)}")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the pictures")
    args = parser.parse_args()
    if unknown := set(args.names) - set(STYLES):
        parser.error(f"no such style: {', '.join(sorted(unknown))}")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or STYLES:
        print(save(name, args.out))


if __name__ == "__main__":
    main()
