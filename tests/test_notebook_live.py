"""The stage in a notebook, from Python: a fake page receives its traits and sends messages."""

import io
import sys
import threading

import comm
import comm.base_comm
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

import impasto
from conftest import smooth_picture
from impasto.apps.notebook import Live, live
from impasto.errors import Cancelled, Diverged, ImageError, SettingsError
from impasto.run.events import Step
from impasto.run.sources import Sources
from impasto.settings import Settings
from support.children import PATIENCE, finished

QUICK = {"size": 32, "iterations": 4, "precision": "fp32", "encoder": "tiny"}
LONG = {**QUICK, "iterations": 1_000_000}
PHOTO, PAINTING = smooth_picture(40, 32), smooth_picture(40, 40, phase=1.0)


class Page:
    """The page of a notebook: what it shows by now, and what a person does there."""

    def __init__(self):
        self.state, self.previews, self.changed = {}, 0, threading.Condition()
        self.comm = None

    def receive(self, kind, data, buffers):
        with self.changed:
            new = dict((data or {}).get("state", {}))
            paths = (data or {}).get("buffer_paths", ())
            for (name,), buffer in zip(paths, buffers or (), strict=True):
                new[name] = bytes(buffer)
            self.previews += kind == "comm_msg" and "preview" in new
            self.state |= new
            self.changed.notify_all()

    def say(self, kind, **facts):
        data = {"method": "custom", "content": {"kind": kind, **facts}}
        self.comm.handle_msg({"content": {"data": data}, "buffers": []})

    def until(self, condition):
        """The progress, once a condition of it holds."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.progress), PATIENCE), self.progress
            return self.progress

    @property
    def progress(self):
        return self.state.get("progress", {})

    def picture(self, name):
        image = Image.open(io.BytesIO(self.state[name]))
        assert image.format == "JPEG"
        return image


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The page of a notebook with a kernel."""
    page = Page()

    class Comm(comm.base_comm.BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **_):
            page.comm = self
            page.receive(msg_type, data, buffers)

    monkeypatch.setattr(comm, "create_comm", Comm)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.kernel = object()
    yield page
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "painting"]


@pytest.fixture
def endless(page):
    """A painting that does not end by itself while a test lasts, and has a picture."""
    painting = live(PHOTO, PAINTING, **LONG)
    page.until(lambda now: now.get("iteration", 0) > 0)
    yield painting
    painting.close()


def test_the_stage_paints_what_stylize_paints(page):
    painting = live(PHOTO, PAINTING, **QUICK)
    plain = impasto.stylize(PHOTO, PAINTING, **QUICK)
    assert torch.equal(painting.result(PATIENCE).image.pixels, plain.image.pixels)
    assert torch.equal(painting.image.pixels, plain.image.pixels)
    assert len(painting.steps) == 5
    assert painting.done()


def test_the_page_is_told_everything(page):
    live(PHOTO, PAINTING, **QUICK).result(PATIENCE)
    now = page.progress
    assert (now["state"], now["done"], now["total"], now["iteration"]) == ("done", 4, 4, 4)
    assert (now["size"], now["stage"], now["stages"], now["left"]) == ([32, 26], 1, 1, None)
    assert [done for done, _, _ in page.state["curve"]] == [0, 1, 2, 3, 4]
    assert page.picture("preview").size == page.picture("before").size == (32, 26)
    assert page.state["values"] == page.state["usual"]
    assert page.state["values"]["strength"] == 1.0
    assert {"style", "match", "keep"} <= {*page.state["colours"]}


def test_live_returns_at_once_and_stop_keeps_the_picture(page, endless):
    assert not endless.done()
    assert "under way" in repr(endless)
    with pytest.raises(TimeoutError, match="not painted after 0 seconds"):
        endless.result(timeout=0)
    page.say("stop")
    result = endless.result(PATIENCE)
    assert result.image.size == (32, 26)
    assert repr(endless).startswith("a painting of 32 × 26 px")
    assert len(result.steps) < LONG["iterations"]
    assert page.progress["state"] == "stopped"
    assert page.progress["iteration"] == result.steps[-1].iteration


def test_a_stopped_painting_goes_on(page, endless):
    page.say("stop")
    page.until(lambda now: now["state"] == "stopped")
    before = page.state["curve"][-1][0]
    page.say("go on")
    page.until(lambda now: now["state"] == "painting" and now["iteration"] > 0)
    page.say("stop")
    endless.result(PATIENCE)
    assert page.state["curve"][-1][0] > before


def test_a_slider_is_taken_up_while_it_paints(page, endless):
    page.say("change", settings={"strength": 0.25, "colour": "keep"})
    assert page.state["values"]["strength"] == 0.25
    assert page.state["heard"] == 1
    page.say("change", settings={"strength": None})
    assert page.state["values"]["strength"] == 1.0
    assert page.state["values"]["colour"] == "keep"
    page.say("stop")
    settings = endless.result(PATIENCE).settings
    assert endless.settings.colour == "keep"
    assert settings.strength in (0.25, 1.0)


