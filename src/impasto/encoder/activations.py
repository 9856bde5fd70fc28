"""Mean activation of each layer of a network; normalised networks are divided by it."""

from collections.abc import Iterable

from torch import Tensor

from impasto.encoder.network import Encoder
from impasto.encoder.weights.bundle import Weights

__all__ = ["mean_activations"]


def mean_activations(weights: Weights, pictures: Iterable[Tensor]) -> tuple[float, ...]:
    """Mean of each ReLU's output over all positions, channels and `pictures`.

    Pictures are (3, h, w), sRGB in [0, 1], and large enough for the deepest ReLU. Measured with max
    pooling and zero padding, as the networks were trained. Raises ImageTooSmall.
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
