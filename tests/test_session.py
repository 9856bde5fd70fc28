"""A session writes what it was asked for, whatever happens on the way."""

import json
import os
import re
import signal
import sys
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from threading import Event, Timer

import numpy as np
import pytest
from PIL import Image

from conftest import smooth_picture
from impasto.errors import Diverged, OutputError
from impasto.images import read
from impasto.outputs import OUTPUTS, Request, paint
from impasto.outputs.kept import KeptPictures
from impasto.outputs.report.history import BYTES, RunHistory
from impasto.run import Run
from impasto.run.checkpoint import Checkpoint
from impasto.run.events import Notice, Step
from impasto.settings import Settings
from made_steps import made_steps
from support.children import finished


@pytest.fixture
def files(tmp_path):
    return requested(tmp_path, save_every=2, trace="t.jsonl", report="r.html", timelapse="f.gif")


def requested(folder, **wanted):
    return Request.of({"output": folder / "o.png", **wanted})


def written(request):
    return {name: request.path(name) for name in ("picture", "trace", "report", "timelapse")}


@pytest.fixture
def run(photo, painting):
    return Run(photo, painting, Settings.of(size=48, iterations=5, encoder="tiny"))


def at_steps(action):
    """A function of events that passes on the steps."""
    return lambda event: isinstance(event, Step) and action(event)


def traced(files):
    return [json.loads(line) for line in files.path("trace").read_text("utf-8").splitlines()]


def test_everything_is_written(run, files, tmp_path):
    shown = []
    outcome = paint(run, files, at_steps(shown.append))
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

    return at_steps(show)


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


def raising(error):
    """A function of any arguments that fails."""

    def fail(*_, **__):
        raise error

    return fail


def once(action, error):
    """The same function, but its first call fails."""
    errors = [error]

    def called(*arguments, **options):
        if errors:
            raise errors.pop()
        return action(*arguments, **options)

    return called


def test_a_bug_is_raised_after_saving(run, photo, painting, tmp_path):
    wanted = {"trace": "t.jsonl", "report": "r.html", "timelapse": "f.gif"}
    request = requested(tmp_path, **wanted, checkpoint_every=0.0)
    with pytest.raises(ZeroDivisionError):
        paint(run, request, stop_at(2, ZeroDivisionError()))
    assert len(traced(request)) == 3
    for path in written(request).values():
        assert path.stat().st_size > 0
    assert len(Run(photo, painting, run.settings, resume=load(request)).steps) == 3
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("output", "method"), [("trace", "_print"), ("report", "finish"), ("report", "settle")]
)
def test_a_bug_in_one_output_does_not_cost_the_others(output, method, run, files, monkeypatch):
    monkeypatch.setattr(OUTPUTS.get(output), method, raising(KeyError("loss")))
    with pytest.raises(KeyError, match="loss"):
        paint(run, files)
    for name in {"picture", "trace", "report", "timelapse"} - {output}:
        assert files.path(name).stat().st_size > 0


def test_a_result_that_cannot_be_made_does_not_cost_the_others(run, files, monkeypatch):
    monkeypatch.setattr(run, "result", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        paint(run, files)
    assert len(traced(files)) == 6
    assert not list(files.target.path.parent.glob(".*"))


def test_a_bug_in_one_of_several_processes_asks_nothing_of_the_others(run, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "share", object())
    monkeypatch.setattr(run, "result_in_bands", lambda _: pytest.fail("asked"))
    request = requested(tmp_path, trace="t.jsonl", report="r.html")
    with pytest.raises(ZeroDivisionError):
        paint(run, request, stop_at(2, ZeroDivisionError()))
    assert [path.name for path in tmp_path.iterdir()] == ["t.jsonl"]


def test_the_end_of_the_process_leaves_no_temporary_file(run, files, tmp_path):
    with pytest.raises(SystemExit):
        paint(run, files, stop_at(2, SystemExit()))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "where",
    [
        (Run, "result"),
        (OUTPUTS.get("picture"), "finish"),
        (OUTPUTS.get("timelapse"), "finish"),
        (OUTPUTS.get("report"), "settle"),
    ],
)
def test_the_first_interruption_at_the_end_prevents_no_file(where, run, files, monkeypatch):
    owner, name = where
    interrupted = once(getattr(owner, name), KeyboardInterrupt())
    monkeypatch.setattr(owner, name, lambda *args, **options: interrupted(*args, **options))
    outcome = paint(run, files)
    assert not outcome.interrupted
    for path in written(files).values():
        assert path.stat().st_size > 0


