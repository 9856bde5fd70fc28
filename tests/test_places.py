"""Nothing is replaced by accident; standard input and output; what a result says of itself."""

import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from impasto.apps.cli import main
from impasto.apps.cli.places import numbered
from impasto.images import Metadata, read, read_record
from impasto.images.held import Encoded
from support.pictures import smooth_picture

QUICK = ["--size", "32", "--iterations", "2", "--encoder", "tiny", "--style-loss", "gram"]
PAIR = ["stylize", "photo.jpg", "painting.png", *QUICK]
FACTS = Metadata(artist="Ann", dpi=(300.0, 300.0), place=(48.5, 2.25, None))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with photo.jpg and painting.png in it."""
    monkeypatch.chdir(tmp_path)
    smooth_picture(32, 28).replaced(metadata=FACTS).save("photo.jpg", metadata="all")
    smooth_picture(28, 30, phase=1.0).save("painting.png")
    return tmp_path


@pytest.fixture
def impasto(capfdbinary, monkeypatch):
    """Run the command line in this process: (exit code, bytes of stdout, text of stderr)."""

    def run(*arguments, stdin=b"", terminal=()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        for name in terminal:
            monkeypatch.setattr(getattr(sys, name), "isatty", lambda: True)
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        out, err = capfdbinary.readouterr()
        return left.value.code, out, err.decode()

    return run


def refused(result, says):
    code, out, err = result
    assert (code, out, err.count("\n")) == (2, b"", 1), err
    assert says in err


def names(folder):
    return {path.name for path in folder.iterdir()} - {"photo.jpg", "painting.png"}


def test_numbers():
    found = numbered(Path("a/b.c.png"))
    assert [str(next(found)) for _ in range(3)] == ["a/b.c.png", "a/b.c-2.png", "a/b.c-3.png"]


def test_a_default_name_gets_a_number(folder, impasto):
    for _ in range(3):
        assert impasto(*PAIR, "-q")[0] == 0
    expected = {f"photo_painting{n}.png" for n in ("", "-2", "-3")}
    assert names(folder) == expected
    assert impasto(*PAIR, "-q", "--overwrite")[0] == 0
    assert names(folder) == expected


def test_files_beside_it_have_the_same_number(folder, impasto):
    Path("photo_painting.0001.png").write_text("mine")
    assert impasto(*PAIR, "-q", "--save-every", "1")[0] == 0
    assert names(folder) == {
        "photo_painting.0001.png", "photo_painting-2.png", "photo_painting-2.0001.png"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("-o", "out.png"),
        ("--trace", "t.jsonl"),
        ("--report", "r.html"),
        ("--timelapse", "t.gif"),
        ("--checkpoint", "c.checkpoint"),
    ],
)
def test_a_file_that_was_named_is_replaced_only_on_demand(option, name, folder, impasto):
    Path(name).write_text("mine")
    refused(
        impasto(*PAIR, option, name), f"{name}: exists; choose another name, or add --overwrite"
    )
    assert names(folder) == {name}
    assert Path(name).read_text() == "mine"
    assert impasto(*PAIR, option, name, "--overwrite", "-q")[0] == 0
    assert not Path(name).exists() or Path(name).read_bytes() != b"mine"


@pytest.mark.parametrize("command", [["texture", "painting.png"], ["reconstruct", "photo.jpg"]])
def test_other_commands_do_the_same(command, folder, impasto):
    Path("out.png").write_text("mine")
    refused(impasto(*command, *QUICK, "-o", "out.png"), "out.png: exists")


def test_resume_goes_on_with_its_own_and_nobody_elses(folder, impasto):
    resumed = [*PAIR, "-o", "out.png", "--resume", "-q"]
    assert impasto(*PAIR, "-o", "out.png", "-q")[0] == 0
    assert impasto(*resumed) == (0, b"", "")  # it is finished
    smooth_picture(32, 28).save("out.png")
    refused(impasto(*resumed), "out.png: exists")
    assert impasto(*resumed, "--overwrite")[0] == 0
    assert "impasto" in read_record("out.png")


def test_without_a_record_a_run_is_resumed_from_its_checkpoint(folder, impasto):
    bare = [*PAIR, "-o", "out.png", "--record", "none", "-q"]
    assert impasto(*bare, "--keep-checkpoint")[0] == 0
    assert read_record("out.png") is None
    code, _, err = impasto(*bare, "--resume")
    assert (code, err) == (0, "")
    refused(impasto(*bare, "--resume"), "out.png: exists")  # that run's checkpoint is gone


def test_standard_input_and_output(folder, impasto):
    photo = Path("photo.jpg").read_bytes()
    piped = ["stylize", "-", "painting.png", *QUICK]
    code, out, err = impasto(*piped, "-o", "-", stdin=photo)
    assert code == 0
    assert "2/2" in err
    assert read(out).size == (32, 28)
    assert read(out).metadata.artist == "Ann"
    assert names(folder) == set()
    assert impasto(*piped, "-q", stdin=photo)[0] == 0
    assert names(folder) == {"stdin_painting.png"}
    assert (read("stdin_painting.png").levels(8) == read(out).levels(8)).all()


@pytest.mark.parametrize(("name", "kind"), [("jpg", "JPEG"), ("webp", "WEBP"), ("tiff", "TIFF")])
def test_format_of_standard_output(name, kind, folder, impasto):
    code, out, err = impasto(*PAIR, "-q", "-o", "-", "--format", name)
    assert (code, err) == (0, "")
    assert Image.open(io.BytesIO(out)).format == kind


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["stylize", "-", "-"], "- is given 2 times"),
        (["stylize", "-", "painting.png", "--protect", "-"], "- is given 2 times"),
        (["stylize", "-", "painting.png"], "stdin: empty"),
        ([*PAIR[:3], "-o", "-", "--json"], "--json and -o - both take standard output"),
        ([*PAIR[:3], "-o", "-", "--preview"], "preview: standard output takes one picture"),
        ([*PAIR[:3], "-o", "-", "--resume"], "has no place beside a stream"),
        ([*PAIR[:3], "-o", "-", "--format", "bmp"], "format is 'bmp'; expected one of"),
        ([*PAIR[:3], "-o", "-", "--format", "jpg", "--bits", "16"], "JPEG holds 8 bits"),
        ([*PAIR[:3], "-o", "a.png", "--format", "jpg"], "of standard output"),
        ([*PAIR[:3], "--record", "long"], "record is 'long'; expected none, short, full"),
        ([*PAIR[:3], "--metadata", "some"], "metadata is 'some'; expected keep, all, none"),
        (["stylize", "https://127.0.0.1/a.jpg", "painting.png"], "127.0.0.1 is no public address"),
        (["stylize", "http://127.0.0.1/a.jpg", "painting.png"], "plain http"),
        (["stylize", "file://elsewhere/a.jpg", "painting.png"], "expected file:///"),
        (["batch", ".", "--protect", "https://a.test/a.png"], "a batch reads files"),
        (["batch", ".", "--protect", "-"], "a batch reads files"),
    ],
)
def test_mistakes(arguments, says, folder, impasto):
    refused(impasto(*arguments, "--encoder", "tiny"), says)
    assert names(folder) == set()


def test_input_without_end_is_refused(folder, impasto, monkeypatch):
    monkeypatch.setattr("impasto.images.held.contents.__defaults__", (1000,))
    refused(impasto("stylize", "-", "painting.png", *QUICK, stdin=bytes(5000)), "over 1,000 bytes")


def test_home_is_expanded(folder, impasto, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    near = ["stylize", "~/photo.jpg", "~/painting.png", *QUICK, "-q", "--output=~/out.png"]
    assert impasto(*near)[0] == 0
    assert names(folder) == {"out.png"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("keep", {"artist": "Ann", "dpi": [300.0, 300.0]}),
        ("all", {"artist": "Ann", "dpi": [300.0, 300.0], "place": [48.5, 2.25, None]}),
        ("none", None),
    ],
)
def test_show_lists_what_came_with_the_photograph(choice, expected, folder, impasto):
    assert impasto(*PAIR, "-o", "out.jpg", "-q", "--metadata", choice)[0] == 0
    shown = json.loads(impasto("show", "out.jpg", "--json")[1])
    assert shown.get("photograph") == expected
    assert shown["content"]["name"] == "photo.jpg"


def test_show_of_a_short_record_and_of_a_photograph(folder, impasto):
    assert impasto(*PAIR, "-o", "out.png", "-q", "--record", "short")[0] == 0
    shown = json.loads(impasto("show", "out.png", "--json")[1])
    assert {*shown} == {"versions", "settings", "result", "photograph"}
    assert b"photo.jpg" not in Path("out.png").read_bytes()
    assert [*json.loads(impasto("show", "photo.jpg", "--json")[1])] == ["photograph"]
    assert read_record(Encoded("a", Path("photo.jpg").read_bytes())) is None


def test_a_terminal_is_neither_written_to_nor_read_as_a_picture(folder, impasto):
    painted = impasto(*PAIR, "-o", "-", terminal=["stdout"])
    refused(painted, "standard output is a terminal; redirect it, as by > painted.png")
    read_from = impasto("stylize", "-", "painting.png", *QUICK, terminal=["stdin"])
    refused(read_from, "standard input is a terminal; expected a picture, as by < photo.jpg")
    assert names(folder) == set()
