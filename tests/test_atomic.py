"""Atomic files: whole or not there, links only to our own kind, nobody else's file removed."""

import contextlib
import os
import subprocess
import sys

import pytest

from impasto.errors import OutputError
from impasto.images import AtomicFile, atomic, check_place, resolved
from support.children import child

WRITER = """
import sys
from impasto.images import AtomicFile
file = AtomicFile(sys.argv[1])
file.file.write_bytes(b"half")
print(file.file, flush=True)
sys.stdin.read()
file.publish()
"""


@contextlib.contextmanager
def writer(path):
    """A process in the middle of writing, and the name of its temporary file."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with child(command, stdin=subprocess.PIPE) as process:
        yield process, process.stdout.readline().strip()


def temporary(folder):
    return sorted(path.name for path in folder.glob(".*.tmp"))


def test_the_file_of_a_live_process_stays_and_that_of_a_killed_one_goes(tmp_path):
    target = tmp_path / "out.png"
    with writer(target) as (process, name):
        AtomicFile(target).publish()
        assert [str(tmp_path / left) for left in temporary(tmp_path)] == [name]
        process.stdin.close()
        assert process.wait(60) == 0
    assert target.read_bytes() == b"half"
    with writer(target) as (process, name):
        process.kill()
        process.wait(60)
        assert [str(tmp_path / left) for left in temporary(tmp_path)] == [name]
        AtomicFile(target).discard()
    assert temporary(tmp_path) == []
    assert target.read_bytes() == b"half"


def test_a_process_that_is_not_in_our_table_keeps_its_file(tmp_path, monkeypatch):
    """In another container the writer has no number here; it holds a lock all the same."""

    def unknown(*_):
        raise ProcessLookupError

    target = tmp_path / "out.png"
    with writer(target) as (_, name):
        monkeypatch.setattr(os, "kill", unknown)
        AtomicFile(target).discard()
        monkeypatch.undo()
        assert [str(tmp_path / left) for left in temporary(tmp_path)] == [name]


def test_files_of_another_system_stay(tmp_path, monkeypatch):
    """Its locks may not be seen here."""
    target = tmp_path / "out.png"
    monkeypatch.setattr(atomic, "_system", lambda: "01234567")
    left = atomic.AtomicFile(target)
    left._unlock()  # as if killed
    monkeypatch.setattr(atomic, "_system", lambda: "89abcdef")
    AtomicFile(target).discard()
    assert temporary(tmp_path) == [left.file.name]
    monkeypatch.setattr(atomic, "_system", lambda: "01234567")
    AtomicFile(target).discard()
    assert temporary(tmp_path) == []


def test_long_names_with_one_beginning_are_told_apart(tmp_path):
    one, other = (tmp_path / f"{'n' * 60}{letter}.png" for letter in "ab")
    left = AtomicFile(one)
    left._unlock()  # as if killed
    AtomicFile(other).discard()
    assert temporary(tmp_path) == [left.file.name]
    left.publish()


def test_a_file_removed_before_it_was_locked_is_created_anew(tmp_path, monkeypatch):
    lock, removed = atomic._lock, []

    def removing(descriptor):
        if not removed:
            removed.extend(temporary(tmp_path))
            (tmp_path / removed[0]).unlink()
        lock(descriptor)

    monkeypatch.setattr(atomic, "_lock", removing)
    with AtomicFile(tmp_path / "out.png") as file:
        assert file.name not in removed
        file.write_bytes(b"whole")
    assert (tmp_path / "out.png").read_bytes() == b"whole"


@pytest.mark.parametrize("places", [1, 2])
def test_a_link_to_itself_is_refused_and_stays(tmp_path, places):
    links = [tmp_path / f"loop{n}.png" for n in range(places)]
    for n, link in enumerate(links):
        link.symlink_to(links[(n + 1) % places])
    for attempt in (AtomicFile, resolved, lambda path: check_place(path, [".png"])):
        with pytest.raises(OutputError, match=r"loop0.png: a link to itself; choose another name"):
            attempt(links[0])
    assert all(link.is_symlink() for link in links)
    assert len(list(tmp_path.iterdir())) == places


@pytest.mark.parametrize("there", [True, False])
def test_a_link_to_a_file_of_another_kind_is_refused(tmp_path, there):
    notes, link = tmp_path / "notes.txt", tmp_path / "out.checkpoint"
    if there:
        notes.write_text("mine")
    link.symlink_to(notes)
    for attempt in (AtomicFile, resolved, lambda path: check_place(path, [".checkpoint"])):
        with pytest.raises(OutputError, match=r"out.checkpoint: a link to .*notes.txt.* ending"):
            attempt(link)
    assert notes.exists() == there
    assert not there or notes.read_text() == "mine"


def test_a_link_to_its_own_kind_is_followed(tmp_path):
    real, link = tmp_path / "real.PNG", tmp_path / "link.png"
    link.symlink_to("real.PNG")
    assert resolved(link) == real
    with AtomicFile(link) as file:
        file.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert resolved(real) == real


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    left = AtomicFile(tmp_path / "out.png")
    left._unlock()
    monkeypatch.setattr(atomic, "fcntl", None)
    with AtomicFile(tmp_path / "out.png") as file:
        file.write_bytes(b"new")
    assert temporary(tmp_path) == [left.file.name]
    assert (tmp_path / "out.png").read_bytes() == b"new"


def test_the_name_of_the_running_system(monkeypatch, tmp_path):
    atomic._system.cache_clear()
    monkeypatch.setattr(atomic, "BOOT_ID", tmp_path / "none")
    try:
        assert atomic._system() == "unknown"
        left = AtomicFile(tmp_path / "out.png")
        left._unlock()
        AtomicFile(tmp_path / "out.png").discard()
        assert temporary(tmp_path) == [left.file.name]
    finally:
        atomic._system.cache_clear()
