"""Files <-> sRGB pixels: orientation, colour profiles, transparency, 16 bits, and the text inside.

    source ── read ──> Picture ── resize, fit ──> Picture ── save ──> file

A Picture holds float32 sRGB in [0, 1], upright, whatever the file held.
"""

from impasto.images.atomic import AtomicFile, check_place, resolved
from impasto.images.checksums import file_checksum, values_checksum
from impasto.images.decode import MAX_PIXELS, Source, read, read_record
from impasto.images.encode import FORMATS, check_writable
from impasto.images.folders import pictures_in
from impasto.images.picture import Picture
from impasto.images.resampling import cropped, fit, opaque, resize

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "AtomicFile",
    "Picture",
    "Source",
    "check_place",
    "check_writable",
    "cropped",
    "file_checksum",
    "fit",
    "opaque",
    "pictures_in",
    "read",
    "read_record",
    "resize",
    "resolved",
    "values_checksum",
]
