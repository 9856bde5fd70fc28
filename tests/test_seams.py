"""What others add from outside, each in one place: an init, a colour mode, masks, a network."""

import json
import pickle

import numpy as np
import pytest
import torch

import impasto
from conftest import smooth_picture, tiny_weights
from impasto.encoder import Encoder
from impasto.errors import CheckpointError, ImageError, SettingsError
from impasto.hardware.memory_model import Demand
from impasto.images.spaces import colour_space
from impasto.objective.tiles import Tiling
from impasto.optimisers import MemoryUse, Minimiser, Optimiser
from impasto.run import Done, Notice, Run, Stage, Step
from impasto.run.colour_modes import ColourMode
from impasto.run.finished import iterations_in
from impasto.settings import Settings
from impasto.settings.variants import COLOUR_MODES, INITS, OPTIMISERS

SMALL = {"size": 32, "scales": "0.5,1", "iterations": "3,2", "style_loss": "gram"}
TAPS = {"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1"}


@pytest.fixture
def tiny():
    return Encoder(tiny_weights(dtype=torch.float32), dtype=torch.float32)


@pytest.fixture
def own(monkeypatch):
    """Registries that forget what a test registers."""
    for registry in (INITS, COLOUR_MODES, OPTIMISERS):
        monkeypatch.setattr(registry, "_found", {**registry._found})


def run_of(tiny, photo, painting, arguments=None, **overrides):
    settings = Settings.of(**{**SMALL, **TAPS, **overrides})
    return Run(photo, painting, settings, encoder=tiny, **(arguments or {}))


def test_an_init(own, tiny, photo, painting):
    def half(inputs, settings, space):
        return space.from_srgb(torch.full_like(inputs.content, 0.5))

    INITS.register("half", half)
    first = next(iter(run_of(tiny, photo, painting, init="half")))
    assert torch.allclose(first.picture().pixels, torch.tensor(0.5), atol=1e-6)
    with pytest.raises(SettingsError, match=r"init is 'quarter'; expected one of content, .*half"):
        Settings.of(init="quarter")


def test_a_colour_mode(own, tiny, photo, painting):
    class Negative(ColourMode):
        methods = ("plain",)

        def finish(self, picture, content, settings):
            return 1 - picture

    COLOUR_MODES.register("negative", Negative())
    plain, negative = (
        run_of(tiny, photo, painting, colour=colour, iterations=0, scales="1").events()
        for colour in ("style", "negative")
    )
    shown = [
        next(e for e in events if isinstance(e, Step)).picture() for events in (plain, negative)
    ]
    assert torch.allclose(shown[0].pixels, 1 - shown[1].pixels)
    with pytest.raises(SettingsError, match="with colour negative expected one of auto, plain"):
        Settings.of(colour="negative", colour_method="histogram")


class Momentum(Minimiser):
    """Gradient descent with momentum."""

    def __init__(self, function, x, problem):
        super().__init__(function, x)
        self.rate, self.velocity = problem.settings.learning_rate, torch.zeros_like(x)

    def advance(self, last):
        self.velocity.mul_(0.8).sub_(last.gradient, alpha=self.rate)
        return self.evaluate(last.iteration + 1, last.x + self.velocity)

    def extra_state(self):
        return {"velocity": self.velocity}

    def load_extra_state(self, iterate, state):
        self.velocity.copy_(state["velocity"])

    @staticmethod
    def memory(problem):
        return MemoryUse(evaluating=5 * problem.vector_bytes, between=5 * problem.vector_bytes)


def test_the_optimiser_is_as_exact_as_the_network_that_is_handed_over(tiny, photo, painting):
    """Whatever the settings say of precision: pairs of float32, as the memory plan counts them."""
    run = run_of(tiny, photo, painting, precision="bf16", iterations="4,4")
    for step in run:
        if step.done == 3:
            state = run.checkpoint().tensors
    assert state["optimiser.inner.steps"].dtype == torch.float32


