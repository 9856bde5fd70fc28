"""Batches that several workers share: races, takeovers, crashes at every step, strangers' files."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import smooth_picture
from impasto import Settings
from impasto.apps import small_files
from impasto.apps.batch import (
    Batch,
    Entry,
    Job,
    Layout,
    Leases,
    Manifest,
    Pair,
    Task,
    driver,
    pairs_in,
)
from impasto.apps.batch import job as job_module
from impasto.apps.batch import round as round_module
from impasto.apps.batch import sharing as sharing_module
from impasto.apps.batch.processes import Processes
from impasto.apps.batch.round import ELSEWHERE, MAX_DEATHS, Round
from impasto.apps.batch.sharing import Sharing
from impasto.apps.cli import batch_progress, main
from impasto.apps.leases import LeaseLost
from impasto.errors import OutputError, SettingsError
from impasto.images import read
from impasto.run.events import Done, Notice, Step
from support.children import succeeded
from support.crashes import photographed
from support.pictures import save_pairs

SMALL = {"size": 32, "iterations": 3, "precision": "fp32", "style_loss": "gram", "encoder": "tiny"}
QUICK = [
    part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))
]
SETTINGS = Settings.of("standard", **SMALL)
OLD = 1_000_000.0  # a time of change, long ago
BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "share.py"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with three pairs in it."""
    monkeypatch.chdir(tmp_path)
    save_pairs(3, "jpg")
    return tmp_path


@pytest.fixture
def batch(capsys):
    """`impasto batch . -o out --share` in this process: (exit code, stdout, stderr)."""

    def run(*arguments, small=QUICK):
        with pytest.raises(SystemExit) as left:
            main(["batch", ".", "-o", "out", "--share", *map(str, arguments), *small])
        return (left.value.code, *capsys.readouterr())

    return run


def planned(settings=SETTINGS, beat=1000.0, expiry=5000.0, **how):
    layout = Layout(Path("out"))
    leases = Leases(layout.shared, beat, expiry)
    return Batch(pairs_in("."), settings, layout, leases=leases, **how)


def as_command():
    """The batch that `batch` paints: leases have the length of life of the command line."""
    layout = Layout(Path("out"))
    return Batch(pairs_in("."), SETTINGS, layout, leases=Leases(layout.shared))


def lines(folder="out"):
    return [json.loads(line) for line in Path(folder, "manifest.jsonl").read_text().splitlines()]


def statuses(folder="out"):
    return [(line["index"], line["status"]) for line in lines(folder)]


def files(folder="out"):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def refused(result):
    """The one line of an error, with exit code 2 and nothing on stdout."""
    code, out, err = result
    assert (code, out) == (2, ""), result
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


# Workers without paint: an executor whose pairs are files of one line

JOBS = 8


class Bench:
    """A batch of so many jobs whose painting writes one word, and how often each was painted."""

    def __init__(self, home, jobs=JOBS, **how):
        self.home, self.painted = Path(home), Counter()
        self.layout = Layout(self.home)
        self.leases = Leases(self.layout.shared, **{"beat": 1000, "expiry": 5000, **how})
        pairs = [Pair(Path(f"c{n}.png"), Path(f"s{n}.png")) for n in range(jobs)]
        self.jobs = [
            Job(n, pair, f"{n}.png", self.home / f"{n}.png") for n, pair in enumerate(pairs)
        ]
        self.task = Task(SETTINGS)

    def paint(self, job, checkpoint, guard):
        """Save a checkpoint, then the result."""
        self.painted[job.index] += 1
        small_files.replace(checkpoint, {"begun": True})
        guard(Done(1, 1, 1.0, "finished"))
        small_files.replace(job.path, {"index": job.index})
        return entry(job)

    def map(self, jobs, task, watch):
        """The executor."""
        for job in jobs:
            yield task.round.painted(job, lambda *how, job=job: self.paint(job, *how))

    def sharing(self, executor=None, pause=None):
        manifest = Manifest(self.layout.manifest)
        how = {"worker": "test:1", "pause": pause}
        return Sharing(self.leases, manifest, self.jobs, self.task, executor or self, **how)

    def find(self):
        """The jobs that the manifest does not have as done."""
        latest = Manifest(self.layout.manifest).latest()
        return [job for job in self.jobs if getattr(latest.get(job.name), "status", "") != "done"]

    def work(self, **how):
        """Be one worker to the end; its entries."""
        return list(self.sharing(**how).entries(self.find, lambda *_: None))

    def joined(self, worker="ghost"):
        return Round.joined(self.leases, self.identity(), worker)

    def identity(self):
        return sharing_module._identity(self.jobs, self.task, self.leases)

    def is_audited(self):
        """Every pair is done, has one line in order and its file, and nothing else is left."""
        assert statuses(self.home) == [(job.index, "done") for job in self.jobs]
        names = {path.name for path in self.home.iterdir()}
        assert names == {"manifest.jsonl", *(job.name for job in self.jobs)}


