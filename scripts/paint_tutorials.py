"""Paint the pictures of docs/tutorials.md and docs/reconstructions.md, each recipe to its end.

    python scripts/paint_tutorials.py FOLDER [NAME ...]

Takes about an hour on two cores. FOLDER gets all that the recipes write, docs/images small copies.
"""

import sys
from pathlib import Path

from impasto.apps.cli import main as impasto
from impasto.images import fit, read, samples

DOCS = Path(__file__).parent.parent / "docs" / "images"
LONGEST = 480  # pixels of a picture in the docs
JPEG = {"quality": 82, "optimize": True, "progressive": True}  # the folder of docs is small
LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_1")

PICTURES = {
    "keras-eager": "stylize sample:astronaut sample:swirl --recipe keras-eager",
    "light-on-math": "stylize sample:coffee sample:ember --recipe light-on-math",
    "matconvnet-noise": "stylize sample:coffee sample:waves --recipe matconvnet-noise --size 256",
    "fastai-content": "reconstruct sample:astronaut --recipe fastai-content",
    "fastai-style": "texture sample:swirl --recipe fastai-style",
    "fastai-transfer": "stylize sample:coffee sample:dots --recipe fastai-transfer",
    "d2l": "stylize sample:chelsea sample:ember --recipe d2l",
    "d2l-strong": "stylize sample:chelsea sample:ember --recipe d2l --style-weight 3e4",
    "gatys": "stylize sample:astronaut sample:swirl --recipe gatys",
    "gatys-strong": "stylize sample:astronaut sample:swirl --recipe gatys --style-weight 1e7",
    "neural-style": "stylize sample:chelsea sample:glass --recipe neural-style",
    "texture": "texture sample:swirl --size 720x360",
    **{
        f"reconstructed-{layer}": f"reconstruct sample:astronaut --layer {layer} --size 320"
        for layer in LAYERS
    },
}
"""Name -> the command that paints it."""


def main() -> None:
    """Paint those named, or all."""
    folder, *names = sys.argv[1:]
    for name in names or PICTURES:
        output = Path(folder, f"{name}.png")
        try:
            impasto([*PICTURES[name].split(), "--output", str(output), "--overwrite"])
        except SystemExit as left:
            if left.code:
                raise
        reduced(read(output)).pil().save(DOCS / f"{name}.jpg", **JPEG)
    photo = fit(read(samples.sample("astronaut")), 320)
    photo.pil().save(DOCS / "reconstructed-photo.jpg", **JPEG)


def reduced(picture):
    """No larger than the docs show it."""
    return fit(picture, min(LONGEST, max(picture.size)))


if __name__ == "__main__":
    main()
