"""The page of the notebook's stage in a real browser, with a stub in place of the kernel."""

import functools
import http.server
import shutil
import threading
from pathlib import Path

import pytest
from browser import axe_violations
from playwright.sync_api import expect

import impasto.apps.notebook
from support.pictures import smooth_picture

PAGE = Path(impasto.apps.notebook.__file__).with_name("page")

HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A notebook</title>
<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="stage.css">
<style>body { background: light-dark(#fff, #111); color: light-dark(#1c1c1c, #ececec); }</style>
<main></main>
<script type="module">
import stage, { clock, factsOf, pathOf } from "./stage.js";

const bytes = async (name) => new DataView(await (await fetch(name)).arrayBuffer());
const values = {
  strength: 1, style_scale: 1, content_weight: 5, colour: "style", colour_strength: 1,
};
const state = {
  preview: new DataView(new ArrayBuffer(0)), before: await bytes("before.jpg"), progress: {},
  curve: [], values, usual: values, colours: ["style", "match", "keep", "distribution"], heard: 0,
};
const listeners = {};
const model = {
  sent: [],
  get: (name) => state[name],
  on: (name, listener) => (listeners[name] ??= new Set()).add(listener),
  off: (name, listener) => listeners[name]?.delete(listener),
  send: (message) => model.sent.push(message),
  set(changes) {
    Object.assign(state, changes);
    for (const name of Object.keys(changes)) listeners[`change:${name}`]?.forEach((each) => each());
  },
  listeners: () => Object.values(listeners).reduce((sum, each) => sum + each.size, 0),
};
const close = stage.render({ model, el: document.querySelector("main") });
Object.assign(window, { model, close, bytes, clock, factsOf, pathOf });
document.documentElement.dataset.ready = "";
</script></html>
"""

PAINTING = {
    "state": "painting",
    "stage": 2,
    "stages": 3,
    "size": [512, 384],
    "iteration": 40,
    "iterations": 200,
    "done": 100,
    "total": 400,
    "left": 12.4,
    "loss": 12.5,
    "note": "",
    "error": "",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the page is served; quietly, and no longer than this module's tests."""
    folder = tmp_path_factory.mktemp("notebook")
    for name in ("stage.js", "stage.css"):
        shutil.copy(PAGE / name, folder)
    (folder / "index.html").write_text(HTML, "utf-8")
    for phase, name in enumerate(("before.jpg", "after.jpg", "later.jpg")):
        smooth_picture(256, 192, phase=phase).save(folder / name)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(address, browse):
    page = browse(address)
    page.wait_for_selector("html[data-ready]")
    return page


def told(page, **changes):
    page.evaluate("(changes) => model.set(changes)", changes)


def sent(page):
    return page.evaluate("model.sent")


def until_sent(page, message):
    page.wait_for_function(
        "(wanted) => JSON.stringify(model.sent.at(-1)) === wanted",
        arg=page.evaluate("(message) => JSON.stringify(message)", message),
    )


def test_progress_is_told_in_words(page):
    told(page, progress=PAINTING, curve=[[0, 128, 90.0], [50, 128, 20.0], [100, 512, 12.5]])
    expect(page.locator("strong")).to_have_text("Painting")
    lines = page.locator(".facts").inner_text().splitlines()
    assert lines == ["512 × 384 px, scale 2 of 3", "iteration 40 of 200 · 0:12 left"]
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "25")
    expect(page.get_by_role("img", name="Loss 12.5")).to_be_visible()
    expect(page.get_by_role("button", name="Go on")).to_be_hidden()
    told(page, progress={**PAINTING, "state": "failed", "error": "the loss is nan"})
    expect(page.get_by_role("alert")).to_have_text("the loss is nan")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_previews_are_shown_and_the_kernel_is_told(page):
    page.evaluate("bytes('after.jpg').then((preview) => model.set({ preview }))")
    until_sent(page, {"kind": "seen"})
    after = page.get_by_role("img", name="The painting so far")
    expect(after).to_have_js_property("naturalWidth", 256)
    first = after.get_attribute("src")
    page.evaluate("bytes('later.jpg').then((preview) => model.set({ preview }))")
    expect(after).not_to_have_attribute("src", first)
    shape = page.locator(".picture").bounding_box()
    assert shape["width"] / shape["height"] == pytest.approx(4 / 3, rel=0.01)


def test_the_latest_preview_wins(page):
    page.evaluate(
        """async () => {
          const [one, two] = [await bytes("after.jpg"), await bytes("later.jpg")];
          for (const preview of [one, one, one, two]) model.set({ preview });
        }"""
    )
    until_sent(page, {"kind": "seen"})
    assert sent(page) == [{"kind": "seen"}]


def test_before_and_after_is_a_range(page):
    after = page.locator(".after")
    handle = page.get_by_role("slider", name="Before and after")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 0%)")
    handle.focus()
    handle.press("End")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 100%)")
    box = page.locator(".picture").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".picture")).to_have_attribute("data-at", "50")
    expect(handle).to_have_attribute("aria-valuetext", "50 % photograph")


