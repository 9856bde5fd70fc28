"""What a page of another origin, a broken client and a malicious file may try.

No answer has an address of the file system in it, and afterwards the studio works as before.
"""

import asyncio
import io
import json
import re
import socket
import struct
import tempfile
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

import impasto
from impasto.apps.studio import headers
from impasto.apps.studio.bodies import Patience
from impasto.apps.studio.guard import COOKIE
from support.children import PATIENCE, eventually
from support.site import Rooms, browser, encoded, noise, post, served

TOKEN = "a token of the tests"
JSON = {"content-type": "application/json"}
PLACES = [str(Path(impasto.__file__).parents[2]), tempfile.gettempdir(), str(Path.home()), "/usr/"]


def watched(response):
    """Fail on an answer that says where files are."""
    response.read()
    text = response.content + repr(response.headers).encode()
    for place in PLACES:
        assert place.encode() not in text, (response.request.url, response.text)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/json"
        assert {*response.json()} == {"error"}
        assert "\n" not in response.json()["error"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def rooms(folder):
    PLACES.append(str(folder))
    return Rooms(folder)


@pytest.fixture(scope="module")
def address(rooms):
    with served(rooms, patience=Patience(pause=2.0, total=6.0)) as address:
        yield address


@pytest.fixture(scope="module")
def client(address):
    with browser(address, event_hooks={"response": [watched]}) as client:
        yield client


@pytest.fixture(scope="module")
def ids(client):
    return [post(client, encoded(noise(seed=seed))).json()["id"] for seed in (20, 21, 22)]


def raw(address, request, *, rest=b""):
    """What the server answers to these bytes, up to the end of the connection or of its headers."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode("latin-1") + rest)
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
    return answer.decode("latin-1")


def status(answer):
    return int(answer.split(" ", 2)[1])


TRAVERSALS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%252f..%252fetc%252fpasswd",
    "..%5c..%5cetc%5cpasswd",
    "..\\..\\etc\\passwd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "index.html%00.png",
    "%00",
    ".",
    "..",
    "../site.py",
    "%2e%2e/site.py",
    "file:///etc/passwd",
    "sample:../../../etc/passwd",
    "sample:swirl%00",
    "....//....//etc/passwd",
    "%c0%ae%c0%ae/etc/passwd",
    "facts.json",
    "incoming",
    "~",
    "CON",
]


@pytest.mark.parametrize("path", TRAVERSALS)
@pytest.mark.parametrize(
    "place",
    ["/static/{}", "/api/pictures/{}", "/api/pictures/{}/thumb", "/api/pictures/{}/view", "/{}"],
)
def test_no_path_leads_anywhere(address, place, path):
    if place == "/{}" and path in (".", "..", "//etc/passwd"):
        return
    target = place.format(path).replace("\\", "%5c") if "\\" in path else place.format(path)
    answer = raw(address, f"GET {target} HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n")
    assert status(answer) in (400, 404), answer
    assert "root:" not in answer


@pytest.mark.parametrize("path", [*TRAVERSALS, "", 7, None, [], {"a": 1}, "x" * 10_000, "\x00"])
def test_no_id_in_a_request_is_a_path(client, ids, path):
    for field in ("content", "protect"):
        got = client.post("/api/plan", json={"styles": [ids[0]], field: path})
        assert got.status_code in ((200,) if path is None else (404, 422)), got.text
    for field in ("styles", "masks"):
        got = client.post("/api/plan", json={"content": ids[0], "styles": [ids[1]], field: [path]})
        assert got.status_code in ((200, 422) if path is None else (404, 422)), got.text


SETTINGS = [
    {"init": "/etc/passwd"},
    {"init": "sample:swirl"},
    {"init": "../../x.png"},
    {"encoder": "/etc/passwd"},
    {"encoder": "~/vgg.pth"},
    {"encoder": "file:///etc/passwd"},
    {"style_loss": "os:system"},
    {"optimiser": "../lbfgs"},
    {"colour_method": "/etc/passwd", "colour": "keep"},
    {"content_layers": {"/etc/passwd": 1}},
    {"content_layers": "/etc/passwd=1"},
    {"style_layers": {"relu1_1": -1}},
    {"device": "cuda"},
    {"threads": 1000},
    {"tile": 1},
    {"memory": "1TB"},
    {"recipe": "draft"},
    {"__class__": 1},
    {"keep": "/etc/passwd"},
    {"size": 10**9},
    {"size": -1},
    {"size": "1x1000000"},
    {"size": 1000000},
    {"size": [1, 2, 3]},
    {"iterations": 10**12},
    {"iterations": "x"},
    {"scales": "0.5"},
    {"scale_factor": 1.0},
    {"strength": "inf"},
    {"seed": -1},
    {"style_scale": [1, 2]},
    {"style_weights": [1, 2, 3]},
    {"size": {"a": {"b": {}}}},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_settings_hold_names_and_numbers(client, ids, settings):
    got = client.post(
        "/api/plan", json={"content": ids[0], "styles": [ids[1]], "settings": settings}
    )
    refused = got.status_code == 422 or (got.status_code == 200 and got.json()["error"])
    assert refused, got.text
    assert "root:" not in got.text


@pytest.mark.parametrize("recipe", ["/etc/passwd", "../standard", "", "x" * 1000, "standard\x00"])
def test_recipes_are_known_by_name(client, ids, recipe):
    got = client.post("/api/plan", json={"content": ids[0], "styles": [ids[1]], "recipe": recipe})
    assert got.status_code == 422


BODIES = {
    "a thousand fields": json.dumps({f"field{n}": n for n in range(1000)}),
    "a thousand settings": json.dumps({"settings": {f"field{n}": n for n in range(1000)}}),
    "deep": "[" * 30_000 + "]" * 30_000,
    "deep object": '{"a":' * 9000 + "1" + "}" * 9000,
    "rather deep": '{"settings":{"size":' + "[" * 50 + "]" * 50 + "}}",
    "many values": json.dumps([0] * 20_000),
    "many styles": json.dumps({"styles": ["x"] * 100}),
    "a long number": '{"settings":{"seed":' + "9" * 50_000 + "}}",
    "NaN": '{"settings":{"strength":NaN}}',
    "infinity": '{"settings":{"strength":1e999}}',
    "half a character": '{"content":"\\ud800"}',
    "not UTF-8": b'{"content":"\xff\xfe"}',
    "not JSON": "content=1",
    "a list": "[]",
    "null": "null",
    "text": '"x"',
    "cut": '{"content":',
    "empty": "",
}


@pytest.mark.parametrize("kind", BODIES)
def test_json_is_bounded(client, kind):
    got = client.post("/api/plan", content=BODIES[kind], headers=JSON)
    assert got.status_code in (400, 413, 422), got.text


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_json_comes_as_json(client, kind):
    """A form of another page can send other types without being asked."""
    headers = {"content-type": kind} if kind else {}
    assert client.post("/api/plan", content="{}", headers=headers).status_code == 415


def head(length=None, path="/api/pictures", more=""):
    size = f"Content-Length: {length}\n" if length is not None else ""
    return f"POST {path} HTTP/1.1\nHost: 127.0.0.1\n{size}{more}\n"


def test_a_body_that_says_it_is_too_long_is_refused_at_once(address):
    assert status(raw(address, head(4 * 2**30))) == 413
    assert (
        status(raw(address, head(100_000, "/api/plan", "Content-Type: application/json\n"))) == 413
    )
    assert status(raw(address, head(10**19))) == 413


@pytest.mark.parametrize("length", ["-1", "1" * 40, "1e3", "0x10", "5, 6", "x"])
def test_a_length_that_is_none_is_refused(address, length):
    assert status(raw(address, head(length))) in (400, 413)


def test_a_body_without_end_is_cut(address):
    """Chunks of a megabyte until the server has enough."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as connection:
        connection.sendall(head(more="Transfer-Encoding: chunked\n").replace("\n", "\r\n").encode())
        chunk, sent = b"100000\r\n" + bytes(2**20) + b"\r\n", 0
        try:
            while sent < 200:
                connection.sendall(chunk)
                sent += 1
        except OSError:
            pass
    assert sent < 150


@pytest.mark.parametrize("start", [b"", b"\x89PNG"])
def test_a_slow_body_is_given_up(address, start):
    assert status(raw(address, head(1000), rest=start)) == 408


@pytest.mark.parametrize("start", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_connection_whose_headers_have_no_end_is_closed(address, start, monkeypatch):
    monkeypatch.setattr(headers, "_PATIENCE", 0.2)
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as connection:
        connection.sendall(start)
        assert connection.recv(100) == b""


def test_headers_that_come_in_pieces_are_answered(address):
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as connection:
        for _ in range(2):  # the second on the connection that is kept
            for piece in (b"GET /hea", b"lthz HTTP/1.1\r\nHo", b"st: 127.0.0.1\r\n", b"\r\n"):
                connection.sendall(piece)
            answer = b""
            while not answer.endswith(b"ok\n"):
                piece = connection.recv(20_000)
                assert piece, answer
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200")


def test_a_body_that_breaks_off_leaves_nothing(address, folder, client):
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as connection:
        connection.sendall(head(1000).replace("\n", "\r\n").encode() + b"abc")
    eventually(lambda: not list((folder / "pictures" / "incoming").iterdir()))
    assert client.get("/healthz").status_code == 200


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, body=b"", kind=2):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    packed = chunk(b"IDAT", zlib.compress(body, 9))
    return b"\x89PNG\r\n\x1a\n" + header + packed + chunk(b"IEND", b"")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(document.cookie)</script>"
FILES = {
    "a bomb": lambda: png(60_000, 60_000, bytes(10_000_000)),
    "a bomb of 16 bits": lambda: png(12_000, 12_000, bytes(1000)).replace(
        b"\x08\x02", b"\x10\x02", 1
    ),
    "a flat bomb": lambda: png(2**31 - 1, 1),
    "no pixels": lambda: png(0, 0),
    "cut": lambda: encoded(noise(300, 300))[:5000],
    "SVG": lambda: SVG,
    "HTML": lambda: HTML,
    "text": lambda: b"GIF89a" + HTML,
    "empty": lambda: b"",
    "zeros": lambda: bytes(100_000),
    "a program": lambda: b"\x7fELF" + bytes(1000),
    "PDF": lambda: b"%PDF-1.7\n" + bytes(1000),
    "EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(x) run\n",
    "ZIP": lambda: b"PK\x03\x04" + bytes(1000),
    "a GIF bomb": lambda: b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(100),
    "a TIFF of /etc/passwd": lambda: b"II*\x00\x08\x00\x00\x00\x00\x00/etc/passwd",
    "WebP without pixels": lambda: b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(8),
    "Pickle": lambda: b"cos\nsystem\n(S'touch x'\ntR.",
}


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_picture_is_refused_and_the_next_is_read(client, folder, kind):
    got = post(client, FILES[kind](), "photo.png")
    assert got.status_code == 422, got.text
    assert "photo.png" in got.text or kind == "empty"
    assert not list((folder / "pictures" / "incoming").iterdir())
    assert post(client, encoded(noise(seed=30))).status_code in (200, 201)


def test_a_bomb_within_the_limit_of_pixels_is_read_in_bounded_memory(client):
    rows = (b"\x00" + bytes(13_000)) * 13_000
    data = png(13_000, 13_000, rows, kind=0)
    assert len(data) < 400_000
    got = post(client, data)
    assert got.status_code == 201, got.text
    assert client.delete(f"/api/pictures/{got.json()['id']}").status_code == 204


POLYGLOTS = {
    "HTML behind a JPEG": lambda: encoded(noise(seed=31), "JPEG") + HTML,
    "HTML in a comment": lambda: encoded(noise(seed=32), "JPEG", comment=HTML),
    "ZIP behind a PNG": lambda: encoded(noise(seed=33)) + b"PK\x03\x04" + SVG,
}


@pytest.mark.parametrize("kind", POLYGLOTS)
def test_only_pixels_of_a_polyglot_are_given_out(client, kind):
    facts = post(client, POLYGLOTS[kind](), "x.html").json()
    for small in ("thumb", "view"):
        got = client.get(f"/api/pictures/{facts['id']}/{small}")
        assert got.headers["content-type"] == "image/webp"
        assert b"script" not in got.content
    assert client.get(f"/api/pictures/{facts['id']}/original").status_code == 404


def test_places_and_names_in_a_photograph_are_not_given_out(client):
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    facts = post(client, encoded(noise(seed=34), "JPEG", exif=exif)).json()
    assert b"taken at home" not in client.get(f"/api/pictures/{facts['id']}/view").content


@pytest.mark.parametrize(
    "name",
    [
        '"quoted".png',
        "<script>alert(1)</script>.png",
        "../../up.png",
        "a\r\nSet-Cookie: x=1",
        "%00",
        "naïve 日本 🎨.png",
        "\u202egnp.exe",
        "a" * 5000,
    ],
)
def test_a_name_is_text(client, name):
    data = encoded(noise(seed=zlib.crc32(name.encode()) % 1000 + 100))
    got = post(client, data, name)
    assert got.status_code in (200, 201)
    shown = got.json()["name"]
    assert len(shown) <= 120
    assert "/" not in shown
    assert shown.isprintable()
    assert "set-cookie" not in got.headers


@pytest.mark.parametrize("role", ["x", "../x", "", "mask\x00"])
def test_a_role_is_one_of_two(client, role):
    assert post(client, encoded(noise(seed=35)), role=role).status_code == 422


HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "evil.example:80",
    "",
    "localhost.evil.example",
    "127.0.0.1@evil.example",
    "192.168.1.9",
    "[::2]",
    "127.0.0.1:x",
    "0.0.0.0",
    "127.0.0.1 x",
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/", "/api/pictures", "/healthz", "/static/index.html"])
def test_a_foreign_host_is_refused(address, host, path):
    answer = raw(address, f"GET {path} HTTP/1.1\nHost: {host}\n\n")
    assert status(answer) in (400, 403)
    assert "nosniff" in answer or status(answer) == 400


def test_two_hosts_or_none_are_refused(address):
    assert status(raw(address, "GET / HTTP/1.1\nHost: 127.0.0.1\nHost: evil.example\n\n")) >= 400
    assert status(raw(address, "GET / HTTP/1.0\n\n")) >= 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "localhost:9999"])
