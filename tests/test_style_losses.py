"""Style losses: closed forms, gradients, laws, and names from without."""

from importlib.metadata import EntryPoint

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import impasto
from conftest import random_image, tiny_weights
from impasto.encoder import Encoder, weights_of
from impasto.errors import SettingsError
from impasto.images import precision
from impasto.objective import measure_statistics
from impasto.objective.statistics import Features, Moments
from impasto.objective.style_losses import declaration, find_style_loss, gaussian, matching
from impasto.objective.tiles import Tiling
from impasto.settings import Settings
from impasto.settings.variants import STYLE_LOSSES
from support.objectives import make_objective

NAMES = [name for name in STYLE_LOSSES.names() if name != "gram"]


def features(seed=0, channels=5, rows=6, columns=7):
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    f = torch.randn(channels, rows * columns, generator=generator, dtype=torch.float64)
    return (mixed @ f + 1).view(1, channels, rows, columns)


def shuffled(f, seed=0):
    order = torch.randperm(f[0, 0].numel(), generator=torch.Generator().manual_seed(seed))
    return f.flatten(2)[..., order].view_as(f)


def of(name, f, weights=None):
    return declaration(find_style_loss(name)).statistic.of(f, ("total", "outer", "exact"), weights)


def between(name, canvas, style):
    return find_style_loss(name)(of(name, canvas), of(name, style))


def compared(name, canvas, style, weights=None):
    """The loss, and its gradient with respect to the canvas's features."""
    style, loss = of(name, style), find_style_loss(name)
    found = of(name, canvas, weights)
    value, slope = found.value_and_gradient(lambda canvas: loss(canvas, style))
    gradient = torch.zeros_like(canvas)
    slope.add(gradient, canvas, weights, 0)
    return value, gradient


def square_root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T


def test_moments_are_means_and_deviations():
    f, a = features(1), features(2)
    (m, s), (n, t) = ((x.mean((2, 3))[0], x.var((2, 3), correction=0)[0] + 1e-4) for x in (f, a))
    expected = ((m - n) ** 2 + (s.sqrt() - t.sqrt()) ** 2).mean()
    torch.testing.assert_close(between("moments", f, a), expected)


def test_wasserstein_is_that_between_normal_distributions():
    f, a = features(1)[0].flatten(1), features(2)[0].flatten(1)
    q = torch.cov(a, correction=0)
    e = 1e-4 * q.diagonal().mean() * torch.eye(5, dtype=torch.float64)
    p, q = torch.cov(f, correction=0) + e, q + e
    root = square_root(q)
    distance = ((f.mean(1) - a.mean(1)) ** 2).sum()
    distance += (p + q - 2 * square_root(root @ p @ root)).trace()
    torch.testing.assert_close(between("wasserstein", features(1), features(2)), distance / 5)


def test_wasserstein_of_independent_channels_is_of_each():
    """Diagonal covariances: Σ (σ - σₛ)², up to the least variance."""
    p, q = torch.tensor([1.0, 4.0, 9.0]).double(), torch.tensor([4.0, 4.0, 1.0]).double()
    mean = torch.zeros(3, dtype=torch.float64)
    ours, theirs = (Moments(mean, torch.diag(v), 1) for v in (p, q))
    expected = ((p.sqrt() - q.sqrt()) ** 2).mean()
    found = find_style_loss("wasserstein")(ours, theirs)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


def test_a_covariance_is_measured_exactly():
    """Of bfloat16 features: a product rounded to bfloat16 would leave negative variances."""
    f = features(channels=3, rows=40, columns=50).to(torch.bfloat16)
    assert "exact" in declaration(find_style_loss("wasserstein")).needs
    assert "exact" not in declaration(find_style_loss("moments")).needs
    exact = Moments.of(f, ("total", "outer", "exact")).outer
    columns = f[0].flatten(1).double()
    torch.testing.assert_close(exact, columns @ columns.T, rtol=1e-5, atol=0)


def test_a_covariance_is_measured_exactly_in_runs(monkeypatch):
    f = features(channels=3, rows=40, columns=50).to(torch.bfloat16)
    whole = Moments.of(f, ("outer", "exact")).outer
    monkeypatch.setattr("impasto.objective.statistics.products._EXACT_RUN", 300)
    torch.testing.assert_close(Moments.of(f, ("outer", "exact")).outer, whole, rtol=1e-5, atol=0)


