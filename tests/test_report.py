"""Histories: what they keep, and the sheets and pages that tell them."""

import base64
import io
import re
import sys
from html.parser import HTMLParser
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from conftest import smooth_picture
from impasto.errors import ExtraMissing, OutputError
from impasto.images import Picture
from impasto.outputs.report import RunHistory, check_report, write_report
from impasto.outputs.report.curves import draw_curves
from impasto.outputs.report.figure import figure
from impasto.outputs.report.layout import CAPTION, MARGIN, WIDTH, Box, grid, overview
from impasto.outputs.report.words import brief, duration, summary
from made_steps import made_steps

HOSTILE = "</td><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\0\n\u202e\ud800.jpg"
SHAPES = [(300, 200), (200, 300), (1, 1), (7, 300), (2000, 3)]


def told(*scales, content=None, style=None, shape=(3, 2), snapshots=10, stop=None, **made):
    """The history of a run that stops after so many steps."""
    history = RunHistory(content, style, snapshots=snapshots)
    for step in islice(made_steps(*scales, shape=shape, **made), stop):
        history.record(step)
    return history


@pytest.fixture(scope="module")
def two_scales():
    content, style = smooth_picture(90, 60), smooth_picture(40, 50, phase=1.0)
    return told((30, 8), (60, 6), content=content, style=style)


# What a history keeps


def test_a_history_remembers_every_loss_and_no_canvas(two_scales):
    steps = list(made_steps((30, 8), (60, 6)))
    assert [s.line() for s in two_scales.steps] == [s.line() for s in steps]
    kept = [*two_scales.steps, two_scales.start.step, *(m.step for m in two_scales.snapshots)]
    assert all(step.canvas is None for step in kept)
    assert two_scales.scales == [30, 60]


@pytest.mark.parametrize("iterations", [0, 1, 4, 10, 25, 101])
@pytest.mark.parametrize("snapshots", [0, 1, 10])
def test_snapshots_are_few_and_even(iterations, snapshots):
    history = told((12, iterations), snapshots=snapshots)
    done = [snapshot.step.done for snapshot in history.snapshots]
    assert history.start.step.done == 0
    assert len(done) == min(snapshots, iterations)
    assert not done or done[-1] == iterations
    gaps = [later - earlier for earlier, later in pairwise([0, *done])]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_history_that_stops_early_has_its_share_of_snapshots():
    history = told((12, 100), stop=36)
    assert [snapshot.step.done for snapshot in history.snapshots] == [10, 20, 30]


def test_snapshots_are_small_and_true():
    history = told((700, 1), snapshots=1)
    steps = list(made_steps((700, 1)))
    assert history.snapshots[0].picture.size == (512, 342)
    error = history.start.picture.pixels.mean() - steps[0].picture().pixels.mean()
    assert abs(error) < 1e-3
    assert told((30, 1)).start.picture.size == (30, 20)


def test_a_history_continues_from_kept_pictures(two_scales):
    steps = list(made_steps((30, 8), (60, 6)))
    history = RunHistory(None, None)
    history.replay([step.bare() for step in steps[:10]], lambda step: smooth_picture(6, 4))
    for step in steps[10:]:
        history.record(step)
    assert [step.line() for step in history.steps] == [step.line() for step in steps]
    expected = [snapshot.step.done for snapshot in two_scales.snapshots]
    assert [snapshot.step.done for snapshot in history.snapshots] == expected
    assert history.start.picture.size == (6, 4)


def test_without_kept_pictures_there_is_no_initial_canvas():
    steps = list(made_steps((30, 8)))
    history = RunHistory(None, None)
    history.replay([step.bare() for step in steps[:4]], lambda _: None)
    history.record(steps[4])
    assert history.start is None
    assert [snapshot.step.done for snapshot in history.snapshots] == [4]
    assert len(history.steps) == 5


