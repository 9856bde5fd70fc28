# %% [markdown]
# # Your own style loss
#
# A style loss is a function of two statistics of a layer, the canvas's and the painting's, and
# returns one number. Ten lines are enough. autograd differentiates it, the checker compares the
# gradient with differences, and it works at once with masks, several styles, tiles, films, the
# command line and the studio. [A style loss or term of your own](../extending.md) is the reference.
#
# You need `pip install 'impasto[notebook]'`.

# %% tags=["parameters"]
PHOTO, PAINTING = "sample:chelsea", "sample:swirl"
SIZE = 256  # pixels, the longest side
ITERATIONS = 60  # over all scales

# %%
from matplotlib import pyplot as plt

import impasto
from impasto.apps.notebook import show

# %% [markdown]
# ## What a loss is given
#
# `Moments` are sums over the positions of a layer: `mean` has one number for each channel, `gram`
# and `covariance` one for each pair of channels. Sums know nothing of places, which is why they
# describe a style.

# %%
settings = impasto.Settings.of("draft", size=SIZE, iterations=ITERATIONS)
run = impasto.Run(PHOTO, PAINTING, settings)
moments = {}
for name, picture in {"photograph": run.inputs.content, "painting": run.inputs.style}.items():
    _, features = run.encoder.features(picture.pixels, ["relu2_1"])
    moments[name] = impasto.Moments.of(features["relu2_1"])
    print(name, tuple(moments[name].mean.shape), tuple(moments[name].covariance.shape))
covariances = {f"of the {name}": each.covariance.abs().log1p() for name, each in moments.items()}
show(photograph=run.inputs.content, painting=run.inputs.style, **covariances)

# %% [markdown]
# ## Ten lines
#
# Correlations: the covariance of each pair of channels, divided by the deviations of both. A loss
# that compares correlations cares which marks go together, and not how strong they are. With the
# means of channels it cares for colours too. `reads` names what the function uses, so that
# nothing else is measured.


# %%
@impasto.style_loss("correlations", reads={"mean", "covariance"})
def correlations(canvas, style):
    """mean (R - Rₛ)² + mean (μ - μₛ)² / mean μₛ², R the correlations of channels."""

    def correlation(moments):
        deviations = moments.covariance.diagonal().clamp_min(1e-6).sqrt()
        return moments.covariance / (deviations[:, None] * deviations)

    apart = (correlation(canvas) - style.once(correlation)).square().mean()
    colours = (canvas.mean - style.mean).square().mean() / style.mean.square().mean()
    return apart + colours


# %% [markdown]
# `style.once(f)` computes `f(style)` once for a run: the painting does not change.
#
# ## Check it
#
# autograd is right about what it sees. A function that leaves it, as by `.item()`, `.detach()` or
# numpy, has a gradient that is not that of its value. `check_style_loss` compares the two in
# float64, and returns the largest relative error:

# %%
print(f"correlations: {impasto.check_style_loss('correlations'):.1e}")


@impasto.style_loss("mistaken", reads={"mean"})
def mistaken(canvas, style):
    """A weight that depends on the canvas, hidden from autograd."""
    weight = canvas.mean.detach().norm()
    return weight * (canvas.mean - style.mean).square().mean()


try:
    impasto.check_style_loss("mistaken")
except impasto.ImpastoError as error:
    print("mistaken:", error)

# %% [markdown]
# ## Paint with it
#
# Settings choose it by its name. The presets weigh terms relatively: each distance is divided by
# its value for a canvas without features, so the same content weight suits losses of any size.

# %%
painted, curves = {}, {}
for loss in ("correlations", "gram", "principal-wasserstein"):
    result = impasto.stylize(
        PHOTO, PAINTING, "draft", size=SIZE, iterations=ITERATIONS, style_loss=loss
    )
    painted[loss] = result.image
    curves[loss] = [step.terms["style"] for step in result.steps if step.scale == SIZE]
show(painted)

# %%
plt.figure(figsize=(6, 3))
for loss, values in curves.items():
    plt.semilogy(values, label=loss)
plt.xlabel("iteration at the last scale")
plt.ylabel("style term")
plt.legend()

# %% [markdown]
# ## A loss of single features
#
# Sums may be too little: a loss can be given the features of all positions, in no particular
# order. This one compares the largest value of each channel.


# %%
@impasto.style_loss("brightest", of="features")
def brightest(canvas, style):
    """mean (max f - max s)² over channels."""
    return (canvas.values.float().amax(0) - style.values.float().amax(0)).square().mean()


result = impasto.stylize(
    PHOTO, PAINTING, "draft", size=SIZE, iterations=ITERATIONS, style_loss="brightest"
)
show(brightest=result.image)

# %% [markdown]
# ## What to change
#
# - Leave out the colours, and see the photograph's stay.
# - Compare the square roots of deviations, or only the diagonal.
# - Offer it to every program: a package with the entry point `impasto.style_losses` makes it a
#   choice of `--style-loss`, as [A style loss or term of your
#   own](../extending.md#adding-a-style-loss) shows.
