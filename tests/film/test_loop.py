"""Loops: which clips can be one, and that the last frame leads to the first."""

import numpy as np
import pytest

from impasto.apps.film.clip import Clip
from impasto.apps.film.driver import Film
from impasto.apps.film.loop import check_loop
from impasto.apps.film.sources import Sources
from impasto.apps.film.warp import warped
from impasto.apps.film.work import Work
from impasto.errors import SettingsError
from impasto.settings import FilmSettings, Settings
from support import clips

SIDE, COUNT = 64, 8
SETTINGS = Settings.of(size=SIDE, encoder="tiny", iterations=8)


def written(path, footage):
    clips.write(path, footage.frames, codec="ffv1", pixels="bgr0")
    return Clip.open(path)


@pytest.fixture(scope="module")
def swing(tmp_path_factory):
    """A camera that goes to the right and comes back, (footage, clip)."""
    there = clips.pan((2, 0), COUNT // 2 + 1, (48, SIDE))
    order = [*range(COUNT // 2), *range(COUNT // 2, 0, -1)]
    path = tmp_path_factory.mktemp("loop") / "swing.mkv"
    return there, written(path, clips.Footage(there.frames[order]))


def films(clip, folder, loop, every=1):
    film = FilmSettings.of(frame_iterations=3, least_iterations=3, loop=loop, every=every)
    made = Film(clip, Sources(["sample:swirl"]), SETTINGS, film, Work(folder, {}))
    list(made.events())
    return [made.work.read(index).astype(np.float32) / 65535 for index in range(COUNT)]


@pytest.mark.parametrize("every", [1, 2])
def test_the_last_frame_leads_to_the_first(swing, tmp_path, every):
    footage, clip = swing
    flow = footage.flow(0, 1)  # the last frame shows what the second did
    inside = ~footage.hidden(0, 1)
    apart = []
    for loop in (False, True):
        frames = films(clip, tmp_path / f"{loop}", loop, every)
        seam = frames[0] - warped(frames[-1], flow)
        apart.append(float(np.square(seam)[inside].mean()))
    assert apart[1] < 0.5 * apart[0]


def test_a_loop_of_every_length_is_painted(tmp_path):
    film = FilmSettings.of(frame_iterations=1, open_iterations=0, loop=True)
    for count in (1, 2, 3):
        part = written(tmp_path / f"{count}.mkv", clips.still(count, (48, SIDE)))
        check_loop(part, range(part.count))
        work = Work(tmp_path / f"work {count}", {})
        list(Film(part, Sources(["sample:swirl"]), SETTINGS, film, work).events())
        assert sorted(work.entries()) == list(range(count))


def test_clips_that_lead_nowhere_are_refused(swing, tmp_path):
    _, clip = swing
    check_loop(clip, range(COUNT))
    with pytest.raises(SettingsError, match="loop needs the whole clip"):
        check_loop(clip, range(1, COUNT))
    parts = (clips.still(4, (48, SIDE), photo) for photo in ("astronaut", "coffee"))
    cut = written(tmp_path / "cut.mkv", clips.joined(*parts))
    with pytest.raises(SettingsError, match="one shot; frame 4 begins another"):
        check_loop(cut, range(8))
    film = FilmSettings.of(frame_iterations=1, loop=True)
    work = Work(tmp_path / "work", {})
    with pytest.raises(SettingsError, match="frame 4 begins another"):
        list(Film(cut, Sources(["sample:swirl"]), SETTINGS, film, work).events())
    parts = (clips.still(7, (48, SIDE), photo) for photo in ("astronaut", "coffee"))
    away = written(tmp_path / "away.mkv", clips.dissolved(*parts, over=6))
    with pytest.raises(SettingsError, match="a last frame that leads to the first"):
        check_loop(away, range(8))
