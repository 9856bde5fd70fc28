"""Fixtures of all test modules; one CPU for each pytest worker; the same seeds for every test."""

import os
import random
import signal
from contextlib import suppress

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see impasto.apps.cli.main


def pin(worker):
    """Keep worker `gwN` and its children on one CPU, where the system can."""
    if worker and hasattr(os, "sched_setaffinity"):
        cpus = sorted(os.sched_getaffinity(0))
        with suppress(OSError):
            os.sched_setaffinity(0, {cpus[int(worker.removeprefix("gw")) % len(cpus)]})


pin(os.environ.get("PYTEST_XDIST_WORKER"))  # before torch, which counts the CPUs
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore

import numpy as np
import pytest
import torch
from hypothesis import settings

pytest.register_assert_rewrite("support")

from support import small
from support.browsing import browse, chromium, fake, mark_browser_tests, visit
from support.networks import TINY, register_tiny, tiny_weights
from support.pictures import random_image, smooth_picture
from support.small import paint_as_small_as_asked

__all__ = [
    "TINY",
    "browse",
    "chromium",
    "fake",
    "random_image",
    "smooth_picture",
    "tiny_weights",
    "visit",
]


def pytest_collection_modifyitems(items):
    """Let `-m browser` choose the tests that need one."""
    mark_browser_tests(items)


# Machines differ in speed, and continuous integration must not differ from itself.
settings.register_profile("impasto", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("impasto")
register_tiny()
paint_as_small_as_asked()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Every test begins with the same random numbers, whichever ran before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (hypothesis and others use the global generator)
    torch.manual_seed(0)


@pytest.fixture
def as_users_have_it(monkeypatch):
    """Small results are painted larger."""
    monkeypatch.setattr(small.schedule, "painted_larger", small.painted_larger)


@pytest.fixture
def tiny():
    return tiny_weights()


@pytest.fixture(scope="session")
def photo():
    return smooth_picture(48, 40)


@pytest.fixture(scope="session")
def painting():
    return smooth_picture(44, 36, phase=1.0)


def pytest_terminal_summary(terminalreporter):
    """Say what a machine lacks, if tests were skipped for that."""
    reasons = (str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ()))
    for reason in sorted({r for r in reasons if "no Chromium" in r}):
        terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(f"{reason}; install it with `apt-get install chromium`", red=True)
