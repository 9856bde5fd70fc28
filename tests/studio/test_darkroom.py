"""Whatever happens to the worker, the studio hears of it in a line and the next call works."""

import asyncio
import os
import sys
from contextlib import suppress

import pytest

from impasto.apps.studio import tasks
from impasto.apps.studio.darkroom import Darkroom
from impasto.apps.studio.refusal import Refusal
from support import misbehaving
from support.children import child, eventually, wait_until


@pytest.fixture(scope="module")
def room():
    before = dict(tasks.TASKS)
    misbehaving.known()
    room = Darkroom(["support.misbehaving:known"])
    room.start()
    yield room
    room.close()
    tasks.TASKS.clear()
    tasks.TASKS.update(before)


def call(room, *arguments):
    return room.submit(*arguments).result()


def test_values_come_back(room):
    assert call(room, "double", 21) == 42
    assert asyncio.run(room.call("double", 4)) == 8
    assert call(room, "where") == room.pid != os.getpid()


@pytest.mark.parametrize(
    ("task", "status", "text"),
    [
        (("refuse", "x"), 422, "x: not a picture"),
        (("fail",), 500, "KeyError"),
        (("grow",), 422, "memory"),
        (("sleep",), 422, "the task sleep took longer than 1 s"),
        (("leave",), 422, "memory"),
    ],
)
def test_a_task_that_ends_badly_is_one_refusal(room, task, status, text):
    with pytest.raises(Refusal, match=text) as error:
        call(room, *task)
    assert error.value.status == status
    assert call(room, "double", 2) == 4


def test_a_worker_that_was_killed_is_replaced(room):
    before = call(room, "where")
    os.kill(before, 9)

    def replaced():
        with suppress(Refusal):  # the call under way may still have been given to it
            return call(room, "where") != before
        return False

    eventually(replaced)


def test_closing_ends_a_task_under_way():
    misbehaving.known()
    room = Darkroom(["support.misbehaving:known"], patience=1000)
    future = room.submit("sleep")
    eventually(lambda: room.pid is not None)
    room.close()
    assert future.cancelled() or isinstance(future.exception(), Refusal)
    assert room.pid is None
    with pytest.raises(Refusal, match="closing"):
        room.submit("double", 1)


PARENT = """
import sys, threading
from impasto.apps.studio.darkroom import Darkroom
room = Darkroom()
room.submit("describe").result()
print(room.pid, flush=True)
threading.Event().wait()
"""


def test_the_worker_ends_with_its_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(f"if __name__ == '__main__':\n{PARENT.replace(chr(10), chr(10) + '    ')}\n")
    with child([sys.executable, script]) as parent:
        worker = int(parent.stdout.readline())
        with child([sys.executable, "-c", "input()"], stdin=-1) as bystander:
            parent.kill()
            parent.wait()
            wait_until(lambda: not running(worker), bystander)


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 (no file, but the kernel's answer)
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
