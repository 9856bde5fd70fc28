"""A TOML file beside a weight file, that says which network is in it.

`NAME.toml` describes `NAME.safetensors` or `NAME.pth`: the chain of operations, where in the file
each convolution is, and the colours that the first one expects. See docs/weights.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from impasto.encoder.architecture import Architecture
from impasto.encoder.operations import Conv, Operation, Pool, Relu
from impasto.encoder.weights.folding import EPSILON
from impasto.encoder.weights.formats.contents import LIMIT
from impasto.errors import SettingsError, WeightsError, printable
from impasto.images.spaces import SPACES, ColourSpace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Description", "described_by", "description_of"]

_BYTES = 1 << 16  # of a description
_REASON = 200  # characters of what does not fit
_CHAIN = (
    "a network is a chain of conv, relu and pool; those that branch, such as ResNets, are not "
    "supported"
)

Name = Annotated[str, Field(min_length=1, max_length=64)]
Key = Annotated[str, Field(min_length=1, max_length=200)]
Three = tuple[float, float, float]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class _Conv(_Strict):
    conv: Name
    key: Key
    channels: int = Field(ge=1, le=8192)
    kernel: int = Field(default=3, ge=1, le=31)
    stride: int = Field(default=1, ge=1, le=16)
    padding: int | None = Field(default=None, ge=0, le=15)
    norm: Key | None = None
    epsilon: float = Field(default=EPSILON, ge=0, le=1)


class _Relu(_Strict):
    relu: Name


class _Pool(_Strict):
    pool: Name
    kernel: int = Field(default=2, ge=1, le=31)
    stride: int = Field(default=2, ge=1, le=16)


_KINDS: dict[str, type[_Conv | _Relu | _Pool]] = {"conv": _Conv, "relu": _Relu, "pool": _Pool}


class _Table(_Strict):
    """The file but for its operations, which are checked one by one for the sake of the error."""

    network: Name
    channels: Literal["rgb", "bgr"] = "rgb"
    range: float = Field(default=1.0, gt=0, le=1e6)
    mean: Annotated[Three, Field(strict=False)] = (0.0, 0.0, 0.0)
    deviation: Annotated[Three, Field(strict=False)] = (1.0, 1.0, 1.0)
    operations: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=256)]


class Description:
    """What a description says.

    Attributes:
        architecture: the network.
        input: the colours that it expects.
        keys: name of each convolution -> the beginning of its arrays' names, such as `features.0`.
        norms: name of a convolution -> that of the batch normalisation after it, and its ε.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        """WeightsError names the first entry that does not fit."""
        found = _checked(_Table, table, "")
        entries = [_operation(n, each) for n, each in enumerate(found.operations, 1)]
        convs = [each for each in entries if isinstance(each, _Conv)]
        self.keys = {each.conv: each.key for each in convs}
        self.norms = {each.conv: (each.norm, each.epsilon) for each in convs if each.norm}
        self.input = _colours(found)
        try:
            self.architecture = Architecture(found.network, tuple(_chain(entries)))
        except SettingsError as error:
            raise WeightsError(f"{error}; {_CHAIN}") from None
        size = sum(conv.multiplications for conv in self.architecture.convolutions.values())
        if 4 * size > LIMIT:
            raise WeightsError(f"describes {size} weights; expected at most {LIMIT >> 30} GB")


def described_by(path: Path) -> Path | None:
    """The description beside a weight file; None where there is none."""
    beside = path.with_suffix(".toml")
    return beside if beside != path and beside.is_file() else None


def description_of(path: Path) -> Description | None:
    """The description beside a weight file, None where there is none.

    Raises WeightsError for one that is too long, or that does not describe a network.
    """
    beside = described_by(path)
    if beside is None:
        return None
    try:
        return Description(_table(beside))
    except WeightsError as error:
        raise WeightsError(f"{printable(beside.name)}: {error}") from None


def _table(path: Path) -> dict[str, Any]:
    """The values of a TOML file of bounded length."""
    with path.open("rb") as file:
        text = file.read(_BYTES + 1)
    if len(text) > _BYTES:
        raise WeightsError(f"has more than {_BYTES} bytes; expected a short description")
    try:
        table: dict[str, Any] = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # not UTF-8, or no TOML
        reason = printable(str(error).partition("\n")[0])[:_REASON]
        raise WeightsError(f"is no TOML ({reason})") from None
    return table


def _operation(number: int, entry: Mapping[str, Any]) -> _Conv | _Relu | _Pool:
    kinds = [kind for kind in _KINDS if kind in entry]
    if len(kinds) != 1:
        names = printable(", ".join(entry))[:_REASON]
        raise WeightsError(f"operation {number} has {names or 'nothing'}; {_CHAIN}")
    found: _Conv | _Relu | _Pool = _checked(_KINDS[kinds[0]], entry, f"operation {number}: ")
    return found


def _checked(model: type[Any], entry: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 (of that model)
    try:
        return model(**entry)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields)
            text = f"{place} is not supported; expected some of {known}"
        else:
            text = f"{place}: {first['msg']}"
        raise WeightsError(printable(f"{where}{text}")[:_REASON]) from None


def _chain(entries: list[_Conv | _Relu | _Pool]) -> list[Operation]:
    operations, channels = list[Operation](), 3
    for each in entries:
        match each:
            case _Conv():
                padding = -1 if each.padding is None else each.padding
                square = (each.kernel, each.stride, padding)
                operations.append(Conv(each.conv, channels, each.channels, *square))
                channels = each.channels
            case _Relu():
                operations.append(Relu(each.relu))
            case _Pool():
                operations.append(Pool(each.pool, each.kernel, each.stride))
    return operations


def _colours(table: _Table) -> ColourSpace:
    """(rgb · range - mean) / deviation; a known space where it is one."""
    if min(table.deviation) <= 0:
        raise WeightsError("deviation: expected positive numbers")
    order = (0, 1, 2) if table.channels == "rgb" else (2, 1, 0)
    gain = tuple(table.range / d for d in table.deviation)
    shift = tuple(-m / d for m, d in zip(table.mean, table.deviation, strict=True))
    for space in SPACES.values():
        if (space.order, space.gain, space.shift) == (order, gain, shift):
            return space
    name = re.sub(r"[^a-z0-9_-]", "", table.network.lower()) or "described"
    return ColourSpace(name, order, gain, shift)  # type: ignore[arg-type]  # three each, as checked above
