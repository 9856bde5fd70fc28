"""The bundled weight files: exact decoding, shapes, sharing, refusal of damaged ones; names."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

import weight_files
from conftest import random_image, tiny_weights
from impasto.encoder import (
    ARCHITECTURES,
    BUNDLED,
    ENCODERS,
    Encoder,
    Weights,
    bundled,
    vgg,
    weights_of,
)
from impasto.encoder.activations import mean_activations
from impasto.encoder.cache import Cache
from impasto.encoder.weights import catalogue
from impasto.encoder.weights.bundle import read_codebook
from impasto.encoder.weights.normalised import MEAN_ACTIVATIONS, rescaled
from impasto.errors import SettingsError, WeightsError
from impasto.hardware.device import Hardware
from impasto.images import read, samples
from impasto.images.spaces import CAFFE_RGB
from impasto.run import Run
from impasto.run.build import encoder_for
from impasto.settings import Settings

SMALL = vgg("small", (1, 1), (2, 3))


def codebook(seed=0):
    """Arrays of a small network's file, and the weights they stand for."""
    rng = np.random.default_rng(seed)
    arrays, weights = {}, {}
    for name, conv in SMALL.convolutions.items():
        index = rng.integers(0, 256, conv.shape, dtype=np.uint8)
        table = rng.normal(size=256).astype(np.float32)
        bias = rng.normal(size=conv.outward).astype(np.float32)
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
    for name, conv in net.convolutions.items():
        weight, bias = weights.layers[name]
        assert weight.shape == (conv.outward, conv.inward, 3, 3)
        assert bias.shape == (conv.outward,)
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
        name: (torch.zeros(conv.shape), torch.zeros(conv.outward))
        for name, conv in SMALL.convolutions.items()
    }
    layers["conv2_1"] = (torch.zeros(3, 5, 3, 3), torch.zeros(3))
    with pytest.raises(WeightsError, match=r"conv2_1 has weight \(3, 5, 3, 3\)"):
        Weights(SMALL, layers)
    del layers["conv2_1"]
    with pytest.raises(WeightsError, match="no layer conv2_1"):
        Weights(SMALL, layers)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("part", [0, 1])
def test_what_is_no_number_is_named(part, value):
    layers = {name: (w.clone(), b.clone()) for name, (w, b) in tiny_weights().layers.items()}
    layers["conv4_2"][part].view(-1)[3] = value
    with pytest.raises(WeightsError, match="vgg19: conv4_2 holds infinities"):
        Weights(tiny_weights().architecture, layers)


# Normalised networks


def relus(network):
    return list(ARCHITECTURES[network].relus)


@pytest.mark.parametrize("network", MEAN_ACTIVATIONS)
def test_mean_activation_is_one(network):
    """Over the sample photographs, at every ReLU."""
    photographs = [path for path in samples.names().values() if path.parent.name == "photos"]
    assert len(photographs) == 4
    pictures = [read(path).pixels for path in photographs]
    means = mean_activations(weights_of(f"{network}:normalised"), pictures)
    assert means == pytest.approx([1] * len(relus(network)), rel=1e-3)


@pytest.mark.parametrize("network", MEAN_ACTIVATIONS)
def test_normalised_features_are_the_original_ones_scaled(network):
    image, taps = random_image(64, 80), relus(network)
    _, original = Encoder(bundled(network)).features(image, taps)
    _, scaled = Encoder(weights_of(f"{network}:normalised")).features(image, taps)
    for tap, factor in zip(taps, MEAN_ACTIVATIONS[network], strict=True):
        error = (scaled[tap] * factor - original[tap]).norm() / original[tap].norm()
        assert error < 2e-6


@pytest.mark.parametrize("pooling", ["max", "avg", "l2"])
def test_rescaling_is_exact(pooling):
    source, taps = tiny_weights(), relus("vgg19")
    factors = [0.3 + place for place in range(len(taps))]
    image = random_image(32, 40)
    _, original = Encoder(source, pooling=pooling, dtype=torch.float64).features(image, taps)
    scaled = Encoder(rescaled(source, factors), pooling=pooling, dtype=torch.float64)
    _, found = scaled.features(image, taps)
    for tap, factor in zip(taps, factors, strict=True):
        assert torch.allclose(found[tap] * factor, original[tap], rtol=1e-12, atol=0)