def test_an_optimiser(own, tiny, photo, painting):
    """It paints, its memory is planned, and it is resumed to the last bit."""
    OPTIMISERS.register("momentum", Optimiser(Momentum, Momentum.memory))
    chosen = {"optimiser": "momentum", "learning_rate": 20.0, "iterations": "9,5", "size": 48}
    run = run_of(tiny, photo, painting, **chosen)
    saved, steps = None, []
    for step in run:
        steps.append(step.bare())
        if step.done == 11:
            saved = run.checkpoint()
    losses = [step.loss for step in steps if step.scale == 48]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.95 * losses[0]
    resumed = Run(photo, painting, run.settings, encoder=tiny, resume=saved)
    assert [step.loss for step in resumed] == [step.loss for step in steps if step.done > 11]
    assert torch.equal(resumed.result().image.pixels, run.result().image.pixels)
    device, size = torch.device("cpu"), (4000, 3000)
    demands = {
        name: Demand(Settings.of(optimiser=name), size, None, torch.float32, device, 0)
        for name in ("momentum", "adam")
    }
    peaks = {name: demand.peak(Tiling(400), history=100) for name, demand in demands.items()}
    assert peaks["adam"] - peaks["momentum"] == 12 * 4000 * 3000  # one vector


def test_a_first_canvas_is_a_float_tensor_taken_as_it_is(tiny, photo, painting):
    canvas = torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.3
    settings = Settings.of(**{**TAPS, "size": 48, "iterations": 0, "scales": "1"})
    run = Run(photo, painting, settings, encoder=tiny, init=canvas)
    (step,) = list(run)
    assert torch.equal(step.canvas, colour_space("caffe").from_srgb(canvas))
    with pytest.raises(ImageError, match="not finite"):
        Run(photo, painting, settings, encoder=tiny, init=canvas * torch.nan)
    with pytest.raises(ImageError, match=r"init: tensor \(2, 40, 48\); expected \(3, h, w\)"):
        Run(photo, painting, settings, encoder=tiny, init=canvas[:2])


def test_masks_are_arrays(tiny, photo, painting):
    left = np.zeros((40, 48), np.float32)
    left[:, :24] = 1
    result = {}
    for name, mask in {"floats": left, "bools": left > 0, "tensor": torch.from_numpy(left)}.items():
        run = run_of(tiny, photo, painting, {"protect": mask}, size=48)
        for _ in run:
            pass
        result[name] = run.result().image.pixels
        assert torch.equal(result[name][:, :, :23], photo.pixels[:, :, :23])
        assert not torch.equal(result[name][:, :, 25:], photo.pixels[:, :, 25:])
    assert torch.equal(result["floats"], result["bools"])
    assert torch.equal(result["floats"], result["tensor"])


def test_a_network_is_handed_over(tiny, photo, painting):
    """Its layers, sizes and digest are used, not those of the network that the settings name."""
    run = run_of(tiny, photo, painting, content_layers="relu1_1", style_layers="relu1_1")
    for _ in run:
        pass
    record = json.loads(run.result().image.record)["impasto"]
    assert record["weights"] == {"vgg19": tiny.weights.digest}
    other = Encoder(tiny_weights(seed=1, dtype=torch.float32), dtype=torch.float32)
    checkpoint = run.checkpoint()
    with pytest.raises(CheckpointError, match="weights is '"):
        Run(photo, painting, run.settings, encoder=other, resume=checkpoint)


def test_events_are_plain(tiny, photo, painting):
    events = list(run_of(tiny, photo, painting, colour="keep", finish="grain").events())
    kinds = [type(event) for event in events]
    assert kinds == [Stage, *[Step] * 4, Stage, *[Step] * 3, Done]
    assert [e.size for e in events if isinstance(e, Stage)] == [(16, 14), (32, 27)]
    assert events[-1] == Done(5, 5, events[-1].seconds, "finished")
    for event in events:
        again = pickle.loads(pickle.dumps(event))
        assert json.loads(json.dumps(again.line())) == json.loads(json.dumps(event.line()))
        if isinstance(event, Step):
            assert torch.equal(again.picture().pixels, event.picture().pixels)
    steps = [event.line() for event in events if isinstance(event, Step)]
    assert [(s["done"], s["total"]) for s in steps] == [(n, 5) for n in (0, 1, 2, 3, 3, 4, 5)]


