"""`impasto studio`: paint in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from impasto.apps.cli.parameters import file_name
from impasto.apps.cli.printing import one_line
from impasto.errors import optional

__all__ = ["studio"]

_PURPOSE = "the studio"

Port = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port; 0 is any that is free.")
]
Host = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="HOST",
        help="Address to listen at. Any but this machine's own needs a token, which is made and "
        "printed unless one is given.",
    ),
]
Jobs = Annotated[
    str | None,
    typer.Option(
        "--jobs",
        metavar="DIR",
        parser=file_name,
        help="Folder of jobs and pictures. By default the user's data folder.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option("--token", metavar="TEXT", help="What a browser has to know to be let in."),
]
Compare = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--compare",
        metavar="DIR DIR",
        help="Compare pictures of the same name in two folders, without knowing which is which.",
    ),
]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open a browser.")]


def studio(
    port: Port = 7860,
    host: Host = "127.0.0.1",
    jobs: Jobs = None,
    token: Token = None,
    browser: Open = True,
    compare: Compare = None,
) -> int:
    """Open a page on which pictures are painted: upload, watch, change, compare.

    Pictures stay on this machine. Ctrl-C ends it; a picture that is being painted goes on from
    where it was when the studio is started again.
    """
    for module in ("starlette", "uvicorn"):
        optional(module, "studio", _PURPOSE)
    from impasto.apps.studio import routes_jobs
    from impasto.apps.studio import serve as program
    from impasto.apps.studio.routes_comparison import Bench
    from impasto.apps.studio.site import build
    from impasto.apps.studio.studio import Studio

    token = program.token_for(host, token)
    folder = Path(jobs) if jobs else program.default_folder()
    with program.locked(folder), program.bound(host, port) as listening:
        url = program.address(host, listening, token)
        parts = Studio(folder)
        if compare:
            place, mark, query = url.partition("?")
            url = f"{place}compare{mark}{query}"
        bench = Bench(folder, parts.darkroom, parts.register.all, compare)

        def ready() -> None:
            print(f"impasto studio: {one_line(url)}")
            print(f"jobs and pictures: {one_line(folder)}", flush=True)
            if browser:
                program.open_browser(url)

        routes = [*routes_jobs.routes, *bench.routes]
        app = build(parts, host=host, token=token, more=routes, limits=routes_jobs.limits)
        program.serve(app, listening, ready, parts.ending)
    return 0
