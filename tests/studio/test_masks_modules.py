"""The mathematics of the mask painter, evaluated in a browser against expected arrays."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from support.site import Rooms, served


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with served(Rooms(tmp_path_factory.mktemp("masks"))) as address:
        yield address


MODULES = """async (code) => {
  const raster = await import('/static/masks-raster.js');
  const undo = await import('/static/masks-undo.js');
  const smart = await import('/static/masks-smart.js');
  const png = await import('/static/masks-png.js');
  const overlay = await import('/static/masks-overlay.js');
  return (CODE);
}"""


@pytest.fixture
def evaluate(address, browse):
    """Evaluates an expression with the painter's modules in scope."""
    page = browse(f"{address}/healthz")
    return lambda code: page.evaluate(MODULES.replace("CODE", code))


def test_a_dab_is_its_formula(evaluate):
    width, height, x, y, r, soft = 40, 30, 18.3, 14.7, 9.0, 0.5
    found = evaluate(
        f"""(() => {{
          const cover = new Uint8Array({width * height});
          const dab = {{ x: {x}, y: {y}, r: {r} }};
          const rect = raster.coverSegment(cover, {width}, {height}, dab, dab, {soft});
          return [[...cover], rect];
        }})()"""
    )
    rows, columns = np.mgrid[:height, :width] + 0.5
    t = np.clip((r + 0.5 - np.hypot(columns - x, rows - y)) / (soft * r + 0.5), 0, 1)
    expected = np.floor(t * t * (3 - 2 * t) * 255 + 0.5)
    assert np.abs(np.reshape(found[0], (height, width)) - expected).max() <= 1
    rect = found[1]
    outside = np.ones((height, width), bool)
    outside[rect["y"] : rect["y"] + rect["h"], rect["x"] : rect["x"] + rect["w"]] = False
    assert not np.reshape(found[0], (height, width))[outside].any()


def test_a_polygon_covers_parts_of_pixels(evaluate):
    found = evaluate(
        """(() => {
          const cover = new Uint8Array(48);
          const corners = [[1.5, 1.5], [6.25, 1.5], [6.25, 4], [1.5, 4]];
          raster.coverPolygon(cover, 8, 6, corners.map(([x, y]) => ({ x, y })));
          return [...cover];
        })()"""
    )
    across = np.array([0, 0.5, 1, 1, 1, 1, 0.25, 0])
    down = np.array([0, 0.5, 1, 1, 0, 0])
    expected = 255 * np.outer(down, across)
    assert np.abs(np.reshape(found, (6, 8)) - expected).max() <= 1


def test_flood_stops_at_a_wall_and_goes_round_corners(evaluate):
    wall = ["........", ".#####..", ".#...#..", ".#.#.#..", ".###.#..", "........"]
    levels = [[255 if c == "#" else 0 for c in line] for line in wall]
    found = evaluate(
        f"""(() => {{
          const mask = Uint8Array.from({[level for line in levels for level in line]});
          const cover = new Uint8Array(48);
          const rect = raster.coverFlood(cover, mask, 8, 6, 2, 2, 255);
          return [[...cover], rect, raster.coverFlood(new Uint8Array(48), mask, 8, 6, 1, 1, 255).w];
        }})()"""
    )
    expected = np.array(levels) == 0  # the inside has a door
    assert np.array_equal(np.reshape(found[0], (6, 8)) == 255, expected)
    assert found[1] == {"x": 0, "y": 0, "w": 8, "h": 6}
    assert found[2] == 0


def test_undo_is_bounded_and_exact(evaluate):
    found = evaluate(
        """(() => {
          const [width, height] = [300, 200];
          const history = undo.createUndo(width, height, 100000);
          const mask = new Uint8Array(width * height);
          const states = [mask.slice()];
          let random = 1;
          const next = (n) => (random = (random * 16807) % 2147483647) % n;
          for (let step = 0; step < 40; step++) {
            const before = mask.slice();
            const [right, low] = [next(300) + 20, next(200) + 20];
            const rect = raster.within(next(300), next(200), right, low, width, height);
            for (let i = 0; i < 400; i++) {
              if (rect.w) mask[(rect.y + next(rect.h)) * width + rect.x + next(rect.w)] = next(256);
            }
            if (history.keep(0, 'x', before, mask, rect)) states.push(mask.slice());
          }
          const same = (a, b) => a.every((value, i) => value === b[i]);
          const bytes = history.bytes;
          let [whole, steps] = [true, 0];
          while (history.canUndo) {
            history.undo(() => mask);
            steps += 1;
            whole &&= same(mask, states.at(-1 - steps));
          }
          while (history.canRedo) history.redo(() => mask);
          whole &&= same(mask, states.at(-1));
          return { whole, bytes, steps, changes: states.length - 1 };
        })()"""
    )
    assert found["whole"]
    assert found["bytes"] <= 100_000
    assert 0 < found["steps"] < found["changes"]


def test_a_png_is_read_by_others(evaluate):
    found = evaluate(
        """await (async () => {
          const mask = Uint8Array.from({ length: 77 }, (_, i) => (i * 37) % 256);
          const blob = await png.encodePng(mask, 11, 7);
          const back = await png.decodeMask(blob, 11, 7);
          return [[...new Uint8Array(await blob.arrayBuffer())], [...mask], [...back]];
        })()"""
    )
    image = Image.open(io.BytesIO(bytes(found[0])))
    image.load()
    assert (image.mode, image.size) == ("L", (11, 7))
    assert np.asarray(image).ravel().tolist() == found[1] == found[2]


def test_smart_strokes_stay_within_a_requests_limits(evaluate):
    found = evaluate(
        """(() => {
          const points = Array.from({ length: 4000 }, (_, i) => (
            { x: 3000 * Math.abs(Math.sin(i)), y: 900 * Math.cos(i), r: 3 }));
          const strokes = [{ side: 'inside', points }, { side: 'outside', points }];
          return smart.sentStrokes(strokes, { width: 2048, height: 1000 });
        })()"""
    )
    count = len(found["inside"]) + len(found["outside"])
    assert 0 < count <= 1600
    assert len(json.dumps(found)) < 64_000
    assert 0 <= min(map(min, found["inside"])) <= max(map(max, found["inside"])) <= 1


def test_the_chosen_layer_lies_over_the_others(evaluate):
    pixels = evaluate(
        """(() => {
          const layer = (mask, colour) => ({ mask: Uint8Array.from(mask), colour });
          const list = [layer([255, 255, 0, 0], [200, 0, 0]), layer([0, 255, 255, 0], [0, 100, 0])];
          const pixels = new Uint8ClampedArray(16);
          const look = { list, chosen: 1, opacity: 0.6, alone: false };
          overlay.compose(pixels, { x: 0, y: 0, w: 4, h: 1 }, 4, look);
          return [...pixels];
        })()"""
    )
    assert np.reshape(pixels, (4, 4)).tolist() == [
        [200, 0, 0, 69],
        [0, 100, 0, 153],
        [0, 100, 0, 153],
        [0, 0, 0, 0],
    ]
