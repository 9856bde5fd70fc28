"""A studio as a test's child: prints its address, and dies with its parent."""

import sys
import threading
from pathlib import Path


def named_tiny():
    """The tiny network; torch is imported only where a server needs it, which it does not."""
    from support import networks

    return networks.named_tiny()


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    from impasto.apps.studio import routes_jobs
    from impasto.apps.studio.studio import Studio
    from impasto.settings.variants import ENCODERS
    from support.program import die_with_parent
    from support.site import served
    from support.studio import PREPARE

    die_with_parent()
    ENCODERS.register("tiny", named_tiny)
    studio = Studio(Path(sys.argv[1]), PREPARE, warm=False)
    with served(studio, more=routes_jobs.routes) as address:
        print(address, flush=True)
        threading.Event().wait()