# Words


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (1e-6, "1e-6"),
        (0.0123, "0.0123"),
        (45.6, "45.6"),
        (1e5, "1e5"),
        (1.234e14, "1.23e14"),
    ],
)
def test_brief(number, text):
    assert brief(number) == text
    assert float(text) == pytest.approx(number, rel=5e-3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.99, "10 s"),
        (59.7, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_summary_says_what_was_planned_only_if_it_was_not_done(two_scales):
    assert summary(two_scales.steps, two_scales.scales).startswith("14 iterations at 30 → 60 px in")
    early = told((30, 8), stop=4)
    assert summary(early.steps, early.scales).startswith("3 of 8 iterations at 30 px")
    assert summary([], []) == "no iterations"


# Layout


@pytest.mark.parametrize("content", SHAPES)
@pytest.mark.parametrize("style", SHAPES)
@pytest.mark.parametrize("result", SHAPES)
def test_pictures_keep_their_shape_and_their_distance(content, style, result):
    inputs = [("Content", smooth_picture(*content)), ("Style", smooth_picture(*style))]
    placed = overview(inputs, ("Result", smooth_picture(*result)), 100)
    below = max(one.bottom for one in placed)
    placed += grid([(("iteration", "loss"), smooth_picture(*result))] * 7, below)
    for one in placed:
        width, height = one.picture.size
        assert one.box.height == pytest.approx(
            one.box.width * height / width, abs=height / width + 1
        )
        assert min(one.box.width, one.box.height) >= 1
        assert one.box.left >= MARGIN
        assert one.box.left + one.box.width <= WIDTH - MARGIN
    for index, one in enumerate(placed):
        for other in placed[:index]:
            beside = other.box.left + other.box.width <= one.box.left
            assert beside or other.bottom <= one.box.top or one.bottom <= other.box.top


def test_usual_pictures_end_at_one_line():
    for shape in ((300, 200), (200, 300), (256, 256)):
        pictures = [smooth_picture(*shape), smooth_picture(200, 160), smooth_picture(*shape)]
        inputs = list(zip(("Content", "Style"), pictures, strict=False))
        _, style, result = overview(inputs, ("Result", pictures[2]), 0)
        assert abs(style.bottom - result.bottom) <= 2
        assert result.box.width > style.box.width


# Curves


def lines(history):
    with figure(600, 400, 100) as sheet:
        draw_curves(sheet, history, Box(0, 0, 600, 400))
        (axes,) = sheet._figure.axes
        assert axes.get_yscale() == "log"
        return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def test_curves_are_the_losses(two_scales):
    drawn = lines(two_scales)
    losses = {"total": [step.loss for step in two_scales.steps]}
    losses |= {n: [s.terms[n] for s in two_scales.steps] for n in ("content", "style", "variation")}
    for name, expected in losses.items():
        x, y = drawn[name].T
        seen = ~np.isnan(y)
        positive = np.array(expected) > 0
        np.testing.assert_array_equal(y[seen], np.array(expected)[positive])
        done = np.array([step.done for step in two_scales.steps])
        np.testing.assert_array_equal(x[seen], done[positive])


def test_curves_break_where_the_scale_changes(two_scales):
    x, y = lines(two_scales)["total"].T
    (gap,) = np.flatnonzero(np.isnan(y[1:])) + 1
    assert x[gap - 1] == x[gap] == x[gap + 1] == 8
    marks = [line for name, line in lines(two_scales).items() if name.startswith("_")]
    assert [set(mark[:, 0]) for mark in marks] == [{8.0}]


def test_a_term_of_weight_zero_is_left_out():
    assert set(lines(told((12, 4), variation=0.0))) == {"total", "content", "style"}


@pytest.mark.parametrize("loss", [0.0, 1e-6, 1e14])
@pytest.mark.parametrize("iterations", [0, 1, 40])
def test_any_loss_can_be_drawn(loss, iterations):
    history = RunHistory(None, None)
    for step in made_steps((8, iterations)):
        step.terms.clear()
        object.__setattr__(step, "loss", loss)
        history.record(step)
    assert ("total" in lines(history)) == (loss > 0)


# Sheets


@pytest.mark.parametrize("dpi", [96, 144])
@pytest.mark.parametrize("size", [(57, 55), (115, 110), (1600, 259)])
def test_paper_has_the_size_asked_for(dpi, size):
    with figure(*size, dpi) as sheet, Image.open(io.BytesIO(sheet.png())) as picture:
        assert picture.size == size


def test_a_sheet_shows_the_pictures_it_was_given(tmp_path, two_scales):
    result = Picture(torch.tensor([0.9, 0.1, 0.2]).view(3, 1, 1).expand(3, 60, 90).contiguous())
    write_report(two_scales, tmp_path / "r.png", result, title="Title")
    with Image.open(tmp_path / "r.png") as sheet:
        levels = np.asarray(sheet.convert("RGB")).astype(int)
    red = (np.abs(levels - [230, 26, 51]).max(axis=2) <= 1).sum()
    inputs = [("Content", two_scales.content), ("Style", two_scales.style)]
    box = overview(inputs, ("Result", result), 0)[-1].box
    assert red == box.width * box.height
    assert levels.shape[1] == WIDTH
    assert (levels[:MARGIN] == 255).all()
    assert (levels[:, : MARGIN - CAPTION] == 255).all()


@pytest.mark.parametrize(
    ("shape", "stop"), [*((shape, 4) for shape in SHAPES), ((3, 2), 0), ((3, 2), 1), ((3, 2), 2)]
)
def test_any_run_can_be_told(shape, stop, tmp_path):
    history = told((min(60, max(shape)), 20), shape=shape, stop=stop)
    for ending in (".png", ".html"):
        write_report(history, tmp_path / f"r{ending}", smooth_picture(*shape))
    with Image.open(tmp_path / "r.png") as sheet:
        assert sheet.width == WIDTH
        assert (sheet.height > 640 + 2 * MARGIN) or stop == 0
    page = Reader(text_of(tmp_path))
    assert [tag for tag, _ in page.tags].count("svg") == (stop > 0)
    assert [tag for tag, _ in page.tags].count("img") == 1 + (stop > 0) + len(history.snapshots)


@pytest.mark.parametrize("missing", ["content", "style"])
def test_the_initial_canvas_stands_in(missing, tmp_path):
    history = told(
        (30, 2), **{{"content": "style", "style": "content"}[missing]: smooth_picture(30, 20)}
    )
    write_report(history, tmp_path / "r.html", smooth_picture(30, 20))
    captions = re.findall(r"<figcaption>(.*?)(?: <small>.*)?</figcaption>", text_of(tmp_path))
    other = "Style" if missing == "content" else "Content"
    assert captions == [other, "Initial canvas", "Result", "iteration 1", "iteration 2"]


@pytest.mark.parametrize(
    "title", ["$x_2$ \\frac {", "日本語 🎨", HOSTILE, "m" * 400, "…" * 300, "\t"]
)
def test_any_title_fits_on_a_sheet(title, tmp_path, two_scales):
    write_report(two_scales, tmp_path / "r.png", smooth_picture(30, 20), title=title)
    with Image.open(tmp_path / "r.png") as sheet:
        assert sheet.width == WIDTH
        margin = np.asarray(sheet.convert("RGB"))[:150, WIDTH - MARGIN + 4 :]
    assert (margin == 255).all()


# Pages


def text_of(folder):
    return (folder / "r.html").read_text("utf-8")


class Reader(HTMLParser):
    """What a browser would see: tags with attributes, and text. Every tag must be closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text += text


def test_a_page_needs_nothing_but_itself(tmp_path, two_scales):
    write_report(
        two_scales,
        tmp_path / "r.html",
        smooth_picture(90, 60),
        title=HOSTILE,
        facts={HOSTILE: HOSTILE},
    )
    text = text_of(tmp_path)
    page = Reader(text)
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "link",
        "iframe",
        "object",
        "base",
        "form",
    }
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert re.match(r"#|data:image/(png|jpeg);base64,", attributes.get(name, "#"))
    assert not re.search(r"https?:|file:|//[a-z]|@import|url\((?!#)", text)
    policy = next(a["content"] for _, a in page.tags if "http-equiv" in a)
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert (rules["img-src"], rules["style-src"]) == ("data:", "'unsafe-inline'")


def test_hostile_names_are_text(tmp_path, two_scales):
    write_report(
        two_scales,
        tmp_path / "r.html",
        smooth_picture(90, 60),
        title=HOSTILE,
        facts={HOSTILE: HOSTILE},
    )
    page = Reader(text_of(tmp_path))
    shown = HOSTILE.replace("\0", r"\x00").replace("\n", r"\n")
    shown = shown.replace("\u202e", r"\u202e").replace("\ud800", r"\ud800")
    assert page.text.count(shown) == 4  # title, heading, and both columns of the table


def test_a_page_has_every_picture(tmp_path, two_scales):
    result = smooth_picture(90, 60, phase=3.0)
    write_report(two_scales, tmp_path / "r.html", result, facts={"size": "90", "init": "content"})
    page = Reader(text_of(tmp_path))
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [a["alt"] for a in images[:3]] == ["Content", "Style", "Result"]
    assert len(images) == 3 + len(two_scales.snapshots)
    for attributes in images:
        encoded = base64.b64decode(attributes["src"].partition(",")[2])
        with Image.open(io.BytesIO(encoded)) as picture:
            assert picture.size == (int(attributes["width"]), int(attributes["height"]))
            if attributes["alt"] == "Result":
                error = np.asarray(picture).astype(int) - result.levels(8)
    assert np.abs(error).mean() < 4
    assert summary(two_scales.steps, two_scales.scales) in page.text
    assert [tag for tag, _ in page.tags].count("tr") == 2
    assert [tag for tag, _ in page.tags].count("svg") == 1


def test_a_transparent_result_stays_so(tmp_path, two_scales):
    clear = Picture(torch.full((3, 8, 8), 0.5), torch.full((8, 8), 0.25))
    write_report(two_scales, tmp_path / "r.html", clear)
    images = [attributes for tag, attributes in Reader(text_of(tmp_path)).tags if tag == "img"]
    encoded = base64.b64decode(images[2]["src"].removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(encoded)) as picture:
        assert picture.getpixel((3, 3)) == (128, 128, 128, 64)


@pytest.mark.parametrize("ending", [".png", ".html"])
def test_equal_histories_make_equal_files(ending, tmp_path):
    for name in ("a", "b"):
        write_report(
            told((30, 5)), tmp_path / f"{name}{ending}", smooth_picture(30, 20), facts={"a": "b"}
        )
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


# Whatever its user has set


def test_matplotlib_is_left_as_it_was(tmp_path, monkeypatch):
    import matplotlib

    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # whoever imports it fails
    history, result = told((30, 5)), smooth_picture(30, 20)
    write_report(history, tmp_path / "plain.png", result)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "text.usetex": True}):
        before = matplotlib.rcParams.copy()
        write_report(history, tmp_path / "styled.png", result)
        assert matplotlib.rcParams.copy() == before
    assert (tmp_path / "styled.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


# Places


@pytest.mark.parametrize("name", ["r.pdf", "r", ".png", "nowhere/r.png", "."])
def test_places_for_no_report(name, tmp_path, two_scales):
    for refuse in (
        check_report,
        lambda path: write_report(two_scales, path, smooth_picture(30, 20)),
    ):
        with pytest.raises(OutputError, match=r"ending in \.png, \.html|does not exist"):
            refuse(tmp_path / name)


@pytest.mark.parametrize(
    ("library", "refused"), [("matplotlib", [".png", ".html"]), ("jinja2", [".html"])]
)
def test_libraries_that_are_missing(library, refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    for ending in (".png", ".html"):
        if ending in refused:
            message = rf"writing a \{ending} report needs {library}.*impasto\[report\]"
            with pytest.raises(ExtraMissing, match=message):
                check_report(tmp_path / f"r{ending}")
        else:
            check_report(tmp_path / f"r{ending}")


@pytest.mark.parametrize("ending", [".png", ".html"])
def test_the_old_report_survives_a_failure(ending, tmp_path, monkeypatch, two_scales):
    path = tmp_path / f"r{ending}"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device; nothing was written"):
        write_report(two_scales, path, smooth_picture(30, 20))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


def test_a_real_run(tmp_path, photo, painting):
    history = RunHistory(photo, painting)
    quick = {"size": 32, "iterations": 2, "encoder": "tiny"}
    result = impasto.stylize(photo, painting, **quick, on_step=history.record)
    write_report(history, tmp_path / "r.html", result.image)
    captions = re.findall(r"<small>(.*?)</small>", text_of(tmp_path))
    assert captions == ["32 × 27 px", *(f"loss {brief(step.loss)}" for step in result.steps[1:])]
