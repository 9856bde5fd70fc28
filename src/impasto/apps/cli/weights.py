"""`impasto weights`: list networks, download originals, compare with them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from inspect import getdoc
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from impasto.errors import WeightsError, printable

__all__ = ["app"]

app = typer.Typer(
    help="List the networks, download full-precision originals, compare with them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_EXPECTED = {
    True: "the same training: expect the error of the 8-bit codebook, and in vgg16's last block "
    "perhaps the fine-tuning of its source",
    False: "another training: expect about 100 %",
}


@app.command(name="list")
def list_weights(as_json: Json = False) -> None:
    """List the networks that have names; `--encoder` also takes the path of a weight file."""
    from impasto.encoder import ENCODERS

    entries = [{"name": name, "about": _about(name), **_file(name)} for name in ENCODERS.names()]
    if as_json:
        print(json.dumps(entries))
        return
    console = Console(soft_wrap=True, highlight=False)
    for entry in entries:
        size = f", {entry['bytes'] / 1e6:.0f} MB" if entry["bytes"] else ""
        console.print(Text(entry["name"], style="bold"), f"{entry['state']}{size}", sep=": ")
        for line in (entry["about"], entry["file"], entry["url"]):
            if line:
                console.print(Text(f"    {printable(line)}"))


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Such as vgg19:keras; see impasto weights list.")],
) -> None:
    """Download an original; the next call continues an interrupted download."""
    from impasto.encoder.weights.download import fetch as download
    from impasto.encoder.weights.originals import original

    wanted = original(name)
    with _bar(name) as progress:
        new = download(wanted, progress)
    print(
        f"{printable(wanted.path)}: {'fetched' if new else 'there already'}, checksum as published"
    )


@app.command()
def verify(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE]", help="By default all originals that are here."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check originals, and print the distance of the bundled network from each, layer by layer.

    Distances are relative, ‖bundled - original‖ / ‖original‖, in the same colours.
    """
    compared = [_compared(each) for each in ([name] if name else _fetched())]
    if as_json:
        print(json.dumps(compared))
        return
    for one in compared:
        _show(one)


def _about(name: str) -> str:
    """First line of the docstring of the function that loads a network."""
    from impasto.encoder import ENCODERS

    return (getdoc(ENCODERS.get(name)) or "").partition("\n")[0].rstrip(".")


def _file(name: str) -> dict[str, Any]:
    """State, size, place and source of a network's file; None where that is not known."""
    from impasto.encoder.weights import BUNDLED, bundled_file
    from impasto.encoder.weights.originals import ORIGINALS

    if name in ORIGINALS:
        wanted = ORIGINALS[name]
        state = "fetched" if wanted.path.is_file() else "not fetched"
        return {"state": state, "bytes": wanted.size, "file": str(wanted.path), "url": wanted.url}
    network = name.removesuffix(":normalised")
    if network not in BUNDLED:
        return {"state": "registered", "bytes": None, "file": None, "url": None}
    path = bundled_file(network)
    return {"state": "bundled", "bytes": path.stat().st_size, "file": str(path), "url": None}


def _fetched() -> list[str]:
    from impasto.encoder.weights.originals import ORIGINALS

    names = [name for name, original in ORIGINALS.items() if original.path.is_file()]
    if not names:
        raise WeightsError(
            f"no original is fetched, of {', '.join(ORIGINALS)}; impasto weights fetch NAME, "
            f"or name a weight file"
        )
    return names


def _compared(name: str) -> dict[str, Any]:
    from impasto.encoder import BUNDLED, bundled, weights_of
    from impasto.encoder.weights.compare import SAME, distances
    from impasto.encoder.weights.originals import ORIGINALS

    original = weights_of(name)
    network = original.architecture
    if network.name not in BUNDLED or network != bundled(network.name).architecture:
        raise WeightsError(
            f"{printable(name)}: holds {printable(network.name)}, and only {' and '.join(BUNDLED)} "
            f"are bundled to compare with; it can be used as it is"
        )
    packed = bundled(network.name)
    layers = [asdict(distance) for distance in distances(packed, original)]
    return {
        "name": original.name,
        "sha256": original.sha256,
        "checksum": "as published" if name in ORIGINALS else "not known",
        "colours": original.input.name,
        "bundled": packed.name,
        "expected": _EXPECTED[layers[0]["weight"] < SAME],
        "layers": layers,
    }


def _show(compared: dict[str, Any]) -> None:
    table = Table("layer", "weight", "bias", box=None)
    for layer in compared["layers"]:
        table.add_row(layer["layer"], f"{layer['weight']:.2%}", f"{layer['bias']:.2%}")
    console = Console(soft_wrap=True, highlight=False)
    console.print(Text(f"{compared['name']} and the bundled {compared['bundled']}", style="bold"))
    console.print(Text(f"sha256 {compared['sha256']} ({compared['checksum']})"))
    console.print(Text(f"colours {compared['colours']}"))
    console.print(Text(compared["expected"]))
    console.print(table)


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr; it appears with the first bytes, so that an error stands alone."""
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task(name)

    def show(done: int, total: int) -> None:
        progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()
