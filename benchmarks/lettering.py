"""Whether lettering stays legible: a menu beside a cup of coffee, painted with several weights.

    python benchmarks/lettering.py [WEIGHT ...] [--styles swirl waves] [--fast] [--out DIR]

The photograph is the bundled cup with two cards drawn over its left part, 512 px wide; letters are
9 to 18 px high. Of each result, painted by the preset `standard` with the setting `legibility`:

1. letters: the correlation of its edges with the photograph's in the lines of text;
2. style: the judge's distances of the right half, where no letters are, to the painting.

With --out, the left halves of photograph and results are written side by side.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from torch import Tensor

import impasto
from impasto import Picture
from impasto.images import fit, read, resize, samples
from judge import Judge, edge_correlation, judging_encoder
from measuring import table

__all__ = ["CARDS", "HALF", "Card", "Scene", "drawn", "menu"]

SIZE = (512, 341)
HALF = 256  # px: letters are left of it
SOFT = 0.5  # px: how soft a lens draws
INSET, LEADING = 5, 9  # px


@dataclass(frozen=True)
class Card:
    """A card with lines of text and a thin border.

    Attributes:
        box: left, top, right and bottom, in pixels.
        ground, ink: sRGB, 0 to 255.
        lines: text and the size of its font in pixels; capitals have 0.7 of it.
    """

    box: tuple[int, int, int, int]
    ground: tuple[int, int, int]
    ink: tuple[int, int, int]
    lines: tuple[tuple[str, int], ...]


CARDS = (
    Card(
        (12, 14, 162, 182),
        (238, 226, 200),
        (70, 30, 18),
        (
            ("COFFEE", 26),
            ("fresh every day", 17),
            ("Espresso  2.40", 17),
            ("Lungo  2.80", 17),
            ("open from 8 to 6", 13),
        ),
    ),
    Card(
        (12, 200, 162, 326),
        (34, 38, 36),
        (228, 224, 210),
        (
            ("Cake of the day", 17),
            ("PLUM TART", 17),
            ("with cream 3.90", 17),
            ("please order here", 13),
        ),
    ),
)


@dataclass(frozen=True, eq=False)
class Scene:
    """A photograph with lettering, and where the lines of text are, (h, w) bool."""

    photograph: Picture
    letters: Tensor


def menu() -> Scene:
    """The cup of coffee with two cards."""
    cup = resize(read(samples.sample("coffee")), SIZE)
    canvas = Image.fromarray((cup.pixels * 255).round().byte().permute(1, 2, 0).numpy())
    letters = torch.zeros(SIZE[::-1], dtype=torch.bool)
    for card in CARDS:
        for left, top, right, bottom in drawn(card, ImageDraw.Draw(canvas)):
            letters[top:bottom, left:right] = True
    soft = np.asarray(canvas.filter(ImageFilter.GaussianBlur(SOFT)), dtype=np.float32)
    return Scene(Picture(torch.from_numpy(soft / 255).permute(2, 0, 1).contiguous()), letters)


def drawn(card: Card, draw: ImageDraw.ImageDraw) -> Iterator[tuple[int, int, int, int]]:
    """Draw a card; the box of each line of text."""
    left, top, right, bottom = card.box
    draw.rectangle(card.box, fill=card.ground)
    inner = (left + INSET, top + INSET, right - INSET, bottom - INSET)
    draw.rectangle(inner, outline=card.ink)
    at = ((left + right) // 2, top + 12)
    for text, size in card.lines:
        how = {"font": ImageFont.load_default(size), "anchor": "ma"}
        draw.text(at, text, fill=card.ink, **how)
        box = tuple(int(side) for side in draw.textbbox(at, text, **how))
        yield box
        at = (at[0], box[3] + LEADING)


def painted(scene: Scene, style: str, weight: float, *, fast: bool) -> Tensor:
    """The scene in a bundled style, (3, h, w)."""
    hurry = {"scales": "0.7071,1", "iterations": "1,1"} if fast else {}
    settings = impasto.Settings.of(size=0, legibility=weight, **hurry)
    run = impasto.Run(scene.photograph, f"sample:{style}", settings)
    for _ in run:
        pass
    return run.result().image.pixels.float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", nargs="*", type=float, default=[0.0, 10.0])
    parser.add_argument("--styles", nargs="+", default=["swirl", "waves"])
    parser.add_argument("--fast", action="store_true", help="few iterations, to try the program")
    parser.add_argument("--out", type=Path, help="folder for a picture of each style")
    options = parser.parse_args()
    scene, encoder, rows = menu(), judging_encoder(), []
    photograph = scene.photograph.pixels
    for style in options.styles:
        painting = fit(read(samples.sample(style)), max(SIZE)).pixels
        judge = Judge(photograph[..., HALF:].contiguous(), painting, encoder)
        halves = [photograph[..., :HALF]]
        for weight in options.weights:
            found = painted(scene, style, weight, fast=options.fast)
            verdict = judge.verdict(found[..., HALF:].contiguous())
            letters = edge_correlation(found, photograph, scene.letters)
            distances = (f"{x:.3f}" for x in (letters, verdict.gram, verdict.wasserstein))
            rows.append([style, f"{weight:g}", *distances])
            halves.append(found[..., :HALF])
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            Picture(torch.cat(halves, 2)).save(options.out / f"lettering-{style}.png")
    print(table(["style", "legibility", "letters", "Gram", "W₂"], rows))


if __name__ == "__main__":
    main()
