"""The child's side of the darkroom: pictures are decoded here, within limits of memory and time.

Each function is a task of `impasto.apps.studio.tasks`. Arguments and values are plain.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import torch
from PIL import Image

from impasto.apps.studio.tasks import TASKS, Task
from impasto.errors import ImpastoError, OutOfMemory
from impasto.images import MAX_PIXELS, Picture, read, read_details, resize
from impasto.images.resampling import whiteness
from impasto.run.provenance import parse_record

__all__ = ["admit", "convert", "record", "rest", "select", "work"]

THUMB, VIEW = 320, 2048  # longest sides, pixels
_ENDINGS = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif"}  # others: as the format is called
_LATE = 5  # seconds after its time is over in which the parent should have ended us


def work(pipe: Connection, prepare: Sequence[str]) -> None:
    """Do tasks from the pipe until it ends: `(name, arguments)` in, `(kind, value)` out.

    Kinds are `value`; `refused`, a message for people; `spent`, the same where memory ran out; and
    `failed`, an error that nobody expected.
    """
    torch.set_num_threads(1)  # each computation says how many it wants
    cv2.setNumThreads(1)
    for name in prepare:
        _found(name)()
    with suppress(EOFError, OSError):  # the parent is gone
        pipe.send("ready")
        while True:
            name, arguments = pipe.recv()
            pipe.send(_done(TASKS[name], arguments))


def _done(task: Task, arguments: Sequence[Any]) -> tuple[str, Any]:
    try:
        with _limited(task):
            return "value", _found(task.function)(*arguments)
    except (OutOfMemory, MemoryError) as error:
        return "spent", str(error) or f"{task.what} took more memory than there is for it"
    except (ImpastoError, ValueError, OverflowError) as error:
        return "refused", str(error)
    except Exception as error:  # the parent reports it, and goes on
        return "failed", f"{task.what} failed: {type(error).__name__}: {error}"


def _found(name: str) -> Any:  # noqa: ANN401 (a function)
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


@contextmanager
def _limited(task: Task) -> Iterator[None]:
    """Within the task's memory, and ended some time after its limit if nobody else does it."""
    alarm = getattr(signal, "alarm", None)  # not on Windows
    if alarm:
        alarm(int(task.seconds) + _LATE)  # kills: nobody handles it
    try:
        with _address_space(task.memory):
            yield
    finally:
        if alarm:
            alarm(0)


@contextmanager
def _address_space(extra: int | None) -> Iterator[None]:
    """With so many bytes of address space more than there are now, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        resource = None  # type: ignore[assignment]  # Windows has none
    if resource is None or extra is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = psutil.Process().memory_info().vms + extra
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def admit(path: str, folder: str, role: str, name: str) -> dict[str, Any]:
    """Read an upload as a run would, and make its small pictures; the facts of it.

    `folder` gets thumb.webp and view.webp, of at most THUMB and VIEW px a side. Raises ImageError,
    ImageTooLarge and OutOfMemory with the upload's `name` in place of its path.
    """
    try:
        picture = read(path, MAX_PIXELS)
        kind = read_details(path).format
    except ImpastoError as error:
        raise type(error)(str(error).replace(path, name)) from None
    view = _within(picture, VIEW)
    _save(view, Path(folder) / "view.webp", lossless=role == "mask")
    _save(_within(view, THUMB), Path(folder) / "thumb.webp")
    return {
        "width": picture.width,
        "height": picture.height,
        "format": kind,
        "ending": _ENDINGS.get(kind, kind.lower()),
        "record": parse_record(picture.record) is not None,
        "sha256": _sha256(path),
        "bytes": Path(path).stat().st_size,
    }


def _save(picture: Picture, path: Path, *, lossless: bool = False) -> None:
    quality = 0 if lossless else 88  # 0: the least effort
    picture.pil().save(path, "WEBP", quality=quality, lossless=lossless, method=0)


def _sha256(path: str) -> str:
    digest = sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _within(picture: Picture, longest: int) -> Picture:
    """The picture, shrunk so that no side is longer than `longest` px."""
    factor = longest / max(picture.size)
    if factor >= 1:
        return picture
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return resize(picture, (width, height))


def record(path: str) -> dict[str, Any] | None:
    """The record of a picture that impasto painted; None without one."""
    from impasto.images import read_record

    return parse_record(read_record(path))


def convert(path: str, target: str, bits: int, quality: int) -> None:
    """Save a picture, with its record, as the kind of file that the target's ending names."""
    read(path, MAX_PIXELS).save(target, bits=bits, quality=quality)


def rest(paths: Sequence[str], target: str) -> None:
    """A mask, PNG, of what is in none of these: 1 minus their sum, at the first one's size."""
    masks = [read(path, MAX_PIXELS) for path in paths]
    white = torch.stack([whiteness(mask, masks[0].size) for mask in masks]).sum(0)
    levels = ((1 - white).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(levels).save(target, "PNG")


def select(
    path: str,
    inside: Sequence[Sequence[float]],
    outside: Sequence[Sequence[float]],
    softness: float,
    base: str | None,
) -> bytes:
    """PNG of the mask, 8 bits of grey, of the object in a view under a scribble."""
    objects = import_module("impasto.apps.studio.objects")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    mask = None
    if base is not None:
        with Image.open(base) as image:
            grey = image.convert("L").resize(pixels.shape[1::-1])
            mask = np.asarray(grey)
    found = objects.object_mask(pixels, inside, outside, softness=softness, base=mask)
    return bytes(cv2.imencode(".png", found)[1].tobytes())
