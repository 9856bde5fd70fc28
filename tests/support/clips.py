"""Clips of bundled photographs whose motion is known exactly, as arrays and as files.

    footage = pan(step=(3, 1), frames=5)
    footage.frames                # (n, h, w, 3) uint8
    footage.flow(1, 0)            # (h, w, 2) float32: frame 0 has at p + flow what frame 1 has at p
    footage.hidden(1, 0)          # (h, w) bool: pixels of frame 1 that frame 0 does not show
    footage = noisy(exposed(footage, 1.03), 2)      # light and noise leave the motion as it is
    film = joined(pan(), zoom(photo="coffee"))      # cuts at film.starts[1:]
    write(tmp_path / "clip.mp4", film.frames, sound=True)

A frame is sampled from a picture without bounds (the photograph and its mirror images) by
cubic splines, whose error is far below that of a flow.
"""

import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import av
import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

from impasto.images.samples import sample

SIZE = (128, 192)  # height, width


@cache
def photograph(name, size):
    """A bundled picture (h, w, 3) float64 in [0, 255] that covers a frame of that size."""
    picture = np.asarray(Image.open(sample(name)).convert("RGB"))
    scale = max(size[0] / picture.shape[0], size[1] / picture.shape[1])
    width, height = (max(round(scale * picture.shape[a]), size[a]) for a in (1, 0))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=method).astype(float)


@cache
def splines(name, size):
    """Coefficients (3, h, w) of the photograph's cubic splines."""
    planes = photograph(name, size).transpose(2, 0, 1)
    return np.stack([ndimage.spline_filter(plane, mode="mirror") for plane in planes])


def grid(size):
    """Positions x, y of the pixels of a frame: (h, w, 2) float64."""
    return np.stack(np.meshgrid(*(np.arange(side, dtype=float) for side in size[::-1])), -1)


def sampled(coefficients, at):
    """Levels (h, w, 3) of a picture and its mirror images at positions (h, w, 2)."""
    where = at[..., 1], at[..., 0]
    planes = [
        ndimage.map_coordinates(plane, where, mode="mirror", prefilter=False)
        for plane in coefficients
    ]
    return np.stack(planes, -1)


class Affine:
    """Where the camera looks: picture = M[i] (x, y, 1), one 3×3 matrix a frame."""

    def __init__(self, matrices):
        self.matrices = np.asarray(matrices, float)

    def seen(self, i, at):
        return at @ self.matrices[i, :2, :2].T + self.matrices[i, :2, 2]

    def shown(self, j, at):
        return Affine(np.linalg.inv(self.matrices)).seen(j, at)


class Wavy:
    """A picture on cloth: picture = p + i u(p), where u is a few waves, `largest` px at most."""

    def __init__(self, size, largest, seed=0):
        rng = np.random.default_rng(seed)
        turns = rng.uniform(-1.2, 1.2, (4, 2)) / max(size)
        self.waves = 2 * np.pi * turns, rng.uniform(0, 6, (2, 4)), rng.uniform(-1, 1, (2, 4))
        self.scale = 1.0
        self.scale = largest / np.linalg.norm(self.offsets(grid(size)), axis=-1).max()

    def offsets(self, at):
        turns, phases, heights = self.waves
        waves = np.sin((at @ turns.T)[..., None, :] + phases) * heights
        return self.scale * waves.sum(-1)

    def seen(self, i, at):
        return at + i * self.offsets(at)

    def shown(self, j, at):
        """The inverse, by iteration: the waves are longer than they are high."""
        there, last = at, np.inf
        while j and np.abs(there - last).max() > 1e-9:
            there, last = at - j * self.offsets(there), there
        return there


