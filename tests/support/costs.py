"""What windows cost, counted by hand."""

from impasto.encoder import ARCHITECTURES
from impasto.objective.tiles import windows

VGG19 = ARCHITECTURES["vgg19"]


def tiled_cost(side, tile, tapes=1):
    """Multiply-adds of a tiled evaluation, relative to an untiled one's, on a square picture."""
    taps = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

    def convolved(part):
        return sum(
            extent(part.rows, name) * extent(part.columns, name) * 9 * conv.inward * conv.outward
            for name, conv in VGG19.convolutions.items()
            if name in part.halos
        )

    def extent(span, name):
        step, halo = VGG19.stride(name), VGG19.halos(taps)[name].before
        inside = span.stop // step - span.start // step + 2 * halo
        return inside if all(span.cut) else span.high // step - span.low // step

    parts = windows((side, side), VGG19, taps, tile)
    (whole,) = windows((side, side), VGG19, taps)
    passes = 3 * sum(map(convolved, parts)) - sum(map(convolved, parts[-tapes:]))
    return passes / (2 * convolved(whole))
