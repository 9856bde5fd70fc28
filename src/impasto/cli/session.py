"""One painting session: check where things go, iterate, show, and save whatever happens."""

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.cli import progress
from impasto.errors import ImpastoError, OutputError, SettingsError
from impasto.samples import found
from impasto.text import printable

if TYPE_CHECKING:
    from impasto.run import Run
    from impasto.step import Step

__all__ = ["Session"]


@dataclass(frozen=True)
class Session:
    """Where the pictures and the trace of a run go, and how it is shown.

    `inputs` are what the run may read, and so must not overwrite where it is a file.
    """

    output: Path
    inputs: tuple[str, ...] = ()
    bits: int = 8
    quality: int = 95
    save_every: int = 0
    trace: Path | None = None
    quiet: bool = False
    as_json: bool = False

    def check(self, size: tuple[int, int] | None = None) -> None:
        """Raise now what would otherwise go wrong after the run; `size` (w, h) where known."""
        from impasto.images import check_writable

        if self.quiet and self.as_json:
            raise SettingsError("--quiet and --json exclude each other; choose one")
        check_writable(self.output, self.bits, self.quality, size)
        if self.save_every:
            check_writable(self._intermediate(9_999_999), self.bits, self.quality, size)
        if self.trace:
            progress.check_trace(self.trace)
        self._check_collisions()

    def paint(self, run: "Run") -> int:
        """Iterate, show, save. The exit code: 0, or 130 after Ctrl-C.

        Ctrl-C and errors on the way leave the best picture so far; errors are raised after that.
        """
        self.check(run.inputs.content.size)
        failure: ImpastoError | KeyboardInterrupt | None = None
        try:
            self._follow(run)
        except (ImpastoError, KeyboardInterrupt) as error:
            failure = error
        if run.steps_taken:
            result = run.result("best" if failure else None)
            result.image.save(self.output, bits=self.bits, quality=self.quality)
        if isinstance(failure, ImpastoError):
            raise failure
        self._tell(run, interrupted=failure is not None)
        return 130 if failure else 0

    def _follow(self, run: "Run") -> None:
        show_as = progress.silent if self.quiet else progress.bar
        with ExitStack() as stack:
            show = stack.enter_context((progress.json_lines if self.as_json else show_as)(run))
            note = stack.enter_context(progress.trace_file(self.trace))
            for step in run:
                note(step)
                show(step)
                self._save_intermediate(run, step)

    def _save_intermediate(self, run: "Run", step: "Step") -> None:
        due = self.save_every and step.iteration % self.save_every == 0
        if due and 0 < step.iteration < step.total:
            path = self._intermediate(step.iteration)
            run.picture(step).save(path, bits=self.bits, quality=self.quality)

    def _intermediate(self, iteration: int) -> Path:
        """`out.png` -> `out.0100.png`."""
        return self.output.with_suffix(f".{iteration:04d}{self.output.suffix}")

    def _tell(self, run: "Run", *, interrupted: bool) -> None:
        """Say where the picture is, and whether the run ended before its time."""
        done = run.steps_taken - 1
        name = printable(self.output) if run.steps_taken else None
        if self.as_json:
            print(json.dumps({"output": name, "interrupted": interrupted, "iterations": done}))
        elif name is None:
            print("interrupted before the first iteration; nothing was written", file=sys.stderr)
        elif not self.quiet:
            early = "interrupted; " if interrupted else self._why_early(run, done)
            print(f"{early}wrote {name}")

    @staticmethod
    def _why_early(run: "Run", done: int) -> str:
        """Empty for a run of full length."""
        total, tolerant = run.settings.iterations, run.settings.tolerance > 0
        if done >= total:
            return ""
        reason = "" if tolerant else ", no step descends"
        return f"stopped after {done} of {total} iterations{reason}; "

    def _check_collisions(self) -> None:
        """No file is both read and written, or written for two purposes."""
        sources = {name: Path(found(name)) for name in self.inputs}
        taken = {p.resolve(): f"the input {name}" for name, p in sources.items() if p.is_file()}
        for option, path in (("--output", self.output), ("--trace", self.trace)):
            if path is None:
                continue
            if path.resolve() in taken:
                other = taken[path.resolve()]
                raise OutputError(f"{option} {path}: is also {other}; choose another file")
            taken[path.resolve()] = f"the {option.removeprefix('--')}"