@dataclass(frozen=True)
class Layer:
    """A photograph's splines before a camera; all of the frame, or a disc round centres (n, 2)."""

    picture: np.ndarray
    camera: Affine | Wavy
    centres: np.ndarray | None = None
    radius: float = 0.0

    def cover(self, i, at):
        """How much of a pixel the layer covers in frame i: (h, w) in [0, 1]."""
        if self.centres is None:
            return np.ones(at.shape[:-1])
        apart = np.linalg.norm(at - self.centres[i], axis=-1)
        return np.clip(self.radius - apart + 0.5, 0, 1)

    def move(self, i, j, at):
        """Where frame j has what frame i has at positions (h, w, 2)."""
        return self.camera.shown(j, self.camera.seen(i, at))


@dataclass(frozen=True)
class Footage:
    """Frames, and the layers of each shot from the back to the front."""

    frames: np.ndarray
    scenes: tuple = ()
    starts: tuple = (0,)

    def _scene(self, i, j):
        shots = [int(np.searchsorted(self.starts, k, "right")) - 1 for k in (i, j)]
        assert shots[0] == shots[1], f"a cut lies between frames {i} and {j}"
        start = self.starts[shots[0]]
        return self.scenes[shots[0]], i - start, j - start

    def _targets(self, i, j):
        """For each pixel of frame i its place in frame j (h, w, 2), and its layer (h, w)."""
        layers, i, j = self._scene(i, j)
        at = grid(self.frames.shape[1:3])
        there, owner = at, np.zeros(at.shape[:2], int)
        for number, layer in enumerate(layers):
            mine = layer.cover(i, at) >= 0.5
            there = np.where(mine[..., None], layer.move(i, j, at), there)
            owner[mine] = number
        return there, owner

    def flow(self, i, j):
        """(h, w, 2) float32 pixels, x then y."""
        there, _ = self._targets(i, j)
        return (there - grid(there.shape[:2])).astype(np.float32)

    def hidden(self, i, j):
        """(h, w) bool: outside of frame j, or behind a layer of it that is nearer."""
        there, owner = self._targets(i, j)
        layers, _, j = self._scene(i, j)
        height, width = there.shape[:2]
        hidden = ((there < -0.5) | (there > (width - 0.5, height - 0.5))).any(-1)
        for number, layer in enumerate(layers):
            hidden |= (owner < number) & (layer.cover(j, there) >= 0.5)
        return hidden


def filmed(layers, count, size):
    """The frames of a shot."""
    at, frames = grid(size), []
    for i in range(count):
        frame = np.zeros((*size, 3))
        for layer in layers:
            cover = layer.cover(i, at)[..., None]
            frame += cover * (sampled(layer.picture, layer.camera.seen(i, at)) - frame)
        frames.append(np.rint(frame).clip(0, 255).astype(np.uint8))
    return Footage(np.stack(frames), (tuple(layers),))


def camera(frames, size, step=(0, 0), zoom=1.0, degrees=0.0):
    """A camera that pans, zooms about the middle of the frame and turns, the same every frame."""
    middle = (np.array(size[::-1]) - 1) / 2
    matrices = []
    for i in range(frames):
        angle, scale = np.radians(degrees * i), zoom**-i
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = middle - turn @ middle + i * np.array(step)
        matrices.append(np.block([[turn, shift[:, None]], [0, 0, 1]]))
    return Affine(matrices)


def pan(step=(3, 1), frames=5, size=SIZE, photo="chelsea"):
    """The camera moves by `step` (x, y) pixels a frame."""
    return moved(frames, size, photo, step=step)


def zoom(rate=1.03, frames=5, size=SIZE, photo="chelsea"):
    """Things grow by that rate every frame."""
    return moved(frames, size, photo, zoom=rate)


def rotation(degrees=2.0, frames=5, size=SIZE, photo="chelsea"):
    """The camera turns about the middle of the frame."""
    return moved(frames, size, photo, degrees=degrees)


def moved(frames, size, photo, **motion):
    """All of the frame moves as `camera` says."""
    return filmed([Layer(splines(photo, size), camera(frames, size, **motion))], frames, size)


def still(frames=5, size=SIZE, photo="chelsea"):
    """A camera on a tripod, and nothing happens."""
    return pan((0, 0), frames, size, photo)


