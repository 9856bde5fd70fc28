"""A story as one HTML file that needs nothing but itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from impasto.errors import optional, printable
from impasto.images import FORMATS, Picture
from impasto.images.picture import integers
from impasto.outputs.report.curves import draw_curves
from impasto.outputs.report.figure import figure
from impasto.outputs.report.layout import Box
from impasto.outputs.report.story import RunHistory, preview
from impasto.outputs.report.words import captions, summary

__all__ = ["page"]

QUALITY = 92  # of JPEG
INPUT = 1024  # longest side in pixels of content and style; the result is whole
CURVES = Box(0, 0, 1000, 400)
DPI = 96  # of CSS


def page(story: RunHistory, result: Picture, title: str, facts: Mapping[str, str]) -> bytes:
    """UTF-8 HTML: the pictures inside it, the curves as SVG, no script, no reference elsewhere."""
    jinja = optional("jinja2", "report", "writing a page about a run")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = files("impasto.outputs.report").joinpath("page.html").read_text("utf-8")
    inputs = {"Content": story.content, "Style": story.style}
    return str(
        environment.from_string(text).render(
            title=printable(title) or "impasto",
            summary=summary(story.steps, story.scales),
            inputs={name: _shown(preview(p, INPUT)) for name, p in inputs.items() if p},
            start=story.start and _shown(story.start.picture),
            result=_shown(result),
            moments=[
                (_shown(moment.picture), *captions(moment.step, story.scales))
                for moment in story.moments
            ],
            curves=_curves(story) if story.steps else "",
            facts={printable(name): printable(fact) for name, fact in facts.items()},
        )
    ).encode()


def _curves(story: RunHistory) -> str:
    with figure(CURVES.width, CURVES.height, DPI) as drawing:
        draw_curves(drawing, story, CURVES)
        return drawing.svg()


def _shown(picture: Picture) -> dict[str, Any]:
    """Width, height and data URI: of a PNG where JPEG cannot hold the transparency or the size."""
    held = picture.alpha is None and max(picture.size) <= FORMATS[".jpeg"].longest
    kind = "jpeg" if held else "png"
    encoded = FORMATS[f".{kind}"].encode(integers(picture, bits=8), picture.record, QUALITY)
    data = base64.b64encode(encoded).decode()
    return {"w": picture.width, "h": picture.height, "uri": f"data:image/{kind};base64,{data}"}
