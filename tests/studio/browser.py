"""A real browser for tests of the pages: Debian's Chromium, driven by Playwright.

The fixture `browse` of tests/support/browsing.py opens pages:

    def test_title(browse, address):
        page = browse(address)                       # a laptop; see PHONE for a telephone
        assert page.title() == "impasto studio"

A test fails at its end where a page asked for anything that is not at 127.0.0.1, where a script
failed, or where the console had an error (`page.errors` has them; remove what the test expects).
"""

import asyncio
import os
import shutil
from contextlib import contextmanager, suppress
from importlib import resources
from urllib.parse import urlsplit

PATIENCE = 60_000  # milliseconds; it only ends a test that hangs
MISSING = "no Chromium: tests of the studio in a real browser are skipped"
LAPTOP = {"viewport": {"width": 1366, "height": 768}}
PHONE = {
    "viewport": {"width": 360, "height": 800},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # names of elsewhere are unknown
)


def executable():
    """Where Chromium is on this machine; None without one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def launched():
    """A running Chromium, which ends with the block.

    Playwright's event loop counts as the thread's running one until the block ends; `paused` lets
    other tests have one of their own.
    """
    from playwright.sync_api import sync_playwright

    os.environ.setdefault("UV_USE_IO_URING", "0")  # Node's loop may spin there on some kernels
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(_FLAGS))
        loop = asyncio.get_running_loop()
        try:
            asyncio._set_running_loop(None)
            yield browser, loop
        finally:
            asyncio._set_running_loop(loop)
            browser.close()


@contextmanager
def heard(loop):
    """The block uses Playwright; before and after it the thread has no running loop."""
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


class Visits:
    """The pages that one test opens, and what they asked for."""

    def __init__(self, browser):
        self._browser, self._contexts = browser, []
        self.requests, self.errors = [], []

    def __call__(self, url=None, *, scheme="light", **options):
        """A page of a browser that knows nothing of others; options are of Playwright's context.

        `page.requests` has all addresses that were asked for, `page.errors` the errors.
        """
        options = {**LAPTOP, **options}
        context = self._browser.new_context(color_scheme=scheme, **options)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("weberror", lambda failure: self.errors.append(str(failure.error)))
        context.on("console", self._said)
        self._contexts.append(context)
        return self.another(context, url)

    def another(self, context, url=None):
        """One more page of the same browser: a second tab."""
        page = context.new_page()
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.requests, page.errors = self.requests, self.errors
        if url:
            page.goto(url)
        return page

    def _said(self, message):
        url = message.location.get("url", "")
        if message.type == "error" and not url.endswith("/favicon.ico"):  # of plain documents
            self.errors.append(f"{message.text} ({url})")

    def close(self):
        """Close all; AssertionError where something was asked for elsewhere, or failed."""
        for context in self._contexts:
            with suppress(Exception):  # a test may have closed it, or crashed it
                context.close()
        away = [url for url in self.requests if not is_here(url)]
        assert not away, f"requests leave this machine: {away}"
        assert not self.errors, f"errors on the page: {self.errors}"


def is_here(url):
    """Whether an address is this machine's, or holds its data itself."""
    parts = urlsplit(url)
    if parts.scheme in ("data", "about"):
        return True
    if parts.scheme == "blob":
        return is_here(parts.path)
    return parts.hostname == "127.0.0.1"


def axe_violations(page, scope=None, *, without=()):
    """What the rules of axe-core say against a page, or a part of it: one line for each element."""
    source = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page.evaluate(source + "\n;0")
    options = {"rules": {name: {"enabled": False} for name in without}}
    found = page.evaluate(
        "([scope, options]) => axe.run(scope || document, options)", [scope, options]
    )
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]}: {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
