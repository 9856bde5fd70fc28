"""Runs that are interrupted and resumed, or end in an error."""

from itertools import islice

import pytest

from impasto.run import Notice, Run
from impasto.run.checkpoint import Checkpoint


def resumed(run, at, photo, painting, settings, tmp_path):
    """A second run that continues where the first was after step `at`, through a file."""
    for _ in islice(run, at):
        pass
    run.checkpoint().save(tmp_path / "c.checkpoint")
    return Run(photo, painting, settings, resume=Checkpoint.load(tmp_path / "c.checkpoint"))


def lines(run):
    """The lines of a run's trace, without the times."""
    return [{**step.line(), "seconds": 0, "done": step.done} for step in run.steps]


def notices_until(error, message, run):
    """What a run tells until it ends in an error."""
    told = []
    with pytest.raises(error, match=message):
        told.extend(event.text for event in run.events() if isinstance(event, Notice))
    return told