def test_wasserstein_of_bfloat16_features_is_that_of_their_values():
    """As a network's are: many channels, few positions, means above the deviations."""
    f, a = ((features(seed, 96, 12, 10) / 20 + 1).relu() for seed in (1, 2))
    f, a = f.to(torch.bfloat16), a.to(torch.bfloat16)
    value, gradient = compared("wasserstein", f.double(), a.double())
    rough, slope = compared("wasserstein", f, a)
    torch.testing.assert_close(rough.double(), value, rtol=1e-3, atol=0)
    assert (slope.double() - gradient).norm() < 3e-2 * gradient.norm()  # added up in bfloat16


@pytest.mark.parametrize("weight", [1.0, 0.7])
def test_a_covariance_of_bfloat16_is_positive(weight):
    f = (features(1, 96, 12, 10) / 20 + 1).relu().to(torch.bfloat16)
    found = of("wasserstein", f, torch.full((12, 10), weight)).covariance
    expected = torch.cov(f[0].flatten(1).double(), correction=0)
    mean_variance = expected.diagonal().mean()
    assert (found - expected).abs().max() < 1e-2 * mean_variance
    assert torch.linalg.eigvalsh(found)[0] > -1e-4 * mean_variance


def test_float32_is_enough_for_the_products_of_wasserstein():
    """Of features whose directions have variances from 1 to 1e-10, as networks' nearly do."""
    mixed = torch.linalg.qr(features(3, 1, 24, 24)[0, 0]).Q * torch.logspace(0, -5, 24).double()
    f, a = (
        torch.einsum("dc,bchw->bdhw", mixed, features(seed, 24, 30, 30) - 0.5) for seed in (1, 2)
    )
    value, gradient = compared("wasserstein", f, a)
    rough, slope = compared("wasserstein", f.float(), a.float())
    total = between("wasserstein", torch.zeros_like(f), a)
    assert abs(rough - value) < 1e-5 * total
    assert (slope - gradient).norm() < 2e-2 * gradient.norm()


def test_wasserstein_where_there_is_no_float64(monkeypatch):
    """As on MPS: sums in float32, eigenvalues on the CPU."""
    f, a = features(1).float(), features(2).float()
    value, gradient = compared("wasserstein", f, a)
    monkeypatch.setattr(precision, "has_float64", lambda device: False)
    assert of("wasserstein", f).outer.dtype == torch.float32
    rough, slope = compared("wasserstein", f, a)
    torch.testing.assert_close(rough, value, rtol=1e-4, atol=0)
    torch.testing.assert_close(slope, gradient, rtol=1e-3, atol=1e-6)


def projected_distance(f, a, directions):
    """`principal-wasserstein` by its definition: of what V keeps, and of what is left over."""
    p, q = (torch.cov(x, correction=0) for x in (f, a))
    e, (channels, _) = 1e-4 * q.diagonal().mean(), a.shape
    v = torch.linalg.eigh(q).eigenvectors[:, channels - directions :]
    left = torch.eye(channels, dtype=torch.float64) - v @ v.T
    kept, own = (v.T @ x @ v + e * torch.eye(directions, dtype=torch.float64) for x in (p, q))
    root = square_root(own)
    distance = ((f.mean(1) - a.mean(1)) ** 2).sum()
    distance += (kept + own - 2 * square_root(root @ kept @ root)).trace()
    rest, theirs = ((left @ x @ left).diagonal().clamp_min(0) + e for x in (p, q))
    return (distance + ((rest.sqrt() - theirs.sqrt()) ** 2).sum()) / channels


@pytest.mark.parametrize(("positions", "directions"), [(10, 1), (64, 2), (100, 3), (130, 4)])
def test_principal_wasserstein_keeps_what_positions_support(positions, directions):
    f, a = features(1, rows=10, columns=20), features(2, rows=1, columns=positions)
    found = between("principal-wasserstein", f, a)
    expected = projected_distance(f[0].flatten(1), a[0].flatten(1), directions)
    torch.testing.assert_close(found, expected)
    assert found <= between("wasserstein", f, a) * (1 + 1e-9)
    f, a = a, f
    expected = projected_distance(f[0].flatten(1), a[0].flatten(1), directions)
    torch.testing.assert_close(between("principal-wasserstein", f, a), expected)


