"""The browser that other tests look at pages with: what it must not let pass."""

import asyncio
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import browser
import pytest


@contextmanager
def served(html):
    """The address of a server with one page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path == "/"
            body = html.encode() if found else b""
            self.send_response(200 if found else 204)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_page_is_opened_and_read(browse):
    with served("<!doctype html><title>here</title><p>Hello") as address:
        page = browse(address)
        assert page.title() == "here"
        assert page.inner_text("p") == "Hello"
        assert page.requests[0] == address


@pytest.mark.parametrize("elsewhere", ["http://example.org/a.png", "http://localhost:1/a.png"])
def test_a_request_to_elsewhere_fails_the_test(chromium, elsewhere):
    with browser.heard(chromium[1]), served(f"<title>x</title><img src='{elsewhere}'>") as address:
        visits = browser.Visits(chromium[0])
        visits(address)
        with pytest.raises(AssertionError, match="requests leave this machine"):
            visits.close()


def test_an_error_of_a_script_fails_the_test(chromium):
    page = "<title>x</title><script>throw new Error('broken')</script>"
    with browser.heard(chromium[1]), served(page) as address:
        visits = browser.Visits(chromium[0])
        visits(address)
        with pytest.raises(AssertionError, match="broken"):
            visits.close()


def test_axe_finds_a_picture_without_a_text(browse):
    page = "<!doctype html><html lang=en><title>x</title><main><h1>a</h1><img src='data:,'></main>"
    with served(page) as address:
        (found,) = browser.axe_violations(browse(address))
        assert found.startswith("image-alt")


def test_other_tests_have_their_own_event_loops(chromium):
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:80/x", True),
        ("data:image/png;base64,AA", True),
        ("blob:http://127.0.0.1:80/1", True),
        ("blob:http://example.org/1", False),
        ("http://127.0.0.1.example.org/", False),
        ("ws://example.org/", False),
        ("file:///etc/passwd", False),
    ],
)
def test_what_is_here(url, here):
    assert browser.is_here(url) is here
