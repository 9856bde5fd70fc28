"""What a job keeps of its painting, beside its checkpoint: canvases, and where they came from.

segment.json                 which run the painter is at: one for each change of settings
start-N.safetensors          the canvas from which run N began; run 0 may have none
N.checkpoint                 where run N stands
canvas.safetensors           the canvas of a job that rests, in float
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from impasto.apps.studio.continuing import SHOWN, Begun
from impasto.images import AtomicFile, read
from impasto.run import Run
from impasto.run.checkpoint import Checkpoint
from impasto.settings import Settings

__all__ = ["Canvas", "Segment"]

_CANVAS = "canvas.safetensors"


@dataclass(frozen=True, eq=False)
class Canvas:
    """A canvas (3, h, w) float32, sRGB of any range.

    `left` is how many iterations its scale still had to go.
    """

    pixels: Tensor
    left: int = 0

    @classmethod
    def of(cls, run: Run) -> Canvas | None:
        """The canvas after the last step of a run; None before the first."""
        step = run.state.last
        if step is None or step.canvas is None:
            return None
        stage = run.inputs.stages[run.state.stage]
        left = stage.iterations - step.iteration if stage.size == step.size else 0
        return cls(step.space.to_srgb(step.canvas).float().cpu().contiguous(), max(0, left))

    @property
    def begun(self) -> Begun:
        """Its size, and what is left."""
        return Begun((self.pixels.shape[2], self.pixels.shape[1]), self.left)

    def save(self, path: Path) -> None:
        """Write to a file; OutputError where that fails."""
        with AtomicFile(path, replaced=True) as draft:
            try:
                save_file({"canvas": self.pixels}, draft, {"left": str(self.left)})
            except SafetensorError as error:  # a full disk, in the library's words
                raise OSError(str(error)) from error

    @classmethod
    def load(cls, path: Path) -> Canvas | None:
        """The canvas of a file; None if there is none, or it is damaged."""
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                left = int((file.metadata() or {}).get("left", 0))
                return cls(file.get_tensor("canvas").clone(), left)
        except (OSError, SafetensorError, ValueError):
            return None

    def keep(self, folder: Path) -> None:
        """Save it as the canvas of a job that rests."""
        self.save(folder / _CANVAS)

    @classmethod
    def kept(cls, folder: Path) -> Canvas | None:
        """The canvas of a job that rests, else its result; None where there is neither."""
        if canvas := cls.load(folder / _CANVAS):
            return canvas
        result = folder / "result.png"
        return cls(read(result).pixels) if result.is_file() else None

    @staticmethod
    def outdated(folder: Path) -> None:
        """Remove the kept canvas of a job that is painted again."""
        with suppress(OSError):
            (folder / _CANVAS).unlink(missing_ok=True)


@dataclass(frozen=True)
class Segment:
    """One run of a job.

    Attributes:
        number: from 0.
        asked: all settings that were asked for, as JSON.
        extra: iterations that had been added when it began.
        begun: the canvas it began from; None for the settings' own.
        spent, done: seconds and iterations of the runs before it.
        sketched: whether it is painted at once, and not sketched first.
    """

    number: int
    asked: Mapping[str, Any]
    extra: int = 0
    begun: Begun | None = None
    spent: float = 0.0
    done: int = 0
    sketched: bool = True

    def start(self, folder: Path) -> Path:
        """The file of the canvas it began from."""
        return folder / f"start-{self.number}.safetensors"

    def checkpoint(self, folder: Path) -> Path:
        """Its checkpoint."""
        return folder / f"{self.number}.checkpoint"

    def trace(self, folder: Path) -> Path:
        """Its losses."""
        return folder / f"trace-{self.number}.jsonl"

    def progress(self, folder: Path) -> tuple[int, float]:
        """Iterations and seconds of the job until now, by the last line of the trace."""
        try:
            line = json.loads(self.trace(folder).read_text("utf-8").splitlines()[-1])
            return self.done + int(line["done"]), self.spent + float(line["seconds"])
        except (OSError, ValueError, LookupError):
            return self.done, self.spent

    def save(self, folder: Path) -> None:
        """Make it the job's run; the files of the run before are of no use then."""
        with AtomicFile(folder / "segment.json") as draft:
            draft.write_text(json.dumps(asdict(self)), "utf-8")
        own = {self.start(folder), self.checkpoint(folder)}
        for pattern in ("start-*.safetensors", "*.checkpoint"):
            for file in {*folder.glob(pattern)} - own:
                with suppress(OSError):
                    file.unlink()

    def begin(self, folder: Path, canvas: Canvas | None) -> Segment:
        """Make it the job's run, from that canvas: on the disk, the canvas first."""
        begun = self
        if canvas:
            begun = replace(self, begun=canvas.begun)
            canvas.save(begun.start(folder))
        begun.save(folder)
        return begun

    def resumed(self, folder: Path, settings: Settings) -> Checkpoint | None:
        """Its checkpoint, None without one, to be shown as these settings say; CheckpointError."""
        path = self.checkpoint(folder)
        if not path.is_file():
            return None
        found = Checkpoint.load(path)
        run, pixels = dict(found.facts.get("run") or {}), settings.pixels()
        shown = {name: pixels[name] for name in SHOWN}
        run["settings"] = {**dict(run.get("settings") or {}), **shown}
        return Checkpoint({**found.facts, "run": run}, found.tensors)

    @classmethod
    def load(cls, folder: Path) -> Segment | None:
        """The job's run; None before the first, or where it is not known any more."""
        file = folder / "segment.json"
        if not os.path.lexists(file):
            return None
        try:
            line = json.loads(file.read_text("utf-8"))
            begun = line.pop("begun")
            if begun is not None:
                width, height = begun["size"]
                begun = Begun((int(width), int(height)), int(begun["left"]))
            return cls(**line, begun=begun)
        except (OSError, ValueError, TypeError, LookupError):
            return None
