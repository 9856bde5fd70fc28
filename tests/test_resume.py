"""Killed and taken up again: the same pixels, whatever happens on the way."""

import os
import random
import signal
from dataclasses import replace

import pytest
import torch

import impasto
from impasto.apps.cli import main
from impasto.errors import CheckpointError, Diverged, OutputError
from impasto.images import read
from impasto.objective import Objective
from impasto.outputs import Request
from impasto.outputs.session import paint
from impasto.run.build import plans_for
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Notice, Step
from impasto.run.run import Run
from impasto.settings import Settings
from support.children import PROGRAM, finished, impasto_command, succeeded
from support.pictures import smooth_picture
from support.runs import lines, notices_until, resumed

SMALL = {
    "encoder": "tiny",
    "size": 48,
    "iterations": "6,5",
    "scales": "0.7,1",
    "tile": "off",
    "style_loss": "gram",
}
VARIANTS = {
    "standard": {},
    "fp32": {"precision": "fp32"},
    "adam": {"optimiser": "adam", "learning_rate": 4.0, "decay": 0.5, "decay_every": 3},
    "best": {"select": "best", "optimiser": "adam", "learning_rate": 40.0},
    "clipped": {"clip": "gamut", "line_search": "armijo", "precision": "fp32"},
    "wolfe": {"line_search": "strong-wolfe", "precision": "fp64", "precondition": 0},
    "tolerant": {"tolerance": 1e-2, "precision": "fp32"},
}


def chosen(**overrides):
    return Settings.of(**{**SMALL, **overrides})


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("at", [1, 4, 7, 8, 10])
def test_resumed_is_uninterrupted(name, at, photo, painting, tmp_path):
    settings = chosen(**VARIANTS[name])
    whole = Run(photo, painting, settings)
    assert len(list(whole)) >= at
    second = resumed(Run(photo, painting, settings), at, photo, painting, settings, tmp_path)
    assert second.done == whole.steps[at - 1].done
    assert len(second.steps) == at
    for _ in second:
        pass
    assert lines(second) == lines(whole)
    assert torch.equal(second.result().image.pixels, whole.result().image.pixels)
    assert torch.equal(second.result("best").image.pixels, whole.result("best").image.pixels)


def test_a_run_that_was_taken_up_can_begin_again(photo, painting, tmp_path):
    settings, run = chosen(), Run(photo, painting, chosen())
    second = resumed(run, 7, photo, painting, settings, tmp_path)
    once, again = [[step.done for step in second] for _ in range(2)]
    assert (once[0] > 0, again[0]) == (True, 0)
    assert again[-len(once) :] == once


def test_a_finished_run_is_taken_up_as_its_result(photo, painting, tmp_path):
    settings, run = chosen(), Run(photo, painting, chosen())
    second = resumed(run, 99, photo, painting, settings, tmp_path)
    assert list(second) == []
    assert torch.equal(second.result().image.pixels, run.result().image.pixels)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_run_with_less_memory_goes_on_with_a_shorter_history(
    precision, photo, painting, monkeypatch
):
    settings = chosen(iterations="8,5", precision=precision)
    run = Run(photo, painting, settings)
    for step in run:
        if step.iteration == 7:
            break

    def shorter(*arguments):
        return tuple(replace(plan, history=3) for plan in plans_for(*arguments))

    monkeypatch.setattr("impasto.run.painter.plans_for", shorter)
    second = Run(photo, painting, settings.replaced(memory="3GB"), resume=run.checkpoint())
    told = [event for event in second.events() if isinstance(event, Notice)]
    assert [notice.kind for notice in told] == ["resume"]
    assert second.done == 13
    assert second.steps[8].loss < second.steps[7].loss


@pytest.mark.parametrize("overrides", [{}, {"colour": "keep"}, {"finish": "relief"}], ids=str)
def test_pictures_of_a_resumed_run_in_float64_are_made(overrides, photo, painting, tmp_path):
    settings = chosen(precision="fp64", **overrides)
    arguments = photo, painting, settings
    run = Run(*arguments, protect=photo)
    for step in run:
        if step.iteration == 3:
            break
    again = Run(*arguments, protect=photo, resume=run.checkpoint())
    assert torch.equal(again.result().image.pixels, run.result().image.pixels)