def entry(job, status="done", **facts):
    names = (str(job.pair.content), str(job.pair.style), job.name)
    return Entry(job.index, *names, None, None, status, {}, "", 0.0, **facts)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_one_worker_alone(bench):
    assert [entry.index for entry in bench.work()] == list(range(JOBS))
    assert set(bench.painted.values()) == {1}
    bench.is_audited()


def test_racing_workers_paint_each_pair_once(tmp_path):
    """And all of them see every pair end, and end."""
    bench = Bench(tmp_path, 40)
    ready = threading.Barrier(8)

    def work(_):
        ready.wait()
        return bench.work(pause=lambda _: None)

    with ThreadPoolExecutor(8) as workers:
        ends = list(workers.map(work, range(8)))
    assert set(bench.painted.values()) == {1}
    bench.is_audited()
    assert all(sorted(e.index for e in end) in ([], list(range(40))) for end in ends)


def test_workers_in_turns_share_what_there_is(bench):
    """One step of each after the other, as their generators allow it."""
    one, other = (bench.sharing().entries(bench.find, lambda *_: None) for _ in range(2))
    ends = [[next(one).index, next(other).index] for _ in range(JOBS)]
    assert ends == [[n, n] for n in range(JOBS)]
    assert list(one) == list(other) == []
    assert set(bench.painted.values()) == {1}
    bench.is_audited()


def test_a_late_worker_finds_nothing_to_do(bench):
    bench.work()
    assert bench.work() == []
    assert set(bench.painted.values()) == {1}
    bench.is_audited()


def test_what_an_earlier_round_ended_is_not_painted_by_who_joined_it(bench):
    """A worker stands still from before the last pair until another round is on."""
    slow = bench.joined("slow")
    bench.work()
    fresh = bench.joined("fresh")
    assert slow.painted(bench.jobs[0], None).status == ELSEWHERE
    assert not slow.is_on
    assert fresh.painted(bench.jobs[0], lambda *how: bench.paint(bench.jobs[0], *how))
    slow.agreed(lambda: [1], JOBS)
    assert fresh.agreed(list, JOBS) == []


def test_a_slow_owner_lets_go_before_it_writes(bench):
    """Another took over while it stood still: neither its picture nor its record appears."""
    party, job = bench.joined(), bench.jobs[0]

    def paint(checkpoint, guard):
        assert bench.leases.take("0", expired={"0.0.lease"})
        with suppress(LeaseLost):
            guard(Done(1, 1, 1.0, "finished"))
            raise AssertionError("it goes on")
        return entry(job, "failed", error="lost", raised=LeaseLost())

    assert party.painted(job, paint).status == ELSEWHERE
    assert party.record(job) is None
    assert bench.leases.take("0") is None  # the other's lease was not given back


def test_a_slow_owner_that_has_written_leaves_the_record_to_the_other(bench):
    party, job = bench.joined(), bench.jobs[0]

    def paint(checkpoint, guard):
        assert bench.leases.take("0", expired={"0.0.lease"})
        return entry(job)

    assert party.painted(job, paint).status == ELSEWHERE
    assert party.record(job) is None


