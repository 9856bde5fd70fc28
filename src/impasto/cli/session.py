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

if TYPE_CHECKING:
    from impasto.run import Run
    from impasto.step import Step

__all__ = ["Session"]


@dataclass(frozen=True)
class Session:
    """Where the pictures and the trace of a run go, and how it is shown.

    `inputs` are the files that the run reads and must not overwrite.
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
        done, total = run.steps_taken - 1, run.settings.iterations
        early = done < total and not interrupted
        name = progress.printable(self.output) if done >= 0 else None
        if self.as_json:
            print(json.dumps({"output": name, "interrupted": interrupted, "iterations": done}))
        elif interrupted and name is None:
            print("interrupted before the first iteration; nothing was written", file=sys.stderr)
        elif not self.quiet:
            where = (
                f"stopped after {done} of {total} iterations, no step descends; " if early else ""
            )
            if early and run.settings.tolerance > 0:
                where = f"stopped after {done} of {total} iterations; "
            print(f"{'interrupted; ' if interrupted else where}wrote {name}")

    def _check_collisions(self) -> None:
        """No file is both read and written, or written for two purposes."""
        taken = {Path(found(name)).resolve(): f"the input {name}" for name in self.inputs}
        for option, path in (("--output", self.output), ("--trace", self.trace)):
            if path is None:
                continue
            if path.resolve() in taken:
                other = taken[path.resolve()]
                raise OutputError(f"{option} {path}: is also {other}; choose another file")
            taken[path.resolve()] = f"the {option.removeprefix('--')}"