def test_principal_wasserstein_of_few_channels_is_wasserstein():
    f, a = features(1, rows=10, columns=16), features(2, rows=10, columns=20)
    value, gradient = compared("wasserstein", f, a)
    found, slope = compared("principal-wasserstein", f, a)
    torch.testing.assert_close(found, value)
    torch.testing.assert_close(slope, gradient)


def test_principal_wasserstein_keeps_no_more_than_its_maximum(monkeypatch):
    monkeypatch.setattr(gaussian, "_MAX_DIRECTIONS", 2)
    f, a = features(1, rows=10, columns=20), features(2, rows=10, columns=20)
    found = between("principal-wasserstein", f, a)
    torch.testing.assert_close(found, projected_distance(f[0].flatten(1), a[0].flatten(1), 2))


@pytest.mark.parametrize("positions", [40, 70, 170])
def test_principal_wasserstein_by_autograd(positions):
    """With one, two and all directions."""
    style = of("principal-wasserstein", features(3, rows=1, columns=positions))

    def loss(f):
        columns = f[0].flatten(1)
        canvas = Moments(columns.sum(1), columns @ columns.T, 1000)
        return find_style_loss("principal-wasserstein")(canvas, style)

    assert torch.autograd.gradcheck(loss, features(4, 5, 3, 4).requires_grad_())


@given(
    f=st.integers(0, 9), a=st.integers(0, 9), rows=st.integers(1, 12), scale=st.floats(0.01, 100)
)
def test_principal_wasserstein_is_a_distance_below_wasserstein(f, a, rows, scale):
    canvas, style = scale * features(f), features(a, rows=rows)
    found, whole = (between(n, canvas, style) for n in ("principal-wasserstein", "wasserstein"))
    assert -1e-9 <= found <= whole * (1 + 1e-6) + 1e-9
    itself = between("principal-wasserstein", style, style)
    assert abs(itself) < 1e-9


def test_bfloat16_products_are_enough_for_principal_wasserstein():
    """It reads no small difference: sums rounded to bfloat16 change little."""
    f, a = ((features(seed, 96, 24, 40) / 20 + 1).relu() for seed in (1, 2))
    f, a = f.to(torch.bfloat16), a.to(torch.bfloat16)
    assert "exact" not in declaration(find_style_loss("principal-wasserstein")).needs
    value, gradient = compared("principal-wasserstein", f.double(), a.double())
    loss, needs = find_style_loss("principal-wasserstein"), ("total", "outer")
    canvas, style = (Moments.of(x, needs) for x in (f, a))
    rough, slope = canvas.value_and_gradient(lambda canvas: loss(canvas, style))
    added = torch.zeros_like(f)
    slope.add(added, f, None, 0)
    torch.testing.assert_close(rough.double(), value, rtol=2e-2, atol=0)
    assert (added.double() - gradient).norm() < 8e-2 * gradient.norm()  # added up in bfloat16


def test_one_channel_sliced_is_the_distance_of_sorted_values():
    f, a = features(1, channels=1), features(2, channels=1)
    expected = (f.flatten().sort().values - a.flatten().sort().values).square().mean()
    torch.testing.assert_close(between("sliced-wasserstein", f, a), expected)


def test_sliced_follows_normal_distributions():
    """Of features shifted by d: W₂² along θ is (θ·d)²; scaled by 2, the mean of (θ·f)²."""
    generator = torch.Generator().manual_seed(0)
    f = torch.randn(1, 8, 60, 60, generator=generator, dtype=torch.float64)
    shift = torch.full((8, 1, 1), 3.0, dtype=torch.float64)
    directions = matching._directions(Features.of(f))
    assert (directions.norm(dim=1) - 1).abs().max() < 1e-6
    expected = (directions @ shift.view(8)).square().mean()
    torch.testing.assert_close(between("sliced-wasserstein", f, f + shift), expected)
    expected = (directions @ f[0].flatten(1)).square().mean()
    torch.testing.assert_close(between("sliced-wasserstein", f, 2 * f), expected)


