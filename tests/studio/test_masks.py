"""The mask painter in a real browser: what the studio gets is what was painted."""

import io

import numpy as np
import pytest
from browser import PHONE, axe_violations
from PIL import Image

from support.site import Rooms, browser, encoded, post, served

WIDTH, HEIGHT = 600, 400
OPEN = """async ([content, styles, masks, protect]) => {
  document.head.innerHTML = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    + '<title>Masks</title><link rel="stylesheet" href="/static/studio.css">'
    + '<link rel="stylesheet" href="/static/screens.css">';
  document.documentElement.lang = 'en';
  document.body.innerHTML = '<main><section id="stage"><div id="room" class="room" hidden></div>'
    + '</section></main>';
  const { openMasks } = await import('/static/masks.js');
  window.told = [];
  const place = document.getElementById('room');
  const onChange = (news) => window.told.push(news);
  window.masks = await openMasks({ place, content, styles, masks, protect, onChange });
}"""


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    rooms = Rooms(tmp_path_factory.mktemp("masks"))
    with served(rooms) as address, browser(address) as client:
        client.get("/api/hello")
        rooms.address, rooms.client = address, client
        yield rooms


def photograph():
    """A bright disc on a dark ground."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    disc = (x - 300) ** 2 + (y - 200) ** 2 < 100**2
    noise = np.random.default_rng(0).integers(0, 30, (HEIGHT, WIDTH, 3))
    return Image.fromarray((np.where(disc[..., None], 200, 40) + noise).astype(np.uint8)), disc


class Painter:
    """A page with the mask painter, and strokes in the picture's pixels."""

    def __init__(self, rooms, browse, styles=1, masks=(), protect=None, **options):
        self.client = rooms.client
        self.content = post(self.client, encoded(photograph()[0])).json()
        known = {p["name"]: p for p in self.client.get("/api/pictures").json()}
        paintings = [known[name] for name in ("waves", "ink", "glass")[:styles]]
        self.page = browse(f"{rooms.address}/healthz", **options)
        self.page.evaluate(OPEN, [self.content, paintings, list(masks), protect])
        self.page.locator(".mask-tool").first.wait_for()

    def at(self, x, y):
        """A pixel of the picture on the screen."""
        box = self.page.locator(".mask-picture").bounding_box()
        return box["x"] + x * box["width"] / WIDTH, box["y"] + y * box["height"] / HEIGHT

    def tool(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def slide(self, name, value):
        """Set a slider."""
        self.page.get_by_role("slider", name=name).fill(str(value))

    def stroke(self, *points, up=True):
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0]))
        mouse.down()
        for point in points[1:] or points:
            mouse.move(*self.at(*point), steps=4)
        if up:
            mouse.up()

    def done(self):
        """Close; the ids that the page was told last."""
        self.page.get_by_role("button", name="Done").click()
        self.page.locator(".mask-tool").first.wait_for(state="detached")
        told = self.page.evaluate("window.told")
        return told[-1] if told else None

    def saved(self, layer=0):
        """Close; the mask of a layer that the studio got, (h, w)."""
        told = self.done()
        return self.mask([told["protect"], *told["masks"]][layer])

    def mask(self, picture):
        facts = self.client.get(f"/api/pictures/{picture}").json()
        assert (facts["role"], facts["format"]) == ("mask", "PNG")
        assert (facts["width"], facts["height"]) == (WIDTH, HEIGHT)
        view = Image.open(io.BytesIO(self.client.get(f"/api/pictures/{picture}/view").content))
        levels = np.asarray(view.convert("RGB"))
        assert (levels.max(2) == levels.min(2)).all()
        return levels[..., 0]

    def rest(self):
        """Wait until the page is told of masks."""
        while not self.page.evaluate("window.told.length"):
            self.page.wait_for_timeout(50)

    def says(self, words):
        self.page.get_by_role("status").get_by_text(words).first.wait_for()


@pytest.fixture
def open_painter(rooms, browse):
    return lambda **options: Painter(rooms, browse, **options)


def radius(size):
    """Of the brush at a place of its slider."""
    return max(1, round(400 * (size / 100) ** 2))


