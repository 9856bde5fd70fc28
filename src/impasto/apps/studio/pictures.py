"""The library: pictures and masks by id, on disk and as `api/pictures`.

    upload ── counted ──> incoming file ── darkroom reads it ──> pictures/<SHA-256>/

An id is the SHA-256 of the uploaded bytes, or `sample:NAME` of a bundled picture. Ids are looked up
among those that are there; no path is made from what a browser sends.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from impasto.apps.studio.darkroom import Darkroom
from impasto.apps.studio.orders import Kept
from impasto.apps.studio.refusal import Refusal, missing

__all__ = ["MAX_PICTURES", "SAMPLES", "Library", "shown_name"]

MAX_PICTURES = 500
SAMPLES = ("photos", "styles")  # folders of the bundled pictures
_LONGEST_NAME = 120  # characters
_SHA = re.compile(r"[0-9a-f]{64}")
_PUBLIC = (
    "id",
    "name",
    "width",
    "height",
    "format",
    "bytes",
    "role",
    "sample",
    "kind",
    "record",
    "added",
)

Facts = dict[str, Any]


class Library:
    """Pictures in a folder, each in one of its own: original, facts.json, thumb and view.

    Attributes:
        listeners: called with the facts of each picture that is added.
        is_used: tells whether a job needs a picture, which then cannot be removed.
    """

    def __init__(self, folder: Path, darkroom: Darkroom) -> None:
        self._folder, self._darkroom = folder, darkroom
        self.listeners: list[Callable[[Facts], object]] = []
        self.is_used: Callable[[str], bool] = lambda _: False
        self._incoming = folder / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)  # of a studio that was killed
        self._incoming.mkdir(parents=True)
        self._facts: dict[str, Facts] = {}
        self._places: dict[str, Path] = {}
        for place in sorted(folder.iterdir()):
            self._know(place)
        self._samples = _sample_files()
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}  # of uploads, and how many wait
        self._beginning: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the small pictures of the samples, where they are new here; it may be called again.

        Raises Refusal where the darkroom cannot.
        """
        if self._beginning is None or (self._beginning.done() and self._beginning.exception()):
            self._beginning = asyncio.create_task(self._take_samples())
        await asyncio.shield(self._beginning)

    async def _take_samples(self) -> None:
        for name, (path, kind) in self._samples.items():
            place = self._folder / f"sample-{name}"
            if f"sample:{name}" not in self._facts:
                await self._admit(path, name, "picture", place=place, kind=kind)

    def all(self) -> list[Facts]:
        """The facts of every picture, samples first, then the newest first."""
        found = sorted(self._facts.values(), key=lambda facts: facts["added"], reverse=True)
        return [_public(f) for f in sorted(found, key=lambda facts: not facts["sample"])]

    def samples(self) -> list[Facts]:
        """The facts of the bundled pictures, photographs first."""
        known = (self._facts.get(f"sample:{name}") for name in self._samples)
        return [_public(facts) for facts in known if facts]

    def facts(self, picture: str) -> Facts:
        """The facts of one; Refusal 404 for an id that is not there."""
        if picture not in self._facts:
            raise missing("picture")
        return _public(self._facts[picture])

    def kept(self, picture: str) -> Kept:
        """Its file, and the name it was uploaded under; Refusal 404 for an id that is not there."""
        name = self.facts(picture)["name"]
        if picture.startswith("sample:"):
            path = self._samples[picture.removeprefix("sample:")][0]
            return Kept(path, path.name)
        return Kept(self._places[picture] / self._facts[picture]["file"], name)

    def thumb(self, picture: str) -> Path:
        """A WebP of at most 320 px a side."""
        self.facts(picture)
        return self._places[picture] / "thumb.webp"

    def view(self, picture: str) -> Path:
        """A WebP of at most 2048 px a side, without loss for a mask."""
        self.facts(picture)
        return self._places[picture] / "view.webp"

    def with_sha256(self, sha256: object) -> str | None:
        """The id of the picture whose file has this checksum; None without one."""
        for picture, facts in self._facts.items():
            if facts["sha256"] == sha256:
                return picture
        return None

    async def add(
        self, pieces: AsyncIterator[bytes], name: str, role: str = "picture"
    ) -> tuple[Facts, bool]:
        """Take an upload: its facts, and whether it is new.

        Raises Refusal: 422 for what is no picture that a run can read, 409 where there are too many
        already, 507 where the disk is full, and whatever `pieces` raises.
        """
        self._check_room()
        path = self._incoming / secrets.token_hex(8)
        try:
            sha256 = await _written(pieces, path)
            async with self._admitting(sha256):
                if sha256 in self._facts:
                    return self.facts(sha256), False
                return await self._admit(path, name, role), True
        except OSError as error:
            raise _full(error) from error
        finally:
            path.unlink(missing_ok=True)

    async def add_file(self, path: Path, name: str, role: str = "picture") -> Facts:
        """Take a copy of a file of the studio's own, such as a job's result, as an input."""
        self._check_room()
        copy = self._incoming / secrets.token_hex(8)
        try:
            shutil.copyfile(path, copy)
            return await self._admit(copy, name, role)
        except OSError as error:
            raise _full(error) from error
        finally:
            copy.unlink(missing_ok=True)

    async def rest(self, masks: Sequence[str]) -> str:
        """The id of a mask, white where none of these is."""
        files = [str(self.kept(mask).path) for mask in masks]
        path = self._incoming / secrets.token_hex(8)
        try:
            await self._darkroom.call("rest", files, str(path))
            return str((await self._admit(path, "everywhere else", "mask"))["id"])
        finally:
            path.unlink(missing_ok=True)

    async def record(self, picture: str) -> Facts | None:
        """The record of a picture that impasto painted; None without one."""
        found: Facts | None = await self._darkroom.call("record", str(self.kept(picture).path))
        return found

    def remove(self, picture: str) -> None:
        """Forget a picture; Refusal 404, or 409 for a sample and for one that a job uses."""
        if self.facts(picture)["sample"]:
            raise Refusal(409, "a bundled picture stays")
        if self.is_used(picture):
            raise Refusal(409, "a job uses this picture; discard the job first")
        del self._facts[picture]
        shutil.rmtree(self._places.pop(picture), ignore_errors=True)

    @asynccontextmanager
    async def _admitting(self, sha256: str) -> AsyncIterator[None]:
        """One at a time of the uploads of the same bytes."""
        lock, waiting = self._locks.get(sha256, (asyncio.Lock(), 0))
        self._locks[sha256] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks.pop(sha256)
            if waiting > 1:
                self._locks[sha256] = lock, waiting - 1

    def _check_room(self) -> None:
        if sum(not facts["sample"] for facts in self._facts.values()) >= MAX_PICTURES:
            raise Refusal(409, f"the studio holds {MAX_PICTURES} pictures; remove some first")

    async def _admit(
        self,
        path: Path,
        name: str,
        role: str,
        *,
        place: Path | None = None,
        kind: str | None = None,
    ) -> Facts:
        """Have the darkroom read a file, and keep it, unless it is a sample, with its facts."""
        name = shown_name(name)
        made = self._incoming / f"{secrets.token_hex(8)}.made"
        made.mkdir()
        try:
            found = await self._darkroom.call("admit", str(path), str(made), role, name)
            sample = place is not None
            picture = f"sample:{name}" if sample else found["sha256"]
            if picture in self._facts:  # the same upload came twice at once
                return self.facts(picture)
            ending = found.pop("ending")
            facts = {"id": picture, "name": name, **found, "role": role, "sample": sample}
            facts |= {"kind": kind, "added": round(time.time(), 3), "file": f"original.{ending}"}
            if not sample:
                path.replace(made / facts["file"])
            (made / "facts.json").write_text(json.dumps(facts), "utf-8")
            place = place or self._folder / found["sha256"]
            shutil.rmtree(place, ignore_errors=True)
            made.replace(place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        self._know(place)
        for listener in self.listeners:
            listener(self.facts(picture))
        return self.facts(picture)

    def _know(self, place: Path) -> None:
        """Take in a folder of the library, unless it is damaged or none."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            facts = json.loads((place / "facts.json").read_text("utf-8"))
            picture = facts["id"]
            if facts["sample"]:
                fits = place.name == f"sample-{facts['name']}" and facts["name"] in _sample_files()
            else:
                fits = bool(_SHA.fullmatch(picture)) and place.name == picture
                fits = fits and (place / facts["file"]).is_file()
            if fits and {*_PUBLIC} <= {*facts}:
                self._facts[picture], self._places[picture] = facts, place


def shown_name(name: str) -> str:
    """The name of an upload as it is shown: one line of bounded length, without folders."""
    visible = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    last = " ".join(re.split(r"[\\/]", visible)[-1].split())
    return last[:_LONGEST_NAME] or "picture"


def _public(facts: Facts) -> Facts:
    return {name: facts[name] for name in _PUBLIC}


def _sample_files() -> dict[str, tuple[Path, str]]:
    """Each bundled picture by name: its file, and `photo` or `style`; without importing torch."""
    root = Path(str(resources.files("impasto"))) / "images" / "samples"
    return {
        path.stem: (path, folder.removesuffix("s"))
        for folder in SAMPLES
        for path in sorted((root / folder).glob("*.jpg"))
    }


async def _written(pieces: AsyncIterator[bytes], path: Path) -> str:
    """Write the pieces to a file; its SHA-256. An empty body is refused."""
    digest, count = hashlib.sha256(), 0
    with path.open("xb") as stream:
        async for piece in pieces:
            digest.update(piece)
            stream.write(piece)
            count += len(piece)
    if not count:
        raise Refusal(422, "the upload is empty; expected a picture")
    return digest.hexdigest()


def _full(error: OSError) -> Refusal:
    """A full disk, or another failure of the file system, for people."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal(507, "the disk is full; remove pictures or jobs, and try again")
    return Refusal(500, f"the picture could not be kept: {error.strerror}")
