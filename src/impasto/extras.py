"""Optional libraries, imported when first needed."""

from importlib import import_module
from typing import Any

from impasto.errors import ExtraMissing

__all__ = ["optional"]


def optional(module: str, extra: str, purpose: str) -> Any:  # noqa: ANN401 (a module)
    """The module, which comes with `impasto[extra]`; ExtraMissing says what to install for it.

    `purpose` completes "… needs MODULE", such as "reading a .mat file".
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ExtraMissing(
            f"{purpose} needs {package}, which is not installed; pip install 'impasto[{extra}]'"
        ) from error
