"""What the page shows of each state of a job, and what its buttons ask for."""

import pytest
from playwright.sync_api import expect


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def forgive(page, text):
    """Errors of the console with this text are what the test is about."""
    assert any(text in error for error in page.errors)
    page.errors[:] = [error for error in page.errors if text not in error]


def progress(page):
    return page.locator("#progress")


def test_from_nothing_to_a_painted_picture(visit, fake):
    page = visit()
    expect(page.get_by_text("Paint a photograph like a painting")).to_be_visible()
    paint = page.get_by_role("button", name="Paint", exact=True)
    expect(paint).to_be_disabled()
    press(page, "Try an example")
    expect(page.locator(".forecast")).to_contain_text("512 × 341 · about 58 s · 836 MB")
    paint.click()
    expect(progress(page)).to_contain_text("Waiting")
    (key,) = fake.jobs
    assert fake.jobs[key]["request"]["content"] == "sample:chelsea"
    fake.change(key, state="painting", total=100, done=1)
    fake.step(key, done=30, stage=1, scale=362, canvas=[362, 241], preview=1, remaining=75.0)
    expect(progress(page)).to_contain_text("scale 2 of 3 · 362 × 241 · 30 of 100 · 1:15 left")
    expect(page.locator(".pane .after img").first).to_be_visible()
    assert page.title().startswith("30 % painting")
    result = {"width": 512, "height": 341, "bytes": 1}
    fake.change(key, state="done", done=100, result=result, seconds=61.0)
    expect(progress(page)).to_contain_text("512 × 341 · 100 iterations · 1:01")
    expect(page.get_by_role("button", name="Download")).to_be_visible()


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        ("queued", ["Pause", "Discard"]),
        ("painting", ["Pause", "Stop and keep", "Discard"]),
        ("paused", ["Go on", "Stop and keep", "Discard"]),
        ("interrupted", ["Go on", "Stop and keep", "Discard"]),
    ],
)
def test_a_live_job_is_on_the_stage_at_once_with_its_buttons(visit, fake, state, buttons):
    fake.add(state)
    page = visit()
    names = page.locator("#progress .actions button")
    expect(names).to_have_count(len(buttons))
    for name in buttons:
        expect(progress(page).get_by_role("button", name=name, exact=True)).to_be_visible()


def test_pause_go_on_stop(visit, fake):
    job = fake.add("painting")
    page = visit()
    press(page, "Pause")
    expect(progress(page)).to_contain_text("Paused")
    press(page, "Go on")
    expect(progress(page)).to_contain_text("Waiting")
    fake.change(job["id"], state="painting")
    press(page, "Stop and keep")
    expect(progress(page)).to_contain_text("Stopped")
    expect(page.get_by_role("button", name="Go on with more")).to_be_visible()
    assert [verb for _, verb, _ in fake.commands] == ["pause", "resume", "stop"]


def test_an_answer_that_comes_after_a_later_event_changes_nothing(visit, fake):
    job = fake.add("painting")
    page = visit()
    reduced = page.evaluate(
        """async ([known, answer]) => {
            const { reduce } = await import("/static/feed.js");
            const after = (first, second) => reduce({ jobs: [first] }, "job", second);
            return [after(known, answer), after(answer, known)];
        }""",
        [job, {**job, "state": "queued", "updated": "2026-01-01T00:00:00"}],
    )
    assert reduced == [{}, {"jobs": [job]}]


def test_a_change_just_before_a_stop_does_not_go_on(visit, fake):
    fake.add("painting")
    page = visit()
    page.get_by_label("Strength", exact=True).fill("0.5")
    press(page, "Stop and keep")
    expect(progress(page)).to_contain_text("Stopped")
    page.wait_for_timeout(400)  # milliseconds, longer than a slider rests before it is heard
    assert [verb for _, verb, _ in fake.commands if verb != "adjust"] == ["stop"]
    verbs = [verb for _, verb, _ in fake.commands]
    assert "adjust" not in verbs[verbs.index("stop") :]


