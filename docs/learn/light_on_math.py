# %% [markdown]
# # The mathematics, term by term
#
# ![The coffee by light-on-math](../images/light-on-math.jpg)
#
# After "Light on Math", an introduction that takes one formula at a time: seven convolutions of
# VGG-16, average pooling, a content term, a style term, and two weights α and β. The recipe is
# `light-on-math`; see [the five tutorials](../tutorials.md).
#
# You need `pip install 'impasto[notebook]'`.

# %% tags=["parameters"]
PHOTO, PAINTING = "sample:coffee", "sample:ember"
SIZE = 224  # pixels, both sides, as in the tutorial
ITERATIONS = 200  # 500 in the tutorial

# %%
import tempfile
from pathlib import Path

import torch
from matplotlib import pyplot as plt

import impasto
from impasto.apps.batch import Batch, Layout, pairs_in
from impasto.apps.notebook import show
from impasto.encoder import Encoder, weights_of

# %% [markdown]
# ## Load
#
# The recipe crops both pictures to a square. With bare Grams, which grow with the number of
# pixels, both have to have the same size.

# %%
small = {"size": f"{SIZE}x{SIZE}", "iterations": ITERATIONS}
settings = impasto.Settings.of("light-on-math", **small)
run = impasto.Run(PHOTO, PAINTING, settings)
photo, painting = run.inputs.content, run.inputs.style
show(photograph=photo, painting=painting)

# %% [markdown]
# ## Average or max pooling
#
# Pooling halves a map. The maximum keeps the strongest answer of four, the average all of them.
# The tutorial takes the average: gradients reach every pixel, and results are smoother. `Encoder`
# has the choice as an argument.

# %%
network = weights_of("vgg16")
maps = {}
for pooling in ("avg", "max"):
    _, features = Encoder(network, pooling=pooling).features(photo.pixels, ["pool1", "relu3_3"])
    maps |= {f"{tap}, {pooling}": f[0].mean(0) for tap, f in features.items()}
show(maps)

# %% [markdown]
# ## The content term
#
# F are the features of the canvas at a layer, P those of the photograph; both have a place for
# every position.
#
#     content = α · mean ½(F - P)²
#
# Its gradient with respect to F is α(F - P)/(number of values): features are pulled to what the
# photograph has at the same place. The encoder takes that gradient back to pixels.

# %%
encoder = Encoder(network, pooling="avg")
_, target = encoder.features(photo.pixels, ["relu3_3"])
grey = torch.full_like(photo.pixels, 0.5)
tape, features = encoder.features(grey, ["relu3_3"])
difference = features["relu3_3"] - target["relu3_3"]
loss = 1000 * difference.square().mean() / 2
pixels = encoder.pullback(tape, {"relu3_3": 1000 * difference / difference.numel()})
show({"F - P, all channels": difference[0].norm(dim=0), "size of its gradient": pixels.norm(dim=0)})
print("content term of a grey canvas:", float(loss))

# %% [markdown]
# ## Why a Gram matrix ignores positions
#
# With the features of a layer as a matrix, one row a channel and one column a position, the Gram
# matrix is G = F Fᵀ. Each entry is a sum over columns, and a sum does not depend on their order.
# Shuffle the positions: the picture in feature space is gone, G is the same.

# %%
_, features = encoder.features(painting.pixels, ["relu2_1"])
columns = features["relu2_1"][0].flatten(1)  # (channels, positions)
shuffled = columns[:, torch.randperm(columns.shape[1])]
shape = features["relu2_1"].shape[2:]
show(
    {
        "mean of channels": columns.mean(0).view(shape),
        "shuffled": shuffled.mean(0).view(shape),
        "G": (columns @ columns.T).log1p(),
        "G of the shuffled": (shuffled @ shuffled.T).log1p(),
    }
)
apart = (columns @ columns.T - shuffled @ shuffled.T).abs().max() / (columns @ columns.T).max()
print(f"largest difference: {float(apart):.1e} of the largest entry")

# %% [markdown]
# ## The style term
#
# A are the Gram matrices of the painting. The recipe compares all seven layers, each with 1/7:
#
#     style = β · ¹⁄₇ Σ mean (G - A)²
#
# `Moments` measures G, as `outer`. This is the term by hand and as the run computes it, at the
# photograph:

# %%
taps = list(settings.style_layers)
_, of_photo = run.encoder.features(photo.pixels, taps)
_, of_painting = run.encoder.features(painting.pixels, taps)
parts = {}
for tap in taps:
    g, a = (impasto.Moments.of(f[tap]).outer for f in (of_photo, of_painting))
    parts[tap] = float(1e-3 / 7 * (g - a).square().mean())
print("by hand:", f"{sum(parts.values()):.4g}")
print("the run:", f"{next(iter(run)).terms['style']:.4g}")
plt.figure(figsize=(6, 2.5))
plt.bar(list(parts), list(parts.values()))
plt.yscale("log")
plt.ylabel("part of the style term")
# %% [markdown]
# The parts differ by orders of magnitude, because features and numbers of positions do. A layer's
# share in the sum is not the share that you see; [relative
# weights](../controls.md#relative-weights) make it so.
#
# ## Optimise

# %%
steps, snapshots = [], {}
for step in run:
    steps.append(step.bare())
    if step.iteration in {0, ITERATIONS // 10, ITERATIONS // 3, ITERATIONS}:
        snapshots[f"iteration {step.iteration}"] = step.picture()
show(snapshots)

# %%
plt.figure(figsize=(6, 3))
for name in ("content", "style"):
    plt.semilogy([step.terms[name] or float("nan") for step in steps], label=name)
plt.xlabel("iteration")
plt.legend()
# %% [markdown]
# ## α and β
#
# Only their ratio matters to where the minimum lies. Less content leaves the photograph, more
# style takes the painting.

# %%
trade = {}
for beta in (1e-5, 1e-4, 1e-3):
    found = impasto.stylize(PHOTO, PAINTING, "light-on-math", style_weight=beta, **small)
    trade[f"β = {beta:g}"] = found.image
show(trade)

# %% [markdown]
# ## A folder of pairs
#
# The tutorial feeds pictures from a folder: `content_1.jpg` goes with `style_1.jpg`, and each
# pair gets a folder of its own for the result and the pictures on the way. A damaged picture does
# not stop the others, and the same call continues a batch that was interrupted. See
# [Batches](../batch.md).

# %%
with tempfile.TemporaryDirectory() as folder:
    for number, (content, style) in enumerate([(photo, painting), (painting, photo)]):
        content.save(Path(folder, f"content_{number}.jpg"))
        style.save(Path(folder, f"style_{number}.jpg"))
    batch = Batch(pairs_in(folder), settings, Layout(Path(folder)))
    painted = {Path(entry.output).parent.name: entry for entry in batch}
    show({name: Path(folder, entry.output) for name, entry in painted.items()})

# %% [markdown]
# ## What to change
#
# - `pooling="max"`, and look at the pictures again.
# - More layers: `style_layers="relu1_1,relu2_1,relu3_1,relu4_1"`. Strokes become larger.
# - The content layer: `relu2_2` keeps letters and thin lines, `relu4_2` only forms.
