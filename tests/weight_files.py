"""Writers of the weight files that other programs keep, each as its own library writes them."""

import h5py
import numpy as np
import scipy.io
import torch
from safetensors.torch import save_file

from impasto.encoder.weights.compare import expecting
from impasto.images.spaces import CAFFE_RGB

MEAN = (123.68, 116.779, 103.939)


def arrays(weights):
    """Layer -> weight (out, in, h, w) and bias, as numpy."""
    return {name: (w.numpy(), b.numpy()) for name, (w, b) in weights.layers.items()}


def counted(weights):
    """State dictionary with torchvision's names."""
    places = {name: f"features.{weights.architecture.taps.index(name)}" for name in weights.layers}
    return {
        f"{places[name]}.{part}": tensor
        for name, layer in weights.layers.items()
        for part, tensor in zip(("weight", "bias"), layer, strict=True)
    }


def named(weights):
    """State dictionary with names as Caffe's."""
    return {
        f"{name}.{part}": tensor
        for name, layer in weights.layers.items()
        for part, tensor in zip(("weight", "bias"), layer, strict=True)
    }


def cells(values):
    """A MATLAB cell array, 1 x n."""
    array = np.empty((1, len(values)), dtype=object)
    for place, value in enumerate(values):
        array[0, place] = value
    return array


def mat(path, weights, *, compress=False, old=False, mean=MEAN, meta=False):
    layers = []
    for name, (weight, bias) in arrays(expecting(weights, CAFFE_RGB)).items():
        pair = (weight.transpose(3, 2, 1, 0), bias[None])
        held = {"filters": pair[0], "biases": pair[1]} if old else {"weights": cells(pair)}
        layers += [{"name": name, "type": "conv", **held}]
        layers += [{"name": name.replace("conv", "relu"), "type": "relu"}]
    image = np.broadcast_to(np.array(mean, np.float32), (4, 4, 3))
    normalization = {"averageImage": image, "imageSize": [[4.0, 4.0, 3.0]]}
    top = {"meta": {"normalization": normalization}} if meta else {"normalization": normalization}
    scipy.io.savemat(path, {"layers": cells(layers), **top}, do_compression=compress)


def npz(path, weights, *, save=np.savez):
    held = {"fc6_W": np.zeros((2, 2), np.float32), "fc6_b": np.zeros(2, np.float32)}
    for name, (weight, bias) in arrays(expecting(weights, CAFFE_RGB)).items():
        held |= {f"{name}_W": weight.transpose(2, 3, 1, 0), f"{name}_b": bias}
    with path.open("wb") as file:
        save(file, **held)


def h5(path, weights, *, old=True, below=""):
    with h5py.File(path, "w") as file:
        for name, (weight, bias) in arrays(weights).items():
            layer = name.replace("conv", "block").replace("_", "_conv")
            group = file.create_group(f"{below}{layer}")
            group = group if old else group.create_group(layer)
            parts = (f"{layer}_W_1:0", f"{layer}_b_1:0") if old else ("kernel:0", "bias:0")
            group[parts[0]] = weight.transpose(2, 3, 1, 0)
            group[parts[1]] = bias


def pth(path, weights, *, keys=named, wrap=False, prefix="", legacy=False):
    state = {f"{prefix}{key}": tensor for key, tensor in keys(weights).items()}
    state["classifier.0.weight"] = torch.zeros(2, 2)
    state = {"state_dict": state, "epoch": 3} if wrap else state
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)


def safetensors(path, weights, *, keys=named):
    save_file({key: tensor.contiguous() for key, tensor in keys(weights).items()}, path)
