"""A clip painted frame after frame: steady, the same however it is interrupted, in shots."""

import shutil
from itertools import pairwise

import numpy as np
import pytest

from impasto.apps.film.clip import Clip
from impasto.apps.film.driver import Film
from impasto.apps.film.events import FrameDone, Shot
from impasto.apps.film.reel import Reel
from impasto.apps.film.sources import Sources
from impasto.apps.film.work import Work
from impasto.errors import Cancelled, SettingsError
from impasto.settings import FilmSettings, Settings
from support import clips

SIDE = 64
SETTINGS = Settings.of(size=SIDE, encoder="tiny", iterations=8)
FOLLOWING = FilmSettings.of(frame_iterations=2, open_iterations=4, least_iterations=1)


@pytest.fixture(scope="module")
def panned(tmp_path_factory):
    """A clip of six frames that moves sideways, with a cut before the fifth."""
    size = (SIDE * 3 // 4, SIDE)
    parts = [clips.pan((2, 1), n, size, photo) for n, photo in ((4, "astronaut"), (2, "coffee"))]
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    clips.write(path, clips.joined(*parts).frames, codec="ffv1", pixels="bgr0")
    return Clip.open(path)


def film_of(clip, folder, **options):
    film = options.pop("film", FOLLOWING)
    work = Work(folder, {"film": film.model_dump(mode="json")})
    settings = options.pop("settings", SETTINGS)
    return Film(clip, Sources(["sample:swirl"]), settings, film, work, **options)


def cancelled_after(film, index):
    for event in film.events():
        if isinstance(event, FrameDone) and event.entry.index == index:
            film.cancel()


def painted(film):
    return [film.work.read(index) for index in film.span]


@pytest.fixture(scope="module")
def whole(panned, tmp_path_factory):
    """The film that nothing interrupts, and its events."""
    film = film_of(panned, tmp_path_factory.mktemp("whole"))
    return film, list(film.events())


def test_every_frame_is_painted_in_its_shot(panned, whole):
    film, events = whole
    assert [e for e in events if isinstance(e, Shot)] == [Shot(0, 0), Shot(1, 4)]
    done = [e for e in events if isinstance(e, FrameDone)]
    assert [e.entry.index for e in done] == [0, 1, 2, 3, 4, 5]
    assert [e.done for e in done] == [1, 2, 3, 4, 5, 6]
    assert [e.entry.shot for e in done] == [0, 0, 0, 0, 1, 1]
    assert [e.entry.e_warp is None for e in done] == [True, False, False, False, True, False]
    assert done[0].entry.iterations == done[4].entry.iterations == 8
    assert all(1 <= e.entry.iterations <= 6 for e in done if e.entry.index not in (0, 4))
    again = [e for e in film_of(panned, film.work.folder).events() if isinstance(e, FrameDone)]
    assert again == done  # nothing is painted again


def test_frames_keep_what_was_painted_before(panned, tmp_path):
    """Steadiness: less change along the motion, at about the same loss."""
    entries = {}
    for steadiness in (0.0, 1.0):
        film = film_of(
            panned,
            tmp_path / f"{steadiness}",
            film=FilmSettings.of(frame_iterations=6, drift=0, steadiness=steadiness),
        )
        events = [e for e in film.events() if isinstance(e, FrameDone)]
        entries[steadiness] = [e.entry for e in events if e.entry.e_warp is not None]
    loose, firm = (np.mean([e.e_warp for e in entries[s]]) for s in (0.0, 1.0))
    assert firm < 0.7 * loose


@pytest.mark.parametrize("stops", [(1,), (2, 3), (4,)])
def test_interrupted_anywhere_it_ends_the_same(panned, whole, tmp_path, stops):
    for stop in stops:
        film = film_of(panned, tmp_path / "stopped")
        with pytest.raises(Cancelled):
            cancelled_after(film, stop)
    rest = film_of(panned, tmp_path / "stopped")
    list(rest.events())
    for one, other in zip(painted(whole[0]), painted(rest), strict=True):
        np.testing.assert_array_equal(one, other)


EVERY = FilmSettings.of(**{**FOLLOWING.model_dump(), "every": 3})


@pytest.fixture(scope="module")
def filled(panned, tmp_path_factory):
    """The film with frames between that nothing interrupts, and its events."""
    film = film_of(panned, tmp_path_factory.mktemp("filled"), film=EVERY)
    return film, list(film.events())


def test_frames_between_are_filled_from_both_sides(panned, filled):
    film, events = filled
    done = [e for e in events if isinstance(e, FrameDone)]
    assert [e.entry.index for e in done] == [0, 3, 1, 2, 4, 5]  # a shot's last one is painted
    assert [e.entry.kind for e in done] == ["first", "held", *["between"] * 2, "first", "held"]
    assert [e.done for e in done] == [1, 2, 3, 4, 5, 6]
    assert [e.entry.iterations for e in done if e.entry.kind == "between"] == [0, 0]
    assert [e.entry.loss is None for e in done] == [e.entry.kind == "between" for e in done]
    assert all(e.entry.e_warp is not None for e in done if e.entry.kind != "first")
    again = list(film_of(panned, film.work.folder, film=EVERY).events())
    assert [e for e in again if isinstance(e, FrameDone)] == done
    canvases = {int(f.stem) for f in (film.work.folder / "canvases").iterdir()}
    assert canvases == {0, 4, 5} or canvases == {4, 5}  # of those between none is kept


def test_a_frame_between_stills_is_what_they_are(tmp_path):
    """Nothing moves and both neighbours are one canvas, so the frame is that canvas."""
    path = tmp_path / "still.mkv"
    clips.write(path, clips.still(3, (48, SIDE)).frames, codec="ffv1", pixels="bgr0")
    how = FilmSettings.of(every=2, frame_iterations=1, least_iterations=0, drift=10)
    film = film_of(Clip.open(path), tmp_path / "work", film=how)
    list(film.events())
    first, between, last = (frame.astype(int) for frame in painted(film))
    np.testing.assert_array_equal(first, last)
    assert np.abs(between - first).max() <= 1


def test_frames_between_may_be_iterated_too(panned, tmp_path):
    how = FilmSettings.of(**{**EVERY.model_dump(), "between_iterations": 2})
    film = film_of(panned, tmp_path / "work", film=how)
    entries = [e.entry for e in film.events() if isinstance(e, FrameDone)]
    between = [each for each in entries if each.kind == "between"]
    assert between
    assert all(1 <= each.iterations <= 3 and each.loss for each in between)


@pytest.mark.parametrize("stops", [(0,), (3,), (1, 4)])
def test_filled_frames_survive_interruption_too(panned, filled, tmp_path, stops):
    for stop in stops:
        with pytest.raises(Cancelled):
            cancelled_after(film_of(panned, tmp_path / "stopped", film=EVERY), stop)
    rest = film_of(panned, tmp_path / "stopped", film=EVERY)
    list(rest.events())
    for one, other in zip(painted(filled[0]), painted(rest), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_frame_between_that_is_lost_is_filled_again(panned, filled, tmp_path):
    """From the pictures of its neighbours, where their canvases are gone."""
    shutil.copytree(filled[0].work.folder, tmp_path / "work")
    film = film_of(panned, tmp_path / "work", film=EVERY)
    before = film.work.read(1)
    film.work.file(1).unlink()
    for canvas in (tmp_path / "work" / "canvases").iterdir():
        canvas.unlink()
    again = film_of(panned, tmp_path / "work", film=EVERY)
    list(again.events())
    assert np.abs(again.work.read(1).astype(int) - before).mean() < 65535 / 255


def test_a_repeated_photograph_stands_still(tmp_path):
    """No drift of the mean, and no movement once the first frames have settled."""
    path = tmp_path / "still.mkv"
    clips.write(path, clips.still(16, (48, SIDE)).frames, codec="ffv1", pixels="bgr0")
    film = film_of(Clip.open(path), tmp_path / "work", film=FilmSettings.of())
    list(film.events())
    frames = [frame / 257 for frame in painted(film)]  # levels of 255
    assert abs(frames[-1].mean((0, 1)) - frames[0].mean((0, 1))).max() < 1
    for before, now in pairwise(frames[10:]):
        assert np.sqrt(np.square(now - before).mean()) < 1


def test_a_part_can_be_painted_and_the_rest_later(panned, whole, tmp_path):
    list(film_of(panned, tmp_path / "parts", span=range(3)).events())
    parts = film_of(panned, tmp_path / "parts")
    list(parts.events())
    for one, other in zip(painted(whole[0]), painted(parts), strict=True):
        np.testing.assert_array_equal(one, other)


def test_frames_become_a_film_with_their_times(panned, tmp_path):
    film = film_of(panned, tmp_path / "work", span=range(2, 5))
    list(film.events())
    out = tmp_path / "out.mkv"
    film.write(Reel.open(out, film.size, audio_from=panned, rate=panned.rate))
    made = Clip.open(out)
    assert made.count == 3
    assert made.size == film.size == panned.size
    for index, frame in zip(film.span, made.frames(), strict=True):
        np.testing.assert_allclose(
            frame.pixels / np.iinfo(frame.pixels.dtype).max,
            film.work.read(index) / 65535,
            atol=0.02,
        )


def test_seamless_frames_are_refused(panned, tmp_path):
    seamless = SETTINGS.replaced(seamless="x")
    with pytest.raises(SettingsError, match="seamless is for single pictures"):
        Film(panned, Sources([]), seamless, FOLLOWING, Work(tmp_path / "work", {}))


@pytest.mark.parametrize("more", [{"legibility": 30}, {"finish": "photographic"}])
def test_frames_keep_their_own_lettering_and_edges(panned, tmp_path, more):
    """Each by its own frame: nearer to it in its steps of lightness than without."""
    settings = SETTINGS.replaced(**more, finish_strength=1)
    apart = []
    for name, chosen in (("plain", SETTINGS), ("kept", settings)):
        film = film_of(panned, tmp_path / name, settings=chosen, span=range(3))
        list(film.events())
        pairs = zip(painted(film), panned.frames(0, 3), strict=True)
        differences = (a / 65535 - b.pixels / np.iinfo(b.pixels.dtype).max for a, b in pairs)
        apart.append([np.abs(np.diff(d, axis=1)).mean() for d in differences])
    assert all(kept < 0.95 * plain for plain, kept in zip(*apart, strict=True))


def test_a_span_outside_the_clip_is_refused(panned, tmp_path):
    with pytest.raises(SettingsError, match="expected some of the clip's 6"):
        film_of(panned, tmp_path / "work", span=range(3, 9))
