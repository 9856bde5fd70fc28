"""The page as a whole: its weight, its shape on screens, keyboard, contrast, rules of axe-core."""

import gzip
from importlib import resources

import pytest
from browser import LAPTOP, PHONE, axe_violations
from playwright.sync_api import expect

PAGE = resources.files("impasto") / "apps" / "studio" / "page"
OVERFLOW = """() => {
  const { scrollWidth, scrollHeight } = document.documentElement;
  return [scrollWidth > innerWidth, scrollHeight > innerHeight];
}"""


def filled(fake):
    """A studio in which much goes on."""
    long = "a very long name of a photograph that somebody took on a holiday as another one"
    for state in ("done", "stopped", "failed", "queued", "queued", "painting"):
        fake.add(state, title=long, error="it failed" if state == "failed" else None)
    for _ in range(12):
        fake.add("done")


def test_everything_is_under_150_kb():
    files = [file.read_bytes() for file in PAGE.iterdir() if file.is_file()]
    assert sum(len(gzip.compress(content)) for content in files) < 150_000  # as it is sent


def test_the_page_that_opens_is_under_150_kb_unpacked(visit):
    opened = visit().evaluate(
        "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/static/'))"
        ".reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0)"
    )
    assert 50_000 < opened < 150_000


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("options", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_axe_finds_nothing(visit, fake, options, scheme):
    filled(fake)
    page = visit(scheme=scheme, reduced_motion="reduce", **options)
    expect(page.locator(".pane .after img").first).to_be_visible()
    page.locator("details.panel summary").click()
    assert axe_violations(page) == []
    page.locator(".strip .tile[data-state=done]").first.click()
    page.get_by_role("button", name="Before / after").click()
    page.locator("#progress").get_by_role("button", name="More", exact=True).click()
    assert axe_violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Paint for print").click()
    expect(page.get_by_role("button", name="Paint this print")).to_be_enabled()
    assert axe_violations(page) == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_where_nothing_is(visit, scheme):
    page = visit(scheme=scheme)
    assert axe_violations(page) == []
    page.get_by_label("All pictures: paintings").click()
    assert axe_violations(page) == []


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (1024, 700)])
def test_one_screen_on_a_laptop(visit, fake, size):
    filled(fake)
    page = visit(viewport={"width": size[0], "height": size[1]})
    for name in ("dots", "ember", "glass", "swirl"):
        page.locator(f"#styles .sample[data-id='sample:{name}']").click()
    assert page.evaluate(OVERFLOW) == [False, False]
    for name in ("Paint", "New picture"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_in_viewport()


@pytest.mark.parametrize("width", [320, 360, 768])
def test_a_narrow_screen_scrolls_down_only(visit, fake, width):
    filled(fake)
    page = visit(**{**PHONE, "viewport": {"width": width, "height": 800}})
    assert page.evaluate(OVERFLOW) == [False, True]
    tops = [
        page.locator(f"#{name}").bounding_box()["y"]
        for name in ("sources", "stage", "knobs", "history")
    ]
    assert tops == sorted(tops)
    page.locator(".strip .tile[data-state=done]").first.click()
    assert page.evaluate(OVERFLOW) == [False, True]


def test_a_finger_paints_a_picture(visit, fake):
    page = visit(**PHONE)
    page.locator("#photo .sample").nth(1).tap()
    page.locator("#styles .sample").nth(2).tap()
    page.get_by_role("button", name="Paint", exact=True).tap()
    expect(page.locator("#progress")).to_contain_text("Waiting")
    page.get_by_role("button", name="Pause").tap()
    expect(page.locator("#progress")).to_contain_text("Paused")


def test_the_keyboard_alone_paints_a_picture(visit, fake):
    page = visit()

    def tab_to(name):
        for _ in range(60):
            page.keyboard.press("Tab")
            found = page.evaluate(
                "(({ ariaLabel, textContent }) => ariaLabel || textContent)(document.activeElement)"
            )
            if found.strip() == name:
                return
        raise AssertionError(f"{name} is not reached")

    tab_to("Skip to the picture")
    tab_to("chelsea")
    page.keyboard.press("Enter")
    tab_to("ink")
    page.keyboard.press("Space")
    tab_to("Strength")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("Strength, number")).to_have_value("99 %")
    expect(page.locator(".forecast")).to_contain_text("about")
    tab_to("Paint")
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("Waiting")
    (job,) = fake.jobs.values()
    assert job["request"]["settings"] == {"strength": 0.99}
    tab_to("New picture")
    tab_to("More of chelsea as ink")
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".strip .tile")).to_have_count(0)


def test_screen_readers_are_told(visit, fake):
    job = fake.add("painting", done=10)
    page = visit()
    live = page.locator("#live")
    expect(live).to_have_text("chelsea as waves, Painting, 0 %")
    fake.step(job["id"], done=55)
    expect(live).to_have_text("chelsea as waves, Painting, 50 %")
    fake.change(job["id"], state="failed", error="the disk is full")
    expect(live).to_have_text("chelsea as waves, Failed, the disk is full")


def test_dark_and_light(visit):
    shades = {}
    for scheme in ("dark", "light"):
        page = visit(scheme=scheme)
        grey = page.locator(".panes").evaluate(
            "e => getComputedStyle(e.parentNode).backgroundColor"
        )
        levels = {int(level) for level in grey.strip("rgb()").split(",")}
        assert len(levels) == 1, f"{grey} is not neutral"
        shades[scheme] = levels.pop()
    assert shades["dark"] < 64 < 128 < shades["light"]


def test_the_switch_overrides_the_system_and_is_kept(visit):
    page = visit(scheme="light")
    page.get_by_role("button", name="Appearance: system").click()
    expect(page.locator("html")).to_have_css("color-scheme", "dark")
    page.reload()
    expect(page.get_by_role("button", name="Appearance: dark")).to_be_visible()


def test_motion_is_off_where_it_is_not_wanted(visit, fake):
    fake.add("painting")
    page = visit(reduced_motion="reduce")
    assert page.locator(".bar-part").evaluate("e => getComputedStyle(e).transitionDuration") == "0s"
    assert page.locator(".privacy").inner_text() == "Your pictures never leave this computer."
