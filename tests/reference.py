"""Straight transcriptions with torch's autograd: the oracle."""

import torch
import torch.nn.functional as F

CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red


def to_caffe(rgb):
    """sRGB (3, h, w) in [0, 1] -> BGR 0-255 minus the mean."""
    return rgb.flip(0) * 255 - torch.tensor(CAFFE_MEAN, dtype=rgb.dtype).view(3, 1, 1)


def l2_pool(x):
    squares = F.avg_pool2d(x * x, 2)
    return torch.where(squares > 0, squares.clamp_min(1e-300).sqrt(), squares)


POOLS = {
    "max": lambda x: F.max_pool2d(x, 2),
    "avg": lambda x: F.avg_pool2d(x, 2),
    "l2": l2_pool,
}


def vgg(layers, depths, caffe, pooling="max", padding="zero"):
    """Every tap's features of one picture (3, h, w) in the caffe space, as far as its size goes."""
    features, x = {}, caffe.unsqueeze(0)
    if padding == "replicate":
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    for block, depth in enumerate(depths, 1):
        for index in range(1, depth + 1):
            margin = 0 if padding == "replicate" and block == index == 1 else 1
            weight, bias = layers[f"conv{block}_{index}"]
            x = F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), padding=margin)
            features[f"conv{block}_{index}"] = x
            x = F.relu(x)
            features[f"relu{block}_{index}"] = x
        if min(x.shape[-2:]) < 2:
            break
        x = POOLS[pooling](x)
        features[f"pool{block}"] = x
    return features


def gram(features):
    rows = features[0].flatten(1)
    return rows @ rows.T