def test_a_run_with_fewer_iterations_than_pairs_goes_on(photo, painting):
    settings = chosen(iterations="6,5")
    run = Run(photo, painting, settings)
    for step in run:
        if step.iteration == 5:
            break
    second = Run(photo, painting, chosen(iterations="2,5"), resume=run.checkpoint())
    assert [step.iteration for step in second] == [*range(6)]


@pytest.mark.parametrize(
    ("overrides", "difference"),
    [
        ({"content_weight": 3.5}, "content_weight is .* there and 3.5 here"),
        ({"precision": "fp32"}, "precision is 'auto' there and 'fp32' here"),
        ({"style_layers": "relu1_1"}, "style_layers"),
    ],
)
def test_other_settings_are_refused_by_name(overrides, difference, photo, painting, tmp_path):
    run = Run(photo, painting, chosen())
    with pytest.raises(CheckpointError, match=difference):
        resumed(run, 2, photo, painting, chosen(**overrides), tmp_path)


def test_other_pictures_are_refused(photo, painting, tmp_path):
    run = Run(photo, painting, chosen())
    with pytest.raises(CheckpointError, match="content is '"):
        resumed(run, 2, smooth_picture(48, 40, 0.1), painting, chosen(), tmp_path)
    with pytest.raises(CheckpointError, match="style is '"):
        resumed(Run(photo, painting, chosen()), 2, photo, photo, chosen(), tmp_path)


def test_a_checkpoint_of_another_make_is_refused(photo, painting, tmp_path):
    run = Run(photo, painting, chosen())
    next(iter(run))
    good = run.checkpoint()
    for facts, tensors in [
        ({**good.facts, "terms": []}, good.tensors),
        (good.facts, {**good.tensors, "progress.counts": good.tensors["progress.counts"][:1]}),
        (good.facts, {**good.tensors, "progress.numbers": good.tensors["progress.counts"]}),
        ({**good.facts, "plans": good.facts["plans"][:1]}, good.tensors),
        ({**good.facts, "stage": 7}, good.tensors),
        (good.facts, {**good.tensors, "x": good.tensors["x"][:-1]}),
        ({"run": good.facts["run"]}, {}),
    ]:
        with pytest.raises(CheckpointError):
            Run(photo, painting, chosen(), resume=Checkpoint(facts, tensors))


def test_a_checkpoint_of_very_many_steps_is_saved(photo, painting, tmp_path):
    run = Run(photo, painting, chosen())
    for step in run:
        if step.iteration == 3:
            break
    steps = [replace(step, loss=step.loss + n / 7) for n in range(50_000) for step in run.steps]
    run.state.steps[:0] = [replace(step, terms={**step.terms, "own": 1 / 3}) for step in steps]
    run.checkpoint().save(tmp_path / "c")
    second = Run(photo, painting, chosen(), resume=Checkpoint.load(tmp_path / "c"))
    assert [step.line() for step in second.steps] == [step.line() for step in run.steps]
    assert (tmp_path / "c").stat().st_size < 200 * len(run.steps)


def test_nothing_to_save_before_the_first_step(photo, painting):
    with pytest.raises(ValueError, match="no step"):
        Run(photo, painting, chosen()).checkpoint()


# --- through the command line, killed at random ---------------------------------------------------


def command(folder, output, *more):
    arguments = [
        "stylize", str(folder / "photo.png"), str(folder / "painting.png"), "-o", str(output),
        "--size", "64", "--scales", "0.5,0.75,1", "--iterations", "25", "--tile", "off",
        "--style-loss", "gram", "--encoder", "tiny", "--threads", "1", "--quiet", *more,
    ]  # fmt: skip
    return impasto_command(*arguments)


def made(folder):
    smooth_picture(96, 80).save(folder / "photo.png")
    smooth_picture(80, 70, 1.0).save(folder / "painting.png")
    return folder


