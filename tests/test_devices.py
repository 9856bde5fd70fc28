"""Which device a run takes, and that it needs no float64 there."""

from math import isfinite

import pytest
import torch

import impasto
from conftest import smooth_picture, tiny_weights
from impasto.errors import SettingsError
from impasto.hardware import device as devices
from impasto.hardware.device import Hardware, choose_device, choose_dtype, choose_threads
from impasto.run.events import Notice
from impasto.settings import Settings
from impasto.settings.variants import ENCODERS
from support.devices import Pretended, pretended_device

CPU, MPS = torch.device("cpu"), torch.device("mps")
PICTURES = (smooth_picture(48, 40), smooth_picture(44, 36, phase=1.0))


@pytest.fixture(autouse=True)
def no_device(monkeypatch):
    """Torch finds no GPU, and none was tried."""
    monkeypatch.setattr(devices, "_failures", {})
    for kind in ("cuda", "backends.mps"):
        monkeypatch.setattr(f"torch.{kind}.is_available", lambda: False)


@pytest.fixture
def mps(monkeypatch, no_device):
    with pretended_device(monkeypatch) as device:
        yield device


@pytest.fixture
def narrow(monkeypatch):
    """A narrow network in the place of vgg19, so that the default preset is quick."""
    monkeypatch.setitem(ENCODERS._found, "vgg19", tiny_weights)


class Trial:
    """Notes the devices that are tried; fails if told to."""

    def __init__(self, error=None):
        self.error, self.tried = error, []

    def __call__(self, device):
        self.tried.append(device)
        if self.error:
            raise self.error


def test_without_a_gpu_it_is_the_cpu():
    assert choose_device("auto", Trial(RuntimeError())).value == CPU
    with pytest.raises(SettingsError, match="device is 'mps'"):
        choose_device("mps")


def test_a_device_that_passes_its_trial_is_taken(mps):
    trial, notices = Trial(), []
    for _ in range(3):
        assert choose_device("auto", trial, notices.append).value == mps
    assert trial.tried == [mps]  # once a process
    assert notices == []


@pytest.mark.parametrize(
    "error",
    [
        TypeError("Cannot convert a MPS Tensor to float64\nand more"),
        RuntimeError(),
        NotImplementedError("aten::foo"),
        impasto.errors.OutOfMemory("full"),
    ],
)
def test_a_device_that_fails_its_trial_is_not_taken(mps, error):
    trial, notices = Trial(error), []
    for _ in range(3):
        choice = choose_device("auto", trial, notices.append)
        assert choice.value == CPU
        assert type(error).__name__ in choice.reason
        assert "\n" not in choice.reason
    assert trial.tried == [mps]
    assert len(notices) == 1
    assert type(error).__name__ in notices[0]


def test_an_interruption_is_no_failure(mps):
    with pytest.raises(KeyboardInterrupt):
        choose_device("auto", Trial(KeyboardInterrupt()))
    assert choose_device("auto", Trial()).value == mps


def test_a_device_that_was_not_tried_is_not_taken(mps):
    choice = choose_device("auto")
    assert (choice.value, choice.reason) == (CPU, "mps was not tried")


def test_a_device_that_is_asked_for_is_not_tried(mps):
    trial = Trial(RuntimeError())
    assert choose_device("mps", trial).value == mps
    assert trial.tried == []


def test_a_run_tries_the_device_and_paints_there(mps, narrow):
    run = impasto.Run(*PICTURES, Settings.of(size=48, iterations=1))
    assert run.hardware.device == mps
    assert run.hardware.reasons["device"] == "the fastest here"
    steps = [*run]
    assert all(isinstance(step.canvas, Pretended) for step in steps)
    assert run.result().image.pixels.device == CPU


