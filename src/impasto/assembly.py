"""From settings to the parts they describe: network, objective, optimiser."""

import functools
from collections.abc import Iterator

import torch
from torch import Tensor

from impasto.canvas import bounds
from impasto.colour import ColourSpace
from impasto.encoder import Encoder, bundled
from impasto.machine import choose_device, choose_dtype, choose_threads
from impasto.objective import Objective, Term
from impasto.optimisers import Box, Evaluate, Iterate, adam, lbfgs, stepped
from impasto.settings import Settings

__all__ = ["encoder_for", "hardware_for", "objective_for", "optimiser_for"]


def encoder_for(settings: Settings) -> Encoder:
    """The frozen network that the settings describe; built once and shared while it is in use.

    Sets torch's number of threads, which is one for the whole process.
    """
    device, dtype, threads = hardware_for(settings)
    torch.set_num_threads(threads)
    return _encoder(settings.encoder, settings.pooling, settings.padding, dtype, device)


@functools.lru_cache(maxsize=2)
def _encoder(
    name: str, pooling: str, padding: str, dtype: torch.dtype, device: torch.device
) -> Encoder:
    return Encoder(bundled(name), pooling=pooling, padding=padding, dtype=dtype, device=device)


def objective_for(
    encoder: Encoder, content: Tensor, style: Tensor, settings: Settings, space: ColourSpace
) -> Objective:
    """The objective that the settings describe, for sRGB pictures (3, h, w)."""
    s = settings
    return Objective(
        encoder,
        content,
        style,
        space=space,
        content_term=Term(s.content_weight, s.content_normalisation, s.content_layers),
        style_term=Term(s.style_weight, s.style_normalisation, s.style_layers),
        variation_term=Term(s.tv_weight, s.tv_normalisation),
    )


def optimiser_for(
    evaluate: Evaluate, x: Tensor, settings: Settings, space: ColourSpace
) -> Iterator[Iterate]:
    """The optimiser that the settings describe, from a flat canvas `x` in `space`."""
    limits = bounds(settings, space, x)
    box = Box(*limits) if limits else None
    x = box.project(x) if box else x
    if settings.optimiser == "adam":
        rate = stepped(settings.learning_rate, settings.decay_every, settings.decay)
        betas, epsilon = settings.betas, settings.epsilon
        return adam(evaluate, x, rate=rate, betas=betas, epsilon=epsilon, box=box)
    return lbfgs(
        evaluate,
        x,
        learning_rate=settings.learning_rate,
        first_step=settings.first_step * space.gain[1] / 255,
        history=min(settings.history, max(1, settings.iterations)),
        search=settings.line_search,
        box=box,
    )


def hardware_for(settings: Settings) -> tuple[torch.device, torch.dtype, int]:
    """Device, arithmetic and CPU threads, chosen or as asked."""
    device = choose_device(settings.device).value
    dtype = choose_dtype(settings.precision, device).value
    return device, dtype, choose_threads(settings.threads).value
