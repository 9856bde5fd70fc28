"""Weight files of other programs: the same features, and nothing but WeightsError for the rest."""

import os
import pickle
import re
import sys
from functools import partial
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import weight_files as files
from conftest import TINY, random_image, tiny_weights
from impasto.encoder import ARCHITECTURES, Encoder, Weights, bundled, read_weights, vgg
from impasto.encoder.weights.compare import expecting
from impasto.encoder.weights.formats import contents, matlab
from impasto.encoder.weights.formats.matlab import read_matlab
from impasto.errors import ExtraMissing, WeightsError
from impasto.images.spaces import CAFFE, CAFFE_RGB, IMAGENET
from support.children import succeeded

WRITERS = {
    "mat": files.mat,
    "mat compressed": partial(files.mat, compress=True),
    "mat of old": partial(files.mat, old=True),
    "mat with meta": partial(files.mat, meta=True),
    "npz": files.npz,
    "npz compressed": partial(files.npz, save=np.savez_compressed),
    "h5": files.h5,
    "h5 new": partial(files.h5, old=False),
    "h5 below model_weights": partial(files.h5, old=False, below="model_weights/"),
    "pth": files.pth,
    "pth legacy": partial(files.pth, legacy=True),
    "pth wrapped": partial(files.pth, wrap=True, prefix="module."),
    "safetensors": files.safetensors,
}
# Names as torchvision's, whose networks expect other colours
COUNTED = {
    "pth": partial(files.pth, keys=files.counted),
    "safetensors": partial(files.safetensors, keys=files.counted),
}


def same_features(read, source, margin=0):
    """At two taps, within float32; `margin` positions of each border are left out."""
    image = random_image(32, 40)
    taps = ["relu2_1", "relu5_1"] if margin == 0 else ["relu1_1"]
    _, found = Encoder(read).features(image, taps)
    _, expected = Encoder(source).features(image, taps)
    inner = (..., slice(margin, -margin or None), slice(margin, -margin or None))
    for tap in taps:
        error = (found[tap] - expected[tap])[inner].norm() / expected[tap][inner].norm()
        assert error < 2e-6


@pytest.mark.parametrize("network", TINY)
@pytest.mark.parametrize("form", WRITERS)
def test_same_features_from_every_format(tmp_path, form, network):
    source = tiny_weights(network, dtype=torch.float32)
    WRITERS[form](tmp_path / "weights.bin", source)  # the ending says nothing
    weights = read_weights(tmp_path / "weights.bin", TINY[network])
    assert weights.name == "weights.bin"
    assert len(weights.sha256) == 64
    same_features(weights, source)


@pytest.mark.parametrize("network", TINY)
@pytest.mark.parametrize("form", COUNTED)
def test_names_that_count_mean_torchvisions_colours(tmp_path, form, network):
    source = expecting(tiny_weights(network, dtype=torch.float32), IMAGENET)
    COUNTED[form](tmp_path / "w", source)
    weights = read_weights(tmp_path / "w", TINY[network])
    assert weights.input == IMAGENET
    same_features(weights, source)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("write", [files.pth, files.safetensors])
def test_any_floating_type_becomes_float32(tmp_path, write, dtype):
    source = tiny_weights("vgg16", dtype=dtype)
    write(tmp_path / "w", source)
    for name, (weight, bias) in read_weights(tmp_path / "w", TINY["vgg16"]).layers.items():
        assert torch.equal(weight, source.layers[name][0].float())
        assert torch.equal(bias, source.layers[name][1].float())


def real_first_layer(seed=0):
    """A narrow VGG-19 behind the published first layer."""
    net = vgg("vgg19", (2, 2, 4, 4, 4), (64, 3, 3, 3, 3))
    generator, layers = torch.Generator().manual_seed(seed), {}
    for name, conv in net.convolutions.items():
        weight = torch.randn(conv.shape, generator=generator) / conv.inward
        layers[name] = (weight, torch.zeros(conv.outward))
    return Weights(net, {**layers, "conv1_1": bundled("vgg19").layers["conv1_1"]})


