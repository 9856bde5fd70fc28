"""What a photograph's file says about it, as far as it goes with the painting.

Few facts, each checked and of bounded length: a stranger's EXIF is never copied as it is.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

from PIL import ExifTags, Image

from impasto.errors import printable

__all__ = ["CHOICES", "Metadata", "kept", "metadata_in", "tags_of"]

CHOICES = ("keep", "all", "none")
"""What of it a file gets: all but the place, the place too, nothing."""

_MAX_EXIF = 4_000_000  # bytes; a longer one is not parsed
_EMPTY = 32  # bytes; EXIF without a tag has fewer
_MAX_TEXT = 1_000  # characters
_MAX_DPI = 100_000.0
_PER_METRE = 0.0254  # dpi
_TIME = re.compile(r"\d{4}:(0\d|1[0-2]):([0-2]\d|3[01])[ T]([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_INCH, _CENTIMETRE = 2, 3  # EXIF's units of resolution
_BASE, _GPS = ExifTags.Base, ExifTags.GPS


@dataclass(frozen=True)
class Metadata:
    """Facts of a photograph; None for what its file does not say.

    Attributes:
        taken: when, as EXIF writes it, "YYYY:MM:DD HH:MM:SS" by the camera's clock.
        artist, copyright: text of one line, at most 1,000 characters.
        dpi: pixels per inch, across and down.
        place: latitude and longitude in degrees, north and east positive, and altitude in metres or
            None.
        dropped: names of what the file says in a way that cannot be understood.
    """

    taken: str | None = None
    artist: str | None = None
    copyright: str | None = None
    dpi: tuple[float, float] | None = None
    place: tuple[float, float, float | None] | None = None
    dropped: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What is known, by name."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in named.items() if value and name != "dropped"}


def kept(metadata: Metadata | None, choice: str) -> Metadata | None:
    """What of it a file gets by one of CHOICES."""
    if metadata is None or choice == "none":
        return None
    return metadata if choice == "all" else replace(metadata, place=None)


def metadata_in(image: Image.Image) -> Metadata | None:
    """What an opened image says of itself; None if nothing. It raises nothing."""
    found: dict[str, Any] = {}
    dropped: list[str] = []
    tags, whole = _tags(image)
    if not whole:
        dropped.append("EXIF")
    for name, reading in _READINGS.items():
        with _noted(name, dropped):
            found[name] = reading(tags, image)
    metadata = Metadata(**found, dropped=tuple(dropped))
    return None if metadata == Metadata() else metadata


@contextmanager
def _noted(name: str, dropped: list[str]) -> Iterator[None]:
    """Add the name to those dropped where reading fails; Pillow's values raise nearly anything."""
    try:
        yield
    except Exception:
        dropped.append(name)


def tags_of(metadata: Metadata) -> Iterator[tuple[int, Any]]:
    """EXIF's tags and values, as `PIL.Image.Exif` takes them; text is UTF-8."""
    for tag, text in ((_BASE.Artist, metadata.artist), (_BASE.Copyright, metadata.copyright)):
        if text:
            yield tag, text.encode()
    if metadata.taken:
        yield ExifTags.IFD.Exif, {_BASE.DateTimeOriginal: metadata.taken}
    if metadata.dpi:
        across, down = metadata.dpi
        yield from ((_BASE.XResolution, across), (_BASE.YResolution, down))
        yield _BASE.ResolutionUnit, _INCH
    if metadata.place:
        yield ExifTags.IFD.GPSInfo, dict(_gps(*metadata.place))


def _gps(latitude: float, longitude: float, altitude: float | None) -> Iterator[tuple[int, Any]]:
    yield _GPS.GPSVersionID, b"\2\3\0\0"
    yield _GPS.GPSLatitudeRef, "N" if latitude >= 0 else "S"
    yield _GPS.GPSLatitude, _sexagesimal(abs(latitude))
    yield _GPS.GPSLongitudeRef, "E" if longitude >= 0 else "W"
    yield _GPS.GPSLongitude, _sexagesimal(abs(longitude))
    if altitude is not None:
        yield _GPS.GPSAltitudeRef, b"\0" if altitude >= 0 else b"\1"
        yield _GPS.GPSAltitude, abs(altitude)


def _sexagesimal(degrees: float) -> tuple[float, float, float]:
    """Degrees, minutes and seconds."""
    minutes, seconds = divmod(round(degrees * 3600, 4), 60)
    return minutes // 60, minutes % 60, seconds


