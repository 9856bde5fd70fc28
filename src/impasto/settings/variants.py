"""What settings choose by name: one registry a setting, one module a variant.

These tables are the only lists of the names. Choices, help and error messages come from them.
"""

from typing import Any

from impasto.settings.registry import Registry

__all__ = [
    "COLOUR_MODES",
    "EFFECTS",
    "ENCODERS",
    "INITS",
    "LINE_SEARCHES",
    "OPTIMISERS",
    "STYLE_LOSSES",
]

INITS: Registry[Any] = Registry(
    "init",
    {
        "content": "impasto.run.inits:from_content",
        "recoloured": "impasto.run.inits:from_recoloured",
        "noise": "impasto.run.inits:from_noise",
        "style": "impasto.run.inits:from_style",
    },
    "impasto.inits",
)

COLOUR_MODES: Registry[Any] = Registry(
    "colour",
    {
        "style": "impasto.run.colour_modes.base:STYLE",
        "keep": "impasto.run.colour_modes.keep:KEEP",
        "match": "impasto.run.colour_modes.match:MATCH",
    },
    "impasto.colour_modes",
)

STYLE_LOSSES: Registry[Any] = Registry(
    "style_loss",
    {
        "gram": "impasto.objective.style_losses.gram:by_elements",
        "moments": "impasto.objective.style_losses.gaussian:moments",
        "wasserstein": "impasto.objective.style_losses.gaussian:wasserstein",
        "principal-wasserstein": ("impasto.objective.style_losses.gaussian:principal_wasserstein"),
        "sliced-wasserstein": "impasto.objective.style_losses.matching:sliced_wasserstein",
        "nearest-neighbour": "impasto.objective.style_losses.matching:nearest_neighbour",
    },
    "impasto.style_losses",
)

OPTIMISERS: Registry[Any] = Registry(
    "optimiser",
    {
        "lbfgs": "impasto.optimisers.lbfgs:OPTIMISER",
        "adam": "impasto.optimisers.adam:OPTIMISER",
    },
    "impasto.optimisers",
)

LINE_SEARCHES: Registry[Any] = Registry(
    "line_search",
    {
        "none": "impasto.optimisers.line_search:NONE",
        "armijo": "impasto.optimisers.line_search:ARMIJO",
        "strong-wolfe": "impasto.optimisers.line_search:STRONG_WOLFE",
        "more-thuente": "impasto.optimisers.line_search:MORE_THUENTE",
    },
    "impasto.line_searches",
)

EFFECTS: Registry[Any] = Registry(
    "finish",
    {
        "none": "impasto.images.effects.none:none",
        "relief": "impasto.images.effects.relief:relief",
        "grain": "impasto.images.effects.grain:grain",
        "photographic": "impasto.images.effects.photographic:photographic",
    },
    "impasto.effects",
)

ENCODERS: Registry[Any] = Registry(
    "encoder",
    {
        "vgg19": "impasto.encoder.weights.catalogue:vgg19",
        "vgg16": "impasto.encoder.weights.catalogue:vgg16",
        "vgg19:normalised": "impasto.encoder.weights.catalogue:vgg19_normalised",
        "vgg16:normalised": "impasto.encoder.weights.catalogue:vgg16_normalised",
        "vgg19:keras": "impasto.encoder.weights.catalogue:vgg19_keras",
        "vgg16:keras": "impasto.encoder.weights.catalogue:vgg16_keras",
        "vgg19:torchvision": "impasto.encoder.weights.catalogue:vgg19_torchvision",
        "vgg16:torchvision": "impasto.encoder.weights.catalogue:vgg16_torchvision",
    },
    "impasto.encoders",
)
