# %% [markdown]
# # Content alone, style alone, both
#
# After lesson 8 of fast.ai's second part: what does a layer know of a photograph? Begin with
# noise and change it until its features are the photograph's. What do Gram matrices know of a
# painting? The same with them. Then both together. The recipes are `fastai-content`,
# `fastai-style` and `fastai-transfer`; see [the five tutorials](../tutorials.md).
#
# You need `pip install 'impasto[notebook,video]'`.

# %% tags=["parameters"]
PHOTO, PAINTING = "sample:astronaut", "sample:glass"
SIZE = 256  # pixels, the longest side; 512 in the recipes
ROUNDS = 10  # calls of the optimiser, as in the lesson
EVALUATIONS = 20  # of each call at most

# %%
import tempfile
from pathlib import Path

from matplotlib import pyplot as plt

import impasto
from impasto.apps.notebook import show
from impasto.outputs.timelapse import Timelapse

small = {"size": SIZE, "iterations": ROUNDS, "evaluations": EVALUATIONS}

# %% [markdown]
# ## Look
#
# Pictures are resized to the same size, not cropped: the lesson warns of cropping, which compares
# one place with another.

# %%
settings = impasto.Settings.of("fastai-transfer", **small)
transfer = impasto.Run(PHOTO, PAINTING, settings)
show(photograph=transfer.inputs.content, painting=transfer.inputs.style)

# %% [markdown]
# ## Content: a photograph from its features
#
# The canvas begins as faint uniform noise. The loss is mean (F - P)² at one layer, and nothing
# else. Early layers lose nearly nothing. `relu5_1` has lost colours and edges, and still knows
# where the face is.

# %%
rebuilt = {
    layer: impasto.reconstruct(PHOTO, layer, "fastai-content", **small)
    for layer in ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_1")
}
show({layer: result.image for layer, result in rebuilt.items()}, columns=5)

# %%
plt.figure(figsize=(6, 3))
for layer, result in rebuilt.items():
    losses = [step.loss for step in result.steps]
    plt.semilogy([loss / losses[0] for loss in losses], "o-", label=layer, markersize=3)
plt.xlabel("call of the optimiser")
plt.ylabel("loss, first canvas = 1")
plt.legend()
# %% [markdown]
# ## The optimiser
#
# L-BFGS collects, from the last ten steps, how the gradient changes, and steps as if the loss
# were the quadratic function that it has seen. A line search looks for a good length of each
# step. The lesson calls scipy's `fmin_l_bfgs_b` ten times with at most 20 evaluations; each call
# forgets what the one before has learnt, and the canvas is clipped between them. One iteration of
# these recipes is one such call. Without restarts, the same number of evaluations goes further:

# %%
calls = impasto.reconstruct(PHOTO, "relu4_2", "fastai-content", **small)
once = impasto.reconstruct(
    PHOTO, "relu4_2", "fastai-content", size=SIZE, iterations=1, evaluations=ROUNDS * EVALUATIONS
)
print(f"{ROUNDS} calls: {calls.steps[-1].loss:.4g}")
print(f"one call of as many evaluations: {once.steps[-1].loss:.4g}")

# %% [markdown]
# ## Style: a texture from Gram matrices
#
# From noise again, now with the mean squared difference of Gram matrices at the second
# convolutions of the first blocks. More and deeper layers, larger structures: the sums say which
# marks go together, not where they are.

# %%
layers, textures = ("relu1_2", "relu2_2", "relu3_2", "relu4_2"), {}
for depth in range(1, 5):
    chosen = ",".join(layers[:depth])
    result = impasto.texture(PAINTING, "fastai-style", style_layers=chosen, **small)
    textures[f"to {layers[depth - 1]}"] = result.image
show(textures)

# %% [markdown]
# The texture has the painting's sums. The Gram matrices at `relu3_2`, of the painting, of the
# deepest texture, and of the photograph:

# %%
_, *_, deepest = textures.values()
pictures = {
    "painting": transfer.inputs.style,
    "texture": deepest,
    "photograph": transfer.inputs.content,
}
grams = {}
for name, picture in pictures.items():
    _, features = transfer.encoder.features(picture.pixels, ["relu3_2"])
    grams[name] = impasto.Moments.of(features["relu3_2"]).gram[:64, :64].log1p()
show(grams)

# %% [markdown]
# ## Both
#
# A tenth of the content loss at `relu4_2`, and five Gram losses with weights .05, .2, .2, .25 and
# .3. An image is kept after each call of the optimiser, and all of them become a film.

# %%
film = Path(tempfile.mkdtemp(), "transfer.mp4")
snapshots = {}
with Timelapse(film, transfer.inputs.size) as timelapse:
    for step in transfer:
        timelapse.record(step)
        snapshots[f"call {step.iteration}"] = step.picture()
    timelapse.close(transfer.result().image)
show(dict(list(snapshots.items())[:10]), columns=5)

# %%
from IPython.display import Video

Video(str(film), embed=True)

# %%
plt.figure(figsize=(6, 3))
for name in ("content", "style"):
    plt.semilogy([step.terms[name] for step in transfer.steps], "o-", label=name, markersize=3)
plt.xlabel("call of the optimiser")
plt.legend()
# %% [markdown]
# ## What to change
#
# What the lesson leaves as an exercise is here as settings: masks, kept colours, and other layers
# of content.

# %%
changes = {
    "content at relu3_2": {"content_layers": "relu3_2"},
    "a tenth of the content": {"content_weight": 0.01},
    "colours kept": {"colour": "keep"},
}
show(
    {
        name: impasto.stylize(PHOTO, PAINTING, "fastai-transfer", **small, **change).image
        for name, change in changes.items()
    }
)