def wavy(largest=4.0, frames=2, size=SIZE, photo="chelsea", seed=0):
    """A smooth motion that differs from place to place, at most `largest` pixels a frame."""
    return filmed([Layer(splines(photo, size), Wavy(size, largest, seed))], frames, size)


def disc(step=(7, 2), background=(-1.3, 0.4), frames=5, size=SIZE, photo="chelsea", over="coffee"):
    """A disc of another picture moves over a panning background; steps in pixels a frame.

    Its radius is a quarter of the height; it is in the middle of the frame halfway through.
    """
    away = np.arange(frames)[:, None] * np.array(step, float)
    centres = (np.array(size[::-1]) - 1) / 2 + away - away.mean(0)
    follows = camera(frames, size, step=-np.array(step, float))
    back = Layer(splines(photo, size), camera(frames, size, step=background))
    front = Layer(splines(over, size), follows, centres, size[0] / 4)
    return filmed([back, front], frames, size)


def mover(step=(3, 1), frames=5, size=SIZE, photo="chelsea", over="coffee"):
    """A camera on a tripod, before which one thing moves."""
    return disc(step, (0, 0), frames, size, photo, over)


def passing(background=(3, 1), frames=5, size=SIZE, photos=("chelsea", "coffee", "astronaut")):
    """Two discs over a panning background, of which the nearer one passes before the other.

    Their radii are a fifth of the height; their centres meet halfway through.
    """
    middle, layers = (np.array(size[::-1]) - 1) / 2, []
    layers.append(Layer(splines(photos[0], size), camera(frames, size, step=background)))
    for photo, step in zip(photos[1:], ((4.0, 1.0), (-6.0, 1.5)), strict=True):
        centres = middle + (np.arange(frames)[:, None] - (frames - 1) / 2) * step
        follows = camera(frames, size, step=-np.array(step))
        layers.append(Layer(splines(photo, size), follows, centres, size[0] / 5))
    return filmed(layers, frames, size)


def changed(footage, levels):
    """The same motion with other levels, rounded to whole ones."""
    return replace(footage, frames=np.rint(levels).clip(0, 255).astype(np.uint8))


def exposed(footage, gain):
    """Light that changes: each frame is `gain` times as bright as the one before it."""
    gains = gain ** np.arange(len(footage.frames))
    return changed(footage, footage.frames * gains[:, None, None, None])


def noisy(footage, sigma, seed=0):
    """A sensor's noise of σ levels, independent for each frame, pixel and channel."""
    noise = np.random.default_rng(seed).normal(0, sigma, footage.frames.shape)
    return changed(footage, footage.frames + noise)


def flashed(footage, at, light=0.8):
    """Photographers' flashes: frames `at` are nearly white."""
    levels = footage.frames.astype(float)
    levels[list(at)] += light * (255 - levels[list(at)])
    return changed(footage, levels)


def faded(footage, gains):
    """Each frame is darker or lighter by its gain; 0 is black."""
    return changed(footage, footage.frames * np.asarray(gains, float)[:, None, None, None])


def joined(*parts):
    """Shots one after the other; `starts` has the first frame of each."""
    lengths = np.cumsum([0, *(len(part.frames) for part in parts)])
    starts = [int(n) + s for n, part in zip(lengths, parts, strict=False) for s in part.starts]
    scenes = [scene for part in parts for scene in part.scenes]
    return Footage(np.concatenate([p.frames for p in parts]), tuple(scenes), tuple(starts))


def through_black(one, other, over=6, black=3):
    """One shot fades out in its last `over` frames, then black, then the other fades in."""
    down = np.linspace(1, 0, over + 1)[1:]
    ends = np.concatenate([np.ones(len(one.frames) - over), down])
    begins = np.concatenate([down[::-1], np.ones(len(other.frames) - over)])
    dark = faded(still(black, one.frames.shape[1:3]), np.zeros(black))
    return joined(faded(one, ends), dark, faded(other, begins))


