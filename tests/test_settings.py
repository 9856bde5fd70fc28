"""Settings: one list of knobs, checked; recipes that hold to it."""

import pytest
from pydantic import ValidationError

from impasto.encoder import PADDINGS, POOLINGS
from impasto.errors import SettingsError
from impasto.hardware.device import DTYPES
from impasto.images.spaces import SPACES
from impasto.objective.style_losses import GRAMS
from impasto.objective.terms.content import CONTENT_SCALES
from impasto.objective.terms.variation import VARIATIONS
from impasto.run.postprocess import TONES
from impasto.settings import Settings
from impasto.settings.recipes import recipe, recipes
from impasto.settings.schedule import most_iterations, schedule
from impasto.settings.variants import (
    COLOUR_MODES,
    EFFECTS,
    INITS,
    LINE_SEARCHES,
    OPTIMISERS,
    STYLE_LOSSES,
)

REGISTRIES = {
    "space": SPACES,
    "content_normalisation": CONTENT_SCALES,
    "style_normalisation": GRAMS,
    "tv_normalisation": VARIATIONS,
    "tones": TONES,
    "pooling": POOLINGS,
    "padding": PADDINGS,
}


VARIANTS = {
    "colour": COLOUR_MODES,
    "finish": EFFECTS,
    "init": INITS,
    "line_search": LINE_SEARCHES,
    "optimiser": OPTIMISERS,
    "style_loss": STYLE_LOSSES,
}


def choices(field):
    return Settings.model_json_schema()["properties"][field].get("enum", ())


GROUPS = {"Picture", "Styles", "Colour", "Finish", "Objective", "Network", "Optimiser"}


@pytest.mark.parametrize("field", REGISTRIES)
def test_every_choice_exists_and_is_offered(field):
    assert set(choices(field)) == set(REGISTRIES[field])


def test_former_names_of_fields_are_understood():
    assert Settings.of(take="best") == Settings.of(select="best")
    assert Settings.of("keras-eager", take="last").select == "last"
    assert Settings.of("keras-eager").replaced(take="last").select == "last"


def test_precisions_are_those_there_are():
    assert set(choices("precision")) == {"auto", *DTYPES}


@pytest.mark.parametrize("field", VARIANTS)
def test_every_variant_exists_and_is_a_choice(field):
    for name in VARIANTS[field].names():
        assert getattr(Settings.of(**{field: name}), field) == name
        assert VARIANTS[field].get(name) is not None
    with pytest.raises(SettingsError, match=f"{field} is 'none of them'; expected one of "):
        Settings.of(**{field: "none of them"})


@pytest.mark.parametrize("counts", ["5,5", "5,5,5,5"])
def test_numbers_are_one_or_one_per_scale(counts):
    with pytest.raises(SettingsError, match="expected one number, or one per scale"):
        Settings.of(scales="0.25,0.5,1", iterations=counts)


def test_a_recipes_numbers_are_spread_over_other_scales():
    few, many = (Settings.of(scales=scales) for scales in ("0.5,1", ",".join(["0.5"] * 9 + ["1"])))
    assert few.iterations == (64, 24)
    assert many.iterations == (64, 24, *[12] * 8)


def test_every_field_says_what_it_is():
    for field in Settings.model_fields.values():
        assert field.description
        assert field.json_schema_extra["group"] in GROUPS


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
        ("size", -1, "size is -1; expected greater than or equal to 0"),
        ("size", "big", "size is 'big'"),
        ("size", "0x40", "size is '0x40'; expected greater than or equal to 1"),
        ("size", "40x", "size is '40x'; expected a valid integer"),
        ("size", "40x40x40", "size is '40x40x40'"),
        ("scales", "0.5", "expected auto, or rising parts of the size to 1"),
        ("scales", "1,0.5,1", "expected auto, or rising parts of the size to 1"),
        ("scales", "0,1", "scales"),
        ("iterations", (), "iterations is (); expected one number, or one per scale"),
        ("first_step", 0, "first_step is 0; expected 'l1' or 'l2' or greater than 0"),
        ("first_step", "far", "expected 'l1' or 'l2' or a valid number"),
        ("tones", "sepia", "expected 'clip' or 'stretch'"),
        ("pooling", "median", "expected 'max', 'avg' or 'l2'"),
        ("style_weight", float("nan"), "style_weight is nan"),
        ("style_weight", -2, "style_weight is -2"),
        ("style_layers", "relu1_1=x", "style_layers[relu1_1] is 'x'"),
        ("clip", -3, "clip is -3.0; expected none, gamut or a positive number"),
        ("clip", "tight", "clip is 'tight'; expected 'none' or 'gamut' or a valid number"),
        ("betas", (0.9, 1.0), "betas is (0.9, 1.0); expected less than 1"),
        ("betas", "0.9", "betas is '0.9'"),
        ("init", " ", "init is ' '; expected one of content"),
        ("sise", 3, "sise is no setting; expected one of recipe, size"),
    ],
)
def test_what_does_not_fit_is_named(field, value, says):
    with pytest.raises(SettingsError) as caught:
        Settings.of(**{field: value})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("search", ["strong-wolfe", "more-thuente"])
