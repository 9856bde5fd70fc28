"""What may be asked for: an allow-list of settings, pictures by id, masks that belong to styles."""

import asyncio
import json
from pathlib import Path

import pytest

from impasto.apps.studio import planning
from impasto.apps.studio.orders import Kept
from impasto.apps.studio.refusal import Refusal, missing, without_places
from impasto.apps.studio.requests import ALLOWED, WITHHELD, JobRequest
from impasto.apps.studio.schema import presets, schema
from impasto.settings import Settings, recipes
from impasto.settings.variants import ENCODERS, INITS


class Shelf:
    """A library of ids of one letter."""

    def __init__(self):
        self.rests = []

    def facts(self, picture):
        if len(picture) != 1:
            raise missing("picture")
        return {"width": 40, "height": 30}

    def kept(self, picture):
        self.facts(picture)
        return Kept(Path("/library", picture), f"{picture}.jpg")

    async def rest(self, masks):
        self.rests.append(list(masks))
        return "r"


def settled(**fields):
    return asyncio.run(JobRequest.settled(fields, Shelf()))


def refused(**fields):
    with pytest.raises(Refusal) as error:
        settled(**fields)
    return error.value.text


def test_every_setting_is_allowed_or_withheld_with_a_reason():
    names = [name for group in ALLOWED.values() for name in group]
    assert sorted([*names, *WITHHELD]) == sorted(Settings.model_fields)
    for group, fields in ALLOWED.items():
        for name in fields:
            assert Settings.model_fields[name].json_schema_extra["group"] == group
    assert not {*names} & {*WITHHELD}


def test_withheld_settings_touch_the_host_and_no_pixels():
    pixels = {*Settings.pixel_fields()}
    assert not pixels & {*WITHHELD}


def test_a_request_is_json_there_and_back():
    request = settled(content="a", styles=["b", "c"], settings={"size": 300, "strength": 0.5})
    assert JobRequest.of(json.loads(json.dumps(request.plain())), Shelf()) == request
    assert request.pictures() == ("a", "b", "c")
    assert Settings.of(request.recipe, **request.settings).size == 300


def test_files_are_the_pictures_of_a_work():
    request = settled(content="a", styles=["b", "c"], protect="p", masks=["m", None])
    a, b, c, p, m, r = map(Shelf().kept, "abcpmr")
    files = {"content": a, "styles": (b, c), "protect": p, "content_masks": (m, r)}
    assert request.files(Shelf()) == files
    alone = settled(styles=["b"], recipe="texture").files(Shelf())
    assert (alone["content"], alone["content_masks"]) == (None, ())


@pytest.mark.parametrize(
    ("masks", "expected", "made"),
    [
        ([], (), []),
        ([None, None], (), []),
        (["m", "n"], ("m", "n"), []),
        (["m", None], ("m", "r"), [["m"]]),
        ([None, "n"], ("r", "n"), [["n"]]),
    ],
)
def test_a_style_without_a_mask_goes_where_the_others_do_not(masks, expected, made):
    shelf = Shelf()
    asked = {"content": "a", "styles": ["b", "c"], "masks": masks}
    assert asyncio.run(JobRequest.settled(asked, shelf)).masks == expected
    assert shelf.rests == made


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "neither a photograph nor a painting"),
        ({"content": "a", "masks": ["m"]}, "1 masks for 0 styles"),
        ({"styles": ["b"], "protect": "p"}, "there is none"),
        ({"styles": [*"bcd"], "masks": ["m", None, None], "content": "a"}, "at most one"),
        ({"styles": [*"bcdefg"]}, "styles: expected"),
        ({"styles": "b"}, "styles"),
        ({"styles": ["unknown"]}, "no such picture"),
        ({"content": 7}, "content: expected a valid string"),
        ({"content": "a", "start": "../x"}, "start"),
        ({"content": "a", "more": 1}, "more is no field of a request"),
        ({"content": "a", "recipe": "x"}, "recipe is 'x'; expected one of standard"),
        ({"content": "a", "settings": {"device": "cpu"}}, "device cannot be set here"),
        ({"content": "a", "settings": {"sise": 3}}, "sise is no setting"),
        ({"content": "a", "settings": {"strength": 2}}, "strength is 2; expected less than or"),
        ({"content": "a", "settings": {"init": "/etc/passwd"}}, "expected one of content"),
    ],
)
def test_what_does_not_fit_is_told_in_a_line(fields, text):
    assert text in refused(**fields)
    assert "\n" not in refused(**fields)


@pytest.mark.parametrize("data", [None, 7, "x", [], [1]])
def test_a_request_is_an_object(data):
    with pytest.raises(Refusal, match="the request"):
        JobRequest.of(data, Shelf())


@pytest.fixture(scope="module")
def fields():
    return {field["name"]: field for field in schema(planning.describe())}


def test_the_schema_has_every_allowed_setting(fields):
    assert list(fields) == [name for group in ALLOWED.values() for name in group]
    for field in fields.values():
        assert field["help"]
        assert field["type"] in ("number", "integer", "choice", "text", "layers")
        assert {*field["defaults"]} == {*recipes()}
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields


def test_the_schema_comes_from_settings_and_registries(fields):
    assert fields["init"]["choices"] == list(INITS.names())
    assert fields["encoder"]["choices"] == list(ENCODERS.names())
    assert (fields["size"]["type"], fields["size"]["also"]) == ("integer", "WxH")
    assert (fields["strength"]["min"], fields["strength"]["max"]) == (0, 1)
    assert fields["strength"]["type"] == "number"
    assert fields["clip"]["choices"] == ["none", "gamut"]
    assert fields["clip"]["also"] == "number"
    assert (fields["scales"]["type"], fields["scales"]["choices"]) == ("text", ["auto"])
    assert (fields["iterations"]["type"], fields["iterations"]["also"]) == ("integer", "numbers")
    assert fields["betas"]["type"] == "text"
    assert "relu4_2" in fields["content_layers"]["choices"]["vgg19"]
    assert fields["colour_method"]["by"]["colour"]["style"] == []
    assert "luminance" in fields["colour_method"]["choices"]


def test_every_default_is_a_value_that_a_request_may_have(fields):
    for recipe in recipes():
        settings = {name: field["defaults"][recipe] for name, field in fields.items()}
        settings.pop("colour_method")
        request = settled(content="a", styles=["b"], recipe=recipe, settings=settings)
        assert Settings.of(recipe, **request.settings) == Settings.of(recipe)


def test_presets_and_recipes_are_all_there():
    listed = presets()
    assert [preset["name"] for preset in listed["presets"]] == [
        "draft",
        "standard",
        "fine",
        "print",
    ]
    names = [each["name"] for each in (*listed["presets"], *listed["recipes"])]
    assert sorted(names) == sorted(recipes())
    assert all(each["summary"] for each in (*listed["presets"], *listed["recipes"]))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("/srv/jobs/pictures/ab/original.png: damaged", "original.png: damaged"),
        ("'/srv/jobs/a b/x.png' and /srv/jobs", "'a b/x.png' and jobs"),
        ("/srv/jobs: full", "jobs: full"),
        ("1/f^2X; and/or http://x/y", "1/f^2X; and/or http://x/y"),
        ("", ""),
    ],
)
def test_folders_of_the_machine_are_not_told(text, plain):
    assert without_places(text, ["/srv/jobs"]) == plain
