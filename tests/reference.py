"""Straight transcriptions with torch's autograd and optimisers: the oracle.

Nothing here is impasto's but the weights.
"""

import torch
import torch.nn.functional as F
from scipy.optimize import fmin_l_bfgs_b

from impasto.encoder import weights_of

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


def vgg(layers, depths, caffe, pooling="max", padding="zero", last=None):
    """Each tap's features of one picture (3, h, w) in the caffe space, as far as its size goes.

    Nothing is computed below the tap `last`.
    """
    features, x = {}, caffe.unsqueeze(0)
    for block, depth in enumerate(depths, 1):
        for index in range(1, depth + 1):
            first = padding == "replicate" and block == index == 1
            edge = first or padding == "replicate-all"
            x = F.pad(x, (1, 1, 1, 1), mode="replicate") if edge else x
            weight, bias = layers[f"conv{block}_{index}"]
            x = F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), padding=0 if edge else 1)
            features[f"conv{block}_{index}"] = x
            x = F.relu(x)
            features[f"relu{block}_{index}"] = x
            if last in features:
                return features
        if min(x.shape[-2:]) < 2:
            break
        x = POOLS[pooling](x)
        features[f"pool{block}"] = x
    return features


def gram(features):
    rows = features[0].flatten(1)
    return rows @ rows.T


STYLE_TAPS = [f"relu{block}_1" for block in range(1, 6)]
DEPTHS = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}


def network(name, pooling="max", last=None):
    """Features of a picture in BGR 0-255 minus the mean, at each tap to the `last`."""
    layers = weights_of(name).layers
    return lambda canvas: vgg(layers, DEPTHS[name[:5]], canvas, pooling, last=last)


def mean_squares(a, b):
    return ((a - b) ** 2).mean()


def by_positions(f):
    return gram(f) / f[0, 0].numel()


def by_elements(f):
    return gram(f) / f.numel()


def style_distance(features, targets, weights, normalised):
    """Σ weight · mean((G - A)²), each Gram normalised."""
    return sum(
        weight * mean_squares(normalised(features[tap]), normalised(targets[tap]))
        for tap, weight in weights.items()
    )


def neural_style_loss(content, style):
    """The PyTorch port's loss, written out."""
    features = network("vgg19", last="relu5_1")
    p, a = features(to_caffe(content))["relu4_2"], features(to_caffe(style))

    def loss(x):
        f = features(x)
        total = 5 * mean_squares(f["relu4_2"], p)
        total = total + style_distance(f, a, dict.fromkeys(STYLE_TAPS, 100), by_elements)
        dx, dy = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
        return total + 1e-3 * (dx.abs().sum() + dy.abs().sum())

    return loss


def keras_eager_loss(content, style):
    """The tf.keras tutorial's loss, written out."""
    features = network("vgg19")
    p, a = features(to_caffe(content))["relu5_2"], features(to_caffe(style))

    def loss(x):
        f = features(x)
        distance = style_distance(f, a, dict.fromkeys(STYLE_TAPS, 1 / 5), by_positions)
        return 1e3 * mean_squares(f["relu5_2"], p) + 1e-2 * distance

    return loss


def light_on_math_loss(content, style):
    """Seven layers of VGG-16, average pooling, bare Grams; the canvas is RGB minus the mean."""
    features = network("vgg16", "avg")
    p, a = features(to_caffe(content))["relu3_3"], features(to_caffe(style))
    taps = ["relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3"]

    def loss(x):
        f = features(x.flip(0))
        distance = sum(((gram(f[tap]) - gram(a[tap])) ** 2).mean() / 7 for tap in taps)
        return 1e3 * ((f["relu3_3"] - p) ** 2 / 2).mean() + 1e-3 * distance

    return loss


def matconvnet_noise_loss(content, style):
    """The tutorial's loss with its swapped denominators; the canvas is RGB minus the mean."""
    features = network("vgg19")
    p, a = features(to_caffe(content))["relu4_2"], features(to_caffe(style))

    def loss(x):
        f = features(x.flip(0))
        distance = style_distance(f, a, dict.fromkeys(STYLE_TAPS, 1), by_elements)
        _, height, width = x.shape
        horizontal, vertical = 3 * height * (width - 1), 3 * (height - 1) * width
        dx, dy = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
        variation = (dy**2).sum() / horizontal + (dx**2).sum() / vertical
        return 5 * mean_squares(f["relu4_2"], p) + 500 * distance + 100 * variation

    return loss


def fastai_content_loss(content, style):
    features = network("vgg16", "avg")
    p = features(to_caffe(content))["relu5_1"]
    return lambda x: mean_squares(features(x)["relu5_1"], p)


def fastai_style_loss(content, style):
    features = network("vgg16", "avg")
    a = features(to_caffe(style))
    weights = dict.fromkeys(["relu1_2", "relu2_2", "relu3_2"], 1)
    return lambda x: style_distance(features(x), a, weights, by_elements)


def fastai_transfer_loss(content, style):
    features = network("vgg16", "avg")
    p, a = features(to_caffe(content))["relu4_2"], features(to_caffe(style))
    weights = {"relu1_2": 0.05, "relu2_2": 0.2, "relu3_2": 0.2, "relu4_2": 0.25, "relu5_2": 0.3}

    def loss(x):
        f = features(x)
        return style_distance(f, a, weights, by_elements) + mean_squares(f["relu4_2"], p) / 10

    return loss


