"""The page of files: what is in those that impasto writes beside pictures."""

import re
from collections.abc import Iterator

from impasto.apps.batch.manifest import Entry
from impasto.apps.studio.jobs import Job
from impasto.run import checkpoint
from markup import NOTE, plain, table

RECORD = {
    "`versions`": "of impasto, Python, torch, numpy, Pillow and OpenCV",
    "`settings`": "every field of [Settings](settings.md)",
    "`content`, `style`": "name, without folders, and SHA-256; several styles are a list",
    "`init`, `protect`, `content_masks`, `style_masks`": "the same of these, where they are given",
    "`weights`": "the network's name, and the SHA-256 of its file or weights",
    "`hardware`": "`device` and `dtype`",
    "`result`": "fields of the trace, `iterations_run` and `complete`",
    "`finish`": "settings of an effect that was added later",
}

TRACE = {
    "`scale`": "longest side of the canvas, pixels",
    "`size`": "its width and height, pixels",
    "`iteration`": "iterations at this scale; 0 is the first canvas there",
    "`done`, `total`": "iterations over all scales, so far and as planned",
    "`loss`": "the objective",
    "`content`, `style`, `variation`, …": "its terms by name, with their weights",
    "`seconds`": "time since the run began",
}


def files() -> Iterator[str]:
    """What is in the files that impasto writes beside pictures."""
    yield from ("# Files", "", NOTE, "")
    yield from ("Formats of files that other programs may read.", "")
    yield from ("## Record of a picture", "")
    yield "JSON under the key `impasto`, in the metadata of PNG, TIFF, JPEG, WebP and AVIF."
    yield "`impasto show` prints it. `--record short` leaves out what is of files and the machine."
    yield ""
    yield from table(["field", "meaning"], RECORD.items())
    yield from ("## Trace", "", "`--trace FILE.jsonl`: one JSON object a step.", "")
    yield from table(["field", "meaning"], TRACE.items())
    yield from ("## Manifest of a batch", "", "`manifest.jsonl`: one JSON object a pair.", "")
    rows = [(name, text) for name, text in attributes(Entry) if "`raised`" not in name]
    yield from table(["field", "meaning"], rows)
    yield from ("## Checkpoint", "", plain(checkpoint.__doc__), "")
    yield "The facts are for this version of impasto; tensors are the canvas, its gradient and the"
    yield "optimiser's own. A checkpoint of another version or run is refused with a reason."
    yield ""
    yield from ("## Job of the studio", "", "A folder; `job.json` has these fields.", "")
    yield from table(["field", "meaning"], attributes(Job))


def attributes(kind: type) -> Iterator[tuple[str, str]]:
    """The fields that a docstring describes under Attributes: their names and meaning."""
    text = re.sub(r"^    ", "", kind.__doc__ or "", flags=re.MULTILINE)
    listed = text.partition("Attributes:\n")[2].partition("\n\n")[0]
    for item in re.split(r"\n(?=    \S)", listed.rstrip()):
        names, _, meaning = item.strip().partition(": ")
        yield (
            ", ".join(f"`{name}`" for name in names.split(", ")),
            _sentence(meaning),
        )


def _sentence(text: str) -> str:
    """A meaning as a cell: in one line, and with JSON's word for nothing."""
    return " ".join(text.replace("None", "null").split()).rstrip(".")