def test_a_wolfe_search_in_a_box_is_refused_unless_it_starts_anew(search):
    with pytest.raises(SettingsError, match="line_search armijo"):
        Settings.of(clip="gamut", line_search=search)
    assert Settings.of(clip="gamut", line_search=search, evaluations=20).evaluations == 20


@pytest.mark.parametrize(
    ("value", "size"),
    [("640", 640), (640, 640), ("900x600", (900, 600)), ([900, 600], (900, 600)), ("0", 0)],
)
def test_sizes_are_read_from_text(value, size):
    assert Settings.of(size=value).size == size


def test_one_number_holds_at_every_scale():
    chosen = Settings.of(scales="0.25,0.5,1", iterations="30,20,10", decay_every=5)
    found = schedule(chosen, (80, 40))
    assert [(s.size, s.iterations, s.decay_every) for s in found] == [
        ((20, 10), 30, 5),
        ((40, 20), 20, 5),
        ((80, 40), 10, 5),
    ]
    assert [(s.index, s.count, s.done, s.total) for s in found] == [
        (0, 3, 0, 60),
        (1, 3, 30, 60),
        (2, 3, 50, 60),
    ]
    plain = Settings.of(iterations=7, scales=[1.0])
    (only,) = schedule(plain, (80, 40))
    assert (only.size, only.iterations, only.decay_every, only.total) == ((80, 40), 7, 0, 7)


def test_automatic_scales_end_at_the_result_and_begin_above_the_smallest():
    auto = Settings.of(scales="auto", iterations="40,20,10", smallest=128)
    sizes = [stage.size for stage in schedule(auto, (512, 384))]
    assert sizes == [(128, 96), (181, 136), (256, 192), (362, 272), (512, 384)]
    assert [stage.iterations for stage in schedule(auto, (512, 384))] == [40, 20, 10, 10, 10]
    (only,) = schedule(auto, (128, 99))
    assert (only.size, only.iterations) == ((128, 99), 40)
    assert [stage.size for stage in schedule(auto, (90, 181))] == [(64, 128), (90, 181)]
    first = schedule(auto.replaced(scale_factor=2), (10, 512))[0]
    assert (first.size, first.iterations) == ((2, 128), 40)


@pytest.mark.usefixtures("as_users_have_it")
def test_a_small_result_is_painted_one_scale_larger():
    auto = Settings.of(
        scales="auto", iterations="40,20", smallest=128, scale_factor=1.5, supersample_below=192
    )

    def painted(*size):
        return [(stage.size, stage.iterations) for stage in schedule(auto, size)]

    assert painted(64, 48) == [((128, 96), 40)]
    assert painted(3, 84) == [((5, 128), 40)]  # 1.5 times as large is less than smallest
    assert painted(100, 50) == [((150, 75), 40)]
    assert painted(120, 60) == [((180, 90), 40)]
    assert painted(128, 64) == [((128, 64), 40), ((192, 96), 20)]
    assert painted(160, 80) == [((128, 64), 40), ((192, 96), 20)]
    assert painted(192, 96) == [((128, 64), 40), ((192, 96), 20)]
    auto = auto.replaced(supersample_below=0)
    assert painted(64, 48) == [((64, 48), 40)]


def test_the_most_iterations_of_a_photograph_of_unknown_size():
    auto = Settings.of(scales="auto", iterations=10, size=0, smallest=128)
    assert most_iterations(auto) == 10 * len(schedule(auto, (1_000_000, 1)))
    assert most_iterations(auto.replaced(size=512)) == 50
    assert most_iterations(auto.replaced(size="90x181")) == 20


@pytest.mark.parametrize(
    ("field", "value"),
    [("scales", "0.5"), ("scales", ()), ("scales", "1,0.5"), ("iterations", ()), ("memory", "4GX")],
)
def test_a_schedule_that_cannot_be(field, value):
    with pytest.raises(SettingsError, match=field):
        Settings.of(**{field: value})


@pytest.mark.parametrize(("text", "size"), [("4GB", 4 * 10**9), ("3 MiB", 3 * 2**20), (0, 0)])
def test_memory_is_read_as_people_write_it(text, size):
    chosen = Settings.of(memory=text)
    assert chosen.memory == size
    assert Settings.checked(chosen.model_dump(mode="json")).memory == size


def test_replaced_is_checked_as_well():
    assert Settings.of().replaced(size=64).size == 64
    with pytest.raises(SettingsError, match="size is -3"):
        Settings.of().replaced(size=-3)


def test_unknown_recipe_lists_the_known():
    with pytest.raises(
        SettingsError, match="'nope'; expected one of standard, draft, fine, print, "
    ):
        Settings.of("nope")


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        Settings.of().size = 3


def test_settings_survive_json():
    chosen = Settings.of("keras-eager", size=99, style_layers="relu1_1=0.25")
    assert Settings.checked(chosen.model_dump(mode="json")) == chosen
