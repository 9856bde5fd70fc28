"""Paint the pairs of docs/symptoms.md: what a person may see, and the same with another setting.

    python scripts/paint_symptoms.py [NAME ...] [--size 200]

Writes docs/images/symptom-NAME.jpg, those named or all: without the setting on the left, with it on
the right. A picture of several pairs is painted once.
"""

import argparse
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from impasto.apps.cli import main as impasto
from paint_gallery import DOCS, MASKS, draw_masks

GAP = 6  # px between the two
COMMON = "--recipe draft"
INTRODUCTION = """\
## Before and after

Bundled pictures at 200 px, before on the left and after on the right, painted by
`python scripts/paint_symptoms.py`.
"""


@dataclass(frozen=True)
class Symptom:
    """What is seen, how it comes about, and the setting that changes it."""

    words: str
    pictures: str
    cause: str
    remedy: str


SYMPTOMS = {
    "weak": Symptom(
        "too little of the painting",
        "coffee swirl",
        "--content-weight 60",
        "--content-weight 5 --smallest 128",
    ),
    "strong": Symptom(
        "too much of it, shapes are lost",
        "rocket dots",
        "--content-weight 2",
        "--content-weight 60",
    ),
    "face": Symptom("a face or product is lost", "astronaut glass", "", f"--protect {MASKS[0]}"),
    "noise": Symptom(
        "it is rough or noisy",
        "chelsea dots",
        "--tv-weight 0 --style-layers relu1_1=5,relu2_1=2,relu3_1,relu4_1",
        "--tv-weight 10",
    ),
    "colours": Symptom("colours should be the photograph's", "coffee swirl", "", "--colour keep"),
    "border": Symptom(
        "a frame along the border",
        "coffee swirl",
        "--content-weight 0 --init noise --padding zero",
        "--padding replicate-all",
    ),
    "objects": Symptom(
        "objects of the painting appear in it",
        "astronaut ember",
        "--style-loss wasserstein --style-layers relu1_1,relu2_1,relu3_1,relu4_1,relu5_1",
        "--style-layers relu1_1,relu2_1,relu3_1,relu4_1",
    ),
}


def section() -> str:
    """The part of docs/symptoms.md that shows them."""
    parts = [
        f"**{each.words.capitalize()}**, by `{f'{COMMON} {each.cause}'.strip()}`; "
        f"and with `{each.remedy}`:\n\n"
        f"![Without, and with {each.remedy}](images/symptom-{name}.jpg)"
        for name, each in SYMPTOMS.items()
    ]
    return "\n\n".join([INTRODUCTION.rstrip(), *parts])


def painted(options: str, folder: Path, size: int) -> Image.Image:
    """The picture of these options, painted unless it was."""
    output = folder / f"{abs(hash(options))}.png"
    if not output.exists():
        words = [str(folder / word) if word in MASKS else word for word in shlex.split(options)]
        try:
            impasto(["stylize", *words, "--size", str(size), "--quiet", "--output", str(output)])
        except SystemExit as left:
            if left.code:
                raise
    return Image.open(output).convert("RGB")


def pair(symptom: Symptom, folder: Path, size: int) -> Image.Image:
    """Without and with the setting, side by side."""
    sources = " ".join(f"sample:{name}" for name in symptom.pictures.split())
    without, remedied = (
        painted(f"{sources} {COMMON} {options}".rstrip(), folder, size)
        for options in (symptom.cause, f"{symptom.cause} {symptom.remedy}".strip())
    )
    whole = Image.new("RGB", (2 * without.width + GAP, without.height), "white")
    whole.paste(without)
    whole.paste(remedied, (without.width + GAP, 0))
    return whole


def main() -> None:
    """Parse the options, paint and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SYMPTOMS))
    parser.add_argument("--size", type=int, default=200, help="longest side of each picture, px")
    parser.add_argument("--out", type=Path, default=DOCS / "images")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw_masks(Path(folder))
        for name in options.names or SYMPTOMS:
            target = options.out / f"symptom-{name}.jpg"
            sheet = pair(SYMPTOMS[name], Path(folder), options.size)
            sheet.save(target, quality=82, optimize=True)
            print(target, flush=True)


if __name__ == "__main__":
    main()
