"""Leases: one worker has one, however many race; clocks that jump; owners that are slow or dead."""

import errno
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.apps import leases as module
from impasto.apps import small_files
from impasto.apps.leases import LeaseLost, Leases, Lookout
from impasto.errors import OutputError
from support.children import eventually

RACERS = 12
OLD = 1_000_000.0  # a time of change, long ago


@pytest.fixture
def leases(tmp_path):
    """Leases that no thread renews while a test lasts."""
    return Leases(tmp_path, beat=1000, expiry=5000)


@pytest.fixture
def without_links(monkeypatch):
    """A file system that has no hard links."""

    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)


class Stopwatch:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def change(lease, seconds):
    os.utime(lease.path, (seconds, seconds))


def raced(leases, **how):
    """The leases that so many threads get when they take one at once."""
    ready = threading.Barrier(RACERS)

    def take(number):
        ready.wait()
        return leases.take("7", f"worker {number}", **how)

    with ThreadPoolExecutor(RACERS) as racers:
        return [lease for lease in racers.map(take, range(RACERS)) if lease]


def watched(lookout, stopwatch, *, beats):
    """What a lookout says after so many beats of 1,000 seconds, looking at each."""
    lookout.look(["7"])
    for _ in range(beats):
        stopwatch.now += 1000
        found = lookout.look(["7"])
    return found


# Taking


def test_one_of_many_has_it(leases):
    (lease,) = raced(leases)
    assert leases.take("7") is None
    assert json.loads(lease.path.read_text())["id"] == lease.id
    assert [path.name for path in leases.folder.iterdir()] == ["7.0.lease"]
    lease.check()


def test_one_of_many_has_it_without_links(leases, without_links):
    (lease,) = raced(leases)
    assert leases.take("7") is None
    lease.check()


def test_one_of_many_takes_over(leases):
    dead = leases.take("7")
    (lease,) = raced(leases, expired={"7.0.lease"})
    assert lease.path.name == "7.1.lease"
    lease.check()
    with pytest.raises(LeaseLost):
        dead.check()
    assert dead.is_lost


def test_names_are_apart(leases):
    assert leases.take("7")
    assert leases.take("77")
    assert leases.take("manifest")


def test_who_judged_too_long_ago_takes_nothing(leases):
    """Both found the first lease expired; the second does not take the new one from the first."""
    leases.take("7")
    judged = {"7.0.lease"}
    lease = leases.take("7", expired=judged)
    assert leases.take("7", expired=judged) is None
    lease.check()


def test_an_answer_that_was_lost_is_no_refusal(leases, monkeypatch):
    """A server that linked, and is asked once more, says that the name exists."""
    link = os.link

    def twice(source, target):
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    lease = leases.take("7")
    lease.check()
    monkeypatch.setattr(os, "link", link)
    assert leases.take("7") is None


# Giving back, and dying


def test_what_is_given_back_is_free_at_once(leases):
    lease = leases.take("7")
    lease.give_back()
    assert Lookout(leases).look(["7"]) == (["7"], frozenset())
    assert leases.take("7").deaths == 0


def test_who_lost_it_cannot_give_it_back(leases):
    slow = leases.take("7")
    lease = leases.take("7", expired={"7.0.lease"})
    slow.give_back()
    assert leases.take("7") is None
    lease.check()


def test_deaths_count_until_there_is_progress(leases):
    def dies(number, progress):
        expired = {f"7.{number - 1}.lease"}
        return leases.take("7", progress=progress, expired=expired).deaths

    found = [dies(number, progress) for number, progress in enumerate(["", "", "", "a", "a", "b"])]
    assert found == [0, 1, 2, 0, 1, 0]


# Expiry


def test_an_old_lease_expires_once_it_was_watched(leases):
    """By the folder's clock; but not at the first sight, as that clock may just have been set."""
    change(leases.take("7"), OLD)
    stopwatch = Stopwatch()
    lookout = Lookout(leases, stopwatch)
    assert lookout.look(["7", "8"]) == (["8"], frozenset())
    stopwatch.now = 1999.0
    assert lookout.look(["7"]) == ([], frozenset())
    stopwatch.now = 2000.0
    assert lookout.look(["7"]) == (["7"], {"7.0.lease"})


def test_a_young_lease_does_not_expire(leases):
    leases.take("7")
    stopwatch = Stopwatch()
    assert watched(Lookout(leases, stopwatch), stopwatch, beats=5) == ([], frozenset())


def test_a_clock_set_forward_takes_no_living_lease(leases, monkeypatch):
    lease, stopwatch = leases.take("7"), Stopwatch()
    lookout = Lookout(leases, stopwatch)
    monkeypatch.setattr(Leases, "now", lambda _: time.time() + 1e9)
    for beat in range(20):
        assert lookout.look(["7"]) == ([], frozenset())
        stopwatch.now += 1000
        change(lease, OLD + beat)


def test_a_clock_set_back_keeps_no_dead_lease(leases):
    change(leases.take("7"), time.time() + 1e9)
    stopwatch = Stopwatch()
    lookout = Lookout(leases, stopwatch)
    assert watched(lookout, stopwatch, beats=5) == ([], frozenset())
    stopwatch.now += 1
    assert lookout.look(["7"]) == (["7"], {"7.0.lease"})


