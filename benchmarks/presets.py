"""By which presets are chosen: pairs of pictures painted by several recipes, judged side by side.

    python benchmarks/presets.py [RECIPE[:field=value,...] ...] [--size 512] [--out DIR]
    python benchmarks/presets.py standard standard:content_weight=1,style_weight=50 --each
    python benchmarks/presets.py standard --pairs ~/pictures cat.jpg+sea.jpg dog.jpg+hay.jpg
    python benchmarks/presets.py standard --pair cat.jpg sea.jpg --json numbers.json
    python benchmarks/presets.py standard --size 128 --judge-at 512

Each picture is painted in a fresh process, recipe after recipe, pair after pair. Its seconds are
those of the iterations and of measuring the style; imports, weights and pictures are read before.
DIR then holds each result in full size, and the sheet: a row for each pair, a column for each
recipe. The table has each recipe's mean over pairs; what its columns are is in judge.py. Its first
row judges the photographs as they are. With --judge-at the results are brought to that size first,
and so are photographs and paintings, which had the results' size before: then pictures of different
sizes are judged at the same number of positions, and none for the detail that it has no room for.
"""

import argparse
import json
import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw, ImageFont

import impasto
from impasto import Picture, Settings
from impasto.encoder import weights_of
from impasto.errors import ImpastoError, SettingsError
from impasto.hardware.allocator import tuned_malloc
from impasto.hardware.device import choose_threads
from impasto.images import fit, read, resize
from impasto.images.names import located
from judge import Judge, Verdict, judging_encoder
from measuring import apart, heading, say, table
from scene import PAIRS

SAMPLES = [*PAIRS, ("coffee", "dots")]
FAST = {"size": 128, "iterations": 5}

THUMB, GAP = 384, 12  # px: a picture's longest side on the sheet, and the space between two
TEXT, LINE = 14, 19  # px: the letters' height, and a line's
LETTERS = 52  # that fit into a thumb's width

PHOTOGRAPH = "photograph"  # as it is, beside the recipes
COLUMNS = {  # heads of the table's columns
    "gram": "Gram",
    "wasserstein": "W2",
    "content": "content",
    "noise": "noise",
    "copied": "copied",
    "border_colour": "border, colour",
    "border_detail": "border, detail",
    "seconds": "seconds",
}


class Pair(NamedTuple):
    """A photograph and a painting, by path or `sample:NAME`."""

    content: str
    style: str

    @property
    def names(self) -> list[str]:
        """Short names of the two."""
        return [Path(name.removeprefix("sample:")).stem for name in self]


@dataclass(frozen=True, eq=False)
class Trial:
    """A pair painted by a recipe and judged; by no recipe, the photograph as it is."""

    recipe: str
    pair: Pair
    picture: Picture
    verdict: Verdict
    seconds: float = 0.0

    @property
    def numbers(self) -> dict[str, float]:
        """Every measure by name, and the seconds."""
        return {**asdict(self.verdict), "seconds": self.seconds}


def overrides(text: str) -> dict[str, str]:
    """`field=value,field=value` by field; `style_layers=relu1_1,relu2_1=2` is one value.

    What follows a comma is a field of its own only where it begins with a field's name.
    """
    found: dict[str, str] = {}
    for part in text.split(",") if text else ():
        name, equals, value = part.partition("=")
        if found and not (equals and name in Settings.model_fields):
            last = next(reversed(found))
            found[last] += f",{part}"
        else:
            found[name] = value
    return found


def settings_of(text: str, given: dict[str, int]) -> Settings:
    """RECIPE or RECIPE:field=value,… as settings; what is `given` is the same for every recipe."""
    name, _, changes = text.partition(":")
    changed = overrides(changes)
    if "size" in changed:
        raise SettingsError(f"{text}: pictures of one size are judged; give --size for all")
    return Settings.of(name, **{**changed, **given})


def pairs_of(folder: Sequence[str], single: Sequence[Sequence[str]]) -> list[Pair]:
    """The pairs that --pairs and --pair name; the bundled ones if there are none."""
    first, *names = folder or ("sample",)
    chosen = [Pair(*pair) for pair in single]
    if first == "sample" and (folder or not single):
        chosen += [Pair(f"sample:{content}", f"sample:{style}") for content, style in SAMPLES]
    elif folder:
        halves = [name.partition("+")[::2] for name in names]
        chosen += [Pair(*(str(Path(first) / half) for half in pair)) for pair in halves]
        if not halves or not all(all(pair) for pair in halves):
            raise SettingsError(f"--pairs {first}: after the folder comes content.jpg+style.jpg …")
    return chosen


