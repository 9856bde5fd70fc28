"""Mean activation of a network's layers, by which normalised networks are rescaled."""

from collections.abc import Iterable

from torch import Tensor

from impasto.encoder.network import Encoder
from impasto.encoder.weights.bundle import Weights

__all__ = ["mean_activations"]


def mean_activations(weights: Weights, pictures: Iterable[Tensor]) -> tuple[float, ...]:
    """Mean of each ReLU's output over all positions, channels and `pictures`, (3, h, w) in sRGB.

    Measured with max pooling and zero padding, as the networks were trained.
    """
    encoder = Encoder(weights)
    taps = weights.architecture.relus
    totals, counts = dict.fromkeys(taps, 0.0), dict.fromkeys(taps, 0)
    for picture in pictures:
        _, features = encoder.features(picture, taps)
        for tap, feature in features.items():
            totals[tap] += feature.double().sum().item()
            counts[tap] += feature.numel()
    return tuple(totals[tap] / counts[tap] for tap in taps)
