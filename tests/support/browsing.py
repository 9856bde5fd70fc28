"""Fixtures of tests in a real browser; see tests/studio/browser.py.

One browser serves a whole worker. The modules of tests/studio are found once a test of that folder
is collected.
"""

import pytest

pytest.register_assert_rewrite("browser")

__all__ = ["browse", "chromium", "fake", "mark_browser_tests", "visit"]


def mark_browser_tests(items):
    """Mark what needs a browser, so that `-m browser` chooses it."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    import browser

    if browser.executable() is None:
        pytest.skip(browser.MISSING)
    with browser.launched() as running:
        yield running


@pytest.fixture
def browse(chromium):
    """Opens pages: `browse(url, **options of the context)`."""
    import browser

    running, loop = chromium
    with browser.heard(loop):
        visits = browser.Visits(running)
        yield visits
        visits.close()


@pytest.fixture
def fake():
    """A studio without painting, served at `fake.address`."""
    import fake_studio

    with fake_studio.served() as studio:
        yield studio


@pytest.fixture
def visit(fake, browse):
    """Opens the page of the fake studio and waits until it is ready: `visit(**options)`."""

    def visiting(**options):
        page = browse(fake.address, **options)
        page.wait_for_selector("html[data-ready]")
        return page

    return visiting
