"""The checker of terms and style losses: it passes what is right and says what is wrong."""

import pytest
import torch

import impasto
from impasto.errors import SettingsError, TermError
from impasto.settings.variants import STYLE_LOSSES


@pytest.fixture
def losses(monkeypatch):
    """A registry that forgets what a test registers."""
    monkeypatch.setattr(STYLE_LOSSES, "_found", {**STYLE_LOSSES._found})


class Bright:
    """(factor / 2) · mean (x - 20)², with a gradient of `slope` times what it should be."""

    name = "bright"

    def __init__(self, slope=1.0, *, replaces=False):
        self.slope, self.replaces = slope, replaces

    def add(self, canvas, gradient):
        own = self.slope * (canvas - 20) / canvas.numel()
        gradient.copy_(own) if self.replaces else gradient.add_(own)
        return (canvas - 20).square().mean() / 2


class Sparse:
    """Σ f² at relu2_1, by default; divided by positions, of the tile's own where `of_tile`."""

    name, taps = "sparse", ("relu2_1",)

    def __init__(self, *, of_tile=False):
        self.of_tile = of_tile

    def value_and_cotangents(self, tile):
        features = tile.core("relu2_1")
        weight = 1 / features[0, 0].numel() if self.of_tile else 1e-3
        return weight * features.square().sum(), {"relu2_1": 2 * weight * features}


class Contrast:
    """The mean of a channel, squared, at a deep layer; `wrong` gives each tile its own part."""

    name, taps = "contrast", ("relu4_1",)

    def __init__(self, *, wrong=False):
        self.wrong = wrong

    def measure(self, tile):
        core = tile.core("relu4_1")
        count = core.new_tensor([core[0, 0].numel()])
        return torch.cat([core.sum((0, 2, 3)), count])

    def compare(self, measured):
        mean = measured[:-1] / measured[-1]
        return mean.square().sum(), (2 * mean / measured[-1])[None, :, None, None]

    def cotangents(self, tile, gradient):
        core = tile.core("relu4_1")
        scale = tile.index + 1 if self.wrong else 1
        return {"relu4_1": scale * gradient.expand_as(core)}


@pytest.mark.parametrize("term", [Bright(), Sparse(), Contrast()], ids=lambda term: term.name)
def test_a_term_that_is_right(term):
    assert impasto.check_term(lambda context: term) < 1e-4


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (Bright(0.5), r"the gradient of bright is off by 50"),
        (Bright(0.0), r"the gradient of bright is off by 100"),
        (Bright(replaces=True), r"bright replaces the gradient of other terms"),
        (Sparse(of_tile=True), r"sparse is .* of the whole canvas and .* in tiles"),
        (Contrast(wrong=True), r"the gradient of contrast differs by .* in tiles"),
    ],
)
def test_a_term_that_is_wrong(term, message):
    with pytest.raises(TermError, match=message):
        impasto.check_term(lambda context: term)


@pytest.mark.parametrize("name", ["gram", "moments"])
def test_a_style_loss_that_is_right(name):
    assert impasto.check_style_loss(name) < 1e-4


def test_a_style_loss_that_leaves_autograd(losses):
    @impasto.style_loss("fixed", reads={"mean"})
    def fixed(canvas, style):
        return (canvas.mean.detach() * canvas.mean - style.mean).square().mean()

    @impasto.style_loss("constant", reads={"mean"})
    def constant(canvas, style):
        return style.mean.sum()

    with pytest.raises(TermError, match="the gradient of fixed is off by"):
        impasto.check_style_loss("fixed")
    with pytest.raises(TermError, match="constant cannot be differentiated"):
        impasto.check_style_loss("constant")
    with pytest.raises(SettingsError, match="style_loss is 'none'"):
        impasto.check_style_loss("none")


def test_directions():
    with pytest.raises(SettingsError, match="directions is 0; expected 1 or more"):
        impasto.gradient_error(lambda canvas: None, torch.zeros(3, 4, 4), 0)


def test_a_term_may_ask_for_the_style_of_a_part():
    def make(context):
        width, height = context.size
        return context.style(torch.ones(height, width, dtype=torch.float64), "everywhere", 0.5)

    assert impasto.check_term(make) < 0.01