def test_go_on_with_more_says_how_much(visit, fake):
    fake.add("done")
    page = visit()
    page.locator(".strip .tile").click()
    press(page, "Go on with more")
    page.get_by_role("menuitem", name="50 more iterations").click()
    expect(progress(page)).to_contain_text("Waiting")
    assert fake.commands[-1][1:] == ("more", {"iterations": 50})


def test_a_failure_is_one_line_and_can_be_tried_again(visit, fake):
    fake.add("failed", error="not enough memory: paint it smaller")
    page = visit()
    page.locator(".strip .tile").click()
    expect(progress(page)).to_contain_text("Failed")
    expect(progress(page)).to_contain_text("not enough memory: paint it smaller")
    press(page, "Try again")
    expect(progress(page)).to_contain_text("Waiting")


def test_discard_asks_first(visit, fake):
    job = fake.add("painting")
    page = visit()
    press(page, "Discard")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog).to_have_count(0)
    assert job["id"] in fake.jobs
    press(page, "Discard")
    dialog.get_by_role("button", name="Discard").click()
    expect(page.locator(".strip .tile")).to_have_count(0)
    assert not fake.jobs


def test_a_refused_command_is_said_in_one_line(visit, fake):
    fake.add("painting")
    fake.refuse["pause"] = "it is done already"
    page = visit()
    press(page, "Pause")
    expect(page.locator(".toast")).to_contain_text("it is done already")
    forgive(page, "409")


def test_two_tabs_see_the_same(visit, fake):
    fake.add("painting")
    one, other = visit(), visit()
    press(one, "Pause")
    expect(progress(other)).to_contain_text("Paused")


def test_a_reload_in_mid_run_comes_back_to_it(visit, fake):
    fake.add("done")
    fake.add("painting", done=33)
    page = visit()
    expect(progress(page)).to_contain_text("33 of 100")
    page.reload()
    expect(progress(page)).to_contain_text("33 of 100")
    expect(page.locator(".strip .tile")).to_have_count(2)


def test_a_lost_connection_is_a_banner_and_comes_back(visit, fake):
    job = fake.add("painting", done=10)
    banner = "Connection lost"
    page = visit()
    page.context.set_offline(True)
    fake.hang_up()
    expect(page.get_by_text(banner)).to_be_visible()
    expect(progress(page)).to_contain_text("Painting")
    fake.step(job["id"], done=70)
    page.context.set_offline(False)
    expect(page.get_by_text(banner)).to_be_hidden(timeout=15_000)
    expect(progress(page)).to_contain_text("70 of 100")
    forgive(page, "ERR_")


def test_a_plan_that_a_lost_connection_spoilt_is_asked_for_again(visit, fake):
    page = visit()
    press(page, "Try an example")
    expect(page.locator(".forecast")).to_contain_text("about 58 s")
    page.route("**/api/plan", lambda route: route.abort())
    page.get_by_label("Strength", exact=True).fill("0.5")
    expect(page.locator(".forecast")).to_contain_text("does not answer")
    page.unroute("**/api/plan")
    fake.hang_up()
    expect(page.locator(".forecast")).to_contain_text("about 58 s", timeout=10_000)
    expect(page.get_by_role("button", name="Paint", exact=True)).to_be_enabled()
    forgive(page, "ERR_")


def test_a_full_disk_is_shown(visit, fake):
    page = visit()
    fake.tell("full", {"free": 12_000_000})
    expect(page.get_by_text("The disk is full (12 MB free)")).to_be_visible()


def test_names_with_markup_are_text(visit, fake):
    name = '"><img src=x onerror=alert(1)> ' + "very long name " * 20
    fake.add("done", title=name)
    page = visit()
    page.locator(".strip .tile").click()
    expect(page.locator(".stage-title")).to_have_text(name.strip())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
