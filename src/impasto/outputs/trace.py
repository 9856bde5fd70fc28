"""The losses of each step, as JSON lines."""

from __future__ import annotations

import json
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from impasto.errors import OutputError
from impasto.outputs.base import Option, Output, Size

if TYPE_CHECKING:
    from impasto.run import Result, Run
    from impasto.run.events import Step

__all__ = ["TraceOutput"]


class TraceOutput(Output):
    """One JSON object a step, flushed at once, so that a run that is killed loses none.

    The steps before a run was resumed come first. The file is opened at the first step.
    """

    options = (Option("trace", Path, "Write each iteration's losses there.", metavar="FILE.jsonl"),)
    endings = (".jsonl", ".json", ".txt", ".log")  # the file is overwritten as the run goes on
    resumable = True
    announced = False

    def check(self, size: Size | None) -> None:
        """OutputError where no such file can be written; a device or a pipe can."""
        if not _is_device(self.path):
            super().check(size)

    def begin(self, run: Run, *, continues: bool) -> None:
        """Remember the steps before the run was resumed."""
        self._earlier = run.earlier
        self._file: TextIO | None = None

    def handle(self, event: Any) -> None:  # noqa: ANN401 (any event)
        """Write the line of a Step."""
        from impasto.run.events import Step

        if not isinstance(event, Step):
            return
        try:
            if self._file is None:
                self._file = self.path.open("w", encoding="utf-8")
                for earlier in self._earlier:
                    self._print(earlier)
            self._print(event)
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error

    def finish(self, result: Result | None) -> None:
        """Close the file."""
        if self._file:
            with suppress(OSError):  # a line that could not be flushed was reported
                self._file.close()

    def _print(self, step: Step) -> None:
        print(json.dumps(step.line()), file=self._file)


def _is_device(path: Path) -> bool:
    """Whether this is no file to be replaced, such as /dev/stderr or a pipe."""
    with suppress(OSError, ValueError):
        mode = path.stat().st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISSOCK(mode))
    return False