def test_stop_and_go_on_from_the_keyboard(page):
    told(page, progress=PAINTING)
    stop = page.get_by_role("button", name="Stop")
    page.get_by_role("slider", name="Before and after").focus()
    page.keyboard.press("Tab")
    expect(stop).to_be_focused()
    page.keyboard.press("Enter")
    assert sent(page) == [{"kind": "stop"}]
    expect(page.locator("strong")).to_have_text("Stopping…")
    expect(stop).to_be_disabled()
    told(page, heard=1, progress={**PAINTING, "state": "stopped"})
    expect(page.locator("strong")).to_have_text("Stopped")
    page.get_by_role("button", name="Go on").press("Space")
    assert sent(page)[-1] == {"kind": "go on"}
    told(page, progress=PAINTING)
    expect(stop).to_be_enabled()


@pytest.mark.parametrize(
    ("label", "key", "name", "value"),
    [
        ("Strength", "ArrowLeft", "strength", 0.99),
        ("Strength", "Home", "strength", 0),
        ("Stroke size", "End", "style_scale", 4),
        ("Photograph kept", "Home", "content_weight", 0.313),
        ("Strength", "Delete", "strength", None),
    ],
)
def test_sliders_send_settings(page, label, key, name, value):
    page.get_by_role("slider", name=label, exact=True).press(key)
    until_sent(page, {"kind": "change", "settings": {name: value}})


def test_a_moving_slider_is_sent_once(page):
    slider = page.get_by_role("slider", name="Strength", exact=True)
    for _ in range(5):
        slider.press("ArrowLeft")
    until_sent(page, {"kind": "change", "settings": {"strength": 0.95}})
    assert len(sent(page)) == 1
    slider.dblclick()
    until_sent(page, {"kind": "change", "settings": {"strength": None}})


def test_a_slider_shows_what_holds_once_the_kernel_has_heard(page):
    slider = page.get_by_role("slider", name="Strength", exact=True)
    box = slider.bounding_box()
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2)
    until_sent(page, {"kind": "change", "settings": {"strength": None}})
    told(page, heard=1)  # the values are those of before
    expect(slider).to_have_value("1")
    expect(slider).to_have_attribute("aria-valuetext", "100 %")


def test_colours(page):
    amount = page.get_by_role("slider", name="Amount of colour")
    expect(amount).to_be_hidden()
    page.get_by_label("Colours").select_option("Photograph")
    values = {"strength": 0.5, "style_scale": [2, 1], "content_weight": 5, "colour": "keep"}
    until_sent(page, {"kind": "change", "settings": {"colour": "keep"}})
    told(page, values={**values, "colour_strength": 0.4})
    expect(amount).to_have_value("0.4")
    expect(page.get_by_role("slider", name="Stroke size")).to_have_attribute(
        "aria-valuetext", "2 ×"
    )


def test_a_busy_kernel_is_told(page):
    page.clock.install()
    told(page, progress=PAINTING)
    page.get_by_role("button", name="Stop").click()
    page.clock.run_for(2500)
    expect(page.locator(".note")).to_contain_text("Interrupt the cell")
    told(page, heard=1)
    expect(page.locator(".note")).to_be_hidden()


def test_closing_leaves_nothing(page):
    assert page.evaluate("model.listeners()") > 0
    page.evaluate("close()")
    assert page.evaluate("model.listeners()") == 0
    expect(page.locator(".impasto-stage")).to_have_count(0)


def test_it_is_accessible_and_narrow_pages_hold_it(address, browse):
    for scheme in ("light", "dark"):
        page = browse(address, scheme=scheme, viewport={"width": 320, "height": 700})
        page.wait_for_selector("html[data-ready]")
        told(page, progress={**PAINTING, "note": "tiles became smaller"})
        assert axe_violations(page, ".impasto-stage") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_words_and_curves(page):
    assert page.evaluate("[clock(8), clock(200), clock(4800)]") == ["0:08", "3:20", "1:20:00"]
    assert page.evaluate("factsOf({ state: 'painting' })") == "Beginning…"
    assert page.evaluate("pathOf([[0, 64, 1]], 4)") == ""
    path = page.evaluate("pathOf([[0, 64, 100], [2, 64, 10], [2, 128, 50], [4, 128, 1]], 8)")
    assert [part[0] for part in path.replace("L", "|L").replace("M", "|M").split("|")[1:]] == [
        *"MLML"
    ]
    assert path.startswith("M0.0 3.0")
    assert path.endswith("L120.0 53.0")
