"""Where pictures come from: files, drops, pastes, samples, earlier uploads, results."""

import io

import pytest
from fake_studio import FakeStudio
from PIL import Image
from playwright.sync_api import expect

DROP = """(element, [names, bytes]) => {
  const transfer = new DataTransfer();
  for (const name of names) {
    transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  }
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const event = new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer });
    element.dispatchEvent(event);
  }
}"""
PASTE = """(bytes) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
  document.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, clipboardData: transfer }));
}"""


def png(colour, size=(40, 30)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def file_of(name, content):
    return {"name": name, "mimeType": "image/png", "buffer": content}


def names(page, slot):
    return page.locator(f"#{slot} .chosen .name")


def test_a_file_is_chosen_and_shown(visit):
    page = visit()
    page.locator("#photo input[type=file]").first.set_input_files(file_of("me.png", png("red")))
    expect(names(page, "photo")).to_have_text(["me.png"])
    expect(page.locator("#photo .status")).to_be_hidden()
    expect(page.locator(".stage-title")).to_have_text("me.png")
    expect(page.locator("#photo .chosen img")).to_have_js_property("naturalWidth", 40)


def test_the_camera_is_asked_for_on_telephones(visit):
    page = visit(has_touch=True, is_mobile=True)
    camera = page.locator("#photo input[capture]")
    assert camera.get_attribute("capture") == "environment"
    expect(page.locator("#photo .camera")).to_be_visible()


def test_pictures_are_dropped_on_their_zones(visit):
    page = visit()
    page.locator("#photo .zone").evaluate(DROP, [["a.png"], list(png("red"))])
    expect(names(page, "photo")).to_have_text(["a.png"])
    page.locator("#stage .panes").evaluate(DROP, [["b.png"], list(png("blue"))])
    expect(names(page, "styles")).to_have_text(["b.png"])


def test_pasted_pictures_are_photograph_then_painting(visit):
    page = visit()
    page.evaluate(PASTE, list(png("red")))
    expect(names(page, "photo")).to_have_text(["pasted.png"])
    page.evaluate(PASTE, list(png("blue")))
    expect(names(page, "styles")).to_have_text(["pasted.png"])


def test_what_is_no_picture_is_told_in_one_line(visit):
    page = visit()
    page.locator("#styles input[type=file]").first.set_input_files(file_of("x.png", b"GIF no"))
    expect(page.locator("#styles .status.error")).to_contain_text("not a picture")
    page.locator("#styles .sample").first.click()
    expect(names(page, "styles")).to_have_text(["dots"])
    page.errors[:] = [error for error in page.errors if "422" not in error]


def test_a_file_that_is_too_large_is_not_sent(visit, fake):
    page = visit()
    page.evaluate("""() => {
      const file = new File([new Uint8Array(65_000_000)], "huge.png", { type: "image/png" });
      const transfer = new DataTransfer();
      transfer.items.add(file);
      const input = document.querySelector("#photo input[type=file]");
      input.files = transfer.files;
      input.dispatchEvent(new Event("change"));
    }""")
    expect(page.locator("#photo .status")).to_have_text("huge.png is larger than 64 MB.")
    assert len(fake.pictures) == len(FakeStudio().pictures)


def test_five_paintings_have_weights_and_a_sixth_is_refused(visit, fake):
    page = visit()
    samples = page.locator("#styles .sample[data-id]")
    page.locator("#photo .sample").first.click()
    for index in range(samples.count()):
        samples.nth(index).click()
    expect(names(page, "styles")).to_have_count(5)
    expect(page.locator("#styles .add")).to_be_disabled()
    page.get_by_label("Weight of ember").fill("0.5")
    page.get_by_label("Remove dots").click()
    expect(names(page, "styles")).to_have_count(4)
    page.get_by_label("Weight of glass").fill("2")
    page.get_by_role("button", name="Paint", exact=True).click()
    expect(page.locator(".strip .tile")).to_have_count(1)
    (job,) = fake.jobs.values()
    assert job["request"]["settings"] == {"style_weights": [1, 2, 1, 1]}
    page.locator("#styles .sample[data-id='sample:dots']").click()
    page.get_by_label("All pictures: paintings").click()
    page.get_by_role("dialog").get_by_role("button", name="waves").click()
    expect(page.locator(".toast")).to_contain_text("At most 5 paintings")


def test_earlier_uploads_can_be_chosen_and_removed(visit):
    page = visit()
    page.locator("#photo input[type=file]").first.set_input_files(file_of("me.png", png("red")))
    expect(names(page, "photo")).to_have_text(["me.png"])
    page.get_by_label("Remove me.png").click()
    page.get_by_label("All pictures: paintings").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="me.png", exact=False).first.click()
    expect(names(page, "styles")).to_have_text(["me.png"])
    page.get_by_label("All pictures: photograph").click()
    dialog.get_by_label("Remove me.png").click()
    expect(names(page, "styles")).to_have_count(0)


