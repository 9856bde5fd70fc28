"""Jobs on the disk: a folder each, so that nothing is lost when a process or the machine dies.

JOBS/jobs/<id>/job.json                what is known of the job; a folder without it is waste
              segment.json             what the painter is at; see `impasto.apps.studio.easel`
              result.png               16 bits, with the record
              preview.jpg, report.html, timelapse.mp4, trace-N.jsonl, N.checkpoint, …

Ids are those of jobs that are known, and never text from a request.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from impasto.apps.studio.jobs import Job
from impasto.errors import OutputError
from impasto.images.atomic import AtomicFile

__all__ = ["LOW", "QUOTA", "Folders", "oldest_first"]

QUOTA = 4_000_000_000  # bytes of all jobs
LOW = 100_000_000  # bytes free, below which the disk counts as full
_NAME = "job.json"
_ID = re.compile(r"[0-9a-f]{16}")  # of a job
_FINISHED = ("done", "stopped", "failed")


class Folders:
    """The folders of all jobs, below `root`; OutputError where nothing can be written there."""

    def __init__(self, root: Path, quota: int = QUOTA) -> None:
        self.root, self.quota = root, quota
        self._jobs = root / "jobs"
        try:
            self._jobs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{root}: {error.strerror}; choose another folder") from error

    def path(self, job: str) -> Path:
        """The folder of a job."""
        return self._jobs / job

    def file(self, job: str, name: str) -> Path | None:
        """A file of a job; None if there is none."""
        path = self.path(job) / name
        return path if path.is_file() else None

    def write(self, job: Job) -> None:
        """Write job.json, with its folder; OutputError where that fails."""
        folder = self.path(job.id)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: {error.strerror}") from error
        with AtomicFile(folder / _NAME) as draft:
            draft.write_text(json.dumps(job.line()), "utf-8")

    def load(self) -> list[Job]:
        """All jobs, the oldest first; folders of jobs that are gone are removed.

        Damaged ones are left alone, and so is what no studio has made.
        """
        found = []
        for folder in sorted(self._jobs.iterdir()):
            if not folder.is_dir() or folder.is_symlink():
                continue
            if not _ID.fullmatch(folder.name):
                continue
            if not (folder / _NAME).exists():
                shutil.rmtree(folder, ignore_errors=True)
                continue
            with suppress(OSError, ValueError):
                job = Job.of(json.loads((folder / _NAME).read_text("utf-8")))
                if job.id == folder.name:
                    found.append(job)
        return found

    def forget(self, job: str) -> None:
        """Remove what makes a folder a job, at once; `remove` takes the rest."""
        with suppress(OSError):
            (self.path(job) / _NAME).unlink(missing_ok=True)

    def remove(self, job: str) -> None:
        """Remove the folder of a job."""
        self.forget(job)
        shutil.rmtree(self.path(job), ignore_errors=True)

    def save_preview(self, job: str, encoded: bytes) -> None:
        """Keep a preview for after a restart; a full disk does not matter here."""
        with suppress(OutputError, OSError), AtomicFile(self.path(job) / "preview.jpg") as draft:
            draft.write_bytes(encoded)

    def bytes_of(self, job: str) -> int:
        """Bytes of a job's files."""
        return _bytes_in(self.path(job))

    def used(self) -> int:
        """Bytes of all jobs."""
        return _bytes_in(self._jobs)

    @property
    def free(self) -> int:
        """Bytes free on the disk."""
        try:
            return shutil.disk_usage(self._jobs).free
        except OSError:
            return 0

    def excess(self, jobs: Iterable[Job]) -> list[Job]:
        """The finished jobs to remove for the quota, the oldest first; nothing is removed here.

        The one that ended last stays, and so do those from whose canvas others are to start.
        """
        jobs = list(jobs)
        over, found = self.used() - self.quota, list[Job]()
        needed = {job.parent for job in jobs if job.state not in _FINISHED}
        for job in oldest_first(jobs)[:-1] if over > 0 else ():
            if over <= 0:
                break
            if job.id not in needed:
                found.append(job)
                over -= self.bytes_of(job.id)
        return found


def oldest_first(jobs: Iterable[Job]) -> list[Job]:
    """The finished jobs by when they ended, which is when they were updated last."""
    return sorted(
        (job for job in jobs if job.state in _FINISHED and not job.settling),
        key=lambda job: job.updated,
    )


def _bytes_in(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total