def test_a_preview_is_the_picture_shrunk(tiny, photo, painting):
    *_, last = run_of(tiny, photo, painting, size=48, colour="keep")
    small = last.preview(12)
    assert small.size == (12, 10)
    large = torch.nn.functional.interpolate(last.picture().pixels[None], (10, 12), mode="area")[0]
    assert (small.pixels - large).abs().mean() < 0.02
    assert last.preview(999).size == last.picture().size


def test_a_cancelled_run_stops_and_keeps_what_it_has(tiny, photo, painting):
    run, seen = run_of(tiny, photo, painting), []
    for event in run.events():
        seen.append(event)
        if isinstance(event, Step) and event.iteration == 2:
            run.cancel()
    assert [type(event) for event in seen] == [Stage, Step, Step, Step, Done]
    assert (seen[-1].reason, seen[-1].done) == ("cancelled", 2)
    assert run.result().image.size == run.inputs.size
    assert run.result().steps[-1].size == (16, 14)
    resumed = Run(photo, painting, run.settings, encoder=tiny, resume=run.checkpoint())
    whole = run_of(tiny, photo, painting)
    for each in (resumed, whole):
        for _ in each:
            pass
    assert torch.equal(resumed.result().image.pixels, whole.result().image.pixels)


def test_a_run_that_is_cancelled_after_its_last_step_is_finished(tiny, photo, painting):
    run, events = run_of(tiny, photo, painting), []
    for event in run.events():
        events.append(event)
        if isinstance(event, Step) and event.done == event.total:
            run.cancel()
    assert (events[-1].reason, events[-1].done) == ("finished", 5)


@pytest.mark.parametrize(
    "facts",
    [
        {"run": [1]},
        {"run": {}},
        {"run": None},
        {"terms": 5},
        {"terms": ["content"]},
        {"plans": [{}]},
        {"stage": "x"},
        {"iteration": 2},
    ],
)
def test_a_checkpoint_with_odd_facts_is_refused(facts, tiny, photo, painting):
    run = run_of(tiny, photo, painting)
    next(iter(run))
    checkpoint = run.checkpoint()
    checkpoint.facts.update(facts)
    with pytest.raises(CheckpointError):
        Run(photo, painting, run.settings, encoder=tiny, resume=checkpoint)


def test_a_checkpoint_with_odd_plans_is_refused(tiny, photo, painting):
    run = run_of(tiny, photo, painting)
    next(iter(run))
    checkpoint = run.checkpoint()
    checkpoint.facts["run"]["planned"] = {"iterations": 5}
    with pytest.raises(CheckpointError, match="not one of this version"):
        Run(photo, painting, run.settings, encoder=tiny, resume=checkpoint)


def test_notices_are_events(tiny, photo, painting):
    """A step length that is far too large is mended, and said."""
    run = run_of(tiny, photo, painting, optimiser="adam", learning_rate=3e11, precision="fp32")
    told = [event for event in run.events() if isinstance(event, Notice)]
    assert told
    assert told[0].kind == "optimiser"
    assert "of the step" in told[0].text


CONTINUED = {
    "standard": {},
    "fp32": {"precision": "fp32"},
    "adam": {"optimiser": "adam", "learning_rate": 4.0},
    "searched": {"line_search": "armijo", "precision": "fp32"},
}


@pytest.mark.parametrize("name", CONTINUED)
@pytest.mark.parametrize("at", [4, 7, 99])
def test_more_iterations_continue_a_run(name, at, photo, painting):
    """As if they had been planned, whether the run had ended or not."""
    small = {**SMALL, **TAPS, "size": 48, **CONTINUED[name]}
    first = Run(photo, painting, Settings.of(**small))
    for _, _ in zip(range(at), first, strict=False):
        pass
    more = Settings.of(**{**small, "iterations": "3,6"})
    resumed = Run(photo, painting, more, resume=first.checkpoint())
    whole = Run(photo, painting, more)
    for run in (resumed, whole):
        for _ in run:
            pass
    assert [s.loss for s in resumed.steps] == [s.loss for s in whole.steps]
    assert {s.total for s in resumed.steps} == {9}
    assert torch.equal(resumed.result().image.pixels, whole.result().image.pixels)