def test_the_second_interruption_at_the_end_ends_the_session(run, tmp_path, monkeypatch):
    monkeypatch.setattr(OUTPUTS.get("report"), "finish", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        paint(run, requested(tmp_path, report="r.html"))


def test_a_preview_without_memory_is_a_notice_and_the_run_goes_on(
    photo, painting, tmp_path, monkeypatch
):
    error = RuntimeError("[enforce fail at alloc_cpu.cpp:114] can't allocate memory")
    monkeypatch.setattr("impasto.run.events.interpolate", raising(error))
    monkeypatch.setattr("impasto.outputs.timelapse.output._KEPT", 32)
    run = Run(photo, painting, Settings.of(size=48, iterations=5, encoder="tiny"))
    events, request = [], requested(tmp_path, timelapse="f.gif", checkpoint_every=0.0)
    outcome = paint(run, request, events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == ["not enough memory for the preview; lower size or history; the run goes on"]
    assert not outcome.interrupted
    assert (tmp_path / "o.png").exists()


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
    settings = Settings.of(size=64, scales="0.5,1", iterations="4,4", encoder="tiny")
    files = requested(tmp_path, save_every=2, trace="t.jsonl")
    paint(Run(photo, painting, settings), files)
    saved = sorted(path.name for path in tmp_path.glob("o.*.png"))
    assert saved == ["o.0002.png", "o.0004.png", "o.0006.png"]
    assert [read(tmp_path / name).width for name in saved] == [32, 32, 64]
    scales = [(line["scale"], line["iteration"]) for line in traced(files)]
    assert scales == [(s, i) for s in (32, 64) for i in range(5)]


# A run that is resumed


SCALES = {"size": 48, "scales": "0.5,1", "iterations": "4,5", "precision": "fp32"}


def resumed(photo, painting, folder, stop_after, **wanted):
    """The outcome of a run that is stopped after some steps and resumed from its checkpoint."""
    settings, stop = Settings.of(**SCALES), Event()
    first = requested(folder, **wanted, checkpoint_every=0.0)
    run = Run(photo, painting, settings)
    outcome = paint(run, first, lambda _: len(run.steps) == stop_after and stop.set(), stop)
    assert outcome.interrupted
    saved = Checkpoint.load(first.path("checkpoint"))
    second = Run(photo, painting, settings, resume=saved)
    assert len(second.steps) == stop_after
    return paint(second, requested(folder, **wanted, checkpoint_every=0.0))


@pytest.mark.parametrize("stop_after", [1, 3, 6, 9])
def test_reports_films_and_traces_of_a_resumed_run_are_whole(stop_after, photo, painting, tmp_path):
    wanted = {"trace": "t.jsonl", "report": "r.html", "timelapse": "f.gif"}
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = requested(tmp_path / "whole", **wanted)
    expected = paint(Run(photo, painting, Settings.of(**SCALES)), whole).result
    resumed(photo, painting, tmp_path / "broken", stop_after, **wanted)
    left = sorted(path.name for path in (tmp_path / "broken").iterdir())
    assert left == ["f.gif", "o.png", "r.html", "t.jsonl"]
    pages = [(tmp_path / name / "r.html").read_text("utf-8") for name in ("whole", "broken")]
    captions = [re.findall(r"<figcaption>(.*?)</figcaption>", page) for page in pages]
    assert captions[0] == captions[1]
    curves = [re.findall(r'<path d="(.*?)"', page, re.DOTALL) for page in pages]
    assert curves[0] == curves[1]
    traces = [traced(requested(tmp_path / name, **wanted)) for name in ("whole", "broken")]
    losses = [[line["loss"] for line in trace] for trace in traces]
    assert losses[0] == losses[1] == [step.loss for step in expected.steps]
    films = [list(frames(tmp_path / name / "f.gif")) for name in ("whole", "broken")]
    assert [seconds for _, seconds in films[0]] == [seconds for _, seconds in films[1]]
    for (one, _), (other, _) in zip(*films, strict=True):
        assert np.abs(one - other).mean() < 8  # levels of 255; JPEG, and another palette


def frames(path):
    """Levels (h, w, 3) and duration of each frame."""
    with Image.open(path) as film:
        for index in range(film.n_frames):
            film.seek(index)
            yield np.asarray(film.convert("RGB")).astype(float), film.info["duration"]


def test_the_first_picture_of_a_resumed_run_is_not_called_the_initial_canvas(painting, tmp_path):
    run = Run(None, painting, Settings.of("texture", size=32, iterations=4, precision="fp32"))
    stop, request = Event(), requested(tmp_path, checkpoint_every=0.0)
    paint(run, request, lambda _: len(run.steps) == 3 and stop.set(), stop)
    saved = Checkpoint.load(request.path("checkpoint"))
    second = Run(None, painting, run.settings, resume=saved)
    paint(second, requested(tmp_path, report="r.html"))  # which was not asked for at first
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "Initial canvas" not in page
    assert "4 iterations" in page


def test_kept_pictures_are_of_the_same_run(photo, painting, tmp_path):
    request, stop = requested(tmp_path, timelapse="f.gif", checkpoint_every=0.0), Event()
    run = Run(photo, painting, Settings.of(**SCALES))
    paint(run, request, lambda _: len(run.steps) == 4 and stop.set(), stop)
    kept = KeptPictures(request.path("timelapse"))
    assert all(kept.get(step) for step in run.steps)
    assert not any(kept.get(replace(step, loss=step.loss * (1 + 1e-15))) for step in run.steps)
    (damaged,) = kept.folder.glob("0000002-*")
    damaged.write_bytes(damaged.read_bytes()[:200])
    assert [bool(kept.get(step)) for step in run.steps] == [True, True, False, True]
    again = requested(tmp_path, timelapse="f.gif", trace="t.jsonl", checkpoint_every=0.0)
    paint(run, again)  # from the beginning
    assert not kept.folder.exists()
    assert [line["done"] for line in traced(again)] == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9]


def test_kept_pictures_do_not_follow_a_link(photo, tmp_path):
    kept = KeptPictures(tmp_path / "f.gif")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1-1.jpg").write_bytes(b"mine")
    kept.folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="is a link"):
        kept.add(next(made_steps((8, 1))), photo)
    kept.remove()
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["1-1.jpg"]


