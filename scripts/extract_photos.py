# /// script
# requires-python = ">=3.10"
# dependencies = ["pillow", "scikit-image"]
# ///
"""Write the sample photographs of impasto, which come from the wheel of scikit-image.

    python scripts/extract_photos.py [--out DIR]

Credits and licences are in `src/impasto/images/samples/README.md`.
"""

import argparse
from pathlib import Path

from PIL import Image
from skimage import data

PHOTOS = {
    "astronaut": data.astronaut,
    "chelsea": data.chelsea,
    "coffee": data.coffee,
    "rocket": data.rocket,
}
DEFAULT_OUT = Path(__file__).parents[1] / "src/impasto/images/samples/photos"
JPEG = {"quality": 92, "subsampling": "4:4:4", "optimize": True, "progressive": True}


def main() -> None:
    """Read the command line and write one JPEG per photograph."""
    parser = argparse.ArgumentParser(description="Write the sample photographs of impasto.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder for the photographs")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, load in PHOTOS.items():
        path = folder / f"{name}.jpg"
        Image.fromarray(load()).save(path, **JPEG)
        print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
