# %% [markdown]
# # Your own term
#
# The objective of a run is a list of terms: content, style, smoothness, and yours. A term gives a
# value and its gradient. It may look at the canvas itself, or at features of the network. This
# notebook writes one of each, checks them, and watches them in the curves.
# [Architecture](../architecture.md#the-seams) has the protocols.
#
# You need `pip install 'impasto[notebook]'`.

# %% tags=["parameters"]
PHOTO, PAINTING = "sample:rocket", "sample:dots"
SIZE = 256  # pixels, the longest side
ITERATIONS = 60  # over all scales

# %%
import torch
from matplotlib import pyplot as plt

import impasto
from impasto.apps.notebook import show

settings = impasto.Settings.of("draft", size=SIZE, iterations=ITERATIONS)
run = impasto.Run(PHOTO, PAINTING, settings)
show(photograph=run.inputs.content, painting=run.inputs.style)

# %% [markdown]
# ## A term of pixels, in ten lines
#
# Say the upper third of a poster is to stay dark, for a title. The term is the weighted mean of
# the squared distance to a dark level. Its gradient is added to what is there, in place, and the
# value is returned.


# %%
class DarkTop:
    """w · mean (x - level)² over the upper third of the canvas."""

    name = "dark top"

    def __init__(self, level, weight):
        self.level, self.weight = level, weight

    def add(self, canvas, gradient):
        rows = canvas.shape[1] // 3
        off = canvas[:, :rows] - self.level
        gradient[:, :rows] += 2 * self.weight * off / off.numel()
        return self.weight * off.square().mean()


# %% [markdown]
# A canvas has the colours of the run's `space`, and a run has several scales. So a run takes a
# function that makes the term for each scale, from a `TermContext`: the network, the space, the
# size, the photograph.


# %%
def dark_top(context):
    """The term at one scale: a dark blue in the canvas's colours."""
    blue = torch.tensor([0.03, 0.05, 0.12])[:, None, None]
    return DarkTop(context.space.from_srgb(blue), weight=2e-3)


print(f"relative error of its gradient: {impasto.check_term(dark_top):.1e}")

# %% [markdown]
# `check_term` evaluates the term in float64 at a canvas of noise and compares its gradient with
# differences. What it says of a wrong one:


# %%
class Half(DarkTop):
    """The same with a factor that was forgotten."""

    def add(self, canvas, gradient):
        rows = canvas.shape[1] // 3
        off = canvas[:, :rows] - self.level
        gradient[:, :rows] += self.weight * off / off.numel()
        return self.weight * off.square().mean()


try:
    impasto.check_term(lambda context: Half(0.0, 1.0))
except impasto.ImpastoError as error:
    print(error)

# %%
plain = impasto.stylize(PHOTO, PAINTING, "draft", size=SIZE, iterations=ITERATIONS)
poster = impasto.stylize(
    PHOTO, PAINTING, "draft", size=SIZE, iterations=ITERATIONS, terms=[dark_top]
)
show({"without": plain.image, "with the term": poster.image})

# %% [markdown]
# Its value is in every step under its name, and so in traces, reports and the studio's curves.

# %%
plt.figure(figsize=(6, 3))
for name in poster.steps[0].terms:
    values = [step.terms[name] or float("nan") for step in poster.steps]
    plt.semilogy([step.done for step in poster.steps], values, label=name)
plt.xlabel("iteration, over all scales")
plt.legend()

# %% [markdown]
# ## A term of features
#
# Features of early layers answer to texture. The sum of their squares is a measure of how busy
# the picture is; less of it is calmer. Such a term is a sum over positions, so each tile of a
# large canvas has a part of it. It divides by numbers of the whole canvas, never by a tile's.


# %%
class Calm:
    """w · Σ f² / (positions of the whole canvas), at relu2_1."""

    name, taps = "calm", ("relu2_1",)

    def __init__(self, context, weight):
        width, height = context.size
        stride = context.encoder.architecture.stride("relu2_1")
        self.scale = weight / ((width // stride) * (height // stride))

    def value_and_cotangents(self, tile):
        features = tile.core("relu2_1").float()
        return self.scale * features.square().sum(), {"relu2_1": 2 * self.scale * features}


def calm(weight):
    """A factory for `Run(terms=…)`."""
    return lambda context: Calm(context, weight)


print(f"relative error of its gradient: {impasto.check_term(calm(1.0)):.1e}")

# %%
calmer = {}
for weight in (0.0, 1e-5, 5e-5):
    run = impasto.Run(PHOTO, PAINTING, settings, terms=[calm(weight)])
    for step in run:
        pass
    calmer[f"weight {weight:g}"] = run.result().image
show(calmer)

# %% [markdown]
# ## Where does it act?
#
# The objective of a run can be asked at any canvas. The gradient with the term, minus that
# without it, is its own.

# %%
canvas = step.canvas
own = run.objective()(canvas).gradient
others = impasto.Run(PHOTO, PAINTING, settings).objective()(canvas).gradient
show({"the canvas": run.picture(step), "where it calms": (own - others).norm(dim=0).sqrt()})

# %% [markdown]
# ## What to change
#
# - Hold the canvas near a picture: `impasto.reference(picture, where, weight=…)` is that term.
# - A term that compares what is measured of the *whole* canvas, such as the mean of a channel,
#   has three methods: `impasto.FeatureTerm` tells them. The checker takes it too, and says where
#   tiles do not add up.
