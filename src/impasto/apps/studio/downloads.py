"""A result in other kinds of files, converted by the darkroom when it is asked for."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from impasto.apps.studio.darkroom import Darkroom
from impasto.apps.studio.refusal import Refusal

__all__ = ["KINDS", "Kind", "attachment", "download"]


@dataclass(frozen=True)
class Kind:
    """A kind of file: its ending, media type, bits of a channel, quality."""

    ending: str
    media: str
    bits: int = 8
    quality: int = 95


KINDS = {
    "png16": Kind("png", "image/png", 16),
    "png8": Kind("png", "image/png"),
    "tiff": Kind("tiff", "image/tiff", 16),
    "jpeg": Kind("jpg", "image/jpeg"),
    "webp": Kind("webp", "image/webp"),
}


async def download(
    darkroom: Darkroom, result: Path, kind: str, name: str, *, inline: bool = False
) -> Response:
    """A job's 16-bit PNG as a file of that kind, called `name` with its ending.

    Raises Refusal: 422 for an unknown kind, 404 where there is no result.
    """
    if kind not in KINDS:
        raise Refusal(422, f"format is one of {', '.join(KINDS)}")
    if not result.is_file():
        raise Refusal(404, "there is no result yet")
    chosen = KINDS[kind]
    headers = {"content-disposition": attachment(f"{name}.{chosen.ending}", inline=inline)}
    if kind == "png16":
        return FileResponse(result, media_type=chosen.media, headers=headers)
    made = Path(tempfile.gettempdir()) / f"impasto-{secrets.token_hex(8)}.{chosen.ending}"
    await darkroom.call("convert", str(result), str(made), chosen.bits, chosen.quality)
    after = BackgroundTask(made.unlink, missing_ok=True)
    return FileResponse(made, media_type=chosen.media, headers=headers, background=after)


def attachment(name: str, *, inline: bool = False) -> str:
    """The header Content-Disposition, for a name of any characters."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    how = "inline" if inline else "attachment"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
