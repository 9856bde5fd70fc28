"""The record in a picture that impasto painted, as a request that paints it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from impasto.apps.studio.refusal import Refusal
from impasto.apps.studio.requests import ALLOWED, MAX_STYLES, checked_settings
from impasto.errors import printable
from impasto.settings import DEFAULT_RECIPE, Settings, recipes
from impasto.settings.settings import FORMER

__all__ = ["request_of"]

_NAMES = [name for group in ALLOWED.values() for name in group]


class Known(Protocol):
    """What a record's pictures are looked up in."""

    def with_sha256(self, sha256: object) -> str | None:
        """The id of the picture whose file has this checksum; None without one."""
        ...


def request_of(record: Mapping[str, Any], library: Known) -> dict[str, Any]:
    """`{"request": …, "missing": [name]}`: recipe, what differs from it, and pictures by SHA-256.

    `missing` names the pictures that the library does not have, as the record calls them, and the
    settings that this version does not know. The record is a file's, and may hold anything.
    """
    settings, unknown = _settings(record.get("settings"))
    recipe = settings.pop("recipe")
    found: dict[str, str | None] = {}
    missing = list(unknown)
    for role, origin in _pictures(record):
        found[role] = library.with_sha256(origin.get("sha256"))
        if found[role] is None:
            missing.append(_called(role, origin))
    styles = [p for role, p in found.items() if role.startswith("style") and p is not None]
    masks = [p for role, p in found.items() if role.startswith("content_mask")]
    request = {
        "content": found.get("content"),
        "styles": styles,
        "recipe": recipe,
        "settings": settings,
        "protect": found.get("protect"),
        "masks": masks if len(masks) == len(styles) else [],
    }
    return {"request": request, "missing": missing}


def _settings(given: object) -> tuple[dict[str, Any], list[str]]:
    """Recipe and settings that differ from it; and names of those that do not fit this version."""
    values = dict(given) if isinstance(given, Mapping) else {}
    values = {FORMER.get(str(name), str(name)): value for name, value in values.items()}
    name = values.get("recipe")
    name = name if isinstance(name, str) and name in recipes() else DEFAULT_RECIPE
    usual = Settings.of(name).model_dump(mode="json")
    kept: dict[str, Any] = {"recipe": name}
    unknown = []
    for field in _NAMES:
        if field not in values or values[field] == usual[field]:
            continue
        try:
            checked_settings(DEFAULT_RECIPE, {field: values[field]})
        except Refusal:
            unknown.append(f"setting {field}")
        else:
            kept[field] = values[field]
    return kept, unknown


def _pictures(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Roles of the pictures of a record that a request can have, and what is said of each."""
    styles = ["style", *(f"style {number}" for number in range(2, MAX_STYLES + 1))]
    masks = [f"content_mask {number}" for number in range(1, MAX_STYLES + 1)]
    for role in ("content", *styles, "protect", *masks):
        origin = record.get(role)
        if isinstance(origin, Mapping):
            yield role, origin


def _called(role: str, origin: Mapping[str, Any]) -> str:
    """`style 2 (swirl.jpg)`."""
    name = printable(origin.get("name") or "")[:120]
    # Earlier studios gave runs the names of their own files, which say nothing.
    return f"{role} ({name})" if name and not name.startswith("original.") else role
