"""Requested outputs: what recipes ask for, templates, collisions, missing libraries."""

import sys
from pathlib import Path

import pytest

from conftest import smooth_picture
from impasto.errors import ExtraMissing, OutputError, SettingsError
from impasto.outputs import OUTPUTS, Request, available, options
from impasto.outputs.names import fill
from impasto.settings import Settings
from impasto.settings.recipes import recipe, recipes
from impasto.settings.schedule import most_iterations
from support.children import finished

BOTH = {"content": "there/photo.jpg", "style": "sample:swirl"}


def requested(folder, **wanted):
    return Request.of({"output": folder / "o.png", **wanted})


def intermediates(request):
    """The output of that name, which has many files."""
    kind = OUTPUTS.get("intermediates")
    return next(output for output in request.outputs if isinstance(output, kind))


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        (BOTH, "photo_swirl.png"),
        ({"content": "a/photo.jpg"}, "photo_reconstruction.png"),
        ({"style": "sample:swirl"}, "swirl_texture.png"),
    ],
)
def test_the_inputs_name_the_output(sources, name):
    assert Request.of({}, sources).target.path == Path(name)


def test_without_inputs_the_output_needs_a_name():
    with pytest.raises(SettingsError, match="output is missing"):
        Request.of({"report": "r.png"})


def test_the_tutorials_files_have_the_tutorials_names():
    noise = Request.of(recipe("matconvnet-noise").files, BOTH)
    assert noise.target.path == Path("final_output.jpg")
    assert (intermediates(noise).every, intermediates(noise).at(500)) == (
        250,
        Path("temp_output_500.jpg"),
    )
    assert Request.of(recipe("d2l").files, BOTH).target.path == Path("neural-style.png")
    files = recipe("fastai-transfer").files
    film = Request.of({**files, "output": Path("out/x.png")}, BOTH)
    assert film.path("timelapse") == Path("out/x.mp4")
    assert intermediates(film).at(3) == Path("out/x_at_iteration_3.png")
    report = Request.of(recipe("keras-eager").files, BOTH).path("report")
    assert report == Path("photo_swirl_report.png")


@pytest.mark.parametrize("name", recipes())
def test_every_recipes_files_can_be_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = Request.of(recipe(name).files, BOTH)
    request.check(iterations=most_iterations(Settings.of(name)))
    assert available(recipe(name).files) == (recipe(name).files, [])


def test_paths_are_taken_as_they_are_and_names_are_beside_the_picture():
    wanted = {"output": Path("out/o.png"), "report": Path("r.html"), "trace": "{stem}.jsonl"}
    request = Request.of(wanted)
    assert request.path("report") == Path("r.html")
    assert request.path("trace") == Path("out/o.jsonl")
    assert request.path("timelapse") is None


@pytest.mark.parametrize("name", ["sub/r.png", "../r.png", "", "{stem}/r.png"])
def test_names_stay_beside_the_picture(name, tmp_path):
    with pytest.raises(SettingsError, match="is not a file beside the picture"):
        requested(tmp_path, report=name)


def test_none_turns_off_what_a_recipe_writes(tmp_path):
    wanted = {**recipe("fastai-transfer").files, "timelapse": Path("none"), "save_every": 0}
    request = Request.of({**wanted, "output": tmp_path / "o.png"})
    assert list(request.paths(10)) == [tmp_path / "o.png"]


def test_intermediate_pictures_sort_by_iteration(tmp_path):
    output = intermediates(requested(tmp_path, save_every=5))
    names = [output.at(i).name for i in (5, 10, 10000)]
    assert names == ["o.0005.png", "o.0010.png", "o.10000.png"]


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{nope}.png", r"has the field \{nope\}; expected \{a\}, \{b\}"),
        ("{}.png", r"has the field \{\}"),
        ("{a.__class__}", r"has the field \{a.__class__\}"),
        ("{a", "is no template"),
        ("{a:q}", "has a format; expected a width"),
        ("{a:1000000000d}", "has a format; expected a width"),
    ],
)
def test_bad_templates(template, says):
    with pytest.raises(SettingsError, match=says):
        fill(template, {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"film": "f.mp4"}, "there is no output 'film'; expected output, format, bits"),
        ({"save_every": -1}, "save_every is -1; expected 0 or more"),
        ({"save_every": "2"}, "save_every is '2'; expected int"),
        ({"save_every": True}, "save_every is True; expected int"),
        ({"quality": 101}, "quality is 101; expected 1 to 100"),
        ({"preview": 1}, "preview is 1; expected bool"),
        ({"report": 3}, "report is 3; expected Path"),
    ],
)
def test_values_that_do_not_fit(wanted, says, tmp_path):
    with pytest.raises(SettingsError, match=says):
        requested(tmp_path, **wanted)