def test_waiting_for_a_dead_worker_ends_in_taking_over(tmp_path):
    """It waits while the lease is watched, tells so once, and paints the pair in the end."""
    bench, told = Bench(tmp_path, 2, beat=0.0), []
    ghost = bench.joined()
    dead = bench.leases.take("1", ghost.worker)
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            os.utime(dead.path, (OLD, OLD))

    sharing = bench.sharing(pause=pause)
    ends = [e.index for e in sharing.entries(bench.find, lambda job, event: told.append(event))]
    assert ends == [0, 1]
    assert len(pauses) == 3
    assert told == [Notice("waiting for 1 at ghost", "sharing")]
    bench.is_audited()


def test_waiting_for_a_living_worker_ends_with_its_record(tmp_path):
    bench = Bench(tmp_path, 2)
    ghost, job = bench.joined(), bench.jobs[1]
    begun, end = threading.Event(), threading.Event()

    def paint(checkpoint, guard):
        begun.set()
        end.wait()
        return bench.paint(job, checkpoint, guard)

    with ThreadPoolExecutor(1) as other:
        other.submit(ghost.painted, job, paint)
        begun.wait()
        ends = bench.work(pause=lambda _: end.set())
    assert [(e.index, e.worker) for e in ends][1] == (1, "ghost")
    assert set(bench.painted.values()) == {1}
    bench.is_audited()


def test_a_pair_that_kills_its_workers_fails_in_the_end(tmp_path):
    bench = Bench(tmp_path, 1)
    party, job = bench.joined(), bench.jobs[0]
    for number in range(MAX_DEATHS + 1):
        assert bench.leases.take("0", expired={f"0.{number - 1}.lease"})
    party = replace(party, expired=frozenset({f"0.{MAX_DEATHS}.lease"}))
    ended = party.painted(job, None)
    assert (ended.status, ended.error) == (
        "failed", "6 workers in a row ended while they painted it"
    )  # fmt: skip


def test_a_process_that_dies_under_its_executor_is_no_failure(tmp_path):
    """The executor says failed, but no record does: the pair is taken over."""
    bench = Bench(tmp_path, 2, beat=0.0)

    class Deadly:
        def map(self, jobs, task, watch):
            for job in jobs:
                if job.index or bench.painted[0]:
                    yield from bench.map([job], task, watch)
                else:
                    bench.painted[0] += 1
                    os.utime(task.round.leases.take("0").path, (OLD, OLD))
                    yield entry(job, "failed", error="the worker process was killed")

    ends = bench.work(executor=Deadly(), pause=lambda _: None)
    assert [(e.index, e.status) for e in ends] == [(1, "done"), (0, "done")]
    bench.is_audited()


# Crashes


def test_a_crash_at_any_step_loses_and_doubles_nothing(tmp_path):
    """Every state of the folder that a worker passes through is one that the next one ends well."""
    home, places = tmp_path / "home", tmp_path / "states"
    home.mkdir()
    places.mkdir()
    with photographed(home, places):
        Bench(home, 2).work()
    states = sorted(places.iterdir(), key=lambda path: int(path.name))
    assert len(states) > 30
    for state in states:
        for lease in state.rglob("*.lease"):
            os.utime(lease, (0, 0))  # expired, without the time that it takes
        recorded = len(list(state.glob("manifest.shared/*.json"))) - 1
        after = Bench(state, 2)
        after.work(pause=lambda _: None)
        assert not list(state.glob("*manifest.shared*"))
        assert statuses(state) == [(0, "done"), (1, "done")], state
        assert after.painted.total() <= 2 - max(0, recorded - 1)
        assert all(job.path.exists() for job in after.jobs)


# Strangers' files, and folders that cannot be written

HOSTILE = [b"", b"\x00\xff", b"[]", b"null", b"[" * 100_000, b"9" * 10_000, b"NaN", b"{}",
           b" " * 20_000_000 + b"{}"]  # fmt: skip
FORGED = [{"output": "../x"}, {"output": []}, {"index": 1}, {"status": "skipped"}, {"status": []},
          {"error": ["x"]}, {"worker": {}}, {"round": "another"}, {"round": []}]  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: repr(content[:20]))
