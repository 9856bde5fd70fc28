"""The page and a whole studio that paints with a tiny network."""

import json

import pytest
from playwright.sync_api import expect

from support.children import PATIENCE
from support.pictures import smooth_picture
from support.site import encoded
from support.studio import LONG, QUICK, studio_process

SOON = 1000 * PATIENCE  # milliseconds; it only ends a test that hangs


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "jobs"


@pytest.fixture
def client(folder):
    with studio_process(folder) as (_, client):
        yield client


@pytest.fixture
def open_page(client, browse):
    """Opens the page with settings that paint in a moment, or for ever."""

    def opening(settings=QUICK, client=client):
        page = browse()
        draft = json.dumps({"recipe": "standard", "settings": settings})
        page.add_init_script(f"localStorage['impasto.draft'] ??= {json.dumps(draft)}")
        page.goto(str(client.http.base_url))
        page.wait_for_selector("html[data-ready]")
        return page

    return opening


def choose(page):
    photo = encoded(smooth_picture(60, 48).to_pil())
    file = {"name": "hill & lake.png", "mimeType": "image/png", "buffer": photo}
    page.locator("#photo input[type=file]").first.set_input_files(file)
    page.locator("#styles .sample[data-id='sample:ink']").click()
    expect(page.locator("#photo .name")).to_have_text("hill & lake.png")


def paint(page):
    choose(page)
    expect(page.locator(".forecast")).to_contain_text("48 ×", timeout=SOON)
    page.get_by_role("button", name="Paint", exact=True).click()


def state(page, word):
    expect(page.locator("#progress .state")).to_have_text(word, timeout=SOON)


def shown_width(page):
    image = page.locator(".pane .after img").first
    expect(image).to_be_visible(timeout=SOON)
    return image.evaluate("image => image.naturalWidth")


def test_a_picture_is_painted_to_its_end_and_comes_back(open_page):
    page = open_page()
    paint(page)
    state(page, "Done")
    assert shown_width(page) == 48
    expect(page.locator("#progress .facts")).to_contain_text("7 iterations")
    expect(page.locator(".strip .tile img")).to_have_js_property("complete", True)
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="PNG, 16 bit").click()
    page.get_by_role("button", name="New picture", exact=True).click()
    page.get_by_label("Remove hill & lake.png").click()
    page.locator("#photo input[type=file]").first.set_input_files(download.value.path())
    page.get_by_role("button", name="Bring back its settings").click()
    expect(page.locator("#photo .name")).to_have_text("hill & lake.png")
    expect(page.locator("#styles .name")).to_have_text(["ink"])


def test_pause_change_stop_and_go_on_with_more(open_page, client):
    page = open_page(LONG)
    paint(page)
    state(page, "Painting")
    assert shown_width(page) > 0
    page.get_by_role("button", name="Pause").click()
    state(page, "Paused")
    page.get_by_role("button", name="Go on").click()
    state(page, "Painting")
    page.get_by_label("Strength", exact=True).fill("0.5")
    expect(page.locator("#progress .note")).to_have_text("Going on with your change", timeout=SOON)
    page.get_by_role("button", name="Stop and keep").click()
    state(page, "Stopped")
    expect(page.get_by_role("button", name="Download")).to_be_visible(timeout=SOON)
    (job,) = client.http.get("/api/jobs").json()
    assert job["request"]["settings"]["strength"] == 0.5
    page.get_by_role("button", name="Go on with more").click()
    page.get_by_role("menuitem", name="20 more iterations").click()
    expect(page.locator("#progress .state")).not_to_have_text("Stopped", timeout=SOON)


def test_reload_and_second_tab_in_mid_run_then_discard(open_page, client):
    page = open_page(LONG)
    paint(page)
    state(page, "Painting")
    job = client.http.get("/api/jobs").json()[0]["id"]
    page.reload()
    state(page, "Painting")
    assert shown_width(page) > 0
    other = open_page()
    state(other, "Painting")
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.locator(".strip .tile")).to_have_count(0)
    expect(other.locator(".strip .tile")).to_have_count(0)
    # a preview that was asked for just before is gone with its job
    page.errors[:] = [e for e in page.errors if not ("404" in e and f"{job}/preview" in e)]


def test_a_studio_that_was_killed_goes_on(folder, browse, open_page):
    with studio_process(folder / "again") as (process, client):
        page = open_page(LONG, client)
        paint(page)
        state(page, "Painting")
        process.kill()
        process.wait()
        expect(page.get_by_text("Connection lost")).to_be_visible(timeout=SOON)
        page.context.close()
        browse.errors.clear()
    with studio_process(folder / "again") as (_, client):
        page = open_page(LONG, client)
        state(page, "Interrupted")
        page.get_by_role("button", name="Go on").click()
        state(page, "Painting")
        page.context.close()
