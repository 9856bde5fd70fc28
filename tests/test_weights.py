"""The bundled weight files: exact decoding, shapes, sharing, and refusal of damaged ones."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from impasto.encoder import ARCHITECTURES, BUNDLED, Architecture, Weights, bundled
from impasto.encoder.weights import read_codebook
from impasto.errors import SettingsError, WeightsError

SMALL = Architecture("small", (1, 1), (2, 3))


def codebook(seed=0):
    """Arrays of a small network's file, and the weights they stand for."""
    rng = np.random.default_rng(seed)
    arrays, weights = {}, {}
    for name, (inward, outward) in SMALL.convolutions.items():
        index = rng.integers(0, 256, (outward, inward, 3, 3), dtype=np.uint8)
        table = rng.normal(size=256).astype(np.float32)
        bias = rng.normal(size=outward).astype(np.float32)
        arrays |= {f"{name}.index": index, f"{name}.table": table, f"{name}.bias": bias}
        weights[name] = (table[index], bias)
    return arrays, weights


def written(path, arrays):
    """Write a codebook; its checksum."""
    blob = save(arrays)
    path.write_bytes(blob)
    return hashlib.sha256(blob).hexdigest()


def test_index_and_table_round_trip(tmp_path):
    arrays, expected = codebook()
    digest = written(tmp_path / "w.safetensors", arrays)
    weights = read_codebook(tmp_path / "w.safetensors", SMALL, digest)
    for name, (weight, bias) in expected.items():
        assert torch.equal(weights.layers[name][0], torch.from_numpy(weight))
        assert torch.equal(weights.layers[name][1], torch.from_numpy(bias))


@pytest.mark.parametrize("network", BUNDLED)
def test_every_layer_has_its_shape(network):
    net, weights = ARCHITECTURES[network], bundled(network)
    assert list(weights.layers) == list(net.convolutions)
    for name, (inward, outward) in net.convolutions.items():
        weight, bias = weights.layers[name]
        assert weight.shape == (outward, inward, 3, 3)
        assert bias.shape == (outward,)
        assert weight.dtype == bias.dtype == torch.float32
        assert torch.isfinite(weight).all()
        assert weight.unique().numel() > 200  # a codebook in full use


def test_golden_values():
    """First numbers of the published networks, the codebook's nearest."""
    weight, bias = bundled("vgg19").layers["conv1_1"]
    assert weight[0, 0, 0, :2].tolist() == pytest.approx([0.3416, 0.3416], abs=0.02)
    assert bias[:2].tolist() == pytest.approx([0.73017758, 0.06493629], abs=1e-7)
    weight, bias = bundled("vgg16").layers["conv1_1"]
    assert weight[0, 0, 0].tolist() == pytest.approx([0.42947, 0.37347, -0.06136], abs=0.01)
    assert bias[:2].tolist() == pytest.approx([0.73429835, 0.09340367], abs=1e-7)


def test_vgg19_is_its_source_to_the_bit():
    """SHA-256 of all weights and biases in order, taken from the source package's own arrays."""
    digest = hashlib.sha256()
    for name in sorted(bundled("vgg19").layers):
        for array in bundled("vgg19").layers[name]:
            digest.update(array.contiguous().numpy().tobytes())
    assert digest.hexdigest() == (
        "0f7b5cfccc0260344e463aa697e3cf3f7c8b0b4e6d20abdad2ad54050985a5fc"
    )


def test_loaded_once_and_shared():
    assert bundled("vgg16") is bundled("vgg16")


def test_unknown_network():
    with pytest.raises(SettingsError, match="'vgg11'; expected one of vgg19, vgg16"):
        bundled("vgg11")


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_damaged_file_names_file_and_checksums(tmp_path, damage):
    path = tmp_path / "w.safetensors"
    digest = written(path, codebook()[0])
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes({"flip": blob, "cut": blob[:-40], "empty": b""}[damage])
    with pytest.raises(WeightsError) as caught:
        read_codebook(path, SMALL, digest)
    message = str(caught.value)
    assert str(path) in message
    assert digest in message
    assert message.count("SHA-256") == 1
    assert "\n" not in message


def test_missing_file(tmp_path):
    with pytest.raises(WeightsError, match=r"gone.safetensors: cannot be read"):
        read_codebook(tmp_path / "gone.safetensors", SMALL, "")


def test_right_checksum_of_the_wrong_thing(tmp_path):
    arrays, _ = codebook()
    del arrays["conv2_1.table"]
    digest = written(tmp_path / "w.safetensors", arrays)
    with pytest.raises(WeightsError, match="not the codebook of small"):
        read_codebook(tmp_path / "w.safetensors", SMALL, digest)


def test_wrong_shape_is_named():
    layers = {
        k: (torch.zeros(v[1], v[0], 3, 3), torch.zeros(v[1])) for k, v in SMALL.convolutions.items()
    }
    layers["conv2_1"] = (torch.zeros(3, 5, 3, 3), torch.zeros(3))
    with pytest.raises(WeightsError, match=r"conv2_1 has weight \(3, 5, 3, 3\)"):
        Weights(SMALL, layers)
    del layers["conv2_1"]
    with pytest.raises(WeightsError, match="no layer conv2_1"):
        Weights(SMALL, layers)