def test_a_file_that_is_no_record_ends_no_pair(content, bench):
    bench.joined()
    (bench.layout.shared / "3.json").write_bytes(content)
    bench.work()
    assert bench.painted[3] == 1
    bench.is_audited()


@pytest.mark.parametrize("forged", FORGED, ids=str)
def test_a_forged_record_ends_no_pair(forged, bench):
    party, job = bench.joined(), bench.jobs[0]
    record = {**entry(job).line(), "round": party.id}
    path = bench.layout.shared / "0.json"
    path.write_text(json.dumps(record))
    assert party.record(job)
    path.write_text(json.dumps({**record, **forged}))
    assert party.record(job) is None


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: repr(content[:20]))
def test_a_damaged_round_is_refused(content, bench, monkeypatch):
    monkeypatch.setattr(round_module, "ATTEMPTS", 3)
    bench.joined()
    (bench.layout.shared / "batch.json").write_bytes(content)
    with pytest.raises(OutputError, match="damaged; delete it"):
        bench.work()


@pytest.mark.parametrize("waiting", [None, {}, [JOBS], [-1], [0.5], [True], ["0"]], ids=str)
def test_a_damaged_list_is_refused(waiting, bench):
    party = bench.joined()
    (bench.layout.shared / f"pairs.{party.id}.json").write_text(json.dumps({"waiting": waiting}))
    with pytest.raises(OutputError, match="damaged; delete"):
        bench.work()


def test_a_list_that_another_worker_is_still_writing_is_waited_for(bench, monkeypatch):
    """Without hard links a file is there before what it holds."""
    party = bench.joined()
    path = bench.layout.shared / f"pairs.{party.id}.json"
    path.touch()
    filled = SimpleNamespace(sleep=lambda _: path.write_text(json.dumps({"waiting": [1, 2]})))
    monkeypatch.setattr(small_files, "time", filled)
    assert party.agreed(lambda: [1, 2], JOBS) == [1, 2]


@pytest.mark.parametrize("kind", ["file", "link", "pipe"])
def test_what_is_no_folder_is_refused(kind, folder, batch):
    place = Path("out/manifest.shared")
    place.parent.mkdir()
    {
        "file": place.touch,
        "link": lambda: place.symlink_to("gone"),
        "pipe": lambda: os.mkfifo(place),
    }[kind]()
    before = files()
    assert "manifest.shared: " in refused(batch())
    assert files() == before


def test_results_stay_out_of_the_folder(folder, batch):
    told = refused(batch("--name", "manifest.shared/{index}.png"))
    assert "is below the folder of the batch's workers" in told
    assert not Path("out").exists()


def test_a_full_disk_ends_one_worker_and_no_pair(bench, monkeypatch):
    def full(path, values):
        if path.suffix == ".json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        small_files.replace(path, values)

    monkeypatch.setattr(round_module, "write", full)
    with pytest.raises(OutputError, match="No space left on device; workers"):
        bench.work()
    monkeypatch.undo()
    bench.work()
    bench.is_audited()


def test_a_manifest_that_cannot_be_written_leaves_the_records(bench, monkeypatch):
    def full(*_):
        raise OutputError("manifest.jsonl: No space left on device; nothing was written")

    monkeypatch.setattr(Manifest, "compact", full)
    with pytest.raises(OutputError, match="No space left"):
        bench.work()
    monkeypatch.undo()
    bench.work()
    assert set(bench.painted.values()) == {1}
    bench.is_audited()


def test_a_record_that_cannot_be_read_for_once_is_not_lost(bench, monkeypatch):
    """Every pair was seen to end, so that the manifest has it all the same."""
    end, record = Sharing._end, Round.record

    def unread(party, job):
        return None if job.index == 3 else record(party, job)

    def ends(*arguments):
        with monkeypatch.context() as stale:
            stale.setattr(Round, "record", unread)
            end(*arguments)

    monkeypatch.setattr(Sharing, "_end", ends)
    assert len(bench.work()) == JOBS
    bench.is_audited()


# The manifest


