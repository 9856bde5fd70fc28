"""Print the mean activations that the normalised networks are scaled by.

    python scripts/measure_activations.py

Measures every bundled network over the sample photographs at their own size; the table goes into
`src/impasto/encoder/weights/normalised.py`.
"""

from impasto.encoder import BUNDLED, bundled
from impasto.encoder.activations import mean_activations
from impasto.images import read, samples


def main() -> None:
    """One entry of the table for each bundled network."""
    photographs = [path for path in samples.names().values() if path.parent.name == "photos"]
    pictures = [read(path).pixels for path in photographs]
    for name in BUNDLED:
        print(f'    "{name}": (')
        for value in mean_activations(bundled(name), pictures):
            print(f"        {value:.7g},")
        print("    ),")


if __name__ == "__main__":
    main()
