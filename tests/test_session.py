"""A session writes what it was asked for, whatever happens on the way."""

import json

import pytest
from PIL import Image

from impasto.errors import Diverged, OutputError
from impasto.images import read
from impasto.outputs import Request, paint
from impasto.run.run import Run
from impasto.settings import Settings


@pytest.fixture
def files(tmp_path):
    return requested(tmp_path, save_every=2, trace="t.jsonl", report="r.html", timelapse="f.gif")


def requested(folder, **wanted):
    return Request.of({"output": folder / "o.png", **wanted})


def written(request):
    return {name: request.path(name) for name in ("picture", "trace", "report", "timelapse")}


@pytest.fixture
def run(photo, painting):
    return Run(photo, painting, Settings.of(size=48, iterations=5, precision="fp32"))


def traced(files):
    return [json.loads(line) for line in files.path("trace").read_text("utf-8").splitlines()]


def test_everything_is_written(run, files, tmp_path):
    shown = []
    outcome = paint(run, files, shown.append)
    assert not outcome.interrupted
    assert [step.iteration for step in shown] == list(range(6))
    names = {"o.png", "o.0002.png", "o.0004.png", "t.jsonl", "r.html", "f.gif"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert [line["loss"] for line in traced(files)] == [s.loss for s in outcome.result.steps]
    assert read(files.target.path).size == outcome.result.image.size
    with Image.open(files.path("timelapse")) as film:
        assert film.n_frames > 1


def stop_at(iteration, error):
    def show(step):
        if step.iteration == iteration:
            raise error

    return show


def test_interrupted_it_keeps_what_there_is(run, files, tmp_path):
    outcome = paint(run, files, stop_at(3, KeyboardInterrupt()))
    assert outcome.interrupted
    assert len(traced(files)) == 4
    for path in written(files).values():
        assert path.stat().st_size > 0
    assert not list(tmp_path.glob(".*"))  # nothing half-written is left


def test_an_error_is_raised_after_saving(run, files):
    with pytest.raises(Diverged, match="the loss is nan"):
        paint(run, files, stop_at(3, Diverged("the loss is nan")))
    for path in written(files).values():
        assert path.stat().st_size > 0


def test_a_bug_is_not_hidden_and_leaves_no_temporary_file(run, files, tmp_path):
    with pytest.raises(ZeroDivisionError):
        paint(run, files, stop_at(2, ZeroDivisionError()))
    assert not list(tmp_path.glob(".*"))


def test_before_the_first_step_there_is_nothing_to_write(run, files, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("impasto.run.painter.encoder_for", interrupted)
    outcome = paint(run, files)
    assert (outcome.interrupted, outcome.result) == (True, None)
    assert not list(tmp_path.iterdir())


def test_one_file_that_fails_does_not_cost_the_others(run, files, monkeypatch):
    def full(*_, **__):
        raise OutputError("r.html: No space left on device")

    monkeypatch.setattr("impasto.outputs.report.writing.write_report", full)
    with pytest.raises(OutputError, match="No space left"):
        paint(run, files)
    for path in (files.target.path, files.path("timelapse"), files.path("trace")):
        assert path.stat().st_size > 0


def test_a_result_that_cannot_be_written_does_not_cost_the_others(run, monkeypatch, tmp_path):
    def full(*_, **__):
        raise OutputError("o.png: No space left on device")

    monkeypatch.setattr("impasto.images.picture.write_levels", full)
    files = requested(tmp_path, trace="t.jsonl", report="r.html", timelapse="f.gif")
    with pytest.raises(OutputError, match="No space left"):
        paint(run, files)
    for path in (files.path("report"), files.path("timelapse"), files.path("trace")):
        assert path.stat().st_size > 0
    assert not list(tmp_path.glob(".*"))


def test_scales_save_each_iteration_once(photo, painting, tmp_path):
    settings = Settings.of(size=64, scales="0.5,1", iterations="4,4", precision="fp32")
    files = requested(tmp_path, save_every=2, trace="t.jsonl")
    paint(Run(photo, painting, settings), files)
    saved = sorted(path.name for path in tmp_path.glob("o.*.png"))
    assert saved == ["o.0002.png", "o.0004.png", "o.0006.png"]
    assert [read(tmp_path / name).width for name in saved] == [32, 32, 64]
    scales = [(line["scale"], line["iteration"]) for line in traced(files)]
    assert scales == [(s, i) for s in (32, 64) for i in range(5)]
