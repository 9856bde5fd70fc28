# %% [markdown]
# # A film
#
# A clip that is painted frame by frame flickers, because each frame finds strokes of its own.
# Here strokes ride on things: a frame begins as the last one, moved along the optical flow, and a
# term holds it there. This notebook makes a small clip, looks at its motion, and paints it both
# ways. [Film](../film.md) has all options.
#
# You need `pip install 'impasto[notebook,video]'`.

# %% tags=["parameters"]
PHOTO, PAINTING = "sample:chelsea", "sample:waves"
SIZE = 192  # pixels, the longest side
FRAMES = 8
ITERATIONS = 40  # of the first frame

# %%
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from IPython.display import Video
from matplotlib import pyplot as plt

import impasto
from impasto.apps.film.flow import motion
from impasto.apps.notebook import show
from impasto.images import Picture, fit, read

# %% [markdown]
# ## A clip
#
# A clip is a video, an animation, or a folder of numbered pictures. This one is a camera that
# moves over a photograph, four pixels a frame.

# %%
folder = Path(tempfile.mkdtemp())
(folder / "clip").mkdir()
photo = fit(read(PHOTO), SIZE + 4 * FRAMES)
for number in range(FRAMES):
    left = 4 * number
    window = photo.pixels[:, : SIZE * 2 // 3, left : left + SIZE]
    Picture(window.contiguous()).save(folder / "clip" / f"{number:03}.png")
frames = sorted((folder / "clip").iterdir())
show({path.name: path for path in (frames[0], frames[len(frames) // 2], frames[-1])})

# %% [markdown]
# ## Motion
#
# The flow says for each pixel of a frame where the other frame has it, in pixels across and down.
# Here it is nearly four everywhere, and unsure where a frame shows what the other does not.

# %%
first, second = (np.asarray(read(path).pil()) for path in frames[:2])
flow = motion(first, second)  # (h, w, 2)
show({"across": flow[..., 0], "down": flow[..., 1], "the frame": frames[0]})
print("median motion:", np.median(flow, (0, 1)))

# %% [markdown]
# ## Paint it
#
# `FilmRun` is iterated over, frame by frame. A frame tells its iterations, loss and how steady it
# is: `e_warp` is the mean squared difference from the frame before, moved to its place. The first
# frame is painted from coarse to fine; the others only mend what moved in.

# %%
settings = impasto.Settings.of("draft", size=SIZE, iterations=ITERATIONS)
film = impasto.FilmSettings.of(steadiness=0.8)
run = impasto.FilmRun(folder / "clip", PAINTING, folder / "painted.mp4", settings, film, fps=8)
painted = []
for frame in run:
    entry = frame.entry
    painted.append(frame.picture())
    print(entry.index, entry.kind, entry.iterations, "iterations", f"loss {entry.loss:.3f}")
show({f"frame {n}": painted[n] for n in (0, len(painted) // 2, len(painted) - 1)})

# %% [markdown]
# ## Beside stills
#
# The same frames, each painted by itself. Then the difference of neighbours: what flickers is
# bright.


# %%
def flicker(pictures):
    """Mean over the film of the size of |next - this|, moved back by four pixels, (h, w - 4)."""
    levels = [np.asarray(picture)[..., :3] for picture in pictures]
    moved = [np.abs(b[:, :-4] - a[:, 4:]).mean(2) for a, b in pairwise(levels)]
    return np.mean(moved, axis=0)


alone = {"size": SIZE, "iterations": ITERATIONS}
stills = [impasto.stylize(path, PAINTING, "draft", **alone).image for path in frames[:3]]
maps = {"film": flicker(painted), "stills": flicker(stills)}
brightest = max(each.max() for each in maps.values())
figure, grid = plt.subplots(1, 2, figsize=(8, 3))
for axes, (name, each) in zip(grid, maps.items(), strict=True):
    axes.imshow(each, cmap="magma", vmax=brightest)
    axes.set_title(f"{name}: {each.mean():.3f} on average")
    axes.set_axis_off()

# %% [markdown]
# ## Write it
#
# The frames are lossless files in a work folder until the film is written. A run that is stopped
# goes on where it was.

# %%
result = run.write()
print(result.path.name, len(result.entries), "frames")
Video(str(result.path), embed=True)

# %% [markdown]
# ## What to change
#
# - `steadiness`: 0 only begins with the last frame, 1 holds it most firmly.
# - `every=2` paints every second frame and fills the others from both sides.
# - `impasto.film("clip.mp4", PAINTING, "painted.mp4")` does all of this in one call, with sound
#   and cuts.
