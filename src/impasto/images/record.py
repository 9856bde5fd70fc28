"""The text that a picture's file carries in its EXIF ImageDescription, as UTF-8."""

from __future__ import annotations

from PIL import ExifTags, Image

__all__ = ["MAX_RECORD", "exif_bytes", "exif_tags", "record_in"]

MAX_RECORD = 1_000_000  # characters; a longer text is not ours
SOFTWARE = "impasto"


def exif_bytes(record: str | None) -> bytes:
    """EXIF with our name as Software and the record, if there is one, as ImageDescription."""
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = SOFTWARE
    if record:
        exif[ExifTags.Base.ImageDescription] = record.encode()
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
