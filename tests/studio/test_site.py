"""Hello, plans, records and downloads of a running site."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from starlette.routing import Route

import impasto
from impasto.apps.studio import downloads
from impasto.apps.studio.forecast import Forecast
from impasto.images import read
from support.pictures import smooth_picture
from support.site import Rooms, browser, encoded, noise, post, served


def result_of(folder):
    """A route that gives out result.png of a folder as a job's."""

    async def result(request):
        kind = request.query_params.get("format", "png16")
        room = request.app.state.studio.darkroom
        return await downloads.download(room, folder / "result.png", kind, "naïve «1»")

    return Route("/api/result", result)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    return Rooms(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("painted")


@pytest.fixture(scope="module")
def site(rooms, folder):
    more = {"more": [result_of(folder)], "limits": {"queue": 20}}
    with served(rooms, **more) as address, browser(address) as client:
        yield client


@pytest.fixture(scope="module")
def ids(site):
    return [post(site, encoded(noise(90, 70, seed=s))).json()["id"] for s in (50, 51)]


def asked(ids, **fields):
    settings = {"encoder": "tiny", "size": 64, **fields.pop("settings", {})}
    return {"content": ids[0], "styles": [ids[1]], "settings": settings, **fields}


def planned(site, body):
    got = site.post("/api/plan", json=body)
    assert got.status_code == 200, got.text
    return got.json()


def test_hello_has_what_the_page_begins_with(site):
    hello = site.get("/api/hello").json()
    assert hello["version"] == impasto.__version__
    assert [preset["name"] for preset in hello["presets"]][1] == "standard"
    assert {"gram", "moments"} <= {*by_name(hello["schema"])["style_loss"]["choices"]}
    assert hello["formats"] == ["png16", "png8", "tiff", "jpeg", "webp"]
    assert {*hello["features"]} == {"report", "timelapse", "object"}
    assert hello["limits"]["upload"] == 64_000_000
    assert hello["limits"]["queue"] == 20


def by_name(schema):
    return {field["name"]: field for field in schema}


def test_a_plan_tells_sizes_memory_and_seconds(site, ids):
    plan = planned(
        site, asked(ids, settings={"size": 300, "scales": "0.5,1", "iterations": [4, 2]})
    )
    assert plan["size"] == [300, 233]
    assert [stage["size"] for stage in plan["stages"]] == [[150, 116], [300, 233]]
    assert [stage["iterations"] for stage in plan["stages"]] == [4, 2]
    assert plan["fits"]
    assert plan["error"] is None
    assert plan["memory"] > 10**8
    assert plan["seconds"] > 0


def test_seconds_grow_with_iterations_and_pixels(site, ids):
    few, many, large = (
        planned(site, asked(ids, settings={"encoder": "vgg19", "size": size, "iterations": count}))
        for size, count in ((300, 10), (300, 100), (600, 10))
    )
    assert few["seconds"] < many["seconds"]
    assert few["seconds"] < large["seconds"]


def test_what_does_not_fit_is_planned_too(site, ids):
    plan = planned(site, asked(ids, settings={"encoder": "vgg19", "size": 14_000}))
    assert plan["fits"] == (plan["error"] is None)
    too_large = planned(site, asked(ids, settings={"size": 100_000}))
    assert not too_large["fits"]
    assert "pixels" in too_large["error"]
    as_asked = {"encoder": "vgg19", "size": 8, "supersample_below": 0}
    small = planned(site, asked(ids, settings=as_asked))
    assert "needs at least" in small["error"]


def test_a_setting_that_only_the_network_knows_is_told(site, ids):
    plan = planned(site, asked(ids, settings={"content_layers": "relu9_9"}))
    assert "relu9_9" in plan["error"]
    plan = planned(site, asked(ids, settings={"colour": "keep", "colour_method": "x"}))
    assert "expected one of auto" in plan["error"]


APART = {"png16": 0, "tiff": 0, "png8": 0.5 / 255 + 1e-6, "jpeg": 0.05, "webp": 0.1}


@pytest.mark.parametrize("kind", downloads.KINDS)
def test_a_result_comes_in_every_kind_with_its_record(site, folder, kind):
    levels = smooth_picture(30, 20).levels(16)
    picture = impasto.images.read(levels).replaced(record='{"impasto": {"settings": {}}}')
    picture.save(folder / "result.png", bits=16)
    got = site.get("/api/result", params={"format": kind})
    chosen = downloads.KINDS[kind]
    assert got.headers["content-type"] == chosen.media
    assert f'filename="na_ve__1_.{chosen.ending}"' in got.headers["content-disposition"]
    path = folder / f"got.{chosen.ending}"
    path.write_bytes(got.content)
    back = read(path)
    assert back.record == picture.record
    assert float((back.pixels - picture.pixels).abs().max()) <= APART[kind]


def test_an_unknown_kind_is_refused(site, folder):
    assert site.get("/api/result", params={"format": "../x"}).status_code == 422
    (folder / "result.png").unlink(missing_ok=True)
    assert site.get("/api/result").status_code == 404


@pytest.fixture(scope="module")
def painted(site, rooms, ids, folder):
    """A picture that impasto painted of the library's, and the mask that protects a part of it."""
    mask = post(site, encoded(noise(90, 70, "L", seed=52)), role="mask").json()["id"]
    content, style, protect = (rooms.library.kept(each).path for each in (*ids, mask))
    settings = {"encoder": "tiny", "size": 64, "iterations": 2, "precision": "fp32"}
    result = impasto.stylize(
        content, [style, content], recipe="draft", content_weight=3, protect=protect, **settings
    )
    result.image.save(folder / "painted.png")
    return (folder / "painted.png").read_bytes(), mask


def test_a_painted_picture_brings_back_what_made_it(site, ids, painted):
    data, mask = painted
    facts = post(site, data, "result.png").json()
    assert facts["record"]
    got = site.get(f"/api/pictures/{facts['id']}/record").json()
    assert got["missing"] == []
    request = got["request"]
    assert request["content"] == ids[0]
    assert request["styles"] == [ids[1], ids[0]]
    assert request["protect"] == mask
    assert request["recipe"] == "draft"
    assert request["settings"] == {
        "encoder": "tiny",
        "size": 64,
        "iterations": 2,
        "content_weight": 3,
        "precision": "fp32",
    }
    assert planned(site, request)["fits"]


def test_pictures_that_are_not_here_are_missing(painted, tmp_path):
    rooms = Rooms(tmp_path)
    with served(rooms) as address, browser(address) as client:
        facts = post(client, painted[0]).json()
        got = client.get(f"/api/pictures/{facts['id']}/record").json()
    assert got["request"]["content"] is None
    assert got["missing"] == ["content", "style", "style 2", "protect"]


RECORDS = [
    {},
    {"settings": 7},
    {"settings": {"recipe": ["x"], "size": {"a": 1}, "encoder": "/etc/passwd", "new": 1}},
    {"settings": {"take": "best"}, "content": "x", "style": {"sha256": ["x"], "name": {}}},
    {"content": {"name": "/etc/<b>\n", "sha256": None}},
]


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_a_record_may_hold_anything(site, tmp_path, record):
    picture = read(np.full((8, 8, 3), len(str(record)), np.uint8))
    path = tmp_path / "made.png"
    picture.replaced(record=json.dumps({"impasto": record})).save(path)
    facts = post(site, path.read_bytes()).json()
    got = site.get(f"/api/pictures/{facts['id']}/record")
    assert got.status_code == 200, got.text
    assert "/etc/passwd" not in json.dumps(got.json()["request"])


def test_other_pictures_have_no_record(site, ids):
    assert site.get(f"/api/pictures/{ids[0]}/record").status_code == 404


def test_static_files_are_those_of_the_page(site):
    got = site.get("/")
    assert got.headers["content-type"].startswith("text/html")
    tag = got.headers["etag"]
    assert site.get("/", headers={"if-none-match": tag}).status_code == 304
    assert site.get("/static/index.html").content == got.content


def test_rates_are_learned_and_kept(tmp_path):
    forecast = Forecast(tmp_path / "rates.json", None)
    assert forecast.rate("cpu float32 2 gram") is None
    forecast.learn("cpu float32 2 gram", 100.0, 1.0)
    forecast.learn("cuda float32 2 gram", 10_000.0, 1.0)
    assert forecast.rate("cpu float32 2 gram") == 100
    assert forecast.rate("cpu float32 4 moments") == 100
    for _ in range(30):
        forecast.learn("cpu float32 2 gram", 50.0 * 30, 30.0)
    assert forecast.rate("cpu float32 2 gram") == pytest.approx(50, rel=0.01)
    forecast.learn("cpu float32 2 gram", 0.0, 1.0)
    again = Forecast(tmp_path / "rates.json", None)
    assert again.rate("cpu float32 2 gram") == forecast.rate("cpu float32 2 gram")
    forecast._file = tmp_path / "gone" / "rates.json"
    forecast.learn("cpu float32 2 gram", 60.0, 1.0)  # as on a full disk
    (tmp_path / "rates.json").write_text("[")
    assert Forecast(tmp_path / "rates.json", None).rate("cpu") is None


def test_a_picture_of_the_site_is_small(site, ids):
    with Image.open(io.BytesIO(site.get(f"/api/pictures/{ids[0]}/thumb").content)) as image:
        assert image.size == (90, 70)


def test_an_object_is_found_under_a_scribble(site):
    levels = np.full((120, 160, 3), 40, np.uint8)
    levels[30:90, 40:120] = (220, 60, 30)
    facts = post(site, encoded(Image.fromarray(levels))).json()
    url = f"/api/pictures/{facts['id']}/object"
    got = site.post(url, json={"inside": [[0.5, 0.5, 0.05]], "outside": [[0.05, 0.05, 0.02]]})
    assert got.headers["content-type"] == "image/png", got.text
    with Image.open(io.BytesIO(got.content)) as image:
        mask = np.asarray(image)
    assert mask.shape == (120, 160)
    assert mask[60, 80] > 250
    assert mask[5, 5] < 5
    for body in ({}, {"inside": 7}, {"inside": [[1, 2]]}, {"inside": [[9, 0, 0]]}, {"base": "/x"}):
        refused = site.post(url, json=body)
        assert refused.status_code in (404, 422), refused.text
