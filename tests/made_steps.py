"""Steps of a run that never took place: canvases that change, losses that fall."""

from math import exp

from conftest import smooth_picture
from impasto.images.spaces import SRGB
from impasto.run.events import Step


def made_steps(*scales, shape=(3, 2), variation=5.0, total=None):
    """A Step per iteration of `scales`, pairs of longest side and iterations, as a Run yields them.

    Canvases have the proportions of `shape`, width to height.
    """
    done, total = 0, sum(n for _, n in scales) if total is None else total
    for scale, iterations in scales:
        size = [max(1, round(scale * side / max(shape))) for side in shape]
        for iteration in range(iterations + 1):
            done += iteration > 0
            terms = {
                "content": 40.0 * iteration,
                "style": 1e6 * exp(-iteration / 4),
                "variation": variation,
            }
            canvas = smooth_picture(*size, phase=done / 9).pixels
            loss = sum(terms.values())
            yield Step(
                scale=scale,
                iteration=iteration,
                done=done,
                total=total,
                loss=loss,
                terms=terms,
                seconds=0.25 * done,
                space=SRGB,
                size=(size[0], size[1]),
                canvas=canvas,
            )
