"""Paint the sheet at the top of the README: both photographs, each in three bundled styles.

    python scripts/paint_sheet.py [--size 512] [--out docs/images/sheet.jpg]

Every picture is what `impasto stylize sample:PHOTO sample:STYLE` gives; they are cropped to
squares and laid out in two rows.
"""

import argparse
from pathlib import Path

from PIL import Image, ImageOps

import impasto

ROWS = {"astronaut": ("swirl", "ember", "glass"), "coffee": ("waves", "dots", "ink")}
CELL, GAP = 320, 8  # px


def painted(photo: str, style: str, size: int) -> Image.Image:
    """One cell of the sheet."""
    result = impasto.stylize(f"sample:{photo}", f"sample:{style}", size=size)
    return ImageOps.fit(result.image.to_pil(), (CELL, CELL), Image.Resampling.LANCZOS)


def sheet(size: int) -> Image.Image:
    """All cells, with white gaps between them."""
    pitch = CELL + GAP
    page = Image.new("RGB", (3 * pitch - GAP, 2 * pitch - GAP), "white")
    for row, (photo, styles) in enumerate(ROWS.items()):
        for column, style in enumerate(styles):
            page.paste(painted(photo, style, size), (column * pitch, row * pitch))
    return page


def main() -> None:
    """Parse the options and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=512, help="longest side of each picture, px")
    parser.add_argument("--out", type=Path, default=Path("docs/images/sheet.jpg"))
    options = parser.parse_args()
    sheet(options.size).save(options.out, quality=88, subsampling=0, optimize=True)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
