"""Whether a picture is the finished result of a run, by the record that it carries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from impasto.errors import ImpastoError
from impasto.run.identity import differences
from impasto.run.provenance import show_record
from impasto.run.run import Run

__all__ = ["is_of", "iterations_in"]


def iterations_in(path: Path, run: Run) -> int | None:
    """How many iterations of `run` made the picture at `path`; None if it is not its result.

    It is if the record names the same files, by SHA-256, the same network, and the same settings,
    as far as they change pixels. Pictures from memory have no file, and are no other run's.
    """
    result = _result(path, run)
    done = result.get("iterations_run")
    return done if result.get("complete") is True and isinstance(done, int) else None


def is_of(path: Path, run: Run) -> bool:
    """Whether the picture at `path` is of `run`, finished or not; see `iterations_in`."""
    return bool(_result(path, run))


def _result(path: Path, run: Run) -> dict[str, Any]:
    """What the record of a picture says of the result of `run`; nothing if it is another's."""
    try:
        record = show_record(path)
    except ImpastoError:
        return {}
    settings, result = record.get("settings"), record.get("result")
    if not isinstance(settings, dict) or not isinstance(result, dict):
        return {}
    origins = run.inputs.origins
    named = all("sha256" in facts for facts in origins.values())
    own = {"settings": run.settings.pixels(), **_files(origins), "weights": run.weights}
    saved = {"settings": settings, **_files(record), "weights": record.get("weights")}
    return result if named and not any(differences(saved, own)) else {}


def _files(record: Mapping[str, Any]) -> dict[str, Any]:
    """SHA-256 of each file by role."""
    return {
        role: facts["sha256"]
        for role, facts in record.items()
        if isinstance(facts, dict) and isinstance(facts.get("sha256"), str)
    }
