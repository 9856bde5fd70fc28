"""Files <-> sRGB pixels: orientation, colour profiles, transparency, 16 bits, and the text inside.

    source ── read ──> Picture ── resize, fit ──> Picture ── write ──> file

A Picture holds float32 sRGB in [0, 1], upright, whatever the file held.
"""

from impasto.images.picture import Picture, cover, cropped, fit, opaque, resize
from impasto.images.places import Draft, check_place
from impasto.images.reading import MAX_PIXELS, Source, read, read_record
from impasto.images.writing import FORMATS, check_writable, write

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Draft",
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