def test_names_of_this_machine_are_known(address, host):
    assert status(raw(address, f"GET /healthz HTTP/1.1\nHost: {host}\n\n")) == 200


ELSEWHERE = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "https://127.0.0.1.evil.example"},
    {"origin": ""},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "x"},
    {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_another_page_changes_and_reads_nothing(client, ids, headers):
    data = encoded(noise(seed=36))
    assert client.post("/api/pictures", content=data, headers=headers).status_code == 403
    assert client.post("/api/plan", json={}, headers=headers).status_code == 403
    assert client.delete(f"/api/pictures/{ids[2]}", headers=headers).status_code == 403
    assert client.get("/api/pictures", headers=headers).status_code == 403
    assert client.get(f"/api/pictures/{ids[2]}").status_code == 200


def test_the_own_page_does(client, address, ids):
    own = {"origin": address, "sec-fetch-site": "same-origin"}
    body = {"content": ids[0], "styles": [ids[1]], "settings": {"encoder": "tiny", "size": 64}}
    assert client.post("/api/plan", json=body, headers=own).status_code == 200
    assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200  # a link


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "CONNECT", "OPTIONS", "BREW", "POST"])
def test_other_methods_do_nothing(client, method):
    got = client.request(method, "/api/pictures/sample:swirl")
    assert got.status_code in (404, 405)
    assert "access-control-allow-origin" not in got.headers


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    rooms = Rooms(tmp_path_factory.mktemp("guarded"))
    with served(rooms, host="0.0.0.0", token=TOKEN) as address:
        yield address