def test_iterations_of_a_finished_scale_stay_as_they_were(tiny, photo, painting):
    first = run_of(tiny, photo, painting)
    for _, _ in zip(range(6), first, strict=False):
        pass
    more = first.settings.replaced(iterations="9,2")
    resumed = Run(photo, painting, more, encoder=tiny, resume=first.checkpoint())
    events = list(resumed.events())
    told = [event.text for event in events if isinstance(event, Notice)]
    assert told == ["finished scales keep the iterations they had: 3"]
    assert resumed.steps[-1].iteration == 2
    assert (events[-1].reason, events[-1].done, events[-1].total) == ("finished", 5, 5)


@pytest.mark.parametrize("differs", [{"memory": "3GB"}, {"tile": "32"}, {"threads": 1}])
def test_what_does_not_change_pixels_may_differ(differs, tiny, photo, painting):
    first = run_of(tiny, photo, painting, size=48)
    for _, _ in zip(range(3), first, strict=False):
        pass
    other = first.settings.replaced(**differs)
    resumed = Run(photo, painting, other, encoder=tiny, resume=first.checkpoint())
    whole = run_of(tiny, photo, painting, size=48)
    for run in (resumed, whole):
        for _ in run:
            pass
    assert [s.loss for s in resumed.steps] == pytest.approx([s.loss for s in whole.steps], rel=1e-3)


def test_a_checkpoint_without_a_setting_has_its_default(tiny, photo, painting):
    run = run_of(tiny, photo, painting)
    next(iter(run))
    checkpoint = run.checkpoint()
    del checkpoint.facts["run"]["settings"]["finish"]
    checkpoint.facts["run"]["settings"]["of another version"] = 1
    assert Run(photo, painting, run.settings, encoder=tiny, resume=checkpoint).done == 0
    other = run.settings.replaced(finish="grain")
    with pytest.raises(CheckpointError, match="finish is 'none' there and 'grain' here"):
        Run(photo, painting, other, encoder=tiny, resume=checkpoint)


def test_former_names_of_arguments_work_for_now(photo, painting):
    mask = np.ones((40, 48), np.float32)
    with pytest.warns(DeprecationWarning, match="keep is now called protect"):
        kept = impasto.stylize(photo, painting, keep=mask, **{**SMALL, **TAPS, "size": 48})
    assert torch.equal(kept.image.pixels, photo.pixels)


def test_a_name_is_a_name_and_a_path_is_a_path(tmp_path, monkeypatch, photo, painting):
    """A folder that is called like an option is only a folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("content", "noise", "vgg19"):
        (tmp_path / name).mkdir()
    smooth_picture(48, 40, 2.0).save(tmp_path / "first.png")
    quick = {**SMALL, **TAPS, "iterations": 0, "scales": "1", "size": 48}
    named = impasto.stylize(photo, painting, init="content", encoder="vgg19", **quick)
    assert torch.allclose(named.image.pixels, photo.pixels, atol=1e-5)
    other = impasto.stylize(photo, painting, init="first.png", **quick)
    assert (other.image.pixels - smooth_picture(48, 40, 2.0).pixels).abs().max() < 0.01


def test_a_finished_picture_is_known_by_its_record(tmp_path, tiny, photo, painting):
    photo.save(tmp_path / "photo.png")
    painting.save(tmp_path / "painting.png")
    pictures = tmp_path / "photo.png", tmp_path / "painting.png"
    run = run_of(tiny, *pictures)
    for _ in run:
        pass
    path = tmp_path / "out.png"
    run.picture(run.state.last).save(path)
    assert iterations_in(path, run) is None  # a preview of the last step
    run.result().image.save(path)
    assert iterations_in(path, run) == 5
    for overrides, found in [
        ({"iterations": "9,9", "memory": "3GB", "threads": 1}, 5),
        ({"content_weight": 3}, None),
        ({"finish": "grain"}, None),
    ]:
        assert iterations_in(path, run_of(tiny, *pictures, **overrides)) == found
    assert iterations_in(path, run_of(tiny, *pictures[::-1])) is None
    assert iterations_in(path, run_of(tiny, photo, painting)) is None
    assert iterations_in(pictures[0], run) is None
    other = Encoder(tiny_weights(seed=1, dtype=torch.float32), dtype=torch.float32)
    assert iterations_in(path, Run(*pictures, run.settings, encoder=other)) is None
