"""The command line: parse, call, show; nothing else.

Whatever a user can get wrong is one line, `error: …`, on stderr, with exit code 2.
"""

import sys
from collections.abc import Sequence

from typer.exceptions import TyperException

from impasto.cli.commands import app
from impasto.errors import ImpastoError

__all__ = ["app", "main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 bad input, 130 interrupted."""
    sys.exit(_run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> int:
    try:
        return int(app(list(arguments), prog_name="impasto", standalone_mode=False) or 0)
    except TyperException as error:
        return _refuse(error.format_message())
    except ImpastoError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 130


def _refuse(message: str) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return 2
