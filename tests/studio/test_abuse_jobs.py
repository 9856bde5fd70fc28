"""Jobs and events under abuse: viewers that never read, ids that are paths, odd commands."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from impasto.apps.studio import routes_jobs
from impasto.apps.studio.feed import MAX_VIEWERS
from impasto.apps.studio.studio import Studio
from support.children import PATIENCE
from support.site import TINY, browser, encoded, noise, post, served


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return Studio(tmp_path_factory.mktemp("studio"), TINY, warm=False)


@pytest.fixture(scope="module")
def address(studio):
    more = {"more": routes_jobs.routes, "limits": routes_jobs.limits}
    with served(studio, **more) as address:
        yield address
        studio.ending()


@pytest.fixture(scope="module")
def client(address):
    with browser(address) as client:
        yield client


def viewer(address):
    """A connection that has asked for the events, and what it was answered first."""
    place = urlsplit(address)
    connection = socket.create_connection((place.hostname, place.port), timeout=PATIENCE)
    connection.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return connection


def test_two_hundred_viewers_of_which_one_never_reads(address, client, studio):
    viewers = [viewer(address) for _ in range(200)]
    try:
        silent, *others = viewers  # the first is among those that are served
        answers = [connection.recv(65536).split(b" ", 2)[1] for connection in others]
        assert {*answers} == {b"200", b"503"}
        assert answers.count(b"200") == MAX_VIEWERS - 1
        for number in range(600):  # more than a viewer may be behind
            studio.feed.publish("picture", {"name": "x" * 1000, "number": number})
        assert client.get("/healthz").text == "ok\n"
        assert post(client, encoded(noise(seed=70))).status_code == 201
        silent.close()
    finally:
        for connection in viewers:
            connection.close()


IDS = ["../../etc", "..%2f..%2fetc", "%00", "0" * 200, "x", ".", "job.json", "%2e%2e", "*"]
COMMANDS = ["pause", "resume", "stop", "discard", "move", "more", "adjust", "picture"]


@pytest.mark.parametrize("job", IDS)
def test_no_id_of_a_job_is_a_path(client, job):
    for part in ("", "/losses", "/preview", "/result", "/report", "/timelapse", "/code"):
        got = client.get(f"/api/jobs/{job}{part}")
        assert got.status_code in (200, 404)
        assert got.status_code == 404 or got.json() == []  # a browser shortens `.`
    for command in COMMANDS:
        body = {"iterations": 1, "settings": {}, "before": None}
        assert client.post(f"/api/jobs/{job}/{command}", json=body).status_code in (404, 405)


REQUESTS = [
    {"start": "../../etc"},
    {"start": "0" * 32},
    {"settings": {"encoder": "/etc/passwd"}},
    {"settings": {"init": "/etc/passwd"}},
    {"settings": {"tile": 1}},
    {"content": "/etc/passwd"},
    {"recipe": "/etc/passwd"},
    {"folder": "/tmp"},
]


@pytest.mark.parametrize("fields", REQUESTS, ids=str)
def test_no_job_is_made_of_what_is_not_allowed(client, fields):
    style = post(client, encoded(noise(seed=71))).json()["id"]
    body = {"content": style, "styles": [style], "settings": {"encoder": "tiny"}, **fields}
    got = client.post("/api/jobs", json=body)
    assert got.status_code in (404, 422), got.text
    assert client.get("/api/jobs").json() == []


ORDERS = [("more", {"iterations": -1}), ("more", {"iterations": 10**12}), ("more", {}),
          ("more", {"iterations": True}), ("adjust", {"settings": 7}), ("adjust", {}),
          ("adjust", {"settings": {"device": "cpu"}}), ("move", {"before": "../x"}),
          ("move", {"before": 7})]  # fmt: skip


def test_every_command_in_every_state_is_answered(client):
    """A job that is begun twice, stopped twice, and told all sorts of things in between."""
    ids = [post(client, encoded(noise(60, 50, seed=seed))).json()["id"] for seed in (72, 73)]
    settings = {"encoder": "tiny", "size": 40, "scales": [1.0], "iterations": 100_000}
    body = {"content": ids[0], "styles": [ids[1]], "settings": settings}
    first = client.post("/api/jobs", json=body)
    second = client.post("/api/jobs", json=body)
    assert first.status_code == second.status_code == 201, first.text
    job, other = first.json()["id"], second.json()["id"]
    assert client.delete(f"/api/pictures/{ids[0]}").status_code == 409
    for command in ("pause", "resume", "resume", "stop", "stop", "pause", "move", "resume"):
        for each in (job, other):
            got = client.post(f"/api/jobs/{each}/{command}", json={})
            assert got.status_code in (200, 404, 409, 422), (command, got.text)
    for command, order in ORDERS:
        got = client.post(f"/api/jobs/{job}/{command}", json=order)
        assert 400 <= got.status_code < 500, (command, order, got.text)
    for kind in ("../x", "", "png8\x00"):
        assert client.get(f"/api/jobs/{job}/result", params={"format": kind}).status_code in (
            404,
            422,
        )
    for size in ("-1", "1e9", "9" * 50, "x"):
        assert client.get(f"/api/jobs/{job}/preview", params={"size": size}).status_code in (
            404,
            422,
        )
    for each in (job, other):
        assert client.post(f"/api/jobs/{each}/discard", json={}).status_code in (200, 204)
        assert client.post(f"/api/jobs/{each}/discard", json={}).status_code == 404
    assert json.loads(client.get("/api/jobs").text) == []
