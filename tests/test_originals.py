"""Originals: fetched over https from a server of our own, resumed, checked; compared; listed."""

import hashlib
import json
import ssl
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
import trustme

import weight_files as files
from conftest import TINY, random_image, tiny_weights
from impasto.apps.cli import main
from impasto.encoder import BUNDLED, Encoder, Weights, bundled, weights_of
from impasto.encoder.weights import catalogue as names
from impasto.encoder.weights import download, originals
from impasto.encoder.weights.compare import distances, expecting
from impasto.encoder.weights.download import fetch
from impasto.encoder.weights.normalised import MEAN_ACTIVATIONS
from impasto.encoder.weights.originals import ORIGINALS, Original
from impasto.errors import ExtraMissing, WeightsError
from impasto.images.spaces import CAFFE, CAFFE_RGB, IMAGENET

BODY = bytes(torch.randint(0, 256, (300_000,), generator=torch.Generator().manual_seed(0)).tolist())
NAME = "vgg19:keras"


# What the server may do with a request


def whole(request):
    """All of it, or from where the client asks."""
    start = int(request.headers.get("Range", "bytes=0-")[6:-1])
    request.send_response(206 if start else 200)
    if start:
        request.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
    request.send_header("Content-Length", str(len(BODY) - start))
    request.end_headers()
    request.wfile.write(BODY[start:])


def deaf(request):
    """All of it, whatever the client asks."""
    del request.headers["Range"]
    whole(request)


