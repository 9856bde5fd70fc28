# %% [markdown]
# # A painting by gradient descent
#
# ![The astronaut by keras-eager](../images/keras-eager.jpg)
#
# This notebook takes the way of the tutorial on tf.keras and eager execution: define two
# distances in the feature space of a frozen network, and change the pixels of one picture until
# both are small. The recipe `keras-eager` has all of its constants; see [the five
# tutorials](../tutorials.md). Here you see what is inside.
#
# You need `pip install 'impasto[notebook]'`. Take pictures of your own by their file names.

# %% tags=["parameters"]
PHOTO, PAINTING = "sample:astronaut", "sample:swirl"
SIZE = 384  # pixels, the longest side; 512 in the tutorial
ITERATIONS = 250  # 1000 in the tutorial

# %%
import time

import torch
from matplotlib import pyplot as plt

import impasto
from impasto.apps.notebook import show
from impasto.encoder import Encoder, weights_of

# %% [markdown]
# ## Look at the pictures
#
# A `Run` reads both pictures and fits them to the size, as the recipe says. Nothing is painted
# yet.

# %%
settings = impasto.Settings.of("keras-eager", size=SIZE, iterations=ITERATIONS)
run = impasto.Run(PHOTO, PAINTING, settings)
photo, painting = run.inputs.content, run.inputs.style
show(photograph=photo, painting=painting)

# %% [markdown]
# ## The network
#
# VGG-19 was trained to name what is in a photograph. Its weights are in the package, and they
# stay as they are. Each convolution, ReLU and pooling is a *tap*, a place at which features can
# be taken. A Keras layer includes its ReLU, so Keras' `block5_conv2` is `relu5_2` here.

# %%
network = weights_of("vgg19")
print(network.architecture.taps)
print("content at", settings.content_layers)
print("style at", settings.style_layers)

# %% [markdown]
# `features` takes sRGB pixels, (3, h, w) in [0, 1], converts them to the colours that the network
# was trained on, and returns a tape and the features at the taps. The tape is for the way back,
# from a gradient with respect to features to a gradient with respect to pixels.

# %%
encoder = Encoder(network)
taps = [*settings.style_layers, *settings.content_layers]
_, of_photo = encoder.features(photo.pixels, taps)
_, of_painting = encoder.features(painting.pixels, taps)
for tap, features in of_photo.items():
    print(f"{tap}: {tuple(features.shape)}")

# %% [markdown]
# ## What the layers see
#
# The strongest channel of each layer, of the photograph above and of the painting below. First
# layers answer to edges and colours. The deeper a layer, the coarser its map, and the more its
# channels answer to things instead of lines.


# %%
def strongest(features):
    """The channel (h, w) with the largest mean, of features (1, c, h, w)."""
    return features[0, features.mean((0, 2, 3)).argmax()]


show({tap: strongest(features) for tap, features in of_photo.items()}, columns=6)
show({tap: strongest(features) for tap, features in of_painting.items()}, columns=6)

# %% [markdown]
# ## Content: where is what
#
# Two pictures have the same content if their features at a deep layer are the same, position by
# position. The distance is the mean squared difference at `relu5_2`, with a weight of 1000.
#
# ## Style: which channels go together
#
# A Gram matrix says how strongly each pair of channels is active at the same positions. The
# positions are summed over, so it says nothing about where. `Moments` holds the sums Σf and Σffᵀ;
# its `gram` is Σffᵀ divided by the number of positions, as in the tutorial. The distance is the
# mean squared difference of two Gram matrices, over five layers that share a weight of 0.01.

# %%
grams = {"photograph": of_photo, "painting": of_painting}
show(
    {
        f"{name}, {tap}": impasto.Moments.of(features[tap]).gram[:64, :64].log1p()
        for name, features in grams.items()
        for tap in ("relu1_1", "relu3_1", "relu5_1")
    },
    columns=6,
)


# %% [markdown]
# Both distances, with the constants of the tutorial:


# %%
def content_loss(features):
    distances = [(features[t] - of_photo[t]).square().mean() for t in settings.content_layers]
    return 1e3 * sum(distances) / len(distances)


