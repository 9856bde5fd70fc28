"""Presets, sliders, the panel made from the schema, forecasts, and changes while painting."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def ready(visit):
    page = visit()
    page.get_by_role("button", name="Try an example").click()
    return page


def asked(page, fake):
    page.get_by_role("button", name="Paint", exact=True).click()
    expect(page.locator(".strip .tile")).to_have_count(1)
    (job,) = fake.jobs.values()
    return job["request"]


def test_sliders_are_settings(ready, fake):
    ready.get_by_label("Fine").check()
    ready.get_by_label("Strength", exact=True).fill("0.6")
    ready.get_by_label("Stroke size", exact=True).fill("1")
    ready.get_by_label("Photograph kept, number").fill("20")
    ready.get_by_label("Longest side, number").fill("768 px")
    ready.get_by_label("Longest side, number").press("Enter")
    ready.get_by_role("radio", name="Matched").check()
    request = asked(ready, fake)
    assert request["recipe"] == "fine"
    assert request["settings"] == {
        "strength": 0.6, "style_scale": 2, "content_weight": 20, "size": 768, "colour": "match"
    }  # fmt: skip


def test_a_size_is_a_longest_side_or_both(ready, fake):
    box = ready.get_by_label("Longest side, number")
    for words, shown in (("900x600", "900 × 600"), ("12 miles", "900 × 600"), ("0", "as it is")):
        box.fill(words)
        box.press("Enter")
        expect(box).to_have_value(shown)
    box.fill("640 × 480 px")
    box.press("Enter")
    assert asked(ready, fake)["settings"] == {"size": [640, 480]}


def test_the_usual_value_is_no_change(ready, fake):
    strength = ready.get_by_label("Strength", exact=True)
    strength.fill("0.4")
    expect(ready.locator(".badge")).to_have_text("1 changed")
    ready.get_by_label("Strength: usual value", exact=True).click()
    expect(ready.locator(".badge")).to_be_hidden()
    strength.fill("0.4")
    strength.fill("1")
    assert asked(ready, fake)["settings"] == {}


def test_time_and_memory_are_predicted_before_anything_starts(ready):
    expect(ready.locator(".forecast")).to_have_text("512 × 341 · about 58 s · 836 MB")
    ready.get_by_label("Longest side, number").fill("2048")
    ready.get_by_label("Longest side, number").press("Enter")
    expect(ready.locator(".forecast")).to_have_text("2048 × 1365 · about 16 min · 4.4 GB")


def test_a_plan_that_cannot_be_is_said_and_not_started(ready, fake):
    fake.refuse["plan"] = "relu9_1 is no layer of vgg19"
    ready.get_by_label("Draft").check()
    expect(ready.locator(".forecast")).to_have_text("relu9_1 is no layer of vgg19")
    expect(ready.get_by_role("button", name="Paint", exact=True)).to_be_disabled()


def test_every_setting_is_found_by_search(ready, fake):
    ready.locator("details.panel summary").click()
    search = ready.get_by_label("Search settings")
    rows = ready.locator(".setting:visible")
    search.fill("variation")
    expect(rows.locator("label")).to_have_text(["tv weight", "tv normalisation"])
    ready.get_by_label("tv weight", exact=True).fill("3.5")
    ready.get_by_label("tv weight", exact=True).press("Tab")
    expect(ready.locator(".badge")).to_have_text("1 changed")
    search.fill("no such thing")
    expect(ready.get_by_text("No setting is called so.")).to_be_visible()
    search.fill("layers style")
    ready.get_by_label("style layers", exact=True).fill("relu3_1, relu4_1=0.5")
    ready.get_by_label("style layers", exact=True).press("Tab")
    settings = asked(ready, fake)["settings"]
    assert settings == {"tv_weight": 3.5, "style_layers": {"relu3_1": 1, "relu4_1": 0.5}}


def test_all_changes_are_reset_at_once(ready):
    ready.get_by_label("Strength", exact=True).fill("0.4")
    ready.locator("details.panel summary").click()
    ready.get_by_role("button", name="Reset all").click()
    expect(ready.get_by_label("Strength, number")).to_have_value("100 %")


def test_published_recipes_are_there(ready, fake):
    ready.locator("details.panel summary").click()
    ready.get_by_label("Recipe").select_option("gatys")
    assert asked(ready, fake)["recipe"] == "gatys"


def test_a_slider_moved_while_painting_is_taken_up_once(visit, fake):
    job = fake.add("painting")
    page = visit()
    strength = page.get_by_label("Strength", exact=True)
    for value in ("0.9", "0.8", "0.7"):
        strength.fill(value)
    expect(page.locator("#progress .note")).to_have_text("Going on with your change")
    assert [each for each in fake.commands if each[1] == "adjust"] == [
        (job["id"], "adjust", {"settings": {"strength": 0.7}})
    ]
    strength.fill("1")  # moving it back is how a change is undone
    expect(page.locator("#progress .note")).to_have_text("Going on with your 2 changes")
    assert fake.commands[-1][2] == {"settings": {"strength": None}}


def test_a_refused_change_goes_back(visit, fake):
    fake.add("painting")
    fake.refuse["adjust"] = "the network cannot be changed while painting"
    page = visit()
    page.get_by_label("Strength", exact=True).fill("0.5")
    expect(page.locator(".toast")).to_contain_text("cannot be changed")
    expect(page.get_by_label("Strength, number")).to_have_value("100 %")
    page.errors.clear()


def test_a_finished_picture_goes_on_with_changes_when_asked(visit, fake):
    fake.add("done")
    page = visit()
    page.locator(".strip .tile").click()
    page.get_by_label("Strength", exact=True).fill("0.5")
    expect(page.get_by_role("button", name="Paint as a new picture")).to_be_enabled()
    assert not fake.commands
    page.get_by_role("button", name="Go on with these changes").click()
    expect(page.get_by_role("button", name="Go on with these changes")).to_be_hidden()
    assert fake.commands[-1][1:] == ("adjust", {"settings": {"strength": 0.5}})


def test_another_photograph_begins_a_new_picture(visit, fake):
    fake.add("painting")
    page = visit()
    page.locator("#photo .sample[data-id='sample:rocket']").click()
    expect(page.locator(".stage-title")).to_have_text("rocket")
    expect(page.get_by_role("button", name="Paint", exact=True)).to_be_enabled()
    expect(page.locator(".strip .tile")).to_have_count(1)
    assert not fake.commands


def test_controls_follow_a_change_of_another_tab(visit, fake):
    fake.add("painting")
    one, other = visit(), visit()
    one.get_by_label("Strength", exact=True).fill("0.25")
    expect(other.get_by_label("Strength, number")).to_have_value("25 %")


def test_a_refused_change_leaves_the_controls_of_other_pictures(visit, fake):
    fake.add("queued", request={"settings": {"strength": 0.3}})
    fake.add("painting")
    fake.refuse["adjust"] = "the network cannot be changed while painting"
    page, held = visit(), []
    page.route("**/adjust", lambda route: held.append(route))
    with page.expect_request("**/adjust"):
        page.get_by_label("Strength", exact=True).fill("0.5")
    page.locator(".strip .tile").nth(1).click()
    expect(page.get_by_label("Strength, number")).to_have_value("30 %")
    held[0].continue_()
    expect(page.locator(".toast")).to_contain_text("cannot be changed")
    expect(page.get_by_label("Strength, number")).to_have_value("30 %")
    page.errors.clear()


@pytest.mark.parametrize(
    "leave", [".strip li:nth-child(2) .tile", ".tile.fresh", "#photo .sample:nth-child(2)"]
)
def test_a_change_just_before_another_picture_is_sent(visit, fake, leave):
    fake.add("done")
    job = fake.add("painting")
    page = visit()
    page.evaluate(
        """(leave) => {
          const slider = document.querySelector("[aria-label=Strength]");
          slider.value = 0.5;
          slider.dispatchEvent(new Event("input"));
          document.querySelector(leave).click();
        }""",
        leave,
    )
    expect(page.locator(".strip .tile").first).to_have_attribute("aria-pressed", "false")
    page.wait_for_timeout(400)  # milliseconds, longer than a slider rests before it is heard
    assert fake.commands == [(job["id"], "adjust", {"settings": {"strength": 0.5}})]