def test_a_watcher_that_slept_sees_that_the_owner_lives(leases):
    lease, stopwatch = leases.take("7"), Stopwatch()
    lookout = Lookout(leases, stopwatch)
    change(lease, OLD)
    lookout.look(["7"])
    stopwatch.now = 1e6
    change(lease, OLD + 1)
    assert lookout.look(["7"]) == ([], frozenset())


def test_a_new_owner_is_not_judged_by_the_old_ones_time(leases):
    change(leases.take("7"), OLD)
    stopwatch = Stopwatch()
    lookout = Lookout(leases, stopwatch)
    _, expired = watched(lookout, stopwatch, beats=2)
    change(leases.take("7", expired=expired), OLD)
    assert lookout.look(["7"]) == ([], frozenset())


def test_the_clock_of_the_machine_is_not_asked(leases, monkeypatch):
    def refuse():
        raise AssertionError("the machine's clock was asked")

    monkeypatch.setattr(time, "time", refuse)
    lease = leases.take("7")
    lease.renew()
    Lookout(leases, Stopwatch()).look(["7"])


@given(st.lists(st.sampled_from(["take", "renew", "die", "give", "look"]), max_size=25))
def test_at_most_one_worker_believes_that_it_has_it(tmp_path_factory, moves):
    """Whatever happens in whichever order, and only the newest owner's check succeeds."""
    leases = Leases(tmp_path_factory.mktemp("leases"), beat=1000, expiry=5000)
    stopwatch, owners = Stopwatch(), []
    lookout, expired = Lookout(leases, stopwatch), frozenset()
    for move in moves:
        newest = owners[-1] if owners else None
        if move == "take" and (lease := leases.take("7", expired=expired)):
            owners.append(lease)
        elif move == "renew" and newest:
            newest.renew()
        elif move == "die" and newest:
            change(newest, OLD)
        elif move == "give" and newest:
            newest.give_back()
        elif move == "look":
            stopwatch.now += 2000
            expired = lookout.look(["7"])[1]
        believers = []
        for lease in owners:
            try:
                lease.check()
            except LeaseLost:
                continue
            believers.append(lease)
        assert believers == owners[-1:]


# The thread


def test_a_thread_renews_it(tmp_path):
    lease = Leases(tmp_path, beat=0.001).take("7")
    with lease:
        change(lease, OLD)
        eventually(lambda: lease.path.stat().st_mtime != OLD)
    assert not any(thread.name == "lease" for thread in threading.enumerate())
    change(lease, OLD)
    assert lease.path.stat().st_mtime == OLD


def test_the_thread_notices_that_it_is_lost(tmp_path):
    leases = Leases(tmp_path, beat=0.001)
    with leases.take("7") as lease:
        leases.file("7", 1).write_text("{}")
        eventually(lambda: lease.is_lost)
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_server_that_fails_for_once_ends_nothing(leases, monkeypatch):
    lease = leases.take("7")
    monkeypatch.setattr(module, "read", lambda *_: None)
    lease.check()
    monkeypatch.undo()
    lease.renew()
    lease.path.unlink()
    with pytest.raises(LeaseLost):
        lease.renew()


# Strangers, and folders that cannot be written


HOSTILE = [b"", b"\x00\xff", b"[]", b"null", b"[" * 4000, b"9" * 4000, b"{}" + b" " * 10_000,
           b'{"deaths": "x"}', b'{"deaths": -1}', b'{"deaths": 1e400}', b'{"deaths": true}',
           b'{"id": [], "worker": {"\\ud800": 1}}']  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: repr(content[:20]))
def test_a_forged_lease_expires_like_another(content, leases):
    forged = leases.file("7", 0)
    forged.write_bytes(content)
    os.utime(forged, (OLD, OLD))
    assert leases.take("7") is None
    stopwatch = Stopwatch()
    lookout = Lookout(leases, stopwatch)
    free, expired = watched(lookout, stopwatch, beats=2)
    assert free == ["7"]
    assert all(isinstance(worker, str) for worker in lookout.holders(["7"]))
    assert leases.take("7", expired=expired).deaths in (0, 1)


def test_what_is_no_file_is_no_trap(leases):
    leases.file("7", 0).mkdir()
    os.mkfifo(leases.file("8", 0))
    leases.file("9", 0).symlink_to("gone")
    lookout = Lookout(leases, Stopwatch())
    assert lookout.look(["7", "8", "9"])[0] == []
    lookout.holders(["7", "8", "9"])
    assert [leases.take(name) for name in "789"] == [None, None, None]


def test_a_folder_that_is_none_is_told_in_one_line(tmp_path):
    for place in (tmp_path / "gone", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        leases = Leases(place)
        for action in (lambda: leases.take("7"), leases.now, lambda: Lookout(leases).look(["7"])):  # noqa: B023 (called in the same turn)
            with pytest.raises(OutputError, match="workers must be able to create files there"):
                action()


def test_a_full_disk_leaves_no_lease(leases, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(small_files.os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device; workers"):
        leases.take("7")
    monkeypatch.undo()
    assert not list(leases.folder.iterdir())
    assert leases.take("7")
