"""How steady a painted clip is, and how well what comes into sight is painted."""

from collections.abc import Iterator, Sequence
from statistics import fmean

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from film_scenes import Flow, Scene, ages
from impasto.apps.film.warp import warped
from impasto.images import fit, read
from impasto.images.names import located
from judge import STYLE_TAPS, Normal, judging_encoder, wasserstein

__all__ = ["Uncovered", "e_warp", "unsteadiness"]

NEW = 4  # frames for which a place counts as uncovered
TAPS = STYLE_TAPS[:4]  # a position of the fifth is wider than what a frame uncovers
LEAST = 32  # positions of a tap, so that their covariance says something


def e_warp(before: Tensor, now: Tensor, flow: Flow, shown: np.ndarray) -> float:
    """Mean squared difference of a frame from the one before, where that shows it too."""
    apart = (now - warped(before, flow)).square().mean(0)
    return float(apart[torch.from_numpy(shown)].mean())


def unsteadiness(canvases: Sequence[Tensor], scene: Scene) -> float:
    """Mean of E_warp over the frames of a scene that do not begin a shot."""
    pairs = zip(canvases, canvases[1:], scene.flows, scene.shown, strict=False)
    return fmean(e_warp(a, b, flow, shown) for a, b, flow, shown in pairs if flow is not None)


class Uncovered:
    """The style distance of places that came into sight in the last four frames, and of the rest.

    Features of the judge's network at relu1_1 to relu4_1, those of all frames that do not begin a
    shot together, at positions of which at least half is such a place; W₂² from the painting's, as
    the judge has it. A place's own content and how few positions there are move a distance too, so
    it is taken in parts of that of the same places in stills.
    """

    def __init__(self, style: str, size: int) -> None:
        self._encoder = judging_encoder()
        painting = self._encoder.features(fit(read(located(style)), size).pixels, TAPS)[1]
        self._style = {tap: Normal.of(painting[tap]) for tap in TAPS}

    def ratio(self, film: Sequence[Tensor], stills: Sequence[Tensor], scene: Scene) -> float | None:
        """(film / stills) of uncovered places over (film / stills) of the rest; None without any.

        Both are canvases (3, h, w) of all frames.
        """
        new = [age < NEW for age in ages(scene)]
        parts = [new, [~each for each in new]]
        found = [[self._distance(side, part, scene) for side in (film, stills)] for part in parts]
        if None in found[0]:
            return None
        (mine, own), (rest, others) = found
        return (mine / own) / (rest / others)

    def _distance(
        self, canvases: Sequence[Tensor], places: Sequence[np.ndarray], scene: Scene
    ) -> float | None:
        """W₂² of the places (h, w) of each frame, averaged over taps; None where they are few."""
        columns: dict[str, list[Tensor]] = {tap: [] for tap in TAPS}
        for index, (canvas, where) in enumerate(zip(canvases, places, strict=True)):
            if index in scene.starts:
                continue
            for tap, features in self._features(canvas):
                inside = interpolate(
                    torch.from_numpy(where)[None, None].float(), features.shape[2:], mode="area"
                )
                columns[tap].append(features[0][:, inside[0, 0] >= 0.5])
        joined = {tap: torch.cat(parts, 1) for tap, parts in columns.items()}
        if min(each.shape[1] for each in joined.values()) < LEAST:
            return None
        normals = ((tap, Normal.of(each[None, :, :, None])) for tap, each in joined.items())
        return fmean(wasserstein(normal, self._style[tap]) for tap, normal in normals)

    def _features(self, canvas: Tensor) -> Iterator[tuple[str, Tensor]]:
        yield from self._encoder.features(canvas.clamp(0, 1), TAPS)[1].items()