def from_imagenet(x):
    """Normalised RGB -> sRGB in [0, 1]."""
    mean, deviation = x.new_tensor([0.485, 0.456, 0.406]), x.new_tensor([0.229, 0.224, 0.225])
    return x * deviation.view(3, 1, 1) + mean.view(3, 1, 1)


def d2l_loss(content, style):
    """Layers before their ReLU; the canvas is in normalised RGB."""
    features = network("vgg19:normalised")
    p, a = features(to_caffe(content))["conv4_4"], features(to_caffe(style))
    weights = dict.fromkeys([f"conv{block}_1" for block in range(1, 6)], 1e3)

    def loss(x):
        f = features(to_caffe(from_imagenet(x)))
        dx, dy = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
        variation = 0.5 * (dy.abs().mean() + dx.abs().mean())
        distance = style_distance(f, a, weights, by_elements)
        return mean_squares(f["conv4_4"], p) + distance + 10 * variation

    return loss


def gatys_loss(content, style):
    """Equations 1, 4, 5 and 7 of the paper, for pictures of one size."""
    features = network("vgg19:normalised", "avg")
    p, a = features(to_caffe(content))["conv4_2"], features(to_caffe(style))

    def loss(x):
        f = features(x)
        total = 1e-3 * ((f["conv4_2"] - p) ** 2).sum() / 2
        for tap in [f"conv{block}_1" for block in range(1, 6)]:
            channels, positions = f[tap].shape[1], f[tap][0, 0].numel()
            squares = ((gram(f[tap]) - gram(a[tap])) ** 2).sum()
            total = total + squares / (4 * channels**2 * positions**2) / 5
        return total * 1e3

    return loss


def evaluations(loss, x, optimiser):
    """Losses at which a torch optimiser's closure was called."""
    losses = []

    def closure():
        optimiser.zero_grad()
        value = loss(x)
        value.backward()
        losses.append(value.item())
        return value

    return losses, closure


def lbfgs_trace(loss, x, iterations):
    x = x.clone().requires_grad_()
    most = {"max_iter": iterations + 1, "tolerance_grad": -1, "tolerance_change": -1}
    optimiser = torch.optim.LBFGS([x], **most)
    losses, closure = evaluations(loss, x, optimiser)
    optimiser.step(closure)
    return losses


def flat_function(loss, like):
    """A loss of canvases like `like` as scipy wants it: value and gradient of a float64 vector."""

    def evaluated(flat):
        leaf = torch.from_numpy(flat.copy()).to(like.dtype).view(like.shape).requires_grad_()
        value = loss(leaf)
        value.backward()
        return value.item(), leaf.grad.double().flatten().numpy()

    return evaluated


def scipy_iterations(loss, x, iterations):
    """The first iterations of one call of scipy's L-BFGS-B."""
    evaluated, flat = flat_function(loss, x), x.double().flatten().numpy()
    losses = [evaluated(flat)[0]]
    fmin_l_bfgs_b(
        evaluated, flat, maxiter=iterations, callback=lambda at: losses.append(evaluated(at)[0])
    )
    return losses


def scipy_trace(loss, x, iterations):
    """scipy's L-BFGS-B in rounds of at most 20 evaluations, clipped after each."""
    evaluated, flat = flat_function(loss, x), x.double().flatten().numpy()
    losses = [evaluated(flat)[0]]
    for _ in range(iterations):
        flat, _, _ = fmin_l_bfgs_b(evaluated, flat, maxfun=20)
        flat = flat.clip(-127, 127)
        losses.append(evaluated(flat)[0])
    return losses


def adam(rate, decay_every=None, visible=False):
    """The trace of torch's Adam; `visible` clips the canvas after each step, in BGR 0-255."""

    def trace(loss, x, iterations):
        x = x.clone().requires_grad_()
        optimiser = torch.optim.Adam([x], lr=rate)
        schedule = torch.optim.lr_scheduler.StepLR(optimiser, decay_every or 10**9, 0.1)
        losses, closure = evaluations(loss, x, optimiser)
        low = -torch.tensor(CAFFE_MEAN, dtype=x.dtype).view(3, 1, 1)
        for _ in range(iterations + 1):
            optimiser.step(closure)
            schedule.step()
            if visible:
                with torch.no_grad():
                    x.copy_(torch.minimum(torch.maximum(x, low), low + 255))
        return losses

    return trace


PARITY = {  # recipe -> (loss of a canvas from content and style, its trace from a first canvas)
    "neural-style": (neural_style_loss, lbfgs_trace),
    "keras-eager": (keras_eager_loss, adam(10.0, visible=True)),
    "light-on-math": (light_on_math_loss, adam(5.0)),
    "matconvnet-noise": (matconvnet_noise_loss, adam(0.001)),
    "fastai-content": (fastai_content_loss, scipy_trace),
    "fastai-style": (fastai_style_loss, scipy_trace),
    "fastai-transfer": (fastai_transfer_loss, scipy_trace),
    "d2l": (d2l_loss, adam(0.01, decay_every=2)),
    "gatys": (gatys_loss, lbfgs_trace),
}
