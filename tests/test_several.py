"""Several photographs at the command line, and pictures that were not meant as styles."""

import json
from pathlib import Path

import numpy as np
import pytest

from impasto.apps.cli import main
from impasto.apps.cli.several import MOST_STYLES
from impasto.images import file_checksum, read, read_record
from support.pictures import smooth_picture

QUICK = ["--size", "32", "--iterations", "1", "--encoder", "tiny"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(["one", "two", "three", "wave", "sea"]):
        smooth_picture(40, 33, phase=number).save(f"{name}.png")
    return tmp_path


@pytest.fixture
def stylize(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(["stylize", *QUICK, *arguments])
        return left.value.code, *capsys.readouterr()

    return run


def made():
    return {path.name for path in Path().rglob("*_*.png")}


def test_several_styles_are_said(stylize):
    code, _, err = stylize("one.png", "wave.png", "sea.png")
    assert code == 0
    assert err.startswith("content: one.png; styles: wave.png, sea.png\n")
    assert "content:" not in stylize("one.png", "wave.png")[2]
    assert stylize("one.png", "wave.png", "sea.png", "-q")[2] == ""


def test_a_wildcard_of_many_pictures_is_refused(stylize):
    names = ["wave.png"] * (MOST_STYLES + 1)
    code, out, err = stylize("one.png", *names)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"the {len(names)} pictures after the first would be its styles" in err
    assert "--style" in err
    assert not made()


def test_each_photograph_in_one_style(stylize):
    code, out, err = stylize("one.png", "two.png", "three.png", "--style", "wave.png")
    assert code == 0
    assert made() == {"one_wave.png", "two_wave.png", "three_wave.png"}
    assert out.splitlines() == [f"wrote {name}_wave.png" for name in ("one", "two", "three")]
    assert "2 of 3: two.png\n" in err
    alone = read("two_wave.png").numpy()
    Path("two_wave.png").unlink()
    stylize("two.png", "wave.png", "-q")
    assert np.array_equal(read("two_wave.png").numpy(), alone)


def test_several_styles_for_each(stylize):
    code, *_ = stylize("one.png", "two.png", "--style", "wave.png", "--style", "sea.png", "-q")
    assert code == 0
    assert made() == {"one_wave+sea.png", "two_wave+sea.png"}


def test_one_photograph_may_have_its_style_by_name(stylize):
    assert stylize("one.png", "--style", "wave.png", "-o", "a_b.png", "-q") == (0, "", "")
    assert made() == {"a_b.png"}


def test_results_in_a_folder_replace_nothing(stylize):
    Path("other").mkdir()
    smooth_picture(40, 33, phase=9).save("other/one.png")
    several = ["one.png", "other/one.png", "--style", "wave.png", "-o", "out", "-q"]
    assert stylize(*several)[0] == 0
    assert made() == {"one_wave.png", "one_wave-2.png"}
    assert stylize(*several)[0] == 0
    assert made() == {f"one_wave{n}.png" for n in ("", "-2", "-3", "-4")}
    assert stylize(*several, "--overwrite")[0] == 0
    assert len(made()) == 4


def record_of(path):
    return json.loads(read_record(path))["impasto"]["content"]["sha256"]


@pytest.mark.parametrize("place", [[], ["-o", "out"]])
def test_overwrite_replaces_no_result_of_the_same_command(stylize, place):
    Path("other").mkdir()
    smooth_picture(40, 33, phase=9).save("other/one.png")
    several = ["one.png", "other/one.png", "--style", "wave.png", *place, "-q", "--overwrite"]
    folder = Path(*place[1:])
    folder.mkdir(exist_ok=True)
    (folder / "one_wave.png").write_text("before")
    for _ in range(2):
        assert stylize(*several) == (0, "", "")
        assert made() == {"one_wave.png", "one_wave-2.png"}
        painted = [record_of(folder / f"one_wave{n}.png") for n in ("", "-2")]
        assert painted == [file_checksum(Path(name)) for name in several[:2]]


@pytest.mark.parametrize("place", [[], ["-o", "."]])
def test_overwrite_replaces_no_photograph_of_the_same_command(stylize, place):
    smooth_picture(40, 33, phase=9).save("one_wave.png")
    before = Path("one_wave.png").read_bytes()
    several = ["one.png", "one_wave.png", "--style", "wave.png", *place, "-q", "--overwrite"]
    assert stylize(*several) == (0, "", "")
    assert Path("one_wave.png").read_bytes() == before
    assert made() == {"one_wave.png", "one_wave-2.png", "one_wave_wave.png"}
    assert record_of("one_wave-2.png") == file_checksum(Path("one.png"))


def test_files_of_the_same_name_are_refused_after_the_first(stylize):
    several = ["one.png", "two.png", "--style", "wave.png", "-q", "--overwrite"]
    recipe = ["--recipe", "matconvnet-noise", "--iterations", "2", "--save-every", "1"]
    code, _, err = stylize(*several, *recipe)
    assert (code, err.count("\n")) == (1, 1)
    assert "temp_output_1.jpg: is also a file of another photograph" in err


def test_a_picture_that_fails_does_not_stop_the_others(stylize):
    Path("two.png").write_bytes(b"no picture")
    code, _, err = stylize("one.png", "two.png", "gone.png", "three.png", "--style", "wave.png")
    assert code == 1
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert ["two.png" in errors[0], "gone.png" in errors[1]] == [True, True]
    assert made() == {"one_wave.png", "three_wave.png"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-o", "out.png"], "--output is out.png; with several photographs expected a folder"),
        (["-o", "-"], "expected a folder"),
        (["-o", "one.png"], "expected a folder"),
        (["--report", "r.html"], "--report is one file for several photographs"),
        (["--trace", "t.jsonl"], "--trace is one file"),
        (["--style-layers", "relu9_9"], "relu9_9"),
        (["-o", "folder", "--style-layers", "relu9_9"], "relu9_9"),
        (["-o", "no/folder"], "several photographs need a folder"),
        (["-"], "with several photographs name files"),
    ],
)
def test_what_only_one_picture_has(stylize, arguments, expected):
    before = sorted(Path().iterdir())
    code, out, err = stylize("one.png", "two.png", "--style", "wave.png", *arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert sorted(Path().iterdir()) == before