@pytest.mark.parametrize("write", [*COUNTED.values(), files.pth, files.safetensors])
@pytest.mark.parametrize("space", [CAFFE, CAFFE_RGB])
def test_first_layer_tells_the_colours(tmp_path, write, space):
    source = expecting(real_first_layer(), space)
    write(tmp_path / "w", source)
    weights = read_weights(tmp_path / "w", source.architecture)
    assert weights.input == space
    same_features(weights, source)


def test_folded_into_torchvisions_colours(tmp_path):
    """Equal away from the border, where 0 pads: another colour in another space."""
    source = real_first_layer()
    COUNTED["pth"](tmp_path / "w", expecting(source, IMAGENET))
    weights = read_weights(tmp_path / "w", source.architecture)
    assert weights.input == IMAGENET
    same_features(weights, source, margin=1)


@pytest.mark.parametrize("mean", [(120.0, 110.0, 100.0), files.MEAN])
def test_mean_colour_of_the_file_is_kept(tmp_path, mean):
    source = real_first_layer()
    files.mat(tmp_path / "w", source, mean=mean)
    found = read_weights(tmp_path / "w", source.architecture).input
    assert (found.order, found.gain) == (CAFFE_RGB.order, CAFFE_RGB.gain)
    assert found.shift == pytest.approx([-channel for channel in mean], abs=1e-4)


@pytest.mark.parametrize(
    ("network", "write"), [("vgg19", COUNTED["pth"]), ("vgg19", files.h5), ("vgg16", files.npz)]
)
def test_whole_networks_are_told_by_their_layers(tmp_path, network, write):
    source = bundled(network)
    write(tmp_path / "w", source)
    weights = read_weights(tmp_path / "w")
    assert weights.architecture == ARCHITECTURES[network]
    same = expecting(source, weights.input)
    for name in source.layers:
        assert torch.allclose(weights.layers[name][0], same.layers[name][0])


def test_matlab_reader_agrees_with_scipy(tmp_path):
    numbers = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    nested = {"text": "añ", "cells": files.cells([numbers, np.float32([[1.5]])]), "small": 7.0}
    scipy.io.savemat(tmp_path / "m.mat", {"layers": nested, "other": numbers})
    expected = scipy.io.loadmat(tmp_path / "m.mat", simplify_cells=True)["layers"]
    found = read_matlab(tmp_path / "m.mat", ["layers"])
    assert set(found) == {"layers", "other"}
    assert found["other"] is None
    assert found["layers"]["text"] == expected["text"]
    assert np.array_equal(found["layers"]["cells"][0].read(), expected["cells"][0])
    assert found["layers"]["small"].read().item() == expected["small"]


# What is refused


class Trap:
    def __reduce__(self):
        return (os.system, ("touch ran",))


def picture(path):
    Image.new("RGB", (9, 9)).save(path, "PNG")


def state(path, change):
    """A narrow VGG-16's state dictionary after `change`."""
    held = files.counted(tiny_weights("vgg16", dtype=torch.float32))
    torch.save(change(held) or held, path)


def relinked(path, link):
    files.h5(path.with_name("other"), tiny_weights("vgg16", dtype=torch.float32))
    files.h5(path, tiny_weights("vgg16", dtype=torch.float32))
    with h5py.File(path, "r+") as file:
        del file["block1_conv1"]
        file["block1_conv1"] = link


def replaced(path, **options):
    files.h5(path, tiny_weights("vgg16", dtype=torch.float32))
    with h5py.File(path, "r+") as file:
        name = "block1_conv1/block1_conv1_W_1:0"
        values = file[name][()]
        del file[name]
        file.create_dataset(name, data=values, **options)


def virtual(path):
    replaced(path)
    with h5py.File(path, "r+") as file:
        name = "block1_conv1/block1_conv1_W_1:0"
        shape = file[name].shape
        del file[name]
        layout = h5py.VirtualLayout(shape, "f4")
        layout[...] = h5py.VirtualSource("other.h5", "w", shape)
        file.create_virtual_dataset(name, layout)


def sparse(path):
    with path.open("wb") as file:
        file.truncate(3 << 30)


