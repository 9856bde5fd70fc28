"""Paint one pair at several sizes, and show them at one: strokes keep their size in the picture.

    python scripts/paint_sizes.py [--sizes 256 512 1024 2048] [--out docs/images/sizes.jpg]
    python scripts/paint_sizes.py --sizes 64 96 128 192 256 512 1024 --cell 240 \
        --photo sample:astronaut --out docs/images/small-sizes.jpg

Every picture is what `impasto stylize PHOTO STYLE --size N` gives. Above all of each, below the
same part of each, larger.
"""

import argparse
from pathlib import Path

from PIL import Image

import impasto

GAP = 8  # px between two pictures of the sheet
PART = (0.5, 0.3, 0.8, 0.6)  # left, top, right, bottom of what is shown below


def painted(photo: str, style: str, size: int) -> Image.Image:
    """The result, in its own size."""
    print(f"{size} px …", flush=True)
    return impasto.stylize(photo, style, size=size).image.to_pil()


def cell(picture: Image.Image, box: tuple[float, float, float, float], width: int) -> Image.Image:
    """A part of a picture at this width; enlarged where it has fewer pixels."""
    sides = (picture.width, picture.height) * 2
    part = picture.crop(tuple(round(end * side) for end, side in zip(box, sides, strict=True)))
    height = round(width * part.height / part.width)
    return part.resize((width, height), Image.Resampling.LANCZOS)


def sheet(pictures: list[Image.Image], width: int) -> Image.Image:
    """Two rows of cells of this width, with white gaps between them."""
    rows = [[cell(picture, box, width) for picture in pictures] for box in ((0, 0, 1, 1), PART)]
    whole = len(pictures) * (width + GAP) - GAP
    page = Image.new("RGB", (whole, sum(row[0].height for row in rows) + GAP), "white")
    top = 0
    for row in rows:
        for column, picture in enumerate(row):
            page.paste(picture, (column * (width + GAP), top))
        top += row[0].height + GAP
    return page


def main() -> None:
    """Parse the options and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--photo", default="sample:coffee")
    parser.add_argument("--style", default="sample:waves")
    parser.add_argument("--cell", type=int, default=400, help="px of a picture on the sheet")
    parser.add_argument("--out", type=Path, default=Path("docs/images/sizes.jpg"))
    o = parser.parse_args()
    pictures = [painted(o.photo, o.style, size) for size in o.sizes]
    sheet(pictures, o.cell).save(o.out, quality=82, optimize=True, progressive=True)
    print(f"wrote {o.out}")


if __name__ == "__main__":
    main()