def test_mean_activations_weigh_every_position_alike():
    source, pictures = tiny_weights(), [random_image(32, 40), random_image(48, 32, seed=1)]
    encoder = Encoder(source)
    values = [encoder.features(p, ["relu3_1"])[1]["relu3_1"].flatten() for p in pictures]
    place = relus("vgg19").index("relu3_1")
    assert mean_activations(source, pictures)[place] == pytest.approx(
        torch.cat(values).double().mean().item()
    )


# Names


def test_known_names():
    for name in ("vgg19", "vgg16", "vgg19:normalised", "vgg16:normalised"):
        weights = weights_of(name)
        assert weights is weights_of(name)
        assert weights.name == name
        assert weights.sha256 == BUNDLED[name.partition(":")[0]]


@pytest.mark.parametrize("name", ["vgg11", "vgg19:caffe", "", "gone.pth", "x" * 9999, "a\0b"])
def test_neither_a_name_nor_a_file(name):
    with pytest.raises(SettingsError, match="expected one of vgg19, vgg16") as caught:
        weights_of(name)
    assert ", ".join(ENCODERS.names()) in str(caught.value)
    assert str(caught.value).endswith("or a weight file")


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"\x80 damaged")
    with pytest.raises(WeightsError, match="w"):
        weights_of(str(path))
    weight_files.pth(path, bundled("vgg16"))
    assert weights_of(str(path)) is weights_of(str(path))
    assert weights_of(str(path)).name == "w.pth"


def test_a_broken_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(WeightsError, match="No such file"):
        weights_of(str(tmp_path / "link"))


HARDWARE = Hardware.choose(Settings.of("standard", precision="fp32", device="cpu"))


# Registered networks, and what encoders are known by


@pytest.fixture
def registered(monkeypatch):
    """Register a function for one test."""

    def register(name, load):
        monkeypatch.setitem(ENCODERS._found, name, load)

    return register


def float32_weights(seed=0):
    return tiny_weights("vgg16", seed, dtype=torch.float32)


def test_a_registered_network_is_one_of_the_names(registered, photo, painting):
    """One line registers it; settings, memory plan and run then take its name."""
    registered("small", float32_weights)
    assert "small" in ENCODERS.names()
    assert weights_of("small").name == "small"
    settings = Settings.of("standard", encoder="small", size=48, iterations=2, precision="fp32")
    run = Run(photo, painting, settings)
    assert [step.iteration for step in run] == [0, 1, 2]
    assert encoder_for(settings, HARDWARE).architecture == float32_weights().architecture


def test_a_name_registered_anew_is_the_new_network(registered):
    registered("small", float32_weights)
    first = weights_of("small")
    registered("small", lambda: float32_weights(1))
    assert weights_of("small") != first


def test_a_name_is_never_a_folder_or_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vgg19").mkdir()
    assert weights_of("vgg19").sha256 == BUNDLED["vgg19"]
    with pytest.raises(WeightsError, match="vgg19: a folder; expected a weight file"):
        weights_of(tmp_path / "vgg19")


def test_equal_weights_are_equal_to_the_bit():
    weights, layers = float32_weights(), dict(float32_weights().layers)
    assert weights == float32_weights()
    assert weights.digest == float32_weights().digest
    assert hash(weights) == hash(float32_weights())
    weight, bias = layers["conv5_3"]
    bias = bias.clone()
    bias[-1] = bias[-1].nextafter(torch.tensor(9.0))
    assert replace(weights, layers={**layers, "conv5_3": (weight, bias)}) != weights
    assert replace(weights, input=CAFFE_RGB) != weights
    assert replace(weights, name="other", sha256="0" * 64) == weights
    assert weights != "vgg16"


def first_features(encoder):
    image = random_image(16, 16, dtype=torch.float32)
    return encoder.features(image, ["relu1_1"])[1]["relu1_1"]


