"""The processes that paint one picture together, by torch.distributed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from impasto.errors import ProcessLost, SettingsError, brief
from impasto.objective.ranks import Ranks, fingerprint, gathered
from impasto.settings import Settings

__all__ = ["TorchRanks", "agree", "joined", "local_share", "on_this_rank"]

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_PLACE = re.compile(r"^\[[^]]*\]\s*")


class TorchRanks:
    """The processes of torch.distributed's default group, by gloo on the CPU, NCCL on CUDA."""

    def __init__(self) -> None:
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        self._cuda = dist.get_backend() == "nccl"

    def total(self, parts: Tensor) -> Tensor:
        """The sum of all processes' tensors of the same shape; see `Ranks`."""
        found = self._sendable(parts).clone()
        with _lost():
            dist.all_reduce(found)
        return found.to(parts.device)

    def swap(self, outgoing: Sequence[Tensor], shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        """What each process has for this one, tensors (n, …) of these shapes; see `Ranks`."""
        own = outgoing[self.rank]
        sent = [self._sendable(part) for part in outgoing]
        found = [sent[self.rank].new_empty(*shape) for shape in shapes]
        found[self.rank] = own
        operations = [
            dist.P2POp(operation, part, peer)
            for operation, parts in ((dist.isend, sent), (dist.irecv, found))
            for peer, part in enumerate(parts)
            if peer != self.rank and part.numel()
        ]
        with _lost():
            for work in dist.batch_isend_irecv(operations) if operations else ():
                work.wait()
        return [part.to(own.device) for part in found]

    def _sendable(self, part: Tensor) -> Tensor:
        """The tensor where the backend sends it from."""
        return part.detach().to("cuda" if self._cuda else "cpu").contiguous()


@contextmanager
def joined(device: str) -> Iterator[TorchRanks]:
    """The processes that torchrun, or the same environment variables, have started.

    `device` is the setting: on a CUDA device NCCL is used. Raises SettingsError where the variables
    are absent, or this machine has more processes than cards; ProcessLost where the others cannot
    be reached.
    """
    missing = [name for name in _NEEDED if not os.environ.get(name)]
    if missing:
        raise SettingsError(
            f"distributed needs processes that torchrun starts, and {missing[0]} is not set; use "
            f"torchrun --nproc-per-node 2 -m impasto …"
        )
    if _is_cuda(device):
        torch.cuda.set_device(_card())
    try:
        dist.init_process_group("nccl" if _is_cuda(device) else "gloo")
    except (RuntimeError, ValueError) as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ProcessLost(f"the processes cannot meet at {place}: {_first_line(error)}") from error
    try:
        yield TorchRanks()
    finally:
        dist.destroy_process_group()


def on_this_rank(settings: Settings) -> Settings:
    """The settings with this process's own device: of several cards, that of its number here."""
    if _is_cuda(settings.device):
        return settings.model_copy(update={"device": f"cuda:{_card()}"})
    return settings.replaced(device="cpu") if settings.device == "auto" else settings


def _is_cuda(device: str) -> bool:
    """Whether the setting `device` stands for CUDA here, one card for each process."""
    return device in ("auto", "cuda") and torch.cuda.is_available()


def _card() -> int:
    """The number of this process's card; SettingsError where there are fewer."""
    number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= count:
        raise SettingsError(
            f"process {number} of this machine has no card of its own, since torch finds {count}; "
            f"start as many processes, or set device to cpu"
        )
    return number


def local_share() -> float:
    """The part of this machine that is this process's."""
    return 1 / max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def agree(ranks: Ranks, facts: Mapping[str, str]) -> None:
    """SettingsError, at every process, where one has other facts than the first."""
    for name, fact in {"list of inputs": ", ".join(sorted(facts)), **facts}.items():
        first, *others = gathered(ranks, fingerprint(fact))
        for rank, other in enumerate(others, 1):
            if other != first:
                raise SettingsError(
                    f"the {name} of process {rank} differs from that of process 0; give all of "
                    f"them the same"
                )


@contextmanager
def _lost() -> Iterator[None]:
    """Turn the errors of a backend whose peer has ended into ProcessLost."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost(
            f"another process of this picture has ended, and so does this one "
            f"({_first_line(error)})"
        ) from error


def _first_line(error: BaseException) -> str:
    """What a backend says, without the place in its code."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return brief(_PLACE.sub("", said))
