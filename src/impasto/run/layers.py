"""Layers for networks that lack those of a recipe."""

from __future__ import annotations

from impasto.encoder import Architecture
from impasto.settings import Settings

__all__ = ["with_layers_of"]


def with_layers_of(settings: Settings, net: Architecture) -> Settings:
    """The settings, where a recipe's layers are the network's own if it lacks one of them.

    Content is then compared at its `content_tap`, style at its `style_taps`, each with an equal
    part of the layers' weight. Layers that were chosen, which differ from the recipe's, stay.
    """
    usual = Settings.of(settings.recipe) if settings.recipe else Settings()
    fields = {"content_layers": (net.content_tap,), "style_layers": net.style_taps}
    changes = {}
    for field, taps in fields.items():
        layers = getattr(settings, field)
        if layers == getattr(usual, field) and not {*layers} <= {*net.taps} and taps:
            part = sum(layers.values()) / len(taps)
            changes[field] = dict.fromkeys(taps, part)
    return settings.replaced(**changes) if changes else settings