def test_other_lines_stay_and_each_output_has_one(bench):
    manifest = Manifest(bench.layout.manifest)
    other = replace(entry(bench.jobs[0]), output="other.png")
    old = entry(bench.jobs[3], "failed", error="of old")
    for line in (old, other, old, replace(other, seconds=2.0)):
        manifest.append(line)
    with bench.layout.manifest.open("a") as file:
        print("not a line of ours", file=file)
    bench.work()
    found = [(line["output"], line["seconds"]) for line in lines(bench.home)]
    assert found == [("other.png", 2.0), *((job.name, 0.0) for job in bench.jobs)]


def test_a_compaction_that_comes_too_late_changes_nothing(bench):
    manifest = Manifest(bench.layout.manifest)
    manifest.append(entry(bench.jobs[0]))
    before = bench.layout.manifest.read_bytes()

    def late():
        raise LeaseLost

    with pytest.raises(LeaseLost):
        manifest.compact([entry(bench.jobs[0], "failed", error="stale")], late)
    assert bench.layout.manifest.read_bytes() == before
    assert files(bench.home) == ["manifest.jsonl"]


# With pictures


def test_shared_batches_are_ordinary_ones(folder, batch):
    code, out, _ = batch()
    assert code == 0
    assert out.startswith(
        "3 painted (0 by others), 0 skipped (done before), 0 failed of 3; see out"
    )
    assert statuses() == [(0, "done"), (1, "done"), (2, "done")]
    assert {line["worker"] for line in lines()} == {planned().worker}
    assert not any("shared" in name or "checkpoint" in name for name in files())
    list(Batch(pairs_in("."), SETTINGS, Layout(Path("alone"))))
    for job in planned().jobs:
        same = read(Path("alone") / job.name).to_pil()
        assert np.array_equal(read(job.path).to_pil(), same)
    assert "0 painted (0 by others), 3 skipped" in batch()[1]


def test_other_commands_are_refused_by_what_differs(folder, batch):
    entries = planned().entries()
    next(entries)
    before = files()
    told = refused(batch("--seed", "5", "--bits", "16"))
    assert "other beat and expiry of leases, output options, seed; give the same command" in told
    assert files() == before
    assert [e.index for e in entries] == [1, 2]


def test_a_failure_is_every_workers_exit_code(folder, batch):
    """It is tried again by the next command, as without sharing."""
    Path("content_2.jpg").write_text("paint me")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "worker_name", lambda: "other:1")
        entries = as_command().entries()
    assert [next(entries).status for _ in range(3)] == ["done", "failed", "done"]
    code, out, err = batch()
    assert (code, err.count("not an image")) == (1, 1)
    assert "2 painted (2 by others), 0 skipped (done before), 1 failed" in out
    assert list(entries) == []
    assert statuses() == [(0, "done"), (1, "failed"), (2, "done")]
    smooth_picture(40, 33, phase=2).save("content_2.jpg")
    assert "1 painted (0 by others), 2 skipped" in batch()[1]


def interrupted(monkeypatch, index, done):
    """Let Ctrl-C come at that step of that pair."""
    paint = job_module.paint_tuned

    def broken(run, request, show, stop):
        def note(event):
            show(event)
            if isinstance(event, Step) and (request.target.path.parent.name, event.done) == (
                f"gen_{index}", done
            ):  # fmt: skip
                raise KeyboardInterrupt

        return paint(run, request, note, stop)

    monkeypatch.setattr(job_module, "paint_tuned", broken)


def test_ctrl_c_gives_the_pair_back_and_another_goes_on(folder, batch):
    with pytest.MonkeyPatch.context() as patch:
        interrupted(patch, 1, 2)
        code, out, _ = batch()
    assert code == 130
    assert "interrupted; 1 painted (0 by others), 0 skipped (done before), 0 failed of 3" in out
    assert Path("out/manifest.jsonl").read_text() == ""
    shared = Path("out/manifest.shared")
    assert (shared / "1.0.lease").stat().st_mtime == 0
    assert (shared / "1.checkpoint").exists()
    assert not (shared / "1.json").exists()
    seen = []

    def watch(job, event):
        if isinstance(event, Step):
            seen.append((job.index, event.done))

    ends = list(as_command().entries(watch=watch))
    assert [e.index for e in ends] == [0, 1, 2]
    assert [done for index, done in seen if index == 0] == []
    assert min(done for index, done in seen if index == 1) > 1
    list(Batch(pairs_in("."), SETTINGS, Layout(Path("alone"))))
    name = "gen_1/content_2_style_2.png"
    assert np.array_equal(read(f"out/{name}").to_pil(), read(f"alone/{name}").to_pil())
    assert not shared.exists()


