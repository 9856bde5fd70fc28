"""The painter's two sides, without a painting: orders between two runs, errors of what listens."""

import multiprocessing
from pathlib import Path

import pytest

from impasto.apps.studio.easel import Easel
from impasto.apps.studio.orders import Adjust, End, Told, Work
from impasto.apps.studio.painter import Painter

WORK = Work("job", Path(), "standard", {}, (8, 6), None, version=1)
CHANGED = Work("job", Path(), "standard", {"seed": 1}, (8, 6), None, version=2)


@pytest.mark.parametrize(
    ("how", "runs", "ended"),
    [("pause", [1], "paused"), ("discard", [1], "discard"), ("stop", [1, 2], "stopped")],
)
def test_an_order_that_comes_after_a_change_counts(how, runs, ended):
    ours, theirs = multiprocessing.Pipe()
    easel, painted = Easel(theirs), []

    def segment(work):
        painted.append(work.version)
        if work is CHANGED:
            return {"how": "stopped"}
        easel._hear(Adjust(CHANGED))
        easel._hear(End("job", how))  # once the run has told that it was adjusted
        return {"how": "adjusted"}

    easel._paint_segment = segment
    easel._hear(WORK)
    easel._paint(WORK)
    told = ours.recv()
    assert (told.kind, told.facts["how"]) == ("ended", ended)
    assert (painted, told.facts["version"]) == (runs, runs[-1])


def test_an_error_of_what_listens_does_not_end_the_painter(caplog):
    heard = []

    def listen(told):
        heard.append(told.kind)
        if told.kind == "timed":
            raise OSError(28, "No space left on device")

    ours, theirs = multiprocessing.Pipe()
    painter = Painter(listen)

    class Ended:
        exitcode = 0

        def join(self):
            painter._closing.set()

    painter._spawned = lambda: (ours, Ended())
    for kind in ("ready", "timed", "step"):
        theirs.send(Told(kind))
    theirs.close()
    painter._follow()
    assert heard == ["ready", "timed", "step", "died"]
    assert "No space left on device" in caplog.text