# Stopping


def test_a_stopped_run_ends_after_the_step(run, files):
    stop = Event()
    outcome = paint(run, files, at_steps(lambda step: step.iteration == 2 and stop.set()), stop)
    assert outcome.interrupted
    assert run.done == 2


def test_what_is_saved_has_the_size_that_was_asked_for(photo, painting, tmp_path):
    settings = Settings.of(size=64, scales="0.5,1", iterations="7,9", precision="fp32")
    stop, seen = Event(), []

    def show(step):
        if (tmp_path / "o.png").exists():
            seen.append(read(tmp_path / "o.png").size)
            stop.set()

    outcome = paint(
        Run(photo, painting, settings), requested(tmp_path, preview=True), at_steps(show), stop
    )
    assert outcome.interrupted
    assert seen == [(64, 53)]
    assert read(tmp_path / "o.png").size == (64, 53)


def test_a_session_leaves_signals_alone(run, tmp_path):
    handlers = []
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def show(_):
        handlers.append([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])

    paint(run, requested(tmp_path, checkpoint_every=0.0), at_steps(show))
    assert handlers == [before] * 6


def test_a_cancelled_run_is_saved_as_far_as_it_came(photo, painting, tmp_path):
    run = Run(photo, painting, Settings.of(**SCALES))
    request, events = requested(tmp_path, report="r.html", checkpoint_every=0.0), []

    def show(event):
        events.append(event)
        if isinstance(event, Step) and event.done == 2:
            run.cancel()

    outcome = paint(run, request, show)
    assert outcome.interrupted
    assert (events[-1].reason, run.done) == ("cancelled", 2)
    assert outcome.stopped_at == (24, 20)
    assert read(tmp_path / "o.png").size == (48, 40)
    assert (tmp_path / "r.html").exists()
    assert len(Run(photo, painting, run.settings, resume=load(request)).steps) == 3


