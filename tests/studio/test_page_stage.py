"""The stage: before and after, zoom, pan, two pictures side by side."""

import pytest
from browser import PHONE
from playwright.sync_api import expect


@pytest.fixture
def done(visit, fake):
    fake.add("done")
    page = visit()
    page.locator(".strip .tile").click()
    expect(page.locator(".pane .after img")).to_have_count(1)
    return page


def frame(page, pane=0):
    return page.locator(".picture").nth(pane).bounding_box()


def test_before_and_after_is_a_range(done):
    after = done.locator(".after").first
    done.get_by_role("button", name="Before / after").click()
    handle = done.get_by_role("slider", name="Before and after").first
    handle.focus()
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 50%)")
    handle.press("Home")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 0%)")
    handle.press("End")
    expect(after).to_have_css("clip-path", "inset(0px 0px 0px 100%)")
    expect(done.locator(".before img").first).to_be_visible()


def test_keys_zoom_and_move(done):
    pane = done.locator(".pane").first
    pane.focus()
    whole = frame(done)
    done.keyboard.press("1")
    expect(done.locator(".percent")).to_have_text("100 %")
    assert frame(done)["width"] == pytest.approx(512, abs=1)
    for _ in range(8):
        done.keyboard.press("+")
    large = frame(done)
    assert large["width"] > 2 * whole["width"]
    done.keyboard.press("ArrowRight")
    assert frame(done)["x"] == pytest.approx(large["x"] - 60, abs=2)
    done.keyboard.press("0")
    assert frame(done) == whole
    done.keyboard.press("b")
    expect(done.get_by_role("button", name="Before / after")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_the_wheel_zooms_where_the_pointer_is(done):
    whole = frame(done)
    x, y = whole["x"] + whole["width"] * 0.25, whole["y"] + whole["height"] * 0.5
    done.mouse.move(x, y)
    done.mouse.wheel(0, -600)
    expect(done.locator(".percent")).not_to_have_text("154 %")
    large = frame(done)
    assert (x - large["x"]) / large["width"] == pytest.approx(0.25, abs=0.01)


def test_a_drag_moves_a_large_picture(done):
    done.locator(".pane").first.dblclick()
    large = frame(done)
    done.mouse.move(600, 300)
    done.mouse.down()
    done.mouse.move(560, 280, steps=4)
    done.mouse.up()
    assert frame(done)["x"] == pytest.approx(large["x"] - 40, abs=2)


def test_two_side_by_side_move_together(visit, fake):
    for sample in ("sample:waves", "sample:ink", "sample:dots"):
        fake.add("done", request={"styles": [sample]})
    page = visit()
    page.locator(".strip .tile").first.click()
    page.get_by_role("button", name="Side by side").click()
    expect(page.locator(".pane:visible")).to_have_count(2)
    page.locator(".strip .tile").nth(2).click()
    expect(page.locator(".pane-title").nth(1)).to_contain_text("chelsea as waves")
    page.locator(".pane").nth(1).focus()
    for _ in range(6):
        page.keyboard.press("+")
    page.keyboard.press("ArrowDown")
    one, two = frame(page, 0), frame(page, 1)
    assert one["width"] == pytest.approx(two["width"], abs=1)
    assert one["y"] == pytest.approx(two["y"], abs=1)
    page.get_by_role("button", name="Side by side").click()
    expect(page.locator(".pane:visible")).to_have_count(1)


def test_two_fingers_zoom(visit, fake):
    fake.add("painting")
    page = visit(**PHONE)
    pane = page.locator(".pane").first
    pane.scroll_into_view_if_needed()
    expect(page.locator(".pane .after img").first).to_be_visible()
    whole = frame(page)
    touch = page.context.new_cdp_session(page)
    box = pane.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def points(apart):
        return [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}]

    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points(40)})
    for apart in (60, 80, 100, 120):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points(apart)})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert frame(page)["width"] > 2 * whole["width"]


def test_the_picture_alone(done):
    narrow = done.locator(".panes").bounding_box()["width"]
    done.get_by_role("button", name="Only the picture").click()
    assert done.locator(".panes").bounding_box()["width"] > narrow + 400
    expect(done.locator("#controls")).to_be_hidden()


PLACES = """async () => {
  const { FIT, bounded, moved, place, zoomed, zoomFor } = await import("/static/view.js");
  const [pane, picture] = [{ width: 800, height: 600 }, { width: 1600, height: 400 }];
  const fit = place(FIT, pane, picture);
  const point = { x: 200, y: 300 };
  const close = zoomed(FIT, 4, point, pane, picture);
  const lying = place(close, pane, picture);
  const far = moved(close, 1e6, 1e6, pane, picture);
  return {
    fit: [fit.left, fit.width],
    stays: [(point.x - fit.left) / fit.width, (point.x - lying.left) / lying.width],
    edge: place(far, pane, picture).left,
    whole: zoomFor(100, pane, picture, 2) * fit.scale,
    again: JSON.stringify(bounded(close, pane, picture)) === JSON.stringify(close),
  };
}"""


def test_the_mathematics_of_views(visit):
    found = visit().evaluate(PLACES)
    assert found["fit"] == [20, 760]
    assert found["stays"][0] == pytest.approx(found["stays"][1])
    assert found["edge"] == pytest.approx(0)
    assert found["whole"] == pytest.approx(0.5)
    assert found["again"]
