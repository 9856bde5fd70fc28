"""Films that several processes paint: the film of one process, bit for bit, whoever dies."""

import json
import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from impasto.apps.film import run as run_module
from impasto.apps.film.driver import Film
from impasto.apps.film.events import FrameDone, Shot
from impasto.apps.film.sharing import AlreadyThere
from impasto.apps.film.work import Work
from impasto.apps.leases import Leases
from impasto.errors import Cancelled, ImageError, OutputError
from impasto.run.events import Notice
from support import clips
from support.children import PATIENCE, child, impasto_command
from support.crashes import photographed
from support.films import QUICK, SIDE, levels_of, painted, run_of

LENGTHS = {"astronaut": 3, "coffee": 2, "chelsea": 2}
SHOTS = (Shot(0, 0), Shot(1, 3), Shot(2, 5))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Seven frames in three shots."""
    parts = (clips.pan((1, 1), n, (SIDE * 3 // 4, SIDE), photo) for photo, n in LENGTHS.items())
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    return clips.write(path, clips.joined(*parts).frames, codec="ffv1", pixels="bgr0")


@pytest.fixture(scope="module")
def alone(clip, tmp_path_factory):
    """The film of one process, by `every`: its entries and its frames."""
    return {every: whole(clip, tmp_path_factory.mktemp("alone"), every) for every in (1, 2)}


def whole(clip, folder, every):
    result = painted(clip, output=folder / "out.mkv", every=every)
    return [stripped(entry) for entry in result.entries], levels_of(folder / "out.mkv")


def stripped(entry):
    return replace(entry, seconds=0)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working folder; whoever waits looks often."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_module, "Leases", partial(Leases, beat=0.05, expiry=1000))
    return tmp_path


def shared(clip, **options):
    return painted(clip, share=True, **options)


def arguments(clip):
    """What `shared` is on the command line."""
    names = {name.replace("_", "-"): value for name, value in QUICK.items()}
    options = [part for name, value in names.items() for part in (f"--{name}", value)]
    return ["film", clip, "sample:swirl", *options, "--share", "-o", "out.mkv"]


def manifests(folder="out.mkv.work"):
    """The numbers of the frames in each manifest of a lease."""
    files = sorted((run_module.Path(folder) / "shared").glob("*.jsonl"))
    texts = {file.name: file.read_text().splitlines() for file in files}
    return {name: [json.loads(line)["index"] for line in lines] for name, lines in texts.items()}


def is_the_film(alone, result=None, every=1):
    entries, frames = alone[every]
    np.testing.assert_array_equal(levels_of("out.mkv"), frames)
    if result:
        assert [stripped(entry) for entry in result.entries] == entries
        assert result.shots == SHOTS


@pytest.mark.parametrize(("processes", "every"), [(1, 1), (2, 2), (3, 1)])
def test_processes_that_race_paint_the_film_of_one(
    clip, alone, desk, monkeypatch, processes, every
):
    """Each frame once; the clip is read for its shots once; one of them writes the film."""
    read, levels = [], Film.levels
    monkeypatch.setattr(Film, "levels", lambda film: read.append(film) or levels(film))
    ready = threading.Barrier(processes)

    def work(_):
        told = []
        ready.wait()
        result = shared(clip, every=every, keep_work=True, on_frame=told.append)
        return result, told

    with ThreadPoolExecutor(processes) as workers:
        ends = list(workers.map(work, range(processes)))
    for result, told in ends:
        is_the_film(alone, result, every)
        assert sorted(frame.entry.index for frame in told) == list(range(7))
        assert [(frame.done, frame.total) for frame in told] == [(n, 7) for n in range(1, 8)]
    assert sum(result.here for result, _ in ends) == 1
    assert len(read) == 1
    lines = manifests().values()
    assert sorted(index for indices in lines for index in indices) == list(range(7))


def test_shots_are_painted_while_the_clip_is_still_read(clip, alone, desk, monkeypatch):
    painting, levels = threading.Event(), Film.levels

    def slow(film):
        for index, frame in enumerate(levels(film)):
            assert index < 6 or painting.wait(PATIENCE)  # nobody painted until all was read
            yield frame

    def tell(_):
        painting.set()

    monkeypatch.setattr(Film, "levels", slow)
    with ThreadPoolExecutor(2) as workers:
        films = workers.map(lambda _: shared(clip, on_frame=tell, keep_work=True), range(2))
        assert sum(film.here for film in films) == 1
    is_the_film(alone)


def test_a_killed_process_is_continued_from_its_frames(clip, alone, desk, monkeypatch):
    command = impasto_command("--signal", int(signal.SIGKILL), 1, "000002.png", *arguments(clip))
    with child(command) as killed:
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
    assert manifests() == {"0-3.0.jsonl": [0, 1]}
    monkeypatch.setattr(run_module, "Leases", partial(Leases, beat=0.05, expiry=0.2))
    is_the_film(alone, shared(clip, keep_work=True))
    assert manifests() == {
        "0-3.0.jsonl": [0, 1],
        "0-3.1.jsonl": [2],
        "3-5.0.jsonl": [3, 4],
        "5-7.0.jsonl": [5, 6],
    }


def test_a_crash_at_any_step_is_gone_on_from(clip, alone, desk, monkeypatch):
    """At every 25th of the states of the folder that a process passes through."""
    monkeypatch.setattr(run_module, "Leases", partial(Leases, beat=1000, expiry=5000))
    home, places = desk / "home", desk / "states"
    home.mkdir()
    places.mkdir()
    with photographed(home, places):
        shared(clip, output=home / "out.mkv")
    states = sorted(places.iterdir(), key=lambda path: int(path.name))
    assert len(states) > 100
    for state in states[::25]:
        for lease in state.rglob("*.lease"):
            os.utime(lease, (0, 0))  # expired, without the time that it takes
        monkeypatch.chdir(state)
        with suppress(AlreadyThere):
            shared(clip)
        assert [path.name for path in state.iterdir() if path.suffix == ".work"] == []
        is_the_film(alone)


def test_a_slow_process_lets_go_of_a_shot_that_another_took_over(clip, alone, desk):
    run = run_of(clip, share=True, keep_work=True)
    for event in run.events():
        if isinstance(event, FrameDone) and event.entry.index == 0:
            leases = Leases(run.work.shared)
            ghost = leases.take("0-3", "ghost", expired={"0-3.0.lease"})
        elif isinstance(event, Notice):
            assert event == Notice("waiting for 1 shot at ghost", "sharing")
            ghost.give_back()
    is_the_film(alone, run.write())
    assert manifests()["0-3.0.jsonl"] == [0]
    assert manifests()["0-3.2.jsonl"] == [1, 2]


def test_who_stops_gives_its_shot_back_at_once(clip, alone, desk, monkeypatch):
    """By `cancel`, by an error of its own, by a full disk; nobody waits for its lease to expire."""
    monkeypatch.setattr(run_module, "Leases", Leases)
    run = run_of(clip, share=True)
    stopped(run, 0)
    with pytest.raises(ZeroDivisionError):
        shared(clip, on_frame=lambda frame: 1 / (frame.done < 2))
    with monkeypatch.context() as full:
        full.setattr(Work, "write", refuse)
        with pytest.raises(OutputError, match="No space"):
            shared(clip)
    is_the_film(alone, shared(clip))


def refuse(*_, **__):
    raise OutputError("out.mkv.work: No space left on device")


def test_who_waits_hears_that_it_is_to_stop(clip, desk, monkeypatch):
    monkeypatch.setattr(run_module, "Leases", Leases)
    run = run_of(clip, share=True)
    Leases(run.work.shared).take("shots", "ghost")
    events = run.events()
    assert next(events) == Notice("waiting for the shots of the clip at ghost", "sharing")
    run.cancel()
    with pytest.raises(Cancelled):
        next(events)


def test_a_command_that_waits_ends_by_sigterm(clip, desk):
    run = run_of(clip, share=True)
    Leases(run.work.shared).take("shots", "ghost")
    with child(impasto_command(*arguments(clip))) as waiting:
        assert waiting.stderr.readline() == (
            "warning: waiting for the shots of the clip at ghost\n"
        )
        waiting.send_signal(signal.SIGTERM)
        out, err = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode, err) == (130, "")
    assert out == "interrupted; the same command goes on from out.mkv.work\n"


def test_a_film_that_one_process_began_is_shared_and_the_other_way_round(clip, alone, desk):
    stopped(run_of(clip), 1)
    stopped(run_of(clip, share=True), 4)
    is_the_film(alone, painted(clip))
    (desk / "out.mkv").unlink()
    stopped(run_of(clip, share=True), 1)
    is_the_film(alone, painted(clip))


def stopped(run, index):
    """Paint until that frame is done."""
    frames = iter(run)
    while next(frames).entry.index != index:
        pass
    run.cancel()
    with pytest.raises(Cancelled):
        next(frames)


def test_a_file_that_is_not_whole_is_painted_again(clip, alone, desk):
    """By whoever puts the film together, for only it reads all of them."""
    list(run_of(clip, share=True))
    file = desk / "out.mkv.work" / "000004.png"
    file.write_bytes(file.read_bytes()[:-9])
    is_the_film(alone, shared(clip))
    assert not (desk / "out.mkv.work").exists()


def test_a_film_is_put_together_once(clip, alone, desk):
    """Whether its folder is kept or not, and again where something else is asked for."""
    first, second = (shared(clip, keep_work=True, report="film.html") for _ in range(2))
    assert (first.here, second.here) == (True, False)
    assert second.entries == first.entries
    assert (desk / "film.html").exists()
    assert shared(clip, keep_work=True, beside=True).here
    late = run_of(clip, share=True)
    assert shared(clip).here
    assert list(late.events()) == []
    assert not late.write().here
    assert [file.name for file in desk.iterdir()].count("out.mkv.work") == 0
    is_the_film(alone)
    with pytest.raises(AlreadyThere, match=r"out\.mkv: is there already; delete it"):
        run_of(clip, share=True)
    assert not (desk / "out.mkv.work").exists()


def test_who_sleeps_while_another_finishes_the_film_lets_go(clip, desk, monkeypatch):
    """It takes so long to look through the frames that its lease of the film expires."""
    list(run_of(clip, share=True))
    late, missing, looks = run_of(clip, share=True), Work.missing, []
    list(late.events())

    def slow(work, indices):
        looks.append(work)
        assert len(looks) < 9, "it looks for ever"
        if len(looks) == 1:  # the other process comes, and has written the film
            assert Leases(late.work.shared).take("film", "other", expired={"film.0.lease"})
            late.work.remove()
        return missing(work, indices)

    monkeypatch.setattr(Work, "missing", slow)
    assert not late.write().here
    assert not (desk / "out.mkv.work").exists()


def test_a_folder_that_was_not_wholly_removed_is_no_obstacle(clip, alone, desk):
    """As by a process that was killed after it had removed the header."""
    run = run_of(clip, share=True)
    list(run)
    shutil.rmtree(run.work.folder / "canvases")
    for file in run.work.folder.glob("*.*"):
        file.unlink()
    is_the_film(alone, shared(clip))


def test_nobody_takes_a_shot_while_a_film_is_put_together(clip, alone, desk):
    run = run_of(clip, share=True)
    lease = Leases(run.work.shared).take("film", "ghost")
    told = []
    for event in run.events():
        told.append(event)
        lease.give_back()
    assert told[0] == Notice("waiting for 3 shots at ghost", "sharing")
    is_the_film(alone, run.write())


def test_a_part_has_the_shots_of_the_whole(clip, alone, desk):
    part = shared(clip, frames="4:7", keep_work=True)
    assert part.shots == (Shot(1, 4), Shot(2, 5))
    assert [entry.index for entry in part.entries] == [4, 5, 6]
    whole = shared(clip)
    assert whole.shots == SHOTS
    np.testing.assert_array_equal(
        levels_of("out.mkv")[[0, 1, 2, 3, 5, 6]], alone[1][1][[0, 1, 2, 3, 5, 6]]
    )


def test_a_loop_is_one_shot_of_one_process(desk):
    frames = clips.pan((2, 0), 3, (24, 32)).frames[[0, 1, 2, 1]]
    clip = clips.write(desk / "swing.mkv", frames, codec="ffv1", pixels="bgr0")
    made = [painted(clip, output=f"{share}.mkv", loop=True, share=share) for share in (False, True)]
    assert len(made[1].entries) == 4
    np.testing.assert_array_equal(levels_of("False.mkv"), levels_of("True.mkv"))


def test_another_film_is_refused(clip, desk):
    run_of(clip, share=True)
    with pytest.raises(OutputError, match=r"holds another film \(styles"):
        run_of(clip, "sample:ember", share=True)
    other = desk / "other.mkv"
    clips.write(other, clips.pan((1, 1), 7, (24, 32)).frames, codec="ffv1", pixels="bgr0")
    with pytest.raises(OutputError, match=r"holds another film \(clip"):
        run_of(other, share=True)


def test_a_clip_that_ends_early_is_no_endless_work(clip, desk, monkeypatch):
    frames = run_module.Clip.frames
    monkeypatch.setattr(
        run_module.Clip, "frames", lambda c, start=0, stop=None: frames(c, start, min(stop or 7, 6))
    )
    with pytest.raises(ImageError, match="ends before frame 6"):
        shared(clip)


def test_eight_begin_one_folder(desk):
    """None of them takes it for one of other files."""
    ready = threading.Barrier(8)

    def begin(_):
        ready.wait()
        return Work(desk / "work", {"film": 1})

    with ThreadPoolExecutor(8) as workers:
        assert len(list(workers.map(begin, range(8)))) == 8
    assert os.listdir(desk / "work") == ["film.json"]  # noqa: PTH208 (names)
    with suppress(OutputError):
        Work(desk / "work", {"film": 2})
        raise AssertionError("another film was let in")