@pytest.mark.parametrize("content", [b"", b"\x08" + b"\0" * 20, b"x" * 1000], ids=len)
def test_a_checkpoint_of_no_use_begins_anew(content, folder):
    entries = planned().entries()
    next(entries)
    Path("out/manifest.shared/1.checkpoint").write_bytes(content)
    assert [e.status for e in entries] == ["done", "done"]
    assert not Path("out/manifest.shared").exists()


def test_overwriting_is_refused(folder, batch):
    assert "--overwrite is true" in refused(batch("--overwrite"))
    with pytest.raises(SettingsError, match="leave it out"):
        planned(overwrite=True)


def test_json_tells_who_painted(folder, batch, monkeypatch):
    entries = as_command().entries()
    next(entries)
    monkeypatch.setattr(driver, "worker_name", lambda: "late:2")
    found = [json.loads(line) for line in batch("--json")[1].splitlines()]
    assert [(line["event"], line["index"]) for line in found] == [("pair", n) for n in range(3)]
    assert [line["worker"] for line in found][1:] == ["late:2", "late:2"]
    assert found[0]["worker"] not in (None, "late:2")
    list(entries)


def test_waiting_is_shown_and_is_no_warning(folder, batch, monkeypatch):
    """In a JSON line, and not at all when it is to be quiet."""
    for option, told in (("--quiet", ""), ("--json", '"kind": "sharing"')):
        shutil.rmtree("out", ignore_errors=True)
        entries = as_command().entries()
        next(entries)
        held = Leases(Path("out/manifest.shared")).take("2", "other:1")
        monkeypatch.setattr(sharing_module.time, "sleep", lambda _, held=held: held.give_back())
        code, out, err = batch(option)
        assert code == 0
        assert told in out + err
        assert "warning" not in err
        list(entries)


def test_the_bar_tells_who_is_waited_for(folder, capsys):
    batch = planned()
    with batch_progress.bar(batch) as (watch, _):
        watch(batch.jobs[0], Notice("waiting for 1 at node7:411", "sharing"))
    assert "waiting for 1 at node7:411" in capsys.readouterr().err


def test_sigterm_is_as_ctrl_c(folder, batch, monkeypatch):
    monkeypatch.setattr(job_module, "paint_tuned", lambda *_: signal.raise_signal(signal.SIGTERM))
    code, out, _ = batch()
    assert (code, out[:22]) == (130, "interrupted; 0 painted")


def test_processes_take_pairs_by_leases_and_one_may_die(folder):
    """Nothing fails: its pair is taken over."""
    settings = SETTINGS.replaced(encoder="vgg19", supersample_below=0)
    killed = []

    def watch(job, event):
        if isinstance(event, Step) and not killed:
            killed.append(job.index)
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    batch = planned(settings, beat=0.2, expiry=2.0, executor=Processes(1))
    ends = list(batch.entries(watch=watch))
    assert {e.status for e in ends} == {"done"}
    assert killed
    assert statuses() == [(0, "done"), (1, "done"), (2, "done")]
    assert not multiprocessing.active_children()


def test_workers_that_are_killed_lose_nothing():
    """Three processes, one of them killed while it paints."""
    done = succeeded([sys.executable, BENCHMARK, "--workers=2", "--pairs=4", "--kills=1"])
    assert "4 pairs" in done.stdout
    assert "exit codes: {-9: 1, 0: 2}" in done.stdout.replace("{0: 2, -9: 1}", "{-9: 1, 0: 2}")
