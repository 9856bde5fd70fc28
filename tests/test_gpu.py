"""The same code on CUDA: its numbers against the CPU's, and evaluations as recorded graphs."""

import pytest
import torch

import impasto
from conftest import random_image, tiny_weights
from impasto.encoder import Encoder
from impasto.hardware.cuda_graph import CudaRecorder, captured
from impasto.images.spaces import CAFFE
from impasto.objective import Evaluation
from impasto.objective.style_losses import find_style_loss
from impasto.run.events import Notice
from impasto.settings.variants import STYLE_LOSSES
from support.objectives import make_objective as objective_of

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")

PICTURES = ("sample:astronaut", "sample:swirl")


def make_objective(device, dtype, style_loss="gram"):
    accurate = torch.promote_types(dtype, torch.float32)
    pictures = (random_image(40, 52, seed, dtype=accurate).to(device) for seed in (1, 2))
    loss = find_style_loss(style_loss) if isinstance(style_loss, str) else style_loss
    return objective_of(
        Encoder(tiny_weights(), dtype=dtype, device=device),
        *pictures,
        content_weights={"relu4_2": 5.0},
        style_weights={"relu1_1": 100.0, "relu3_1": 100.0},
        style_loss=loss,
        variation=(0.1, "l1-sum"),
    )


def canvas(seed=3):
    return CAFFE.from_srgb(random_image(40, 52, seed, dtype=torch.float32))


def test_an_evaluation_copies_nothing_to_another_device(monkeypatch):
    """What a graph could not record: constants are made once, at the first evaluation."""
    objective = make_objective("cpu", torch.float32)
    first = objective(canvas())
    made = []
    make = torch.tensor
    monkeypatch.setattr(torch, "tensor", lambda *a, **k: made.append(a) or make(*a, **k))
    assert torch.equal(objective(canvas()).gradient, first.gradient)
    assert made == []


@on_gpu
@pytest.mark.parametrize("style_loss", ["gram", "wasserstein"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.bfloat16, 0.1)])
def test_gradient_is_the_cpus(dtype, tolerance, style_loss):
    expected = make_objective("cpu", torch.float32, style_loss)(canvas())
    found = make_objective("cuda", dtype, style_loss)(canvas().cuda())
    assert float(found.loss) == pytest.approx(float(expected.loss), rel=tolerance)
    difference = found.gradient.cpu() - expected.gradient
    assert difference.norm() < tolerance * expected.gradient.norm()


@on_gpu
@pytest.mark.parametrize("style_loss", STYLE_LOSSES.names())
def test_recorded_evaluations_are_the_plain_ones(style_loss):
    objective = make_objective("cuda", torch.float32, style_loss)
    notices = []
    recorded = captured(objective, notices.append)
    results: list[Evaluation] = [recorded(canvas(seed).cuda()) for seed in (3, 4)]
    assert notices == []
    for seed, found in zip((3, 4), results, strict=True):
        expected = objective(canvas(seed).cuda())
        torch.testing.assert_close(found.loss, expected.loss)
        torch.testing.assert_close(found.gradient, expected.gradient, rtol=1e-3, atol=1e-3)


@on_gpu
def test_after_a_failed_recording_the_device_is_as_before():
    """Its random numbers and its memory are others' too."""
    recorder, value = CudaRecorder(torch.device("cuda:0")), torch.ones(4, device="cuda")
    with pytest.raises(RuntimeError, match="capturing"):
        record(recorder, lambda: (value + 1).sum().item())
    assert torch.randn(4, device="cuda").isfinite().all()
    double = value * 0
    record(recorder, lambda: torch.mul(value, 2, out=double))()
    assert double.tolist() == [2.0] * 4


def record(recorder, function):
    with recorder.recording():
        recorder.begin()
        function()
        return recorder.end()


@on_gpu
def test_a_comparison_that_waits_runs_between_two_graphs():
    class Waiting:
        def __call__(self, canvas, style):
            return (canvas.gram - style.gram).square().sum() * (1 + 0 * canvas.gram[0, 0].item())

    objective, notices = make_objective("cuda", torch.float32, Waiting()), []
    recorded = captured(objective, notices.append)
    for seed in (3, 4):
        found, expected = recorded(canvas(seed).cuda()), objective(canvas(seed).cuda())
        torch.testing.assert_close(found.gradient, expected.gradient, rtol=1e-3, atol=1e-3)
    assert notices == []


@on_gpu
def test_float32_is_not_rounded_to_tf32():
    expected = make_objective("cpu", torch.float64)(canvas().double())
    found = make_objective("cuda", torch.float32)(canvas().cuda())
    difference = found.gradient.cpu() - expected.gradient
    # not all of it is rounding: a ReLU or a maximum may choose otherwise
    assert difference.norm() < 5e-4 * expected.gradient.norm()


@on_gpu
@pytest.mark.parametrize("recipe", ["standard", "draft"])
def test_presets_run_on_the_gpu_by_themselves_as_recorded_graphs(recipe):
    run = impasto.Run(*PICTURES, impasto.Settings.of(recipe, size=128, iterations=5))
    events = [*run.events()]
    assert run.hardware.device.type == "cuda"
    assert [event for event in events if isinstance(event, Notice)] == []  # one if not recorded
    assert run.steps[-1].loss < run.steps[0].loss


@on_gpu
def test_a_run_ends_where_the_cpus_does():
    losses = {
        device: impasto.stylize(*PICTURES, size=96, iterations=40, device=device).steps[-1].loss
        for device in ("cpu", "cuda")
    }
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=0.03)
