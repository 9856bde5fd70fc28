"""The strip of results: settings, code, inputs, the queue, downloads, prints."""

import pytest
from playwright.sync_api import expect


def choose(page, entry, tile=0):
    item = page.locator(".strip li").nth(tile)
    item.hover()
    item.locator(".tile-more").click()
    page.get_by_role("menuitem", name=entry).click()


def test_use_these_settings_keeps_my_pictures(visit, fake):
    settings = {"strength": 0.4, "style_weights": [1, 2]}
    fake.add(request={"styles": ["sample:ink", "sample:dots"], "settings": settings})
    page = visit()
    page.locator("#photo .sample[data-id='sample:rocket']").click()
    choose(page, "Use these settings")
    expect(page.get_by_label("Strength, number")).to_have_value("40 %")
    expect(page.locator("#photo .name")).to_have_text("rocket")
    expect(page.locator(".badge")).to_have_text("1 changed")


@pytest.mark.parametrize(
    ("entry", "text"),
    [("Copy as command", "impasto a.jpg b.jpg"), ("Copy as Python", "import impasto")],
)
def test_copied_code(visit, fake, entry, text):
    fake.add()
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    choose(page, entry)
    expect(page.locator(".toast")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == text


@pytest.mark.parametrize(
    ("entry", "slot"), [("Use as photograph", "photo"), ("Use as painting", "styles")]
)
def test_a_result_becomes_an_input(visit, fake, entry, slot):
    fake.add()
    page = visit()
    choose(page, entry)
    expect(page.locator(f"#{slot} .name")).to_have_text(["chelsea as waves.png"])


def test_the_queue_is_put_in_another_order_and_cancelled(visit, fake):
    first, second, third = (fake.add("queued")["id"] for _ in range(3))
    page = visit()
    expect(page.locator(".tile-state")).to_have_text(["Waiting, 3rd", "Waiting, 2nd", "Waiting"])
    choose(page, "Paint earlier", tile=0)
    expect(page.locator(".menu")).to_be_hidden()
    choose(page, "Paint later", tile=2)
    choose(page, "Discard", tile=1)
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.locator(".strip .tile")).to_have_count(2)
    assert [(key, verb, body) for key, verb, body in fake.commands] == [
        (third, "move", {"before": second}),
        (first, "move", {"before": third}),
        (second, "discard", {}),
    ]


def test_downloads_in_every_format(visit, fake):
    fake.add(outputs={"report": True, "timelapse": True})
    page = visit()
    page.locator(".strip .tile").click()
    page.get_by_role("button", name="Download").click()
    items = page.get_by_role("menuitem")
    hrefs = [items.nth(index).get_attribute("href") for index in range(items.count())]
    assert [href.rpartition("/")[2] for href in hrefs] == [
        *(f"result?format={name}" for name in ("png16", "png8", "tiff", "jpeg", "webp")),
        "report", "timelapse",
    ]  # fmt: skip
    with page.expect_download() as download:
        items.nth(3).click()
    assert download.value.path().stat().st_size > 1000


def test_a_print_is_planned_and_painted_from_its_result(visit, fake):
    job = fake.add(request={"settings": {"strength": 0.8, "size": 512, "iterations": 7}})
    page = visit()
    page.locator(".strip .tile").click()
    page.get_by_role("button", name="Paint for print").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".print-size")).to_have_text("420 × 280 mm, 4961 × 3304 pixels")
    expect(dialog.locator(".forecast")).to_contain_text("about 1 h 31 min · 23 GB")
    dialog.get_by_label("A0").check()
    dialog.get_by_label("Resolution").fill("100")
    expect(dialog.locator(".print-size")).to_have_text("1189 × 792 mm, 4681 × 3118 pixels")
    dialog.get_by_label("Own size").check()
    dialog.get_by_label("Width").fill("100")
    dialog.get_by_label("Height").fill("100")
    expect(dialog.locator(".print-size")).to_have_text("100 × 67 mm, 394 × 262 pixels")
    dialog.get_by_role("button", name="Paint this print").click()
    expect(page.locator(".strip .tile")).to_have_count(2)
    made = next(iter(fake.jobs.values()))["request"]
    assert made["start"] == job["id"]
    assert made["recipe"] == "print"
    assert made["settings"] == {"strength": 0.8, "size": 394}


def test_a_print_that_does_not_fit_is_not_started(visit, fake):
    fake.add()
    page = visit()
    page.locator(".strip .tile").click()
    page.get_by_role("button", name="Paint for print").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("A0").check()
    expect(dialog.locator(".forecast")).to_contain_text("More memory than is free")
    expect(dialog.get_by_role("button", name="Paint this print")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_the_button_of_a_menu_tells_whether_it_is_open(visit, fake):
    fake.add()
    page = visit()
    more = page.locator(".strip .tile-more")
    for key in ("Escape", "Enter"):
        page.locator(".strip li").hover()
        more.click()
        page.wait_for_timeout(100)  # milliseconds, until events of the opening were told
        expect(more).to_have_attribute("aria-expanded", "true")
        page.keyboard.press(key)
        expect(more).to_have_attribute("aria-expanded", "false")


def test_back_to_the_new_picture(visit, fake):
    fake.add()
    page = visit()
    page.locator("#photo .sample[data-id='sample:rocket']").click()
    page.locator(".strip .tile").click()
    expect(page.locator("#photo .name")).to_have_text("chelsea")
    page.get_by_role("button", name="New picture", exact=True).click()
    expect(page.locator("#photo .name")).to_have_text("rocket")
