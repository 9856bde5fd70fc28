#!/usr/bin/env python
"""Run the steps of the Dockerfile's first stage as a script, in a folder of their own.

No container is needed: the image's /source and /opt are folders below a temporary one, and the
Python that runs this takes the place of the image's. The second stage only copies the first.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parent.parent


def steps():
    """The instructions of the first stage, after its FROM."""
    parser = DockerfileParser(str(ROOT))
    found = [(each["instruction"], each["value"]) for each in parser.structure]
    ends = [number for number, (name, _) in enumerate(found) if name == "FROM"]
    return found[ends[0] + 1 : ends[1]]


def main():
    """Build the stage; stop at the first step that fails."""
    with tempfile.TemporaryDirectory() as work:
        image = Path(work)
        for place in ("opt", "tmp"):
            (image / place).mkdir()
        here, arguments = image, {}
        for name, value in steps():
            print(name, value, flush=True)
            if name == "WORKDIR":
                here = image / value.lstrip("/")
                here.mkdir(parents=True)
            elif name == "ARG":
                key, _, default = value.partition("=")
                arguments[key] = os.environ.get(key, default)
            elif name == "COPY":
                *sources, target = shlex.split(value)
                for source in sources:
                    copy(ROOT / source, here / target, into=len(sources) > 1 or target[-1] == "/")
            elif name == "RUN":
                command = re.sub("/(?:opt|tmp)/", lambda found: f"{image}{found[0]}", value)
                path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
                environment = {**os.environ, **arguments, "PATH": path}
                subprocess.run(["sh", "-ec", command], cwd=here, env=environment, check=True)
            else:
                raise SystemExit(f"{name}: this script does not know that instruction")
        painted = image / "opt/impasto/bin/impasto"
        command = [painted, "show", "--json", image / "tmp" / "painted.png"]
        shown = subprocess.run(command, check=True, capture_output=True)
        assert json.loads(shown.stdout)["settings"]["size"] == 64


def copy(source, target, *, into):
    """What COPY does: files into a folder, or a folder as the target."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir(parents=True, exist_ok=True) if into else None
        shutil.copy(source, target)


if __name__ == "__main__":
    main()
