"""Pictures as files of every kind: from their libraries, and by hand."""

import io
import struct
import zlib

import numpy as np
import tifffile
import torch
from PIL import Image, ImageCms

from impasto import images
from impasto.errors import ImageError
from impasto.images import Picture, icc

RECORD = '{"settings": {"size": 512}, "title": "Caf\\u00e9"}'


def levels(shape, top=255, seed=0):
    """Random whole numbers from 0 to `top`, in an array of this shape."""
    return np.random.default_rng(seed).integers(0, top + 1, shape)


def smooth(h=40, w=56):
    """(h, w, 3) uint8 that lossy formats keep well."""
    y, x = np.mgrid[:h, :w]
    return np.stack([x * 255 // w, y * 255 // h, (x + y) * 255 // (h + w)], -1).astype(np.uint8)


def picture_of(array, alpha=None, record=None):
    """A Picture of levels (h, w, 3), alpha (h, w) of the same kind, and a record."""
    top = np.iinfo(array.dtype).max
    pixels = torch.from_numpy(array.astype(np.float32).transpose(2, 0, 1) / np.float32(top))
    opacity = None if alpha is None else torch.from_numpy(alpha.astype(np.float32) / top)
    return Picture(pixels.contiguous(), opacity, record)


def saved(image, kind, **options):
    """The file that Pillow makes of an image."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(array, **options):
    """The file that tifffile makes of an array."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **{"metadata": None, "photometric": "rgb", **options})
    return stream.getvalue()


def png16(array, colour_type, *extra):
    """A 16-bit PNG by hand: array (h, w) or (h, w, c), extra chunks (kind, body)."""
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def profile(gamma=1.0, swap=False, space=None):
    """An ICC profile: sRGB with another gamma, and red and green exchanged on demand."""
    if space:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()
    raw = bytearray(icc.srgb_profile())
    table = {}
    for i in range(struct.unpack(">I", raw[128:132])[0]):
        tag, start, _ = struct.unpack(">4sII", raw[132 + 12 * i : 144 + 12 * i])
        table[tag] = start, 132 + 12 * i
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        start, entry = table[tag]
        raw[start : start + len(curve)] = curve
        raw[entry + 8 : entry + 12] = struct.pack(">I", 14)
    if swap:
        red, green = table[b"rXYZ"][1], table[b"gXYZ"][1]
        raw[red : red + 4], raw[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(raw)


def specimens(folder):
    """Valid files of every format and kind of pixels."""
    found = {}
    alpha = smooth()[..., 0]
    for ending, kind in images.FORMATS.items():
        for bits in kind.depths:
            path = folder / f"specimen{ending}"
            picture = picture_of(smooth(), alpha if bits == 16 else None, RECORD)
            picture.save(path, bits=bits)
            found[f"{ending}{bits}"] = path.read_bytes()
    rgb = Image.fromarray(smooth())
    deep = smooth().astype(np.uint16) * 257
    return found | {
        "gif": saved(rgb.quantize(32), "GIF"),
        "bmp": saved(rgb, "BMP"),
        "mpo": saved(rgb, "MPO", save_all=True, append_images=[rgb]),
        "lzw": saved(rgb, "TIFF", compression="tiff_lzw"),
        "fax": saved(rgb.convert("1"), "TIFF", compression="group4"),
        "jpeg in tiff": saved(rgb, "TIFF", compression="jpeg"),
        "progressive": saved(rgb, "JPEG", progressive=True),
        "palette": saved(rgb.quantize(32), "PNG", transparency=1),
        "tiff16": tiff(deep),
        "png16": png16(deep, 2),
        "profile": saved(rgb, "PNG", icc_profile=profile(1.0)),
    }


def outcome(read, path):
    """What a reader says of a file; any other error escapes."""
    try:
        read(path)
    except ImageError as error:
        return str(error)
    return f"{path}: read"