def test_a_run_falls_back_to_the_cpu_with_one_notice(mps, narrow, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("MPS: not so many dimensions\nat line 3")

    monkeypatch.setattr(torch, "conv2d", refuse)
    monkeypatch.setattr(torch.nn.functional, "conv2d", refuse)
    events = []
    for _ in range(2):
        run = impasto.Run(*PICTURES, Settings.of(size=48, iterations=1))
        assert run.hardware.device == CPU
        events += run._notices
    assert [event for event in events if isinstance(event, Notice)] == [
        Notice(
            "computing on the CPU: a trial on mps failed with RuntimeError: MPS: not so many "
            "dimensions",
            "device",
        )
    ]


RUNS = {
    "standard": {},
    "draft": {"recipe": "draft"},
    "gatys": {"recipe": "gatys"},
    "crowson": {"recipe": "crowson"},
    "neural-style": {"recipe": "neural-style"},
    "Adam": {"optimiser": "adam", "init": "noise", "style_loss": "gram"},
    "searches": {"line_search": "more-thuente", "style_loss": "sliced-wasserstein"},
    "bounds": {"clip": "gamut", "style_loss": "nearest-neighbour", "average": 0.5},
    "moments": {"style_loss": "moments", "init": "style", "strength": 0.5},
    "kept colours": {"colour": "keep", "finish": "relief"},
    "luminance": {"colour": "keep", "colour_method": "luminance", "finish": "grain"},
    "matched colours": {"colour": "match"},
    "histogram": {"colour": "match", "colour_method": "histogram", "tones": "stretch"},
    "tiles": {"tile": 200, "size": 256},
}


@pytest.mark.parametrize("name", RUNS)
def test_nothing_needs_float64_on_the_device(name, mps, narrow):
    settings = {"size": 64, "iterations": 2, "device": "mps", **RUNS[name]}
    recipe = settings.pop("recipe", "standard")
    shown = []
    result = impasto.stylize(
        *PICTURES, recipe, **settings, on_step=lambda step: shown.append(step.preview(16))
    )
    assert isfinite(result.steps[-1].loss)
    assert len(shown) == len(result.steps)
    assert result.image.pixels.isfinite().all()


def test_masks_and_a_checkpoint_need_no_float64(mps, narrow):
    left = torch.zeros(40, 48)
    left[:, :20] = 1
    settings = Settings.of(size=48, iterations=2, device="mps")
    masked = {"protect": left.numpy(), "content_masks": [left.numpy(), 1 - left.numpy()]}
    styles = [PICTURES[1], smooth_picture(40, 40, phase=2.0)]
    run = impasto.Run(PICTURES[0], styles, settings, **masked)
    steps = iter(run)
    next(steps)
    next(steps)
    saved = run.checkpoint()
    expected = [step.loss for step in steps]
    resumed = impasto.Run(PICTURES[0], styles, settings, **masked, resume=saved)
    assert [step.loss for step in resumed] == expected


def test_a_graphics_card_is_chosen_by_its_number(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert Settings.of(device="cuda:1").device == "cuda:1"
    assert choose_device("cuda:1").value == torch.device("cuda", 1)
    assert choose_device("cuda").value == torch.device("cuda")
    with pytest.raises(SettingsError, match="torch finds 2 here"):
        choose_device("cuda:2")


def test_a_graphics_card_is_refused_where_there_is_none():
    with pytest.raises(SettingsError, match="torch finds none here"):
        choose_device("cuda:1")


def test_float64_is_refused_where_there_is_none(mps):
    with pytest.raises(SettingsError, match="mps has no float64"):
        choose_dtype("fp64", mps)
    assert choose_dtype("auto", mps).value == torch.float32


@pytest.mark.parametrize(
    "choose",
    [
        lambda: choose_device("tpu"),
        lambda: choose_device("cpu:0"),
        lambda: Settings.of(device="cuda:x"),
        lambda: Settings.of(device="cuda:01"),
        lambda: choose_dtype("fp8", CPU),
        lambda: choose_threads(-1),
        lambda: Hardware.choose(Settings.of(), share=0.0),
        lambda: Hardware.choose(Settings.of(), share=1.5),
        lambda: Hardware.choose(Settings.of(), share=float("nan")),
    ],
)
def test_what_cannot_be_chosen_is_an_error_of_settings(choose):
    with pytest.raises(SettingsError, match="expected"):
        choose()


def test_hardware_is_chosen_with_reasons():
    settings = Settings.of(precision="fp32", threads=3, memory="1GB", device="cpu")
    asked = Hardware.choose(settings)
    assert asked == Hardware(CPU, torch.float32, 3, 10**9)
    assert set(asked.reasons.values()) == {"asked for"}
    found = Hardware.choose(Settings.of())
    assert found.reasons.keys() == {"device", "dtype", "threads", "memory"}
    assert found.reasons["device"] == "no GPU found"


def test_a_share_of_the_machine(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    whole, part = (Hardware.choose(Settings.of(), share=share) for share in (1.0, 0.01))
    assert part.threads == 1
    assert part.memory < whole.memory
