"""Jobs painted on a Ray cluster, or on one that is started here for as long as the batch takes.

impasto batch … --on ray                     a cluster of this machine alone
impasto batch … --on ray://auto              the cluster that this machine is part of
impasto batch … --on ray://10.0.0.1:6379     the same, by the address of its head
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from impasto.apps.batch.executors import cache_size
from impasto.apps.batch.job import Task, Watch
from impasto.apps.batch.layout import Job
from impasto.apps.batch.manifest import Entry
from impasto.apps.batch.ray_crew import Crew, Lost
from impasto.apps.batch.ray_machines import Resources
from impasto.apps.batch.ray_worker import Painter, identity
from impasto.apps.environment import of_threads
from impasto.errors import SettingsError, optional
from impasto.hardware import choose_threads

__all__ = ["Ray"]

_REACHED = 10.0  # seconds in which the cluster's head must answer
_STORE = 100_000_000  # bytes for messages of a local cluster; pictures go by their files


class Ray:
    """The executor `ray`: as many jobs at once as the cluster has room for, or `workers`.

    `address` is "auto", or HOST:PORT of the head of the cluster that this machine is part of;
    without one a cluster is started here. A program that has called `ray.init` itself keeps its
    cluster.

    Raises ExtraMissing without Ray, SettingsError for an address where nobody answers.
    """

    distributes = True
    """Whether it divides the jobs among machines, so that the batch cannot be shared as well."""

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        self._workers, self._address = workers, address
        _set_up(local=address is None)
        self._ray = optional("ray", "ray", "painting on a cluster")
        if address and not self._ray.is_initialized():
            _check_reachable(address)

    def map(self, jobs: Sequence[Job], task: Task, watch: Watch) -> Iterator[Entry]:
        """An Entry for each job, in the order in which they end.

        A job whose worker or machine is lost goes on from its checkpoint at another, twice. After
        Ctrl-C, each worker saves the picture it is at, and its entry is yielded. Connects at once.

        Raises SettingsError where the cluster refuses.
        """
        if not jobs:
            return iter(())
        if task.settings.device.startswith("cuda:"):
            raise SettingsError(
                f"device is {task.settings.device!r}, and Ray says which card; expected auto, cuda "
                f"or cpu"
            )
        own = identity(task)
        with ExitStack() as stack:
            stack.enter_context(_connected(self._ray, self._address))
            crew = Crew(_Cluster(self._ray, task, cache_size(jobs)), jobs, task, own, self._workers)
            stack.callback(crew.close)
            return _entries(crew, watch, stack.pop_all())


def _entries(crew: Crew, watch: Watch, stack: ExitStack) -> Iterator[Entry]:
    with stack:
        yield from crew.entries(watch)


class _Cluster:
    """Ray, as a crew sees it."""

    def __init__(self, ray: Any, task: Task, cache: int) -> None:  # noqa: ANN401 (a module)
        self._ray = ray
        self._arguments = (ray.put(task), cache, str(Path.cwd()))

    def machines(self) -> Mapping[str, Resources]:
        """What each machine that is there has, by its id."""
        return {node["NodeID"]: node["Resources"] for node in self._ray.nodes() if node["Alive"]}

    def hire(self, machine: str, need: Resources) -> _Hand:
        """Start a worker there."""
        strategies = optional("ray.util.scheduling_strategies", "ray", "painting on a cluster")
        actor = self._ray.remote(Painter).options(
            num_cpus=need["CPU"],
            num_gpus=need.get("GPU", 0),
            memory=need.get("memory"),
            scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(machine, soft=False),
            max_restarts=0,  # see `ray_crew`
            max_concurrency=2,  # it can be stopped while it paints
            runtime_env={"env_vars": _environment()},
        )
        return _Hand(self._ray, actor.remote(*self._arguments))

    def heard(self, streams: Sequence[Any], seconds: float) -> list[Any]:
        """The streams that have a message or are broken; after so many seconds perhaps none."""
        if not streams:
            threading.Event().wait(seconds)
            return []
        first, _ = self._ray.wait(list(streams), num_returns=1, timeout=seconds)
        if not first:
            return []
        every, _ = self._ray.wait(list(streams), num_returns=len(streams), timeout=0)
        found: list[Any] = every or first
        return found

    def take(self, stream: Any) -> Any:  # noqa: ANN401 (of Ray)
        """The next message of a stream; Lost where its worker died."""
        try:
            return self._ray.get(next(stream))
        except StopIteration:
            raise Lost("it fell silent") from None
        except self._ray.exceptions.RayError as error:
            raise Lost(_reason(error)) from error


class _Hand:
    """An actor."""

    def __init__(self, ray: Any, actor: Any) -> None:  # noqa: ANN401 (of Ray)
        self._ray, self._actor = ray, actor

    def greet(self) -> Any:  # noqa: ANN401 (of Ray)
        return self._actor.greet.options(num_returns="streaming").remote()

    def paint(self, job: Job) -> Any:  # noqa: ANN401 (of Ray)
        return self._actor.paint.options(num_returns="streaming").remote(job)

    def stop(self) -> None:
        self._actor.stop.remote()

    def dismiss(self) -> None:
        self._ray.kill(self._actor)


def _environment() -> dict[str, str]:
    """Of a worker's process.

    It paints in a thread, to which glibc would give a heap of its own, of which large blocks go
    back to the system each time: 1 to 3 % of the time, in a plain process.
    """
    return {"MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "1"), **of_threads()}


def _set_up(*, local: bool) -> None:
    """What Ray reads from the environment, the latter when it is imported."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if local:  # despite its name it makes Ray listen on 127.0.0.1 alone on Linux, too
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")


def _check_reachable(address: str) -> None:
    """SettingsError where nobody answers: Ray itself would try for many minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError(f"on is 'ray://{address}'; expected ray://auto or ray://HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACHED).close()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"on is 'ray://{address}', and nobody answers there ({reason}); expected the address "
            f"that `ray start --head` shows"
        ) from error


@contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:  # noqa: ANN401 (of Ray)
    """With a connection; Ray tells nothing by itself, and leaves signals as they are."""
    if ray.is_initialized():
        yield
        return
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        how |= {"num_cpus": choose_threads(0).value, "include_dashboard": False}
        how |= {"object_store_memory": _STORE}
    with _quiet(), _own_signals() as restore:
        try:
            ray.init(address=address or "local", **how)
        except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
            where = f"'ray://{address}'" if address else "'ray'"
            raise SettingsError(f"on is {where}: {_brief(error)}") from error
        restore()
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[Any]:
    """A function that puts back the handler of SIGTERM, which `ray.init` replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    restore = partial(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    try:
        yield restore
    finally:
        restore()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Ray prints on stdout about workers that died, for which it has no switch."""
    worker = optional("ray._private.worker", "ray", "painting on a cluster")
    before = getattr(worker, "print_to_stdstream", None)
    if before is None:
        yield
        return
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = before


def _reason(error: Exception) -> str:
    """Why a worker died, in a few words."""
    name, text = type(error).__name__, str(error)
    if name == "OutOfMemoryError":
        return "Ray ended it for lack of memory"
    if "creation task" in text or "ModuleNotFoundError" in text:
        return _brief(error)
    if name in ("ActorDiedError", "ActorUnavailableError"):
        return "its process or its machine ended"
    return _brief(error)


def _brief(error: Exception) -> str:
    """The last line of an error, which of a traceback is the one that counts."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