def paint(pair: Pair, settings: Settings, path: Path, pipe: Connection) -> None:
    """In a process of its own: paint, save, and send the result's pixels and the seconds.

    Where it cannot be painted, why.
    """
    try:
        weights_of(settings.encoder)  # read before the clock starts
        run = impasto.Run(*pair, settings)
        started = time.perf_counter()
        with tuned_malloc() as suit:
            for event in run.events():
                suit(event)
        seconds = time.perf_counter() - started
        image = run.result().image
        image.save(path)
        pipe.send((image.numpy(), seconds))
    except ImpastoError as error:
        pipe.send(str(error))


def trials(
    pairs: list[Pair], recipes: dict[str, Settings], size: int, out: Path, judge_at: int
) -> Iterator[Trial]:
    """Pair after pair, the photograph and what each recipe makes of it; failures are told.

    Pictures of the longest side `size` are judged at that of `judge_at`.
    """
    encoder = judging_encoder()
    for n, pair in enumerate(pairs, 1):
        small = (fit(read(located(name)), size) for name in pair)
        photograph, painting = (fit(picture, judge_at) for picture in small)
        judge = Judge(photograph.pixels, painting.pixels, encoder)
        yield Trial(PHOTOGRAPH, pair, photograph, judge.verdict(photograph.pixels))
        for recipe, settings in recipes.items():
            say(f"{', '.join(pair.names)}: {recipe}")
            answer = apart(paint, pair, settings, out / file_name(n, pair, recipe))
            if isinstance(answer, str):
                say(f"  {answer}")
                continue
            picture = Picture(torch.from_numpy(answer[0]).permute(2, 0, 1).contiguous())
            judged = resize(picture, photograph.size).pixels
            yield Trial(recipe, pair, picture, judge.verdict(judged), answer[1])


def file_name(number: int, pair: Pair, recipe: str) -> str:
    """`1-astronaut-swirl-standard.png`; what a file system may not like becomes `_`."""
    plain = re.sub(r"[^\w.=,-]", "_", "-".join([*pair.names, recipe]))
    return f"{number}-{plain[:200]}.png"


def means(judged: Sequence[Trial]) -> dict[str, float]:
    """Every measure's mean over trials."""
    return {name: fmean(trial.numbers[name] for trial in judged) for name in COLUMNS}


def cells(numbers: dict[str, float]) -> list[str]:
    """Measures for the table, to three digits; seconds to a tenth, none for a photograph."""
    *measures, seconds = (numbers[name] for name in COLUMNS)
    return [*(f"{value:#.3g}" for value in measures), f"{seconds:.1f}" if seconds else ""]


def report(judged: Sequence[Trial], each: bool) -> str:
    """The table: a row for each recipe, after those of its pairs if `each` is wanted."""
    rows = []
    for recipe in dict.fromkeys(trial.recipe for trial in judged):
        mine = [trial for trial in judged if trial.recipe == recipe]
        if each:
            rows += [[f"{recipe}: {', '.join(t.pair.names)}", *cells(t.numbers)] for t in mine]
        rows.append([f"{recipe}, mean of {len(mine)}", *cells(means(mine))])
    return table(["recipe", *COLUMNS.values()], rows)


def record(judged: Sequence[Trial], recipes: dict[str, Settings]) -> dict[str, object]:
    """The same for programs, with the settings in full."""
    names = [PHOTOGRAPH, *recipes]
    by_recipe = {name: [trial for trial in judged if trial.recipe == name] for name in names}
    return {
        "settings": {name: s.model_dump(mode="json") for name, s in recipes.items()},
        "means": {name: means(mine) for name, mine in by_recipe.items() if mine},
        "trials": [
            {"recipe": t.recipe, "content": t.pair.content, "style": t.pair.style, **t.numbers}
            for t in judged
        ],
    }


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture of the sheet, and the line below it."""

    picture: Image.Image
    caption: str

    @classmethod
    def of(cls, picture: Picture, caption: str) -> "Cell":
        """The picture as a thumb."""
        return cls(fit(picture, THUMB).to_pil().convert("RGB"), caption)


def caption(trial: Trial) -> str:
    """The measures that tell most, in a thumb's width."""
    numbers = cells(trial.numbers)
    return "  ".join(f"{n} {v}" for n, v in zip(("Gram", "W2", "content"), numbers, strict=False))