def dissolved(one, other, over=8):
    """The last `over` frames of one mix with the first of the other; only frames are known."""
    share = (np.arange(over) + 1)[:, None, None, None] / (over + 1)
    mixed = one.frames[-over:] * (1 - share) + other.frames[:over] * share
    parts = [one.frames[:-over], np.rint(mixed).astype(np.uint8), other.frames[over:]]
    return Footage(np.concatenate(parts))


def interlaced(footage):
    """Half as many frames, top field first: even lines of one frame, odd lines of the next."""
    frames = footage.frames[: len(footage.frames) // 2 * 2]
    woven = frames[::2].copy()
    woven[:, 1::2] = frames[1::2, 1::2]
    return Footage(woven)


BT2020 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
"""Linear light of BT.709 to that of BT.2020 (ITU-R BT.2087)."""


def hdr(frames, white=203.0):
    """sRGB (…, 3) uint8 to BT.2020 with the PQ curve (SMPTE ST 2084) as uint16; white in cd/m²."""
    levels = frames / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    power = (light @ np.transpose(BT2020) * white / 10000).clip(0, 1) ** 0.1593017578125
    pq = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    return np.rint(pq * 65535).astype(np.uint16)


HDR = {"pixels": "yuv420p10le", "matrix": 9, "tags": (9, 16)}
"""How to write what `hdr` makes: 10 bits; BT.2020 and PQ, as FFmpeg numbers them."""


def write(path, frames, *, codec="libx264", pixels="yuv420p", times=None, aspect=1, degrees=0,
          sound=False, matrix=5, tags=(), fields=False, **options):  # fmt: skip
    """Write frames (n, h, w, 3), uint8 sRGB or uint16, as a film of 25 frames a second.

    times: milliseconds at which the frames begin, for a variable rate
    aspect: width of a pixel over its height
    degrees: clockwise turn that a player must make, as phones write it (MP4 and MOV)
    sound: a tone as AAC, as long as the film
    matrix: of YUV, as FFmpeg numbers them: 1 BT.709, 5 BT.601, 9 BT.2020, None BT.601 unsaid
    tags: primaries and transfer, as FFmpeg numbers them
    fields: frames are fields of an interlaced film, top first
    options: of the codec, such as crf="0"
    """
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        if matrix:
            stream.codec_context.colorspace = matrix
        if tags:
            stream.codec_context.color_primaries, stream.codec_context.color_trc = tags
        if fields:
            stream.options = {**options, "x264-params": "tff=1"}
        tone = film.add_stream("aac", rate=48000, layout="mono") if sound else None
        starts = [40 * i for i in range(len(frames))] if times is None else times
        for start, levels in zip(starts, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(levels, RGB[levels.dtype.name])
            frame = frame.reformat(format=pixels, dst_colorspace=matrix or 5)
            frame.pts, frame.time_base = start, Fraction(1, 1000)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
        if tone:
            play(film, tone, seconds=(starts[-1] + 40) / 1000)
    if degrees:
        turn(path, degrees)
    return path


RGB = {"uint8": "rgb24", "uint16": "rgb48le"}


def play(film, stream, seconds, hertz=440):
    """A tone from the beginning of the film."""
    for start in range(0, round(48000 * seconds), 1024):
        when = (start + np.arange(1024)) / 48000
        wave = (0.2 * np.sin(2 * np.pi * hertz * when)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        film.mux(stream.encode(frame))
    film.mux(stream.encode(None))


def turn(path, degrees):
    """Put a rotation into the header of the first track, which FFmpeg cannot write from PyAV.

    The matrix [a b u; c d v; x y w] of ISO/IEC 14496-12, 8.3.2: 16.16 and 2.30 fixed point.
    """
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = [cosine, sine, 0, -sine, cosine, 0, 0, 0, 1]
    scales = [65536, 65536, 1 << 30] * 3
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd") + 4
    at = header + (40 if content[header] == 0 else 52)
    content[at : at + 36] = struct.pack(
        ">9i", *(m * s for m, s in zip(matrix, scales, strict=True))
    )
    path.write_bytes(content)
