"""Whether photographs stay photographs: pairs painted by `photoreal`, with and without its filter.

    python benchmarks/photoreal.py [--size 512] [--pairs rocket+ember chelsea+waves]
                                   [--fast] [--out DIR]

Pairs are bundled pictures, PHOTOGRAPH+OTHER, where the other may be a photograph too. Columns:

- edges: the correlation of the result's edges with the photograph's, at its strongest edges;
- noise: fine detail where the photograph is flat, in levels of 255;
- colours: W₂ of the sRGB colours to those of the other picture, in levels of 255.

The first canvas, before any iteration, is the photograph in the other's colours by one linear map.
With --out, each pair is a row of a sheet: photograph, other, result.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

import impasto
from impasto import Picture
from impasto.images import fit, read, samples
from judge import colour_distance, edge_correlation, noise, strong_edges
from measuring import table

__all__ = ["measured", "results"]

PAIRS = ["rocket+ember", "chelsea+waves", "astronaut+coffee"]
GAP = 8  # px
COLUMNS = ["", "edges", "noise", "colours"]


def measured(picture: Tensor, photograph: Tensor, other: Tensor) -> list[str]:
    """The columns for one picture; all are (3, h, w)."""
    edges = edge_correlation(picture, photograph, strong_edges(photograph))
    numbers = edges, noise(picture, photograph), colour_distance(picture, other)
    return [f"{numbers[0]:.3f}", f"{numbers[1]:.1f}", f"{numbers[2]:.0f}"]


def results(photograph: Picture, other: Picture, *, fast: bool) -> Iterator[tuple[str, Tensor]]:
    """The photograph, the first canvas, the result without and with its filter; (3, h, w) each."""
    yield "photograph", photograph.pixels
    common = {"recipe": "photoreal", "size": max(photograph.size)}
    hurry = {"scales": "1", "iterations": 2} if fast else {}
    for name, overrides in {
        "first canvas": {"scales": "1", "iterations": 0, "finish": "none"},
        "--finish none": {**hurry, "finish": "none"},
        "photoreal": hurry,
    }.items():
        found = impasto.stylize(photograph, other, **common, **overrides)
        yield name, found.image.pixels.float()


def sheet(rows: list[list[Tensor]]) -> Tensor:
    """Pictures (3, h, w) in rows, on white."""
    width = max(x.shape[2] for row in rows for x in row) + GAP

    def line(row: list[Tensor]) -> Tensor:
        height = max(x.shape[1] for x in row) + GAP
        framed = (pad(x, (0, width - x.shape[2], 0, height - x.shape[1]), value=1.0) for x in row)
        return torch.cat([*framed], 2)

    return torch.cat([line(row) for row in rows], 1)[:, :-GAP, :-GAP]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="longest side, pixels")
    parser.add_argument("--pairs", nargs="+", default=PAIRS)
    parser.add_argument("--fast", action="store_true", help="few iterations, to try the program")
    parser.add_argument("--out", type=Path, help="folder for a sheet of all pairs")
    options = parser.parse_args()
    rows, pictures = [], []
    for pair in options.pairs:
        names = pair.split("+")
        photograph, other = (fit(read(samples.sample(n)), options.size) for n in names)
        found = dict(results(photograph, other, fast=options.fast))
        for name, picture in found.items():
            columns = measured(picture, photograph.pixels, other.pixels)
            rows.append([f"{', '.join(names)}: {name}", *columns])
        pictures.append([photograph.pixels, other.pixels, found["photoreal"]])
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        Picture(sheet(pictures)).save(options.out / "photoreal.png")
    print(table(COLUMNS, rows))


if __name__ == "__main__":
    main()