def _tags(image: Image.Image) -> tuple[Mapping[int, Any], bool]:
    """EXIF of an image, its parts for time and place as mappings, and whether it was understood."""
    raw = image.info.get("exif") or b""
    if len(raw) > _MAX_EXIF:
        return {}, False
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            exif = image.getexif()
            if raw:  # read once more, since Pillow keeps what it could, and its warnings
                exif = Image.Exif()
                exif.load(raw)
            tags: dict[int, Any] = dict(exif)
            for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                tags[part] = dict(exif.get_ifd(part))
        except Exception:  # Pillow raises nearly anything on damaged files
            return {}, False
    return tags, not warned and (len(raw) <= _EMPTY or any(tags.values()))


def _text(tag: int) -> Callable[[Mapping[int, Any], Image.Image], str | None]:
    def reading(tags: Mapping[int, Any], _: Image.Image) -> str | None:
        value = tags.get(tag)
        if value is None:
            return None
        raw = value if isinstance(value, bytes) else value.encode("latin-1")  # as Pillow reads it
        try:
            text = raw.decode("utf-8")
        except UnicodeError:
            text = raw.decode("latin-1")
        text = "; ".join(part for part in map(str.strip, text.split("\0")) if part)
        if len(text) > _MAX_TEXT:
            raise ValueError("too long")
        return printable(" ".join(text.split())) or None

    return reading


def _taken(tags: Mapping[int, Any], _: Image.Image) -> str | None:
    inner = tags.get(ExifTags.IFD.Exif) or {}
    value = inner.get(_BASE.DateTimeOriginal) or tags.get(_BASE.DateTimeOriginal)
    text = str(value or tags.get(_BASE.DateTime) or "").strip(" \0:")
    if not text:
        return None  # a camera whose clock was not set writes blanks
    if not _TIME.fullmatch(text):
        raise ValueError("no time")
    return text.replace("T", " ")


def _dpi(tags: Mapping[int, Any], image: Image.Image) -> tuple[float, float] | None:
    found = image.info.get("dpi")
    jpeg = image.format in ("JPEG", "MPO")
    if jpeg and image.info.get("jfif_unit") not in (1, 2) and _BASE.XResolution not in tags:
        found = None  # Pillow takes 72 for granted
    if found is None and _BASE.XResolution in tags:
        factor = 2.54 if tags.get(_BASE.ResolutionUnit) == _CENTIMETRE else 1.0
        across = tags[_BASE.XResolution]
        found = [float(each) * factor for each in (across, tags.get(_BASE.YResolution, across))]
    if found is None:
        return None
    dpi = _rounded(float(found[0])), _rounded(float(found[1]))
    if max(dpi) <= 1:
        return None  # formats without a unit say how long a pixel is to its width
    if not all(1 < each <= _MAX_DPI for each in dpi):
        raise ValueError("no resolution")
    return dpi


def _rounded(dpi: float) -> float:
    """To a whole number where a file that counts whole pixels per metre may have meant it."""
    whole = float(round(dpi))
    return whole if abs(dpi - whole) < _PER_METRE / 2 else round(dpi, 2)


def _place(tags: Mapping[int, Any], _: Image.Image) -> tuple[float, float, float | None] | None:
    gps = tags.get(ExifTags.IFD.GPSInfo) or {}
    if _GPS.GPSLatitude not in gps or _GPS.GPSLongitude not in gps:
        return None
    latitude = _degrees(gps[_GPS.GPSLatitude], gps.get(_GPS.GPSLatitudeRef), "S")
    longitude = _degrees(gps[_GPS.GPSLongitude], gps.get(_GPS.GPSLongitudeRef), "W")
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ValueError("no place")
    altitude = None
    if _GPS.GPSAltitude in gps:
        below = gps.get(_GPS.GPSAltitudeRef) in (b"\1", 1)
        altitude = round(float(gps[_GPS.GPSAltitude]), 2) * (-1 if below else 1)
        if not math.isfinite(altitude):
            raise ValueError("no altitude")
    return latitude, longitude, altitude


def _degrees(parts: Any, reference: Any, negative: str) -> float:  # noqa: ANN401 (EXIF's)
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    return round(-value if str(reference).strip("\0") == negative else value, 7)


_READINGS: dict[str, Callable[[Mapping[int, Any], Image.Image], Any]] = {
    "taken": _taken,
    "artist": _text(_BASE.Artist),
    "copyright": _text(_BASE.Copyright),
    "dpi": _dpi,
    "place": _place,
}
