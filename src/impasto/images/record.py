"""What a picture's file carries beside its pixels: our record, and facts of the photograph.

The record is the EXIF ImageDescription, as UTF-8.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import ExifTags, Image

from impasto.images.metadata import Metadata, tags_of

__all__ = ["MAX_RECORD", "Embedded", "exif_bytes", "exif_tags", "record_in"]

MAX_RECORD = 1_000_000  # characters; a longer text is not ours
SOFTWARE = "impasto"


@dataclass(frozen=True)
class Embedded:
    """The text of a record, and facts of the photograph; None without them."""

    record: str | None = None
    metadata: Metadata | None = None


def exif_bytes(embedded: Embedded) -> bytes:
    """EXIF with our name as Software, the record as ImageDescription, and the facts."""
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = SOFTWARE
    if embedded.record:
        exif[ExifTags.Base.ImageDescription] = embedded.record.encode()
    if embedded.metadata:
        exif.update(tags_of(embedded.metadata))
    return exif.tobytes()


def exif_tags(image: Image.Image) -> dict[int, object]:
    """EXIF of an image by tag; empty where it is damaged, because the pixels may be whole."""
    try:
        return dict(image.getexif())
    except Exception:  # Pillow raises nearly anything on damaged files
        return {}


def record_in(image: Image.Image) -> str | None:
    """The record of an image, None without one; Pillow reads its bytes as Latin-1."""
    text = exif_tags(image).get(ExifTags.Base.ImageDescription)
    if not isinstance(text, str) or not text or len(text) > MAX_RECORD:
        return None
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