def test_an_upload_that_is_removed_leaves_the_rest_of_the_new_picture(visit, fake):
    fake.add("done", request={"settings": {"strength": 0.2}})
    page = visit()
    page.locator("#photo input[type=file]").first.set_input_files(file_of("me.png", png("red")))
    page.locator("#styles .sample[data-id='sample:ink']").click()
    page.get_by_label("Strength", exact=True).fill("0.7")
    page.locator(".strip .tile").click()
    page.get_by_label("All pictures: photograph").click()
    page.get_by_role("dialog").get_by_label("Remove me.png").click()
    expect(page.get_by_role("dialog").get_by_label("Remove me.png")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator(".strip .tile")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Strength, number")).to_have_value("20 %")
    page.get_by_role("button", name="New picture", exact=True).click()
    expect(names(page, "photo")).to_have_count(0)
    expect(names(page, "styles")).to_have_text(["ink"])
    expect(page.get_by_label("Strength, number")).to_have_value("70 %")


def test_an_upload_that_the_studio_keeps_stays_in_the_list(visit, fake):
    fake.refuse["remove"] = "a picture is painted from it"
    page = visit()
    page.locator("#photo input[type=file]").first.set_input_files(file_of("me.png", png("red")))
    expect(names(page, "photo")).to_have_text(["me.png"])
    page.get_by_label("All pictures: photograph").click()
    page.get_by_role("dialog").get_by_label("Remove me.png").click()
    expect(page.locator(".toast")).to_contain_text("painted from it")
    expect(page.get_by_role("dialog").get_by_label("Remove me.png")).to_be_visible()
    page.errors[:] = [error for error in page.errors if "409" not in error]


def test_what_is_wrong_with_one_file_is_said_until_the_next_are_taken(visit):
    page = visit()
    files = page.locator("#styles input[type=file]").first
    files.set_input_files([file_of("bad.png", b"GIF no"), file_of("good.png", png("red"))])
    expect(names(page, "styles")).to_have_text(["good.png"])
    expect(page.locator("#styles .status.error")).to_contain_text("bad.png")
    files.set_input_files(file_of("other.png", png("blue")))
    expect(names(page, "styles")).to_have_text(["good.png", "other.png"])
    expect(page.locator("#styles .status")).to_be_hidden()
    page.errors[:] = [error for error in page.errors if "422" not in error]


def test_a_result_of_impasto_brings_back_how_it_was_made(visit, fake):
    content = png("green")
    key = fake.known_as(content)
    request = {"content": "sample:rocket", "styles": ["sample:ink", "sample:dots"]}
    request |= {"recipe": "fine", "settings": {"strength": 0.5}, "protect": None, "masks": []}
    fake.records[key] = {"request": request, "missing": ["style 3: lost.jpg"]}
    page = visit()
    page.locator("#photo input[type=file]").first.set_input_files(file_of("result.png", content))
    page.get_by_role("button", name="Bring back its settings").click()
    expect(names(page, "photo")).to_have_text(["rocket"])
    expect(names(page, "styles")).to_have_text(["ink", "dots"])
    expect(page.get_by_label("Fine")).to_be_checked()
    expect(page.get_by_label("Strength, number")).to_have_value("50 %")
    expect(page.locator(".toast")).to_contain_text("lost.jpg")


@pytest.mark.parametrize("slot", ["photo", "styles"])
def test_samples_are_put_in_and_taken_out(visit, slot):
    page = visit()
    sample = page.locator(f"#{slot} .sample").nth(1)
    sample.click()
    expect(sample).to_have_attribute("aria-pressed", "true")
    expect(names(page, slot)).to_have_count(1)
    sample.click()
    expect(names(page, slot)).to_have_count(0)


BLOCKED = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("blocked", "SecurityError"); },
});"""
FULL = """Storage.prototype.setItem = () => {
  throw new DOMException("full", "QuotaExceededError");
};"""


@pytest.mark.parametrize("script", [BLOCKED, FULL], ids=["blocked", "full"])
def test_a_browser_that_keeps_nothing_opens_the_page(browse, fake, script):
    page = browse()
    page.add_init_script(script)
    page.goto(fake.address)
    page.wait_for_selector("html[data-ready]", timeout=10_000)
    page.get_by_role("button", name="Try an example").click()
    expect(page.locator(".forecast")).to_contain_text("58 s")
    page.get_by_role("button", name="Appearance: system").click()
    expect(page.get_by_role("button", name="Appearance: dark")).to_be_focused()


def test_the_choice_outlives_a_reload(visit):
    page = visit()
    page.get_by_role("button", name="Try an example").click()
    page.get_by_label("Draft").check()
    page.reload()
    expect(names(page, "photo")).to_have_text(["chelsea"])
    expect(page.get_by_label("Draft")).to_be_checked()