def test_sliced_compares_pictures_of_different_sizes():
    f = features(1, rows=20, columns=30)
    halves = torch.cat([f, f], 3)  # twice as many positions of the same distribution
    assert between("sliced-wasserstein", f, halves) < 1e-2 * between(
        "sliced-wasserstein", f, features(2)
    )


def test_nearest_neighbours_are_those_of_greatest_cosine():
    f, a = features(1), features(2, rows=4)
    x, y = f[0].flatten(1).T, a[0].flatten(1).T
    cosines = torch.nn.functional.cosine_similarity(
        (x - y.mean(0))[:, None], (y - y.mean(0))[None], dim=2
    )
    expected = (1 - cosines.max(1).values).mean()
    torch.testing.assert_close(between("nearest-neighbour", f, a), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_is_zero_for_the_style_itself_and_blind_to_places(name):
    f = features()
    assert abs(between(name, f, f)) < 1e-5 * between(name, f, features(1))
    other = features(1)
    torch.testing.assert_close(between(name, other, shuffled(f)), between(name, other, f))
    torch.testing.assert_close(between(name, shuffled(other), f), between(name, other, f))
    assert between(name, other, f) > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients(name, weighted):
    """That which is pulled back to features, against differences of the loss."""
    style, f = features(3, 4, 4, 4), features(4, 4, 3, 5)
    weights = torch.linspace(0.2, 1, 15, dtype=torch.float64).view(3, 5) if weighted else None
    _, gradient = compared(name, f, style, weights)
    direction = features(5, 4, 3, 5)
    step = 1e-6
    (above, _), (below, _) = (
        compared(name, f + sign * step * direction, style, weights) for sign in (1, -1)
    )
    slope = (above - below) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    "name", [n for n in NAMES if declaration(find_style_loss(n)).statistic is Moments]
)
def test_autograd_agrees(name):
    style = of(name, features(3, 4, 4, 4))

    def loss(f):
        columns = f[0].flatten(1)
        canvas = Moments(columns.sum(1), columns @ columns.T, columns.shape[1])
        return find_style_loss(name)(canvas, style)

    assert torch.autograd.gradcheck(loss, features(4, 4, 3, 5).requires_grad_())


@pytest.mark.parametrize("name", NAMES)
def test_positions_of_weight_0_are_not_there(name):
    f, style = features(1), features(2)
    weights = torch.zeros(6, 7, dtype=torch.float64)
    weights[:3] = 1
    value, gradient = compared(name, f, style, weights)
    alone, own = compared(name, f[..., :3, :].contiguous(), style)
    torch.testing.assert_close(value, alone)
    torch.testing.assert_close(gradient[..., :3, :], own)
    assert not gradient[..., 3:, :].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_of_two_is_a_position_twice(name):
    f, style = features(1, rows=4, columns=4), features(2)
    weights = torch.ones(4, 4, dtype=torch.float64)
    weights[1] = 2
    twice = torch.cat([f, f[..., 1:2, :]], 2)
    value, _ = compared(name, f, style, weights)
    expected, _ = compared(name, twice, style)
    torch.testing.assert_close(value, expected, rtol=2e-2, atol=0)  # quantiles lie in between


@pytest.mark.parametrize("name", NAMES)
def test_is_finite_where_covariances_are_singular(name):
    flat = torch.ones(1, 4, 5, 5)
    few = features(1, 4, 1, 2).float()  # rank 1
    for canvas in (flat, few, torch.zeros(1, 4, 5, 5)):
        for style in (flat, few, features(2, 4, 6, 6).float()):
            value, gradient = compared(name, canvas, style)
            assert torch.isfinite(value)
            assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["gram", *NAMES])
