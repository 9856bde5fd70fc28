"""Layers that are compared: whether they exist, and those for networks that lack a recipe's."""

from __future__ import annotations

from impasto.encoder import Architecture, weights_of
from impasto.errors import SettingsError
from impasto.settings import Settings

__all__ = ["check_layers", "check_terms", "with_layers_of"]


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


def check_layers(settings: Settings) -> None:
    """SettingsError or WeightsError unless the network and all its layers asked for exist."""
    net = weights_of(settings.encoder).architecture
    settings = with_layers_of(settings, net)
    for tap in (*settings.content_layers, *settings.style_layers):
        net.operation(tap)


def check_terms(settings: Settings) -> None:
    """SettingsError where there is nothing to minimise."""
    taps = settings.content_taps or settings.style_taps
    if not (taps or settings.tv_weight or settings.legibility):
        raise SettingsError("every term has weight 0; give one of them a weight and layers")
