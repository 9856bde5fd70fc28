"""Statistics of votes for one of two, and the table of votes as CSV. Pure functions."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

__all__ = ["as_csv", "sign_test", "wilson"]

_Z = 1.959963984540054  # of a normal variable, 97.5 % is below
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share, by its score (Wilson 1927, "Probable Inference").

    (p + z²/2n ± z √(p (1-p)/n + z²/4n²)) / (1 + z²/n), with p = successes/n and z = 1.96; (0, 1)
    without trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if not trials:
        return 0.0, 1.0
    share, spread = successes / trials, _Z * _Z / trials
    middle = share + spread / 2
    half = _Z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


def sign_test(first: int, second: int) -> float:
    """Probability of a division at least as uneven where neither is preferred (two-sided, exact).

    min(1, 2 Σ_{i ≤ k} C(n, i) / 2ⁿ), with k the lesser number and n their sum.
    """
    trials, least = first + second, min(first, second)
    tail = sum(math.comb(trials, i) for i in range(least + 1))
    return min(1.0, tail / 2 ** (trials - 1)) if trials else 1.0


def as_csv(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Lines of a table as CSV; text that a spreadsheet would take for a formula begins with '."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(head)
    for line in lines:
        writer.writerow([_plain(cell) for cell in line])
    return file.getvalue()


def _plain(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA):
        return f"'{cell}"
    return cell
