"""Paint the clips of docs/film.md: bundled pictures whose motion is known, beside their painting.

    python scripts/paint_clips.py [CLIP ...] [--frames DIR]

Writes docs/images/film-CLIP.webp, those named or all; by --frames their frames too, as PNG, to be
looked at one by one. Takes a few minutes on two cores.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

import impasto
from impasto.images import samples

DOCS = Path(__file__).parent.parent / "docs"
SIZE = 240, 180  # px of a frame
FRAMES, MILLISECONDS = 20, 90
QUALITY, LARGEST = 78, 400_000  # of WebP; bytes


@dataclass(frozen=True)
class Clip:
    """A clip's frames, and the style, or styles by second, in which they are painted."""

    frames: Callable[[], Iterator[Image.Image]]
    styles: str | dict[float, str]


def seen(photo: str, left: float, top: float, width: float) -> Image.Image:
    """A window of a bundled photograph; places are in parts of its width."""
    picture = Image.open(samples.sample(photo)).convert("RGB")
    unit, height = picture.width, width * SIZE[1] / SIZE[0]
    box = tuple(unit * side for side in (left, top, left + width, top + height))
    return picture.resize(SIZE, Image.Resampling.LANCZOS, box)


def walk() -> Iterator[Image.Image]:
    """A camera that moves to the right and comes nearer."""
    for n in range(FRAMES):
        yield seen("coffee", 0.012 * n, 0.004 * n, 0.68 - 0.006 * n)


def ball() -> Iterator[Image.Image]:
    """A ball of another photograph that crosses a panning ground, and uncovers it."""
    side = SIZE[1] // 2
    mask = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(mask).ellipse((4, 4, 4 * side - 4, 4 * side - 4), fill=255)
    mask = mask.resize((side, side), Image.Resampling.LANCZOS)
    picture = Image.open(samples.sample("astronaut")).convert("RGB")
    face = picture.crop((110, 0, 340, 230)).resize((side, side), Image.Resampling.LANCZOS)
    for n in range(FRAMES):
        frame = seen("chelsea", 0.1 + 0.004 * n, 0.02, 0.75)
        frame.paste(face, (-side // 2 + 8 * n, SIZE[1] // 3 + n), mask)
        yield frame


CLIPS = {
    "walk": Clip(walk, "sample:swirl"),
    "ball": Clip(ball, "sample:ember"),
}


def painted(clip: Clip, folder: Path) -> list[Image.Image]:
    """Frames of the clip with their paintings beside them."""
    source, made = folder / "clip", folder / "painted"
    source.mkdir()
    for number, frame in enumerate(clip.frames()):
        frame.save(source / f"{number:03d}.png")
    impasto.film(source, clip.styles, made, beside=True, size=0)
    return [Image.open(file).convert("RGB") for file in sorted(made.glob("*.png"))]


def main() -> None:
    """Parse the options, paint and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clips", nargs="*", metavar="CLIP", help=", ".join(CLIPS))
    parser.add_argument("--frames", type=Path, help="keep the frames there")
    options = parser.parse_args()
    for name in options.clips or CLIPS:
        with tempfile.TemporaryDirectory() as folder:
            first, *others = painted(CLIPS[name], Path(folder))
            if options.frames:
                shutil.copytree(Path(folder) / "painted", options.frames / name)
        target = DOCS / "images" / f"film-{name}.webp"
        how = {"duration": MILLISECONDS, "loop": 0, "quality": QUALITY, "method": 6}
        first.save(target, save_all=True, append_images=others, **how)
        size = target.stat().st_size
        print(f"wrote {target.relative_to(DOCS.parent)}, {size // 1000} kB", flush=True)
        if size > LARGEST:
            parser.exit(1, f"{target.name} is larger than {LARGEST // 1000} kB\n")


if __name__ == "__main__":
    main()
