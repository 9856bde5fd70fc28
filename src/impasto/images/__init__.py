"""Files <-> sRGB pixels: orientation, colour profiles, transparency, 16 bits, and the text inside.

    source ── read ──> Picture ── resize, fit ──> Picture ── write ──> file

A Picture holds float32 sRGB in [0, 1], upright, whatever the file held.
"""

from impasto.images.atomic import AtomicFile, check_place
from impasto.images.decode import MAX_PIXELS, Source, read, read_record
from impasto.images.encode import FORMATS, check_writable, write
from impasto.images.picture import Picture, cover, cropped, fit, opaque, resize

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "AtomicFile",
    "Picture",
    "Source",
    "check_place",
    "check_writable",
    "cover",
    "cropped",
    "fit",
    "opaque",
    "read",
    "read_record",
    "resize",
    "write",
]
