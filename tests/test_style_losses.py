"""Style losses: closed forms, gradients, laws, and names from without."""

from importlib.metadata import EntryPoint

import pytest
import torch

import impasto
from conftest import random_image, tiny_weights
from impasto.encoder import Encoder
from impasto.errors import SettingsError
from impasto.losses import Moments, find_style_loss, named, style_losses
from impasto.objective import Objective, Term
from impasto.settings import Settings
from impasto.tiles import Tiling

NAMES = [name for name in style_losses() if name != "gram"]


def features(seed=0, channels=5, rows=6, columns=7):
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    f = torch.randn(channels, rows * columns, generator=generator, dtype=torch.float64)
    return (mixed @ f + 1).view(1, channels, rows, columns)


def between(name, canvas, style):
    return find_style_loss(name)(Moments.of(canvas), Moments.of(style))


def test_moments_are_means_and_deviations():
    f, a = features(1), features(2)
    (m, s), (n, t) = ((x.mean((2, 3))[0], x.var((2, 3), correction=0)[0] + 1e-4) for x in (f, a))
    expected = ((m - n) ** 2 + (s.sqrt() - t.sqrt()) ** 2).mean()
    torch.testing.assert_close(between("moments", f, a), expected)


@pytest.mark.parametrize("name", NAMES)
def test_is_zero_for_the_style_itself_and_blind_to_places(name):
    f = features()
    assert abs(between(name, f, f)) < 1e-12
    shuffled = f.flatten(2)[..., torch.randperm(42)].view_as(f)
    torch.testing.assert_close(between(name, features(1), shuffled), between(name, features(1), f))
    assert between(name, features(1), f) > 0


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    style = Moments.of(features(3, 4, 4, 4))
    f = features(4, 4, 3, 5).requires_grad_()

    def loss(f):
        columns = f[0].flatten(1)
        canvas = Moments(columns.sum(1), columns @ columns.T, columns.shape[1])
        return find_style_loss(name)(canvas, style)

    assert torch.autograd.gradcheck(loss, f)


@pytest.mark.parametrize("name", NAMES)
def test_is_finite_where_covariances_are_singular(name):
    flat = torch.ones(1, 4, 5, 5)
    few = torch.rand(1, 4, 1, 2)  # rank 1
    for canvas in (flat, few):
        for style in (flat, few, torch.rand(1, 4, 6, 6)):
            moments = Moments.of(canvas).leaf()
            with torch.enable_grad():
                value = find_style_loss(name)(moments, Moments.of(style))
            gradients = moments.gradients(value)
            assert torch.isfinite(value)
            assert all(torch.isfinite(g).all() for g in gradients.values())


@pytest.mark.parametrize("name", NAMES)
def test_is_exact_in_windows(name):
    encoder, canvas = Encoder(tiny_weights(), dtype=torch.float64), random_image(150, 190, 3) * 99
    whole = Objective(
        encoder,
        None,
        random_image(90, 80, 2),
        content_term=Term(0.0, "mean"),
        style_term=Term(1.0, "elements", {"relu1_1": 1.0, "relu3_1": 1.0}),
        variation_term=Term(0.0, "l1-sum"),
        style_loss=find_style_loss(name),
    )
    at, tiled = whole(canvas), whole.retiled(Tiling(120))(canvas)
    torch.testing.assert_close(tiled.loss, at.loss, rtol=1e-10, atol=0)
    assert (tiled.gradient - at.gradient).norm() < 1e-9 * at.gradient.norm()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_descends(name, precision):
    settings = {"size": 64, "iterations": 6, "style_loss": name, "precision": precision}
    result = impasto.stylize("sample:coffee", "sample:waves", style_weight=100.0, **settings)
    assert result.steps[-1].terms["style"] < 0.9 * result.steps[0].terms["style"]


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(named, "_registered", dict(named._registered))


def test_ones_own_is_ten_lines(registered):
    @impasto.style_loss("means")
    def means(canvas, style):
        return (canvas.mean - style.mean).square().mean()

    assert find_style_loss("means") is means
    assert "means" in style_losses()
    settings = {"size": 48, "iterations": 2, "style_loss": "means"}
    assert impasto.stylize("sample:coffee", "sample:waves", **settings).steps


def test_packages_may_offer_one(registered, monkeypatch):
    point = EntryPoint("offered", "impasto.losses.gaussian:moments", named._GROUP)
    monkeypatch.setattr(named, "_points", lambda: (point,))
    assert "offered" in style_losses()
    assert find_style_loss("offered") is find_style_loss("moments")


def test_unknown_ones_are_one_line_before_anything_is_read():
    with pytest.raises(SettingsError, match=r"'gramm'; expected one of gram, .*moments"):
        impasto.Run("missing.jpg", "missing.jpg", Settings.of(style_loss="gramm"))
