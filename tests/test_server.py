"""The server of docs/server.md and the steps of the Dockerfile, as they stand there."""

import re
import shutil
import socket
import sys
from pathlib import Path

import httpx
import pytest
from dockerfile_parse import DockerfileParser

from support.children import child, finished, wait_until
from support.pictures import smooth_picture
from support.studio import jpeg

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "server.md").read_text("utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page's first example as a program, with pictures of 48 px; a client of it."""
    folder = tmp_path_factory.mktemp("server")
    source = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    quick = '"size": 48, "supersample_below": 0, "iterations": 1, '
    slow = '"ember": "sample:ember", "slow": "sample:ember"'
    source = source.replace('RECIPE = {"recipe"', f'RECIPE = {{{quick}"recipe"')
    (folder / "server.py").write_text(source.replace('"ember": "sample:ember"', slow), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "server:app", "--port", port, "--log-level=error"]
    address = f"http://127.0.0.1:{port}"
    with (
        child(command, cwd=folder) as process,
        httpx.Client(base_url=address, timeout=120) as client,
    ):
        wait_until(lambda: answers(client), process)
        yield client


def answers(client):
    try:
        client.get("/")
    except httpx.TransportError:
        return False
    return True


def photograph(tmp_path):
    smooth_picture(40, 48).save(tmp_path / "photo.png")
    return (tmp_path / "photo.png").read_bytes()


def test_it_is_short():
    first = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    assert len([line for line in first.splitlines() if line.strip()]) <= 65


def test_a_photograph_is_painted(server, tmp_path):
    answer = server.post("/paint/swirl", content=photograph(tmp_path))
    assert answer.status_code == 200, answer.text
    assert jpeg(answer.content) == (40, 48)


@pytest.mark.parametrize(
    ("style", "body", "status"),
    [
        ("/../secret", b"", 404),
        ("nobody", b"x", 404),
        ("swirl", b"not a picture", 422),
        ("swirl", bytes(20_000_001), 413),
    ],
)
def test_what_it_refuses(server, style, body, status):
    answer = server.post(f"/paint/{style}", content=body)
    assert answer.status_code == status
    assert "/" not in answer.text


def stages():
    found = [(s["instruction"], s["value"]) for s in DockerfileParser(str(ROOT)).structure]
    assert [name for name, _ in found].count("FROM") == 2
    return found


def test_the_image_copies_what_is_there():
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copies = [value.split() for name, value in stages() if name == "COPY"]
    for *sources, _ in (copy for copy in copies if not copy[0].startswith("--from")):
        for source in sources:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def test_the_image_runs_as_nobody_special():
    assert ("USER", "1000") in stages()
    assert stages()[-2:] == [("ENTRYPOINT", '["impasto"]'), ("CMD", '["--help"]')]


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed")
def test_the_dockerfile_has_no_lint():
    done = finished(["hadolint", "--failure-threshold", "warning", str(ROOT / "Dockerfile")])
    assert done.returncode == 0, done.stdout
