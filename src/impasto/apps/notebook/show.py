"""Pictures and maps side by side, as one figure of matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from impasto.errors import ImageError, SettingsError, optional
from impasto.images import Picture, read

__all__ = ["show"]

MAPS = "magma"  # matplotlib's colours of what has one number a position
INCHES = 3.0  # of a picture's width


def show(
    pictures: Mapping[str, Any] | None = None,
    /,
    *,
    columns: int = 4,
    **named: Any,  # noqa: ANN401 (pictures and maps of many kinds)
) -> None:
    """Draw pictures side by side, each under its name; the notebook shows them below the cell.

        show(photograph="photo.jpg", painted=result.image)
        show({"relu4_1, channel 7": features["relu4_1"][0, 7]})

    Each is a name as `impasto.stylize` takes it, a Picture, an image of PIL, an array (h, w, 3), or
    a tensor (3, h, w) in [0, 1]; or a map, (h, w) of any range, drawn in colours from its least to
    its largest value. Names that are no identifiers are given as a mapping. Without a notebook the
    figure is matplotlib's current one.

    Raises SettingsError for no picture or no column, ImageError for what is no picture, and
    ExtraMissing without matplotlib.
    """
    drawn = {**(pictures or {}), **named}
    if not drawn or columns < 1:
        asked = f"{len(drawn)} pictures in {columns} columns"
        raise SettingsError(f"{asked} cannot be shown; expected 1 or more of both")
    pyplot = optional("matplotlib.pyplot", "notebook", "showing pictures")
    levels = {name: _levels(name, picture) for name, picture in drawn.items()}
    columns = min(columns, len(levels))
    rows = -(-len(levels) // columns)
    height, width = np.median([each.shape[:2] for each in levels.values()], axis=0)
    size = (columns * INCHES, rows * (INCHES * height / width + 0.35))
    figure, grid = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="tight")
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (name, each) in zip(grid.flat, levels.items(), strict=False):
        axes.set_title(name, fontsize=10)
        axes.imshow(each, cmap=MAPS, interpolation="nearest" if each.ndim == 2 else None)
    figure.set_dpi(96)


def _levels(name: str, picture: Any) -> np.ndarray:  # noqa: ANN401 (of many kinds)
    """What matplotlib draws: (h, w, 3) in [0, 1], or (h, w) of any range."""
    if isinstance(picture, torch.Tensor):
        picture = picture.detach().cpu().float()
        picture = (picture.clamp(0, 1).movedim(0, -1) if picture.ndim == 3 else picture).numpy()
    elif not isinstance(picture, (Picture, np.ndarray)):
        picture = read(picture)
    values = np.asarray(picture)
    if values.ndim != 2 and (values.ndim != 3 or values.shape[2] not in (3, 4)):
        raise ImageError(f"{name}: shape {values.shape}; expected (h, w), (h, w, 3) or (3, h, w)")
    return values