def distance(start, end):
    """Of each pixel's middle to a segment, (h, w)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    (ax, ay), (bx, by) = start, end
    length = (bx - ax) ** 2 + (by - ay) ** 2
    t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / max(length, 1e-9), 0, 1)
    return np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay))


def overlap(mask, truth):
    """Intersection over union."""
    found = mask > 127
    return (found & truth).sum() / (found | truth).sum()


def test_a_stroke_is_what_the_studio_gets(open_painter):
    painter = open_painter()
    painter.slide("Size", 20)
    painter.slide("Soft edge", 0)
    painter.stroke((150, 120), (420, 250))
    far = distance((150, 120), (420, 250))
    mask = painter.saved()
    assert (mask[far < radius(20) - 1.5] == 255).all()
    assert (mask[far > radius(20) + 1.5] == 0).all()


def test_a_soft_edge_falls_smoothly(open_painter):
    painter = open_painter()
    painter.slide("Size", 40)
    painter.slide("Soft edge", 100)
    painter.stroke((300, 200))
    line = painter.saved()[200, 300:].astype(int)
    assert line[0] > 250
    assert (np.diff(line) <= 0).all()
    assert np.abs(np.diff(line)).max() < 10
    assert abs(line[radius(40) // 2] - 127) < 12


def test_eraser_undo_and_redo(open_painter):
    painter = open_painter()
    painter.slide("Soft edge", 0)
    painter.stroke((200, 200), (400, 200))
    painter.tool("Eraser")
    painter.stroke((300, 150), (300, 250))
    for keys in ("Control+z", "Control+z", "Control+Shift+z", "Control+y", "Control+z"):
        painter.page.keyboard.press(keys)
    painter.says("Undone: eraser")
    mask = painter.saved()
    assert mask[200, 300] == 255  # the eraser's stroke is undone, the brush's is there
    assert (mask[distance((200, 200), (400, 200)) < radius(20)] > 0).mean() > 0.9


def test_undoing_everything_leaves_no_mask(open_painter):
    painter = open_painter()
    painter.stroke((200, 200), (400, 200))
    painter.page.keyboard.press("Control+z")
    assert painter.done() in (None, {"protect": None, "masks": [None]})


def test_lasso_and_taking_away(open_painter):
    painter = open_painter()
    painter.tool("Lasso")
    painter.slide("Soft edge", 0)
    painter.stroke((100, 100), (500, 100), (500, 300), (100, 300))
    painter.page.get_by_role("radio", name="Take away").click()
    painter.stroke((200, 150), (300, 150), (300, 250), (200, 250))
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    outer = (x > 100) & (x < 500) & (y > 100) & (y < 300)
    inner = (x > 200) & (x < 300) & (y > 150) & (y < 250)
    assert overlap(painter.saved(), outer & ~inner) > 0.98


def test_fill_fills_what_a_stroke_encloses(open_painter):
    painter = open_painter()
    painter.slide("Size", 15)
    corners = [(150, 100), (450, 100), (450, 300), (150, 300), (150, 100)]
    painter.stroke(*corners)
    painter.tool("Fill")
    painter.slide("Soft edge", 0)
    painter.stroke((300, 200))
    mask = painter.saved()
    assert (mask[100:300, 150:450] == 255).all()  # also the soft inner edge of the stroke
    assert mask[50, 50] == 0


def test_clear_invert_and_a_layer_for_each_style(open_painter):
    painter = open_painter(styles=2)
    page = painter.page
    painter.stroke((100, 100))
    assert "everywhere" in page.get_by_role("radio", name="Where waves").inner_text()
    page.get_by_role("radio", name="Where ink").click()
    painter.stroke((300, 200))
    page.get_by_role("button", name="Invert").click()
    page.get_by_text("everywhere else").wait_for()
    told = painter.done()
    assert told["masks"][0] is None
    mask = painter.mask(told["masks"][1])
    assert mask[200, 300] == 0
    assert mask[10, 10] == 255
    assert painter.mask(told["protect"])[100, 100] == 255


def test_masks_are_opened_again_and_what_they_replace_goes_away(open_painter):
    first = open_painter()
    first.stroke((200, 200))
    before = first.done()["protect"]
    second = open_painter(protect=before, masks=[None])
    second.stroke((400, 200))
    told = second.done()
    mask = second.mask(told["protect"])
    assert (mask[200, 200], mask[200, 400]) == (255, 255)
    third = open_painter(protect=told["protect"], masks=[None])
    third.page.keyboard.press("Delete")
    assert third.done()["protect"] is None


def test_a_mask_is_saved_after_a_rest_and_its_forerunner_removed(open_painter):
    painter = open_painter()
    ids = []
    for x in (150, 300, 450):
        count = len(ids)
        painter.stroke((x, 200))
        painter.page.wait_for_timeout(1100)
        while len(ids) == count:
            painter.page.wait_for_timeout(50)
            ids = [told["protect"] for told in painter.page.evaluate("window.told")]
    painter.done()
    there = [painter.client.get(f"/api/pictures/{each}").status_code for each in ids]
    assert there == [404, 404, 200]


FULL = "the studio has 500 pictures; remove some"


def refuse_uploads(page):
    """From now on the studio takes no masks."""
    refused = {"status": 409, "json": {"error": FULL}}
    page.route("**/api/pictures?*", lambda route: route.fulfill(**refused))


def forget_refusals(page):
    page.errors[:] = [error for error in page.errors if "409" not in error]


def test_done_keeps_masks_that_are_not_saved(open_painter):
    painter = open_painter()
    page = painter.page
    refuse_uploads(page)
    painter.stroke((200, 200), (400, 200))
    painter.says(FULL)  # after a rest; no timer waits now
    page.get_by_role("button", name="Done").dblclick()
    painter.says("Done again leaves without it")
    assert page.locator(".mask-tool").first.is_visible()
    page.unroute("**/api/pictures?*")
    forget_refusals(page)
    assert painter.saved()[200, 300] == 255


def test_done_again_leaves_where_nothing_can_be_saved(open_painter):
    painter = open_painter()
    refuse_uploads(painter.page)
    painter.stroke((200, 200), (400, 200))
    painter.page.keyboard.press("Escape")
    painter.says("Done again leaves without it")
    painter.page.wait_for_timeout(1100)  # as long as it takes to read
    assert painter.done() is None
    forget_refusals(painter.page)


def test_one_mask_that_is_not_saved_does_not_hold_up_others(open_painter):
    painter = open_painter()
    page = painter.page
    page.route("**/api/pictures?name=Protect*", lambda route: route.abort())
    painter.stroke((100, 100))
    page.get_by_role("radio", name="Where waves").click()
    painter.stroke((300, 200))
    painter.says("not saved yet")
    (told,) = page.evaluate("window.told")
    assert told["protect"] is None
    assert painter.mask(told["masks"][0])[200, 300] == 255
    page.unroute("**/api/pictures?name=Protect*")
    page.errors[:] = [error for error in page.errors if "ERR_FAILED" not in error]
    assert painter.saved()[100, 100] == 255


def test_a_stroke_that_is_taken_back_is_not_in_the_mask(open_painter):
    painter = open_painter()
    page = painter.page
    painter.slide("Size", 15)
    painter.stroke((100, 100))
    painter.stroke((300, 300), (500, 300), up=False)
    painter.rest()  # saved in the middle of the stroke
    page.keyboard.press("Escape")
    page.mouse.up()
    mask = painter.saved()
    assert mask[100, 100] == 255
    assert mask[300].max() == 0


@pytest.mark.parametrize("button", ["Start over", "Keep"])
def test_objects_that_are_taken_back_are_not_in_the_mask(open_painter, button):
    painter = open_painter()
    page = painter.page
    painter.stroke((60, 60))
    painter.tool("Smart brush")
    painter.page.get_by_role("radio", name="Not it").click()
    painter.stroke((500, 350))
    painter.page.get_by_role("radio", name="Object").click()
    painter.stroke((280, 180), (320, 230))
    painter.says("Found.")
    painter.rest()
    if button == "Keep":
        page.keyboard.press("Control+z")
    painter.tool(button)
    mask = painter.saved()
    assert mask[60, 60] == 255
    assert mask[200, 300] == 0


def test_the_smart_brush_finds_the_object_and_is_corrected(open_painter):
    painter = open_painter()
    _, disc = photograph()
    painter.tool("Smart brush")
    painter.stroke((280, 180), (320, 230))
    painter.says("Found.")
    painter.page.keyboard.press("Enter")
    assert overlap(painter.saved(), disc) > 0.95


def test_smart_strokes_are_undone_one_by_one(open_painter):
    painter = open_painter()
    painter.tool("Smart brush")
    painter.stroke((280, 180), (320, 230))
    painter.says("Found.")
    painter.page.get_by_role("radio", name="Not it").click()
    painter.stroke((380, 120), (380, 280))
    painter.says("Found.")
    painter.page.keyboard.press("Control+z")
    painter.page.keyboard.press("Control+z")
    assert painter.page.get_by_role("button", name="Keep").is_hidden()
    assert painter.done() in (None, {"protect": None, "masks": [None]})


def test_a_rough_mask_is_fitted_to_edges(open_painter):
    painter = open_painter()
    _, disc = photograph()
    painter.slide("Size", 55)
    painter.stroke((285, 195), (315, 205))
    painter.tool("Smart brush")
    painter.slide("Soft edge", 0)
    painter.page.get_by_role("button", name="Fit to edges").click()
    painter.says("The mask follows the edges.")
    assert overlap(painter.saved(), disc) > 0.95


def test_a_mask_goes_to_a_file_and_comes_back(open_painter, tmp_path):
    painter = open_painter(styles=2)
    painter.stroke((200, 200), (400, 260))
    with painter.page.expect_download() as saved:
        painter.page.get_by_role("button", name="Save", exact=True).click()
    file = tmp_path / "mask.png"
    saved.value.save_as(file)
    with Image.open(file) as image:
        assert (image.mode, image.size) == ("L", (WIDTH, HEIGHT))
        levels = np.asarray(image)
    painter.page.get_by_role("radio", name="Where ink").click()
    painter.page.get_by_label("Mask from a file").set_input_files(file)
    painter.says("is the mask now")
    told = painter.done()
    assert told["protect"] == told["masks"][1]
    assert np.array_equal(painter.mask(told["protect"]), levels)


def test_a_mask_that_cannot_be_read_is_said(open_painter):
    painter = open_painter(protect="0" * 64, masks=[None])
    painter.says("A mask could not be read")
    painter.page.errors.clear()  # the browser reports the answer 404
    assert painter.done() is None


def test_a_file_that_is_no_picture_is_said(open_painter):
    painter = open_painter()
    file = {"name": "no.png", "mimeType": "image/png", "buffer": b"nothing"}
    painter.page.get_by_label("Mask from a file").set_input_files(file)
    painter.says("no.png")
    painter.page.errors.clear()  # the browser reports the answer 422
    assert painter.done() is None


def test_by_keyboard_alone(open_painter):
    painter = open_painter()
    keyboard = painter.page.keyboard
    for key in ("e", "b", "]", "]", "[", "Enter", *["ArrowRight"] * 6, "Enter"):
        keyboard.press(key)
    painter.says("Size")
    keyboard.press("Control+z")
    painter.says("Undone: brush")
    keyboard.press("Control+y")
    keyboard.press("Escape")
    painter.page.locator(".mask-tool").first.wait_for(state="detached")
    (told,) = painter.page.evaluate("window.told")[-1:]
    mask = painter.mask(told["protect"])
    assert mask[200, 300] == 255
    assert mask[200, 330] == 255
    assert mask[:100].max() == 0


def test_one_tab_stop_for_the_tools(open_painter):
    page = open_painter().page
    page.get_by_role("button", name="Brush", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator(".mask-tool[aria-pressed=true]").inner_text() == "Lasso"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "mask-stage"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["laptop", "phone"])
def test_names_contrasts_and_sizes(open_painter, scheme, options):
    painter = open_painter(styles=3, scheme=scheme, **options)
    page = painter.page
    painter.tool("Smart brush")
    assert axe_violations(page, "#room") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    if options:
        page.get_by_role("button", name="More").tap()
        small = page.evaluate(
            """() => [...document.querySelectorAll('#room :is(button, label)')].filter((e) => {
              const { width, height } = e.getBoundingClientRect();
              return width && (width < 44 || height < 44);
            }).map((e) => e.textContent)"""
        )
        assert small == []


class Fingers:
    """Touches of several fingers at once, which Playwright itself does not have."""

    def __init__(self, page):
        self.session = page.context.new_cdp_session(page)

    def __call__(self, kind, *points):
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        event = {"type": f"touch{kind}", "touchPoints": touches}
        self.session.send("Input.dispatchTouchEvent", event)


def test_a_finger_paints_and_two_pinch(open_painter):
    painter = open_painter(**PHONE)
    fingers = Fingers(painter.page)
    painter.slide("Soft edge", 0)
    fingers("Start", painter.at(200, 200))
    for x in range(220, 401, 20):
        fingers("Move", painter.at(x, 200))
    fingers("End")
    before = painter.page.locator(".mask-picture").bounding_box()
    one, other = painter.at(250, 120), painter.at(350, 120)
    fingers("Start", one)
    fingers("Start", one, other)
    for step in range(1, 8):
        spread = 8 * step
        fingers("Move", (one[0] - spread, one[1]), (other[0] + spread, other[1]))
    fingers("End")
    after = painter.page.locator(".mask-picture").bounding_box()
    assert after["width"] > 1.3 * before["width"]
    mask = painter.saved()
    assert (mask[200, 205:396] == 255).all()
    assert mask[120].max() == 0  # the first finger of the pinch has not painted


def test_wheel_and_space_move_the_picture_while_painting(open_painter):
    painter = open_painter()
    page = painter.page
    painter.slide("Soft edge", 0)
    page.mouse.move(*painter.at(300, 200))
    page.mouse.wheel(0, -600)
    page.wait_for_timeout(50)
    before = painter.at(300, 200)
    page.locator(".mask-stage").focus()
    page.keyboard.down(" ")
    page.mouse.down()
    page.mouse.move(before[0] + 60, before[1] + 30, steps=3)
    page.mouse.up()
    page.keyboard.up(" ")
    moved = painter.at(300, 200)
    assert moved == pytest.approx((before[0] + 60, before[1] + 30), abs=2)
    painter.stroke((300, 200), (330, 200))
    mask = painter.saved()
    assert mask[200, 315] == 255
    assert mask[distance((300, 200), (330, 200)) > radius(20) + 10].max() == 0


PEN = """([x, y, pressure, type]) => {
  const stage = document.querySelector('.mask-stage');
  const init = { clientX: x, clientY: y, pressure, pointerType: 'pen', pointerId: 7, button: 0,
    buttons: 1, bubbles: true, cancelable: true, isPrimary: true };
  stage.dispatchEvent(new PointerEvent(type, init));
}"""


def test_a_pens_pressure_is_the_brushs_width(open_painter):
    painter = open_painter()
    painter.slide("Size", 30)
    painter.slide("Soft edge", 0)
    for x, pressure in ((150, 1.0), (450, 0.1)):
        for kind in ("pointerdown", "pointerup"):
            painter.page.evaluate(PEN, [*painter.at(x, 200), pressure, kind])
    mask = painter.saved()
    widths = [(mask[200, part] > 127).sum() for part in (slice(0, 300), slice(300, 600))]
    assert widths[0] == pytest.approx(2 * radius(30), abs=2)
    assert widths[1] == pytest.approx(2 * radius(30) * (0.25 + 0.075), abs=2)


def test_from_the_page_and_back(visit):
    page = visit()
    page.locator("#photo .sample[data-id='sample:rocket']").click()
    page.locator("#styles .sample[data-id]").first.click()
    page.get_by_role("button", name="Masks").click()
    box = page.locator(".mask-stage").bounding_box()
    page.locator(".mask-tool").first.wait_for()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.up()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Masks (1)").wait_for()
    assert page.evaluate("document.activeElement.id") == "masks"
    assert page.locator("#room").is_hidden()


UPLOAD = """(bytes) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "second.png", { type: "image/png" }));
  const input = document.querySelector("#styles input[type=file]");
  input.files = transfer.files;
  input.dispatchEvent(new Event("change"));
}"""
PASTE = """(bytes) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
  for (const event of [
    new ClipboardEvent("paste", { bubbles: true, clipboardData: transfer }),
    new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }),
  ]) document.querySelector(".mask-stage").dispatchEvent(event);
}"""


def test_masks_stay_with_the_pictures_for_which_the_painter_was_opened(visit, fake):
    page, held = visit(), []
    page.locator("#photo .sample[data-id='sample:rocket']").click()
    page.locator("#styles .sample[data-id='sample:ink']").click()
    page.route("**/api/pictures?name=second*", lambda route: held.append(route))
    with page.expect_request("**/api/pictures?name=second*"):
        page.evaluate(UPLOAD, list(encoded(photograph()[0])))
    page.get_by_role("button", name="Masks").click()
    page.locator(".mask-tool").first.wait_for()
    page.evaluate(PASTE, list(encoded(photograph()[0])))
    page.get_by_role("radio", name="Where ink").click()
    box = page.locator(".mask-stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    held[0].continue_()
    page.locator("#styles .name", has_text="second.png").wait_for(state="attached")
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Masks (1)").wait_for()
    page.get_by_role("button", name="Paint", exact=True).click()
    page.locator(".strip .tile").wait_for()
    (job,) = fake.jobs.values()
    assert job["request"]["content"] == "sample:rocket"
    assert len(job["request"]["styles"]) == 2
    assert [bool(mask) for mask in job["request"]["masks"]] == [True, False]
    assert "pasted.png" not in [facts["name"] for facts in fake.pictures.values()]