def test_is_exact_in_windows(name):
    encoder, canvas = Encoder(tiny_weights(), dtype=torch.float64), random_image(150, 190, 3) * 99
    whole = make_objective(
        encoder,
        None,
        random_image(90, 80, 2),
        style_weights={"relu1_1": 1.0, "relu3_1": 1.0},
        style_loss=find_style_loss(name),
    )
    at = whole(canvas)
    for tiling in (Tiling(120), Tiling(120, tapes=3)):
        tiled = whole.retiled(tiling)(canvas)
        torch.testing.assert_close(tiled.loss, at.loss, rtol=1e-10, atol=0)
        assert (tiled.gradient - at.gradient).norm() < 1e-9 * at.gradient.norm()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_descends(name, precision):
    alone = {"content_weight": 0, "tv_weight": 0, "style_weight": 1e3}
    settings = {"size": 64, "iterations": 8, "style_loss": name, "precision": precision, **alone}
    result = impasto.stylize("sample:coffee", "sample:waves", **settings)
    assert result.steps[-1].terms["style"] < 0.9 * result.steps[0].terms["style"]


@pytest.fixture
def registered(monkeypatch):
    """A registry of which nothing stays behind."""
    monkeypatch.setattr(STYLE_LOSSES, "_found", dict(STYLE_LOSSES._found))


TAPS = {"relu1_1": 1.0, "relu3_1": 2.0}
ALONE = {"content_weight": 0, "tv_weight": 0, "style_weight": 5.0, "style_layers": TAPS}
CHOSEN = {
    **{"size": 48, "scales": (1.0,), "iterations": 0, "init": "content", "precision": "fp32"},
    **{"weighting": "absolute", **ALONE},
}


def style_terms(loss, **settings):
    """The style term of a run's first canvas, by the settings' loss and by this function."""
    chosen = Settings.of(**CHOSEN, **settings)
    run = impasto.Run("sample:coffee", "sample:waves", chosen)
    first, style = next(iter(run)).picture().pixels, run.inputs.style.pixels
    weights = weights_of(chosen.encoder)
    encoder = Encoder(weights, pooling=chosen.pooling, padding=chosen.padding)
    canvas, style = (measure_statistics(encoder, x, TAPS, loss=loss) for x in (first, style))
    expected = 5 * sum(weight * loss(canvas[tap], style[tap]) for tap, weight in TAPS.items())
    return run.steps[0].terms["style"], float(expected)


def test_ones_own_is_ten_lines(registered):
    @impasto.style_loss("means", reads={"mean"})
    def means(canvas, style):
        return (canvas.mean - style.mean).square().mean()

    assert find_style_loss("means") is means
    assert declaration(means).needs == {"total"}
    assert "means" in STYLE_LOSSES
    found, expected = style_terms(means, style_loss="means")
    assert found == pytest.approx(expected, rel=1e-3)


def test_or_of_features(registered):
    @impasto.style_loss("peaks", of="features")
    def peaks(canvas, style):
        return (canvas.values.float().amax(0) - style.values.float().amax(0)).square().mean()

    assert declaration(find_style_loss("peaks")).statistic is Features
    found, expected = style_terms(peaks, style_loss="peaks")
    assert found == pytest.approx(expected, rel=1e-3)


def test_packages_may_offer_one(registered, monkeypatch):
    offered = "impasto.objective.style_losses.gaussian:moments"
    point = EntryPoint("offered", offered, STYLE_LOSSES.group)
    monkeypatch.setattr(STYLE_LOSSES, "_points", lambda: (point,))
    assert "offered" in STYLE_LOSSES.names()
    assert find_style_loss("offered") is find_style_loss("moments")


@pytest.mark.parametrize("of", ["moments", "features"])
def test_reads_names_attributes(of):
    with pytest.raises(SettingsError, match=f"reads has 'means'; {of} have "):
        impasto.style_loss("mine", of=of, reads={"means"})


@pytest.mark.parametrize("name", STYLE_LOSSES.names())
def test_own_losses_read_no_more_than_they_declare(name):
    """Sums that are not measured are NaN, and so would the loss be."""
    loss, f, style = find_style_loss(name), features(1), features(2)
    declared = declaration(loss)
    canvas = declared.statistic.of(f, declared.needs)
    assert torch.isfinite(loss(canvas, declared.statistic.of(style, declared.needs)))


def test_unknown_ones_are_one_line_before_anything_is_read():
    with pytest.raises(SettingsError, match=r"style_loss is 'gramm'; expected one of gram, "):
        impasto.Run("missing.jpg", "missing.jpg", Settings.of(style_loss="gramm"))
