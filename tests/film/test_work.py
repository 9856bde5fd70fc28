"""The work folder: whole frames, torn lines, other films, several processes."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from impasto.apps import small_files
from impasto.apps.film.entries import Entry
from impasto.apps.film.work import Canvas, Work
from impasto.errors import OutputError
from support.children import child, finished

FILM = {"settings": {"size": 64, "style_weight": 2.0}, "clip": "ab12"}


def frame(seed=0):
    return np.random.default_rng(seed).integers(0, 65536, (6, 9, 3)).astype(np.uint16)


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path / "work", FILM)


def again(work, film=FILM, span=None):
    return Work(work.folder, film, span)


def test_a_frame_comes_back_with_its_line(work):
    entry = work.write(123, 4.92, frame(), shot=2, iterations=6, loss=1.5, notes=("held over",))
    assert work.file(123).name == "000123.png"
    resumed = again(work)
    assert resumed.done(123) == entry == resumed.entries()[123]
    np.testing.assert_array_equal(resumed.read(123), frame())


def test_missing_are_those_without_line_or_whole_file(work):
    for index in (0, 1, 2, 4):
        work.write(index, index / 25, frame(index))
    work.file(1).write_bytes(work.file(1).read_bytes()[:-1])
    work.file(2).unlink()
    assert again(work).missing(range(6)) == [1, 2, 3, 5]
    work.write(1, 0.04, frame(1))
    assert again(work).missing([5, 1, 0]) == [5]


def test_killed_at_any_byte_of_the_manifest(work):
    for index in range(2):
        work.write(index, index / 25, frame(index))
    manifest = work.folder / "frames.jsonl"
    whole = manifest.read_bytes()
    ends = [at for at, byte in enumerate(whole) if byte == ord("\n")]
    for kept in {*range(0, len(whole), 9), *ends, *(end + 1 for end in ends)}:
        manifest.write_bytes(whole[:kept])
        resumed = again(work)
        missing = resumed.missing(range(2))
        assert missing == [index for index in range(2) if kept < ends[index]]
        for index in missing:
            resumed.write(index, index / 25, frame(index))
        assert again(work).missing(range(2)) == []


def test_lines_that_are_not_ours_are_passed_over(work):
    work.write(0, 0, frame())
    with (work.folder / "frames.jsonl").open("a") as manifest:
        for line in ([], 3, {"index": -1}, {"index": "0"}, {"index": 0, "notes": 5}, {}):
            manifest.write(json.dumps(line) + "\n")
    assert again(work).missing([0]) == []


def test_another_film_is_refused_by_the_difference(work):
    other = {**FILM, "settings": {"size": 128, "style_weight": 2.0}}
    with pytest.raises(OutputError, match=r"settings\.size is 64 there and 128 here") as caught:
        again(work, other)
    assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match=r"clip is .*ab12.* there and absent here"):
        again(work, {"settings": FILM["settings"]})


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(OutputError, match="holds other files"):
        Work(tmp_path, FILM)


def test_a_header_that_another_process_is_still_writing_is_waited_for(tmp_path, monkeypatch):
    """Without hard links a file is there before what it holds."""
    header = tmp_path / "film.json"
    header.touch()
    filled = SimpleNamespace(sleep=lambda _: header.write_text(json.dumps(FILM)))
    monkeypatch.setattr(small_files, "time", filled)
    assert Work(tmp_path, FILM).missing([0]) == [0]


def test_a_damaged_header_is_refused(work, monkeypatch):
    monkeypatch.setattr(small_files, "ATTEMPTS", 3)
    (work.folder / "film.json").write_text("{")
    with pytest.raises(OutputError, match="choose another folder"):
        again(work)


def test_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        Work(tmp_path / "file", FILM)


CHILD = """
import sys, numpy as np
from impasto.apps.film.work import Work
work = Work(sys.argv[1], {"film": 1})
for index in range(1, 40, 2):
    work.write(index, index / 25, np.full((4, 4, 3), index, np.uint16))
"""


def test_two_processes_lose_no_lines(tmp_path):
    mine = Work(tmp_path / "work", {"film": 1})
    with child([sys.executable, "-c", CHILD, tmp_path / "work"]) as other:
        index = 0
        while other.poll() is None or index < 40:
            mine.write(index, index / 25, np.full((4, 4, 3), index, np.uint16))
            index += 2
        assert other.returncode == 0, other.stderr.read()
    assert (
        Work(tmp_path / "work", {"film": 1}).missing([*range(0, index, 2), *range(1, 40, 2)]) == []
    )


def test_canvases_come_back_bit_for_bit_and_are_pruned(work):
    canvases = [torch.randn(3, 5, 7) for _ in range(12)]
    for index, canvas in enumerate(canvases):
        work.keep_canvas(index, Canvas(canvas, canvas[0].clone()), needed=range(index - 7, index))
    assert len(list((work.folder / "canvases").iterdir())) == 8
    resumed = again(work)
    assert torch.equal(resumed.canvas(11).pixels, canvases[11])
    assert torch.equal(resumed.canvas(11).settled, canvases[11][0])
    assert resumed.canvas(3) is None


def test_canvases_of_other_spans_stay(work):
    one, other = again(work, span=range(10)), again(work, span=range(10, 20))
    one.keep_canvas(9, Canvas.of(torch.zeros(3, 2, 2)))
    other.keep_canvas(10, Canvas.of(torch.zeros(3, 2, 2)), needed=[])
    assert one.canvas(9) is not None


def test_a_damaged_canvas_is_none(work):
    work.keep_canvas(0, Canvas.of(torch.zeros(3, 2, 2)))
    file = work.folder / "canvases" / "000000.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    assert work.canvas(0) is None


def test_remove_leaves_nothing_of_ours(work):
    work.write(0, 0, frame())
    work.keep_canvas(0, Canvas.of(torch.zeros(3, 2, 2)))
    work.remove()
    assert not work.folder.exists()
    kept = again(work)
    (kept.folder / "notes.txt").write_text("mine")
    kept.remove()
    assert [file.name for file in kept.folder.iterdir()] == ["notes.txt"]


FULL = """
import resource, signal, sys, numpy as np
from impasto.apps.film.work import Work
from impasto.errors import OutputError
work = Work(sys.argv[1], {})
work.write(0, 0.0, np.zeros((8, 8, 3), np.uint16))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    work.write(1, 0.04, np.random.default_rng(0).integers(0, 65536, (64, 64, 3)).astype(np.uint16))
except OutputError as error:
    sys.exit(0 if "\\n" not in str(error) and work.done(0) and not work.done(1) else str(error))
"""


def test_a_full_disk_is_one_line_and_the_frames_stay(tmp_path):
    ended = finished([sys.executable, "-c", FULL, str(tmp_path / "work")])
    assert ended.returncode == 0, ended.stderr
    work = Work(tmp_path / "work", {})
    assert work.missing(range(2)) == [1]
    assert sorted(f.name for f in work.folder.iterdir()) == [
        "000000.png",
        "film.json",
        "frames.jsonl",
    ]


def test_only_deep_frames_are_written(work):
    with pytest.raises(ValueError, match="uint16"):
        work.write(0, 0, np.zeros((2, 2, 3), np.uint8))
    assert Entry(0, 0.0, "a").shot == 0
