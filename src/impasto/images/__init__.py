"""Files <-> sRGB pixels: orientation, colour profiles, transparency, 16 bits, and the text inside.

    source ── read ──> Picture ── resize, fit ──> Picture ── save ──> file

A Picture holds float32 sRGB in [0, 1], upright, whatever the file held. Names are loaded when first
used: atomic files, samples and records need no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.images.atomic import AtomicFile, check_place, resolved
    from impasto.images.checksums import file_checksum, values_checksum
    from impasto.images.decode import MAX_PIXELS, Source, read, read_details, read_record
    from impasto.images.encode import FORMATS, check_encodable, check_writable
    from impasto.images.folders import pictures_in
    from impasto.images.held import Encoded
    from impasto.images.metadata import Metadata
    from impasto.images.names import located
    from impasto.images.picture import Picture
    from impasto.images.resampling import cropped, fit, opaque, resize
    from impasto.images.web import fetch

_HOMES = {
    "FORMATS": "encode",
    "MAX_PIXELS": "decode",
    "AtomicFile": "atomic",
    "Encoded": "held",
    "Metadata": "metadata",
    "Picture": "picture",
    "Source": "decode",
    "check_encodable": "encode",
    "check_place": "atomic",
    "check_writable": "encode",
    "cropped": "resampling",
    "file_checksum": "checksums",
    "fetch": "web",
    "fit": "resampling",
    "located": "names",
    "opaque": "resampling",
    "pictures_in": "folders",
    "read": "decode",
    "read_details": "decode",
    "read_record": "decode",
    "resize": "resampling",
    "resolved": "atomic",
    "values_checksum": "checksums",
}

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "AtomicFile",
    "Encoded",
    "Metadata",
    "Picture",
    "Source",
    "check_encodable",
    "check_place",
    "check_writable",
    "cropped",
    "fetch",
    "file_checksum",
    "fit",
    "located",
    "opaque",
    "pictures_in",
    "read",
    "read_details",
    "read_record",
    "resize",
    "resolved",
    "values_checksum",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (loaded late, since torch takes seconds)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
