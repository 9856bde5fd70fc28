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

__all__ = ["embedded", "page", "rendered"]

QUALITY = 92  # of JPEG
CURVES = Box(0, 0, 1000, 400)
DPI = 96  # of CSS


def page(history: RunHistory, result: Picture, title: str, facts: Mapping[str, str]) -> bytes:
    """UTF-8 HTML with its pictures inside, the curves as SVG, no script and no reference."""
    inputs = {"Content": history.content, "Style": history.style}
    return rendered(
        _template("page.html"),
        title,
        summary(history.steps, history.scales),
        facts,
        inputs={name: embedded(p) for name, p in inputs.items() if p},
        start=history.start and embedded(history.start.picture),
        result=embedded(result),
        snapshots=[
            (embedded(snapshot.picture), *captions(snapshot.step, history.scales))
            for snapshot in history.snapshots
        ],
        curves=_curves(history) if history.steps else "",
    )


def rendered(
    template: str,
    title: str,
    told: str,
    facts: Mapping[str, str],
    **values: Any,  # noqa: ANN401 (what the template names)
) -> bytes:
    """A page as UTF-8 HTML: title, one line on the run, the template's body, a table of facts.

    The template extends "base.html". Names and facts may hold any characters.
    """
    jinja = optional("jinja2", "report", "writing a page about a run")
    environment = jinja.Environment(
        loader=jinja.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = {printable(name): printable(fact) for name, fact in facts.items()}
    values |= {"title": printable(title) or "impasto", "summary": told, "facts": shown}
    return str(environment.from_string(template).render(**values)).encode()


def _template(name: str) -> str:
    return files("impasto.outputs.report").joinpath(name).read_text("utf-8")


def _curves(history: RunHistory) -> str:
    with figure(CURVES.width, CURVES.height, DPI) as drawing:
        draw_curves(drawing, history, CURVES)
        return drawing.svg()


def embedded(picture: Picture) -> dict[str, Any]:
    """Width, height and data URI: a JPEG, or a PNG for transparency and for sizes JPEG lacks."""
    held = picture.alpha is None and max(picture.size) <= FORMATS[".jpeg"].longest
    kind = "jpeg" if held else "png"
    encoded = FORMATS[f".{kind}"].encode(picture.levels(8), Embedded(), QUALITY)
    data = base64.b64encode(encoded).decode()
    return {"w": picture.width, "h": picture.height, "uri": f"data:image/{kind};base64,{data}"}
