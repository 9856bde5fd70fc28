"""Settings: one list of knobs, checked; recipes that hold to it."""

import pytest
from pydantic import ValidationError

from impasto.canvas import INITS
from impasto.colour import SPACES
from impasto.encoder import BUNDLED, PADDINGS, POOLINGS
from impasto.errors import SettingsError
from impasto.losses import CONTENT_SCALES, STYLE_LOSSES, VARIATIONS
from impasto.machine import DTYPES
from impasto.optimisers import LINE_SEARCHES
from impasto.recipes import recipe, recipes
from impasto.settings import Settings, choices

REGISTRIES = {
    "space": SPACES,
    "content_normalisation": CONTENT_SCALES,
    "style_normalisation": STYLE_LOSSES,
    "tv_normalisation": VARIATIONS,
    "encoder": BUNDLED,
    "pooling": POOLINGS,
    "padding": PADDINGS,
    "line_search": LINE_SEARCHES,
}


@pytest.mark.parametrize("field", REGISTRIES)
def test_every_choice_exists_and_is_offered(field):
    assert set(choices(field)) == set(REGISTRIES[field])


def test_precisions_and_inits_are_those_there_are():
    assert set(choices("precision")) == {"auto", *DTYPES}
    assert all(name in Settings.model_fields["init"].description for name in INITS)


def test_every_field_says_what_it_is():
    for field in Settings.model_fields.values():
        assert field.description
        assert field.json_schema_extra["group"] in {"Picture", "Objective", "Network", "Optimiser"}


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_is_valid_and_explained(name):
    assert Settings.of(name).recipe == name
    assert len(recipe(name).summary) <= 110
    assert recipe(name).about


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("relu4_2", {"relu4_2": 1.0}),
        ("relu1_1=0.5, relu2_1", {"relu1_1": 0.5, "relu2_1": 1.0}),
        (["relu1_1", "relu2_1"], {"relu1_1": 1.0, "relu2_1": 1.0}),
        ({"pool3": 2}, {"pool3": 2.0}),
        ("", {}),
    ],
)
def test_layers_are_read_from_text(text, layers):
    assert Settings.of(style_layers=text).style_layers == layers


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("size", -1, "size is -1; input should be greater than or equal to 0"),
        ("size", "big", "size is 'big'"),
        ("pooling", "median", "input should be 'max', 'avg' or 'l2'"),
        ("style_weight", float("nan"), "style_weight is nan"),
        ("style_weight", -2, "style_weight is -2"),
        ("style_layers", "relu1_1=x", "style_layers[relu1_1] is 'x'"),
        ("clip", -3, "clip is -3.0; expected none, gamut or a positive number"),
        ("clip", "tight", "clip is 'tight'"),
        ("betas", (0.9, 1.0), r"betas[1] is 1.0"),
        ("init", " ", "init is empty"),
        ("sise", 3, "sise is no setting; expected one of recipe, size"),
    ],
)
def test_what_does_not_fit_is_named(field, value, says):
    with pytest.raises(SettingsError) as caught:
        Settings.of(**{field: value})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wolfe_search_in_a_box_is_refused():
    with pytest.raises(SettingsError, match="use armijo"):
        Settings.of(clip="gamut", line_search="strong-wolfe")


def test_unknown_recipe_lists_the_known():
    with pytest.raises(
        SettingsError, match="'nope'; expected one of standard, keras-eager, neural-style"
    ):
        Settings.of("nope")


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        Settings.of().size = 3


def test_settings_survive_json():
    chosen = Settings.of("keras-eager", size=99, style_layers="relu1_1=0.25")
    assert Settings.checked(chosen.model_dump(mode="json")) == chosen
