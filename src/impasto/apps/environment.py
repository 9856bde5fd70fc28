"""What applications tell torch's threads by the environment, before torch is imported."""

import os

__all__ = ["of_threads", "tell_threads"]


def of_threads() -> dict[str, str]:
    """Variables by name.

    Threads that spin while they wait gain 4 % on an idle machine, and make two runs on the same
    cores nine times slower; with threads that sleep they are less than twice as slow. With
    OMP_DYNAMIC there may be fewer threads than oneDNN has divided its work among, and the rest of
    its results is never written: losses are NaN.
    """
    policy = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
    return {"OMP_WAIT_POLICY": policy, "OMP_DYNAMIC": "false"}


def tell_threads() -> None:
    """Set them in this process; without effect once torch is imported."""
    os.environ.update(of_threads())
