"""A history as one self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from impasto.errors import optional, printable
from impasto.images import FORMATS, Picture
from impasto.images.record import Embedded
from impasto.outputs.report.curves import draw_curves
from impasto.outputs.report.figure import figure
from impasto.outputs.report.history import RunHistory
from impasto.outputs.report.layout import Box
from impasto.outputs.report.words import captions, summary

__all__ = ["page"]

QUALITY = 92  # of JPEG
CURVES = Box(0, 0, 1000, 400)
DPI = 96  # of CSS


def page(history: RunHistory, result: Picture, title: str, facts: Mapping[str, str]) -> bytes:
    """UTF-8 HTML with its pictures inside, the curves as SVG, no script and no reference."""
    jinja = optional("jinja2", "report", "writing a page about a run")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = files("impasto.outputs.report").joinpath("page.html").read_text("utf-8")
    inputs = {"Content": history.content, "Style": history.style}
    return str(
        environment.from_string(text).render(
            title=printable(title) or "impasto",
            summary=summary(history.steps, history.scales),
            inputs={name: _shown(p) for name, p in inputs.items() if p},
            start=history.start and _shown(history.start.picture),
            result=_shown(result),
            snapshots=[
                (_shown(snapshot.picture), *captions(snapshot.step, history.scales))
                for snapshot in history.snapshots
            ],
            curves=_curves(history) if history.steps else "",
            facts={printable(name): printable(fact) for name, fact in facts.items()},
        )
    ).encode()


def _curves(history: RunHistory) -> str:
    with figure(CURVES.width, CURVES.height, DPI) as drawing:
        draw_curves(drawing, history, CURVES)
        return drawing.svg()


def _shown(picture: Picture) -> dict[str, Any]:
    """Width, height and data URI: a JPEG, or a PNG for transparency and for sizes JPEG lacks."""
    held = picture.alpha is None and max(picture.size) <= FORMATS[".jpeg"].longest
    kind = "jpeg" if held else "png"
    encoded = FORMATS[f".{kind}"].encode(picture.levels(8), Embedded(), QUALITY)
    data = base64.b64encode(encoded).decode()
    return {"w": picture.width, "h": picture.height, "uri": f"data:image/{kind};base64,{data}"}