def style_loss(features):
    parts = 0.0
    for tap in settings.style_layers:
        gram = impasto.Moments.of(features[tap]).gram
        target = impasto.Moments.of(of_painting[tap]).gram
        parts += (gram - target).square().mean() / len(settings.style_layers)
    return 1e-2 * parts


print(
    "at the photograph: content",
    float(content_loss(of_photo)),
    "style",
    float(style_loss(of_photo)),
)
print("at the painting:   style", float(style_loss(of_painting)))

# %% [markdown]
# `run.objective()` is what the run minimises: the same function, with its gradient, evaluated in
# the precision that suits the machine. Content is 0 at the photograph and style is not, so the
# first gradient is that of style alone.

# %%
objective = run.objective()
first = next(iter(run))  # its canvas is (3, h, w) in the network's colours
start = objective(first.canvas)
print({name: float(value) for name, value in start.terms.items()})
show({"size of the gradient": start.gradient.norm(dim=0), "the first canvas": photo})

# %% [markdown]
# ## The loop, by hand
#
# An optimiser needs no more than that. These are Adam's steps on the pixels. After each one the
# canvas is clipped to colours that exist; there is no network to train, and no other variable
# than the picture.

# %%
variable = first.canvas.clone().requires_grad_()
adam = torch.optim.Adam([variable], lr=10.0)
low, high = (torch.tensor(ends)[:, None, None] for ends in (first.space.low, first.space.high))
by_hand = []
for _ in range(5):
    evaluation = objective(variable.detach())
    by_hand.append(float(evaluation.loss))
    variable.grad = evaluation.gradient
    adam.step()
    variable.data.clamp_(low, high)

# %% [markdown]
# A run does the same, and it keeps count:

# %%
checked = impasto.Run(PHOTO, PAINTING, settings.replaced(iterations=4))
for mine, step in zip(by_hand, checked, strict=True):
    print(f"{step.iteration}: by hand {mine:.5g}, by the run {step.loss:.5g}")

# %% [markdown]
# ## Optimise
#
# A run is iterated over, Step by Step. A step has the canvas, the loss and its terms. Ten
# pictures are kept on the way.

# %%
every = max(1, ITERATIONS // 10)
snapshots, began = {}, time.perf_counter()
for step in run:
    if step.iteration % every == 0 and step.iteration:
        snapshots[f"{step.iteration}"] = step.picture()
        terms = ", ".join(f"{name} {value:.3g}" for name, value in step.terms.items())
        print(
            f"{step.iteration}: loss {step.loss:.4g}; {terms}; {time.perf_counter() - began:.1f} s"
        )
show(snapshots, columns=5)

# %%
steps = run.steps
figure, axes = plt.subplots(figsize=(7, 3))
axes.semilogy([step.loss for step in steps], label="total", linewidth=3, alpha=0.3)
for name in ("content", "style"):
    axes.semilogy([step.terms[name] or float("nan") for step in steps], label=name)
axes.set_xlabel("iteration")
axes.legend()
# %% [markdown]
# ## Look again
#
# Adam's loss goes up and down a little, so the tutorial returns the canvas of least loss, not the
# last one. So does `run.result()`, because the recipe says `select = "best"`.

# %%
result = run.result()
best = min(steps, key=lambda step: step.loss)
print(f"least loss at iteration {best.iteration} of {steps[-1].iteration}")
show(photograph=photo, painting=painting, result=result.image)

# %% [markdown]
# ## What to change
#
# - **The optimiser.** The tutorial recommends L-BFGS, which uses the curvature. It has a step
#   length of its own, so the learning rate is 1, and no clipping. It begins slowly here.
# - **The weights.** Ten times the style weight, or a tenth.
# - **The layers.** Content at `relu4_2` keeps more of the photograph than at `relu5_2`.

# %%
changes = {
    "L-BFGS": {"optimiser": "lbfgs", "learning_rate": 1, "clip": "none"},
    "style weight 0.1": {"style_weight": 0.1},
    "content at relu4_2": {"content_layers": "relu4_2"},
}
few = max(1, ITERATIONS // 3)
show(
    {
        name: impasto.stylize(
            PHOTO, PAINTING, "keras-eager", size=SIZE, iterations=few, **change
        ).image
        for name, change in changes.items()
    }
)