def test_missing_libraries_leave_out_what_a_recipe_writes_but_not_what_is_asked_for(
    monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    kept, lines = available({"save_every": 3, "report": "{stem}.png", "timelapse": "{stem}.gif"})
    assert kept == {"save_every": 3, "timelapse": "{stem}.gif"}
    assert len(lines) == 1
    assert lines[0].startswith("no report: writing a .png report needs matplotlib")
    with pytest.raises(ExtraMissing):
        requested(tmp_path, report=tmp_path / "r.png").check()


def test_all_that_is_written(tmp_path):
    request = requested(tmp_path, save_every=2, trace="t.jsonl", report="r.html", preview=True)
    names = [path.name for path in request.paths(6)]
    assert names == ["o.png", "t.jsonl", "o.0002.png", "o.0004.png", "r.html"]


@pytest.mark.parametrize("kind", ["trace", "report", "timelapse"])
def test_no_file_serves_two_purposes(kind, tmp_path):
    suffix = {"trace": ".jsonl", "report": ".png", "timelapse": ".gif"}[kind]
    photo = tmp_path / f"photo{suffix}"
    smooth_picture(8, 8).save(tmp_path / "p.png")
    (tmp_path / "p.png").rename(photo)
    with pytest.raises(OutputError, match="is also the input"):
        requested(tmp_path, **{kind: photo}).check([str(photo)])


def test_report_and_output_collide(tmp_path):
    with pytest.raises(OutputError, match=r"is also another file of this run, o\.png"):
        requested(tmp_path, report=tmp_path / "." / "o.png").check()


@pytest.mark.parametrize("role", ["content", "init"])
def test_intermediate_pictures_spare_the_inputs(role, tmp_path):
    request = requested(tmp_path, save_every=2)
    own = tmp_path / "o.0004.png"
    smooth_picture(8, 8).save(own)
    with pytest.raises(OutputError, match=r"o\.0004\.png: is also the input"):
        request.check([str(own)], iterations=6)
    request.check([str(own)], iterations=4)  # the fourth would be the result


def test_a_link_to_an_input_is_the_input(tmp_path):
    smooth_picture(8, 8).save(tmp_path / "p.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "p.png")
    with pytest.raises(OutputError, match="is also the input"):
        Request.of({"output": tmp_path / "link.png"}).check([str(tmp_path / "p.png")])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone/t.jsonl", "does not exist"),
        ("folder.jsonl", "a folder"),
        ("t.safetensors", "expected a name ending in .jsonl"),
        ("x" * 300 + ".jsonl", "too long"),
    ],
)
def test_a_trace_needs_a_place(name, says, tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(OutputError, match=says):
        requested(tmp_path, trace=tmp_path / name).check()


def test_a_checkpoint_is_beside_the_picture_unless_it_has_a_name(tmp_path):
    assert requested(tmp_path).path("checkpoint") is None
    assert requested(tmp_path, checkpoint_every=0.0).path("checkpoint") == tmp_path / "o.checkpoint"
    other = requested(tmp_path, checkpoint=Path("c.checkpoint"), checkpoint_every=3)
    assert other.path("checkpoint") == Path("c.checkpoint")


def test_every_option_says_what_it_is():
    for name, option in options().items():
        assert name == option.name
        assert option.help.endswith(".")
        assert option.kind in (Path, str, int, float, bool)


def test_options_are_listed_without_torch():
    probe = "import sys; from impasto.outputs import options; options(); sys.exit('torch' in {})"
    assert finished([sys.executable, "-c", probe.format("sys.modules")]).returncode == 0