WRONG = ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\u00e9\u0142", "%00", "token"]


@pytest.mark.parametrize("token", WRONG)
@pytest.mark.parametrize("path", ["/", "/api/pictures", "/static/index.html", "/api/events"])
def test_without_the_token_there_is_nothing(guarded, path, token):
    with browser(guarded, event_hooks={"response": [watched]}) as client:
        assert client.get(path).status_code == 401
        assert client.get(path, params={"token": token}).status_code == 401
        cookie = {"cookie": f"{COOKIE}={token.encode('ascii', 'ignore').decode()}"}
        assert client.get(path, headers=cookie).status_code == 401
        assert client.get(path, headers={"authorization": "Bearer x"}).status_code == 401
        assert client.post("/api/pictures", content=b"x").status_code == 401
        assert client.get("/healthz").status_code == 200


def test_the_token_is_a_cookie_afterwards(guarded):
    with browser(guarded) as client:
        first = client.get("/", params={"token": TOKEN})
        assert first.status_code == 303
        assert first.headers["location"] == "/"
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert client.get("/").status_code == 200
        assert client.get("/api/pictures").status_code == 200
        others = {"cookie": f'prefs={{"a": 1}}; {COOKIE}={client.cookies[COOKIE]}'}
    with browser(guarded, headers=others) as client:  # of another program of this computer
        assert client.get("/api/pictures").status_code == 200
    with browser(guarded) as client:
        compared = client.get("/compare", params={"token": TOKEN})
        assert (compared.status_code, compared.headers["location"]) == (303, "/compare")
    with browser(guarded, headers={"authorization": f"Bearer {TOKEN}"}) as program:
        assert program.get("/api/pictures").status_code == 200


