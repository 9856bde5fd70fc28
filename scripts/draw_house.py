"""Draw the rooms of the package and the imports between them, docs/images/house.svg.

    python scripts/draw_house.py

A room is a box; an arc joins two rooms of which the lower one imports from the other: a thin one
for up to five imports, a thick one for more than twenty. A test compares the drawing with what this
script makes.
"""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "impasto"
DRAWING = ROOT / "docs" / "images" / "house.svg"

ROOMS = {
    "errors": "errors, printable text, optional imports",
    "settings": "every setting once, recipes, registries of variants",
    "images": "files ↔ sRGB pixels, colour, effects, atomic files",
    "encoder": "pixels → features → gradient of the pixels",
    "objective": "features → statistics → terms → loss and gradient",
    "optimisers": "value and gradient → next canvas",
    "hardware": "device, threads, memory plan, CUDA graphs",
    "run": "inputs → canvas → stages → steps → result",
    "outputs": "files made from the events of a run",
    "apps": "command line, notebook, batch, film, studio",
}
WIDTH, HEIGHT, GAP, LEFT, TOP = 420, 44, 14, 30, 20  # px
INK, PAPER, ARC = "#37474f", "#eceff1", "#bf360c"


def imports() -> Counter[tuple[str, str]]:
    """(room, room it imports from) -> how many import statements."""
    found: Counter[tuple[str, str]] = Counter()
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("impasto."):
                other = str(node.module).split(".")[1]
                if other in ROOMS and room in ROOMS and other != room:
                    found[room, other] += 1
    return found


def drawing() -> str:
    """The picture as SVG."""
    places = {room: TOP + index * (HEIGHT + GAP) for index, room in enumerate(ROOMS)}
    bottom = max(places.values()) + HEIGHT + TOP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {bottom}" '
        f'font-family="sans-serif" role="img" aria-label="Rooms of impasto and their imports">'
    ]
    for (room, other), count in sorted(imports().items()):
        parts.append(_arc(places[room], places[other], count))
    parts += [_box(room, place) for room, place in places.items()]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(room: str, top: int) -> str:
    """A room: its name, and what is in it."""
    middle = LEFT + 12
    return (
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="4" fill="{PAPER}" '
        f'stroke="{INK}"/>'
        f'<text x="{middle}" y="{top + 18}" font-size="15" font-weight="bold" '
        f'fill="{INK}">{room}/</text>'
        f'<text x="{middle}" y="{top + 36}" font-size="12" fill="{INK}">{ROOMS[room]}</text>'
    )


def _arc(start: int, end: int, count: int) -> str:
    """From the room that imports up to the one that it imports from."""
    x, y, up = LEFT + WIDTH, start + HEIGHT // 2, end + HEIGHT // 2
    reach = x + 30 + (y - up) * 0.42
    width = 1 if count <= 5 else 2.5 if count <= 20 else 4.5
    return (
        f'<path d="M {x} {y} C {reach:.0f} {y} {reach:.0f} {up} {x} {up}" fill="none" '
        f'stroke="{ARC}" stroke-opacity="0.45" stroke-width="{width}"/>'
    )


if __name__ == "__main__":
    DRAWING.write_text(drawing(), "utf-8")
    print(DRAWING)
