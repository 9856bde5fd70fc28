"""`impasto film`: a clip from the command line, and what it says."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image

from impasto.apps.cli import main
from impasto.apps.film.clip import Clip
from support import clips

QUICK = "--size 64 --iterations 3 --encoder tiny --frame-iterations 1"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a clip that has sound."""
    monkeypatch.chdir(tmp_path)
    clips.write("clip.mp4", clips.pan((2, 1), 4, (48, 64)).frames, sound=True)
    return tmp_path


def called(arguments, capsys, code=0):
    with pytest.raises(SystemExit) as left:
        main(shlex.split(f"film {arguments}"))
    out, err = capsys.readouterr()
    assert left.value.code == code, err
    return out, err


def test_a_clip_becomes_a_film(desk, capsys):
    out, _ = called(f"clip.mp4 sample:swirl {QUICK} -o out.mp4", capsys)
    assert out == "wrote out.mp4\n"
    made, clip = Clip.open("out.mp4"), Clip.open("clip.mp4")
    assert (made.size, made.count, made.times) == (clip.size, clip.count, clip.times)
    assert len(made.audio) == 1
    assert {path.name for path in desk.iterdir()} == {"clip.mp4", "out.mp4"}


def test_a_part_is_kept_and_the_rest_follows(desk, capsys):
    common = f"clip.mp4 sample:swirl {QUICK} --work kept -o out.mkv"
    called(f"{common} --frames 0:2", capsys)
    assert Clip.open("out.mkv").count == 2
    out, _ = called(f"{common} --json", capsys)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in lines] == ["shot", *["framedone"] * 4, "result"]
    assert Clip.open("out.mkv").count == 4
    assert not (desk / "kept").exists()


def test_a_loop_of_filled_frames(desk, capsys):
    called(f"clip.mp4 sample:swirl {QUICK} --every 2 --loop --keep-work -o out.mkv", capsys)
    lines = (desk / "out.mkv.work" / "frames.jsonl").read_text().splitlines()
    kinds = {line["index"]: line["kind"] for line in map(json.loads, lines)}
    assert kinds == {0: "first", 1: "between", 2: "held", 3: "held"}


def test_a_film_that_is_shared_and_who_comes_late(desk, capsys):
    common = f"clip.mp4 sample:swirl {QUICK} --share -o out.mkv"
    out, err = called(f"{common} --frames 0:2 --report film.html", capsys)
    assert (out, err.count("warning")) == ("wrote out.mkv\n", 0)
    out, _ = called(f"{common} --frames 0:2 --report film.html", capsys)
    assert out == "out.mkv was put together by another process\n"
    out, _ = called(f"{common} --json", capsys)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in lines] == ["shot", *["framedone"] * 4, "result"]
    assert {path.name for path in desk.iterdir()} == {"clip.mp4", "out.mkv", "film.html"}
    out, err = called(common, capsys)
    assert (out, err) == (
        "",
        "warning: out.mkv: is there already; delete it to have it painted again\n",
    )


def test_styles_masks_report_and_preview(desk, capsys):
    masks = np.zeros((4, 48, 64, 3), np.uint8)
    masks[:, :, :32] = 255
    clips.write("masks.mp4", masks)
    common = f"clip.mp4 --styles-at 0:sample:swirl,3f:sample:ember*2 {QUICK} --protect masks.mp4"
    out, err = called(f"{common} --report film.html --preview now.png", capsys)
    assert (out, err.count("warning")) == ("wrote clip_swirl.mp4\n", 0)
    names = {path.name for path in desk.iterdir()}
    assert names == {"clip.mp4", "masks.mp4", "clip_swirl.mp4", "film.html", "now.png"}
    made, clip = (next(Clip.open(name).frames()).pixels for name in ("clip_swirl.mp4", "clip.mp4"))
    apart = np.abs(made.astype(float) - clip).mean(-1)
    assert apart[:, :28].mean() < 0.3 * apart[:, 36:].mean()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("clip.mp4", "no style is given"),
        ("clip.mp4 sample:swirl --styles-at 0:sample:ember", "styles are given twice"),
        ("clip.mp4 --styles-at soon:sample:ember", "style key 'soon:sample:ember'"),
        ("clip.mp4 --styles-at 0:missing.jpg", "missing.jpg"),
        ("clip.mp4 --styles-at 4f:sample:ember", "the clip has 4 frames"),
        ("clip.mp4 --styles-at 0:sample:ember --style-weights 1", "--style-weights"),
        ("clip.mp4 sample:swirl --protect short.mp4", "3 masks for the clip's 4 frames"),
        ("clip.mp4 sample:swirl --content-mask missing", "missing"),
        ("clip.mp4 sample:swirl --report film.png", "film.png"),
        ("clip.mp4 sample:swirl --preview now.txt", "now.txt"),
        ("clip.mp4 sample:swirl --preview out.mkv -o out.mkv", "out.mkv"),
        ("clip.mp4 sample:swirl -o clip.mp4 --overwrite", "clip.mp4: is also an input"),
        ("frames sample:swirl -o frames --overwrite", "frames: is also an input"),
        ("missing.mp4 sample:swirl", "missing.mp4"),
        ("clip.mp4 missing.jpg", "missing.jpg"),
        ("clip.mp4 sample:swirl --frames 3:9", "--frames is '3:9'; expected A:B"),
        ("clip.mp4 sample:swirl --frames two", "expected A:B"),
        ("clip.mp4 sample:swirl --steadiness 2", "--steadiness is"),
        ("clip.mp4 sample:swirl --every 0", "--every is"),
        ("clip.mp4 sample:swirl --loop --frames 0:2", "loop needs the whole clip"),
        ("clip.mp4 sample:swirl --references 0", "--references is"),
        ("clip.mp4 sample:swirl --codec ffv1 -o out.mp4", "ffv1"),
        ("clip.mp4 sample:swirl --fps 10", "fps"),
        ("clip.mp4 sample:swirl -o nowhere/out.mp4", "nowhere"),
        ("clip.mp4 sample:swirl --share", "--output is missing"),
        ("clip.mp4 sample:swirl --share -o out.mkv --overwrite", "leave out --overwrite"),
        ("clip.mp4 sample:swirl --share -o out.mkv --report short.mp4", "short.mp4"),
    ],
)
def test_bad_input_is_one_line(desk, capsys, arguments, said):
    clips.write("short.mp4", np.zeros((3, 48, 64, 3), np.uint8))
    (desk / "frames").mkdir()
    Image.new("RGB", (64, 48)).save("frames/000001.png")
    before = {*desk.iterdir()}
    _, err = called(f"{arguments} {QUICK}", capsys, code=2)
    assert said in err
    assert len(err.splitlines()) == 1
    assert {*desk.iterdir()} == before