REFUSED = {
    "nothing there": (lambda path: None, "No such file"),
    "folder": (lambda path: path.mkdir(), "a folder"),
    "pipe": (os.mkfifo, "not a regular file"),
    "empty": (lambda path: path.touch(), "has 0 bytes"),
    "too large": (sparse, "at most 1 GB"),
    "picture": (picture, "not a weight file; expected a MatConvNet .mat"),
    "text": (lambda path: path.write_text("weights, honest\n" * 99), "not a weight file"),
    "MATLAB 7.3": (lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(600)), "-v7"),
    "no pickle": (lambda path: path.write_bytes(b"\x80\x02" * 99), "cannot be read|Python objects"),
    "code": (lambda path: path.write_bytes(pickle.dumps(Trap())), "Python objects"),
    "code in a zip": (lambda path: torch.save({"w": Trap()}, path), "Python objects"),
    "list": (lambda path: torch.save([torch.zeros(3)], path), "holds a list"),
    "no VGG": (lambda path: torch.save({"fc.weight": torch.zeros(3)}, path), "no convolution"),
    "batch normalisation": (
        lambda path: state(path, lambda held: held.update({"features.1.running_mean": held[KEY]})),
        "lacks features.3, features.20",
    ),
    "layer missing": (
        lambda path: state(path, lambda held: {k: held[k] for k in held if ".28.w" not in k}),
        "lacks features.28.weight",
    ),
    "layers missing": (
        lambda path: state(path, lambda held: {k: held[k] for k in held if ".2" not in k}),
        "lacks features.2, features.21, features.24 of vgg16",
    ),
    "layers too many": (
        lambda path: state(path, lambda held: held.update({"features.30.weight": held[KEY]})),
        "has features.30, which vgg16 does not",
    ),
    "shape": (
        lambda path: state(path, lambda held: held.update({KEY: torch.zeros(4, 1, 3, 3)})),
        r"features.0.weight is float32 \(4, 1, 3, 3\); expected floats \(4, 3, 3, 3\)",
    ),
    "integers": (
        lambda path: state(path, lambda held: held.update({KEY: held[KEY].int()})),
        "features.0.weight is int32",
    ),
    "not a number": (
        lambda path: state(path, lambda held: held.update({KEY: held[KEY] * torch.nan})),
        "conv1_1 holds infinities or values that are no numbers",
    ),
    "overflow": (
        lambda path: state(path, lambda held: held.update({KEY: held[KEY].double() * 1e300})),
        "conv1_1 holds infinities",
    ),
    "soft link": (lambda path: relinked(path, h5py.SoftLink("/block1_conv2")), "lacks conv1_1"),
    "external link": (
        lambda path: relinked(path, h5py.ExternalLink("other", "/block1_conv1")),
        "lacks conv1_1",
    ),
    "packed": (lambda path: replaced(path, compression="gzip"), "compressed"),
    "kept elsewhere": (
        lambda path: replaced(path, external=[(str(path) + ".raw", 0, 999)]),
        "another file",
    ),
    "virtual": (virtual, "another file"),
    "mean colour": (
        lambda path: files.mat(path, tiny_weights("vgg16", dtype=torch.float32), mean=(1, 2, 999)),
        "averageImage is 1, 2, 999; expected 0 to 255",
    ),
}
KEY = "features.0.weight"


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_in_one_line(tmp_path, monkeypatch, kind):
    make, message = REFUSED[kind]
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "w")
    with pytest.raises(WeightsError, match=message) as caught:
        read_weights(tmp_path / "w", TINY["vgg16"])
    assert str(caught.value).startswith(str(tmp_path / "w"))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_wrong_network_is_named(tmp_path):
    files.pth(tmp_path / "w", tiny_weights("vgg19", dtype=torch.float32))
    with pytest.raises(WeightsError, match="has conv3_4, conv4_4, conv5_4, which vgg16 does not"):
        read_weights(tmp_path / "w", TINY["vgg16"])


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_no_permission(tmp_path):
    (tmp_path / "w").touch(mode=0o000)
    with pytest.raises(WeightsError, match="Permission denied"):
        read_weights(tmp_path / "w")


