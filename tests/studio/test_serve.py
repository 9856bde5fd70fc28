"""The program: its address, its folder, its end."""

import re
import signal
import socket
import sys

import httpx
import psutil
import pytest

from impasto.apps.cli import main
from impasto.apps.studio.serve import address, bound, locked, token_for
from impasto.errors import OutputError, SettingsError
from support.children import PATIENCE, child, finished, impasto_command, wait_until

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


def studio(folder, *arguments):
    return impasto_command("studio", "--port", 0, "--no-open", "--jobs", folder, *arguments)


def started(process):
    """The address that a studio prints."""
    line = process.stdout.readline()
    assert line.startswith("impasto studio: "), process.communicate()
    return line.split(": ", 1)[1].strip()


def get(url, **options):
    return httpx.get(url, timeout=PATIENCE, trust_env=False, **options)


@pytest.mark.parametrize("number", SIGNALS, ids=str)
def test_everything_ends_with_the_studio(tmp_path, number):
    with child(studio(tmp_path)) as process:
        url = started(process)
        assert get(f"{url}healthz").text == "ok\n"
        assert get(f"{url}api/hello").status_code == 200  # the worker is there
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(number)
        assert str(tmp_path) in process.stdout.readline()
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == (-9 if number == signal.SIGKILL else 0), err
        assert err == ""
        with child([sys.executable, "-c", "input()"], stdin=-1) as bystander:
            wait_until(lambda: not any(map(runs, children)), bystander)


def runs(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def refused(capsys, *arguments):
    """The one line of an error."""
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["studio", "--no-open", *map(str, arguments)])
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert (out, line[:7]) == ("", "error: ")
    return line


def test_a_folder_has_one_studio_at_a_time(tmp_path, capsys):
    with child(studio(tmp_path)) as process:
        started(process)
        assert "another studio works in this folder" in refused(
            capsys, "--port", 0, "--jobs", tmp_path
        )
        process.kill()
        process.wait()
        with child(studio(tmp_path)) as next_one:
            started(next_one)


def test_a_port_that_is_taken_is_told(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(capsys, "--port", port, "--jobs", tmp_path / "jobs")
    assert line.startswith(f"error: --port {port}") or f"port {port}" in line
    assert "is not free" in line


def test_other_hosts_get_a_token(tmp_path):
    with child(studio(tmp_path, "--host", "0.0.0.0")) as process:
        url = started(process)
        token = re.search(r"\?token=(\S{20,})$", url)
        assert token
        port = re.search(r":(\d+)/", url)[1]
        local = f"http://127.0.0.1:{port}/"
        assert get(local).status_code == 401
        assert get(local, params={"token": token[1]}).status_code == 303
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--token", "short"], "expected at least 8"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["--port", "70000"], "65535"),
        (["--jobs", "/proc/x"], "choose another folder"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, capsys, arguments, text):
    assert text in refused(capsys, "--jobs", tmp_path, *arguments)


MISSING = (
    "import sys; sys.modules['{}'] = None; from impasto.apps.cli import main; main(['studio'])"
)


@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_without_the_extra_it_is_named(module):
    done = finished([sys.executable, "-c", MISSING.format(module)])
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"the studio needs {module}, which is not installed" in line
    assert "pip install 'impasto[studio]'" in line


def test_addresses_are_for_a_browser():
    with bound("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert address("127.0.0.1", listening) == f"http://127.0.0.1:{port}/"
        assert address("::1", listening, "t") == f"http://[::1]:{port}/?token=t"
        with pytest.raises(SettingsError, match=f"port {port} of 127.0.0.1 is not free"):
            bound("127.0.0.1", port)


def test_tokens():
    assert token_for("127.0.0.1", None) is None
    assert token_for("localhost", "long enough") == "long enough"
    assert token_for("0.0.0.0", None) != token_for("0.0.0.0", None)
    with pytest.raises(SettingsError, match="at least 8"):
        token_for("127.0.0.1", "")


def test_a_lock_ends_with_its_block(tmp_path):
    with locked(tmp_path / "new"), pytest.raises(OutputError), locked(tmp_path / "new"):
        pass
    with locked(tmp_path / "new"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another"), locked(tmp_path / "file"):
        pass


def test_a_folder_of_other_files_is_no_studios(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(OutputError, match="holds other files"), locked(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
