"""How a shot's frames depend on its first one: goals, colours and holds, as styles and masks do."""

import pytest
import torch

from impasto.apps.film.painting import Moved, ShotPainter, _alike
from impasto.apps.film.sources import FrameSources
from impasto.images import Picture
from impasto.settings import FilmSettings, Settings
from support.pictures import smooth_picture

SETTINGS = Settings.of(size=(32, 24), smallest=24, encoder="tiny", iterations=2)
WHOLE = torch.ones(24, 32)
FILM = FilmSettings.of(frame_iterations=3, open_iterations=8, least_iterations=0, drift=0.0)


def sources(weights=(), covered=None):
    masks = None if covered is None else torch.full((1, 24, 32), covered)
    return FrameSources(["sample:swirl"], {}, {}, weights, masks)


def begun(first, loss=2.0, film=FILM):
    """A painter whose shot's first frame is black in the clip and red in the painting."""
    painter = ShotPainter(SETTINGS, film)
    red = torch.zeros(3, 24, 32)
    red[0] = 0.8
    painter.begin(Picture(torch.zeros(3, 24, 32)), first, red, loss)
    return painter


def moved(weights=(), where=1.0, colour=(0.0, 0.0, 0.8), distance=1, settled=1.0):
    canvas = torch.tensor(colour).view(3, 1, 1).expand(3, 24, 32)
    return Moved(distance, canvas, where * WHOLE, settled * WHOLE, sources(weights))


@pytest.mark.parametrize(
    ("first", "now", "goal"),
    [
        (sources(), sources(), 2.0),
        (sources(covered=0.5), sources(covered=0.45), 2.0),
        (sources(covered=0.5), sources(covered=0.25), 0.0),
        (sources((1, 0)), sources((1, 0)), 2.0),
        (sources((1, 0)), sources((0.9, 0.1)), 0.0),
    ],
)
def test_the_goal_holds_for_the_same_styles_and_masks_of_about_the_same_area(first, now, goal):
    assert begun(first)._goal_of(now) == goal


def test_what_changes_fast_is_held_less():
    slow, fast = (sources((1 - x, x)) for x in (0.025, 0.5))
    assert _alike(sources(), moved()) == 1
    assert _alike(sources((1, 0)), moved((1, 0))) == 1
    assert _alike(slow, moved((1, 0))) == pytest.approx(0.8)
    assert _alike(slow, moved((1, 0), distance=2)) == pytest.approx(0.9)  # as fast, a frame before
    assert _alike(fast, moved((1, 0))) == 0


def test_a_frame_in_other_styles_takes_all_its_iterations():
    frame = Picture(smooth_picture(32, 24).pixels)
    same = begun(sources((1,)), loss=1e9).next(frame, sources((1,)), [moved((1,))])
    other = begun(sources((0.9, 0.1)), loss=1e9).next(frame, sources((1,)), [moved((1,))])
    assert (same.iterations, other.iterations) == (0, 3)
    faster = begun(sources((0.9, 0.1)), loss=1e9).next(frame, sources((1,)), [moved((0.5, 0.5))])
    assert faster.iterations == 3 + 8


def test_new_things_have_the_colours_of_the_shot_or_of_its_present_style():
    frame = Picture(torch.full((3, 24, 32), 0.5))
    where = torch.full((24, 32), 0.5)
    kept = where * moved().canvas
    first = begun(sources((1, 0)))
    steady = first._coloured(frame, sources((1, 0)), kept, where)
    turned = first._coloured(frame, sources((0, 1)), kept, where)
    assert steady.mean((1, 2)).argmax() == 0  # red, as the first frame's painting
    assert turned.mean((1, 2)).argmax() == 2  # blue, as what is painted now


def test_a_place_is_held_as_far_as_it_is_painted():
    """One that came into sight is free, and painted longer and by itself, until it is."""
    frame, right = Picture(smooth_picture(32, 24).pixels), torch.zeros(24, 32)
    right[:, 16:] = 1
    painter, settled = begun(sources(), loss=0.0), right.clone()
    painted, shares = [], []
    for _ in range(3):
        made = painter.next(frame, sources(), [moved(settled=settled)])
        settled = made.settled
        painted.append(made.iterations)
        shares.append(float(settled[:, :16].mean()))
    assert painted == [7, 4, 3]  # three, and of eight more the part that is not painted
    assert shares == pytest.approx([7 / 8, 1, 1])
    assert (settled == 1).all()
    free = painter.next(frame, sources(), [moved(settled=0.0)])
    assert free.terms["steady 1"] == 0
    assert free.terms["uncovered"] == pytest.approx(0.5 * free.terms["style"], rel=1e-4)
    held = painter.next(frame, sources(), [moved()])
    assert held.terms["steady 1"] > 0
    assert "uncovered" not in held.terms


def test_the_loss_is_without_what_films_add():
    frame = Picture(smooth_picture(32, 24).pixels)
    firm = FILM.model_copy(update={"steadiness": 1.0})
    painter = begun(sources(), loss=0.0, film=firm)
    made = painter.next(frame, sources(), [moved(settled=0.5)])
    own = sum(made.terms[name] for name in ("content", "style", "variation"))
    assert made.loss == pytest.approx(own, rel=1e-4)
    assert made.terms["steady 1"] > 0.01 * own


def test_between_two_frames_only_what_neither_shows_is_painted():
    """What is half painted is no reason: it is painted where it is held."""
    frame = Picture(smooth_picture(32, 24).pixels)
    painter = begun(sources(), loss=0.0)
    shown = painter.between(frame, sources(), [moved(settled=0.5)])
    assert (shown.iterations, shown.loss) == (0, None)
    hidden = painter.between(frame, sources(), [moved(where=0.0)])
    assert hidden.iterations == 8


def test_a_frame_that_follows_is_preconditioned_half_as_much(monkeypatch):
    """Its coarse forms are painted; what moving it loses is fine."""
    made, run = [], ShotPainter._run
    monkeypatch.setattr(
        ShotPainter, "_run", lambda self, *given: made.append(given[2]) or run(self, *given)
    )
    painter = ShotPainter(SETTINGS.replaced(precondition=0.4), FILM)
    frame = Picture(smooth_picture(32, 24).pixels)
    painter.first(frame, sources())
    painter.next(frame, sources(), [moved()])
    assert [each.precondition for each in made] == [0.4, 0.2]
