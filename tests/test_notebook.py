"""Runs watched without widgets: one output, updated in place, whatever ends the run."""

import io
import sys
from itertools import islice

import numpy as np
import pytest
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

import impasto
from conftest import smooth_picture
from impasto.apps.notebook import live, show, watch
from impasto.errors import Diverged, ExtraMissing, ImageError, SettingsError
from made_steps import made_steps


class Page(DisplayPublisher):
    """What a front end receives."""

    def publish(self, data, metadata=None, *, transient=None, update=False, **_):
        self.received.append((data, (transient or {})["display_id"], update))


@pytest.fixture
def cell(tmp_path, monkeypatch):
    """Outputs of a notebook's cell: (data, display id, whether it is an update)."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.display_formatter.active_types = list(shell.display_formatter.format_types)
    shell.display_pub = Page(parent=shell)
    shell.display_pub.received = []
    yield shell.display_pub.received
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def checked(cell, updates):
    """The pictures shown, after checking that they replaced each other."""
    assert len({identity for _, identity, _ in cell}) == 1
    assert [update for _, _, update in cell] == [False] + [True] * updates
    return [Image.open(io.BytesIO(data["image/png"])).convert("RGB") for data, _, _ in cell]


@pytest.mark.parametrize(
    ("iterations", "every", "updates"), [(0, 1, 0), (5, 1, 5), (20, 10, 2), (25, 10, 3), (3, 10, 1)]
)
def test_one_output_is_updated(cell, iterations, every, updates):
    steps = list(made_steps((24, iterations)))
    assert list(watch(iter(steps), every)) == steps
    checked(cell, updates)


def test_the_canvas_is_shown_as_it_is(cell):
    steps = list(made_steps((48, 4)))
    list(watch(steps, every=2))
    panels = checked(cell, 2)
    for panel, step in zip(panels, steps[::2], strict=True):
        canvas = step.picture().levels(8)
        np.testing.assert_array_equal(np.asarray(panel)[:32, :48], canvas)


def test_large_canvases_are_shown_smaller(cell):
    list(watch(made_steps((1100, 0), shape=(1, 1))))
    (panel,) = checked(cell, 0)
    assert panel.height == 512


def test_words_for_a_terminal(cell):
    list(watch(made_steps((24, 3))))
    assert cell[-1][0]["text/plain"].startswith("3 iterations at 24 px in 0.8 s, final loss")


def test_a_break_shows_where_it_stopped(cell):
    steps = list(made_steps((24, 9)))
    for step in watch(steps):
        if step.done == 4:
            break
    panels = checked(cell, 1)
    np.testing.assert_array_equal(np.asarray(panels[-1])[:16, :24], steps[4].picture().levels(8))


@pytest.mark.parametrize("error", [Diverged("the loss is nan"), KeyboardInterrupt()])
def test_an_error_passes_after_the_last_update(cell, error):
    def broken():
        yield from islice(made_steps((24, 9)), 4)
        raise error

    with pytest.raises(type(error)) as caught:
        list(watch(broken()))
    assert caught.value is error
    checked(cell, 1)


def test_a_last_update_that_fails_does_not_hide_the_error(cell, monkeypatch):
    steps = list(made_steps((24, 9)))

    def broken():
        yield from steps[:4]
        monkeypatch.setattr("impasto.apps.notebook.plain.Panel", None)
        raise Diverged("the loss is nan")

    with pytest.raises(Diverged, match="the loss is nan"):
        list(watch(broken()))
    checked(cell, 0)


def test_live_is_stylize_watched(cell):
    photo, painting = smooth_picture(40, 40), smooth_picture(40, 40, phase=1.0)
    quick = {"size": 32, "iterations": 2, "precision": "fp32", "encoder": "tiny"}
    result = live(photo, painting, every=1, **quick)
    plain = impasto.stylize(photo, painting, **quick)
    assert (result.image.pixels == plain.image.pixels).all()
    panels = checked(cell, 2)
    np.testing.assert_array_equal(np.asarray(panels[-1])[:32, :32], result.image.levels(8))


def test_live_takes_arguments_of_run_too(cell):
    photo, painting = smooth_picture(40, 40), smooth_picture(40, 40, phase=1.0)
    start = smooth_picture(32, 32, phase=2.0)
    quick = {"size": 32, "iterations": 0, "precision": "fp32", "encoder": "tiny"}
    result = live(photo, painting, every=1, init=start, **quick)
    assert (result.image.pixels - start.pixels).abs().max() < 1e-3


def test_notices_are_printed(cell, capsys):
    photo, painting = smooth_picture(40, 40), smooth_picture(40, 40, phase=1.0)
    settings = impasto.Settings.of(
        size=32, iterations=5, learning_rate=1e30, precision="fp32", encoder="tiny"
    )
    with pytest.raises(Diverged):
        list(watch(impasto.Run(photo, painting, settings)))
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith("warning: ") for line in lines)


def test_without_a_front_end_nothing_is_shown(capsys):
    assert not InteractiveShell.initialized()
    steps = list(made_steps((24, 3)))
    assert list(watch(steps, every=1)) == steps
    assert capsys.readouterr() == ("", "")


def test_mistakes_are_told_at_once(monkeypatch):
    with pytest.raises(SettingsError, match="every is 0; expected 1 or more"):
        watch([], every=0)
    for library in ("IPython", "matplotlib"):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, library, None)
            message = rf"watching a run needs {library}.*impasto\[notebook\]"
            with pytest.raises(ExtraMissing, match=message):
                watch([])


@pytest.fixture
def drawn():
    """What `show` draws: the axes of the current figure."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield lambda: pyplot.gcf().axes
    pyplot.close("all")


def test_pictures_and_maps_are_shown_side_by_side(drawn, tmp_path):
    picture = smooth_picture(24, 20)
    picture.save(tmp_path / "saved.png")
    show(
        {"a map": np.arange(6.0).reshape(2, 3), "pixels": picture.pixels * 2},
        picture=picture,
        saved=tmp_path / "saved.png",
        sample="sample:swirl",
        columns=3,
    )
    axes = drawn()
    titles = ["a map", "pixels", "picture", "saved", "sample", ""]
    assert [each.get_title() for each in axes] == titles
    shapes = [each.images[0].get_array().shape for each in axes[:4]]
    assert shapes == [(2, 3), (20, 24, 3), (20, 24, 3), (20, 24, 3)]
    assert axes[1].images[0].get_array().max() <= 1


def test_what_cannot_be_shown():
    with pytest.raises(SettingsError, match="0 pictures in 4 columns"):
        show()
    with pytest.raises(SettingsError, match="1 pictures in 0 columns"):
        show(picture=smooth_picture(8, 8), columns=0)
    with pytest.raises(ImageError, match=r"features: shape \(4, 5, 6, 7\); expected"):
        show(features=np.zeros((4, 5, 6, 7)))