def test_an_address_in_numbers_is_no_rebinding(guarded):
    asked = "GET /healthz HTTP/1.1\nHost: {}\n\n"
    assert status(raw(guarded, asked.format("192.168.1.9:7860"))) == 200
    assert status(raw(guarded, asked.format("evil.example"))) == 403


def test_many_uploads_at_once_are_each_answered(address, rooms):
    """Twice the same sixty pictures, and sixty files that are none."""

    async def all_at_once():
        pictures = [encoded(noise(8, 8, seed=200 + n)) for n in range(30)]
        limits = httpx.Limits(max_connections=90)
        async with httpx.AsyncClient(
            base_url=address, timeout=PATIENCE, trust_env=False, limits=limits
        ) as many:
            return await asyncio.gather(
                *(many.post("/api/pictures", content=data) for data in pictures * 2),
                *(many.post("/api/pictures", content=b"no picture") for _ in range(30)),
            )

    codes = [answer.status_code for answer in asyncio.run(all_at_once())]
    assert {*codes[:60]} <= {200, 201}
    assert codes[:60].count(201) == 30
    assert {*codes[60:]} == {422}


def test_headers_without_end_are_cut(address):
    long = "".join(f"X-{n}: {'x' * 1000}\n" for n in range(200))
    assert status(raw(address, f"GET / HTTP/1.1\nHost: 127.0.0.1\n{long}\n")) == 400


def test_the_page_has_nothing_inline(client):
    policy = client.get("/").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert "*" not in policy


def test_the_studio_is_as_before(client, folder):
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/api/hello").status_code == 200
    with Image.open(io.BytesIO(client.get("/api/pictures/sample:swirl/thumb").content)):
        pass
    for path in folder.rglob("*"):
        known = r"[0-9a-f]{64}|sample-[a-z]+|facts\.json|(thumb|view)\.webp|original\.[a-z]+"
        assert re.fullmatch(known + r"|pictures|incoming|rates\.json", path.name)