@pytest.fixture
def folder(tmp_path):
    return made(tmp_path)


def here(command):
    """The same command in this process, which succeeds."""
    with pytest.raises(SystemExit, match=r"^0$"):
        main(command[command.index(str(PROGRAM)) + 1 :])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What `command` paints when nothing interrupts it."""
    folder = made(tmp_path_factory.mktemp("whole"))
    here(command(folder, folder / "whole.png"))
    return read(folder / "whole.png")


def signalled(number, count, name, command):
    """The same command, which gets a signal at the count-th touch of files of that name."""
    program = command.index(str(PROGRAM)) + 1
    return [*command[:program], "--signal", int(number), count, name, *command[program:]]


def test_killed_five_times_and_resumed_is_the_same_picture(folder, whole):
    """SIGKILL at five random moments of saving checkpoints."""
    saved, moments = folder / "broken.checkpoint", random.Random(0)
    again = command(
        folder, folder / "broken.png", "--resume", "--checkpoint-every", "0",
        "--trace", folder / "t.jsonl",
    )  # fmt: skip
    for _ in range(5):
        moment = moments.randrange(1, 60)
        killed = finished(signalled(signal.SIGKILL, moment, saved.name, again))
        assert killed.returncode == -signal.SIGKILL
        assert "Traceback" not in killed.stderr
    done = succeeded(again)
    assert done.stderr == ""
    assert torch.equal(read(folder / "broken.png").pixels, whole.pixels)
    assert not saved.exists()
    assert len((folder / "t.jsonl").read_text().splitlines()) == 3 * 26


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_it_saves_picture_and_checkpoint(folder, whole, number):
    broken = folder / "broken.png"
    again = command(
        folder, broken, "--checkpoint", folder / "c.checkpoint", "--trace", folder / "t.jsonl",
        "--save-every", "10",
    )  # fmt: skip
    asked = finished(signalled(number, 3, "broken.", again))
    assert (asked.returncode, asked.stderr) == (130, "")
    assert broken.exists()
    assert (folder / "c.checkpoint").exists()
    here([*again, "--resume"])
    assert torch.equal(read(broken).pixels, whole.pixels)


def test_to_resume_what_never_began_is_to_begin(folder, capsys):
    again = command(folder, folder / "o.png", "--resume", "--iterations", "1")
    again.remove("--quiet")
    here(again)
    told = capsys.readouterr().err
    assert "no checkpoint" in told
    assert "painting from the beginning" in told


# --- trouble --------------------------------------------------------------------------------------


class Failing:
    """`Objective.__call__` that fails at chosen evaluations of the whole run, counted from 0."""

    def __init__(self, monkeypatch, fail):
        self.count, self.tiles = 0, []
        evaluate = Objective.__call__

        def failing(objective, canvas):
            self.count += 1
            self.tiles.append(objective.tiling.tile)
            return fail(self.count - 1, lambda: evaluate(objective, canvas))

        monkeypatch.setattr(Objective, "__call__", failing)


def nan_at(*numbers):
    def fail(number, evaluate):
        found = evaluate()
        if number in numbers:
            found.gradient.fill_(torch.nan)
        return found

    return fail


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_what_is_no_number_is_stepped_back_from(optimiser, photo, painting, monkeypatch):
    settings = chosen(optimiser=optimiser, learning_rate=1.0)
    Failing(monkeypatch, nan_at(3, 5))
    run = Run(photo, painting, settings)
    events = list(run.events())
    steps = [event for event in events if isinstance(event, Step)]
    told = [event.text for event in events if isinstance(event, Notice)]
    assert ["continuing from the last finite canvas with a" in text for text in told] == [True] * 2
    assert [step.done for step in steps] == [*range(7), *range(6, 12)]
    first = next(step for step in steps if step.scale == steps[-1].scale)
    assert steps[-1].loss < first.loss
    assert torch.isfinite(run.result().image.pixels).all()


def test_the_fourth_time_is_an_error(photo, painting, monkeypatch):
    def fail(number, evaluate):
        found = evaluate()
        return (
            found
            if number < 3
            else type(found)(found.loss * torch.nan, found.terms, found.gradient)
        )

    Failing(monkeypatch, fail)
    run = Run(photo, painting, chosen())
    message = "the loss is nan after 3 iterations; lower learning_rate"
    told = notices_until(Diverged, message, run)
    assert ["the loss is nan" in text for text in told] == [True] * 3
    assert run.done == 2


def test_memory_that_runs_out_makes_tiles_smaller_once(painting, monkeypatch):
    photo = smooth_picture(400, 60)

    def fail(number, evaluate):
        if number == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return evaluate()

    failing = Failing(monkeypatch, fail)
    settings = Settings.of(
        size=400, iterations=2, scales=[1], style_scale=0.2, padding="zero", encoder="tiny"
    )
    run = Run(photo, painting, settings)
    events = list(run.events())
    losses = [event.loss for event in events if isinstance(event, Step)]
    (told,) = (event for event in events if isinstance(event, Notice))
    assert told.kind == "memory"
    assert "not enough memory" in told.text
    assert "200 px" in told.text
    assert failing.tiles == [None, None, 200, 200]
    monkeypatch.undo()
    expected = [step.loss for step in impasto.iterate(photo, painting, settings)]
    assert losses == pytest.approx(expected, rel=5e-3)  # in bfloat16, if there is any


def test_memory_that_runs_out_twice_is_an_error(photo, painting, monkeypatch):
    def fail(number, evaluate):
        raise MemoryError

    Failing(monkeypatch, fail)
    run = Run(photo, painting, chosen())
    told = notices_until(impasto.ImpastoError, "not enough memory for 34x28 px", run)
    assert told == []  # a canvas as small as this has no smaller tiles


def test_a_full_disk_is_a_notice_and_the_run_goes_on(photo, painting, tmp_path, monkeypatch):
    run = Run(photo, painting, chosen())
    wanted = {"output": tmp_path / "o.png", "save_every": 2, "checkpoint_every": 0.0}
    full, fsync = [], os.fsync

    def no_room(descriptor):
        full.append(descriptor)
        if len(full) < 6:
            raise OSError(28, "No space left on device")
        return fsync(descriptor)

    monkeypatch.setattr(os, "fsync", no_room)
    events = []
    outcome = paint(run, Request.of(wanted), events.append)
    told = [event.text for event in events if isinstance(event, Notice)]
    assert all("No space left on device" in text for text in told)
    assert not outcome.interrupted
    assert outcome.result.steps[-1].done == 11
    assert len(told) >= 2
    left = {path.name for path in tmp_path.iterdir()}
    assert "o.png" in left
    assert not [name for name in left if name.endswith(".tmp")]


def test_a_picture_that_cannot_be_written_leaves_the_checkpoint(
    photo, painting, tmp_path, monkeypatch
):
    from impasto.images import Picture

    def full(*arguments, **options):
        raise OutputError("o.png: No space left on device")

    monkeypatch.setattr(Picture, "save", full)
    run = Run(photo, painting, chosen())
    with pytest.raises(OutputError, match="No space left"):
        paint(run, Request.of({"output": tmp_path / "o.png", "checkpoint": "{stem}.checkpoint"}))
    monkeypatch.undo()
    second = Run(photo, painting, chosen(), resume=Checkpoint.load(tmp_path / "o.checkpoint"))
    assert list(second) == []
    assert torch.equal(second.result().image.pixels, run.result().image.pixels)


def test_a_preview_is_there_at_once_and_grows_clearer(photo, painting, tmp_path):
    seen, output = [], tmp_path / "o.png"
    run = Run(photo, painting, chosen(iterations="12,12"))

    def look(event):
        if isinstance(event, Step) and output.exists():
            seen.append((event.done, read(output).size))

    paint(run, Request.of({"output": output, "preview": True}), look)
    assert seen[0] == (6, (48, 40))
    assert {size for _, size in seen} == {(48, 40)}
    assert torch.equal(read(output).pixels, read_back(run.result().image, tmp_path))


def read_back(picture, folder):
    picture.save(folder / "again.png")
    return read(folder / "again.png").pixels
