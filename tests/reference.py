"""Straight transcriptions with torch's autograd and optimisers: the oracle.

Nothing here is impasto's but the weights.
"""

import torch
import torch.nn.functional as F

from impasto.encoder import bundled

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


STYLE_TAPS = [f"relu{block}_1" for block in range(1, 6)]


def features(canvas):
    return vgg(bundled("vgg19").layers, (2, 2, 4, 4, 4), canvas)


def neural_style_loss(content, style):
    """The PyTorch port's loss, written out."""
    p, a = features(to_caffe(content))["relu4_2"], features(to_caffe(style))
    targets = {tap: (gram(a[tap]) / a[tap].numel()) for tap in STYLE_TAPS}

    def loss(x):
        f = features(x)
        total = 5 * ((f["relu4_2"] - p) ** 2).mean()
        for tap in STYLE_TAPS:
            total = total + 100 * ((gram(f[tap]) / f[tap].numel() - targets[tap]) ** 2).mean()
        dx, dy = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
        return total + 1e-3 * (dx.abs().sum() + dy.abs().sum())

    return loss


def keras_eager_loss(content, style):
    """The tf.keras tutorial's loss, written out."""
    p, a = features(to_caffe(content))["relu5_2"], features(to_caffe(style))
    targets = {tap: gram(a[tap]) / a[tap][0, 0].numel() for tap in STYLE_TAPS}

    def loss(x):
        f = features(x)
        total = 1e3 * ((f["relu5_2"] - p) ** 2).mean()
        for tap in STYLE_TAPS:
            difference = gram(f[tap]) / f[tap][0, 0].numel() - targets[tap]
            total = total + 1e-2 * (difference**2).mean() / 5
        return total

    return loss


def lbfgs_trace(loss, x, iterations):
    x, losses = x.clone().requires_grad_(), []
    optimiser = torch.optim.LBFGS(
        [x], max_iter=iterations + 1, tolerance_grad=-1, tolerance_change=-1
    )

    def closure():
        optimiser.zero_grad()
        value = loss(x)
        value.backward()
        losses.append(value.item())
        return value

    optimiser.step(closure)
    return losses


def adam_trace(loss, x, iterations):
    x, losses = x.clone().requires_grad_(), []
    optimiser = torch.optim.Adam([x], lr=10.0)
    low = -torch.tensor([103.939, 116.779, 123.68], dtype=x.dtype).view(3, 1, 1)
    for _ in range(iterations + 1):
        optimiser.zero_grad()
        value = loss(x)
        losses.append(value.item())
        value.backward()
        optimiser.step()
        with torch.no_grad():
            x.copy_(torch.minimum(torch.maximum(x, low), low + 255))
    return losses


PARITY = {  # recipe -> (loss of a canvas from content and style, its trace from a first canvas)
    "neural-style": (neural_style_loss, lbfgs_trace),
    "keras-eager": (keras_eager_loss, adam_trace),
}
