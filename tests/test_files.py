"""Names of a run's files: what recipes wish for, templates, collisions, missing libraries."""

from pathlib import Path

import pytest

from conftest import smooth_picture
from impasto.errors import ExtraMissing, OutputError, SettingsError
from impasto.outputs.files import Files, affordable, filled
from impasto.settings import Settings
from impasto.settings.recipes import recipe, recipes
from impasto.settings.schedule import most_iterations

BOTH = {"content": "there/photo.jpg", "style": "sample:swirl"}


@pytest.mark.parametrize(
    ("sources", "name"),
    [
        (BOTH, "photo_swirl.png"),
        ({"content": "a/photo.jpg"}, "photo_reconstruction.png"),
        ({"style": "sample:swirl"}, "swirl_texture.png"),
    ],
)
def test_the_inputs_name_the_output(sources, name):
    assert Files.of({}, sources).output == Path(name)


def test_the_tutorials_files_have_the_tutorials_names():
    noise = Files.of(recipe("matconvnet-noise").files, BOTH)
    assert (noise.output, noise.save_every) == (Path("final_output.jpg"), 250)
    assert noise.at(500) == Path("temp_output_500.jpg")
    assert Files.of(recipe("d2l").files, BOTH).output == Path("neural-style.png")
    film = Files.of(recipe("fastai-transfer").files, BOTH, Path("out/x.png"))
    assert film.timelapse == Path("out/x.mp4")
    assert film.at(3) == Path("out/x_at_iteration_3.png")
    assert Files.of(recipe("keras-eager").files, BOTH).report == Path("photo_swirl_report.png")


@pytest.mark.parametrize("name", recipes())
def test_every_recipes_files_can_be_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = Files.of(recipe(name).files, BOTH)
    files.check(iterations=most_iterations(Settings.of(name)))
    assert affordable(recipe(name).files) == (recipe(name).files, [])


def test_intermediate_pictures_sort_by_iteration():
    files = Files(Path("out/o.png"), save_every=5)
    assert [files.at(i).name for i in (5, 10, 10000)] == ["o.0005.png", "o.0010.png", "o.10000.png"]


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
        filled(template, {"a": 1, "b": 2})


def test_missing_libraries_leave_out_wishes_but_not_what_is_asked_for(monkeypatch, tmp_path):
    def missing(path):
        raise ExtraMissing("needs matplotlib")

    monkeypatch.setattr("impasto.outputs.files.check_report", missing)
    wishes = {"save_every": 3, "report": "{stem}.png", "timelapse": "{stem}.gif"}
    kept, reasons = affordable(wishes)
    assert kept == {"save_every": 3, "timelapse": "{stem}.gif"}
    assert reasons == ["no report: needs matplotlib"]
    with pytest.raises(ExtraMissing):
        Files(tmp_path / "o.png", report=tmp_path / "r.png").check()


def test_all_that_is_written():
    files = Files(Path("o.png"), save_every=2, trace=Path("t.jsonl"), report=Path("r.html"))
    names = [path.name for path in files.written(6)]
    assert names == ["o.png", "t.jsonl", "r.html", "o.0002.png", "o.0004.png"]


@pytest.mark.parametrize("kind", ["trace", "report", "timelapse"])
def test_no_file_serves_two_purposes(kind, tmp_path):
    suffix = {"trace": ".jsonl", "report": ".png", "timelapse": ".gif"}[kind]
    photo = tmp_path / f"photo{suffix}"
    smooth_picture(8, 8).save(tmp_path / "p.png")
    (tmp_path / "p.png").rename(photo)
    with pytest.raises(OutputError, match="is also the input"):
        Files(tmp_path / "o.png", **{kind: photo}).check([str(photo)])


def test_report_and_output_collide(tmp_path):
    with pytest.raises(OutputError, match=r"is also another file of this run, o\.png"):
        Files(tmp_path / "o.png", report=tmp_path / "." / "o.png").check()


@pytest.mark.parametrize("role", ["content", "init"])
def test_intermediate_pictures_spare_the_inputs(role, tmp_path):
    files = Files(tmp_path / "o.png", save_every=2)
    own = tmp_path / "o.0004.png"
    smooth_picture(8, 8).save(own)
    with pytest.raises(OutputError, match=r"o\.0004\.png: is also the input"):
        files.check([str(own)], iterations=6)
    files.check([str(own)], iterations=4)  # the fourth would be the result


def test_a_link_to_an_input_is_the_input(tmp_path):
    smooth_picture(8, 8).save(tmp_path / "p.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "p.png")
    with pytest.raises(OutputError, match="is also the input"):
        Files(tmp_path / "link.png").check([str(tmp_path / "p.png")])


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
        Files(tmp_path / "o.png", trace=tmp_path / name).check()