def load(request):
    return Checkpoint.load(request.path("checkpoint"))


def test_a_cancel_within_a_step_leaves_the_checkpoint_before(photo, painting, tmp_path):
    run = Run(photo, painting, Settings.of(**SCALES))
    request = requested(tmp_path, checkpoint_every=0.0)
    steps = []

    def show(event):
        if isinstance(event, Step):
            steps.append(event.done)
            if event.done == 3:
                Timer(0.0, run.cancel).start()

    outcome = paint(run, request, show)
    assert outcome.interrupted
    assert Run(photo, painting, run.settings, resume=load(request)).done in steps


# Memory


def test_what_outputs_hold_is_counted_and_bounded(photo, painting, tmp_path, monkeypatch):
    small, large = (640, 480), (16_000, 12_000)
    saved = requested(tmp_path, checkpoint_every=0.0)
    assert saved.extra_bytes((8, 8)) < 2e6 < 2**28 == saved.extra_bytes(large)
    for wanted in ({"report": "r.html"}, {"timelapse": "f.gif"}, {"timelapse": "f.webp"}):
        request = requested(tmp_path, **wanted)
        assert request.extra_bytes(large) <= 64e6
    film = requested(tmp_path, timelapse="f.mp4")
    assert film.extra_bytes(small) < 32e6 < film.extra_bytes(large) < 1.1e9
    both = requested(tmp_path, timelapse="f.mp4", report="r.png")
    report = requested(tmp_path, report="r.png")
    assert both.extra_bytes(large) == film.extra_bytes(large) + report.extra_bytes(large)
    reserved = []
    monkeypatch.setattr(Run, "reserve", lambda _, extra: reserved.append(extra))
    paint(Run(photo, painting, Settings.of(size=32, iterations=1, precision="fp32")), report)
    assert reserved == [report.extra_bytes((32, 27))]


def test_a_plan_leaves_space_for_what_outputs_hold(photo, painting):
    settings = Settings.of(size=48, iterations=1, precision="fp32", threads=1)
    plans = []
    for extra in (0, 10**7):
        run = Run(photo, painting, settings)
        run.reserve(extra)
        next(iter(run))
        plans.append(run.state.plans[-1].peak)
    assert plans[1] - plans[0] == 10**7


def test_a_history_holds_small_pictures_only():
    large = smooth_picture(2400, 1200)
    history = RunHistory(large, large)
    for step in made_steps((1200, 12)):
        history.record(step)
    pictures = [history.content, history.style, history.start.picture]
    pictures += [snapshot.picture for snapshot in history.snapshots]
    assert sum(picture.pixels.nbytes for picture in pictures) <= BYTES


# Links