def changed(seed):
    """Full-size VGG-16 weights, of which only the last layer's bias depends on `seed`."""
    layers = dict(bundled("vgg16").layers)
    weight, bias = layers["conv1_1"]
    return replace(bundled("vgg16"), layers={**layers, "conv1_1": (weight, bias + seed)})


@pytest.mark.parametrize("move", ["overwritten", "another folder"])
def test_the_encoder_is_that_of_the_file_as_it_is_now(tmp_path, monkeypatch, move):
    """Also where the new file has the old one's name, size and time."""
    settings = Settings.of("standard", precision="fp32")
    found = []
    for seed in (0, 1):
        folder = tmp_path / (str(seed) if move == "another folder" else "one")
        folder.mkdir(exist_ok=True)
        weight_files.pth(folder / "w.pth", changed(seed))
        os.utime(folder / "w.pth", (1, 1))
        monkeypatch.chdir(folder)
        encoder = encoder_for(settings, HARDWARE, "w.pth")
        assert encoder is encoder_for(settings, HARDWARE, "w.pth")  # shared
        assert encoder.weights == changed(seed)
        assert encoder.weights.sha256 == hashlib.sha256(Path("w.pth").read_bytes()).hexdigest()
        found.append(first_features(encoder))
    assert not torch.equal(*found)


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "w.pth"
    weight_files.pth(path, bundled("vgg16"))
    catalogue.WEIGHTS_CACHE.clear()
    read = catalogue.read_weights

    def reading(path):
        path.write_bytes(path.read_bytes() + b"more")
        return read(path)

    monkeypatch.setattr(catalogue, "read_weights", reading)
    with pytest.raises(WeightsError, match="changed while it was read; try again"):
        weights_of(path)


def test_an_encoder_may_be_handed_over():
    """As an Encoder, as Weights, or as the path of a weight file."""
    settings = Settings.of("standard", pooling="avg", precision="fp32")
    own = Encoder(float32_weights(), dtype=torch.float64)
    assert encoder_for(settings, HARDWARE, own) is own
    made = encoder_for(settings, HARDWARE, float32_weights())
    assert (made.pooling, made.dtype, made.exact) == ("avg", torch.float32, True)
    assert made is encoder_for(
        settings, HARDWARE, float32_weights()
    )  # equal weights share an encoder
    assert made is not encoder_for(settings.replaced(pooling="max"), HARDWARE, float32_weights())
    with pytest.raises(SettingsError, match="or a weight file"):
        encoder_for(settings, HARDWARE, "gone.pth")
    with pytest.raises(WeightsError, match="No such file"):
        encoder_for(settings, HARDWARE, Path("gone.pth"))


def test_caches_keep_what_was_used_last():
    cache, made = Cache(2), []

    def get(key):
        return cache.get(key, lambda: made.append(key) or key)

    assert [get(key) for key in "abacab"] == list("abacab")
    assert "".join(made) == "abcb"
    cache.limit = 1
    assert get("c") == get("c") == "c"
    assert "".join(made) == "abcbc"
    with pytest.raises(ZeroDivisionError):
        cache.get("d", lambda: 1 / 0)
    assert cache.get("d", lambda: "d") == "d"
    cache.clear()
    assert get("d") == "d"
    assert made[-1] == "d"


def test_a_run_keeps_the_weights_it_began_with(tmp_path, photo, painting):
    """Neither the run nor its record changes with the file; the next run has the new one."""
    path, link = tmp_path / "w.pth", tmp_path / "link"
    link.symlink_to(path)
    settings = Settings.of("standard", size=48, iterations=1, precision="fp32", threads=1)
    found = []
    for seed in (0, 1):
        weight_files.pth(path, changed(seed))
        begun = hashlib.sha256(path.read_bytes()).hexdigest()
        run = Run(photo, painting, settings, encoder=link)
        weight_files.pth(path, changed(2))
        losses = [step.loss for step in run]
        record = json.loads(run.result().image.record)["impasto"]
        assert list(record["weights"].values()) == [begun]
        fresh = Run(photo, painting, settings, encoder=changed(seed))
        assert [step.loss for step in fresh] == losses
        found.append(losses)
    assert found[0] != found[1]
