"""The shots of a clip, found once and kept: as they are found frame by frame."""

import json
from dataclasses import asdict, replace

import pytest

from impasto.apps.film.cuts import Cuts
from impasto.apps.film.shots import shots
from support import clips

WHOSE = {"clip": "ab12", "size": [64, 48]}
CUTS = Cuts(WHOSE, (0, 3, 7), {5: "flash"}, whole=True)


def test_what_is_found_is_what_a_film_finds_frame_by_frame():
    parts = (clips.pan((2, 1), 4, photo=photo) for photo in ("astronaut", "coffee"))
    frames = clips.flashed(clips.joined(*parts), (6,)).frames
    (*some, cuts), seen = Cuts.found(frames, WHOSE), list(shots(frames))
    assert some == [Cuts(WHOSE, (0,)), Cuts(WHOSE, (0, 4))]
    assert cuts.whole
    assert cuts.starts == tuple(each.index for each in seen if each.begins) == (0, 4)
    assert cuts.notes == {each.index: each.note for each in seen if each.note} == {6: "flash"}


def test_a_file_gives_them_back(tmp_path):
    CUTS.write(tmp_path / "shots.json")
    assert Cuts.read(tmp_path / "shots.json", WHOSE) == CUTS
    assert Cuts.read(tmp_path / "shots.json", other := {**WHOSE, "clip": "cd34"}) == Cuts(other)
    assert Cuts.read(tmp_path / "none.json", WHOSE) == Cuts(WHOSE)


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"starts": []},
        {"starts": [1, 2]},
        {"starts": [0, 5, 5]},
        {"starts": [0, "7"]},
        {"starts": [0, True]},
        {"starts": {"0": 0}},
    ],
)
def test_what_another_wrote_is_found_anew(tmp_path, values):
    path = tmp_path / "shots.json"
    path.write_text(json.dumps({**values, "whose": WHOSE} if isinstance(values, dict) else values))
    assert Cuts.read(path, WHOSE) == Cuts(WHOSE)


def test_notes_that_mean_nothing_are_passed_over(tmp_path):
    path = tmp_path / "shots.json"
    notes = {"5": "flash", "x": "flash", "6": "other", "7": 3, "8": [], "9" * 5000: "flash"}
    path.write_text(json.dumps({**asdict(CUTS), "notes": notes}))
    assert Cuts.read(path, WHOSE) == CUTS


def test_parts_are_shots_cut_to_the_frames_that_are_painted():
    whole = CUTS.parts(range(9))
    assert [(part.number, part.frames) for part in whole] == [
        (0, range(3)),
        (1, range(3, 7)),
        (2, range(7, 9)),
    ]
    assert [dict(part.notes) for part in whole] == [{}, {5: "flash"}, {}]
    some = CUTS.parts(range(4, 7))
    assert [(part.number, part.name) for part in some] == [(1, "4-7")]
    known = replace(CUTS, whole=False).parts(range(9))
    assert [part.name for part in known] == ["0-3", "3-7"]  # who knows where the third one ends?
    assert Cuts(WHOSE).parts(range(9)) == []