def sheet_rows(
    judged: Sequence[Trial], pairs: Sequence[Pair], recipes: Sequence[str]
) -> list[list[Cell | None]]:
    """A row for each pair: photograph, painting, and each recipe's picture if there is one."""
    found = {(trial.pair, trial.recipe): trial for trial in judged}
    rows = []
    for pair in pairs:
        photograph = Cell.of(found[pair, PHOTOGRAPH].picture, pair.names[0])
        painting = Cell.of(read(located(pair.style)), pair.names[1])
        painted = (found.get((pair, recipe)) for recipe in recipes)
        results = (Cell.of(t.picture, caption(t)) if t else None for t in painted)
        rows.append([photograph, painting, *results])
    return rows


def sheet(heads: Sequence[str], rows: Sequence[Sequence[Cell | None]]) -> Image.Image:
    """Column heads above rows of cells, each row as high as its highest picture."""
    wrapped = [textwrap.wrap(re.sub(r"([:,])", r"\1 ", head), LETTERS) for head in heads]
    lefts = [GAP + column * (THUMB + GAP) for column in range(len(heads))]
    top = GAP + LINE * max(map(len, wrapped))
    heights = [max(cell.picture.height for cell in row if cell) + LINE + GAP for row in rows]
    page = Image.new("RGB", (lefts[-1] + THUMB + GAP, top + GAP + sum(heights)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(TEXT)
    for left, lines in zip(lefts, wrapped, strict=True):
        draw.text((left, GAP // 2), "\n".join(lines), "black", font)
    for row, height in zip(rows, heights, strict=True):
        for left, cell in zip(lefts, row, strict=True):
            if cell:
                page.paste(cell.picture, (left, top))
                under = top + cell.picture.height + 2
                draw.text((left, under), cell.caption[:LETTERS], "black", font)
        top += height
    return page


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipes", nargs="*", metavar="RECIPE[:field=value,...]")
    parser.add_argument("--size", type=int, default=512, help="longest side of each picture, px")
    judged = "longest side at which they are judged, px; by default their own"
    parser.add_argument("--judge-at", type=int, metavar="PX", help=judged)
    many = "`sample`, or a folder and what to paint of it: DIR content.jpg+style.jpg …"
    parser.add_argument("--pairs", nargs="+", default=[], metavar="DIR", help=many)
    one = "paint this pair; give it again for more"
    names = ("CONTENT", "STYLE")
    parser.add_argument("--pair", nargs=2, action="append", default=[], metavar=names, help=one)
    parser.add_argument("--out", type=Path, default=Path("out/presets"), help="folder of results")
    parser.add_argument("--each", action="store_true", help="print each pair's numbers as well")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--fast", action="store_true", help="128 px, 5 iterations: does it run?")
    return parser.parse_args()


def main() -> None:
    """Paint, judge, and write what came of it."""
    o = asked()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see impasto.apps.cli
    torch.set_num_threads(choose_threads(0).value)
    given = FAST if o.fast else {"size": o.size}
    try:
        recipes = {text: settings_of(text, given) for text in o.recipes or ["standard"]}
        pairs = pairs_of(o.pairs, o.pair)
        o.out.mkdir(parents=True, exist_ok=True)
        judge_at = o.judge_at or given["size"]
        judged = list(trials(pairs, recipes, given["size"], o.out, judge_at))
    except ImpastoError as error:
        sys.exit(str(error))
    heads = [PHOTOGRAPH, "painting", *recipes]
    path = o.out / "sheet.jpg"
    sheet(heads, sheet_rows(judged, pairs, list(recipes))).save(path, quality=88, optimize=True)
    if o.json:
        o.json.write_text(json.dumps(record(judged, recipes), indent=1) + "\n", "utf-8")
    print(heading("Presets", f"{len(pairs)} pairs at {given['size']} px; sheet: {path}"))
    print(report(judged, o.each))


if __name__ == "__main__":
    main()