class Canvases:
    """Every canvas of every run, in sRGB."""

    def __init__(self):
        self.runs, self.ends = [], []

    def opened(self, run):
        self.runs.append([])

    def heard(self, event):
        if isinstance(event, Step):
            self.runs[-1].append(event.space.to_srgb(event.canvas).clone())

    def ended(self, state, error):
        self.ends.append((state, error))


def test_a_change_goes_on_from_the_canvas():
    painting, heard = Live(Sources.of(PHOTO, PAINTING), Settings.of(**QUICK), {}), Canvases()
    painting.start(heard)
    first = painting.result(PATIENCE)
    painting.change(content_weight=50.0)
    second = painting.result(PATIENCE)
    assert second.settings.content_weight == 50.0
    before, after = heard.runs
    torch.testing.assert_close(after[0], before[-1])
    assert not torch.equal(second.image.pixels, first.image.pixels)
    assert heard.ends == [("done", None), ("done", None)]


def test_bytes_that_are_read_once_serve_for_changes_too():
    stream = io.BytesIO()
    PHOTO.save(stream, format="png")

    class OneWay(io.BytesIO):
        def seekable(self):
            return False

    painting = Live(Sources.of(OneWay(stream.getvalue()), PAINTING), Settings.of(**QUICK), {})
    painting.start(Canvases())
    painting.change(strength=0.5)
    assert painting.result(PATIENCE).settings.strength == 0.5
    painting.change(strength=0.7)
    assert painting.result(PATIENCE).settings.strength == 0.7


def test_what_the_page_asks_for_is_checked(page):
    painting = live(PHOTO, PAINTING, **QUICK)
    painting.result(PATIENCE)
    page.say("change", settings={"strength": 7})
    assert "strength" in page.progress["note"]
    for message in ({"settings": {"device": "cuda"}}, {"settings": 3}, {}):
        page.say("change", **message)
        assert "does not know" in page.progress["note"]
    assert page.state["values"] == page.state["usual"]
    assert page.progress["state"] == "done"
    assert painting.done()


def test_mistakes_are_raised_in_the_cell(page, tmp_path):
    with pytest.raises(SettingsError, match="size"):
        live(PHOTO, PAINTING, size=-1)
    with pytest.raises(ImageError):
        live(tmp_path / "missing.png", PAINTING, **QUICK)
    assert page.state == {}


def test_an_error_is_shown_and_raised(page):
    painting = live(PHOTO, PAINTING, **{**QUICK, "learning_rate": 1e30})
    with pytest.raises(Diverged, match="loss is"):
        painting.result(PATIENCE)
    assert repr(painting).startswith("a painting that failed: the loss is")
    assert page.progress["state"] == "failed"
    assert "loss is" in page.progress["error"]


def test_a_fault_names_its_kind(page, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("no canvas")

    monkeypatch.setattr("impasto.apps.notebook.viewer.jpeg", broken)
    painting = live(PHOTO, PAINTING, **QUICK)
    with pytest.raises(ZeroDivisionError):
        painting.result(PATIENCE)
    assert page.progress["error"] == "ZeroDivisionError: no canvas"


def test_an_interrupted_cell_stops_the_painting(endless, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(endless._lock, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            endless.result()
    assert endless.result(PATIENCE).image.size == (32, 26)


def test_stopped_before_the_first_canvas():
    painting = Live(Sources.of(PHOTO, PAINTING), Settings.of(**QUICK), {})

    class Stops(Canvases):
        def opened(self, run):
            super().opened(run)
            painting.stop()

    painting.start(Stops())
    with pytest.raises(Cancelled, match="before there was a canvas"):
        painting.result(PATIENCE)


def test_one_preview_at_a_time(page, endless, monkeypatch):
    """The next one waits until the page says that it shows the last."""
    monkeypatch.setattr("impasto.apps.notebook.viewer._UNSEEN", 1e9)
    monkeypatch.setattr("impasto.apps.notebook.viewer._MIN_PAUSE", 0.0)
    monkeypatch.setattr("impasto.apps.notebook.viewer._RATIO", 0.0)
    page.say("seen")
    page.until(lambda now, had=page.previews: page.previews > had)
    shown, at = page.previews, page.progress["iteration"]
    page.until(lambda now: now["iteration"] > at + 20)
    assert page.previews <= shown + 1  # one may have been due before these pauses held
    had = page.previews
    page.say("seen")
    page.until(lambda now: page.previews > had)


@pytest.mark.parametrize("missing", ["anywidget", "IPython"])
def test_without_widgets_it_paints_before_it_returns(missing, monkeypatch):
    if missing == "anywidget":
        monkeypatch.setitem(sys.modules, missing, None)
    painting = live(PHOTO, PAINTING, **QUICK)
    assert painting.done()
    assert painting.result().image.size == (32, 26)


def test_plain_is_plain(page):
    painting = live(PHOTO, PAINTING, plain=True, **QUICK)
    assert painting.done()
    assert page.state == {}
    painting.change(strength=0.5)
    assert painting.result(PATIENCE).settings.strength == 0.5


def test_the_stage_needs_neither_server_nor_matplotlib():
    probe = (
        "import impasto.apps.notebook.viewer, sys;"
        "sys.exit(bool({'starlette', 'uvicorn', 'matplotlib'} & {*sys.modules}))"
    )
    assert finished([sys.executable, "-c", probe]).returncode == 0