def cut(request):
    """A third of what is left, though more is promised."""
    start = int(request.headers.get("Range", "bytes=0-")[6:-1])
    request.send_response(206 if start else 200)
    request.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
    request.send_header("Content-Length", str(len(BODY) - start))
    request.end_headers()
    request.wfile.write(BODY[start : start + (len(BODY) - start) // 3])


def elsewhere(request):
    """Another part than the one asked for."""
    request.send_response(206)
    request.send_header("Content-Range", f"bytes 5-{len(BODY) - 1}/{len(BODY)}")
    request.end_headers()
    request.wfile.write(BODY[5:])


def endless(request):
    """More than there should be, without saying how much."""
    request.send_response(200)
    request.end_headers()
    request.wfile.write(BODY + b"more")


def altered(request):
    request.send_response(200)
    request.end_headers()
    request.wfile.write(BODY[:-1] + bytes([BODY[-1] ^ 1]))


def status(code):
    def answer(request):
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def redirect(where):
    def answer(request):
        request.send_response(302)
        request.send_header("Location", where)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


class Server(ThreadingHTTPServer):
    """Answers each request by the next of `answers`, the last of them for ever."""

    def __init__(self, certificate):
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.answers, self.ranges = [whole], []

    @property
    def url(self):
        return f"https://127.0.0.1:{self.server_port}/weights.h5"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server(authority):
    with Server(authority.issue_cert("127.0.0.1")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def tls(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path))
    names.WEIGHTS_CACHE.clear()
    yield tmp_path / "weights"
    names.WEIGHTS_CACHE.clear()


@pytest.fixture
def wanted(server):
    checksum = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
    return Original(NAME, server.url, len(BODY), checksum)


def partial_of(original):
    return original.path.with_name(original.path.name + ".part")


def test_fetched_whole_then_found(wanted, server, tls, cache):
    seen = []
    assert fetch(wanted, lambda done, total: seen.append((done, total)), tls)
    assert wanted.path == cache / "weights.h5"
    assert wanted.path.read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert not fetch(wanted, tls=tls)
    assert server.ranges == [None]
    assert not partial_of(wanted).exists()


@pytest.mark.parametrize(
    "answers",
    [
        [cut, whole],
        [cut, cut, cut, whole],
        [cut, deaf],
        [cut, elsewhere, whole],
        [cut, status(416), whole],
        [status(503), status(429), whole],
    ],
)
def test_resumed_after_a_cut(wanted, server, tls, answers):
    server.answers = answers
    fetch(wanted, tls=tls)
    assert wanted.path.read_bytes() == BODY


def test_a_resumed_download_asks_for_the_rest_alone(wanted, server, tls):
    server.answers = [cut, cut, whole]
    fetch(wanted, tls=tls)
    assert server.ranges == [None, "bytes=100000-", "bytes=166666-"]


def test_interrupted_then_resumed(wanted, server, tls):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(wanted, stop, tls)
    there = partial_of(wanted).stat().st_size
    assert 0 < there < len(BODY)
    assert not wanted.path.exists()
    fetch(wanted, tls=tls)
    assert server.ranges == [None, f"bytes={there}-"]
    assert wanted.path.read_bytes() == BODY


@pytest.mark.parametrize("left", [b"x" * len(BODY), b"x" * 1000, b"x" * (len(BODY) + 9)])
def test_a_spoilt_part_is_not_kept(wanted, tls, left):
    """What cannot be resumed is removed, at the latest by its checksum; then it works."""
    wanted.path.parent.mkdir()
    partial_of(wanted).write_bytes(left)
    try:
        fetch(wanted, tls=tls)
    except WeightsError as error:
        assert "not the published file" in str(error)  # noqa: PT017 (either is right)
        assert not partial_of(wanted).exists()
        fetch(wanted, tls=tls)
    assert wanted.path.read_bytes() == BODY


def drip(request, body=b"HTTP/1.1 200 OK\r\n"):
    """A byte now and then, for longer than anyone waits."""
    for byte in (body * 1000)[:1000]:
        try:
            request.wfile.write(bytes([byte]))
        except OSError:  # the client has had enough
            return
        time.sleep(0.02)


def drip_headers(request):
    drip(request, b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000)


def drip_body(request):
    request.send_response(200)
    request.send_header("Content-Length", str(len(BODY)))
    request.end_headers()
    drip(request, BODY[:1000])


def drip_chunk_size(request):
    """Of a chunked body, so that the client never sees a byte of it."""
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    drip(request, b"1;" + b"x" * 1000)


@pytest.mark.parametrize("answer", [drip_headers, drip_body, drip_chunk_size])
def test_a_server_that_drips_is_left(wanted, server, tls, monkeypatch, answer):
    """Each connection ends after one window of time, whatever the server drips."""
    monkeypatch.setattr(download, "_WINDOW", 0.1)
    monkeypatch.setattr(download, "_ATTEMPTS", 2)
    server.answers = [answer]
    with pytest.raises(WeightsError, match=r"cut 2 times \(fewer than 300000 bytes came in 0.1 s"):
        fetch(wanted, tls=tls)


def test_a_slow_connection_is_resumed(wanted, server, tls, monkeypatch):
    monkeypatch.setattr(download, "_WINDOW", 0.1)
    server.answers = [drip_body, whole]
    fetch(wanted, tls=tls)
    assert wanted.path.read_bytes() == BODY


@pytest.mark.parametrize("code", [404, 503])
def test_what_a_server_says_is_printed_harmlessly_and_in_short(wanted, server, tls, code):
    def rude(request):
        request.send_response(code, "\x1b[31m\x07\x9b" + "loud" * 5000)
        request.send_header("Content-Length", "0")
        request.end_headers()

    server.answers = [rude]
    with pytest.raises(WeightsError, match=str(code)) as caught:
        fetch(wanted, tls=tls)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600 + len(str(wanted.path))


REFUSALS = {
    "checksum": ([altered], r"not the published file \(SHA256 is .* expected .*\), and removed"),
    "too long": ([endless], "longer than the 300000 bytes that were published"),
    "cut for ever": ([cut], "cut 5 times .* to resume, impasto weights fetch vgg19:keras"),
    "not there": ([status(404)], "the server answers 404"),
    "plain http": ([redirect("http://127.0.0.1:9/w")], "plain http is refused; expected https"),
    "in circles": ([redirect("/again")], "redirects"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_refused(wanted, server, tls, kind):
    server.answers, message = REFUSALS[kind]
    with pytest.raises(WeightsError, match=message) as caught:
        fetch(wanted, tls=tls)
    assert "\n" not in str(caught.value)
    assert not wanted.path.exists()
    assert partial_of(wanted).exists() == (kind == "cut for ever")


def test_redirect_to_https_is_followed(wanted, server, tls):
    server.answers = [redirect("/mirror"), whole]
    fetch(wanted, tls=tls)
    assert wanted.path.read_bytes() == BODY


def test_offline_says_what_to_do(wanted, tls):
    wanted = replace(wanted, url="https://127.0.0.1:9/weights.h5")
    with pytest.raises(WeightsError, match="no connection") as caught:
        fetch(wanted, tls=tls)
    assert f"put {wanted.url} into {wanted.path.parent}" in str(caught.value)


def test_a_stranger_is_not_trusted(wanted):
    with pytest.raises(WeightsError, match=r"no connection.*certificate"):
        fetch(wanted, tls=ssl.create_default_context())


def test_one_process_at_a_time(wanted, tls):
    inner = []

    def second(done, total):
        with pytest.raises(WeightsError, match="another process is fetching it"):
            fetch(wanted, tls=tls)
        inner.append(done)

    fetch(wanted, second, tls)
    assert inner
    assert wanted.path.read_bytes() == BODY


def test_a_damaged_file_in_the_cache(wanted, tls):
    wanted.path.parent.mkdir()
    wanted.path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"not the published file .* remove it, then impasto"):
        fetch(wanted, tls=tls)


def test_a_cache_that_cannot_be_made(wanted, tls, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match=r"cannot be written .* IMPASTO_CACHE"):
        fetch(wanted, tls=tls)


def test_library_missing(wanted, monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ExtraMissing, match="fetching weights needs httpx"):
        fetch(wanted)


# Names and comparison


@pytest.fixture
def fetched(monkeypatch, cache):
    """The bundled VGG-19 as Keras would keep it, in the cache."""
    original = ORIGINALS[NAME]
    cache.mkdir()
    files.h5(original.path, bundled("vgg19"))
    digest = hashlib.md5(original.path.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setitem(originals.ORIGINALS, NAME, replace(original, checksum=f"md5:{digest}"))
    return original.path


@pytest.mark.parametrize("name", ORIGINALS)
def test_an_original_that_is_not_fetched(name, cache):
    with pytest.raises(WeightsError) as caught:
        weights_of(name)
    for part in (ORIGINALS[name].url, str(cache), f"impasto weights fetch {name}"):
        assert part in str(caught.value)


def test_checksums_are_whole():
    lengths = {"md5": 32, "sha256": 64}
    for original in ORIGINALS.values():
        algorithm, _, digest = original.checksum.partition(":")
        assert len(digest) == lengths[algorithm]
        assert original.url.startswith("https://")


def test_a_fetched_original_is_read_and_checked(fetched):
    weights = weights_of(NAME)
    assert weights.name == NAME
    assert torch.equal(weights.layers["conv5_4"][0], bundled("vgg19").layers["conv5_4"][0])
    names.WEIGHTS_CACHE.clear()
    fetched.write_bytes(fetched.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="MD5 is"):
        weights_of(NAME)


@pytest.mark.parametrize("space", [CAFFE_RGB, IMAGENET])
def test_another_colour_space_same_network(space):
    source = tiny_weights()
    moved = expecting(source, space)
    image = random_image(12, 14)
    (_, a), (_, b) = (
        Encoder(w, dtype=torch.float64).features(image, ["conv1_1"]) for w in (source, moved)
    )
    inner = (..., slice(1, -1), slice(1, -1))
    assert torch.allclose(a["conv1_1"][inner], b["conv1_1"][inner], rtol=1e-10, atol=1e-10)
    back = expecting(moved, CAFFE)
    assert torch.allclose(back.layers["conv1_1"][0], source.layers["conv1_1"][0], rtol=1e-12)
    assert torch.allclose(back.layers["conv1_1"][1], source.layers["conv1_1"][1], rtol=1e-10)


def test_distances_by_hand():
    source = tiny_weights()
    layers = {
        name: (weight * 1.25, bias - 2 * bias) for name, (weight, bias) in source.layers.items()
    }
    for distance in distances(Weights(TINY["vgg19"], layers), source):
        assert distance.weight == pytest.approx(0.25)
        assert distance.bias == pytest.approx(2)
    for distance in distances(source, expecting(source, IMAGENET)):
        assert distance.weight < 1e-12
        assert distance.bias < 1e-9


# The commands


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(["weights", *arguments])
    return caught.value.code, *capsys.readouterr()


def test_list(capsys, fetched):
    code, out, _ = run(capsys, "list", "--json")
    entries = {entry["name"]: entry for entry in json.loads(out)}
    assert code == 0
    assert tuple(entries) == names.ENCODERS.names()
    assert entries[NAME]["state"] == "fetched"
    assert entries["vgg16:keras"]["state"] == "not fetched"
    assert entries["vgg19"]["state"] == "bundled"
    code, out, _ = run(capsys, "list")
    assert code == 0
    for entry in entries.values():
        assert entry["name"] in out
        assert (entry["file"] or entry["state"]) in out


def test_a_registered_network_is_listed(capsys, monkeypatch):
    def load():
        """A network of one's own."""

    monkeypatch.setitem(names.ENCODERS._found, "own", load)
    code, out, _ = run(capsys, "list", "--json")
    assert code == 0
    (entry,) = (entry for entry in json.loads(out) if entry["name"] == "own")
    assert entry == {
        "name": "own",
        "about": "A network of one's own",
        "state": "registered",
        "bytes": None,
        "file": None,
        "url": None,
    }
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert "own: registered" in out


def test_the_names_are_those_of_the_files():
    normalised = [f"{name}:normalised" for name in MEAN_ACTIVATIONS]
    own = names.ENCODERS.names()[: 2 * len(BUNDLED) + len(ORIGINALS)]
    assert own == (*BUNDLED, *normalised, *ORIGINALS)


def test_fetch(capsys, authority, wanted, server, monkeypatch, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setitem(originals.ORIGINALS, NAME, wanted)
    code, out, err = run(capsys, "fetch", NAME)
    assert (code, out) == (0, f"{wanted.path}: fetched, checksum as published\n")
    assert NAME in err
    assert run(capsys, "fetch", NAME)[:2] == (
        0,
        f"{wanted.path}: there already, checksum as published\n",
    )
    wanted.path.unlink()
    server.answers = [status(404)]
    code, out, err = run(capsys, "fetch", NAME)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {NAME}: the server answers 404")
    assert err.count("\n") == 1


def test_fetch_of_a_stranger(capsys):
    code, _, err = run(capsys, "fetch", "vgg11:keras")
    assert code == 2
    assert err.startswith("error: vgg11:keras: no such original; expected one of vgg19:keras")


def test_verify(capsys, fetched, tmp_path):
    code, out, _ = run(capsys, "verify", "--json")
    (compared,) = json.loads(out)
    assert code == 0
    assert compared["name"] == NAME
    assert compared["checksum"] == "as published"
    assert [layer["layer"] for layer in compared["layers"]] == list(bundled("vgg19").layers)
    assert all(layer["weight"] == layer["bias"] == 0 for layer in compared["layers"])
    code, out, _ = run(capsys, "verify", str(fetched))
    assert code == 0
    assert "conv5_4" in out
    assert "0.00%" in out


def test_verify_nothing(capsys):
    code, _, err = run(capsys, "verify")
    assert code == 2
    assert err.startswith("error: no original is fetched, of vgg19:keras")
