"""Small pictures."""

import os
import socket
from contextlib import contextmanager

import numpy as np
import torch

from impasto.images import Picture


def random_image(height, width, seed=0, dtype=torch.float64):
    """Uniform noise (3, height, width) in [0, 1), the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, height, width, generator=generator, dtype=dtype)


def smooth_picture(width, height, phase=0.0):
    """A picture with structure at all scales, as a Picture."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(x / (3 + c) + phase) * np.cos(y / (5 - c) + phase) for c in range(3)]
    return Picture(torch.from_numpy(np.stack(waves)) * 0.4 + 0.5)


def save_pairs(count, ending, size=(40, 33)):
    """Write content_1, style_1, content_2, … into the working folder: each another picture."""
    width, height = size
    for number in range(1, count + 1):
        smooth_picture(width, height, phase=number).save(f"content_{number}.{ending}")
        smooth_picture(height, width, phase=number + 0.5).save(f"style_{number}.{ending}")


@contextmanager
def no_pictures_in(folder):
    """What is called as a picture in the working folder and is none, while the block lasts."""
    (folder / "folder.png").mkdir()
    (folder / "dangling.png").symlink_to("gone.png")
    (folder / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.png")
        yield
