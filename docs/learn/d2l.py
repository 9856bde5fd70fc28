# %% [markdown]
# # Layers before their ReLU, and two sizes
#
# ![d2l](../images/d2l.jpg)
#
# After the chapter on style transfer of "Dive into Deep Learning": the picture is the parameter
# of a model, three losses are plotted while it is trained, the learning rate falls, and a small
# picture is the beginning of a large one. The recipe is `d2l`; see [the five
# tutorials](../tutorials.md).
#
# You need `pip install 'impasto[notebook]'`.

# %% tags=["parameters"]
PHOTO, PAINTING = "sample:coffee", "sample:ink"
SIZE = 360  # pixels across, by two thirds as many down; 900 in the chapter
EPOCHS = [150, 60]  # at a quarter of the size and at all of it; 500 and 300 in the chapter
STYLE_WEIGHT = 3e4  # see below

# %%
import torch
from matplotlib import pyplot as plt

import impasto
from impasto.apps.notebook import show, watch
from impasto.images.spaces import IMAGENET

# %% [markdown]
# ## Read, and normalise
#
# Both pictures are stretched to 3:2. The canvas lives in the colours of PyTorch's networks: each
# channel minus its mean, divided by its deviation over ImageNet. `IMAGENET` goes there and back.

# %%
settings = impasto.Settings.of(
    "d2l", size=f"{SIZE}x{SIZE * 2 // 3}", iterations=EPOCHS, style_weight=STYLE_WEIGHT
)
run = impasto.Run(PHOTO, PAINTING, settings)
photo, painting = run.inputs.content, run.inputs.style
show(photograph=photo, painting=painting)
normalised = IMAGENET.from_srgb(photo.pixels)
back = IMAGENET.to_srgb(normalised)
print("mean", normalised.mean((1, 2)), "back", float((back - photo.pixels).abs().max()))

# %% [markdown]
# ## Features before and after a ReLU
#
# The chapter takes layers by their index, which are convolutions without their ReLU. Such
# features have negative values, which say what a channel is sure not to see. Names here are
# `conv4_4` before and `relu4_4` after it.

# %%
encoder = run.encoder
style_taps = list(settings.style_layers)
_, features = encoder.features(photo.pixels, ["conv4_4", "relu4_4", *style_taps])
show({tap: features[tap][0].float().mean(0) for tap in ("conv4_4", "relu4_4")})
plt.figure(figsize=(6, 2.5))
for tap in ("conv4_4", "relu4_4"):
    plt.hist(features[tap].float().flatten().clamp(-4, 4), bins=80, alpha=0.6, label=tap)
plt.yscale("log")
plt.legend()
# %% [markdown]
# ## Three losses
#
# Content, style with Grams divided by channels times positions, and total variation, the mean
# absolute difference of neighbouring pixels:


# %%
_, of_photo = encoder.features(photo.pixels, ["conv4_4"])
_, of_painting = encoder.features(painting.pixels, style_taps)


def gram(features):
    columns = features[0].flatten(1).float()  # (channels, positions)
    return columns @ columns.T / columns.numel()


def losses(canvas):
    """The three weighted losses of a canvas (3, h, w) in normalised colours."""
    _, found = encoder.features(canvas, ["conv4_4", *style_taps], IMAGENET)
    content = (found["conv4_4"] - of_photo["conv4_4"]).float().square().mean()
    style = sum((gram(found[t]) - gram(of_painting[t])).square().mean() for t in style_taps)
    down = (canvas[:, 1:] - canvas[:, :-1]).abs().mean()
    across = (canvas[:, :, 1:] - canvas[:, :, :-1]).abs().mean()
    return {
        "content": 1.0 * content,
        "style": STYLE_WEIGHT * style,
        "variation": 10.0 * (down + across) / 2,
    }


objective = run.objective()
for name, canvas in {
    "photograph": normalised,
    "painting": IMAGENET.from_srgb(painting.pixels),
    "noise": torch.randn_like(normalised),
}.items():
    mine, its = losses(canvas), objective(canvas).terms
    print(name, {n: f"{float(mine[n]):.4g} and {float(its[n]):.4g}" for n in mine})

# %% [markdown]
# ## How large are features?
#
# The style loss grows with the fourth power of the features, so its weight belongs to a network.
# The chapter's network has features of order 1. The bundled weights are the original ones, with
# features of order 100; the recipe divides each layer by its mean activation. A weight of 1000,
# as in the chapter, has a faint effect with it, and about thirty times as much gives the
# chapter's result. That is `STYLE_WEIGHT` above. (`impasto weights fetch vgg19:torchvision`
# downloads the chapter's own network; `encoder="vgg19:torchvision"` uses it.)

# %%
for tap in style_taps:
    print(f"{tap}: mean size {float(features[tap].abs().float().mean()):.2f}")

# %% [markdown]
# ## Train
#
# `watch` shows the canvas beside its curves while the cell runs, every ten epochs, and hands on
# each Step. The learning rate is 0.01 and falls to a tenth after every 200 epochs at the small
# size, and after every 100 at the large one. The second size begins with the first result,
# enlarged: forms that are large in the result are made while they are cheap.

# %%
steps, sketches = [], {}
for step in watch(run, every=10):
    steps.append(step.bare())
    sketches[step.scale] = step.picture()
result = run.result().image
show({f"{scale} px": picture for scale, picture in sketches.items()})

# %% [markdown]
# The two sizes have curves of their own: a loss of another size is another loss.

# %%
figure, grid = plt.subplots(1, 2, figsize=(9, 3))
for axes, scale in zip(grid, sketches, strict=True):
    for name in ("content", "style", "variation"):
        values = [step.terms[name] or float("nan") for step in steps if step.scale == scale]
        axes.semilogy(values, label=name)
    axes.set_title(f"{scale} px")
    axes.set_xlabel("epoch")
grid[0].legend()
# %% [markdown]
# ## Is it worth two sizes?
#
# The same epochs at the large size alone take longer, and large forms stay the photograph's.

# %%
alone = settings.replaced(scales=[1.0], iterations=[EPOCHS[1]])
single = impasto.Run(PHOTO, PAINTING, alone)
for _ in single:
    pass
show({"two sizes": result, "the large one alone": single.result().image})

# %% [markdown]
# ## What to change
#
# - `style_weight`, by factors of ten, until you see the painting.
# - `tv_weight`: more of it is smoother, and a hundred times as much is flat.
# - `scales=[0.25, 0.5, 1]` with three numbers of `iterations`; every recipe has that setting.
