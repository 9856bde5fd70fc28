"""A term from outside, as a newcomer writes it."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class MeanActivation:
    """w·(mean f - goal)² at a tap: of what is measured of the whole canvas."""

    goal: float
    weight: float = 1.0
    tap: str = "relu3_1"
    name: str = "activation"

    @property
    def taps(self):
        return (self.tap,)

    def measure(self, tile):
        core = tile.core(self.tap)
        return torch.stack([core.sum(), torch.full_like(core.sum(), core.numel())])

    def compare(self, measured):
        total, count = measured
        off = total / count - self.goal
        return self.weight * off**2, 2 * self.weight * off / count

    def cotangents(self, tile, gradient):
        return {self.tap: lambda core, features: core.add_(gradient)}
