"""Blind comparison: nothing tells the sides apart, votes are kept, the page goes to its end."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from browser import PHONE, axe_violations
from PIL import Image

from impasto.apps.studio.comparison import Comparison, Pair, of_folders, of_recipes, recipes_of
from impasto.apps.studio.refusal import Refusal
from impasto.apps.studio.routes_comparison import Bench
from impasto.errors import ImageError, SettingsError
from support.site import Rooms, browser, noise, served

NAMES = ("dawn", "dusk", "noon")


@pytest.fixture
def folders(tmp_path):
    """Two folders: pictures of `bright` are lighter than those of `dark`."""
    sides = []
    for side, shift in (("dark", 0), ("bright", 120)):
        folder = tmp_path / side
        folder.mkdir()
        for seed, name in enumerate(NAMES):
            levels = np.asarray(noise(60, 40, seed=seed)) // 2 + shift
            Image.fromarray(levels.astype(np.uint8)).save(folder / f"{name}.png")
        noise(seed=9).save(folder / f"only in {side}.png")
        sides.append(str(folder))
    return sides


@pytest.fixture
def comparison(folders, tmp_path):
    return of_folders(*folders, tmp_path / "votes")


def is_bright(path):
    return path.parent.name == "bright"


def judged(comparison, prefer):
    """Vote on every pair; `prefer` gets the files on the left and the right."""
    while not (pair := comparison.next())["finished"]:
        files = [comparison.picture(pair[side]) for side in ("left", "right")]
        comparison.vote(pair["pair"], prefer(*files))


def test_pictures_of_the_same_name_are_paired(comparison):
    assert sorted(pair.name for pair in comparison.pairs) == sorted(NAMES)
    assert all(
        is_bright(pair.files[1]) and not is_bright(pair.files[0]) for pair in comparison.pairs
    )


def test_endings_may_differ(tmp_path):
    for side, name in (("a", "one.png"), ("b", "one.jpg")):
        (tmp_path / side).mkdir()
        noise().save(tmp_path / side / name)
    assert len(of_folders(tmp_path / "a", tmp_path / "b", tmp_path).pairs) == 1


def test_folders_without_pairs(folders, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(ImageError, match="holds no picture"):
        of_folders(folders[0], tmp_path / "none", tmp_path)
    noise().save(tmp_path / "none" / "other.png")
    with pytest.raises(SettingsError, match="no picture of the same name"):
        of_folders(folders[0], tmp_path / "none", tmp_path)


def test_sides_and_order_are_chance(folders, tmp_path):
    seen = set()
    for number in range(60):
        comparison = of_folders(*folders, tmp_path / f"votes {number}")
        pair = comparison.next()
        seen.add(
            (comparison.picture(pair["left"]).stem, is_bright(comparison.picture(pair["left"])))
        )
    assert seen == {(name, side) for name in NAMES for side in (True, False)}


def test_nothing_that_is_sent_tells_a_name_or_a_side(comparison):
    words = []
    while not (pair := comparison.next())["finished"]:
        assert {*pair} == {"pairs", "done", "round", "pair", "left", "right", "finished"}
        assert comparison.next() == pair  # a reload shows the same pair
        words += [pair["pair"], pair["left"], pair["right"]]
        comparison.vote(pair["pair"], "none")
    assert len({*words}) == 3 * len(NAMES)
    assert all(len(word) >= 20 for word in words)


def test_the_table_counts_who_is_preferred(comparison):
    judged(comparison, lambda left, _: "left" if is_bright(left) else "right")
    table = comparison.table()
    assert table["names"] == ["dark", "bright"]
    assert table["wins"] == [0, 3]
    assert table["share"] == 0
    assert table["high"] == pytest.approx(0.5615, abs=1e-4)
    assert table["p"] == 0.25


def test_votes_survive_a_restart(comparison, folders, tmp_path):
    pair = comparison.next()
    comparison.vote(pair["pair"], "left")
    again = of_folders(*folders, tmp_path / "votes")
    assert again.done == 1
    assert again.csv() == comparison.csv()
    judged(again, lambda *_: "none")
    assert again.table()["none"] == 2
    assert {line[1] for line in csv.reader(io.StringIO(again.csv()))} == {"pair", *NAMES}


def test_a_second_round_asks_for_everything_again(comparison):
    with pytest.raises(Refusal, match="not finished"):
        comparison.again()
    judged(comparison, lambda *_: "left")
    assert comparison.again()["round"] == 2
    judged(comparison, lambda *_: "right")
    assert sum(comparison.table()["wins"]) == 6


def test_damaged_votes_are_begun_anew(comparison, folders, tmp_path):
    judged(comparison, lambda *_: "left")
    (file,) = (tmp_path / "votes").glob("*.json")
    for text in ("", "{", "[]", '{"order": [[0, 1]], "round": 1, "votes": []}', '{"order": 3}'):
        file.write_text(text)
        assert of_folders(*folders, tmp_path / "votes").done == 0


def test_votes_about_other_pairs_are_refused(comparison):
    pair = comparison.next()
    for wrong in ("", "x", None, 3, pair["left"]):
        with pytest.raises(Refusal, match="another pair"):
            comparison.vote(wrong, "left")
    for choice in ("", "LEFT", None, 0, ["left"]):
        with pytest.raises(Refusal, match="choice is one of"):
            comparison.vote(pair["pair"], choice)
    comparison.vote(pair["pair"], "left")
    with pytest.raises(Refusal, match="another pair"):
        comparison.vote(pair["pair"], "left")
    for token in (pair["left"], pair["pair"], "../secret", ""):
        with pytest.raises(Refusal, match="no such picture"):
            comparison.picture(token)


def test_a_pair_that_is_left_out_is_judged_in_no_round(comparison, folders, tmp_path):
    comparison.vote(comparison.next()["pair"], "left")
    left_out = comparison.next()
    name = comparison.picture(left_out["left"]).stem
    after = comparison.leave_out(left_out["pair"])
    assert (after["pairs"], after["done"], after["finished"]) == (2, 1, False)
    for wrong in (left_out["pair"], None, ""):
        with pytest.raises(Refusal, match="another pair"):
            comparison.leave_out(wrong)
    again = of_folders(*folders, tmp_path / "votes")  # a restart
    assert again.progress() == {"pairs": 2, "done": 1, "round": 1}
    judged(again, lambda *_: "right")
    again.again()
    judged(again, lambda *_: "right")
    table = again.table()
    assert (sum(table["wins"]), table["left_out"]) == (4, 1)
    assert name not in [line[1] for line in csv.reader(io.StringIO(again.csv()))]


def test_without_any_pair_left_there_is_a_table(comparison):
    while not (pair := comparison.next())["finished"]:
        comparison.leave_out(pair["pair"])
    assert comparison.table()["wins"] == [0, 0]
    assert comparison.table()["left_out"] == len(NAMES)
    assert comparison.again()["finished"]


def test_votes_of_before_pairs_could_be_left_out_are_read(comparison, folders, tmp_path):
    comparison.vote(comparison.next()["pair"], "left")
    (file,) = (tmp_path / "votes").glob("*.json")
    kept = json.loads(file.read_text("utf-8"))
    del kept["left_out"]
    file.write_text(json.dumps(kept), "utf-8")
    assert of_folders(*folders, tmp_path / "votes").done == 1


def test_names_cannot_be_formulas(tmp_path):
    pairs = [Pair("=1+1", (tmp_path / "a", tmp_path / "b"))]
    comparison = Comparison(("-a", "b"), pairs, tmp_path)
    comparison.vote(comparison.next()["pair"], "left")
    cells = list(csv.reader(io.StringIO(comparison.csv())))[1]
    assert cells[1] == "'=1+1"
    assert "'-a" in cells


def job(name, recipe, content="p", state="done", **more):
    request = {"content": content, "styles": ["s"], "recipe": recipe, "settings": {}, **more}
    return {"id": name, "title": name, "state": state, "result": {"width": 1}, "request": request}


def test_recipes_that_painted_the_same(tmp_path):
    jobs = [
        job("4", "fine"),
        job("3", "draft", content="q"),
        job("2", "draft"),
        job("1", "fine"),
        job("0", "print", state="failed"),
    ]
    assert recipes_of(jobs) == [{"recipes": ["draft", "fine"], "pairs": 1}]
    comparison = of_recipes(jobs, ("fine", "draft"), tmp_path / "jobs", tmp_path)
    (pair,) = comparison.pairs
    assert [path.parent.name for path in pair.files] == ["4", "2"]
    for wrong in (("fine", "fine"), ("fine", "print"), ("../x", "draft")):
        with pytest.raises(Refusal, match="not painted the same"):
            of_recipes(jobs, wrong, tmp_path, tmp_path)


@pytest.fixture
def address(folders, tmp_path):
    rooms = Rooms(tmp_path / "studio")
    bench = Bench(tmp_path / "studio", rooms.darkroom, list, tuple(folders))
    with served(rooms, more=bench.routes) as address:
        yield address


def test_pictures_are_sent_without_what_they_are_called(address, folders):
    with browser(address) as client:
        pair = client.get("/api/comparison/next").json()
        answers = [
            client.get(f"/api/comparison/pictures/{pair[side]}") for side in ("left", "right")
        ]
        kinds = set()
        for answer in answers:
            assert answer.status_code == 200
            image = Image.open(io.BytesIO(answer.content))
            assert not {*image.info} - {"background", "loop", "timestamp", "duration"}
            kinds.add(np.asarray(image).mean() > 110)
            headers = {
                k: v for k, v in answer.headers.items() if k not in ("content-length", "date")
            }
            assert "etag" not in headers
            assert "last-modified" not in headers
            assert not any(word in json.dumps(headers) for word in ("bright", "dark", *NAMES))
        assert kinds == {True, False}
        assert client.get("/api/comparison").json() == {
            "comparison": {"pairs": 3, "done": 0, "round": 1},
            "choices": [],
            "folders": True,
        }
        for wrong in ("x", "..%2f..%2fetc%2fpasswd", pair["pair"]):
            assert client.get(f"/api/comparison/pictures/{wrong}").status_code == 404
        origin = {"Origin": address}
        refused = client.post("/api/comparison/vote", json={"pair": 1, "choice": 2}, headers=origin)
        assert refused.status_code == 422
        assert client.post("/api/comparison/choose", json={"recipes": folders}).status_code in (
            403,
            409,
        )


def choose_brighter(page):
    """The key for the brighter of the two pictures that are seen."""
    means = page.evaluate(
        """() => [...document.querySelectorAll('.pane .after img')].map((image) => {
          const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
          const context = canvas.getContext('2d');
          context.drawImage(image, 0, 0);
          const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
          return pixels.reduce((a, b) => a + b, 0) / pixels.length;
        })"""
    )
    return "ArrowLeft" if means[0] > means[1] else "ArrowRight"


def pair_is_seen(page, done):
    page.get_by_text(f"{done} of 3", exact=True).wait_for()
    page.locator(".pane .after img").nth(1).wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_comparison_to_its_end_by_keys(browse, address, scheme):
    page = browse(f"{address}/compare", scheme=scheme)
    pair_is_seen(page, 0)
    assert axe_violations(page) == []
    page.keyboard.press(choose_brighter(page))
    pair_is_seen(page, 1)
    page.reload()
    pair_is_seen(page, 1)
    page.keyboard.press(choose_brighter(page))
    pair_is_seen(page, 2)
    page.keyboard.press("ArrowDown")
    page.get_by_role("heading", name="Result").wait_for()
    assert "dark is preferred in 0 % of 2 votes" in page.inner_text(".compare-card")
    assert "1 without a preference" in page.inner_text(".compare-card")
    assert axe_violations(page) == []
    with page.expect_download() as saved:
        page.get_by_role("link", name="Votes as CSV").click()
    lines = list(csv.reader(io.StringIO(saved.value.path().read_text("utf-8"))))
    assert [line[5] for line in lines[1:]] == ["bright", "bright", ""]
    page.get_by_role("button", name="Another round").click()
    page.get_by_text("0 of 3 · round 2").wait_for()


@pytest.mark.parametrize("damage", ["truncated", "gone"])
def test_pairs_that_cannot_be_read_are_left_out(browse, address, folders, damage):
    for name in NAMES:
        file = Path(folders[1]) / f"{name}.png"
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:200])
    page = browse(f"{address}/compare")
    page.get_by_role("button", name="Try again").click()
    page.get_by_text("a picture of this pair cannot be read").wait_for()
    assert axe_violations(page) == []
    for _ in NAMES:
        page.get_by_role("button", name="Leave this pair out").click()
    page.get_by_text("3 pairs left out: a picture cannot be read.").wait_for()
    page.errors[:] = [error for error in page.errors if "422" not in error]


def test_a_comparison_by_touch(browse, address):
    page = browse(f"{address}/compare", **PHONE)
    for done in range(3):
        pair_is_seen(page, done)
        boxes = [b.bounding_box() for b in page.locator(".compare-choices button").all()]
        assert all(box["height"] >= 44 and box["width"] >= 44 for box in boxes)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("button", name="Left").tap()
    page.get_by_role("heading", name="Result").wait_for()


PRESETS = {"draft": "1", "fine": "2", "standard": "3"}  # newest job of each, of two photographs


@pytest.fixture
def presets(tmp_path):
    """A studio that painted two photographs with three presets; `fine` is the brightest."""
    folder, jobs = tmp_path / "studio", []
    for seed, photograph in enumerate(("cat", "dog")):
        for recipe, number in PRESETS.items():
            name = f"{photograph}{number}"
            jobs.append(job(name, recipe, content=photograph))
            levels = np.asarray(noise(60, 40, seed=seed)) // 2 + 100 * (recipe == "fine")
            (folder / "jobs" / name).mkdir(parents=True)
            result = folder / "jobs" / name / "result.png"
            Image.fromarray(levels.astype(np.uint8)).save(result)
    rooms = Rooms(folder)
    with served(rooms, more=Bench(folder, rooms.darkroom, lambda: jobs).routes) as address:
        yield address


def test_two_presets_are_compared_blindly(browse, presets):
    page = browse(f"{presets}/compare")
    page.get_by_role("heading", name="Which is better?").wait_for()
    offered = page.locator(".compare-card button").all_inner_texts()
    assert offered == [
        "draft or fine · 2 pairs",
        "draft or standard · 2 pairs",
        "fine or standard · 2 pairs",
    ]
    assert axe_violations(page) == []
    page.get_by_role("button", name="draft or fine").click()
    for done in range(2):
        page.get_by_text(f"{done} of 2", exact=True).wait_for()
        page.locator(".pane .after img").nth(1).wait_for()
        assert not any(name in page.content() for name in (*PRESETS, "cat", "dog"))
        side = {"ArrowLeft": "Left", "ArrowRight": "Right"}[choose_brighter(page)]
        page.locator(".compare-choices").get_by_role("button", name=side).click()
    page.get_by_role("heading", name="Result").wait_for()
    assert "draft is preferred in 0 % of 2 votes" in page.inner_text(".compare-card")
    page.get_by_role("button", name="Other presets").click()
    page.get_by_role("button", name="fine or standard").press("Enter")
    page.get_by_text("0 of 2", exact=True).wait_for()


def test_without_results_there_is_nothing_to_compare(browse, tmp_path):
    rooms = Rooms(tmp_path)
    with served(rooms, more=Bench(tmp_path, rooms.darkroom, list).routes) as address:
        page = browse(f"{address}/compare")
        page.get_by_text("There is nothing to compare yet.").wait_for()
        assert page.get_by_role("link", name="Studio").get_attribute("href") == "/"
        assert axe_violations(page) == []
