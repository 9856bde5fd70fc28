"""Objectives of tiny networks for tests, and the oracles of total variation."""

import torch

from impasto.images.spaces import CAFFE
from impasto.objective import Objective, measure_statistics
from impasto.objective.style_losses import find_style_loss
from impasto.objective.terms import ContentTerm, StyleTarget, StyleTerm, VariationTerm
from impasto.objective.tiles import Tiling


def full(weight, layers):
    """Tap -> weight times the layer's own."""
    return {tap: weight * part for tap, part in layers.items()}


def make_objective(
    encoder,
    content=None,
    style=None,
    *,
    content_weights=None,
    content_normalisation="mean",
    style_weights=None,
    style_normalisation="elements",
    style_loss=None,
    variation=(0.0, "l1-sum"),
    space=CAFFE,
    tiling=Tiling(),  # noqa: B008 (frozen)
    more=(),
    **options,
):
    """Content, style and variation against two sRGB pictures (3, h, w), then `more` terms."""
    loss = style_loss or find_style_loss("gram", style_normalisation)
    taps = [tap for tap, weight in (style_weights or {}).items() if weight]
    targets = []
    if style is not None and taps:
        statistics = measure_statistics(encoder, style, taps, tiling.tile, loss=loss)
        targets = [StyleTarget(statistics)]
    terms = [
        ContentTerm(encoder, content, content_weights or {}, normalisation=content_normalisation),
        StyleTerm(encoder.architecture, targets, style_weights or {}, loss, device=encoder.device),
        VariationTerm(*variation),
        *more,
    ]
    return Objective(encoder, terms, space=space, tiling=tiling, **options)


def dy(x):
    return x[:, 1:] - x[:, :-1]


def dx(x):
    return x[..., 1:] - x[..., :-1]


def nine_points(x):
    """As it is published: differences of a canvas padded by one pixel on each side."""
    x = torch.nn.functional.pad(x[None], (1, 1, 1, 1), "replicate")[0]
    inside, after, early, late = slice(1, -1), slice(2, None), slice(-1), slice(1, None)
    near = [x[:, inside, after] - x[:, inside, inside], x[:, after, inside] - x[:, inside, inside]]
    diagonal = [x[:, late, late] - x[:, early, early], x[:, late, early] - x[:, early, late]]
    return 2 * (sum((d**2).mean() / 3 for d in near) + sum((d**2).mean() / 12 for d in diagonal))


VARIATION_ORACLE = {
    "l1-sum": lambda x: dx(x).abs().sum() + dy(x).abs().sum(),
    "l1-mean": lambda x: 0.5 * (dy(x).abs().mean() + dx(x).abs().mean()),
    "l2-mean": lambda x: (dy(x) ** 2).mean() + (dx(x) ** 2).mean(),
    "l2-swapped": lambda x: (dy(x) ** 2).sum() / dx(x).numel() + (dx(x) ** 2).sum() / dy(x).numel(),
    "l2-diagonal": nine_points,
}
