"""Processes that paint together, played by threads: each test decides how many."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from support.children import PATIENCE


class Threads:
    """What `impasto.objective.ranks.Ranks` is to one of several threads, with a count of bytes."""

    def __init__(self, rank, count, table, barrier):
        self.rank, self.count, self._table, self._barrier = rank, count, table, barrier
        self.sent = 0

    def total(self, parts):
        assert parts.dtype == torch.float64
        self.sent += parts.nbytes
        found = self._exchanged(parts, lambda theirs: theirs)
        return sum(found, torch.zeros_like(parts))

    def swap(self, outgoing, shapes):
        assert len(outgoing) == len(shapes) == self.count
        self.sent += sum(part.nbytes for n, part in enumerate(outgoing) if n != self.rank)
        found = self._exchanged(outgoing, lambda theirs: theirs[self.rank])
        assert [tuple(part.shape) for part in found] == [tuple(shape) for shape in shapes]
        return found

    def _exchanged(self, mine, chosen):
        """Copies of what each thread has for this one, before its owner goes on with it."""
        self._table[self.rank] = mine
        self._barrier.wait(PATIENCE)
        found = [chosen(theirs).clone() for theirs in self._table]
        self._barrier.wait(PATIENCE)
        return found


def together(count, work):
    """What `work(ranks)` returns at each of `count` threads; the first error of any is raised."""
    barrier, table = threading.Barrier(count), [None] * count

    def one(rank):
        try:
            return work(Threads(rank, count, table, barrier))
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(one, rank) for rank in range(count)]
    errors = [future.exception() for future in futures if future.exception()]
    real = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
    if errors:
        raise (real or errors)[0]
    return [future.result() for future in futures]
