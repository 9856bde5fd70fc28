"""Paint the pictures of docs/tutorials.md and docs/reconstructions.md, each recipe to its end.

    python scripts/paint_tutorials.py FOLDER [NAME ...]

Takes about an hour on two cores. FOLDER gets what the recipes write; docs/images small copies.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from impasto.cli import main as impasto
from impasto.images import fit, read

DOCS = Path(__file__).parent.parent / "docs" / "images"
LONGEST = 480  # pixels of a picture in the docs
PHOTO, PAINTING = "sample:astronaut", "sample:swirl"
LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_1")

STYLIZED = {
    "keras-eager": (PHOTO, PAINTING),
    "light-on-math": ("sample:coffee", "sample:ember"),
    "matconvnet-noise": (PHOTO, "sample:waves"),
    "fastai-transfer": ("sample:coffee", "sample:dots"),
    "d2l": ("sample:rocket", "sample:ink"),
    "gatys": (PHOTO, PAINTING),
    "neural-style": ("sample:chelsea", "sample:glass"),
}


def run(*arguments: str) -> None:
    """One command, which must succeed."""
    try:
        impasto(arguments)
    except SystemExit as left:
        if left.code:
            raise


def stylized(name: str) -> Callable[[Path], None]:
    """Paints the recipe's pair."""
    return lambda output: run("stylize", *STYLIZED[name], "--recipe", name, "-o", str(output))


def reconstructed(layer: str) -> Callable[[Path], None]:
    """Paints what a layer knows of the photograph."""
    return lambda output: run(
        "reconstruct", PHOTO, "--layer", layer, "--size", "320", "-o", str(output)
    )


PICTURES = {
    **{name: stylized(name) for name in STYLIZED},
    "fastai-content": lambda output: run(
        "reconstruct", PHOTO, "--recipe", "fastai-content", "-o", str(output)
    ),
    "fastai-style": lambda output: run(
        "texture", PAINTING, "--recipe", "fastai-style", "-o", str(output)
    ),
    "texture": lambda output: run("texture", PAINTING, "--size", "720x360", "-o", str(output)),
    **{f"reconstructed_{layer}": reconstructed(layer) for layer in LAYERS},
}


def main() -> None:
    """Paint those named, or all."""
    folder, *names = sys.argv[1:]
    for name in names or PICTURES:
        output = Path(folder) / f"{name}.png"
        PICTURES[name](output)
        picture = read(output)
        fit(picture, min(LONGEST, max(picture.size))).save(DOCS / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
