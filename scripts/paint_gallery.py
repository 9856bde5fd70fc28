"""Paint the gallery: every bundled style, and one pair through every control.

    python scripts/paint_gallery.py [SHEET ...] [--size 320]

Writes docs/images/gallery-SHEET.jpg, those named or all, and docs/gallery.md, which has the command
of each picture. Takes about a quarter of an hour on two cores.
"""

import argparse
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from impasto.apps.cli import main as impasto
from impasto.images import samples

DOCS = Path(__file__).parent.parent / "docs"
STYLES = ("swirl", "waves", "ember", "glass", "dots", "ink")
PAIR = "sample:astronaut sample:swirl"
CELL, GAP, LINE = 256, 8, 22  # px
MASKS = ("face.png", "around.png")


@dataclass(frozen=True)
class Sheet:
    """A sheet's title, what it shows, and its pictures: caption -> arguments of `stylize`."""

    title: str
    about: str
    pictures: dict[str, str]
    columns: int = 3


STRENGTHS = ("0", "0.25", "0.5", "0.75", "1")
LOSSES = ("gram", "moments", "wasserstein", "sliced-wasserstein", "nearest-neighbour")

SHEETS = {
    "styles": Sheet(
        "Every bundled style",
        "The preset `standard` with its defaults.",
        {style: f"sample:astronaut sample:{style}" for style in STYLES},
    ),
    "presets": Sheet(
        "Presets",
        "From fastest to best; `print` is for large sizes. See [presets](presets.md).",
        {name: f"{PAIR} --recipe {name}" for name in ("draft", "standard", "fine", "print")},
        4,
    ),
    "losses": Sheet(
        "Style losses",
        "All at the same weights; see [style losses](style-losses.md).",
        {loss: f"{PAIR} --style-loss {loss}" for loss in LOSSES},
        5,
    ),
    "strength": Sheet(
        "Strength, at three sizes",
        "From the photograph to the style in equal steps; see [controls](controls.md).",
        {
            f"{strength} at {size} px": f"{PAIR} --strength {strength} --size {size}"
            for size in (160, 320, 640)
            for strength in STRENGTHS
        },
        5,
    ),
    "colour": Sheet(
        "Colour",
        "The painting's colours, the photograph's, and the painting's matched to the photograph's.",
        {
            "style": PAIR,
            "keep": f"{PAIR} --colour keep",
            "keep, luminance": f"{PAIR} --colour keep --colour-method luminance",
            "match": f"{PAIR} --colour match",
            "match, histogram": f"{PAIR} --colour match --colour-method histogram",
        },
        5,
    ),
    "regions": Sheet(
        "Several styles and masks",
        "The masks are an ellipse around the face and its inverse; see [masks](regions.md#masks).",
        {
            "two styles": f"{PAIR} sample:ember",
            "2 : 1": f"{PAIR} sample:ember --style-weights 2,1",
            "face and around": f"sample:astronaut sample:ember sample:swirl "
            f"--content-mask {MASKS[0]} --content-mask {MASKS[1]}",
            "the face protected": f"{PAIR} --protect {MASKS[0]}",
        },
        4,
    ),
    "finish": Sheet(
        "Effects and strokes",
        "Relief and grain, small and large strokes.",
        {
            "relief": f"{PAIR} --finish relief",
            "grain": f"{PAIR} --finish grain",
            "small strokes": f"{PAIR} --style-scale 0.75",
            "large strokes": f"{PAIR} --style-scale 2.5",
        },
        4,
    ),
}


def page() -> str:
    """The text of docs/gallery.md."""
    return "\n".join(
        ["# Gallery", "", INTRODUCTION, *(_section(*sheet) for sheet in SHEETS.items())]
    )


INTRODUCTION = """\
Pictures of every bundled style, preset, style loss and control, with the command that paints each.
The longest side is 320 px unless the command says otherwise. `make gallery` paints them. The
photograph is of Eileen Collins (NASA), from scikit-image; the paintings are made by
`scripts/paint_styles.py`.
"""


def _section(name: str, sheet: Sheet) -> str:
    commands = "\n".join(f"impasto stylize {options}" for options in sheet.pictures.values())
    picture = f"![{sheet.title}: {', '.join(sheet.pictures)}](images/gallery-{name}.jpg)"
    return f"## {sheet.title}\n\n{sheet.about}\n\n{picture}\n\n```sh\n{commands}\n```\n"


def painted(sheet: Sheet, size: int, folder: Path) -> Iterator[Image.Image]:
    """Each picture of a sheet, fitted to a cell."""
    for number, options in enumerate(sheet.pictures.values()):
        output = folder / f"{number}.png"
        named = [str(folder / word) if word in MASKS else word for word in shlex.split(options)]
        given = named if "--size" in named else [*named, "--size", str(size)]
        try:
            impasto(["stylize", *given, "--output", str(output), "--overwrite", "--quiet"])
        except SystemExit as left:
            if left.code:
                raise
        with Image.open(output) as picture:
            yield picture.convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS)


def laid_out(sheet: Sheet, cells: Iterator[Image.Image]) -> Image.Image:
    """Cells in rows, a caption under each."""
    rows = -(-len(sheet.pictures) // sheet.columns)
    size = (sheet.columns * (CELL + GAP) - GAP, rows * (CELL + LINE + GAP) - GAP)
    whole = Image.new("RGB", size, "white")
    drawing, font = ImageDraw.Draw(whole), ImageFont.load_default(14)
    for number, (caption, cell) in enumerate(zip(sheet.pictures, cells, strict=True)):
        row, column = divmod(number, sheet.columns)
        corner = column * (CELL + GAP), row * (CELL + LINE + GAP)
        whole.paste(cell, corner)
        drawing.text((corner[0] + 2, corner[1] + CELL + 3), caption, "black", font)
    return whole


def draw_masks(folder: Path) -> None:
    """The astronaut's face, softly, and what is around it."""
    photo = Image.open(samples.sample("astronaut"))
    across, down = (side / 512 for side in photo.size)
    face = Image.new("L", photo.size)
    ellipse = (150 * across, 10 * down, 300 * across, 230 * down)
    ImageDraw.Draw(face).ellipse(ellipse, fill=255)
    face = face.filter(ImageFilter.GaussianBlur(8 * across))
    face.save(folder / MASKS[0])
    face.point(lambda level: 255 - level).save(folder / MASKS[1])


def main() -> None:
    """Parse the options, paint and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sheets", nargs="*", metavar="SHEET", help=", ".join(SHEETS))
    parser.add_argument("--size", type=int, default=320, help="longest side of each picture, px")
    options = parser.parse_args()
    for name in options.sheets or SHEETS:
        with tempfile.TemporaryDirectory() as folder:
            draw_masks(Path(folder))
            sheet = SHEETS[name]
            whole = laid_out(sheet, painted(sheet, options.size, Path(folder)))
        target = DOCS / "images" / f"gallery-{name}.jpg"
        whole.save(target, quality=85, optimize=True)
        print(f"wrote {target.relative_to(DOCS.parent)}", flush=True)
    (DOCS / "gallery.md").write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
