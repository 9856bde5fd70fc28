# %% [markdown]
# # From noise, with three terms
#
# ![The coffee by matconvnet-noise](../images/matconvnet-noise.jpg)
#
# After "Paint like a master": a network is read layer by layer from MatConvNet's file, the canvas
# begins as noise, and content, style and smoothness are added up. The recipe is
# `matconvnet-noise`; see [the five tutorials](../tutorials.md).
#
# You need `pip install 'impasto[notebook]'`.

# %% tags=["parameters"]
PHOTO, PAINTING = "sample:coffee", "sample:waves"
SIZE = 256  # pixels, the longest side; 512 in the tutorial
ITERATIONS = 300  # 5000 in the tutorial

# %%
import torch
from matplotlib import pyplot as plt

import impasto
from impasto.apps.notebook import show
from impasto.encoder import Conv, Encoder, Pool, weights_of

# %% [markdown]
# ## Read the network
#
# The bundled VGG-19 has the numbers of MatConvNet's `imagenet-vgg-verydeep-19.mat`, in eight
# bits. If you have that file, `weights_of("imagenet-vgg-verydeep-19.mat")` reads it. An
# architecture is a list of operations with names.

# %%
network = weights_of("vgg19")
for operation in network.architecture.operations[:8]:
    match operation:
        case Conv():
            weight, _ = network.layers[operation.name]
            print(operation.name, tuple(weight.shape))
        case Pool():
            print(operation.name, f"{operation.kernel}x{operation.kernel}")
        case _:
            print(operation.name)

# %% [markdown]
# The first layer looks at colours themselves, so its 64 filters can be seen: edges, spots and
# pairs of colours.

# %%
filters = network.layers["conv1_1"][0]  # (64, 3, 3, 3), blue first
filters = (filters - filters.amin((1, 2, 3), keepdim=True)).flip(1)
filters /= filters.amax((1, 2, 3), keepdim=True)
sheet = torch.cat([torch.cat(list(filters[row * 16 : row * 16 + 16]), 2) for row in range(4)], 1)
show({"filters of conv1_1": sheet.repeat_interleave(4, 1).repeat_interleave(4, 2)}, columns=1)

# %% [markdown]
# All 36 layers up to `relu5_4` can be tapped in one forward pass.

# %%
settings = impasto.Settings.of("matconvnet-noise", size=SIZE, iterations=ITERATIONS)
run = impasto.Run(PHOTO, PAINTING, settings)
photo, painting = run.inputs.content, run.inputs.style
taps = [tap for tap in network.architecture.taps if tap != "pool5"]
_, features = Encoder(network).features(photo.pixels, taps)
show(photograph=photo, painting=painting)
show({tap: features[tap][0].mean(0) for tap in taps if tap.startswith("relu")}, columns=8)

# %% [markdown]
# ## The canvas is noise
#
# The canvas lives in the network's colours: 0 is the mean colour of its training photographs. The
# noise is faint, a quarter of a level, so the first picture is grey.

# %%
first = next(iter(run))
print("canvas", tuple(first.canvas.shape), "deviation", float(first.canvas.std()))

# %% [markdown]
# ## Three terms
#
# - content: 5 · mean (F - P)² at `relu4_2`,
# - style: 500 · Σ mean (G - A)² over five layers, with Grams divided by channels times positions,
# - smoothness: 100 times the mean squared difference of neighbouring pixels.
#
# A run has them as a list. Its objective evaluates them at any canvas, so each can be looked at
# where you like.

# %%
objective = run.objective()
space = first.space


def told(name, canvas):
    terms = objective(canvas).terms
    print(f"{name:12}", {term: f"{float(value):.4g}" for term, value in terms.items()})


told("noise", first.canvas)
told("photograph", space.from_srgb(photo.pixels))
louder = space.from_srgb(torch.rand_like(photo.pixels))
told("loud noise", louder)

# %% [markdown]
# The photograph has content 0, and loud noise is not smooth. Now the gradient, of the sum at the
# noise: it knows already where the cup is.

# %%
evaluation = objective(first.canvas)
show({"size of the gradient": evaluation.gradient.norm(dim=0).sqrt(), "photograph": photo})

# %% [markdown]
# ## A very small step
#
# The tutorial takes Adam with a learning rate of 0.001. Adam moves each value by about its rate,
# so after all iterations the canvas has moved by a few levels of 255 at most. What its image
# writer shows is not that canvas: it stretches the least and the largest value to black and
# white. `tones = "stretch"` in the recipe does the same.

# %%
for step in run:
    pass
show({"the canvas": space.to_srgb(step.canvas), "as it is written": run.result().image})
print("moved by", float((step.canvas - first.canvas).abs().mean()), "levels on average")

# %% [markdown]
# ## A larger step
#
# With a rate of 2 and without the stretch, the same objective paints. A picture is kept at every
# tenth of the run, as the tutorial saves every 250th generation.

# %%
bolder = settings.replaced(learning_rate=2, tones="clip")
every = max(1, ITERATIONS // 10)
steps, snapshots = [], {}
for step in impasto.iterate(PHOTO, PAINTING, bolder):
    steps.append(step.bare())
    if step.iteration % (2 * every) == 0:
        snapshots[f"generation {step.iteration}"] = step.picture()
show(snapshots, columns=6)

# %%
plt.figure(figsize=(6, 3))
for name in ("content", "style", "variation"):
    plt.semilogy([step.terms[name] for step in steps], label=name)
plt.xlabel("generation")
plt.legend()
# %% [markdown]
# ## What to change
#
# - **Begin elsewhere.** `init="content"` begins with the photograph and arrives sooner.
# - **Smoothness.** Without it, noise of the beginning stays in flat parts; with a hundred times
#   as much, strokes blur.
# - **Seeds.** `seed=1` is another noise, and another painting.

# %%
few = {"size": SIZE, "iterations": max(1, ITERATIONS // 2), "learning_rate": 2, "tones": "clip"}
changes = {
    "init content": {"init": "content"},
    "no smoothness": {"tv_weight": 0.0},
    "smoothness x 100": {"tv_weight": 1e4},
    "another seed": {"seed": 1},
}
show(
    {
        name: impasto.stylize(PHOTO, PAINTING, "matconvnet-noise", **few, **change).image
        for name, change in changes.items()
    }
)