@pytest.mark.parametrize(
    "wanted",
    [
        {"checkpoint": "c.checkpoint", "checkpoint_every": 0.0},
        {"trace": "t.jsonl"},
        {"report": "r.html"},
        {"timelapse": "f.gif"},
    ],
)
def test_a_link_to_another_kind_of_file_is_refused(wanted, run, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    request = requested(tmp_path, **wanted)
    link = list(request.paths(3))[1]
    link.symlink_to(notes)
    with pytest.raises(OutputError, match=r"notes\.txt"):
        paint(run, request)
    assert notes.read_text() == "mine"


# Failures


def test_a_failure_is_noticed_once_and_the_other_files_are_written(run, tmp_path):
    events = []
    outcome = paint(run, requested(tmp_path, trace=Path("/dev/full")), events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert len(notices) == 1
    assert notices[0].startswith("/dev/full: cannot be written (No space left on device)")
    assert not outcome.interrupted
    assert (tmp_path / "o.png").exists()


def test_an_output_that_cannot_begin_ends_the_session_at_once(run, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OutputError("f.gif: No space left on device")

    monkeypatch.setattr(OUTPUTS.get("timelapse"), "begin", full)
    with pytest.raises(OutputError, match="No space left"):
        paint(run, requested(tmp_path, trace="t.jsonl", report="r.html", timelapse="f.gif"))
    assert run.done is None
    assert list(tmp_path.iterdir()) == []


# An output from outside


PLUGIN = '''
from pathlib import Path
from impasto.outputs import Option, Output
from impasto.run.events import Notice, Step


class Losses(Output):
    """A table of losses."""

    options = (Option("losses", Path, "Losses as a table.", metavar="FILE.csv"),)
    endings = (".csv",)

    def begin(self, run, *, continues):
        self.lines = ["iteration,loss"]

    def handle(self, event):
        if isinstance(event, Step):
            self.lines.append(f"{event.done},{event.loss!r}")

    def finish(self, result):
        self.path.write_text("\\n".join(self.lines))
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An installed package, in one file, that offers an output."""
    site = tmp_path / "site"
    (site / "losses_csv-1.0.dist-info").mkdir(parents=True)
    (site / "losses_csv.py").write_text(PLUGIN)
    about = site / "losses_csv-1.0.dist-info"
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: losses-csv\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[impasto.outputs]\nlosses = losses_csv:Losses\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(OUTPUTS, "_found", dict(OUTPUTS._found))
    yield site
    sys.modules.pop("losses_csv", None)


def test_installed_packages_are_looked_through_once(plugin, monkeypatch):
    looked = []

    def counted(group):
        looked.append(group)
        return entry_points(group=group)

    monkeypatch.setattr("impasto.settings.registry.entry_points", counted)
    monkeypatch.syspath_prepend(str(plugin / "elsewhere"))  # another path, so another look
    assert "losses" in OUTPUTS.names()
    assert "losses" in OUTPUTS.names()
    assert looked == ["impasto.outputs"]


def table(path):
    return [float(line.split(",")[1]) for line in path.read_text().splitlines()[1:]]


def test_an_output_from_outside_in_python(plugin, run, tmp_path):
    request = requested(tmp_path, losses="{stem}_losses.csv")
    outcome = paint(run, request)
    assert table(tmp_path / "o_losses.csv") == [step.loss for step in outcome.result.steps]
    with pytest.raises(OutputError, match=r"expected a name ending in \.csv"):
        requested(tmp_path, losses="l.txt").check()
    with pytest.raises(OutputError, match="is also the input"):
        requested(tmp_path, losses="o_losses.csv").check([str(tmp_path / "o_losses.csv")])


def test_an_output_from_outside_that_fails_does_not_cost_the_others(plugin, run, tmp_path):
    request = requested(tmp_path, losses="l.csv", report="r.html")
    (tmp_path / "l.csv").mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(OUTPUTS.get("losses"), "check", lambda *_: None)
        with pytest.raises(OutputError, match=r"l\.csv: Is a directory"):
            paint(run, request)
    assert (tmp_path / "o.png").exists()
    assert (tmp_path / "r.html").exists()


def test_an_output_from_outside_says_where_a_resumed_run_begins(plugin, photo, painting, tmp_path):
    stop, first = Event(), requested(tmp_path, checkpoint_every=0.0)
    run = Run(photo, painting, Settings.of(**SCALES))
    paint(run, first, at_steps(lambda step: step.done == 2 and stop.set()), stop)
    second, events = Run(photo, painting, run.settings, resume=load(first)), []
    paint(second, requested(tmp_path, losses="l.csv"), events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == ["losses: begins after iteration 2, where the run is resumed"]


def test_an_output_from_outside_on_the_command_line(plugin, tmp_path):
    smooth_picture(40, 32).save(tmp_path / "photo.png")
    smooth_picture(40, 32, 1.0).save(tmp_path / "painting.png")
    program = [sys.executable, "-m", "impasto", "stylize"]
    files = ["photo.png", "painting.png", "-o", "o.png", "--losses", "l.csv"]
    settings = ["--size", "32", "--iterations", "2", "--quiet"]
    path = os.pathsep.join([str(plugin), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = finished([*program, *files, *settings], cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(table(tmp_path / "l.csv")) == 3
