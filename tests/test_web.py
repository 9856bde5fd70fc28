"""Pictures by their address, from a server on this computer alone."""

import ipaddress
import socket
import ssl
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import trustme

from impasto.apps.cli import main
from impasto.errors import ExtraMissing, ImageError
from impasto.images import fetch, read
from impasto.images.connections import Connections
from impasto.images.web import _is_public, is_address, name_in
from support.pictures import smooth_picture

BODY = smooth_picture(20, 12)._repr_png_()


class Handler(BaseHTTPRequestHandler):
    """Answers by the path: a picture, or something else on purpose."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Host"]))
        path = self.path.partition("?")[0]
        status, headers, body = self.server.answers.get(path, (404, {}, b""))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def serving(answers, context=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked = answers, []
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server, f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def http():
    answers = {
        "/a.png": (200, {}, BODY),
        "/loop": (302, {"Location": "/loop"}, b""),
        "/moved": (301, {"Location": "a.png?x=1"}, b""),
        "/inside": (302, {"Location": "http://169.254.169.254/secret"}, b""),
        "/file": (302, {"Location": "file:///etc/passwd"}, b""),
        "/long": (200, {"Content-Length": "999999999999"}, b""),
        "/short": (200, {"Content-Length": str(len(BODY) + 10)}, BODY),
        "/packed": (200, {"Content-Encoding": "gzip"}, BODY),
    }
    with serving(answers) as served:
        yield served


def allowed(place, path, **options):
    return fetch(f"http://{place}{path}", http=True, local=True, **options)


def test_a_picture_is_fetched_and_known_by_its_content(http):
    server, place = http
    found = allowed(place, "/a.png?size=2")
    assert (found.name, found.data) == ("a.png", BODY)
    assert read(found).size == (20, 12)
    assert server.asked == [("/a.png?size=2", place)]


def test_a_redirect_is_followed(http):
    assert allowed(http[1], "/moved").data == BODY


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/loop", "redirects more than 5 times"),
        ("/file", "refused, plain file"),
        ("/gone", "the server answers 404"),
        ("/long", "refused, over 500,000,000 bytes"),
        ("/short", "incomplete|peer closed|bytes came"),
        ("/packed", "compresses it"),
    ],
)
def test_what_a_server_may_not_do(http, path, says):
    with pytest.raises(ImageError, match=says):
        allowed(http[1], path)


def test_a_file_above_the_limit_is_refused(http):
    with pytest.raises(ImageError, match="over 100 bytes"):
        allowed(http[1], "/a.png", max_bytes=100)


def test_nothing_private_is_asked_unless_it_is_allowed(http):
    server, place = http
    with pytest.raises(ImageError, match=r"127\.0\.0\.1 is no public address"):
        fetch(f"http://{place}/a.png", http=True)
    with pytest.raises(ImageError, match="refused, plain http; expected https"):
        fetch(f"http://{place}/a.png", local=True)
    with pytest.raises(ImageError, match="a name or password"):
        fetch(f"http://me:secret@{place}/a.png", http=True, local=True)
    assert server.asked == []


def test_redirects_are_checked_like_the_first_address(http, monkeypatch):
    """The first host counts as public here, so that only the second is refused."""
    monkeypatch.setattr("impasto.images.web._is_public", lambda number: number.is_loopback)
    with pytest.raises(ImageError, match=r"169\.254\.169\.254 is no public address"):
        fetch(f"http://{http[1]}/inside", http=True)


def test_all_numbers_of_a_host_are_checked_and_resolved_once(http, monkeypatch):
    server, place = http
    port = int(place.rpartition(":")[2])
    asked = []

    def resolved(host, port, *_, **__):
        asked.append(host)
        numbers = ["93.184.216.34", "127.0.0.1"] if host == "mixed.test" else ["127.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (n, port)) for n in numbers]

    monkeypatch.setattr("impasto.images.web.socket.getaddrinfo", resolved)
    with pytest.raises(ImageError, match=r"127\.0\.0\.1 is no public address"):
        fetch(f"http://mixed.test:{port}/a.png", http=True)
    asked.clear()
    monkeypatch.setattr("impasto.images.web._is_public", lambda _: True)
    assert fetch(f"http://one.test:{port}/a.png", http=True).data == BODY
    assert asked[0] == "one.test"
    assert "one.test" not in asked[1:]  # the connection is to the number
    assert server.asked == [("/a.png", f"one.test:{port}")]


def test_an_unknown_host(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("impasto.images.web.socket.getaddrinfo", unknown)
    with pytest.raises(ImageError, match="no such host"):
        fetch("https://nowhere.test/a.png")


PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"]
PRIVATE = [
    "127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "::1", "fe80::1", "fc00::1", "::ffff:10.0.0.1", "2002:7f00:1::",
    "64:ff9b::7f00:1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("number", [*PUBLIC, *PRIVATE])
def test_public_numbers(number):
    assert _is_public(ipaddress.ip_address(number)) == (number in PUBLIC)


def test_https_with_a_trusted_certificate_and_never_back_to_http(http):
    authority = trustme.CA()
    theirs, ours = (ssl.SSLContext(p) for p in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    down = (302, {"Location": f"http://{http[1]}/a.png"}, b"")
    with serving({"/a.png": (200, {}, BODY), "/down": down}, theirs) as (_, place):
        assert fetch(f"https://{place}/a.png", local=True, tls=ours).data == BODY
        with pytest.raises(ImageError, match="redirects to plain http"):
            fetch(f"https://{place}/down", local=True, http=True, tls=ours)
        with pytest.raises(ImageError, match=r"(?i)certificate"):
            fetch(f"https://{place}/a.png", local=True)


def test_a_server_that_says_nothing_is_left():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ImageError, match=r"came in 0\.2 s|timed out"):
            fetch(f"http://127.0.0.1:{port}/", http=True, local=True, seconds=0.2)


def test_the_time_is_for_all_numbers_of_a_host_together(monkeypatch):
    tried = []

    def silent(_client, request, **_):
        tried.append(request.url.host)
        time.sleep(0.2)
        raise httpx.ConnectTimeout("timed out")

    numbers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"8.8.8.{n}", 443)) for n in (4, 8)]
    monkeypatch.setattr("impasto.images.web.socket.getaddrinfo", lambda *_, **__: numbers)
    monkeypatch.setattr(httpx.Client, "send", silent)
    with pytest.raises(ImageError, match=r"not all of it came in 0\.1 s"):
        fetch("https://example.test/a.png", seconds=0.1)
    assert tried == ["8.8.8.4"]


def test_a_connection_that_comes_too_late_ends_at_once():
    class Stream:
        def __init__(self, end):
            self.end = end

        def get_extra_info(self, _):
            return self.end

    connections, (ours, theirs) = Connections(), socket.socketpair()
    with ours, theirs:
        connections.end()
        connections.trace("connection.connect_tcp.complete", {"return_value": Stream(ours)})
        assert theirs.recv(1) == b""


def test_without_httpx_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'impasto\[web\]'"):
        fetch("https://example.test/a.png")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://a.test/b/photo.jpg?x=/y.png#z", "photo.jpg"),
        ("https://a.test", "picture"),
        ("https://a.test/b/", "picture"),
        ("https://a.test/..%2f..%2fetc%2fpasswd", "etcpasswd"),
        ("https://a.test/%00%0a.hidden{stem}", "hiddenstem"),
        ("HTTP://a.test/Ü.png", "Ü.png"),
    ],
)
def test_names_in_addresses_are_harmless(address, name):
    assert is_address(address)
    assert name_in(address) == name


def test_files_are_no_addresses():
    assert not any(map(is_address, ["photo.jpg", "file:///a", "https:/a", "./https://a"]))


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ([], "refused, plain http; expected https"),
        (["--allow-http"], "127.0.0.1 is no public address"),
        (["--allow-local"], "refused, plain http; expected https"),
        (["--allow-http", "--allow-local"], None),
    ],
)
def test_each_option_of_the_command_line_allows_its_own(
    http, options, refusal, tmp_path, monkeypatch, capsys
):
    server, place = http
    monkeypatch.chdir(tmp_path)
    smooth_picture(40, 44, phase=1.0).save("painting.png")
    quick = ["--size=32", "--iterations=1", "--encoder=tiny", "--quiet", "-o", "out.png"]
    with pytest.raises(SystemExit) as left:
        main(["stylize", f"http://{place}/a.png", "painting.png", *quick, *options])
    told = capsys.readouterr().err
    assert left.value.code == (2 if refusal else 0), told
    assert (refusal or "") in told
    assert (tmp_path / "out.png").exists() == (not refusal)
    assert bool(server.asked) == (not refusal)