def test_unpacking_is_bounded(tmp_path, monkeypatch):
    source = tiny_weights("vgg16", dtype=torch.float32)
    for module in (contents, matlab):
        monkeypatch.setattr(module, "LIMIT", 20_000)
    for write in (partial(files.mat, compress=True), files.npz, files.pth):
        write(tmp_path / "w", source)
        with pytest.raises(WeightsError, match="unpacks to more than"):
            read_weights(tmp_path / "w", source.architecture)


# Small files that declare to be large, and what their kinds are refused for


class Bytes:
    """Unpickled as 150 MB of zeros."""

    def __reduce__(self):
        return (bytearray, (150_000_000,))


def deflated(path, name, pieces):
    with (
        ZipFile(path, "w", ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        for piece in pieces:
            file.write(piece)


def swollen_pth(path):
    zeros = bytes(1 << 20)
    deflated(path, "archive/data/0", [zeros] * 150)


def long_header(path):
    """NumPy's format 2.0 declares the length of its header in four bytes."""
    start = b"\x93NUMPY\x02\x00" + (150 << 20).to_bytes(4, "little")
    deflated(path, "conv1_1_W.npy", [start, *[b" " * (1 << 20)] * 150])


def long_directory(path):
    with ZipFile(path, "w") as archive:
        for number in range(90):
            member = ZipInfo(f"{number}.npy")
            member.comment = bytes(60_000)
            archive.writestr(member, b"")


def swollen_mat(path):
    zeros = np.zeros(150_000_000, np.uint8)
    scipy.io.savemat(path, {"layers": files.cells([zeros])}, appendmat=False, do_compression=True)


def many_small_arrays(path):
    zeros = [np.zeros(20_000_000, np.uint8)] * 11
    scipy.io.savemat(path, {"layers": files.cells(zeros)}, appendmat=False, do_compression=True)


def many_elements(path):
    files.mat(path, tiny_weights("vgg16", dtype=torch.float32))
    path.write_bytes(path.read_bytes() + bytes(8 * 600_000))


def long_pickle(path):
    path.write_bytes(b"\x80\x02(" + b"]" * 3_000_000)


def large_chunk(path):
    with h5py.File(path, "w") as file:
        place = "block1_conv1/block1_conv1_W_1:0"
        chunks, size = (3, 3, 3000, 3000), (None,) * 4
        file.create_dataset(place, (3, 3, 3, 4), "f4", chunks=chunks, maxshape=size)
        for name, (weight, bias) in files.arrays(
            tiny_weights("vgg16", dtype=torch.float32)
        ).items():
            layer = name.replace("conv", "block").replace("_", "_conv")
            file[f"{layer}/{layer}_b_1:0"] = bias
            if name != "conv1_1":
                file[f"{layer}/{layer}_W_1:0"] = weight.transpose(2, 3, 1, 0)


def many_links(path):
    with h5py.File(path, "w") as file:
        for number in range(11_000):
            file[f"{number}"] = h5py.SoftLink("/")


def long_description(path):
    path.write_bytes((80 << 20).to_bytes(8, "little") + b"{" + b" " * (80 << 20))


SWOLLEN = {
    "pth compressed": (swollen_pth, "is compressed"),
    "pth bytes": (lambda path: torch.save({"x": Bytes()}, path), "Python objects"),
    "pth legacy bytes": (
        lambda path: torch.save({"x": Bytes()}, path, _use_new_zipfile_serialization=False),
        "Python objects",
    ),
    "pth pickle": (long_pickle, "Python objects"),
    "npz header": (long_header, "cannot be read"),
    "zip directory": (long_directory, "declares .* bytes to be read at once"),
    "mat compressed": (swollen_mat, "no convolution"),
    "mat arrays": (many_small_arrays, "more than 200 MB of numbers"),
    "mat elements": (many_elements, "more than 500000 elements"),
    "h5 chunk": (large_chunk, "chunks larger than itself"),
    "h5 links": (many_links, "more than 10000 entries"),
    "safetensors header": (long_description, "has a header of 83886080 bytes"),
}

MEASURE = """
import sys
from pathlib import Path
from support.networks import TINY
from impasto.encoder import read_weights
from impasto.errors import WeightsError

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1000 for line in lines if line.startswith(field))

def refused(path):
    try:
        read_weights(path, TINY["vgg16"])
    except WeightsError as error:
        return error

refused(sys.argv[1])
for path in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is that of now
    before = resident("VmRSS")
    error = refused(path)
    print(resident("VmHWM") - before, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")
def test_memory_is_bounded_whatever_a_file_declares(tmp_path):
    """Megabytes above those before, in a child process, and the reason for each refusal."""
    places = [tmp_path / name for name in SWOLLEN]
    for place, (write, _) in zip(places, SWOLLEN.values(), strict=True):
        write(place)
    command = [sys.executable, "-c", MEASURE, *places]
    done = succeeded(command, cwd=Path(__file__).parent)
    found = [line.partition(" ") for line in done.stdout.splitlines()]
    assert len(found) == len(SWOLLEN)
    for (name, (_, message)), (growth, _, error) in zip(SWOLLEN.items(), found, strict=True):
        limit = 260 if name == "mat arrays" else 100
        assert int(growth) < limit, f"{name}: {growth} MB"
        assert re.search(message, error), f"{name}: {error}"


def test_nesting_is_bounded(tmp_path):
    inner = np.zeros((1, 1))
    for _ in range(40):
        inner = files.cells([inner])
    scipy.io.savemat(tmp_path / "w", {"layers": inner}, appendmat=False)
    with pytest.raises(WeightsError, match="nests deeper than 16 levels"):
        read_weights(tmp_path / "w")


def test_library_missing(tmp_path, monkeypatch):
    files.h5(tmp_path / "w", tiny_weights("vgg16", dtype=torch.float32))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ExtraMissing, match=r"needs h5py, .* pip install 'impasto\[formats\]'"):
        read_weights(tmp_path / "w", TINY["vgg16"])


NARROW = vgg("vgg16", (2, 2, 3, 3, 3), (2, 2, 2, 2, 2))


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    """Bytes of a small file of every format."""
    generator, layers = torch.Generator().manual_seed(0), {}
    for name, conv in NARROW.convolutions.items():
        weight = torch.randn(conv.shape, generator=generator)
        layers[name] = (weight, torch.zeros(conv.outward))
    source, found = Weights(NARROW, layers), {}
    for form, write in WRITERS.items():
        path = tmp_path_factory.mktemp("whole") / "w"
        write(path, source)
        found[form] = path.read_bytes()
    return found


def loads_or_refuses(blob, folder):
    path = folder / "damaged"
    path.write_bytes(blob)
    try:
        assert read_weights(path, NARROW).architecture == NARROW
    except WeightsError as error:
        assert "\n" not in str(error)  # noqa: PT017 (either is right)


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=40)  # of each format
@given(draw=st.data())
def test_cut_short(whole_files, tmp_path_factory, form, draw):
    whole = whole_files[form]
    kept = draw.draw(st.integers(0, len(whole) - 1))
    loads_or_refuses(whole[:kept], tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=40)  # of each format
@given(draw=st.data())
def test_bytes_changed(whole_files, tmp_path_factory, form, draw):
    blob = bytearray(whole_files[form])
    places = st.integers(0, len(blob) - 1)
    for place, value in draw.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4)):
        blob[place] = value
    loads_or_refuses(bytes(blob), tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("form", WRITERS)
def test_surroundings_make_no_difference(tmp_path, form):
    """Default dtype and device, inference mode: torch's ambient state."""
    WRITERS[form](tmp_path / "w", tiny_weights("vgg16", dtype=torch.float32))
    expected = read_weights(tmp_path / "w", TINY["vgg16"])
    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        with torch.device("meta"), torch.inference_mode():
            found = read_weights(tmp_path / "w", TINY["vgg16"])
    finally:
        torch.set_default_dtype(default)
    assert found == expected
