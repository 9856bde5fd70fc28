"""The page about a film: frames, curves with cuts, settings, notes; also of a resumed one."""

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.apps.film import curves
from impasto.apps.film.entries import Entry
from impasto.apps.film.report import contact, notes, summary
from impasto.outputs.report.figure import figure
from impasto.outputs.report.layout import Box
from support.films import four_frames, painted, run_of


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return four_frames(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def entries_of(*lengths, **facts):
    """A film of shots of these lengths."""
    shots = [shot for shot, length in enumerate(lengths) for _ in range(length)]
    return [Entry(n, n / 25, "", shot=shot, loss=1.0, **facts) for n, shot in enumerate(shots)]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(2, 24))
def test_a_contact_sheet_has_so_many_frames_and_the_first_of_each_shot(lengths, most):
    entries = entries_of(*lengths)
    chosen = [entry.index for entry in contact(entries, most)]
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= most
    assert chosen[0] == 0
    starts = {sum(lengths[:n]) for n in range(len(lengths))}
    if len(lengths) <= most:
        assert starts <= {*chosen}
    if len(entries) <= most:
        assert len(chosen) == len(entries)


def test_summary_and_notes():
    assert summary(entries_of(2, 1, seconds=2.0), (64, 48)) == (
        "3 frames in 2 shots at 64 × 48 px in 6.0 s, mean loss 1"
    )
    assert summary(entries_of(1), (64, 48)).startswith("1 frame in 1 shot at")
    lines = list(notes(entries_of(300, notes=("held over",))))
    assert lines[0] == "frame 0: held over"
    assert lines[-1] == "… and 100 more"
    assert len(lines) == 201


def test_curves_break_at_cuts_and_name_shots():
    drawn = []
    axes = SimpleNamespace(
        plot=lambda x, y, **style: drawn.append((list(x), list(y))),
        axvline=lambda x, **style: drawn.append(x),
        annotate=lambda text, *_, **style: drawn.append(text),
    )
    curves._draw(quiet(axes), entries_of(2, 2), "loss", "black")
    curves._mark_cuts(quiet(axes), entries_of(2, 2), named=True)
    (x, y), *marks = drawn
    assert x == [0, 1, 1.5, 2, 3]
    assert y[2] != y[2]  # a gap
    assert marks == ["shot 1", 1.5, "shot 2"]


def quiet(axes):
    axes.set_ylabel = axes.set_yscale = lambda *_: None
    return axes


@pytest.mark.parametrize("loss", [None, 0.0, 1.0])
@pytest.mark.parametrize("count", [1, 3])
def test_any_film_can_be_drawn(loss, count):
    entries = [Entry(n, n / 25, "", loss=loss) for n in range(count)]
    with figure(400, 300, 96) as drawing:
        weights = {"a": [1.0] * count}
        curves.draw_film_curves(drawing, entries, weights, Box(0, 0, 400, 300))
        assert "<svg" in drawing.svg()


def test_a_film_has_a_report_in_one_file(clip, desk):
    result = painted(clip, {0: "sample:swirl", 0.1: "sample:ember"}, report="film.html")
    page = (desk / "film.html").read_text("utf-8")
    assert page.count("<img") == 3 + len(result.entries)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page
    for text in (
        "clip.mkv in the style of swirl.jpg, ember.jpg",
        "4 frames in 2 shots",
        "frame 3 · 0:00.12",
        "shot 2",
        "E_warp",
        "weight of style",
        "steadiness",
    ):
        assert text in page, text


def test_the_report_of_a_resumed_film_is_whole(clip, desk):
    painted(clip, frames="0:2")
    painted(clip, report="film.html")
    page = (desk / "film.html").read_text("utf-8")
    assert page.count("<img") == 2 + 4


def test_names_are_harmless_in_a_report(clip, desk):
    style = desk / "<b>&\n.png"
    picture = next(iter(run_of(clip))).picture()
    picture.save(style)
    painted(clip, str(style), output="other.mkv", report="film.html")
    page = (desk / "film.html").read_text("utf-8")
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;\\n.png" in page
