"""A studio as a test's child: prints its address, and dies with its parent."""

import sys
import threading
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    from impasto.apps.studio import routes_jobs
    from impasto.apps.studio.studio import Studio
    from support.networks import register_tiny
    from support.program import die_with_parent
    from support.site import served
    from support.studio import PREPARE

    die_with_parent()
    register_tiny()
    studio = Studio(Path(sys.argv[1]), PREPARE, warm=False)
    with served(studio, more=routes_jobs.routes) as address:
        print(address, flush=True)
        threading.Event().wait()
